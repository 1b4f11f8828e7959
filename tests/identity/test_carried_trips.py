"""Orders that a handheld carries: who may seal them, how many trips there are."""

from contextlib import closing
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update
from tests.headend.web_world import NOW, StandingClock, address, settings

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.device_messages import Carried, Carry, Denied, Ended
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.records import Description, Visitor
from kwhub.headend.orders.trips import TRIP, check_trip
from kwhub.headend.people import trail
from kwhub.headend.store import schema
from kwhub.headend.store.schema_devices import device, device_order, device_work
from kwhub.headend.store.views import OrderState

ROOT = "11" * 16
NAME = "device-000001"
LIMITS = Ordering(
    trips_per_hour=3, trip_share_per_hour=1.0, approval_delay_s=0, never_trip=(address(9),)
)


@pytest.fixture
def headend(tmp_path):
    """A head-end with root keys, and a device that works."""
    keys = tmp_path / "roots"
    keys.write_text(ROOT)
    keys.chmod(0o600)
    config = msgspec.structs.replace(
        settings(tmp_path / "h.sqlite"),
        devices=Devices(folder=str(tmp_path / "ca"), root_key=str(keys)),
        orders=LIMITS,
    )
    made = HeadEnd(config, StandingClock())
    parts(made).registry.allocate(Description(), "admin")
    with made._database.write() as connection:
        connection.execute(update(device).values(state="active"))
    yield made
    parts(made).close()
    made.store.close()


def parts(headend):
    """Its part for devices, which it has."""
    assert headend.devices
    return headend.devices


def trip(headend, number, by="ann"):
    """An order of one person to which another one has agreed."""
    order = headend.devices.order(NAME, (address(number), "relay-trip", ""), by)
    headend.devices.approve(order, "boss")
    return order


def orders(headend):
    with headend._database.read() as connection:
        return connection.execute(select(device_order)).all()


def test_an_order_goes_with_work_and_its_frames_are_made_with_the_root_keys(headend):
    order = headend.devices.order(NAME, (address(2), "relay-trip", ""), "ann", 30)
    number = headend.devices.approve(order, "bob")
    with headend._database.write() as connection:
        work = connection.execute(select(device_work)).one()
        assert (work.id, work.kind, work.order_id) == (number, "relay-trip", order)
        assert work.not_after == NOW + timedelta(minutes=30)
        visitor = Visitor(1, NAME, 1, NOW, is_expired=False)
        first = headend.devices.orders.step(connection, visitor, Carry(work.order_id, 0))
    assert isinstance(first, Carried)
    assert bytes.fromhex(address(2))[::-1] in first.frame


def test_no_device_hears_of_an_order_before_a_second_person_has_agreed(headend):
    service = headend.devices
    order = service.order(NAME, (address(2), "relay-trip", ""), "ann")
    visitor = Visitor(1, NAME, 1, NOW, is_expired=False)
    with headend._database.write() as connection:
        assert service.work.open_work(connection, visitor).orders == ()
        assert isinstance(service.orders.step(connection, visitor, Carry(order, 0)), Denied)
    with pytest.raises(LocalError, match="a second person must approve"):
        service.approve(order, "ann")
    with pytest.raises(LocalError, match="there is no order 99"):
        service.approve(99, "bob")
    assert [(each.state, each.approved_by) for each in orders(headend)] == [("unapproved", "")]
    service.approve(order, "bob")
    assert [(each.state, each.approved_by) for each in orders(headend)] == [("open", "bob")]
    with pytest.raises(LocalError, match="does not wait for an approval: it is open"):
        service.approve(order, "eve")
    with headend._database.write() as connection:
        assert len(service.work.open_work(connection, visitor).orders) == 1
        assert isinstance(service.orders.step(connection, visitor, Carry(order, 0)), Carried)
    with headend._database.read() as connection:
        steps = [each.action for each in trail.entries(connection, limit=9)]
    assert steps[::-1][-4:] == [
        "device_order",
        "device_order_approve",
        "device_work",
        "device_order_begin",
    ]


def test_an_order_that_was_taken_back_or_is_too_late_is_not_approved(headend):
    service = headend.devices
    first = service.order(NAME, (address(2), "relay-trip", ""), "ann")
    service.orders.recall(first, "bob")
    with pytest.raises(LocalError, match="it is recalled"):
        service.approve(first, "bob")
    with pytest.raises(LocalError, match="cannot be recalled"):
        service.orders.recall(first, "bob")
    late = service.order(NAME, (address(2), "relay-trip", ""), "ann")
    with headend._database.write() as connection:
        connection.execute(update(device_order).values(not_after=NOW))
    with pytest.raises(LocalError, match=f"the time of order {late} is over"):
        service.approve(late, "bob")
    assert trip(headend, 2)  # neither of them blocks the meter


def test_work_that_is_recalled_takes_its_order_with_it(headend):
    order = trip(headend, 2)
    with headend._database.read() as connection:
        work = connection.scalar(select(device_work.c.id))
    assert headend.devices.work.recall(work, "bob") == (order,)
    assert [each.state for each in orders(headend)] == ["recalled"]
    with pytest.raises(LocalError, match="is recalled: it cannot be recalled"):
        headend.devices.work.recall(work, "bob")
    with pytest.raises(LocalError, match="is not there"):
        headend.devices.work.recall(99, "bob")


def test_trips_that_are_carried_have_the_same_budget_as_all_others(headend):
    known = {
        "meter_id": 3,
        "kind": "relay",
        "state": OrderState.DONE,
        "detail": "",
        "wanted": TRIP,
        "ordered_by": "ann",
        "created_at": NOW,
    }
    with headend._database.write() as connection:
        connection.execute(schema.orders.insert().values(**known, finished_at=NOW))
    trip(headend, 2)
    trip(headend, 4)
    with pytest.raises(LocalError, match="budget of trips is used up"):
        trip(headend, 5)
    assert len(orders(headend)) == 2  # what was refused is not written, but told
    with headend._database.read() as connection:
        (tried, *_) = trail.entries(connection, limit=1)
    assert (tried.who, tried.action) == ("ann", "device_order_refused")
    trip(headend, 5, by="bob")
    # And the other way round: what handhelds carry counts for orders by concentrator.
    with headend._database.write() as connection:
        made = connection.execute(
            schema.orders.insert().values(**(known | {"meter_id": 7, "state": OrderState.NEW}))
        )
        with pytest.raises(LocalError, match="budget of trips is used up"):
            check_trip(connection, LIMITS, made.inserted_primary_key[0], NOW)


def test_a_trip_that_was_recalled_after_it_was_begun_counts_because_the_meter_may_have_obeyed(
    headend,
):
    for number in (2, 4, 5):
        trip(headend, number)
    recalled = update(device_order).values(state="recalled", finished_at=NOW)
    with headend._database.write() as connection:
        connection.execute(recalled.values(begun_at=NOW))
    with pytest.raises(LocalError, match="budget of trips is used up"):
        trip(headend, 6)
    with headend._database.write() as connection:
        connection.execute(recalled.values(begun_at=None))
    assert trip(headend, 6)


def test_who_became_protected_since_is_not_tripped(headend, tmp_path):
    trip(headend, 2)
    headend.devices.close()
    headend.store.close()
    limits = Ordering(never_trip=(address(2),), approval_delay_s=0)
    again = HeadEnd(msgspec.structs.replace(headend.config, orders=limits), StandingClock())
    with closing(again.store), again._database.write() as connection:
        visitor = Visitor(1, NAME, 1, NOW, is_expired=False)
        ended = parts(again).orders.step(connection, visitor, Carry(1, 0))
    assert ended == Ended(1, obeyed=False, detail="no trip: protected supply")
    parts(again).close()


def test_protected_unknown_and_twice_are_refused(headend):
    with pytest.raises(LocalError, match="protected supply"):
        trip(headend, 9)
    with pytest.raises(LocalError, match="has no active meter"):
        headend.devices.order(NAME, ("000000000001", "relay-trip", ""), "ann")
    trip(headend, 2)
    with pytest.raises(LocalError, match="order for this meter is open"):
        trip(headend, 2)
    assert len(orders(headend)) == 1


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (("explode", ""), "is none of"),
        (("relay-trip", "now"), "has no detail"),
        (("parameter", "04"), "identifier and its value"),
        (("keys", "two"), "version of the new keys"),
    ],
)
def test_an_order_that_is_none_is_told_before_anybody_walks(headend, wanted, told):
    with pytest.raises(LocalError, match=told):
        headend.devices.order(NAME, (address(2), *wanted), "ann")
    assert orders(headend) == []


def test_orders_that_switch_nothing_off_have_no_budget(headend):
    for number in range(2, 9):
        headend.devices.order(NAME, (address(number), "relay-permit", ""), "ann")
    assert len(orders(headend)) == 7


def test_without_root_keys_there_are_no_orders_and_open_keys_stop_the_start(tmp_path):
    config = settings(tmp_path / "h.sqlite")
    plain = msgspec.structs.replace(config, devices=Devices(folder=str(tmp_path / "ca")))
    headend = HeadEnd(plain, StandingClock())
    with closing(headend.store), pytest.raises(LocalError, match="set root_key"):
        trip(headend, 2)
    keys = tmp_path / "roots"
    keys.write_text(ROOT)
    keys.chmod(0o644)
    wrong = Devices(folder=str(tmp_path / "ca"), root_key=str(keys))
    with pytest.raises(ConfigError, match="others may read it"):
        HeadEnd(msgspec.structs.replace(config, devices=wrong), StandingClock())


def test_an_order_is_given_on_the_command_line(tmp_path, capsys):
    (tmp_path / "roots").write_text(ROOT)
    path = tmp_path / "headend.toml"
    path.write_text(
        f'[headend]\nstore = "{tmp_path}/h.sqlite"\nuplink = ""\n'
        f'[devices]\nfolder = "{tmp_path}/ca"\nroot_key = "{tmp_path}/roots"\n'
    )
    headend = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    headend.store.close()
    assert run(["headend", "device", "allocate", str(path), "--json"]) == 0
    capsys.readouterr()
    words = ["headend", "device", "order", str(path), NAME, address(2)]
    assert run([*words, "explode"]) != 0
    assert "is none of" in capsys.readouterr().err
    assert run([*words, "relay-trip"]) != 0
    assert f"{NAME} is allocated: it can be given nothing" in capsys.readouterr().err


def test_an_order_to_a_collecting_terminal_needs_its_password_and_its_name_in_the_archive(
    headend, tmp_path
):
    clock = ("000020260700", "terminal-clock", "")
    with pytest.raises(LocalError, match="set write_password_file in"):
        headend.devices.order(NAME, clock, "ann")
    parts(headend).close()
    headend.store.close()
    word = tmp_path / "word"
    word.write_text("271828")
    limits = msgspec.structs.replace(LIMITS, write_password_file=str(word))
    again = HeadEnd(msgspec.structs.replace(headend.config, orders=limits), StandingClock())
    service = parts(again)
    with closing(again.store):
        with pytest.raises(LocalError, match="no active terminal that is named 000020260700"):
            service.order(NAME, clock, "ann")
        with again._database.write() as connection:
            connection.execute(update(schema.terminal).values(name=clock[0]))
        service.approve(service.order(NAME, clock, "ann"), "bob")
        with again._database.write() as connection:
            visitor = Visitor(1, NAME, 1, NOW, is_expired=False)
            (work,) = service.work.open_work(connection, visitor).orders
            first = service.orders.step(connection, visitor, Carry(work.carry, 0))
        assert [each.address for each in work.meters] == [clock[0]]
        assert isinstance(first, Carried)
        assert bytes.fromhex(clock[0])[::-1] in first.frame
    service.close()

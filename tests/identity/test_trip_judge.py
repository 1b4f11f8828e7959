"""A trip that a handheld carries is judged again when it is begun, after a delay in which anyone may cancel it."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update
from tests.headend.web_world import NOW, StandingClock, address, settings
from tests.identity.test_carried_trips import NAME, ROOT, parts, trip

from kwhub.exchange.device_messages import Carried, Carry, Denied, Ended
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.records import Description, Visitor
from kwhub.headend.orders.trips import TRIP
from kwhub.headend.store import schema
from kwhub.headend.store.schema_devices import device, device_order
from kwhub.headend.store.views import OrderState

BEGINS = Carry(1, 0)


class MovedClock(StandingClock):
    """Stands where it is put."""

    moment = NOW

    def now(self):
        return self.moment


def built(tmp_path, **ordering):
    keys = tmp_path / "roots"
    keys.write_text(ROOT)
    keys.chmod(0o600)
    config = msgspec.structs.replace(
        settings(tmp_path / "h.sqlite"),
        devices=Devices(folder=str(tmp_path / "ca"), root_key=str(keys)),
        orders=Ordering(trip_share_per_hour=1.0, **ordering),
    )
    made = HeadEnd(config, MovedClock())
    parts(made).registry.allocate(Description(), "admin")
    with made._database.write() as connection:
        connection.execute(update(device).values(state="active"))
    return made


@pytest.fixture
def headend(tmp_path):
    made = built(tmp_path, trips_per_hour=3, approval_delay_s=0)
    yield made
    parts(made).close()
    made.store.close()


@pytest.fixture
def patient(tmp_path):
    made = built(tmp_path, approval_delay_s=300)
    yield made
    parts(made).close()
    made.store.close()


def free(headend, **values):
    """The order goes to its device."""
    with headend._database.write() as connection:
        connection.execute(update(device_order).values(state="open", **values))


def begin(headend):
    with headend._database.write() as connection:
        visitor = Visitor(1, NAME, 1, NOW + timedelta(days=1), is_expired=False)
        return headend.devices.orders.step(connection, visitor, BEGINS)


def state(headend):
    with headend._database.read() as connection:
        return connection.execute(select(device_order.c.state)).scalar_one()


def test_t08_a_carried_trip_is_counted_once_more_when_it_is_begun(headend):
    trip(headend, 2)
    free(headend, created_at=NOW - timedelta(hours=2))
    known = {"kind": "relay", "state": OrderState.DONE, "detail": "", "wanted": TRIP}
    with headend._database.write() as connection:
        for number in (3, 4, 5):  # meanwhile the same person has used the hour up
            row = known | {"meter_id": number, "ordered_by": "ann", "created_at": NOW}
            connection.execute(schema.orders.insert().values(**row, finished_at=NOW))
    ended = begin(headend)
    assert isinstance(ended, Ended)
    assert not ended.obeyed
    assert "budget of trips is used up" in ended.detail
    assert begin(headend) == ended  # over for good
    assert state(headend) == "failed"


def test_t08_a_carried_trip_may_be_cancelled_until_its_delay_is_over(patient):
    trip(patient, 2)
    free(patient)
    assert begin(patient) == Denied("order", "it may be cancelled until 12:45:00")
    assert state(patient) == "open"
    patient.clock.moment = NOW + timedelta(seconds=300)
    first = begin(patient)
    assert isinstance(first, Carried)
    assert bytes.fromhex(address(2))[::-1] in first.frame
    assert state(patient) == "begun"


def test_what_trips_nobody_has_no_delay(patient):
    patient.devices.order(NAME, (address(2), "relay-permit", ""), "ann")
    free(patient)
    assert isinstance(begin(patient), Carried)

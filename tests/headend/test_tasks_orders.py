"""Orders of every kind, from the head-end through a whole concentrator to simulated meters, on virtual time."""

import asyncio
import hashlib
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update
from tests.headend.stage import connect, play
from tests.headend.whole import START, play_whole

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.orders.desk import KeyTaken, Terms
from kwhub.headend.orders.wanted import (
    CompareArchive,
    PushArchive,
    PushPlan,
    PushReport,
    ReadRegisters,
    SendFile,
    SetMeterClock,
    SetParameter,
    SetTerminalClock,
    SwitchRelay,
    WriteParameter,
    unpack,
)
from kwhub.headend.store import schema
from kwhub.headend.store.views import OrderState

ENERGY = Register("1-0:1.8.0")
TRIP = SwitchRelay("trip")
ANN, BOB = "ann", "bob"
NOTHING_READ = {"curve_minutes": 0, "hourly": False, "day_freeze": False}


async def begin(world, **orders):
    headend = world.open_headend(**orders)
    await world.until(hours=1, minutes=7)
    world.start()
    await world.online()
    return headend


async def end(world):
    await world.stop()
    await world.close_headend()


async def done(headend, number):
    order = await headend.orders.wait(number)
    return order, msgspec.json.decode(order.result or "{}")


def trail_of(headend):
    with headend.store.database.read() as connection:
        return [(row.who, row.action) for row in connection.execute(select(schema.audit))]


def test_clocks_parameters_and_plans(tmp_path):
    async def story(world):
        headend = await begin(world)
        place = headend.orders.to_terminal
        order, _ = await done(headend, await place(1, SetTerminalClock(), ANN))
        assert (order.state, order.terminal_id) == (OrderState.DONE, 1)
        order, _ = await done(headend, await headend.orders.to_meter(1, SetMeterClock(), ANN))
        assert order.state is OrderState.DONE, order.detail
        slots = (("01:00", "05:30"), ("10:00", "22:00"))
        order, told = await done(headend, await place(1, PushPlan(30, slots), ANN))
        assert (order.state, told) == (OrderState.DONE, {"differences": []})
        report = PushReport(2, 3, START.replace(tzinfo=None), ((1, 161), (2, 161)))
        order, told = await done(headend, await place(1, report, ANN))
        assert (order.state, told) == (OrderState.DONE, {"differences": []})
        order, told = await done(headend, await place(1, SetParameter(36, "00000100"), ANN))
        assert (order.state, told["same"]) == (OrderState.DONE, True)
        order, _ = await done(headend, await place(1, SetParameter(36, "0000"), ANN))
        assert order.state is OrderState.REFUSED
        wanted = WriteParameter("04000801", ("5",))
        order, told = await done(headend, await headend.orders.to_meter(1, wanted, ANN))
        assert (order.state, told["verdict"], told["after"]) == (OrderState.DONE, "done", "05")
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_the_archive_is_pushed_and_held_against_the_terminal(tmp_path):
    async def story(world):
        (bus,) = world.config.bus
        first, second, third = bus.meter
        wrong = msgspec.structs.replace(second, address="000000000099")
        stranger = msgspec.structs.replace(third, point=9)
        buses = (msgspec.structs.replace(bus, meter=(first, wrong, stranger)),)
        world.config = msgspec.structs.replace(world.config, bus=buses)
        headend = await begin(world)
        order, told = await done(
            headend, await headend.orders.to_terminal(1, CompareArchive(), ANN)
        )
        assert order.state is OrderState.DONE
        assert [each["point"] for each in told["differences"]] == [2, 3, 9]
        assert told["differences"][0]["terminal"]["address"] == "000000000099"
        assert told["differences"][2]["archive"] is None
        order, told = await done(headend, await headend.orders.to_terminal(1, PushArchive(), ANN))
        assert (order.state, told) == (
            OrderState.DONE,
            {"meters": 3, "changed": 3, "differences": []},
        )
        records = world.concentrator.archive.records()
        assert {each.point: each.address for each in records} == {
            place.point: place.meter.address for place in world.area.places
        }
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_a_relay_needs_a_second_person_and_is_judged_by_what_the_meter_shows(tmp_path):
    async def story(world):
        headend = await begin(world)
        meter = world.area.places[0].meter
        number = await headend.orders.to_meter(1, TRIP, ANN)
        await world.clock.sleep(60)
        assert headend.orders.get(number).state is OrderState.UNAPPROVED
        with pytest.raises(LocalError, match="second person"):
            await headend.orders.approve(number, ANN)
        await headend.orders.approve(number, BOB)
        order, told = await done(headend, number)
        assert (order.state, order.approved_by) == (OrderState.DONE, BOB)
        assert (told["verdict"], told["after"]["open"]) == ("done", True)
        assert meter.body.relay.state.is_open
        with pytest.raises(LocalError, match="does not wait"):
            await headend.orders.approve(number, BOB)
        number = await headend.orders.to_meter(1, SwitchRelay("close"), BOB)
        await headend.orders.approve(number, ANN)
        order, _ = await done(headend, number)
        assert order.state is OrderState.DONE
        assert not meter.body.relay.state.is_open
        assert trail_of(headend) == [
            (ANN, "relay"),
            (BOB, "approve_order"),
            (BOB, "relay"),
            (ANN, "approve_order"),
        ]
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_passwords_stand_in_no_frame_that_is_kept(tmp_path):
    async def story(world):
        headend = await begin(world)
        await done(
            headend, await headend.orders.to_meter(1, WriteParameter("04000801", ("5",)), ANN)
        )
        sent = b"".join(each.raw for each in headend.lookout.frames.pieces(1) if each.sent)
        assert b"\xee" * 16 in sent  # PW
        assert bytes(range(16)) not in sent
        assert bytes.fromhex("37333333") not in sent  # level 04, password 000000
        assert "password" not in repr(headend.orders.carrier.secrets)
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_a_file_goes_on_where_a_crash_cut_it(tmp_path):
    body = bytes(range(256)) * 200  # 100 segments

    async def story(world):
        headend = await begin(world)
        digest = await headend.orders.keep_file("program.bin", body, ANN)
        assert digest == hashlib.sha256(body).hexdigest()
        terms = Terms(patient=True, tries_max=5)
        number = await headend.orders.to_terminal(1, SendFile(digest), ANN, terms)
        while headend.orders.get(number).progress < 32:  # noqa: ASYNC110  no time passes
            await asyncio.sleep(0)
        await world.close_headend(crash=True)
        headend = world.open_headend()
        assert headend.orders.get(number).state is OrderState.NEW
        order, told = await done(headend, number)
        assert (order.state, order.progress, told["sha256"]) == (OrderState.DONE, 100, digest)
        assert world.concentrator.uplink.desk.parts.files.content(1) == body
        with pytest.raises(LocalError, match="no file"):
            await headend.orders.to_terminal(1, SendFile("0" * 64), ANN)
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


@pytest.mark.parametrize("obeyed", [True, False])
def test_a_relay_order_without_answer_is_never_repeated_after_a_restart(tmp_path, obeyed):
    async def story(world):
        headend = await begin(world)
        relay = world.area.places[0].meter.body.relay
        number = await headend.orders.to_meter(1, TRIP, ANN)
        await headend.orders.approve(number, BOB)
        await done(headend, number)
        if not obeyed:
            number = await headend.orders.to_meter(1, SwitchRelay("close"), ANN)
            await headend.orders.approve(number, BOB)
            await done(headend, number)
        # As a crash between the order and its answer leaves it.
        with headend.store.database.write() as connection:
            connection.execute(
                update(schema.orders)
                .where(schema.orders.c.id == 1)
                .values(state=OrderState.SENT, finished_at=None, result="")
            )
        await world.close_headend(crash=True)
        headend = world.open_headend()
        order, told = await done(headend, 1)
        assert relay.state.is_open is obeyed
        assert told["after"]["open"] is obeyed
        assert order.state is (OrderState.DONE if obeyed else OrderState.FAILED)
        assert order.detail.startswith("sent before the head-end stopped")
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_the_budget_of_trips(tmp_path):
    async def story(world):
        headend = await begin(world, trip_share_per_hour=1.0, trips_per_hour=2)
        never = world.area.places[3].meter.address
        trip = headend.orders.to_meter
        numbers = [await trip(meter_id, TRIP, ANN) for meter_id in (1, 2)]
        with pytest.raises(LocalError, match="open"):
            await trip(1, TRIP, BOB)
        with pytest.raises(LocalError, match="budget"):
            await trip(3, TRIP, ANN)
        await headend.orders.cancel(numbers[1], BOB)
        numbers.append(await trip(3, TRIP, ANN))
        with pytest.raises(LocalError, match="taken back"):
            await headend.orders.cancel(numbers[1], BOB)
        assert [headend.orders.get(each).state for each in numbers] == [
            OrderState.UNAPPROVED,
            OrderState.CANCELLED,
            OrderState.UNAPPROVED,
        ]
        await world.close_headend(crash=True)
        headend = world.open_headend(trip_share_per_hour=1.0, trips_per_hour=2, never_trip=(never,))
        with pytest.raises(LocalError, match="budget"):  # the store remembers
            await headend.orders.to_meter(2, TRIP, ANN)
        with pytest.raises(LocalError, match="protected"):
            await headend.orders.to_meter(4, TRIP, BOB)
        await world.clock.sleep(3_700)  # nobody has approved: over
        assert headend.orders.get(numbers[0]).state is OrderState.EXPIRED
        await headend.orders.to_meter(2, TRIP, ANN)
        await end(world)

    play_whole(story, tmp_path, meters=4, **NOTHING_READ)


def test_a_key_brings_the_same_order_after_a_restart_too(tmp_path):
    async def story(world):
        headend = world.open_headend()
        wanted, terms = ReadRegisters((str(ENERGY),)), Terms("k1", patient=True, deadline_s=86_400)
        number = await headend.orders.to_meter(1, wanted, ANN, terms)
        await world.close_headend(crash=True)
        headend = world.open_headend()
        assert await headend.orders.to_meter(1, wanted, ANN, terms) == number
        assert await headend.orders.to_meter(1, wanted, BOB, terms) != number
        with pytest.raises(KeyTaken):
            await headend.orders.to_meter(2, wanted, ANN, terms)
        assert len(trail_of(headend)) == 2
        world.start()  # what was not sent before the crash goes on
        order, _ = await done(headend, number)
        assert (order.state, order.items[0].error) == (OrderState.DONE, "")
        await end(world)

    play_whole(story, tmp_path, meters=3, **NOTHING_READ)


def test_tries_pauses_and_the_deadline(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        wanted = ReadRegisters((str(ENERGY),))
        terms = Terms(tries_max=3, deadline_s=3_600)
        begun = headend.clock.now()
        order = await headend.orders.wait(await headend.orders.to_meter(2, wanted, ANN, terms))
        assert (order.state, order.tries) == (OrderState.NO_ANSWER, 3)
        assert len(concentrator.forwards) == 9
        assert timedelta(seconds=150) <= order.finished_at - begun < timedelta(seconds=240)
        await concentrator.link.aclose()
        await headend.clock.sleep(1)
        terms = Terms(patient=True, deadline_s=600)
        order = await headend.orders.wait(await headend.orders.to_meter(2, wanted, ANN, terms))
        assert (order.state, order.tries) == (OrderState.EXPIRED, 0)
        assert (
            timedelta(seconds=600) <= order.finished_at - order.created_at < timedelta(seconds=620)
        )

    play(tmp_path, script)


def test_what_no_order_can_be_is_told(tmp_path):
    with pytest.raises(LocalError, match="command"):
        unpack('{"kind":"relay","command":"explode"}')
    with pytest.raises(LocalError, match="JSON"):
        unpack("{")

    async def script(headend, _tasks):
        place = headend.orders.to_meter
        for wanted in (CompareArchive(), WriteParameter("04000801", ("5", "6"))):
            with pytest.raises(LocalError):
                await place(2, wanted, ANN)
        with pytest.raises(LocalError, match="to a meter"):
            await headend.orders.to_terminal(1, TRIP, ANN)
        with pytest.raises(LocalError, match="no active terminal"):
            await headend.orders.to_terminal(7, CompareArchive(), ANN)
        with pytest.raises(LocalError, match="no order 9"):
            await headend.orders.cancel(9, ANN)
        assert trail_of(headend) == []

    play(tmp_path, script)

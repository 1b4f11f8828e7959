"""Maximum demands are read from the meter when the head-end asks for them."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from tests.concentrator.test_served import online
from tests.concentrator.world import START, play

from kwhub.concentrator.served_demand import ORDERS, demand_data, read_demands
from kwhub.concentrator.served_live import READS_MAX
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.gdw1376.formats import A20, A21
from kwhub.protocols.gdw1376.layouts import cells
from kwhub.protocols.gdw1376.messages import Answered, Denied
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.times import PartialTime
from kwhub.protocols.gdw1376.units import Unit

NOW = START + timedelta(minutes=10)
WALL = datetime(2026, 3, 2, 0, 10)
FEBRUARY, YESTERDAY = A21.encode(date(2026, 2, 1)), A20.encode(date(2026, 3, 1))


def shown(world, identifier, at=NOW, point=1):
    """Demands and their times as the meter has them, in pairs."""
    meter = next(place.meter for place in world.area.places if place.point == point)
    values = meter.readout.values(identifier, int(at.timestamp()))
    times = [datetime.fromisoformat(each) for each in values[1::2]]
    parts = [PartialTime(each.month, each.day, each.hour, each.minute) for each in times]
    return list(zip(values[::2], parts, strict=True))


def told(event, *, tag=0):
    """Reading time, and what stands behind M, of the only unit of an answer."""
    assert isinstance(event, Answered)
    (unit,) = event.units
    layout = layout_of(event.request.afn, up=True)(unit.functions[0])
    read_at, tariffs, *values = [cell.value for cell in cells(layout or (), unit.data)][tag:]
    return read_at, tariffs, values


def paired(values):
    return list(zip(values[::2], values[1::2], strict=True))


def test_demands_of_now_and_of_the_last_settlement_come_from_the_meter(tmp_path):
    async def story(world):
        await online(world, minutes=10)
        for function, identifier in ((145, 0x0101FF00), (149, 0x0101FF01), (147, 0x0102FF00)):
            answer = await world.station.ask(0x0C, Unit((1,), (function,)))
            read_at, tariffs, values = told(answer)
            assert (read_at, tariffs) == (WALL, 4)
            if function != 147:
                assert paired(values) == shown(world, identifier)
                assert values[0] > 0
            else:
                assert values[0] == 0
        active = shown(world, 0x0101FF00)
        _, _, values = told(await world.station.ask(0x0C, Unit((1,), (35,))))
        assert values[:10] == [demand for demand, _ in active] + [time for _, time in active]
        assert values[10:] == [None] * 10  # these meters keep no reactive demand
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_demands_of_a_day_and_of_a_month_are_the_meters_freezes(tmp_path):
    async def story(world):
        await online(world, minutes=10)
        ask = world.station.ask
        _, _, month = told(await ask(0x0D, Unit((1,), (193,), FEBRUARY)), tag=1)
        assert paired(month) == shown(world, 0x0101FF01)
        _, _, day = told(await ask(0x0D, Unit((1,), (185,), YESTERDAY)), tag=1)
        assert paired(day) == shown(world, 0x0101FF00, START - timedelta(seconds=1))
        _, _, lists = told(await ask(0x0D, Unit((1,), (3,), YESTERDAY)), tag=1)
        assert lists[:10:5] == [day[0], day[1]]
        for unit in (
            Unit((1,), (186,), YESTERDAY),  # reactive demands are not frozen
            Unit((1,), (185,), A20.encode(date(2026, 3, 2))),  # has not ended
            Unit((1,), (185,), b"\xee" * 3),
            Unit((1,), (193,), A21.encode(date(2026, 3, 1))),
            Unit((1,), (193,), A21.encode(date(2024, 3, 1))),
            Unit((9,), (185,), YESTERDAY),  # nobody is there
        ):
            assert isinstance(await ask(0x0D, unit), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_silent_meters_cost_a_request_little_time(tmp_path):
    async def story(world):
        await online(world, minutes=10)
        wanted = Unit((1, 2, 3, 4), (145, 146, 147, 148))
        world.be_deaf(True)
        before = world.clock.monotonic()
        assert isinstance(await world.station.ask(0x0C, wanted), Denied)
        assert 1 < world.clock.monotonic() - before < 10
        world.be_deaf(False)
        answer = await world.station.ask(0x0C, wanted)
        # Two of them are kept by these meters: the others are left out.
        assert [(unit.points, unit.functions) for unit in answer.units] == [
            ((point,), (function,)) for point in (1, 2, 3, 4) for function in (145, 147)
        ]
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_no_more_is_read_for_one_request_than_may_be(tmp_path):
    async def story(world):
        await online(world, minutes=10)
        ways = tuple(range(145, 149)), tuple(range(149, 153))
        units = [Unit((1, 2, 3, 4), each) for each in ways]
        frame = await world.station.ask(0x0C, *units)
        assert len(frame.units) == READS_MAX // 2
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def answered(conversation, says):
    """Run a conversation; ``says`` gives the value bytes of each identifier, or an event."""
    asked = []
    event = None
    try:
        while True:
            request = conversation.send(event)
            asked.append(request.identifier)
            found = says(request.identifier)
            event = found if not isinstance(found, bytes) else data_of(request, found)
    except StopIteration as done:
        return asked, done.value


def data_of(request, payload):
    return Data(request.address, request.identifier, payload)


def test_demands_of_1997_and_their_times_are_two_blocks():
    blocks = {0xA01F: "562300" + "000000" * 4, 0xB01F: "30182703" + "00000000" * 4}
    asked, found = answered(
        read_demands("1", Edition.E1997, ORDERS[0x0C, 145], b"", WALL),
        lambda identifier: bytes.fromhex(blocks[identifier]),
    )
    assert asked == [0xA01F, 0xB01F]
    assert found[0][0] == (Decimal("0.2356"), PartialTime(3, 27, 18, 30))
    assert found[0][1] == (Decimal(0), None)
    data = demand_data(ORDERS[0x0C, 145], b"", WALL, found)
    assert data is not None
    assert len(data) == 6 + 5 * 7


@pytest.mark.parametrize(
    ("refused", "demands", "times"),
    [
        ((0xB01F,), 5, 1),
        ((0xA01F,), 1, 1),
        ((0xB01F, 0xB010), 5, 0),
        ((0xA01F, 0xA010), 0, 0),
    ],
)
def test_no_tariff_of_1997_gets_the_time_of_another(refused, demands, times):
    values = [f"{number:02d}0000" for number in range(1, 6)]
    moments = [f"{number:02d}182703" for number in range(1, 6)]
    blocks = {0xA01F: values, 0xB01F: moments, 0xA010: values[:1], 0xB010: moments[:1]}

    def says(identifier):
        if identifier in refused:
            return Refused("1", 2)
        return bytes.fromhex("".join(blocks[identifier]))

    _, found = answered(read_demands("1", Edition.E1997, ORDERS[0x0C, 145], b"", WALL), says)
    assert [demand for demand, _ in found[0]] == [
        Decimal(n).scaleb(-4) for n in range(1, demands + 1)
    ]
    told_times = [PartialTime(3, 27, 18, number) for number in range(1, times + 1)]
    assert [time for _, time in found[0]] == told_times + [None] * (demands - times)


def test_a_meter_that_refuses_the_block_is_asked_for_the_total():
    def says(identifier):
        if identifier & 0xFF00:
            return Refused("1", 2)
        return bytes.fromhex("562300" + "3018270326")

    asked, found = answered(read_demands("1", Edition.E2007, ORDERS[0x0C, 146], b"", WALL), says)
    assert asked == [0x0103FF00, 0x01030000]
    assert found == [((Decimal("0.2356"), PartialTime(3, 27, 18, 30)),)]


@pytest.mark.parametrize(
    ("settlements", "demand"),
    [
        (("0001", "9999", "9999"), "5623003018270126"),  # of January
        (("0001", "0015", "9999"), "5623003018270226"),  # settles twice a month
        (("0025", "9999", "9999"), "5623003018270226"),  # settles on the 25th
    ],
)
def test_a_settlement_that_is_not_the_months_is_not_told(settlements, demand):
    def says(identifier):
        if identifier >> 8 == 0x04000B:
            return bytes.fromhex(settlements[(identifier & 0xFF) - 1])
        return bytes.fromhex(demand)

    order = ORDERS[0x0D, 193]
    reading = read_demands("1", Edition.E2007, order, FEBRUARY, WALL)
    try:
        _, found = answered(reading, says)
    except LocalError:
        return
    assert demand_data(order, FEBRUARY, WALL, found) is None

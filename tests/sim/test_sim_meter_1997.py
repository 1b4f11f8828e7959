"""A meter of 1997: writes, passwords, clearing, time; the bits of its refusals."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NOW, WALL, Line, made

from kwhub.protocols.dlt645 import (
    Authority,
    ChangePassword,
    ChangeRate,
    ClearDemand,
    Done,
    Edition,
    Key,
    ReadData,
    Role,
    Session,
    SetTime,
    WriteAddress,
    WriteData,
)
from kwhub.sim.bus import MeterBus
from kwhub.testing import Pair

E1997 = Edition.E1997
ILLEGAL, IDENTIFIER, PASSWORD, YEAR_ZONES, DAY_SLOTS, TARIFFS = 1, 2, 4, 16, 32, 64


def old(**knobs):
    line = Line(made(edition=E1997, **knobs))
    line.pair = Pair(Session(Role.MASTER, edition=E1997), MeterBus(line.meters, epoch_s=NOW))
    return line


@pytest.mark.parametrize(
    ("identifier", "values"),
    [
        (0xC113, [Decimal(9)]),
        (0xC033, ["123456789012"]),
        (0xC310, [Decimal(14)]),
        (0xC321, ["03-01 02"]),
        (0xC331, ["06:00 02"]),
        (0xC411, ["10-01 02"]),
        (0xC030, [Decimal(3200)]),
    ],
)
def test_what_is_written_can_be_read_back(identifier, values):
    line = old()
    assert line.write(identifier, *values) == 0
    assert line.values(identifier) == values


@pytest.mark.parametrize(
    ("identifier", "payload", "error"),
    [
        (0xC113, "0A", ILLEGAL),
        (0xC113, "0909", ILLEGAL),
        (0xC111, "60", ILLEGAL),
        (0xC310, "15", YEAR_ZONES),
        (0xC312, "11", DAY_SLOTS),
        (0xC313, "05", TARIFFS),
        (0xC010, "01300226", ILLEGAL),
        (0xC020, "00", PASSWORD),  # for reading only
        (0xC212, "00000004", PASSWORD),
        (0x9010, "00000000", IDENTIFIER),
        (0xCFFF, "00", IDENTIFIER),
        (0xC028, "1111", ILLEGAL),
    ],
)
def test_what_must_not_be_written(identifier, payload, error):
    request = WriteData(ADDRESS, identifier, bytes.fromhex(payload), Authority(Key(4)), E1997)
    assert old().error(request) == error


def test_a_wrong_password_and_a_weak_level():
    line = old()
    for key in (Key(4, "111111"), Key(5)):
        request = WriteData(ADDRESS, 0xC113, b"\x09", Authority(key), E1997)
        assert line.error(request) == PASSWORD
    assert line.error(ClearDemand(ADDRESS, Authority(Key(5)), edition=E1997)) == PASSWORD


def test_the_clock_is_written():
    line = old()
    assert line.write(0xC010, "2026-03-20") == 0
    assert line.write(0xC011, "06:05:00") == 0
    assert abs(line.wall - datetime(2026, 3, 20, 6, 5)) <= timedelta(seconds=1)


@pytest.mark.parametrize(("off_s", "taken"), [(599, True), (601, False)])
def test_a_broadcast_time(off_s, taken):
    line = old()
    line.ask(SetTime(WALL + timedelta(seconds=off_s), edition=E1997))
    line.later(1)
    assert (line.wall > WALL + timedelta(seconds=60)) == taken


def test_a_broadcast_time_of_another_day_is_not_taken():
    line = old()
    line.later((datetime(2026, 3, 16, 23, 58) - WALL).total_seconds())
    line.ask(SetTime(datetime(2026, 3, 17, 0, 1), edition=E1997))
    line.later(1)
    assert line.wall < datetime(2026, 3, 16, 23, 59)


def test_the_password_is_changed():
    line = old()
    change = ChangePassword(ADDRESS, Key(4), Key(4, "123456"), edition=E1997)
    assert isinstance(line.ask(change), Done)
    assert line.write(0xC113, Decimal(9)) == PASSWORD
    assert line.error(change) == PASSWORD


def test_the_demand_is_cleared():
    line = old()
    assert line.error(ClearDemand(ADDRESS, Authority(Key(4)), edition=E1997)) == 0
    assert line.meter.readout.values(0x0101_0000, line.at_s)[0] == 0


def test_rate_address_and_relay():
    line = old()
    assert line.error(ChangeRate(ADDRESS, 0x20, E1997)) == 0
    assert line.meter.baud == 9600
    assert line.error(ChangeRate(ADDRESS, 0x16, E1997)) == ILLEGAL
    for word, is_open in (("5533", True), ("6699", False)):
        request = WriteData(ADDRESS, 0xC028, bytes.fromhex(word), Authority(Key(4)), E1997)
        assert line.error(request) == 0
        assert line.meter.body.memory.relay.is_open == is_open
    assert line.read_error(0xC028) == PASSWORD
    answer = line.ask(WriteAddress("000000000077", edition=E1997))
    assert answer.address == "000000000077"
    assert line.error(ReadData("000000000077", 0xC113, edition=E1997)) == 0
    bad = WriteAddress("999999999999", address="000000000077", edition=E1997)
    assert line.error(bad) == ILLEGAL

"""The relay: every order and every rule that it obeys."""

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NOT_AUTHORISED, OTHER, Line, authority, made

from kwhub.protocols.dlt645 import ControlRelay, Refused, TimedOut
from kwhub.sim.relay import WAIT_MAX_S

TRIP, PERMIT, CLOSE, TRIP_THEN_CLOSE, TRIP_THEN_PERMIT = range(0x1A, 0x1F)
ALARM_ON, ALARM_OFF, PROTECT, UNPROTECT = 0x2A, 0x2B, 0x3A, 0x3B
TRIP_DELAY, CURRENT_LIMIT = 0x0400_1401, 0x0400_1402
OPEN, ORDERED, WARNS, PROTECTED = 1 << 4, 1 << 6, 1 << 7, 1 << 12


def state(line):
    """Whether the relay is open, by the status word; the key bit is left out."""
    return line.word(3) & ~(1 << 3)


def flows(line):
    return line.values(0x0203_0000)[0] > 0


def test_trip_and_close():
    line = Line(made())
    assert flows(line)
    assert line.relay(TRIP) == 0
    assert state(line) == OPEN | ORDERED
    assert not flows(line)
    before = line.values(0x0001_FF00)
    line.later(7200)
    assert line.values(0x0001_FF00) == before
    assert line.values(0x0202_0100) == [0]
    assert line.values(0x0201_0100)[0] > 200
    assert line.relay(TRIP) == 0  # once more changes nothing
    assert line.relay(CLOSE) == 0
    assert state(line) == 0
    line.later(7200)
    assert line.values(0x0001_0000)[0] > before[0]
    total, *tariffs = line.values(0x0001_FF00)
    assert total == sum(tariffs)
    assert (line.values(0x1D00_0001), line.values(0x1E00_0001)) == ([1], [1])
    assert line.values(0x1D00_0201) == ["00001234"]


def test_closing_that_is_permitted_waits_for_the_customer():
    line = Line(made())
    assert not line.meter.body.push_relay_key(line.at_s)
    line.relay(TRIP)
    assert not line.meter.body.push_relay_key(line.at_s)
    assert line.relay(PERMIT) == 0
    assert state(line) == OPEN
    assert line.meter.body.push_relay_key(line.at_s)
    assert state(line) == 0
    assert line.values(0x1E00_0201) == ["FFFFFFFF"]  # nobody ordered it


def test_alarm_and_protection():
    line = Line(made())
    for command, alarms in ((ALARM_ON, True), (ALARM_OFF, False)):
        assert line.relay(command) == 0
        assert line.meter.body.memory.relay.alarm == alarms
    assert line.relay(PROTECT) == 0
    assert state(line) == PROTECTED
    for command, steps in ((TRIP, 0), (TRIP_THEN_CLOSE, 1), (TRIP_THEN_PERMIT, 1)):
        assert line.relay(command, steps) == NOT_AUTHORISED
    assert line.relay(CLOSE) == 0
    assert line.relay(UNPROTECT) == 0
    assert line.relay(TRIP) == 0


@pytest.mark.parametrize(
    ("command", "steps"),
    [(0x00, 0), (0x1F, 0), (TRIP, 1), (CLOSE, 2), (TRIP_THEN_CLOSE, 0), (TRIP_THEN_PERMIT, 0)],
)
def test_an_order_that_is_none_is_refused(command, steps):
    line = Line(made())
    assert line.relay(command, steps) == OTHER
    assert state(line) == 0


def test_an_order_has_an_expiry():
    line = Line(made())
    assert line.relay(TRIP, until=line.wall - timedelta(seconds=1)) == OTHER
    assert state(line) == 0
    assert line.relay(TRIP, until=line.wall + timedelta(seconds=60)) == 0
    assert state(line) & OPEN


@pytest.mark.parametrize("order", [b"\x1a\x00" + bytes(6), b"\x1a\x00\x00\x00\x00\x01\x01\x26\x00"])
def test_an_order_without_a_time_is_refused(order):
    assert Line(made()).error(ControlRelay(ADDRESS, authority(), order)) == OTHER


def test_enciphered_orders_are_refused_in_the_form_that_is_asked_for():
    line = Line(made())
    plain = line.ask(ControlRelay(ADDRESS, authority(0x98, "000000"), bytes(20)))
    word = line.ask(ControlRelay(ADDRESS, authority(0x98, "010000"), bytes(20)))
    assert isinstance(plain, Refused)
    assert isinstance(word, Refused)
    assert (plain.size, word.size) == (1, 2)
    assert plain.reasons == word.reasons == ("password wrong or not authorised",)


@pytest.mark.parametrize(("command", "ends_open"), [(TRIP_THEN_CLOSE, 0), (TRIP_THEN_PERMIT, OPEN)])
def test_automatic_restore(command, ends_open):
    line = Line(made())
    line.write(TRIP_DELAY, Decimal(30))  # does not count for these orders
    assert line.relay(command, 2) == 0
    assert state(line) & OPEN
    line.later(590)
    assert state(line) & OPEN
    line.later(11)
    assert state(line) == ends_open
    assert line.meter.body.push_relay_key(line.at_s) == bool(ends_open)


@pytest.mark.parametrize("cancel", [TRIP, PROTECT, PERMIT])
def test_a_later_order_cancels_an_automatic_restore(cancel):
    line = Line(made())
    line.relay(TRIP_THEN_CLOSE, 1)
    assert line.relay(cancel) == 0
    line.later(600)
    assert state(line) & OPEN


def test_an_automatic_restore_wants_a_closed_relay():
    line = Line(made())
    line.relay(TRIP)
    assert line.relay(TRIP_THEN_CLOSE, 1) == OTHER


def test_a_power_cut_ends_a_running_restore():
    line = Line(made())
    line.relay(TRIP_THEN_CLOSE, 0xFF)
    line.later(60)
    line.meter.body.cut_power(line.at_s)
    line.later(60)
    line.meter.body.restore_power(line.at_s)
    assert state(line) == 0


def test_a_trip_waits_for_the_warning_time():
    line = Line(made())
    line.write(TRIP_DELAY, Decimal(10))
    assert line.relay(TRIP) == 0
    assert state(line) == ORDERED | WARNS
    line.later(590)
    assert flows(line)
    line.later(11)
    assert state(line) == OPEN | ORDERED
    assert line.values(0x1D00_0101)[0] == "2026-03-16 10:17:00"


@pytest.mark.parametrize("order", [CLOSE, PERMIT, PROTECT])
def test_a_waiting_trip_is_taken_back(order):
    line = Line(made())
    line.write(TRIP_DELAY, Decimal(10))
    line.relay(TRIP)
    assert line.relay(order) == 0
    line.later(700)
    assert not state(line) & OPEN


def test_a_trip_waits_while_the_current_is_large_but_a_day_at_most():
    line = Line(made())
    line.write(CURRENT_LIMIT, Decimal("0.001"))
    line.relay(TRIP)
    assert state(line) == ORDERED
    line.later(WAIT_MAX_S - 60)
    assert state(line) == ORDERED
    line.later(61)
    assert state(line) == OPEN | ORDERED


def test_a_trip_comes_as_soon_as_the_current_is_small():
    line = Line(made())
    (current,) = line.values(0x0202_0100)
    line.write(CURRENT_LIMIT, current / 2)
    line.relay(TRIP)
    assert flows(line)
    line.later(12 * 3600)  # at night the shop is closed
    assert state(line) & OPEN


def test_a_trip_that_is_due_in_a_power_cut_is_made_after_it():
    line = Line(made())
    line.write(TRIP_DELAY, Decimal(1))
    line.relay(TRIP)
    line.meter.body.cut_power(line.at_s)
    assert isinstance(line.ask(ControlRelay(ADDRESS, authority(), bytes(8))), TimedOut)
    line.later(120)
    line.meter.body.restore_power(line.at_s)
    assert state(line) == OPEN | ORDERED

"""Voltage, current and load events on a phase: what is shown meanwhile, counted, recorded and cleared."""

import pytest
from tests.sim.line import ADDRESS, NOW, Line, authority, made

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645 import ClearEvents
from kwhub.sim.disturbances import PHASE_EVENTS
from kwhub.sim.faults import MeterFaults, PhaseEvent, Span

#: DI2 in class 03, and the bit in the status word of the phase.
PLACES = {
    "voltage loss": (0x01, 0),
    "undervoltage": (0x02, 1),
    "overvoltage": (0x03, 2),
    "phase failure": (0x04, 7),
    "current loss": (0x0B, 3),
    "overcurrent": (0x0C, 4),
    "current interruption": (0x0D, 8),
    "overload": (0x0F, 5),
}
EVENTS = pytest.mark.parametrize("event", PHASE_EVENTS)
HOUR = 3600


def begun(event, phase=1, **knobs):
    line = Line(made(phases=3, **knobs))
    assert line.meter.body.disturbances.begin(event, phase, line.at_s)
    return line


@EVENTS
def test_an_event_is_counted_timed_and_shown_in_the_status_word(event):
    line = begun(event)
    di2, bit = PLACES[event]
    counters, kind = 0x0300_0000 + (di2 << 16), PHASE_EVENTS[event] + 2
    assert [line.word(number) for number in (4, 5, 6)] == [0, 1 << bit, 0]
    assert line.values(counters) == [0, 0, 1, 0, 0, 0]
    line.later(HOUR)
    assert line.meter.body.disturbances.end(event, 1, line.at_s)
    assert not line.meter.body.disturbances.end(event, 1, line.at_s)
    assert line.word(5) == 0
    assert line.values(counters) == [0, 0, 1, 60, 0, 0]
    assert line.values(kind << 16 | 1) == [1]
    assert line.values(kind << 16 | 2) == [60]
    whole = line.whole(kind << 16 | 0xFF01)
    assert line.whole(counters + 0x0201) == whole[:-64]
    assert line.values(kind << 16 | 0x0101) == ["2026-03-16 10:07:00"]
    assert b"\x00\x07\x11\x16\x03\x26" in whole  # its end
    assert line.error(ClearEvents(ADDRESS, authority(2), counters | 0x02FF)) == 0
    assert line.values(counters) == [0] * 6


@EVENTS
def test_what_flows_and_what_is_shown_meanwhile(event):
    line = begun(event)
    voltage = [float(value) for value in line.values(0x0201_FF00)]
    current = [float(value) for value in line.values(0x0202_FF00)]
    normal = {
        "undervoltage": 165.0,
        "overvoltage": 275.0,
        "voltage loss": 0.0,
        "phase failure": 0.0,
    }
    assert voltage[1] == normal.get(event, pytest.approx(voltage[0], abs=5))
    assert min(voltage[0], voltage[2]) > 200
    stopped = event not in {"undervoltage", "overvoltage", "overcurrent", "overload"}
    assert (current[1] == 0) is stopped
    before = [line.values(kind << 16)[0] for kind in (0x0015, 0x0029, 0x003D)]
    line.later(4 * HOUR)
    after = [line.values(kind << 16)[0] for kind in (0x0015, 0x0029, 0x003D)]
    assert [high > low for high, low in zip(after, before, strict=True)] == [
        True,
        not stopped,
        True,
    ]
    line.meter.body.disturbances.end(event, 1, line.at_s)
    assert 200 < float(line.values(0x0201_0200)[0]) < 250
    line.later(4 * HOUR)
    assert line.values(0x0029_0000)[0] > after[1]


def test_the_past_keeps_the_voltage_that_it_had():
    line = begun("overvoltage", phase=0)
    line.later(HOUR)
    line.meter.body.disturbances.end("overvoltage", 0, line.at_s)
    line.later(HOUR)
    records = line.whole(0x0601_0001, bytes.fromhex("08 00 10 16 03 26"))
    assert records.count(bytes.fromhex("5027")) == 4  # 275.0 V at 10:15 to 11:00 and at no other


def test_events_come_and_go_by_themselves_and_over_a_restart(tmp_path):
    file = tmp_path / "meter.json"
    events = (
        PhaseEvent("undervoltage", 2, Span(NOW + 60, NOW + 660)),
        PhaseEvent("current loss", 0, Span(NOW + 120, NOW + 86_400)),
    )
    knobs = {"faults": MeterFaults(events=events), "state": file}
    line = Line(made(phases=3, **knobs))
    assert [line.word(number) for number in (4, 5, 6)] == [0, 0, 0]
    line.later(130)
    assert [line.word(number) for number in (4, 5, 6)] == [8, 0, 2]
    again = Line(made(phases=3, **knobs))
    again.later(700)
    assert [again.word(number) for number in (4, 5, 6)] == [8, 0, 0]
    assert again.values(0x0302_0000) == [0, 0, 0, 0, 1, 10]
    assert again.values(0x030B_0000) == [1, 0, 0, 0, 0, 0]


def test_an_event_that_is_due_in_a_power_cut_comes_after_it():
    events = (PhaseEvent("phase failure", 0, Span(NOW + 60, NOW + 120)),)
    line = Line(made(phases=3, faults=MeterFaults(events=events)))
    line.meter.body.cut_power(NOW + 30)
    line.later(200)
    line.meter.body.restore_power(line.at_s)
    assert line.values(0x0304_0000)[:2] == [1, 0]


def test_events_and_phases_that_there_are_not():
    with pytest.raises(LocalError, match="no event 'fire'; there are voltage loss"):
        begun("fire")
    with pytest.raises(LocalError, match="no phase 3"):
        begun("overload", phase=3)
    with pytest.raises(LocalError, match="no phase 1"):
        made(faults=MeterFaults(events=(PhaseEvent("overload", 1, Span(0, 1)),)))

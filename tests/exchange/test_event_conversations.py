"""Event counters and records: as many as there are, of the kinds that there are."""

from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.meter645 import ADDRESS, Meter

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.exchange.events import EVENTS, RECORDS_KEPT, read_events
from kwhub.protocols.dlt645.families import Kind
from kwhub.protocols.dlt645.items import encode, find

POWER_DOWN = 0x03110000


def records(first, count):
    values = ["2026-03-01 01:02:03", "2026-03-01 01:05:00"]
    return {first + number: encode(first + number, values) for number in range(1, count + 1)}


def test_every_kind_is_in_the_tables_with_its_records():
    for kind, event in EVENTS.items():
        counters = find(event.counter)
        assert counters is not None, kind
        for series in event.series:
            for base in (series.base, series.fields):
                assert not base or find(base + 1), kind
                assert not base or find(base + RECORDS_KEPT), kind
            assert series.place < counters.layout.shape.values, kind


def test_bytes_that_no_table_explains_have_fields_elsewhere():
    for kind, event in EVENTS.items():
        for series in event.series:
            record = find(series.base + 1)
            assert record is not None, kind
            assert (record.kind is Kind.OPAQUE) == bool(series.fields), kind


def test_the_fields_are_those_of_the_same_event():
    """The Chinese names say so; in English the tables have two words for a reversal."""
    for kind, event in EVENTS.items():
        for series in event.series:
            if series.fields and kind != "power_reversal":
                record = find(series.fields + 1)
                words = "" if record is None else record.name_zh
                assert event.name_zh in words, kind
                phase = series.base >> 8 & 0xFF
                assert not phase or f"{'ABC'[phase - 1]}相" in words, kind


@pytest.mark.parametrize(("count", "read"), [(0, 0), (3, 3), (250, RECORDS_KEPT)])
def test_only_records_that_there_are_get_read(count, read):
    meter = Meter({POWER_DOWN: encode(POWER_DOWN, [Decimal(count)])} | records(POWER_DOWN, 10))
    (log,) = meter.talk(read_events(ADDRESS, ["power_down"]))
    assert log.counters[0].value == count
    assert [record.identifier & 0xFF for record in log.records] == list(range(1, read + 1))
    assert log.error is None
    if read:
        assert log.records[0].values[0].value == "2026-03-01 01:02:03"
        assert log.records[0].raw


@pytest.mark.parametrize(
    ("has_fields", "read"),
    [
        (False, ["03010101", "03010301", "03010302"]),
        (True, ["1001FF01", "1003FF01", "1003FF02"]),
    ],
)
def test_records_of_each_phase(has_fields, read):
    counts = [Decimal(number) for number in (1, 10, 0, 0, 2, 20)]
    voltage_loss = EVENTS["voltage_loss"].counter
    record = bytes(131)
    answers: dict[int, Any] = {
        voltage_loss: encode(voltage_loss, counts),
        0x03010101: record,
        0x03010301: record,
        0x03010302: record,
    }
    if has_fields:
        answers |= {int(identifier, 16): bytes(195) for identifier in read}
    meter = Meter(answers)
    (log,) = meter.talk(read_events(ADDRESS, ["voltage_loss"]))
    assert [f"{record.identifier:08X}" for record in log.records] == read
    assert len(meter.identifiers) == (4 if has_fields else 5)  # a refusal is believed once
    assert len(log.records[0].values) == (53 if has_fields else 1)


def test_progress_is_told():
    steps = []
    meter = Meter({POWER_DOWN: encode(POWER_DOWN, [Decimal(0)])})
    told = lambda done, total: steps.append((done, total))  # noqa: E731
    meter.talk(read_events(ADDRESS, ["power_down", "cover_opening"], 0, told))
    assert steps == [(1, 2), (2, 2)]


def test_what_came_before_an_error_is_kept():
    meter = Meter({POWER_DOWN: encode(POWER_DOWN, [Decimal(4)])} | records(POWER_DOWN, 2))
    (log,) = meter.talk(read_events(ADDRESS, ["power_down"]))
    assert isinstance(log.error, Refusal)
    assert len(log.records) == 2


def test_counters_alone():
    meter = Meter({POWER_DOWN: encode(POWER_DOWN, [Decimal(4)])})
    (log,) = meter.talk(read_events(ADDRESS, ["power_down"], records_max=0))
    assert log.error is None
    assert meter.identifiers == [POWER_DOWN]


def test_a_silent_meter_is_not_asked_for_everything():
    meter = Meter({}, silent={EVENTS[kind].counter for kind in EVENTS})
    logs = meter.talk(read_events(ADDRESS))
    assert len(logs) == len(EVENTS)
    assert all(isinstance(log.error, NoAnswer) for log in logs)
    assert len(meter.identifiers) == 1


def test_kinds_that_the_meter_does_not_know_are_passed_over():
    meter = Meter({POWER_DOWN: encode(POWER_DOWN, [Decimal(0)])})
    cover, power = meter.talk(read_events(ADDRESS, ["cover_opening", "power_down"]))
    assert isinstance(cover.error, Refusal)
    assert power.error is None


def test_an_event_that_there_is_not():
    with pytest.raises(LocalError, match="voltage_loss"):
        next(read_events(ADDRESS, ["earthquake"]))

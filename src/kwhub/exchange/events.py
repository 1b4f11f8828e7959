"""Conversations that read events: how often they happened, and the records of the last ten.

Source: DL/T 645-2007, annex A, table A.4; trip and close records (1D, 1E) from the State Grid filings.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from kwhub.domain.errors import LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.read import ItemError
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.items import Value, decode

__all__ = [
    "EVENTS",
    "RECORDS_KEPT",
    "EventKind",
    "EventLog",
    "EventRecord",
    "read_events",
]

RECORDS_KEPT = 10
"""Records that a meter keeps of each kind."""


class EventKind(NamedTuple):
    """Where a kind of event is read.

    Attributes:
        counter: identifier of its counters.
        series: for each series of records the place of its count among the values of ``counter``,
            and the identifier of its record 0.
    """

    counter: int
    series: tuple[tuple[int, int], ...]


def _single(counter: int) -> EventKind:
    return EventKind(counter, ((0, counter),))


def _of_each_phase(counter: int) -> EventKind:
    """Count and duration of phase A, B, C; the phase is DI1 of its records."""
    return EventKind(counter, tuple((2 * phase, counter | phase + 1 << 8) for phase in range(3)))


def _of_each_demand(counter: int) -> EventKind:
    """Forward, reverse, quadrants 1 to 4."""
    return EventKind(counter, tuple((kind, counter | kind + 1 << 8) for kind in range(6)))


def _switched(head: int) -> EventKind:
    """All fields of a record are a block, FF in DI1."""
    return EventKind(head | 1, ((0, head | 0xFF00),))


EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        "voltage_loss": _of_each_phase(0x0301_0000),
        "undervoltage": _of_each_phase(0x0302_0000),
        "overvoltage": _of_each_phase(0x0303_0000),
        "phase_failure": _of_each_phase(0x0304_0000),
        "all_phase_voltage_loss": _single(0x0305_0000),
        "auxiliary_supply_failure": _single(0x0306_0000),
        "voltage_sequence_reversed": _single(0x0307_0000),
        "current_sequence_reversed": _single(0x0308_0000),
        "voltage_unbalance": _single(0x0309_0000),
        "current_unbalance": _single(0x030A_0000),
        "current_loss": _of_each_phase(0x030B_0000),
        "overcurrent": _of_each_phase(0x030C_0000),
        "current_interruption": _of_each_phase(0x030D_0000),
        "power_reversal": _of_each_phase(0x030E_0000),
        "overload": _of_each_phase(0x030F_0000),
        "power_down": _single(0x0311_0000),
        "demand_over_limit": _of_each_demand(0x0312_0000),
        "programming": _single(0x0330_0000),
        "meter_clear": _single(0x0330_0100),
        "demand_clear": _single(0x0330_0200),
        "event_clear": _single(0x0330_0300),
        "clock_set": _single(0x0330_0400),
        "slot_table_programming": _single(0x0330_0500),
        "zone_table_programming": _single(0x0330_0600),
        "weekend_programming": _single(0x0330_0700),
        "holiday_programming": _single(0x0330_0800),
        "cover_opening": _single(0x0330_0D00),
        "terminal_cover_opening": _single(0x0330_0E00),
        "magnetic_field": _single(0x0335_0000),
        "switch_malfunction": _single(0x0336_0000),
        "supply_abnormal": _single(0x0337_0000),
        "relay_trip": _switched(0x1D00_0000),
        "relay_close": _switched(0x1E00_0000),
    }
)
"""Kinds of events by their key."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event.

    Attributes:
        identifier: under which it was read; DI0 is its number, 1 the newest.
        raw: the frames that it came in.
    """

    identifier: int
    values: tuple[Value, ...]
    raw: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class EventLog:
    """What a meter says of one kind of event.

    Attributes:
        kind: a key of ``EVENTS``.
        counters: counts, and durations where there are any.
        records: newest first, series by series.
        error: what ended the reading before its time; the rest is what came until then.
    """

    kind: str
    counters: tuple[Value, ...] = ()
    records: tuple[EventRecord, ...] = ()
    error: ItemError | None = None


def read_events(
    address: str, kinds: Iterable[str] = tuple(EVENTS), records_max: int = RECORDS_KEPT
) -> Conversation[list[EventLog]]:
    """Read counters and records; records that the counter rules out are not asked for.

    Args:
        address: of the meter, a 2007 one.
        kinds: keys of ``EVENTS``.
        records_max: of each series, 0 to 10; 0 reads the counters alone.

    Returns:
        One log for each kind. A kind that the meter does not know has an error; a silent meter is
        not asked for the kinds that are left.

    Raises:
        LocalError: there is no such kind.
    """
    wanted = list(kinds)
    unknown = [kind for kind in wanted if kind not in EVENTS]
    if unknown:
        raise LocalError(f"no event {unknown[0]!r}; there are {', '.join(EVENTS)}")
    logs: list[EventLog] = []
    silence: NoAnswer | None = None
    for kind in wanted:
        if silence is not None:
            logs.append(EventLog(kind, error=silence))
            continue
        log = yield from _read_kind(address, kind, min(records_max, RECORDS_KEPT))
        silence = log.error if isinstance(log.error, NoAnswer) else None
        logs.append(log)
    return logs


def _read_kind(address: str, kind: str, records_max: int) -> Conversation[EventLog]:
    counters: tuple[Value, ...] = ()
    records: list[EventRecord] = []
    try:
        counters = (yield from _read(address, EVENTS[kind].counter)).values
        for identifier in _records(EVENTS[kind], counters, records_max):
            record = yield from _read(address, identifier)
            records.append(record)
    except (Refusal, NoAnswer, RemoteError) as error:
        return EventLog(kind, counters, tuple(records), error)
    return EventLog(kind, counters, tuple(records))


def _records(kind: EventKind, counters: tuple[Value, ...], records_max: int) -> Iterator[int]:
    """Identifiers of the records that there are."""
    for place, base in kind.series:
        count = counters[place].value
        if isinstance(count, Decimal):
            yield from range(base + 1, base + 1 + min(int(count), records_max))


def _read(address: str, identifier: int) -> Conversation[EventRecord]:
    done = yield from transfer(address, identifier)
    return EventRecord(identifier, tuple(decode(identifier, done.payload)), done.raw)

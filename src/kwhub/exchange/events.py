"""Conversations that read events: how often they happened, and the records of the last ten.

Source: DL/T 645-2007, annex A, table A.4; trip and close records (1D, 1E), and the fields of records (10 to
1C), from the State Grid filings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

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
    "Series",
    "Told",
    "read_events",
]

RECORDS_KEPT = 10
"""Records that a meter keeps of each kind."""


class Series(NamedTuple):
    """Ten records that a meter numbers from the newest.

    Attributes:
        place: where the counters of the kind have its count.
        base: identifier of its record 0.
        fields: the same where every field of a record is known (State Grid filings), or 0. Not all
            meters have it; those that do not are read under ``base``, as bytes.
    """

    place: int
    base: int
    fields: int = 0


class EventKind(NamedTuple):
    """Where a kind of event is read.

    Attributes:
        counter: identifier of its counters.
    """

    name_en: str
    name_zh: str
    counter: int
    series: tuple[Series, ...]


def _single(name_en: str, name_zh: str, counter: int, fields: int = 0) -> EventKind:
    series = Series(0, counter, fields << 24 | _WHOLE if fields else 0)
    return EventKind(name_en, name_zh, counter, (series,))


def _of_each_phase(name_en: str, name_zh: str, counter: int, fields: int) -> EventKind:
    """Count and duration of phase A, B, C; the phase is DI1 of its records, DI2 of their fields."""
    series = tuple(
        Series(2 * (phase - 1), counter | phase << 8, fields << 24 | phase << 16 | _WHOLE)
        for phase in (1, 2, 3)
    )
    return EventKind(name_en, name_zh, counter, series)


def _of_each_demand(name_en: str, name_zh: str, counter: int) -> EventKind:
    """Forward, reverse, quadrants 1 to 4."""
    series = tuple(Series(kind, counter | kind + 1 << 8) for kind in range(6))
    return EventKind(name_en, name_zh, counter, series)


def _switched(name_en: str, name_zh: str, head: int) -> EventKind:
    """All fields of a record are a block, FF in DI1."""
    return EventKind(name_en, name_zh, head | 1, (Series(0, head | _WHOLE),))


_WHOLE = 0xFF00

# fmt: off
EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        "voltage_loss": _of_each_phase("voltage loss", "失压", 0x0301_0000, 0x10),
        "undervoltage": _of_each_phase("undervoltage", "欠压", 0x0302_0000, 0x11),
        "overvoltage": _of_each_phase("overvoltage", "过压", 0x0303_0000, 0x12),
        "phase_failure": _of_each_phase("phase failure", "断相", 0x0304_0000, 0x13),
        "all_phase_voltage_loss": _single("all-phase voltage loss", "全失压", 0x0305_0000),
        "auxiliary_supply_failure": _single("auxiliary supply failure", "辅助电源失电", 0x0306_0000),
        "voltage_sequence_reversed": _single("voltage sequence reversed", "电压逆相序", 0x0307_0000, 0x14),
        "current_sequence_reversed": _single("current sequence reversed", "电流逆相序", 0x0308_0000, 0x15),
        "voltage_unbalance": _single("voltage unbalance", "电压不平衡", 0x0309_0000, 0x16),
        "current_unbalance": _single("current unbalance", "电流不平衡", 0x030A_0000, 0x17),
        "current_loss": _of_each_phase("current loss", "失流", 0x030B_0000, 0x18),
        "overcurrent": _of_each_phase("overcurrent", "过流", 0x030C_0000, 0x19),
        "current_interruption": _of_each_phase("current interruption", "断流", 0x030D_0000, 0x1A),
        "power_reversal": _of_each_phase("power reversal", "潮流反向", 0x030E_0000, 0x1B),
        "overload": _of_each_phase("overload", "过载", 0x030F_0000, 0x1C),
        "power_down": _single("power down", "掉电", 0x0311_0000),
        "demand_over_limit": _of_each_demand("demand over limit", "需量超限", 0x0312_0000),
        "programming": _single("programming", "编程", 0x0330_0000),
        "meter_clear": _single("meter cleared", "电表清零", 0x0330_0100),
        "demand_clear": _single("demand cleared", "需量清零", 0x0330_0200),
        "event_clear": _single("events cleared", "事件清零", 0x0330_0300),
        "clock_set": _single("clock set", "校时", 0x0330_0400),
        "slot_table_programming": _single("day slots programmed", "时段表编程", 0x0330_0500),
        "zone_table_programming": _single("year zones programmed", "时区表编程", 0x0330_0600),
        "weekend_programming": _single("weekend programmed", "周休日编程", 0x0330_0700),
        "holiday_programming": _single("holidays programmed", "节假日编程", 0x0330_0800),
        "cover_opening": _single("cover opened", "开表盖", 0x0330_0D00),
        "terminal_cover_opening": _single("terminal cover opened", "开端钮盒", 0x0330_0E00),
        "magnetic_field": _single("steady magnetic field", "恒定磁场干扰", 0x0335_0000),
        "switch_malfunction": _single("load switch malfunction", "负荷开关误动作", 0x0336_0000),
        "supply_abnormal": _single("supply abnormal", "电源异常", 0x0337_0000),
        "relay_trip": _switched("relay tripped", "跳闸", 0x1D00_0000),
        "relay_close": _switched("relay closed", "合闸", 0x1E00_0000),
    }
)
"""Kinds of events by their key."""
# fmt: on

Told: TypeAlias = Callable[[int, int], None]
"""Hears how many kinds of how many are read."""


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
    address: str,
    kinds: Iterable[str] = tuple(EVENTS),
    records_max: int = RECORDS_KEPT,
    told: Told | None = None,
) -> Conversation[list[EventLog]]:
    """Read counters and records; records that the counter rules out are not asked for.

    Args:
        address: of the meter, a 2007 one.
        kinds: keys of ``EVENTS``.
        records_max: of each series, 0 to 10; 0 reads the counters alone.
        told: hears how far it has come.

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
    for done, kind in enumerate(wanted, start=1):
        if silence is not None:
            logs.append(EventLog(kind, error=silence))
            continue
        log = yield from _read_kind(address, kind, min(records_max, RECORDS_KEPT))
        silence = log.error if isinstance(log.error, NoAnswer) else None
        logs.append(log)
        if told is not None:
            told(done, len(wanted))
    return logs


def _read_kind(address: str, kind: str, records_max: int) -> Conversation[EventLog]:
    counters: tuple[Value, ...] = ()
    records: list[EventRecord] = []
    try:
        counters = (yield from _read(address, EVENTS[kind].counter)).values
        has_fields = True
        for series, number in _records(EVENTS[kind], counters, records_max):
            if has_fields and series.fields:
                try:
                    record = yield from _read(address, series.fields + number)
                except Refusal:
                    has_fields = False
                else:
                    records.append(record)
                    continue
            record = yield from _read(address, series.base + number)
            records.append(record)
    except (Refusal, NoAnswer, RemoteError) as error:
        return EventLog(kind, counters, tuple(records), error)
    return EventLog(kind, counters, tuple(records))


def _records(
    kind: EventKind, counters: tuple[Value, ...], records_max: int
) -> Iterator[tuple[Series, int]]:
    """The records that there are, newest first."""
    for series in kind.series:
        count = counters[series.place].value
        if isinstance(count, Decimal):
            for number in range(1, 1 + min(int(count), records_max)):
                yield series, number


def _read(address: str, identifier: int) -> Conversation[EventRecord]:
    done = yield from transfer(address, identifier)
    return EventRecord(identifier, tuple(decode(identifier, done.payload)), done.raw)

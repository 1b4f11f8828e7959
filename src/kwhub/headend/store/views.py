"""What the store answers with: plain frozen rows, ready for a page or for JSON.

Energies and losses are in kWh of the primary side (the reading's difference times the ratio) when
they belong to an area, and in kWh of the meter's own register when they belong to one meter. Times
are aware UTC; days are local days of the site's zone. None always means "not known", never zero.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from kwhub.domain.readings import Quality, Register

__all__ = [
    "AreaSummary",
    "Completeness",
    "ConflictRow",
    "CurveData",
    "DayConsumption",
    "Drawn",
    "IntervalConsumption",
    "LatestRow",
    "MeterDetail",
    "MeterRow",
    "MissingMeter",
    "Order",
    "OrderItem",
    "OrderState",
    "Page",
    "SessionRow",
    "TerminalRow",
    "UnknownRow",
]


@dataclass(frozen=True, slots=True)
class MissingMeter:
    """A meter whose consumption of a day is not known, so that no loss can be given."""

    id: int
    address: str
    name: str
    kind: str  #: customer or supply


@dataclass(frozen=True, slots=True)
class AreaSummary:
    """One transformer area on one day."""

    id: int
    code: str
    name: str
    name_zh: str
    meters: int
    expected: int  #: readings that should be there by now
    got: int  #: how many of them are there
    read_rate: float | None  #: got / expected, 0 to 1; None when nothing is expected yet
    supply_kwh: Decimal | None
    sold_kwh: Decimal | None
    loss_kwh: Decimal | None
    loss_percent: Decimal | None  #: of the supply; None as long as one meter is missing
    missing: tuple[MissingMeter, ...] = ()  #: why there is no loss
    until: datetime | None = (
        None  #: the energies run from midnight to here; None when there are none
    )


@dataclass(frozen=True, slots=True)
class MeterRow:
    """One meter in the list of an area, on one day."""

    id: int
    address: str
    name: str
    point: int
    terminal: str  #: region and number, ``4101-02082``
    kind: str  #: customer or supply
    phases: int
    expected: int
    got: int
    last_energy: Decimal | None  #: newest reading of 1-0:1.8.0, kWh, of any series
    last_energy_at: datetime | None
    day_kwh: Decimal | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and how long the list is."""

    items: list[MeterRow]
    total: int


@dataclass(frozen=True, slots=True)
class MeterDetail:
    """One meter of the archive, with its place."""

    id: int
    address: str
    name: str
    kind: str
    phases: int
    ratio: Decimal
    protocol: str
    point: int
    port: int
    area_id: int
    area_code: str
    area_name: str
    area_name_zh: str
    terminal_id: int
    terminal: str
    terminal_name: str
    online: bool


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The newest value of one register in one series."""

    register: Register
    name_en: str
    name_zh: str
    value: Decimal | None
    unit: str
    captured_at: datetime  #: the moment that the value belongs to
    received_at: datetime  #: when the head-end heard it
    interval_s: int  #: 0 read on demand, 900 curve, 3600 hourly, 86400 day freeze
    quality: Quality
    source: str


@dataclass(frozen=True, slots=True)
class CurveData:
    """A series on a regular grid, holes as None. ``values[i]`` belongs to the moment ``times[i]``."""

    register: Register
    unit: str
    interval_s: int
    times: list[datetime]
    values: list[Decimal | None]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A series on a regular grid as charts want it, holes as None; what is exact stands in ``CurveData``."""

    times: list[int]  #: seconds since 1970
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class IntervalConsumption:
    """Energy between ``start`` (inclusive) and ``start`` plus the interval (exclusive)."""

    start: datetime
    kwh: Decimal | None


@dataclass(frozen=True, slots=True)
class DayConsumption:
    """Energy of one local day."""

    day: date
    kwh: Decimal | None
    complete: bool  #: every expected reading of the day is there
    source: str = ""  #: freeze, curve, or empty when unknown
    reconciles: bool | None = (
        None  #: interval sum equals register difference; None when not both known
    )


@dataclass(frozen=True, slots=True)
class Completeness:
    """What should be there and what is, over a span of days."""

    expected: int
    got: int
    duplicates: int  #: readings that the store holds more than once; anything but 0 is a fault
    repeated: int = 0  #: readings that came again with the same value and changed nothing
    conflicts: int = 0  #: readings that came again with another value, kept beside it


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A later, different value for a moment that has a measurement already."""

    meter_id: int
    register: Register
    interval_s: int
    captured_at: datetime
    measured: Decimal | None  #: what counts: the largest
    other: Decimal | None  #: what is kept beside it
    version: int  #: 1 for the first such value, 2 for the next that differs from both, ...


@dataclass(frozen=True, slots=True)
class TerminalRow:
    """One concentrator of the archive."""

    id: int
    region: str
    terminal: int
    name: str
    area_id: int
    area_name: str
    online: bool
    last_seen_at: datetime | None
    meters: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One connection of a concentrator, also of those that were turned away."""

    id: int
    region: str
    terminal: int
    peer: str
    known: bool
    began_at: datetime
    ended_at: datetime | None
    end_reason: str


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """Data that came from a known terminal and has no place: counted, with the last sample kept."""

    terminal: str
    point: int
    afn: int
    function: int
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    sample: bytes


class OrderState(StrEnum):
    """How far an order has come. Everything but UNAPPROVED, NEW and SENT is final."""

    UNAPPROVED = "unapproved"  #: written down, and waits for a second person
    NEW = "new"  #: written down, with its audit row; nothing was sent yet, or it is tried again
    SENT = "sent"
    DONE = "done"  #: at least one value came back, or the device shows what was ordered
    REFUSED = "refused"  #: the meter or the terminal understood and said no
    NO_ANSWER = "no_answer"
    FAILED = "failed"  #: an answer that makes no sense, or the head-end stopped meanwhile
    OFFLINE = "offline"  #: the terminal was not connected
    CANCELLED = "cancelled"  #: a person took it back before it was sent
    EXPIRED = "expired"  #: its deadline came before it could be sent

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self not in {OrderState.UNAPPROVED, OrderState.NEW, OrderState.SENT}


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One register of an order, with the frames that were exchanged for it."""

    register: Register
    identifier: str  #: of the meter's protocol, such as ``00010000``
    value: Decimal | None
    unit: str
    request_raw: bytes  #: frame to the meter; empty when none was sent
    answer_raw: bytes  #: frame from the meter; empty when none came
    error: str  #: why there is no value, in words; empty when there is one


@dataclass(frozen=True, slots=True)
class Order:
    """Something that was asked of a meter, or of a terminal."""

    id: int
    meter_id: int | None  #: None: the terminal itself
    kind: str  #: read_now, relay ...; see `kwhub.headend.orders.wanted`
    state: OrderState
    detail: str  #: the reason in words, or what came of it
    created_at: datetime
    finished_at: datetime | None
    by: str  #: who ordered it
    items: list[OrderItem]
    terminal_id: int | None = None
    task_id: int | None = None
    wanted: str = ""  #: JSON: what exactly is ordered
    result: str = ""  #: JSON: what came of it
    approved_by: str = ""
    patient: bool = False  #: waits for its terminal until the deadline
    tries: int = 0
    tries_max: int = 1
    next_at: datetime | None = None
    deadline_at: datetime | None = None
    sent_at: datetime | None = None  #: for the first time
    progress: int = 0  #: parts that are over
    total: int = 0  #: of so many

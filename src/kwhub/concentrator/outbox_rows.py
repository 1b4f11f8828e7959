"""The rows of the store: planned values, readings, gaps, and what a round has brought.

Times are seconds since 1970 UTC; values are whole numbers with a decimal scale.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Register

__all__ = [
    "Batch",
    "Counts",
    "Duty",
    "Entry",
    "Gap",
    "MeterState",
    "Slot",
    "from_scaled",
    "to_scaled",
]

DIGITS_MAX = 17
"""Highest power of ten of a value without its point: SQLite keeps whole numbers of 63 bits."""


class Slot(NamedTuple):
    """One planned value: of which point and register, of which series, for which moment."""

    point: int
    register: Register
    interval_s: int
    at: int  #: seconds since 1970 UTC


class Entry(NamedTuple):
    """One reading in the outbox."""

    id: int
    point: int
    register: Register
    interval_s: int
    at: int  #: seconds since 1970 UTC
    value: int | None  #: times 10^scale
    scale: int
    received_at: int  #: seconds since 1970 UTC

    @property
    def decimal(self) -> Decimal | None:
        """The value in the register's unit."""
        return from_scaled(self.value, self.scale)


class Gap(NamedTuple):
    """A planned value that is missing."""

    slot: Slot
    state: str  #: ``open``: will be asked again; ``lost``: for good
    reason: str
    attempts: int
    next_try: int  #: seconds since 1970 UTC
    silences: int = 0  #: attempts on which nothing was heard; they make the pause longer
    cause: str = "unknown"  #: a `kwhub.concentrator.ledger_causes.Cause`


class Duty(NamedTuple):
    """What is wanted of a point since when; a line of its ledger."""

    point: int
    series: str  #: kind of the series
    register: Register
    interval_s: int
    since: int  #: nothing at or before this moment is wanted


class MeterState(NamedTuple):
    """What is known of a meter's manners."""

    point: int
    address: str
    silent_since: int | None = None  #: seconds since 1970 UTC of the first unanswered round
    attempts: int = 0  #: unanswered rounds in a row
    next_try: int = 0  #: not asked by the plan before this moment
    clock_error_s: float | None = None  #: meter minus ours
    clock_read_at: int | None = None
    adopted_at: int | None = None  #: when it took the place of another meter


@dataclass(frozen=True, slots=True)
class Counts:
    """How full the store is."""

    readings: int
    waiting: int  #: not yet confirmed by the head-end
    withheld: int  #: cannot be said on the uplink
    gaps_open: int
    gaps_lost: int


@dataclass(slots=True)
class Batch:
    """What one round has brought; kept in one transaction."""

    received_at: int  #: seconds since 1970 UTC
    readings: list[tuple[Slot, str, int | None, int, str]] = field(default_factory=list)
    filled: list[Slot] = field(default_factory=list)  #: gaps that a reading of this batch closes
    gaps: list[Gap] = field(default_factory=list)
    anew: list[int] = field(default_factory=list)  #: points whose ledger a wrong clock has written
    progress: dict[tuple[int, str], int] = field(default_factory=dict)
    meters: list[MeterState] = field(default_factory=list)
    duties: list[Duty] = field(default_factory=list)  #: all of a point, when they have changed

    def read(self, slot: Slot, meter: str, value: Decimal | None, source: str) -> None:
        """Add a value of the meter with an address; ``source`` names the identifier on the wire.

        Raises:
            DecodeError: the store has no place for such a value; nothing was added.
        """
        number, scale = to_scaled(value)
        self.readings.append((slot, meter, number, scale, source))


def to_scaled(value: Decimal | None) -> tuple[int | None, int]:
    """A value as a whole number and its scale.

    Raises:
        DecodeError: it is no number, or too large for the store.

    >>> to_scaled(Decimal("12.50"))
    (1250, 2)
    """
    if value is None:
        return None, 0
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise DecodeError("value_range", f"{value} is no number", field="value")
    scale = -exponent if exponent < 0 else 0
    if value and value.adjusted() + scale > DIGITS_MAX:
        raise DecodeError("value_range", f"{value} has too many digits", field="value")
    return int(value.scaleb(scale)), scale


def from_scaled(value: int | None, scale: int) -> Decimal | None:
    """The value of a whole number and its scale.

    >>> from_scaled(1250, 2)
    Decimal('12.50')
    """
    return None if value is None else Decimal(value).scaleb(-scale)

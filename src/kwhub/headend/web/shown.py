"""How numbers and moments are written for people, the same in every table of the pages."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

from kwhub.domain.readings import DAY_INTERVAL_S

__all__ = [
    "LOSS_PERCENT_GOOD_MAX",
    "LOSS_PERCENT_HIGH_MAX",
    "NOTHING",
    "READ_RATE_GOOD_MIN",
    "READ_RATE_LOW_MIN",
    "Sign",
    "capture",
    "day_bounds",
    "loss_sign",
    "moment",
    "number",
    "percent",
    "rate_sign",
]

NOTHING = "—"
"""Stands where there is no value; never an empty cell, never a zero."""

READ_RATE_GOOD_MIN = 0.99
READ_RATE_LOW_MIN = 0.95
LOSS_PERCENT_GOOD_MAX = Decimal(7)
LOSS_PERCENT_HIGH_MAX = Decimal(10)


class Sign(Enum):
    """How good a figure is, and the text (``sign.<value>``) that says so beside the colour."""

    GOOD = "good"
    LOW = "low"
    HIGH = "high"
    BAD = "bad"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"

    @property
    def tone(self) -> str:
        """The colour: good, warn, bad or dim."""
        return {"good": "good", "low": "warn", "high": "warn", "unknown": "dim"}.get(
            self.value, "bad"
        )


def rate_sign(rate: float | None) -> Sign:
    """Judge a read rate between 0 and 1."""
    if rate is None:
        return Sign.UNKNOWN
    if rate >= READ_RATE_GOOD_MIN:
        return Sign.GOOD
    return Sign.LOW if rate >= READ_RATE_LOW_MIN else Sign.BAD


def loss_sign(loss: Decimal | None) -> Sign:
    """Judge a line loss in percent; a negative one means a wrong meter, ratio or area."""
    if loss is None:
        return Sign.UNKNOWN
    if loss < 0:
        return Sign.NEGATIVE
    if loss <= LOSS_PERCENT_GOOD_MAX:
        return Sign.GOOD
    return Sign.HIGH if loss <= LOSS_PERCENT_HIGH_MAX else Sign.BAD


def number(value: Decimal | float | None, places: int | None = None) -> str:
    """A number with thousands separators; ``places`` None keeps a Decimal's own places.

    >>> number(Decimal("1234567.8"), 2), number(Decimal("0.380")), number(None), number(4200)
    ('1,234,567.80', '0.380', '—', '4,200')
    """
    if value is None:
        return NOTHING
    return (
        f"{value:,f}"
        if places is None and isinstance(value, Decimal)
        else (f"{value:,.{places or 0}f}")
    )


def percent(value: Decimal | float | None, places: int = 2) -> str:
    """A figure that is already in percent.

    >>> percent(Decimal("4.567"))
    '4.57 %'
    """
    return NOTHING if value is None else f"{value:,.{places}f} %"


def moment(when: datetime | None, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """An aware moment as the wall time of the site.

    >>> moment(datetime(2026, 3, 1, 16, 0, tzinfo=UTC), ZoneInfo("Asia/Shanghai"))
    '2026-03-02 00:00'
    """
    if when is None:
        return NOTHING
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S}"[: 19 if seconds else 16]


def capture(when: datetime | None, interval_s: int, zone: ZoneInfo, end_of: str) -> str:
    """The moment of a reading; a day freeze stamped 00:00 is named after the day that it ended.

    Args:
        when: aware moment that the value belongs to.
        interval_s: spacing of its series in seconds.
        zone: zone of the site.
        end_of: text with ``{day}``, such as ``end of {day}``.

    >>> night = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
    >>> capture(night, 86400, ZoneInfo("Asia/Shanghai"), "end of {day}")
    'end of 2026-03-01'
    """
    if when is not None and interval_s == DAY_INTERVAL_S:
        local = when.astimezone(zone)
        if local.time() == time(0):
            return end_of.format(day=local.date() - timedelta(days=1))
    return moment(when, zone, seconds=True)


def day_bounds(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of ``first`` and the first moment after ``last``, both UTC.

    >>> day_bounds(date(2026, 3, 1), date(2026, 3, 1), ZoneInfo("Asia/Shanghai"))[0].isoformat()
    '2026-02-28T16:00:00+00:00'
    """
    start = datetime.combine(first, time(0), zone)
    end = datetime.combine(last + timedelta(days=1), time(0), zone)
    return start.astimezone(UTC), end.astimezone(UTC)

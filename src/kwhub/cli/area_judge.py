"""What became of a simulated area: every planned value has come, or has a cause; none came twice.

Two witnesses: the concentrator's ledger says what was planned, what came and why the rest did not; and every
reading in the concentrator's file is looked for in the head-end's store, with its value.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kwhub.cli.area_world import ZONE, AreaWorld
from kwhub.concentrator.ledger import LedgerBook, LedgerLine, open_to_read
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.outbox import from_scaled
from kwhub.headend.app import HeadEnd
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader

__all__ = ["Judged", "judge"]

MICRO: Final = 1_000_000
NEVER_THERE: Final = frozenset({Cause.NO_RECORD, Cause.TOO_OLD, Cause.ABSENT, Cause.READOUTS})
"""Causes for which no concentrator could have had the value afterwards."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome. The same area and seed give the same."""

    meters: dict[str, int]  #: by way down
    expected: int  #: values that were planned
    got: int  #: that the concentrator has
    missing: dict[str, int]  #: the others, by cause
    unexplained: int  #: missing without a cause
    at_headend: int  #: readings of the concentrator that the head-end has with the same value
    not_at_headend: int
    different: int  #: that the head-end has with another value
    duplicates: int  #: moments that the head-end has more than once
    power_cuts: int
    frames: int  #: requests on the lines, repeats included, and reports

    @property
    def recoverable(self) -> int:
        """Values that could be had."""
        never = sum(self.missing.get(cause.value, 0) for cause in NEVER_THERE)
        return self.expected - never

    @property
    def completeness(self) -> float:
        """Got, divided by what could be had."""
        return self.got / self.recoverable if self.recoverable else 1.0

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled, changed or left without a cause."""
        wrong = self.unexplained + self.not_at_headend + self.different + self.duplicates
        return not wrong and self.got == self.recoverable


def judge(
    world: AreaWorld,
    headend: HeadEnd,
    span: tuple[datetime, datetime],
    now: datetime,
    frames: int,
    starts: int,
) -> Judged:
    """Look into both stores.

    Args:
        world: the area.
        headend: open, its journal packed.
        span: the days that are judged, first moment and last.
        now: the moment of the judgement.
        frames: see Judged.
        starts: how often the concentrator was started.
    """
    zone = ZoneInfo(ZONE)
    first = span[0].astimezone(zone).date()
    last = (span[1] - timedelta(seconds=1)).astimezone(zone).date()
    lines, readings = _below(world, (first, last), now)
    causes = Counter[str]()
    for line in lines:
        causes.update(missing.cause.value for missing in line.missing)
    found = _above(world, headend, readings, (first, last))
    return Judged(
        meters={
            "dlt645": len(world.wired.places),
            "mbus": len(world.mbus),
            "module": len(world.behind),
        },
        expected=sum(line.expected for line in lines),
        got=sum(line.got for line in lines),
        missing=dict(sorted(causes.items())),
        unexplained=causes.get(Cause.UNKNOWN.value, 0) + causes.get(Cause.NOT_YET.value, 0),
        at_headend=found["same"],
        not_at_headend=found["absent"],
        different=found["different"],
        duplicates=headend.queries.completeness(first, last).duplicates,
        power_cuts=starts - 1,
        frames=frames,
    )


Reading = tuple[int, str, int, int, int]
"""Point, register, spacing, moment, and millionths of the unit."""


def _below(
    world: AreaWorld, days: tuple[date, date], now: datetime
) -> tuple[list[LedgerLine], list[Reading]]:
    store = world.settings().concentrator.store
    zone = ZoneInfo(ZONE)
    with closing(open_to_read(store)) as database:
        lines = list(LedgerBook(database, zone).lines(*days, int(now.timestamp())))
        begin, end = Days(zone).span_s(*days)
        rows = database.rows(
            "SELECT point, register, interval_s, at, value, scale FROM reading"
            " WHERE at >= ? AND at <= ? AND value IS NOT NULL",
            (begin, end - 1),
        )
    return lines, list(_micro(rows))


def _micro(rows: Iterable[tuple[int, str, int, int, int, int]]) -> Iterator[Reading]:
    for point, register, interval_s, at, value, scale in rows:
        number = from_scaled(value, scale)
        if number is not None:
            yield point, register, interval_s, at, int(number * MICRO)


def _above(
    world: AreaWorld, headend: HeadEnd, readings: Iterable[Reading], days: tuple[date, date]
) -> Counter[str]:
    """How many of the readings the head-end has: same, different, absent."""
    config = world.headend()
    address = {
        meter.point: meter.address
        for area in config.area
        for terminal in area.terminal
        for meter in terminal.meter
    }
    known = {meter.address: number for number, meter in headend.store.archive.meters.items()}
    by_interval: dict[int, list[Reading]] = {}
    for reading in readings:
        by_interval.setdefault(reading[2], []).append(reading)
    found = Counter[str]()
    span = (days[0] - timedelta(days=1), days[1] + timedelta(days=1))
    with closing(Database(config.headend.store)) as database, database.read() as connection:
        reader = Reader(connection, Days(ZoneInfo(ZONE)))
        for interval_s, own in by_interval.items():
            registers = {reading[1] for reading in own}
            series = reader.series(known.values(), registers, interval_s, span)
            there = {
                key: dict(zip(each.at.tolist(), each.value.tolist(), strict=True))
                for key, each in series.items()
            }
            for point, register, _, at, micro in own:
                value = there.get((known[address[point]], register), {}).get(at)
                found["absent" if value is None else "same" if value == micro else "different"] += 1
    return found

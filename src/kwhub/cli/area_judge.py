"""What became of a simulated area: every planned value has come, or has a cause; none came twice.

What was planned and what could be had is asked of the world (`kwhub.cli.area_truth`), and not of the
concentrator, which is only believed for why a value is missing. Every reading in the concentrator's file is looked
for in the head-end's store, with its value; what came twice is counted on the way in (`kwhub.cli.area_arrivals`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kwhub.cli.area_arrivals import Arrivals
from kwhub.cli.area_truth import AreaTruth
from kwhub.cli.area_world import ZONE, AreaWorld
from kwhub.concentrator.ledger import LedgerBook, open_to_read
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.outbox import from_scaled
from kwhub.concentrator.outbox_rows import Slot
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader

__all__ = ["Judged", "judge"]

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome. The same area and seed give the same."""

    meters: dict[str, int]  #: by way down
    expected: int  #: values that were planned
    got: int  #: that the concentrator has
    missing: dict[str, int]  #: the others, by cause
    unexplained: int  #: missing without a cause
    recoverable: (
        int  #: planned values that the world gave a chance to read, or that came all the same
    )
    at_headend: int  #: readings of the concentrator that the head-end has with the same value
    not_at_headend: int
    different: int  #: that the head-end has with another value
    duplicates: int  #: values that arrived again in another report although the first was confirmed
    repeated: (
        int  #: values that arrived again because the confirmation did not reach the concentrator
    )
    power_cuts: int
    frames: int  #: requests on the lines, repeats included, and reports

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
    arrivals: Arrivals,
    *,
    frames: int,
    starts: int,
) -> Judged:
    """Look into both stores.

    Args:
        world: the area.
        headend: open, its journal packed.
        span: the days that are judged, first moment and last.
        now: the moment of the judgement.
        arrivals: what came in.
        frames: see Judged.
        starts: how often the concentrator was started.
    """
    zone = ZoneInfo(ZONE)
    first = span[0].astimezone(zone).date()
    last = (span[1] - timedelta(seconds=1)).astimezone(zone).date()
    midnights = Days(zone).start(first), Days(zone).start(last + timedelta(days=1))
    outcome, readings = _below(world, midnights, AreaTruth(world, span[0], now))
    found = _above(world, headend, readings, (first, last))
    stored_twice = headend.queries.completeness(first, last).duplicates
    missing = outcome.missing
    return Judged(
        meters={
            "dlt645": len(world.wired.places),
            "mbus": len(world.mbus),
            "module": len(world.behind),
        },
        expected=outcome.expected,
        got=outcome.got,
        missing=dict(sorted(missing.items())),
        unexplained=missing[Cause.UNKNOWN.value] + missing[Cause.NOT_YET.value],
        recoverable=outcome.expected - outcome.never,
        at_headend=found["same"],
        not_at_headend=found["absent"],
        different=found["different"],
        duplicates=arrivals.doubled + stored_twice,
        repeated=arrivals.repeated,
        power_cuts=starts - 1,
        frames=frames,
    )


Reading = tuple[int, str, int, int, int]
"""Point, register, spacing, moment, and millionths of the unit."""


@dataclass(slots=True)
class _Outcome:
    """What became of the planned values."""

    expected: int = 0
    got: int = 0
    never: int = 0  #: missing, and nobody could have had them
    missing: Counter[str] = field(default_factory=Counter)  #: by the cause that the ledger tells


def _below(
    world: AreaWorld, span: tuple[datetime, datetime], truth: AreaTruth
) -> tuple[_Outcome, list[Reading]]:
    """What the concentrator has of the plan of whole days, and all its readings of these days."""
    outcome = _Outcome()
    begin, end = (int(each.timestamp()) for each in span)
    zone = ZoneInfo(ZONE)
    days = span[0].astimezone(zone).date(), (span[1] - timedelta(seconds=1)).astimezone(zone).date()
    readings: list[Reading] = []
    with closing(open_to_read(world.settings().concentrator.store)) as database:
        book = LedgerBook(database, zone)
        for meter in truth.meters:
            rows = database.rows(
                "SELECT point, register, interval_s, at, value, scale FROM reading"
                " WHERE point = ? AND at >= ? AND at <= ? AND value IS NOT NULL",
                (meter.point, begin, end),
            )
            there = {Slot(row[0], Register(row[1]), *row[2:4]) for row in rows}
            lines = book.lines(*days, truth.end, [meter.point])
            causes = {each.slot: each.cause.value for line in lines for each in line.missing}
            for slot in truth.planned(meter, *span):
                outcome.expected += 1
                if slot in there:
                    outcome.got += 1
                    continue
                outcome.missing[causes.get(slot, Cause.UNKNOWN.value)] += 1
                outcome.never += not truth.could_be_had(meter, slot)
            readings += [each for each in _micro(rows) if _lies_in(each, begin, end)]
    return outcome, readings


def _lies_in(reading: Reading, begin: int, end: int) -> bool:
    """Whether it belongs to the days; the freeze of a day is taken at its end."""
    is_freeze = reading[2] == DAY_INTERVAL_S
    return begin < reading[3] <= end if is_freeze else begin <= reading[3] < end


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

"""Validation as the rest of the head-end uses it: run it, look at findings, edit and estimate, withdraw."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import numpy as np
from sqlalchemy import Connection, delete, select, tuple_

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.people import trail
from kwhub.headend.quality.checks import check
from kwhub.headend.quality.estimate import Method
from kwhub.headend.quality.expect import GRACE_S
from kwhub.headend.quality.rules import RuleName
from kwhub.headend.store import archive_rows, edits
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.database import Database, upsert
from kwhub.headend.store.days import Days
from kwhub.headend.store.edits import Edit, EditSet
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import local_date
from kwhub.headend.store.schema_quality import to_check
from kwhub.headend.store.stale import note_stale
from kwhub.headend.store.vectors import EMPTY
from kwhub.headend.validation import findings, ledger, rule_rows
from kwhub.headend.validation.filling import fill
from kwhub.headend.validation.findings import Filter, Finding, FindingKey
from kwhub.headend.validation.meter_days import meter_days
from kwhub.headend.validation.rule_rows import ChangedRule, RuleBook, Scope

__all__ = ["Checked", "QualityDesk"]

DAYS_AT_ONCE = 500
"""Meter-days that one transaction validates, so that others get to write in between."""

SPAN_DAYS_MAX = 400
"""Most days that one order of estimation fills."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a run of validation did."""

    meter_days: int = 0
    open: int = 0


class QualityDesk:
    """Findings and edits. Every method may be called from any thread, and raises StoreError."""

    def __init__(self, database: Database, days: Days, now: Callable[[], datetime]) -> None:
        """Work on ``database``, for the zone of ``days``; ``now`` tells the present, aware."""
        self._database = database
        self._days = days
        self._now = now

    def check_waiting(self) -> Checked:
        """Validate every day that is over and of which readings or edits arrived since it was validated."""
        total = Checked()
        after = (-1, -1)
        while True:
            with self._database.write() as connection:
                waiting = self._waiting(connection, after)
                if not waiting:
                    return total
                opened = self._check(connection, set(waiting))
                table = to_check
                for (day, meter_id), count in waiting.items():
                    connection.execute(
                        delete(table).where(
                            table.c.day == day,
                            table.c.meter_id == meter_id,
                            table.c["count"] == count,  # packed again meanwhile: once more
                        )
                    )
            after = max(waiting)
            total = Checked(total.meter_days + len(waiting), total.open + opened)

    def findings(
        self, wanted: Filter, *, limit: int = 50, offset: int = 0
    ) -> tuple[list[Finding], int]:
        """A page of findings and how many there are in all."""
        with self._database.read() as connection:
            return findings.find(connection, wanted, limit=limit, offset=offset)

    def accept(self, key: FindingKey, *, by: str, note: str) -> None:
        """A person says that the value is right. Raises LocalError."""
        self._decide(key, accept=True, by=by, note=note)

    def reopen(self, key: FindingKey, *, by: str, note: str = "") -> None:
        """A person takes an acceptance back. Raises LocalError."""
        self._decide(key, accept=False, by=by, note=note)

    def edit(
        self,
        meter_id: int,
        series: tuple[Register, int],
        values: Mapping[int, int],
        *,
        by: str,
        reason: str,
    ) -> int:
        """Put a person's values beside the measurement; returns the number of the set.

        Args:
            meter_id: number of a meter.
            series: register and interval in seconds.
            values: millionths of the unit by moment in seconds since 1970 UTC.
            by: who.
            reason: why, in words.

        Raises:
            LocalError: no values, no reason, no such meter, or a negative value.
        """
        if any(value < 0 for value in values.values()):
            raise LocalError("a register does not go below nought")
        with self._database.write() as connection:
            measured = self._measured(connection, meter_id, series, values)
            made = [
                Edit(meter_id, str(series[0]), series[1], at, value, measured.get(at))
                for at, value in sorted(values.items())
                if measured.get(at) != value
            ]
            return self._write(connection, made, by=by, method=Method.MANUAL, reason=reason)

    def estimate(
        self,
        meter_id: int,
        series: tuple[Register, int],
        span: tuple[date, date],
        method: Method,
        *,
        by: str,
        reason: str,
    ) -> int:
        """Fill the holes of a curve between known values; returns the number of the set.

        Args:
            meter_id: number of a meter.
            series: a cumulative register and its interval in seconds.
            span: first and last local day, both inclusive.
            method: how; MANUAL is no method of estimation.
            by: who.
            reason: why, in words.

        Raises:
            LocalError: nothing can be filled, no reason, no such meter, or too long a span.
        """
        if not 0 <= (span[1] - span[0]).days < SPAN_DAYS_MAX:
            raise LocalError(f"from the first to the last day, at most {SPAN_DAYS_MAX} days")
        with self._database.write() as connection:
            meter = _known(connection, meter_id)
            reader = Reader(connection, self._days)
            curve_s = meter.duty.energy_interval_s
            values = fill(reader, self._days, meter_id, series, curve_s, span, method=method)
            if not values:
                raise LocalError(
                    "there is no hole between two known values; "
                    "wait for the readings after the hole, or enter a value by hand"
                )
            made = [
                Edit(meter_id, str(series[0]), series[1], at, value, None)
                for at, value in sorted(values.items())
            ]
            return self._write(connection, made, by=by, method=method, reason=reason)

    def withdraw(self, set_id: int, *, by: str) -> None:
        """Take a set of edits back. Raises LocalError."""
        with self._database.write() as connection:
            taken = edits.withdraw(connection, set_id, by=by, at=self._now())
            self._note(connection, taken)
            trail.record(connection, by, "withdraw_edits", f"edits {set_id}", "", self._now())

    def edit_sets(self, meter_id: int) -> list[EditSet]:
        """The edits of a meter, the newest first."""
        with self._database.read() as connection:
            return edits.sets_of(connection, meter_id)

    def blocked(self, meters: Collection[int], first: date, last: date) -> set[tuple[int, date]]:
        """Meters and days that are not to be billed before somebody has decided."""
        with self._database.read() as connection:
            return findings.blocked(connection, meters, first, last)

    def rules(self) -> list[ChangedRule]:
        """Every rule that differs from the table for somebody."""
        with self._database.read() as connection:
            return rule_rows.changed_rules(connection)

    def change_rule(self, rule: ChangedRule, *, by: str) -> None:
        """Change a rule for a scope; it holds from the next validation on. Raises LocalError."""
        with self._database.write() as connection:
            rule_rows.change(connection, rule)
            subject = f"{rule.rule.value} {rule.scope.value} {rule.scope_id}"
            trail.record(
                connection, by, "change_rule", subject, str(dict(rule.bounds)), self._now()
            )

    def forget_rule(self, scope: Scope, scope_id: int, rule: RuleName, *, by: str) -> None:
        """Take the change of a rule back; what holds without it holds from the next validation on."""
        with self._database.write() as connection:
            rule_rows.forget(connection, scope, scope_id, rule)
            subject = f"{rule.value} {scope.value} {scope_id}"
            trail.record(connection, by, "forget_rule", subject, "", self._now())

    def _waiting(
        self, connection: Connection, after: tuple[int, int]
    ) -> dict[tuple[int, int], int]:
        """Day and meter of the next days that are over, with how often they were touched."""
        table = to_check
        ended = self._days.of(self._now() - timedelta(seconds=GRACE_S))
        query = (
            select(table.c.day, table.c.meter_id, table.c["count"].label("times"))
            .where(
                table.c.day < self._days.number(ended),
                tuple_(table.c.day, table.c.meter_id) > tuple_(*after),
            )
            .order_by(table.c.day, table.c.meter_id)
            .limit(DAYS_AT_ONCE)
        )
        return {(row.day, row.meter_id): row.times for row in connection.execute(query)}

    def _check(self, connection: Connection, waiting: set[tuple[int, int]]) -> int:
        """Validate meter-days; siblings are looked at in whole areas."""
        book = RuleBook(connection)
        areas: dict[int, list[ArchiveMeter]] = {}
        touched = {meter_id for _, meter_id in waiting}
        own = {each.area_id for each in archive_rows.meters(connection, numbers=touched)}
        for meter in archive_rows.meters(connection, areas=own):
            areas.setdefault(meter.area_id, []).append(meter)
        found = []
        for day, grouped in groupby(sorted(waiting), key=lambda each: each[0]):
            wanted = {meter_id for _, meter_id in grouped}
            for area_id, area in areas.items():
                if wanted.isdisjoint(meter.id for meter in area):
                    continue
                days, now = self._days, self._now()
                for meter, seen in meter_days(connection, days, area, local_date(day), now, wanted):
                    rules = book.of(meter.id, area_id)
                    found += [
                        (meter.id, day, one, rules[one.rule][0]) for one in check(seen, rules)
                    ]
        validated = {(meter_id, day) for day, meter_id in waiting}
        ledger.refresh(connection, self._days, validated, self._now())
        return findings.keep(connection, validated, found, self._now())

    def _decide(self, key: FindingKey, *, accept: bool, by: str, note: str) -> None:
        with self._database.write() as connection:
            at = self._now()
            findings.decide(connection, key, accept=accept, by=by, note=note, at=at)
            action = "accept_finding" if accept else "reopen_finding"
            trail.record(connection, by, action, " ".join(map(str, key)), note, at)

    def _write(
        self, connection: Connection, made: Sequence[Edit], *, by: str, method: Method, reason: str
    ) -> int:
        at = self._now()
        set_id = edits.write(connection, made, by=by, method=method.value, reason=reason, at=at)
        self._note(connection, made)
        subject = f"edits {set_id}, meter {made[0].meter_id}"
        trail.record(connection, by, f"edit_{method.value}", subject, reason, at)
        return set_id

    def _note(self, connection: Connection, made: Sequence[Edit]) -> None:
        """Days whose values are others now are validated again."""
        touched = set()
        for each in made:
            late = each.interval_s == DAY_INTERVAL_S
            day = self._days.number(self._days.of(_moment(each.at - late)))
            touched |= {(each.meter_id, day), (each.meter_id, day - 1)}
        rows = [{"meter_id": meter, "day": day, "count": 1} for meter, day in sorted(touched)]
        upsert(connection, to_check, rows, add="count")
        around = np.array([(meter, day + n) for meter, day in touched for n in (0, 1)], "<i8")
        note_stale(connection, *around.T)

    def _measured(
        self,
        connection: Connection,
        meter_id: int,
        series: tuple[Register, int],
        moments: Collection[int],
    ) -> dict[int, int]:
        """What was measured at some moments."""
        _known(connection, meter_id)
        if not moments:
            return {}
        first, last = (self._days.of(_moment(each)) for each in (min(moments), max(moments)))
        reader = Reader(connection, self._days, edited=False)
        register, interval_s = series
        span = (first - _ONE_DAY, last + _ONE_DAY)
        read = reader.series([meter_id], [register], interval_s, span)
        found = read.get((meter_id, str(register)), EMPTY)
        rows = zip(found.at, found.value, found.quality, strict=True)
        return {int(at): int(value) for at, value, good in rows if good != Quality.NULL}


def _known(connection: Connection, meter_id: int) -> ArchiveMeter:
    found = archive_rows.meters(connection, meter_id=meter_id)
    if not found:
        raise LocalError(f"there is no meter {meter_id}")
    return found[0]


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)

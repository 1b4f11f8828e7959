"""Runs report tasks, and keeps what they have to say until the head-end has confirmed it.

A run and its reports are one transaction: whatever moment the power fails at, a run is either still to be done or its
reports wait. A task of class 2 runs when the meters were read for its moment, or ``HOLD_S`` later; what is read then
travels in the reports of the outbox. When runs were missed, class 1 runs once, and class 2 tells of all the time
since its last run. A task that meets a bug is left alone for ``AGAIN_S``; the others go on.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import NamedTuple

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.bugs import Bugs
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.database import Database
from kwhub.concentrator.served_live import Live
from kwhub.concentrator.served_tasks import ReportTask, enabled_tasks
from kwhub.concentrator.times import instant, wall
from kwhub.concentrator.uplink_outcomes import Silence
from kwhub.domain.errors import KwhubError
from kwhub.protocols.gdw1376.frames import STANDARD
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import Unit, join_units, split_units
from kwhub.runtime.clock import Clock

__all__ = ["AGAIN_S", "HOLD_S", "REPORTS_KEPT", "TaskReport", "TaskReports", "TaskRuns"]

HOLD_S = 1_800
"""So long a task of class 2 waits for meters that were not read for its moment yet."""

REPORTS_KEPT = 1_000
"""Reports of tasks that wait; the oldest give way."""

AGAIN_S = 3_600.0
"""After this time a report that was denied is offered again, and a task that met a bug is run again."""

LOOK_S, REST_S = 60.0, 3_600.0
"""Pause before a task that waits for meters is looked at again, and the longest pause."""

_HOUR_S = 3_600


class TaskReport(NamedTuple):
    """One report that waits."""

    id: int
    afn: int
    units: tuple[Unit, ...]


class TaskReports:
    """What waits; every method but ``denied`` may raise StoreError."""

    def __init__(self, database: Database, clock: Clock, counters: UplinkCounters) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self.silence = Silence(clock)
        self._again_at: dict[int, float] = {}  # monotonic seconds by report that was denied

    def last_run(self, task: ReportTask) -> int | None:
        """The moment of the last run that was done, seconds since 1970 UTC."""
        rows = self._database.rows(
            "SELECT at FROM task_run WHERE class = ? AND task = ?", (task.data_class, task.number)
        )
        return int(rows[0][0]) if rows else None

    def forget_all_but(self, tasks: Sequence[ReportTask]) -> None:
        """Forget the runs of tasks that are switched off: they begin anew one day."""
        on = {(task.data_class, task.number) for task in tasks}
        rows = self._database.rows("SELECT class, task FROM task_run")
        off = [row for row in rows if tuple(row) not in on]
        if off:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM task_run WHERE class = ? AND task = ?", off)

    def done(self, task: ReportTask, at: int, bodies: Sequence[bytes]) -> None:
        """Note a run and keep its reports."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO task_run (class, task, at) VALUES (?, ?, ?)",
                (task.data_class, task.number, at),
            )
            connection.executemany(
                "INSERT INTO task_report (afn, body) VALUES (?, ?)",
                [(task.afn, body) for body in bodies],
            )
            connection.execute(
                "DELETE FROM task_report WHERE id <= (SELECT max(id) FROM task_report) - ?",
                (REPORTS_KEPT,),
            )

    def due(self) -> TaskReport | None:
        """The oldest report that is to be offered now."""
        if self.silence.lasts:
            return None
        now = self._clock.monotonic()
        self._again_at = {place: at for place, at in self._again_at.items() if at > now}
        turn = self.silence.turn or 0
        rows = self._database.rows("SELECT id, afn, body FROM task_report ORDER BY id")
        for place, afn, body in rows[turn % max(1, len(rows)) :]:
            if place not in self._again_at:
                units, _ = split_units(body, layout_of(afn, up=True))
                return TaskReport(place, afn, units)
        return None

    def confirmed(self, report: TaskReport) -> None:
        """The head-end has it. When that cannot be noted it is offered again."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM task_report WHERE id = ?", (report.id,))
        self._counters.task_reports += 1

    def denied(self, report: TaskReport) -> None:
        """The head-end does not want it now."""
        self._again_at[report.id] = self._clock.monotonic() + AGAIN_S
        self._counters.task_reports_denied += 1


class TaskRuns:
    """Looks at the tasks whenever one is due or the settings have changed."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        archive: Archive,
        reports: TaskReports,
        answers: Answers,
        live: Live,
        *,
        clock: Clock,
        zone: tzinfo,
        progress: Callable[[], dict[tuple[int, str], int]],
        on_report: Callable[[], None],
        user_bytes: int,
        bugs: Bugs,
    ) -> None:
        """Make it.

        Args:
            archive: has the tasks.
            reports: keeps what they say.
            answers: knows what there is to say.
            live: reads what the store does not have.
            clock: of the site.
            zone: of the site.
            progress: up to when each point and series was read.
            on_report: hears of new reports.
            user_bytes: L1 of a report.
            bugs: hears of those that a task met.
        """
        self._archive = archive
        self._reports = reports
        self._answers = answers
        self._live = live
        self._clock = clock
        self._zone = zone
        self._progress = progress
        self._on_report = on_report
        self._room = user_bytes - STANDARD.user_bytes_min
        self.bugs = bugs
        self._wake = asyncio.Event()
        self._aside: dict[tuple[int, int], float] = {}  # monotonic, by task that met a bug
        self._due_since: dict[
            tuple[int, int, int], float
        ] = {}  # monotonic, by run that is not done

    def renew(self) -> None:
        """Tasks, or the clock, have changed."""
        self._aside.clear()
        self._wake.set()

    async def run(self) -> None:
        """Run tasks until cancelled. Raises StoreError."""
        while True:
            self._wake.clear()
            pause_s = await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _look(self) -> float:
        """Run what is due; seconds until the next look."""
        tasks = enabled_tasks(self._archive)
        self._reports.forget_all_but(tasks)
        pause_s = REST_S
        for task in tasks:
            pause_s = min(pause_s, await self._try(task))
        return pause_s

    async def _try(self, task: ReportTask) -> float:
        """Attend to a task, unless it has met a bug not long ago; seconds until the next time."""
        key, now = (task.data_class, task.number), self._clock.monotonic()
        left_s = self._aside.get(key, now) - now
        if left_s > 0:
            return left_s
        try:
            return await self._attend(task)
        except (KwhubError, OSError):
            raise
        except Exception as error:
            running = asyncio.current_task()
            if running is not None and running.cancelling():
                raise asyncio.CancelledError from error  # see runtime.tasks.supervise
            self.bugs.note(error, data_class=task.data_class, task=task.number)
            self._aside[key] = self._clock.monotonic() + AGAIN_S
            return AGAIN_S

    async def _attend(self, task: ReportTask) -> float:
        """Run a task if it is due; seconds until it is to be looked at again."""
        now = self._clock.now().timestamp()
        place = task.place_at(wall(int(now), self._zone))
        moment = instant(task.moment(place), self._zone)
        last = self._reports.last_run(task)
        if last is None or last > moment:  # it is new, or our clock was set back
            self._reports.done(task, moment, ())
        elif last < moment:
            key = (task.data_class, task.number, moment)
            held_s = self._clock.monotonic() - self._due_since.setdefault(
                key, self._clock.monotonic()
            )
            if task.data_class == 2 and held_s < HOLD_S and self._is_early(task, moment):
                return LOOK_S
            del self._due_since[key]
            await self._run(task, last, moment)
        return max(1.0, instant(task.moment(place + 1), self._zone) - self._clock.now().timestamp())

    def _is_early(self, task: ReportTask, moment: int) -> bool:
        """Whether meters that the task names were not read for its moment yet."""
        progress = self._progress()
        hour = moment - moment % _HOUR_S
        wanted = {
            each.point for each in task.wanted(self._answers.shelf, *self._span(task, moment))
        }
        return any(until < hour for (point, _), until in progress.items() if point in wanted)

    def _span(self, task: ReportTask, moment: int) -> tuple[datetime, datetime]:
        until = wall(moment, self._zone)
        return task.moment(task.place_at(until) - 1), until

    async def _run(self, task: ReportTask, last: int, moment: int) -> None:
        span = wall(last, self._zone), wall(moment, self._zone)
        wanted = task.wanted(self._answers.shelf, *span)
        clock = wall(int(self._clock.now().timestamp()), self._zone)
        told = await self._live.read(self._live.lacking(wanted), clock)
        units = self._answers.of(wanted, clock, told)
        self._reports.done(task, moment, tuple(self._bodies(units)))
        if units:
            self._on_report()

    def _bodies(self, units: Sequence[Unit]) -> Iterator[bytes]:
        """Units as bodies of reports, each as full as may be."""
        body = b""
        for unit in units:
            raw = join_units((unit,))
            if body and len(body) + len(raw) > self._room:
                yield body
                body = b""
            body += raw
        if body:
            yield body

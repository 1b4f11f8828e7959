"""Imports as jobs: a file is checked first, applied as a whole or not at all, and can be taken back."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, insert, select, update

from kwhub.domain.errors import KwhubError
from kwhub.headend.archive.dating import date_rows, dated_problems
from kwhub.headend.archive.desk import ArchiveDesk
from kwhub.headend.archive.known import Known
from kwhub.headend.archive.plan import Incoming, Plan
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.archive.rules import planned
from kwhub.headend.archive.tables import BYTES_MAX, read_file
from kwhub.headend.archive.undo import take_back
from kwhub.headend.archive.write import pack_undo, unpack_undo, write
from kwhub.headend.people.trail import record
from kwhub.headend.store.schema_archive import import_error, import_job

__all__ = ["ERRORS_KEPT", "ImportJob", "Imports", "JobState"]

ERRORS_KEPT = 1_000
"""Errors of one file that are kept; how many there are in all is counted."""

_log = structlog.get_logger("kwhub.headend")


class JobState(StrEnum):
    """How far an import has come."""

    CHECKING = "checking"
    READY = "ready"  #: checked without errors, nothing is written yet
    REFUSED = "refused"  #: it has errors; nothing was written
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"

    @property
    def busy(self) -> bool:
        """Whether something is being done right now."""
        return self in {JobState.CHECKING, JobState.APPLYING, JobState.UNDOING}


@dataclass(frozen=True, slots=True)
class ImportJob:
    """One import.

    Attributes:
        done: rows that have been written so far, while it is applied.
        created: rows that are (or would be) new.
        changed: rows that are (or would be) changed.
        detail: why the last step failed; empty when it did not.
    """

    id: int
    kind: str
    state: JobState
    file_name: str
    by: str
    created_at: datetime
    finished_at: datetime | None
    rows: int
    done: int
    created: int
    changed: int
    errors: int
    detail: str


class Imports:
    """Imports of a head-end. Each step is carried out in the background, one after another."""

    def __init__(self, desk: ArchiveDesk, *, alone: bool = True) -> None:
        """Make it; steps that a stop has interrupted have changed nothing and are called off.

        Args:
            desk: of the archive.
            alone: no other process carries out imports of this store, so that what is unfinished was interrupted.
        """
        self._desk = desk
        self._done: dict[int, int] = {}
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()
        if alone:
            with desk.store.database.write() as connection:
                _call_off(connection)

    async def submit(self, content: bytes, *, kind: str, file_name: str, by: str) -> int:
        """Take a file and check it in the background; the number of the job.

        Args:
            content: of a CSV or XLSX file.
            kind: of ``KINDS``; empty for a workbook whose sheets have the names of kinds.
            file_name: only shown, never opened.
            by: who imports.

        Raises:
            ArchiveError: the file is too large.
            StoreError: the store does not take it.
        """
        if len(content) > BYTES_MAX:
            raise ArchiveError([Problem("", "too_large", f"{BYTES_MAX // 2**20} MiB")])
        job_id = await self._desk.offload(partial(self._submit, content, kind, file_name, by))
        self._put(job_id)
        return job_id

    async def apply(self, job_id: int, by: str) -> None:
        """Write what was checked, in the background. Raises ArchiveError unless the job is READY."""
        await self._begin(job_id, JobState.READY, JobState.APPLYING, by)

    async def undo(self, job_id: int, by: str) -> None:
        """Take an import back, in the background. Raises ArchiveError unless the job is APPLIED."""
        await self._begin(job_id, JobState.APPLIED, JobState.UNDOING, by)

    async def wait(self) -> None:
        """Wait until nothing is to be done any more."""
        await self._idle.wait()

    async def run(self) -> None:
        """Carry out the steps until cancelled."""
        while True:
            await self._carry_out(await self._queue.get())

    async def work_off(self) -> None:
        """Carry out what waits, and return; for who has no ``run``."""
        while not self._queue.empty():
            await self._carry_out(self._queue.get_nowait())

    async def _carry_out(self, job_id: int) -> None:
        try:
            await self._step(job_id)
        except KwhubError as error:
            _log.error("import_not_written", job=job_id, error=str(error))
        finally:
            if self._queue.empty():
                self._idle.set()

    def job(self, job_id: int) -> ImportJob | None:
        """One job, None when there is none of this number. Raises StoreError."""
        found = self._jobs(import_job.c.id == job_id, 1, 0)
        return found[0] if found else None

    def jobs(self, limit: int = 50, offset: int = 0) -> list[ImportJob]:
        """The newest jobs first. Raises StoreError."""
        return self._jobs(import_job.c.id > 0, limit, offset)

    def errors(self, job_id: int, limit: int = ERRORS_KEPT, offset: int = 0) -> list[Problem]:
        """What is wrong with a file, in the order of its rows. Raises StoreError."""
        query = (
            select(import_error)
            .where(import_error.c.job_id == job_id)
            .order_by(import_error.c.number)
        )
        with self._desk.store.database.read() as connection:
            return [
                Problem(row.column, row.problem, row.value, row.row, row.sheet)
                for row in connection.execute(query.limit(limit).offset(offset))
            ]

    def _jobs(self, where: Any, limit: int, offset: int) -> list[ImportJob]:
        columns = [each for each in import_job.c if each.name not in {"content", "undo"}]
        query = select(*columns).where(where).order_by(import_job.c.id.desc())
        with self._desk.store.database.read() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).all()
        return [self._told(row) for row in rows]

    def _told(self, row: Row[Any]) -> ImportJob:
        state = JobState(row.state)
        done = self._done.get(row.id, 0) if state.busy else row.created + row.changed
        return ImportJob(
            row.id,
            row.kind,
            state,
            row.file_name,
            row.asked_by,
            row.created_at,
            row.finished_at,
            row.row_count,
            done if state is not JobState.READY else 0,
            row.created,
            row.changed,
            row.errors,
            row.detail,
        )

    def _submit(self, content: bytes, kind: str, file_name: str, by: str) -> int:
        values = {
            "kind": kind[:16],
            "state": JobState.CHECKING,
            "file_name": _shown(file_name),
            "asked_by": by[:100],
            "created_at": self._desk.clock.now(),
            **dict.fromkeys(("row_count", "created", "changed", "errors"), 0),
            "detail": "",
            "content": content,
        }
        with self._desk.store.database.write() as connection:
            key = connection.execute(insert(import_job).values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    async def _begin(self, job_id: int, before: JobState, after: JobState, by: str) -> None:
        await self._desk.offload(partial(self._mark, job_id, before, after, by))
        self._put(job_id)

    def _mark(self, job_id: int, before: JobState, after: JobState, by: str) -> None:
        with self._desk.store.database.write() as connection:
            where = (import_job.c.id == job_id, import_job.c.state == before)
            done = connection.execute(
                update(import_job).where(*where).values(state=after, asked_by=by[:100], detail="")
            )
            if done.rowcount:
                return
            query = select(import_job.c.state).where(import_job.c.id == job_id)
            state = connection.execute(query).scalar()
        key = ("unknown", f"import {job_id}") if state is None else ("state", str(state))
        raise ArchiveError([Problem("", *key)])

    def _put(self, job_id: int) -> None:
        self._idle.clear()
        self._queue.put_nowait(job_id)

    async def _step(self, job_id: int) -> None:
        """Do what the state of a job asks for."""
        row = await self._desk.offload(partial(self._row, job_id))
        work, failed = {
            JobState.CHECKING: (self._check, JobState.REFUSED),
            JobState.APPLYING: (self._apply, JobState.READY),
            JobState.UNDOING: (self._undo, JobState.APPLIED),
        }[JobState(row.state)]
        try:
            await self._desk.offload(partial(work, row))
        except KwhubError as error:
            problems = error.problems if isinstance(error, ArchiveError) else ()
            await self._desk.offload(partial(self._failed, job_id, failed, str(error), problems))
        else:
            if work is not self._check:
                await self._desk.renew()
        finally:
            self._done.pop(job_id, None)

    def _row(self, job_id: int) -> Row[Any]:
        with self._desk.store.database.read() as connection:
            return connection.execute(select(import_job).where(import_job.c.id == job_id)).one()

    def _check(self, row: Row[Any]) -> None:
        """Find everything that is wrong with a file; nothing of it is written."""
        given, problems = read_file(row.content, row.kind)
        with self._desk.store.database.read() as connection:
            plan = planned(Known(connection), given)
            days, now = self._desk.store.days, self._desk.clock.now()
            problems += dated_problems(connection, plan, days, now)
        problems = sorted(
            [*problems, *plan.problems], key=lambda each: (each.sheet, each.row, each.column)
        )
        state = JobState.REFUSED if problems else JobState.READY
        self._finish(row.id, state, problems, _counts(given, plan))

    def _apply(self, row: Row[Any]) -> None:
        given, problems = read_file(row.content, row.kind)
        if problems:
            raise ArchiveError(problems)
        now = self._desk.clock.now()
        with self._desk.store.database.write() as connection:
            plan = planned(Known(connection), given)
            days = self._desk.store.days
            wrong = plan.problems or list(dated_problems(connection, plan, days, now))
            if wrong:  # the archive has changed since the check
                raise ArchiveError(wrong)
            undo = write(connection, plan, partial(self._done.__setitem__, row.id))
            date_rows(connection, plan, undo, days, now)
            told = f"{row.file_name}: {plan.created} created, {plan.changed} changed"
            record(connection, row.asked_by, "archive_import", f"import {row.id}", told, now)
            values = {"state": JobState.APPLIED, "undo": pack_undo(undo), "content": None}
            _note(connection, row.id, values | _counts(given, plan) | {"finished_at": now})

    def _today(self, now: datetime) -> datetime:
        days = self._desk.store.days
        return days.start(days.of(now))

    def _undo(self, row: Row[Any]) -> None:
        now = self._desk.clock.now()
        with self._desk.store.database.write() as connection:
            take_back(connection, unpack_undo(row.undo), self._today(now), now)
            record(connection, row.asked_by, "archive_undo", f"import {row.id}", row.file_name, now)
            values = {"state": JobState.UNDONE, "undo": None, "finished_at": now}
            _note(connection, row.id, values)

    def _failed(
        self, job_id: int, state: JobState, detail: str, problems: Sequence[Problem]
    ) -> None:
        self._finish(job_id, state, problems, {"detail": detail})

    def _finish(
        self,
        job_id: int,
        state: JobState,
        problems: Sequence[Problem],
        values: Mapping[str, Any],
    ) -> None:
        rows = [
            {
                "job_id": job_id,
                "number": number,
                "sheet": each.sheet,
                "row": each.row,
                "column": each.column[:64],
                "problem": each.key,
                "value": each.value[:300],
            }
            for number, each in enumerate(problems[:ERRORS_KEPT])
        ]
        with self._desk.store.database.write() as connection:
            connection.execute(import_error.delete().where(import_error.c.job_id == job_id))
            if rows:
                connection.execute(import_error.insert(), rows)
            kept = {"content": None} if state is JobState.REFUSED else {}
            now = {"finished_at": self._desk.clock.now(), "errors": len(problems)}
            _note(connection, job_id, {**values, **kept, **now, "state": state})


def _counts(given: Mapping[str, Sequence[Incoming]], plan: Plan) -> dict[str, Any]:
    return {
        "row_count": sum(map(len, given.values())),
        "created": plan.created,
        "changed": plan.changed,
    }


def _note(connection: Connection, job_id: int, values: Mapping[str, Any]) -> None:
    connection.execute(update(import_job).where(import_job.c.id == job_id).values(**values))


def _shown(file_name: str) -> str:
    """The name of a file without its folders and without what cannot be printed.

    >>> _shown("C:/lists/../meters/m.csv")
    'm.csv'
    """
    name = re.split(r"[/\\]", file_name)[-1]
    return "".join(each for each in name if each.isprintable())[:200]


def _call_off(connection: Connection) -> None:
    """What was being done when the head-end stopped was not done: each step is one transaction."""
    for state, before in (
        (JobState.CHECKING, JobState.REFUSED),
        (JobState.APPLYING, JobState.READY),
        (JobState.UNDOING, JobState.APPLIED),
    ):
        connection.execute(
            update(import_job)
            .where(import_job.c.state == state)
            .values(state=before, detail="interrupted: the head-end stopped; nothing was changed")
        )

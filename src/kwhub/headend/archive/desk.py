"""The desk: a person changes the archive here, and the running head-end follows at once."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select

from kwhub.headend.archive import dated
from kwhub.headend.archive.dating import date_rows, dated_problems
from kwhub.headend.archive.fields import FROM_DAY, KINDS, Kind
from kwhub.headend.archive.known import Known, portions
from kwhub.headend.archive.lists import ArchiveLists
from kwhub.headend.archive.plan import Draft, Incoming, New, Plan, parse
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.archive.reach import beyond, is_within, outside
from kwhub.headend.archive.rules import planned
from kwhub.headend.archive.write import bump, write
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.ingest.replay import replay
from kwhub.headend.people.trail import record
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.schema import local_date
from kwhub.headend.store.store import Store
from kwhub.runtime.clock import Clock

__all__ = ["AGE_CHECK_S", "MEMBERS_MAX", "ArchiveDesk"]

AGE_CHECK_S = 60.0
"""How often the copy in memory is compared with the store, which another process may change, in seconds."""

_VERSION = f"SELECT version FROM {schema_archive.archive_state.name}"  # noqa: S608 - names of the schema

MEMBERS_MAX = 100_000
"""Most meters of a free group."""

T = TypeVar("T")


class ArchiveDesk:
    """Changes to the archive: checked, written together with their row in the audit trail, in force at once.

    Every method that changes something raises ArchiveError when it is not possible, and StoreError when the
    store does not take it; nothing was changed then.

    Attributes:
        store: whose archive is changed.
        lists: what can be asked of the archive.
        clock: the present.
        offload: where blocking work runs.
    """

    def __init__(
        self, store: Store, clock: Clock, offload: Offload, renewed: Callable[[], Awaitable[None]]
    ) -> None:
        """Make a desk.

        Args:
            store: whose archive is changed.
            clock: the present.
            offload: where blocking work runs.
            renewed: called after the copy in memory is new: the front follows.
        """
        self.store = store
        self.lists = ArchiveLists(store.database)
        self.clock = clock
        self.offload = offload
        self._renewed = renewed
        self._version = self._stored_version()

    async def save(
        self,
        kind: str,
        texts: Mapping[str, str],
        by: str,
        *,
        row_id: int | None = None,
        from_day: date | None = None,
        within: Collection[int] | None = None,
    ) -> int:
        """Make a row, or change the one with this number, or with this key.

        Args:
            kind: of ``KINDS``.
            texts: what is given, by field name; what is not given stays, or gets its default.
            by: who does it.
            row_id: the row to change; its key may change too.
            from_day: of a meter or terminal: place, ratio, area and service are so from this local day on; None
                for a correction, which holds for the past too, and for the end of service today.
            within: organisations to which the row must belong before and after; None for all.

        Returns:
            The number of the row.
        """
        given = texts if from_day is None else {**texts, FROM_DAY: from_day.isoformat()}
        return await self._change(partial(self._save, _kind(kind), given, by, row_id, within))

    async def retire(
        self,
        kind: str,
        row_id: int,
        by: str,
        *,
        from_day: date | None = None,
        within: Collection[int] | None = None,
    ) -> None:
        """Make a row inactive, a meter or terminal from a day on; nothing is deleted, for readings and bills hang on it."""
        texts = {"active": "no"}
        await self.save(kind, texts, by, row_id=row_id, from_day=from_day, within=within)

    async def place(
        self,
        meter_id: int,
        texts: Mapping[str, str],
        day: date,
        by: str,
        *,
        within: Collection[int] | None = None,
    ) -> None:
        """Give a meter another place or ratio from the beginning of a local day on.

        Args:
            meter_id: number of the meter.
            texts: some of terminal, point, port, ct and pt.
            day: today or earlier; analysis of the days before keeps what was true then.
            by: who does it.
            within: as in ``save``; also the terminal must belong there.
        """
        at = self.store.days.start(day)
        await self._change(partial(self._place, meter_id, texts, at, by, within))

    async def exchange(
        self,
        meter_id: int,
        told: dated.Exchange,
        by: str,
        *,
        within: Collection[int] | None = None,
    ) -> int:
        """Write down that the meter at a measuring point was exchanged; the number of the exchange."""
        return await self._change(partial(self._exchange, meter_id, told, by, within))

    async def withdraw_exchange(
        self, exchange_id: int, by: str, *, within: Collection[int] | None = None
    ) -> None:
        """Take back the newest exchange of a meter."""
        await self._change(partial(self._withdraw, exchange_id, by, within))

    async def set_members(self, group_id: int, meters: Collection[int], by: str) -> None:
        """Say which meters belong to a free group."""
        await self._change(partial(self._set_members, group_id, frozenset(meters), by))

    async def renew(self) -> None:
        """Take a fresh copy of the archive, let the front follow, and place what waited for a place."""
        version = await self.offload(self._reload)
        self._version = version
        await self._renewed()

    async def run(self) -> None:
        """Follow changes that another process makes, until cancelled."""
        while True:
            await self.clock.sleep(AGE_CHECK_S)
            with suppress(StoreError):  # looked at again in a moment; others say what is wrong
                if await self.offload(self._stored_version) != self._version:
                    await self.renew()

    async def _change(self, work: Callable[[], T]) -> T:
        done = await self.offload(work)
        await self.renew()
        return done

    def _reload(self) -> int:
        version = self._stored_version()
        self.store.reload()
        replay(self.store)
        return version

    def _stored_version(self) -> int:
        with self.store.database.read() as connection:
            version = connection.exec_driver_sql(_VERSION).scalar()  # asked every minute, for ever
        return int(version or 0)

    def _save(
        self,
        kind: Kind,
        texts: Mapping[str, str],
        by: str,
        row_id: int | None,
        within: Collection[int] | None,
    ) -> int:
        with self.store.database.write() as connection:
            known = Known(connection)
            incoming = _understood(known, kind, texts, row_id, within)
            if strange := list(beyond(known, incoming, within)):
                raise ArchiveError(strange)
            plan = planned(known, {kind.name: [incoming]})
            days, now = self.store.days, self.clock.now()
            problems = plan.problems or outside(known, plan, within)
            if wrong := problems or list(dated_problems(connection, plan, days, now)):
                raise ArchiveError(wrong)
            return self._written(connection, kind, plan, by) or _number_of(known, incoming)

    def _written(self, connection: Connection, kind: Kind, plan: Plan, by: str) -> int:
        """Write a plan of one row; its number, 0 when nothing was to be changed."""
        drafts = plan.drafts[kind.name]
        if not drafts:
            return 0
        (one,) = drafts
        whole = write(connection, plan)
        undo = whole[kind.name]
        number = undo["created"].get(one.incoming.key) or int(next(iter(undo["changed"])))
        date_rows(connection, plan, whole, self.store.days, self.clock.now())
        action = "archive_create" if one.stored is None else "archive_change"
        subject = f"{kind.name} {one.incoming.key}"
        record(connection, by, action, subject, _told(one), self.clock.now())
        return number

    def _place(
        self,
        meter_id: int,
        texts: Mapping[str, str],
        at: datetime,
        by: str,
        within: Collection[int] | None,
    ) -> None:
        with self.store.database.write() as connection:
            now = self.clock.now()
            plan = dated.place(connection, meter_id, texts, at, now, within=within)
            told = f"from {at.isoformat()}: " + "; ".join(map(_told, plan.drafts["meter"]))
            record(connection, by, "archive_place", f"meter {meter_id}", told, now)

    def _exchange(
        self, meter_id: int, told: dated.Exchange, by: str, within: Collection[int] | None
    ) -> int:
        with self.store.database.write() as connection:
            now = self.clock.now()
            number, plan = dated.exchange(connection, meter_id, told, by, now, within=within)
            readings = ", ".join(
                f"{name} {final} -> {first}" for name, (final, first) in told.readings.items()
            )
            detail = "; ".join([f"at {told.at.isoformat()}", readings, *_drafts_told(plan)])
            record(connection, by, "archive_exchange", f"meter {meter_id}", detail, now)
            return number

    def _withdraw(self, exchange_id: int, by: str, within: Collection[int] | None) -> None:
        with self.store.database.write() as connection:
            plan = dated.withdraw(connection, exchange_id, within=within)
            told = "; ".join(_drafts_told(plan))
            subject = f"exchange {exchange_id}"
            record(connection, by, "archive_withdraw", subject, told, self.clock.now())

    def _set_members(self, group_id: int, meters: Collection[int], by: str) -> None:
        group, member = schema_archive.meter_group, schema_archive.group_member
        with self.store.database.write() as connection:
            row = connection.execute(select(group).where(group.c.id == group_id)).one_or_none()
            if row is None:
                raise ArchiveError([Problem("", "unknown", f"group {group_id}")])
            if row.kind != "free":
                raise ArchiveError([Problem("group", "not_free", row.code)])
            _all_known(connection, meters)
            connection.execute(delete(member).where(member.c.group_id == group_id))
            rows = [{"group_id": group_id, "meter_id": each} for each in sorted(meters)]
            if rows:
                connection.execute(member.insert(), rows)
            bump(connection)
            told = f"{len(rows)} meters"
            record(connection, by, "archive_members", f"group {row.code}", told, self.clock.now())


def _kind(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        raise ArchiveError([Problem("", "unknown_sheet", name)])
    return kind


def _understood(
    known: Known,
    kind: Kind,
    texts: Mapping[str, str],
    row_id: int | None,
    within: Collection[int] | None,
) -> Incoming:
    """The row that is given, with its key; out of reach no number has a row."""
    columns = {*kind.by_name, *((FROM_DAY,) if kind.dated else ())}
    problems = [Problem(each, "unknown_column", each) for each in texts.keys() - columns]
    key = {}
    if row_id is not None:
        known.want_ids(kind, {row_id})
        stored = known.of_id(kind, row_id)
        if stored is None or not is_within(known, kind, stored, within):
            raise ArchiveError([Problem("", "unknown", f"{kind.name} {row_id}")])
        key = {kind.key: kind.key_of(stored)}
    elif not texts.get(kind.key, "").strip():
        problems.append(Problem(kind.key, "missing"))
    incoming, wrong = parse(kind, {**key, **texts})
    if problems + wrong:
        raise ArchiveError(problems + wrong)
    incoming.row_id = row_id
    return incoming


def _number_of(known: Known, incoming: Incoming) -> int:
    stored = known.get(incoming.kind, incoming.key) or {}
    return int(stored["id"])


def _told(one: Draft) -> str:
    """What changes, for the audit trail."""
    stored = one.stored or {}
    changed = {name: one.final[name] for name in sorted(one.changed)}
    texts = {
        name: f"{each.kind} {each.key}" for name, each in changed.items() if isinstance(each, New)
    }
    before = {name: stored.get(name) for name in changed} if one.stored else None
    told = json.dumps({"before": before, "after": changed | texts}, ensure_ascii=False)
    day = one.incoming.from_day
    return told if day is None else f"from {local_date(day).isoformat()}: {told}"


def _drafts_told(plan: Plan) -> list[str]:
    return [_told(each) for each in plan.drafts["meter"]]


def _all_known(connection: Connection, meters: Collection[int]) -> None:
    if len(meters) > MEMBERS_MAX:
        raise ArchiveError([Problem("meters", "too_many_rows", str(MEMBERS_MAX))])
    table: Any = schema.meter
    found: set[int] = set()
    for part in portions(meters):
        found |= set(connection.execute(select(table.c.id).where(table.c.id.in_(part))).scalars())
    if missing := sorted(set(meters) - found):
        raise ArchiveError([Problem("meters", "unknown", f"meter {missing[0]}")])

"""What pages and API ask of the archive: the tree, lists with search and pages, histories."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, cast, func, or_, select

from kwhub.headend.archive.export import within
from kwhub.headend.archive.fields import KINDS, Kind, terminal_key
from kwhub.headend.archive.known import Known
from kwhub.headend.archive.reach import is_within
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.database import Database
from kwhub.headend.store.schema import from_micro, local_date

__all__ = [
    "ArchiveLists",
    "AreaLeaf",
    "Branch",
    "Exchanged",
    "InArea",
    "Listed",
    "Placed",
    "RowTexts",
]

RowTexts = dict[str, str]
"""A row by field name, as its texts stand in files; ``id`` is its number."""


@dataclass(frozen=True, slots=True)
class AreaLeaf:
    """An area in the tree."""

    id: int
    code: str
    name: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class Branch:
    """An organisation with what is below it; number 0 holds what belongs to none."""

    id: int
    code: str
    name: str
    name_zh: str
    branches: list["Branch"] = field(default_factory=list)
    areas: list[AreaLeaf] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, and how long the list is."""

    items: list[RowTexts]
    total: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a meter was, and with what ratio; None: always before, or until now."""

    valid_from: datetime | None
    valid_to: datetime | None
    terminal: str
    point: int
    port: int
    ct: str
    pt: str
    ratio: str


@dataclass(frozen=True, slots=True)
class InArea:
    """When a terminal was in an area; None: always before, or until now."""

    valid_from: datetime | None
    valid_to: datetime | None
    area: str  #: its code


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One exchange of the meter at a measuring point, with final and first value by register (kWh)."""

    id: int
    at: datetime
    old_address: str
    new_address: str
    reason: str
    by: str
    readings: dict[str, tuple[Decimal, Decimal]]


class ArchiveLists:
    """Read-only questions, safe in any thread. All raise StoreError when the database does not answer.

    Everywhere ``areas`` are the areas that the reader may see, None for all of them.
    """

    def __init__(self, database: Database) -> None:
        """Answer from ``database``."""
        self._database = database

    def tree(self, areas: Collection[int] | None = None) -> list[Branch]:
        """Active organisations with their areas, by code; last what belongs to no organisation."""
        table = schema_archive.organisation
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.active).order_by(table.c.code))
            branches = {row.id: (row.parent_id, _branch(row)) for row in rows}
            outside = Branch(0, "", "", "")
            for row in connection.execute(_areas(areas)):
                _, home = branches.get(row.organisation_id, (None, outside))
                home.areas.append(AreaLeaf(row.id, row.code, row.name, row.name_zh))
        found: list[Branch] = []
        for parent, branch in branches.values():
            _, above = branches.get(parent, (None, None))
            (found if above is None else above.branches).append(branch)
        kept = found if areas is None else [each for each in found if _prune(each)]
        return kept + ([outside] if outside.areas else [])

    def page(
        self,
        kind: str,
        *,
        search: str = "",
        areas: Collection[int] | None = None,
        only_active: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> Listed:
        """A part of the rows of a kind by their keys, with a text in key or names.

        Raises:
            KeyError: there is no such kind.
        """
        known = KINDS[kind]
        where = _where(known, search, areas, only_active=only_active)
        table = known.table
        order = (table.c.region, table.c.number) if kind == "terminal" else (table.c[known.key],)
        query = select(table).where(*where).order_by(*order).limit(limit).offset(offset)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(table).where(*where))
            return Listed(_texts(connection, known, query), total.scalar_one())

    def row(self, kind: str, row_id: int, areas: Collection[int] | None = None) -> RowTexts | None:
        """One row, None when there is none of this number. Raises KeyError for an unknown kind."""
        known = KINDS[kind]
        where = [known.table.c.id == row_id]
        if areas is not None:
            where.append(within(known, sorted(areas)))
        with self._database.read() as connection:
            found = _texts(connection, known, select(known.table).where(*where))
        return found[0] if found else None

    def own_row(
        self, kind: str, row_id: int, organisations: Collection[int] | None
    ) -> RowTexts | None:
        """One row that belongs to one of some organisations, None for all; None when there is none.

        Unlike ``row`` it finds what lies in no area yet. Raises KeyError for an unknown kind.
        """
        known = KINDS[kind]
        with self._database.read() as connection:
            archive = Known(connection)
            archive.want_ids(known, {row_id})
            stored = archive.of_id(known, row_id)
            if stored is None or not is_within(archive, known, stored, organisations):
                return None
            return _texts(connection, known, select(known.table).where(known.table.c.id == row_id))[
                0
            ]

    def places(self, meter_id: int) -> list[Placed]:
        """Where a meter was and is, oldest first; empty when nothing has ever changed."""
        table, terminal = schema_archive.placement, schema.terminal
        query = (
            select(table, terminal.c.region, terminal.c.number)
            .join(terminal, terminal.c.id == table.c.terminal_id)
            .where(table.c.meter_id == meter_id)
            .order_by(table.c.valid_from.nulls_first())
        )
        with self._database.read() as connection:
            return [
                Placed(
                    row.valid_from,
                    row.valid_to,
                    terminal_key(row.region, row.number),
                    row.point,
                    row.port,
                    row.ct,
                    row.pt,
                    row.ratio,
                )
                for row in connection.execute(query)
            ]

    def areas(self, terminal_id: int) -> list[InArea]:
        """The areas that a terminal was and is in, oldest first; empty when that has never changed."""
        table, area = schema_archive.terminal_area, schema.area
        query = (
            select(table.c.valid_from, table.c.valid_to, area.c.code)
            .join(area, area.c.id == table.c.area_id)
            .where(table.c.terminal_id == terminal_id)
            .order_by(table.c.valid_from.nulls_first())
        )
        with self._database.read() as connection:
            return [InArea(*row) for row in connection.execute(query)]

    def since(self, meter_id: int) -> date | None:
        """The day from which on a meter is in service; None: always."""
        column = schema.meter.c.since_day
        with self._database.read() as connection:
            query = select(column).where(schema.meter.c.id == meter_id)
            day = connection.execute(query).scalar()
        return None if day is None else local_date(day)

    def exchanges(self, meter_id: int) -> list[Exchanged]:
        """Exchanges at a measuring point, newest first."""
        table, reading = schema_archive.meter_exchange, schema_archive.exchange_reading
        query = select(table).where(table.c.meter_id == meter_id).order_by(table.c.at.desc())
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            readings: dict[int, dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
            numbers = [row.id for row in rows]
            for one in connection.execute(
                select(reading).where(reading.c.exchange_id.in_(numbers))
            ):
                pair = (from_micro(one.final, 2), from_micro(one.first, 2))
                readings[one.exchange_id][one.register] = pair
        return [
            Exchanged(
                row.id,
                row.at,
                row.old_address,
                row.new_address,
                row.reason,
                row.recorded_by,
                readings[row.id],
            )
            for row in rows
        ]

    def group_meters(self, group_id: int, areas: Collection[int] | None = None) -> list[int]:
        """Numbers of the active meters of a group: of its area, of its terminal, or its members."""
        group, member = schema_archive.meter_group, schema_archive.group_member
        meter, terminal = schema.meter, schema.terminal
        query = (
            select(meter.c.id)
            .join(terminal, terminal.c.id == meter.c.terminal_id)
            .where(meter.c.active)
            .order_by(meter.c.id)
        )
        if areas is not None:
            query = query.where(terminal.c.area_id.in_(areas))
        with self._database.read() as connection:
            row = connection.execute(select(group).where(group.c.id == group_id)).one_or_none()
            if row is None:
                return []
            own: dict[str, ColumnElement[bool]] = {
                "area": terminal.c.area_id == row.area_id,
                "terminal": terminal.c.id == row.terminal_id,
                "free": meter.c.id.in_(
                    select(member.c.meter_id).where(member.c.group_id == group_id)
                ),
            }
            return list(connection.execute(query.where(own[row.kind])).scalars())


def _areas(areas: Collection[int] | None) -> Select[Any]:
    table = schema.area
    query = select(table).where(table.c.active).order_by(table.c.code)
    return query if areas is None else query.where(table.c.id.in_(areas))


def _branch(row: Any) -> Branch:
    return Branch(row.id, row.code, row.name, row.name_zh)


def _prune(branch: Branch) -> bool:
    """Drop what has no area below it; whether anything is left."""
    branch.branches[:] = [each for each in branch.branches if _prune(each)]
    return bool(branch.branches or branch.areas)


def _where(
    kind: Kind, search: str, areas: Collection[int] | None, *, only_active: bool
) -> list[ColumnElement[bool]]:
    table = kind.table
    where: list[ColumnElement[bool]] = []
    if only_active and "active" in table.c:
        where.append(table.c.active)
    if areas is not None:
        where.append(within(kind, sorted(areas)))
    if text := search.strip():
        names = {kind.key, "name", "name_zh", "region", "number", "phone"} & set(table.c.keys())
        # autoescape: a percent sign in the text is a percent sign
        found = [
            cast(table.c[name], String).icontains(text, autoescape=True) for name in sorted(names)
        ]
        where.append(or_(*found))
    return where


def _texts(connection: Connection, kind: Kind, query: Select[Any]) -> list[RowTexts]:
    rows: Sequence[dict[str, Any]] = [dict(row) for row in connection.execute(query).mappings()]
    keys = {
        one.column: _keys(connection, KINDS[one.refers], {row[one.column] for row in rows})
        for one in kind.fields
        if one.refers
    }
    found = []
    for row in rows:
        texts = {"id": str(row["id"])}
        for one in kind.fields:
            if one.refers:
                texts[one.name] = keys[one.column].get(row[one.column], "")
            elif one.name == kind.key:
                texts[one.name] = kind.key_of(row)
            else:
                texts[one.name] = one.show(row[one.column])
        found.append(texts)
    return found


def _keys(connection: Connection, kind: Kind, numbers: Collection[int | None]) -> dict[int, str]:
    wanted = sorted(each for each in numbers if each is not None)
    query = select(kind.table).where(kind.table.c.id.in_(wanted))
    rows = connection.execute(query).mappings()
    return {row["id"]: kind.key_of(dict(row)) for row in rows}

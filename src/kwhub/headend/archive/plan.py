"""What a set of rows would do to the archive: everything is checked before anything is written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kwhub.headend.archive.fields import FROM_DAY, KINDS, REQUIRED, Field, Kind, read_day
from kwhub.headend.archive.known import Known, Stored
from kwhub.headend.archive.problems import Problem
from kwhub.headend.store.archive import DESK

__all__ = ["Draft", "Incoming", "New", "Plan", "draft", "parse", "short"]

VALUE_CHARACTERS = 120
"""Characters of a wrong value that are repeated."""


@dataclass(frozen=True, slots=True)
class New:
    """Stands for the number of a row that will be made together with this one."""

    kind: str
    key: str


@dataclass(slots=True)
class Incoming:
    """One row that was given, its texts understood; what was not given is not there."""

    kind: Kind
    values: dict[str, Any]
    row: int = 0
    row_id: int | None = None  #: the stored row that is meant, whatever its key
    broken: bool = False  #: a cell was not understood
    from_day: int | None = None  #: number of the day from which on what is dated is true

    @property
    def key(self) -> str:
        """The key of the row."""
        return str(self.values[self.kind.key])

    def problem(self, column: str, key: str, value: object = "") -> Problem:
        """Something that is wrong with this row."""
        return Problem(column, key, short(value), self.row, self.kind.name)


@dataclass(slots=True)
class Draft:
    """A row as it would be: all columns, as numbers or ``New`` where they refer to other rows."""

    incoming: Incoming
    stored: Stored | None
    final: dict[str, Any]
    changed: frozenset[str] = frozenset()

    @property
    def retires(self) -> bool:
        """Whether an active row would become inactive."""
        return bool(
            self.stored is not None
            and self.stored.get("active", False)
            and not self.final["active"]
        )


@dataclass(slots=True)
class Plan:
    """What would be written.

    Attributes:
        drafts: rows by kind, in the order in which they need each other; unchanged ones are left out.
        problems: what is wrong; nothing may be written unless this is empty.
        unchanged: rows that are in the archive exactly so.
    """

    drafts: dict[str, list[Draft]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unchanged: int = 0

    @property
    def created(self) -> int:
        """Rows that are new."""
        return sum(each.stored is None for drafts in self.drafts.values() for each in drafts)

    @property
    def changed(self) -> int:
        """Rows that would change."""
        return sum(map(len, self.drafts.values())) - self.created


def short(value: object) -> str:
    """A value as it is repeated in a problem.

    >>> len(short("x" * 500))
    120
    """
    return str(value)[:VALUE_CHARACTERS]


def parse(kind: Kind, texts: Mapping[str, str], row: int = 0) -> tuple[Incoming, list[Problem]]:
    """Understand the cells of one row; an empty cell stands for the column's default."""
    made = Incoming(kind, {}, row)
    problems = []
    for one in kind.fields:
        if one.name not in texts:
            continue
        text = texts[one.name].strip()
        if text:
            try:
                made.values[one.name] = one.read(text)
            except ValueError:
                problems.append(made.problem(one.name, "wrong", text))
        elif one.default is REQUIRED:
            problems.append(made.problem(one.name, "missing"))
        else:
            made.values[one.name] = one.default
    if kind.dated and (text := texts.get(FROM_DAY, "").strip()):
        try:
            made.from_day = read_day(text)
        except ValueError:
            problems.append(made.problem(FROM_DAY, "wrong", text))
    made.broken = bool(problems)
    return made, problems


def draft(known: Known, given: Mapping[str, Sequence[Incoming]]) -> Plan:
    """Work out what rows would do; the rules between rows are checked in ``rules``."""
    return _Drafting(known, given).plan


class _Drafting:
    """One run of ``draft``."""

    def __init__(self, known: Known, given: Mapping[str, Sequence[Incoming]]) -> None:
        self.plan = Plan()
        self._known = known
        self._new = {name: {each.key for each in rows} for name, rows in given.items()}
        for kind in KINDS.values():
            rows = given.get(kind.name, ())
            if not rows:
                continue
            self._load(kind, rows)
            counts = Counter(each.key for each in rows)
            found: list[Draft] = []
            for each in rows:
                if counts[each.key] > 1:
                    self.plan.problems.append(each.problem(kind.key, "twice", each.key))
                elif not each.broken:
                    found += self._drafted(each)
            self.plan.drafts[kind.name] = found

    def _load(self, kind: Kind, rows: Sequence[Incoming]) -> None:
        """Fetch in bulk what the rows speak of."""
        self._known.want_ids(kind, {each.row_id for each in rows if each.row_id is not None})
        self._known.want(kind, {each.key for each in rows})
        for one in kind.fields:
            if one.refers:
                keys = {each.values.get(one.name) for each in rows} - {None}
                self._known.want(KINDS[one.refers], {str(key) for key in keys})

    def _drafted(self, each: Incoming) -> Iterable[Draft]:
        kind = each.kind
        stored = self._known.get(kind, each.key)
        if each.row_id is not None:
            if stored is not None and stored["id"] != each.row_id:
                self.plan.problems.append(each.problem(kind.key, "used", each.key))
                return
            stored = self._known.of_id(kind, each.row_id)
        before = len(self.plan.problems)
        values = self._values(each, stored)
        if len(self.plan.problems) > before:
            return
        final = {**(stored or {}), **values}
        _derive(kind, final)
        changed = frozenset(
            name for name in final if stored is None or final[name] != stored.get(name)
        )
        if stored is not None and not changed:
            self.plan.unchanged += 1
            return
        if "origin" in kind.table.c:
            final["origin"] = DESK
            changed |= {"origin"}
        yield Draft(each, stored, final, changed)

    def _values(self, each: Incoming, stored: Stored | None) -> dict[str, Any]:
        """Columns and their values; a new row gets the defaults of what is not given."""
        found: dict[str, Any] = {}
        for one in each.kind.fields:
            if one.name in each.values:
                value = each.values[one.name]
            elif stored is not None:
                continue
            else:
                value = one.default
            if value is REQUIRED:
                self.plan.problems.append(each.problem(one.name, "missing"))
            elif one.refers and value is not None:
                found[one.column] = self._reference(each, one, str(value))
            elif one.name == each.kind.name == "terminal":
                region, _, number = str(value).partition("-")
                found |= {"region": region, "number": int(number)}
            else:
                found[one.column] = value
        return found

    def _reference(self, each: Incoming, one: Field, key: str) -> int | New | None:
        """What a key refers to: a stored row, or one that comes in the same file."""
        stored = self._known.get(KINDS[one.refers], key)
        together = key in self._new.get(one.refers, ())
        if stored is None and together:
            return New(one.refers, key)
        if stored is None:
            self.plan.problems.append(each.problem(one.name, "unknown", key))
            return None
        if not (stored["active"] or together or each.values.get("active") is False):
            self.plan.problems.append(each.problem(one.name, "retired", key))
        return int(stored["id"])


def _derive(kind: Kind, final: dict[str, Any]) -> None:
    """Columns that follow from others."""
    if "name_zh" in final and not final["name_zh"]:
        final["name_zh"] = final["name"]
    if kind.name == "meter":
        product = Decimal(final["ct"] or final.get("ratio", 1)) * Decimal(final["pt"])
        final["ratio"] = f"{product.normalize():f}"

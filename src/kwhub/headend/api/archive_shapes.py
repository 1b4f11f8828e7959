"""The objects of the archive's API."""

from datetime import date, datetime

from msgspec import Struct

from kwhub.headend.archive.fields import KINDS, REQUIRED, Kind
from kwhub.headend.archive.jobs import ImportJob
from kwhub.headend.archive.lists import Branch, Exchanged, InArea, Placed, RowTexts
from kwhub.headend.archive.problems import Problem

__all__ = [
    "PLURALS",
    "AreaOfTerminal",
    "Exchange",
    "ExchangeDone",
    "ExchangeReading",
    "FieldOf",
    "Import",
    "ImportMistake",
    "KindOf",
    "Members",
    "Move",
    "Organisation",
    "Place",
    "Row",
    "RowValues",
]

PLURALS = {f"{name}s": name for name in KINDS}
"""How a kind is called in an address."""


class FieldOf(Struct):
    """A field of a kind of rows."""

    name: str
    title_en: str
    title_zh: str
    help_en: str
    help_zh: str
    required: bool
    refers: str | None
    choices: list[str]


class KindOf(Struct):
    """A kind of rows with its fields: what a form or a file has."""

    name: str
    plural: str
    key: str
    title_en: str
    title_zh: str
    fields: list[FieldOf]

    @classmethod
    def of(cls, plural: str, kind: Kind) -> "KindOf":
        """From the table of fields."""
        fields = [
            FieldOf(
                each.name,
                *each.titles,
                *each.helps,
                each.default is REQUIRED,
                each.refers or None,
                list(each.choices),
            )
            for each in kind.fields
        ]
        return cls(kind.name, plural, kind.key, *kind.titles, fields)


class Row(Struct):
    """A row of the archive: every field as text; references are keys."""

    id: int
    kind: str
    values: dict[str, str]

    @classmethod
    def of(cls, kind: str, texts: RowTexts) -> "Row":
        """From a list."""
        values = {name: text for name, text in texts.items() if name != "id"}
        return cls(int(texts["id"]), kind, values)


class RowValues(Struct, forbid_unknown_fields=True):
    """The body of a change: fields by name as text; what is not named stays, or gets its default.

    Place, ratio, area and service of a meter or terminal are so from the beginning of the local day ``from_day`` on;
    without it a change is a correction that holds for the past too, and who is retired was in service up to today.
    """

    values: dict[str, str]
    from_day: date | None = None


class Organisation(Struct):
    """An organisation in the tree; number 0 holds the areas that belong to none."""

    id: int
    code: str
    name: str
    name_zh: str
    areas: list[dict[str, int | str]]
    organisations: list["Organisation"]

    @classmethod
    def of(cls, branch: Branch) -> "Organisation":
        """From the tree."""
        areas: list[dict[str, int | str]] = [
            {"id": each.id, "code": each.code, "name": each.name, "name_zh": each.name_zh}
            for each in branch.areas
        ]
        below = [cls.of(each) for each in branch.branches]
        return cls(branch.id, branch.code, branch.name, branch.name_zh, areas, below)


class Move(Struct, forbid_unknown_fields=True):
    """Another place or ratio of a meter from the beginning of a local day on."""

    from_day: date
    values: dict[str, str]


class Place(Struct):
    """Where a meter was, and with what ratio; null: always before, or until now."""

    valid_from: datetime | None
    valid_to: datetime | None
    terminal: str
    point: int
    port: int
    ct: str
    pt: str
    ratio: str

    @classmethod
    def of(cls, row: Placed) -> "Place":
        """From a row of the store."""
        return cls(
            row.valid_from,
            row.valid_to,
            row.terminal,
            row.point,
            row.port,
            row.ct,
            row.pt,
            row.ratio,
        )


class AreaOfTerminal(Struct):
    """When a terminal was in an area, by its code; null: always before, or until now."""

    valid_from: datetime | None
    valid_to: datetime | None
    area: str

    @classmethod
    def of(cls, row: InArea) -> "AreaOfTerminal":
        """From a row of the store."""
        return cls(row.valid_from, row.valid_to, row.area)


class ExchangeReading(Struct, forbid_unknown_fields=True):
    """Final value of the old meter and first value of the new one, decimals as text."""

    register: str
    final: str
    first: str


class Exchange(Struct, forbid_unknown_fields=True):
    """The meter at a measuring point was exchanged: ``values`` has the new address at least."""

    at: datetime
    readings: list[ExchangeReading]
    values: dict[str, str]
    reason: str = ""


class ExchangeDone(Struct):
    """An exchange that was written down."""

    id: int
    at: datetime
    old_address: str
    new_address: str
    reason: str
    by: str
    readings: list[ExchangeReading]

    @classmethod
    def of(cls, row: Exchanged) -> "ExchangeDone":
        """From a row of the store."""
        readings = [
            ExchangeReading(name, f"{final:f}", f"{first:f}")
            for name, (final, first) in sorted(row.readings.items())
        ]
        return cls(row.id, row.at, row.old_address, row.new_address, row.reason, row.by, readings)


class Members(Struct, forbid_unknown_fields=True):
    """The meters of a group, by number."""

    meters: list[int]


class Import(Struct):
    """A file that is imported, and how far it has come."""

    id: int
    kind: str
    state: str
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

    @classmethod
    def of(cls, row: ImportJob) -> "Import":
        """From a job."""
        return cls(
            row.id,
            row.kind,
            row.state.value,
            row.file_name,
            row.by,
            row.created_at,
            row.finished_at,
            row.rows,
            row.done,
            row.created,
            row.changed,
            row.errors,
            row.detail,
        )


class ImportMistake(Struct, rename={"problem": "key"}):
    """What is wrong with one cell or row of a file, and what to do."""

    sheet: str
    row: int
    column: str
    problem: str
    what_en: str
    what_zh: str
    advice_en: str
    advice_zh: str

    @classmethod
    def of(cls, row: Problem) -> "ImportMistake":
        """From a problem."""
        return cls(
            row.sheet,
            row.row,
            row.column,
            row.key,
            row.what(),
            row.what("zh"),
            row.advice(),
            row.advice("zh"),
        )

"""What is known of the events of each meter, and who is abnormal now; noted together with the records.

A record, the count or the words that it follows from, and the entry in the list of abnormal meters are one
transaction: an event is told once, whatever moment the power fails at.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.database import Connection, Database
from kwhub.concentrator.events import insert_event
from kwhub.concentrator.events_importance import DEFAULT_IMPORTANCE, EVENTS_FUNCTION, Importance
from kwhub.protocols.gdw1376.event_records import EventRecord

__all__ = [
    "CORRECTS_CLOCKS",
    "TERMINAL_POINT",
    "Abnormal",
    "Note",
    "Notes",
    "Words",
    "importance_of",
]


TERMINAL_POINT = 0
"""Of notes about the concentrator itself."""

CORRECTS_CLOCKS = "meter clocks corrected"
"""Name of the state that 05-F30 sets."""


class Words(NamedTuple):
    """Status words of a meter as they were read last."""

    at: int  #: seconds since 1970 UTC
    words: bytes  #: empty when the meter has none
    counted_at: int  #: when all counters were read


class Abnormal(NamedTuple):
    """Something is wrong with a meter."""

    point: int
    kind: str  #: a key of ``kwhub.concentrator.events_words.ABNORMAL``
    since: int  #: seconds since 1970 UTC
    detail: str


def importance_of(archive: Archive) -> Importance:
    """What the head-end has set, or what holds until then."""
    rows = archive.parameters(EVENTS_FUNCTION, 0)
    return Importance.from_bytes(rows[0].data) if rows else DEFAULT_IMPORTANCE


@dataclass(slots=True)
class Note:
    """What a look at a meter has brought."""

    point: int
    at: int  #: seconds since 1970 UTC
    records: list[EventRecord] = field(default_factory=list)
    words: Words | None = None
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)  #: kind and detail
    ended: set[str] = field(default_factory=set)
    states: dict[str, int] = field(default_factory=dict)  #: numbers that survive a restart

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.records or self.words or self.counts or self.begun or self.ended)


class Notes:
    """Every method is one transaction and may raise StoreError."""

    def __init__(self, database: Database, archive: Archive) -> None:
        self._database = database
        self._archive = archive

    def words(self, point: int) -> Words | None:
        """The words that were read last."""
        sql = "SELECT at, words, counted_at FROM meter_word WHERE point = ?"
        rows = self._database.rows(sql, (point,))
        return Words(*rows[0]) if rows else None

    def counts(self, point: int) -> dict[tuple[str, int], int]:
        """How often each thing had happened, by kind and place."""
        sql = "SELECT kind, place, count FROM meter_count WHERE point = ?"
        return {row[:2]: row[2] for row in self._database.rows(sql, (point,))}

    def abnormal(self, point: int | None = None) -> list[Abnormal]:
        """Everything that is wrong now, by point."""
        sql = "SELECT point, kind, since, detail FROM abnormal ORDER BY point, since, kind"
        found = [Abnormal(*row) for row in self._database.rows(sql)]
        return [each for each in found if point is None or each.point == point]

    def corrects_clocks(self, *, default: bool) -> bool:
        """Whether meters' clocks are to be corrected: what the head-end has ordered, else the settings."""
        return bool(self._archive.state(CORRECTS_CLOCKS, int(default)))

    def told_at(self, point: int) -> int | None:
        """When a meter was told the time last, seconds since 1970 UTC."""
        rows = self._database.rows("SELECT at FROM clock_order WHERE point = ?", (point,))
        return rows[0][0] if rows else None

    def tell(self, point: int, at: int) -> None:
        """Note that a meter is about to be told the time."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO clock_order VALUES (?, ?)", (point, at))

    def drifted(self, point: int, looks: Iterable[tuple[int, float]]) -> None:
        """Note looks at a meter's clock (moment, meter minus ours); the last is how it stands now."""
        rows = [(point, *look) for look in looks]
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO drift (point, at, error_s) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                rows,
            )
            connection.executemany(
                "UPDATE meter SET clock_error_s = ?3, clock_read_at = ?2 WHERE point = ?1", rows
            )

    def keep(self, note: Note) -> int:
        """Keep a note; how many of its records are important."""
        importance = importance_of(self._archive)
        important = 0
        with self._database.transaction() as connection:
            for record in note.records:
                if importance.keeps(record.code):
                    is_important = importance.is_important(record.code)
                    insert_event(connection, record, note.at, important=is_important)
                    important += is_important
            _keep_marks(connection, note)
        return important


def _keep_marks(connection: Connection, note: Note) -> None:
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", note.states.items())
    if note.words is not None:
        connection.execute(
            "INSERT OR REPLACE INTO meter_word (point, at, words, counted_at) VALUES (?, ?, ?, ?)",
            (note.point, *note.words),
        )
    connection.executemany(
        "INSERT OR REPLACE INTO meter_count (point, kind, place, count) VALUES (?, ?, ?, ?)",
        [(note.point, *key, count) for key, count in note.counts.items()],
    )
    connection.executemany(
        "DELETE FROM abnormal WHERE point = ? AND kind = ?",
        [(note.point, kind) for kind in sorted(note.ended)],
    )
    connection.executemany(
        "INSERT INTO abnormal (point, kind, since, detail) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(note.point, kind, note.at, detail) for kind, detail in note.begun.items()],
    )

"""Conversation that reads everything a meter has: every readable row of the tables, blocks first.

A meter does not say what it has. So it is asked for the first value of each row; what it refuses ends that
row (the next settlement day, the next slot), and what came in a block already is not asked for again. Of
records that a meter keeps many of (events, freezes) the last one is read, of the load record the earliest
and the latest of each class. Left out are load curves, which want a time, and what is only written or only
read enciphered.

Source: DL/T 645-2007, annex A; DL/T 645-1997, annex A.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.read import SILENCES_MAX, ItemAnswer, read_item
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.families import Family, Hole, Kind, Pattern, compile_pattern
from kwhub.protocols.dlt645.items import find
from kwhub.protocols.dlt645.tables import every_family

__all__ = ["CHAPTERS", "WholeReading", "chapter_of", "read_whole", "readable_families"]

CHAPTERS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "energy": (0x00, *range(0x90, 0x9C)),
        "demand": (0x01, *range(0xA0, 0xAA), 0xB0, 0xB1, 0xB4, 0xB5, 0xB8, 0xB9),
        "variables": (0x02, 0xB2, 0xB3, 0xB6),
        "events": (0x03, *range(0x10, 0x22)),
        "parameters": (0x04, 0x08, *range(0xC0, 0xC6)),
        "freezes": (0x05,),
        "load": (0x06,),
    }
)
"""Chapters and the first bytes of their identifiers (DI3, in 1997 DI1), which do not overlap."""

_EARLIEST, _FROM_TIME, _LATEST = 0, 1, 2
_FREEZES: Final = 0x05
_ALL_FIELDS: Final = 0xFF00
"""FF in DI1: all fields of a freeze."""
_ONE_RECORD: Final = b"\x01"

_SIDE_BY_SIDE: Final = frozenset(
    {"phase", "total_phase", "demand", "load_class", "number", "level"}
)
"""Places of which a meter may have a later one without the one before it."""

_STEPS_MAX: Final = 13
"""Requests that a place counts for at most in the estimate: more than that is never there in full."""

Told = Callable[[int, int], None]
"""Hears how many steps of how many are done."""

Heard = Callable[[ItemAnswer], None]
"""Hears each item as it comes, refused ones too."""


@dataclass(slots=True)
class WholeReading:
    """What a meter has.

    Attributes:
        items: what came, blocks among them, and what cannot be understood.
        absent: what was asked for and refused, or empty.
        silence: why the reading ended before its time.
    """

    items: list[ItemAnswer] = field(default_factory=list)
    absent: list[ItemAnswer] = field(default_factory=list)
    silence: NoAnswer | None = None


def chapter_of(identifier: int, edition: Edition) -> str | None:
    """The chapter of an identifier; None for security and what else is not read."""
    first = identifier >> 8 * (edition.identifier_bytes - 1)
    return next((name for name, firsts in CHAPTERS.items() if first in firsts), None)


def readable_families(
    edition: Edition, chapters: Iterable[str] = tuple(CHAPTERS)
) -> list[tuple[str, Family]]:
    """Chapter and row of everything that is read, in the order in which it is asked for.

    Raises:
        LocalError: there is no such chapter.
    """
    wanted = list(dict.fromkeys(chapters))
    unknown = [name for name in wanted if name not in CHAPTERS]
    if unknown:
        raise LocalError(f"no chapter {unknown[0]!r}; there are {', '.join(CHAPTERS)}")
    families = list(every_family(edition))
    heads = {_head(family) for family in families if family.kind is Kind.BLOCK}
    found: dict[str, list[Family]] = {name: [] for name in wanted}
    for family in families:
        chapter = chapter_of(compile_pattern(family.pattern).base, edition)
        if chapter in found and _is_readable(family, heads):
            found[chapter].append(family)
    return [
        (chapter, family)
        for chapter, rows in found.items()
        for family in sorted(rows, key=lambda row: row.kind is not Kind.BLOCK)
    ]


def _is_readable(family: Family, heads: set[str]) -> bool:
    if family.kind is Kind.CURVE or family.access in ("W", "RW?", "C=03"):
        return False
    pattern = compile_pattern(family.pattern)
    if family.kind is Kind.LOAD_RECORD:
        return pattern.base & 0xFF != _FROM_TIME
    is_field = pattern.base >> 24 in range(0x10, 0x22) and _is_record(pattern)
    return family.kind is Kind.BLOCK or not is_field or _head(family) not in heads


def _is_record(pattern: Pattern) -> bool:
    return any(hole.name == "last" for hole in pattern.holes)


def _head(family: Family) -> str:
    """DI3, which all fields of an event share."""
    return family.pattern[:2]


def read_whole(
    address: str,
    edition: Edition = Edition.E2007,
    chapters: Iterable[str] = tuple(CHAPTERS),
    told: Told | None = None,
    heard: Heard | None = None,
) -> Conversation[WholeReading]:
    """Read everything that a meter has.

    Args:
        address: of the meter.
        edition: of the meter.
        chapters: keys of ``CHAPTERS``.
        told: hears how far it has come.
        heard: hears each item.

    Raises:
        LocalError: there is no such chapter.
    """
    rows = [_Row(family) for _, family in readable_families(edition, chapters)]
    total, done = sum(row.steps for row in rows), 0
    reader, tell = _Reader(address, edition, heard), told or _tell_nobody
    try:
        for row in rows:
            tell(done, total)
            yield from reader.read(row, row.base, row.places)
            done += row.steps
        tell(done, total)
    except NoAnswer as error:
        reader.found.silence = error
    return reader.found


def _tell_nobody(_done: int, _total: int) -> None:
    """Nobody watches."""


class _Row:
    """A row of the tables as requests.

    Attributes:
        block: the place that is asked for as a whole first.
        places: the others.
        steps: requests, as far as can be told before.
    """

    def __init__(self, family: Family) -> None:
        pattern = compile_pattern(family.pattern)
        self.base = pattern.base
        self.kind = family.kind
        self.block = _block_place(pattern)
        self.places = tuple(
            hole._replace(values=hole.values[:1]) if hole.name == "last" else hole
            for hole in pattern.holes
            if hole is not self.block
        )
        self.steps = prod(min(len(place.values), _STEPS_MAX) for place in self.places)

    @property
    def argument(self) -> bytes:
        """What the request says beyond the identifier."""
        earliest = self.kind is Kind.LOAD_RECORD and self.base & 0xFF == _EARLIEST
        return _ONE_RECORD if earliest else b""


def _block_place(pattern: Pattern) -> Hole | None:
    """Tariffs or phases rather than settlement days: more meters know that block."""
    blocks = [hole for hole in pattern.holes if hole.block is not None and hole.name != "last"]
    return min(blocks, key=lambda hole: hole.name == "settlement", default=None)


class _Reader:
    """Asks, and remembers what it has."""

    def __init__(self, address: str, edition: Edition, heard: Heard | None) -> None:
        self.found = WholeReading()
        self._address = address
        self._edition = edition
        self._heard = heard
        self._seen: set[int] = set()
        self._refused: set[int] = set()
        self._never: set[int] = set()  #: freezes that have not happened, by their blocks
        self._silences = 0

    def read(self, row: _Row, base: int, places: tuple[Hole, ...]) -> Conversation[bool]:
        """All fillings of the places; returns whether the meter has any of it."""
        if not places:
            return (yield from self._block(row, base))
        place, *rest = places
        has_any = False
        for value in place.values:
            has = yield from self.read(row, base | value << place.shift, tuple(rest))
            has_any = has_any or has
            if not has and place.name not in _SIDE_BY_SIDE:
                break
        return has_any

    def _block(self, row: _Row, base: int) -> Conversation[bool]:
        block = row.block
        if block is None:
            has = yield from self._item(row, base)
            if not has and row.kind is Kind.BLOCK and base >> 24 == _FREEZES:
                yield from self._freeze_time(row, base)
            return has
        members = [base | value << block.shift for value in block.values]
        if members[0] in self._seen:
            return True
        whole = base | (block.block or 0) << block.shift
        if find(whole, self._edition) is not None and (yield from self._item(row, whole)):
            return True
        return (yield from self._members(row, members, go_on=block.name in _SIDE_BY_SIDE))

    def _freeze_time(self, row: _Row, whole: int) -> Conversation[None]:
        """A refused freeze of which not even the time is there has not happened."""
        if not (yield from self._item(row, whole & ~_ALL_FIELDS)):
            self._never.add(whole)

    def _members(self, row: _Row, members: Iterable[int], *, go_on: bool) -> Conversation[bool]:
        """One by one, for a meter that refuses the block."""
        has_any = False
        for member in members:
            has = yield from self._item(row, member)
            has_any = has_any or has
            if not has and not go_on:
                break
        return has_any

    def _item(self, row: _Row, identifier: int) -> Conversation[bool]:
        if identifier in self._seen:
            return identifier not in self._refused
        if identifier | _ALL_FIELDS in self._never:
            return False
        answer = yield from read_item(self._address, identifier, self._edition, row.argument)
        if isinstance(answer.error, NoAnswer):
            self._silences += 1
            if self._silences >= SILENCES_MAX or not self._seen:
                raise answer.error
        else:
            self._silences = 0
        has = not isinstance(answer.error, Refusal) and answer.values != ()
        (self.found.items if has else self.found.absent).append(answer)
        if not has:
            self._refused.add(identifier)
        self._seen.update(_identifiers(answer))
        if self._heard is not None:
            self._heard(answer)
        return has


def _identifiers(answer: ItemAnswer) -> Iterator[int]:
    yield answer.identifier
    for value in answer.values or ():
        yield int(value.identifier, 16)

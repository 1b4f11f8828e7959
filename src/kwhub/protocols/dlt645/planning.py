"""From a row of the tables to the layout of one identifier, worked out once.

Source: DL/T 645-2007, annex A, notes on blocks; DL/T 645-1997, annex A.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.families import (
    BLOCK,
    OPEN_HOLES,
    Family,
    Hole,
    Kind,
    Part,
    compile_pattern,
    hole_words,
)
from kwhub.protocols.dlt645.layouts import (
    Block,
    Label,
    Layout,
    LoadRecords,
    Opaque,
    OpenBlock,
    Repeating,
    Single,
    Slot,
)
from kwhub.protocols.dlt645.notation import FieldCodec, field_codec, parse_format

__all__ = ["Plan", "make_label", "register_of"]

ROUNDS_MAX = 255
"""Most rounds of a repeated group: a count of one byte."""

TARIFF_ROUNDS_MAX = 64
"""Total and 63 tariffs (DL/T 645-2007, table A.1)."""


def make_label(family: Family, text: str, numbers: dict[str, int]) -> Label:
    """Names, register and unit of one filling of a family."""
    words = {name: hole_words(name, number) for name, number in numbers.items()}
    english = family.name_en.format(**{name: pair[0] for name, pair in words.items()})
    chinese = family.name_zh.format(**{name: pair[1] for name, pair in words.items()})
    return Label(register_of(family, numbers), text, english, chinese, family.unit)


def register_of(family: Family, numbers: dict[str, int]) -> str | None:
    """The register of one filling; none for a block, and none for what was, only for what is."""
    template = family.register
    past = numbers.get("settlement", 0) or numbers.get("month", 0)
    if past or BLOCK in numbers.values() or not template:
        return None
    if isinstance(template, str):
        return template.format(**numbers)
    return template[numbers.get("total_phase", numbers.get("phase", 1) - 1)]


@dataclass(frozen=True)
class Plan:
    """What is needed to lay out one identifier.

    Attributes:
        closed: blocks may end with AA.
        member: gives the layout of another identifier.
    """

    family: Family
    identifier: int
    label: Label
    closed: bool
    member: Callable[[int], Layout]

    def layout(self) -> Layout:
        """The layout."""
        family, holes = self.family, self._block_holes()
        if family.kind is Kind.CURVE:
            return self._curve(holes)
        if holes:
            return self._block(holes)
        if family.kind is Kind.BLOCK:
            return self._listed()
        if family.kind is Kind.OPAQUE:
            return Opaque(self.label, family.size or None)
        return LoadRecords(self.label) if family.kind is Kind.LOAD_RECORD else self._plain()

    def _block_holes(self) -> list[Hole]:
        """The places that are filled with FF, lowest byte first."""
        holes = compile_pattern(self.family.pattern).holes
        return [
            hole
            for hole in reversed(holes)
            if hole.block is not None and self.identifier >> hole.shift & hole.mask == hole.block
        ]

    def _block(self, holes: Sequence[Hole]) -> Layout:
        """All values of each FF byte; DI0 (settlement days, records) runs slowest."""
        opened = [hole for hole in holes if hole.name in OPEN_HOLES]
        closed = [hole for hole in holes if hole.name not in OPEN_HOLES]
        bases = [
            self._filled(closed, values) for values in product(*(hole.values for hole in closed))
        ]
        if not opened:
            return Block([self.member(base) for base in bases], closed=self.closed)
        (hole,) = opened
        runs = [[self.member(_fill(base, hole, value)) for value in hole.values] for base in bases]
        return OpenBlock(runs, closed=self.closed)

    def _filled(self, holes: Sequence[Hole], values: Sequence[int]) -> int:
        identifier = self.identifier
        for hole, value in zip(holes, values, strict=True):
            identifier = _fill(identifier, hole, value)
        return identifier

    def _listed(self) -> Layout:
        """A block with a row of its own: its FF byte takes the listed values."""
        family = self.family
        otherwise = None if family.size else Opaque(self.label, None)
        return Block(
            [self.member(self._listed_member(value)) for value in family.members],
            optional=[self.member(self._listed_member(value)) for value in family.members_optional],
            otherwise=otherwise,
        )

    def _listed_member(self, value: int) -> int:
        shift = 8 if self.identifier >> 8 & 0xFF == 0xFF else 0
        return self.identifier & ~(0xFF << shift) | value << shift

    def _plain(self) -> Layout:
        family = self.family
        parts = self._parts()
        fields = parse_format(
            family.format,
            signed=family.signed,
            units=[part.unit or "" for part in parts],
            size=family.size,
        )
        fixed = len(fields.fixed)
        if len(parts) != fixed + len(fields.repeated):
            raise LocalError(
                f"{family.pattern}: {len(parts)} names for the parts of {family.format}"
            )
        slots = self._slots(fields.fixed, parts[:fixed], self.label)
        if len(slots) == 1 and not fields.repeated:
            return Single(slots[0])
        if not fields.repeated:
            return Repeating(slots)

        def round_slots(number: int) -> list[Slot]:
            return self._slots(fields.repeated, parts[fixed:], self._round_label(number))

        return Repeating(
            slots, round_slots, TARIFF_ROUNDS_MAX if family.repeats == "tariff" else ROUNDS_MAX
        )

    def _parts(self) -> tuple[Part, ...]:
        parts = self.family.parts or (Part("", "", None),)
        return tuple(
            part if part.unit is not None else part._replace(unit=self.family.unit)
            for part in parts
        )

    def _round_label(self, number: int) -> Label:
        """The label of the n-th round, counted from 0."""
        english, chinese = (
            hole_words("tariff", number)
            if self.family.repeats == "tariff"
            else (str(number + 1), str(number + 1))
        )
        register = self.label.register
        if register and self.family.repeats == "tariff":
            register = f"{register.rpartition('.')[0]}.{number}"
        return self.label._replace(
            register=register,
            name_en=f"{self.label.name_en}, {english}",
            name_zh=f"{self.label.name_zh}({chinese})",
        )

    def _slots(
        self, codecs: Sequence[FieldCodec], parts: Sequence[Part], label: Label
    ) -> list[Slot]:
        return [
            Slot(codec, _part_label(label, part)) for codec, part in zip(codecs, parts, strict=True)
        ]

    def _curve(self, holes: Sequence[Hole]) -> Layout:
        """Points, each with its time and then the values of all channels."""
        if holes:
            identifiers = [_fill(self.identifier, holes[0], value) for value in holes[0].values]
        elif self.family.members:
            identifiers = [self._listed_member(value) for value in self.family.members]
        else:
            return Repeating([], lambda _: self._channel(), ROUNDS_MAX)
        channels = [self.member(identifier) for identifier in identifiers]
        slots = [channel.round_slots(0) for channel in channels if isinstance(channel, Repeating)]
        point = [slots[0][0], *(slot for pair in slots for slot in pair[1:])]
        return Repeating([], lambda _: point, ROUNDS_MAX)

    def _channel(self) -> list[Slot]:
        """One point of one channel."""
        time = self.label._replace(register=None, name_en="time", name_zh="时间", unit="")
        codec = field_codec(self.family.format, signed=self.family.signed)
        return [Slot(field_codec("YYMMDDhhmm"), time), Slot(codec, self.label)]


def _fill(identifier: int, hole: Hole, value: int) -> int:
    return identifier & ~(hole.mask << hole.shift) | value << hole.shift


def _part_label(label: Label, part: Part) -> Label:
    if not part.name_en:
        return label._replace(unit=part.unit or "")
    return Label(
        part.register or None,
        label.identifier,
        f"{label.name_en}, {part.name_en}",
        f"{label.name_zh}{part.name_zh}",
        part.unit or "",
    )

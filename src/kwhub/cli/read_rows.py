"""What ``kwhub read`` asks a meter for, and what it gets, as rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kwhub.catalog.registers import REGISTERS, describe
from kwhub.domain.errors import NoAnswer, Refusal
from kwhub.domain.readings import Register
from kwhub.exchange.read import (
    ItemAnswer,
    ItemError,
    RegisterAnswer,
    read_items,
    read_registers,
)
from kwhub.exchange.read_whole import CHAPTERS, read_whole
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import (
    Value,
    find,
    identifier_text,
)
from kwhub.protocols.dlt645.notation import Plain
from kwhub.runtime.clock import Clock

__all__ = ["Row", "Told", "Wish", "all_silent", "fetch"]

Told = Callable[[int, int], None]
"""Hears how many requests of how many are done."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value, or why there is none.

    Attributes:
        at: when the answer had come; aware, UTC.
    """

    at: datetime
    register: Register | None
    name: str
    name_zh: str
    value: Plain
    unit: str
    identifier: str
    error: ItemError | None = None
    raw: tuple[bytes, ...] = ()

    @property
    def alias(self) -> str | None:
        """The short name of the register, where it has one."""
        info = None if self.register is None else REGISTERS.get(self.register)
        return None if info is None else info.alias

    @property
    def is_absent(self) -> bool:
        """Whether the meter said that it has no such thing."""
        return isinstance(self.error, Refusal)

    @property
    def is_silence(self) -> bool:
        """Whether the meter did not say anything."""
        return isinstance(self.error, NoAnswer)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be read.

    Attributes:
        everything: all that the meter has; then registers and blocks are empty.
        blocks: data identifiers, blocks among them.
        chapters: of everything, only these; all when empty.
    """

    registers: tuple[Register, ...] = ()
    blocks: tuple[int, ...] = ()
    everything: bool = False
    edition: Edition = Edition.E2007
    chapters: tuple[str, ...] = ()


def all_silent(rows: Sequence[Row]) -> bool:
    """Whether nothing at all was answered."""
    return bool(rows) and all(row.is_silence for row in rows)


async def fetch(
    driver: Driver, address: str, wish: Wish, clock: Clock, told: Told | None = None
) -> list[Row]:
    """Read everything that is wished for, in its order.

    Raises:
        LinkDown: the link went away.
    """
    if wish.everything:
        return await _fetch_everything(driver, address, wish, clock, told)
    rows: list[Row] = []
    if wish.registers:
        answers = await driver.run(read_registers(address, wish.registers, wish.edition))
        rows += [_of_register(answer, clock.now()) for answer in answers]
    if wish.blocks:
        items = await driver.run(read_items(address, wish.blocks, wish.edition))
        for item in items:
            rows += _of_item(item, wish.edition, clock.now())
    return rows


async def _fetch_everything(
    driver: Driver, address: str, wish: Wish, clock: Clock, told: Told | None
) -> list[Row]:
    """All that the meter has; what it refused has its refusal, and a silence ends it."""
    rows: list[Row] = []
    chapters = wish.chapters or tuple(CHAPTERS)
    whole = await driver.run(
        read_whole(
            address,
            wish.edition,
            chapters,
            told,
            lambda item: rows.extend(_of_item(item, wish.edition, clock.now())),
        )
    )
    if whole.silence is not None:
        rows.append(Row(clock.now(), None, "", "", None, "", "", whole.silence))
    return rows


def _of_register(answer: RegisterAnswer, at: datetime) -> Row:
    info = describe(answer.register)
    return Row(
        at,
        answer.register,
        info.name_en,
        info.name_zh,
        answer.value,
        answer.unit,
        answer.identifier,
        answer.error,
        answer.raw,
    )


def _of_item(item: ItemAnswer, edition: Edition, at: datetime) -> list[Row]:
    if item.values:
        return [_of_value(value, item, at) for value in item.values]
    known = find(item.identifier, edition)
    name, name_zh = ("", "") if known is None else (known.name_en, known.name_zh)
    text = identifier_text(item.identifier, edition)
    return [Row(at, None, name, name_zh, None, "", text, item.error, item.raw)]


def _of_value(value: Value, item: ItemAnswer, at: datetime) -> Row:
    register = None if value.register is None else Register(value.register)
    return Row(
        at,
        register,
        value.name_en,
        value.name_zh,
        value.value,
        value.unit,
        value.identifier,
        None,
        item.raw,
    )

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
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import (
    Value,
    block_of,
    find,
    identifier_text,
    register_identifiers,
)
from kwhub.protocols.dlt645.notation import Plain
from kwhub.runtime.clock import Clock

__all__ = ["Row", "Told", "Wish", "all_silent", "blocks_of_registers", "fetch"]

Told = Callable[[int, int], None]
"""Hears how many requests of how many are done."""

SILENCES_MAX = 2
"""Requests in a row without answer after which the meter is not asked for the rest."""


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
    def is_silence(self) -> bool:
        """Whether the meter did not say anything."""
        return isinstance(self.error, NoAnswer)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be read.

    Attributes:
        everything: all registers that the meter has; then the others are empty.
        blocks: data identifiers, blocks among them.
    """

    registers: tuple[Register, ...] = ()
    blocks: tuple[int, ...] = ()
    everything: bool = False
    edition: Edition = Edition.E2007


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
        return await _fetch_everything(driver, address, wish.edition, clock, told)
    rows: list[Row] = []
    if wish.registers:
        answers = await driver.run(read_registers(address, wish.registers, wish.edition))
        rows += [_of_register(answer, clock.now()) for answer in answers]
    if wish.blocks:
        items = await driver.run(read_items(address, wish.blocks, wish.edition))
        for item in items:
            rows += _of_item(item, wish.edition, clock.now())
    return rows


def blocks_of_registers(edition: Edition) -> dict[int, list[int]]:
    """Blocks that together hold every register of an edition, and their members, lowest first."""
    blocks: dict[int, list[int]] = {}
    for identifier in register_identifiers(edition).values():
        block = block_of(identifier, edition)
        blocks.setdefault(identifier if block is None else block, []).append(identifier)
    return {block: sorted(members) for block, members in blocks.items()}


async def _fetch_everything(
    driver: Driver, address: str, edition: Edition, clock: Clock, told: Told | None
) -> list[Row]:
    """Read all blocks; what the meter refuses it does not have."""
    rows: list[Row] = []
    silences = 0
    blocks = blocks_of_registers(edition)
    for done, (block, members) in enumerate(blocks.items(), start=1):
        (item,) = await driver.run(read_items(address, [block], edition))
        found = _of_item(item, edition, clock.now())
        if isinstance(item.error, Refusal) and members != [block]:
            found = await _fetch_members(driver, address, members, edition, clock)
        silences = silences + 1 if isinstance(item.error, NoAnswer) else 0
        rows += [row for row in found if _is_worth_a_row(row)]
        if told is not None:
            told(done, len(blocks))
        if silences >= SILENCES_MAX:
            break
    return rows


async def _fetch_members(
    driver: Driver, address: str, members: Sequence[int], edition: Edition, clock: Clock
) -> list[Row]:
    """One by one, for a meter that refuses blocks; the first that it refuses ends it."""
    rows: list[Row] = []
    for identifier in members:
        (item,) = await driver.run(read_items(address, [identifier], edition))
        if item.error is not None:
            break
        rows += _of_item(item, edition, clock.now())
    return rows


def _is_worth_a_row(row: Row) -> bool:
    """Refusals and missing phases are what a meter does not have; damage and silence are told."""
    if row.error is not None:
        return not isinstance(row.error, Refusal)
    return row.value is not None and row.register is not None


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
    if item.values is not None:
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

"""Conversations that read a meter: items, registers, load record, daily freeze, clock, address.

Source: DL/T 645-2007, clause 7 and annexes A and B; DL/T 645-1997, clause 6 and annex A.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from kwhub.catalog.names import to_dlt645
from kwhub.catalog.registers import describe
from kwhub.domain.errors import (
    DecodeError,
    KwhubError,
    LocalError,
    NoAnswer,
    Refusal,
    RemoteError,
    SequenceError,
)
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.transfer import Transferred, fail, transfer
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import Value, block_of, decode, identifier_text
from kwhub.protocols.dlt645.load_record import CLASSES, LoadRecord, decode_records
from kwhub.protocols.dlt645.messages import AddressFound, ReadAddress
from kwhub.protocols.dlt645.notation import Plain

__all__ = [
    "CLOCK_ITEMS",
    "CurvePoint",
    "DayFreeze",
    "ItemAnswer",
    "ItemError",
    "RegisterAnswer",
    "read_address",
    "read_clock",
    "read_curve",
    "read_day_freeze",
    "read_item",
    "read_items",
    "read_registers",
]

ItemError: TypeAlias = Refusal | NoAnswer | RemoteError | LocalError
"""Why an item has no values."""

SILENCES_MAX = 2
"""Items in a row that a meter may leave without answer; then the others are not asked for."""

RECORDS_PER_READ_MAX = 99
"""Load records of one request: two BCD digits."""

DAY_FREEZES_MAX = 62
"""Daily freezes that a meter keeps (State Grid filing to table A.6)."""

_FREEZE_TIME = 0x0506_0000
_FREEZE_ACTIVE_FORWARD = 0x0506_0100
_FREEZE_ROUNDS_MAX = 2
_RECORDS_FROM_TIME = 0x0600_0001
CLOCK_ITEMS = {Edition.E2007: (0x0400_0101, 0x0400_0102), Edition.E1997: (0xC010, 0xC011)}


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What became of one identifier.

    Attributes:
        values: None when there are none, for the reason in ``error``.
        raw: the frames that came, follow-ups included.
    """

    identifier: int
    values: tuple[Value, ...] | None
    error: ItemError | None = None
    raw: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterAnswer:
    """What became of one register.

    Attributes:
        value: None when the meter says that it has none, and when there is an ``error``.
        identifier: under which it was read, such as ``0201FF00`` for a block of phases.
        raw: the frames that it came in.
    """

    register: Register
    value: Plain
    unit: str
    identifier: str
    error: ItemError | None = None
    raw: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One load record.

    Attributes:
        time: wall time of the meter at which it was stored.
        faulty: the meter itself marked the record as faulty; its values prove nothing.
    """

    time: datetime
    values: Mapping[Register, Decimal | None]
    faulty: bool = False
    raw: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DayFreeze:
    """What the registers showed at a midnight.

    Attributes:
        time: wall time of the meter; 2026-03-02 00:00 is the end of 1 March.
    """

    time: datetime
    values: Mapping[Register, Decimal | None]
    raw: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


def read_items(
    address: str, identifiers: Sequence[int], edition: Edition = Edition.E2007
) -> Conversation[list[ItemAnswer]]:
    """Read identifiers one after the other.

    A refused or unreadable item does not stop the others; a meter that has left ``SILENCES_MAX`` items
    in a row without answer is not asked for the rest, which then have the same error.

    Returns:
        One answer for each identifier, in their order.
    """
    answers: list[ItemAnswer] = []
    silences = 0
    for identifier in identifiers:
        if silences >= SILENCES_MAX:
            answers.append(ItemAnswer(identifier, None, NoAnswer(f"meter {address} is silent")))
            continue
        answer = yield from read_item(address, identifier, edition)
        silences = silences + 1 if isinstance(answer.error, NoAnswer) else 0
        answers.append(answer)
    return answers


def read_item(
    address: str, identifier: int, edition: Edition = Edition.E2007, argument: bytes = b""
) -> Conversation[ItemAnswer]:
    """Read one identifier; what goes wrong is in the answer.

    Args:
        address: of the meter.
        identifier: of an item or a block.
        edition: of the meter.
        argument: what a load record wants to know: how many, and from when.
    """
    done: Transferred | None = None
    try:
        done = yield from transfer(address, identifier, argument, edition=edition)
        values = tuple(decode(identifier, done.payload, edition))
    except (Refusal, NoAnswer, RemoteError) as error:
        return ItemAnswer(identifier, None, error, done.raw if done else ())
    return ItemAnswer(identifier, values, None, done.raw)


def read_registers(
    address: str, registers: Sequence[Register], edition: Edition = Edition.E2007
) -> Conversation[list[RegisterAnswer]]:
    """Read registers with as few requests as possible.

    Phases of one quantity, or tariffs, of which at least two are wanted are read as a block. What a
    block did not bring (some meters refuse blocks) is asked for one by one.

    Returns:
        One answer for each register, in their order. A register that the edition has no identifier
        for gets a LocalError.
    """
    answers: dict[Register, RegisterAnswer] = {}
    wanted: dict[Register, int] = {}
    for register in registers:
        try:
            wanted[register] = to_dlt645(register, edition)
        except KwhubError as error:
            answers[register] = RegisterAnswer(register, None, "", "", LocalError(str(error)))
    plan = _plan(wanted, edition)
    for item in (yield from read_items(address, list(plan), edition)):
        answers |= _take(item, plan[item.identifier], edition)
    left = {
        identifier: [register] for register, identifier in wanted.items() if register not in answers
    }
    for item in (yield from read_items(address, list(left), edition)):
        answers |= _take(item, left[item.identifier], edition)
    return [answers[register] for register in registers]


def _plan(wanted: Mapping[Register, int], edition: Edition) -> dict[int, list[Register]]:
    """Identifiers to read, and the registers that each of them is for."""
    blocks: dict[int, list[Register]] = {}
    for register, identifier in wanted.items():
        block = block_of(identifier, edition)
        blocks.setdefault(identifier if block is None else block, []).append(register)
    return {
        block if len(members) > 1 else wanted[members[0]]: members
        for block, members in blocks.items()
    }


def _take(
    item: ItemAnswer, registers: Sequence[Register], edition: Edition
) -> dict[Register, RegisterAnswer]:
    """What an item says of its registers; nothing of those that are worth asking for alone."""
    text = identifier_text(item.identifier, edition)
    values = {value.register: value for value in item.values or ()}
    alone = len(registers) == 1
    taken: dict[Register, RegisterAnswer] = {}
    for register in registers:
        value = values.get(register)
        if value is not None:
            taken[register] = RegisterAnswer(register, value.value, value.unit, text, raw=item.raw)
        elif alone or isinstance(item.error, NoAnswer):
            error = item.error or SequenceError(f"{text} does not bring {register}")
            unit = describe(register).unit
            taken[register] = RegisterAnswer(register, None, unit, text, error, item.raw)
    return taken


def read_curve(
    address: str, start: datetime, count: int, load_class: int = 4
) -> Conversation[list[CurvePoint]]:
    """Read load records from a time on.

    Args:
        address: of the meter, a 2007 one.
        start: naive wall time of the meter; the first record that is not earlier begins the answer.
        count: number of records, 1 to ``RECORDS_PER_READ_MAX``.
        load_class: 1 voltage, current, frequency; 2 powers; 3 power factors; 4 energies; 5 quadrants;
            6 demands; 0 everything that the meter stores.

    Returns:
        The records that the meter has, in its order; none at all when none matches.

    Raises:
        LocalError: the count or the class is out of range.
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    if not 1 <= count <= RECORDS_PER_READ_MAX:
        raise LocalError(f"one request brings 1 to {RECORDS_PER_READ_MAX} records, not {count}")
    if load_class not in (0, *CLASSES):
        raise LocalError(f"load record classes are 0 to {len(CLASSES)}, not {load_class}")
    argument = bytes.fromhex(f"{count:02d}{start:%M%H%d%m%y}")
    done = yield from transfer(address, _RECORDS_FROM_TIME | load_class << 16, argument)
    return [
        CurvePoint(record.time, _record_values(record), record.faulty, done.raw)
        for record in decode_records(done.payload)
    ]


def _record_values(record: LoadRecord) -> dict[Register, Decimal | None]:
    return {
        Register(field.register): value
        for number, values in record.classes.items()
        for field, value in zip(CLASSES[number], values, strict=True)
    }


def read_day_freeze(address: str, index: int = 1) -> Conversation[DayFreeze]:
    """Read the forward active energies, total and tariffs, of a daily freeze.

    At the meter's midnight every freeze moves up by one. The time is therefore read before and after;
    when it changed, both are read again.

    Args:
        address: of the meter, a 2007 one.
        index: 1 for the last freeze, up to ``DAY_FREEZES_MAX``.

    Raises:
        LocalError: the index is out of range.
        Refusal: the meter says no, or has no such freeze.
        NoAnswer, DecodeError, SequenceError: as usual.
    """
    if not 1 <= index <= DAY_FREEZES_MAX:
        raise LocalError(f"daily freezes are numbered 1 to {DAY_FREEZES_MAX}, not {index}")
    before = yield from transfer(address, _FREEZE_TIME | index)
    for _ in range(_FREEZE_ROUNDS_MAX):
        energies = yield from transfer(address, _FREEZE_ACTIVE_FORWARD | index)
        after = yield from transfer(address, _FREEZE_TIME | index)
        if after.payload == before.payload:
            values = {
                Register(value.register): value.value
                for value in decode(_FREEZE_ACTIVE_FORWARD | index, energies.payload)
                if value.register and not isinstance(value.value, str)
            }
            return DayFreeze(_freeze_time(before, index), values, (*before.raw, *energies.raw))
        before = after
    raise SequenceError(f"meter {address} changes its freeze {index} while it is read")


def _freeze_time(done: Transferred, index: int) -> datetime:
    (value,) = decode(_FREEZE_TIME | index, done.payload)
    if value.value is None:
        raise Refusal(("no such data",), raw=done.raw[-1])
    return _wall_time(f"{value.value}:00", value.identifier)


def _wall_time(text: str, identifier: str) -> datetime:
    """A naive wall time from ``YYYY-MM-DD hh:mm:ss``."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise DecodeError(
            "bad_time", f"{identifier}: {text} is no moment", field=identifier
        ) from None


def read_clock(address: str, edition: Edition = Edition.E2007) -> Conversation[datetime]:
    """Read the meter's date and time; a naive wall time.

    Date and time are two items. A time in the first minute of the day may belong to a later date than
    the one that was read before it, so the date is then read again.

    Raises:
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    date_item, time_item = CLOCK_ITEMS[edition]
    day = yield from _text(address, date_item, edition)
    time = yield from _text(address, time_item, edition)
    if time.startswith("00:00"):
        day = yield from _text(address, date_item, edition)
    return _wall_time(f"{day} {time}", identifier_text(date_item, edition))


def _text(address: str, identifier: int, edition: Edition) -> Conversation[str]:
    done = yield from transfer(address, identifier, edition=edition)
    (value,) = decode(identifier, done.payload, edition)
    return str(value.value)


def read_address() -> Conversation[str]:
    """Ask the only meter on the line for its address (2007; the 1997 edition has no such question).

    Raises:
        NoAnswer, SequenceError: as usual.
    """
    request = ReadAddress()
    event = yield request
    if not isinstance(event, AddressFound):
        raise fail(event, request.address)
    return event.address

"""Conversations that write a parameter and read it back.

Source: DL/T 645-2007, clause 7 (code 14) and table A.5; DL/T 645-1997, clause 6 (code 04). That a meter
which refuses a write may change data all the same was seen on a real meter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out, tell
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import find, identifier_text
from kwhub.protocols.dlt645.notation import Plain
from kwhub.protocols.dlt645.writing import WriteData

__all__ = ["ELSEWHERE", "Stored", "payload_of", "plain_values", "write_parameter", "write_payload"]

ELSEWHERE: Mapping[int, str] = MappingProxyType(
    {
        0x0400_0401: "the address is changed by change_address, which reads it from the new one",
        **dict.fromkeys(
            (0x0400_0101, 0x0400_0102, 0x0400_010C, 0xC010, 0xC011),
            "the clock is set by set_clock (kwhub clock LINK set): a time that is sent late is wrong",
        ),
        **dict.fromkeys(
            (*range(0x0400_0C01, 0x0400_0C0B), 0xC212), "passwords are changed by change_password"
        ),
    }
)
"""Items that are not written like others, and what is used instead."""

_WRITE_ONLY = "W"
_READ_ONLY = frozenset({"R", "C=03"})


@dataclass(frozen=True, slots=True)
class Stored:
    """What a meter keeps under an identifier.

    Attributes:
        payload: value bytes; ``items.decode`` says what they mean.
        raw: the frames that they came in.
    """

    payload: bytes
    raw: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


def payload_of(identifier: int, values: Sequence[Plain], edition: Edition = Edition.E2007) -> bytes:
    """The bytes to be written for values.

    Raises:
        LocalError: no table knows the item, it cannot be written, or the values do not fit.
    """
    item = find(identifier, edition)
    text = identifier_text(identifier, edition)
    if item is None:
        raise LocalError(f"{text} is in no table of {edition.value}: give its bytes")
    if item.access in _READ_ONLY:
        raise LocalError(f"{text} ({item.name_en}) cannot be written")
    return item.encode(values)


def plain_values(
    identifier: int, texts: Sequence[str], edition: Edition = Edition.E2007
) -> list[Plain]:
    """Texts as people type them, each as the number or the text that its place in the item wants.

    Raises:
        LocalError: no table knows the item, or the texts are too many, too few, or no numbers.
    """
    item = find(identifier, edition)
    text = identifier_text(identifier, edition)
    if item is None:
        raise LocalError(f"{text} is in no table of {edition.value}: give its bytes")
    shape = item.layout.shape
    rounds = (len(texts) - shape.values) // max(shape.round_values, 1)
    if rounds < 0 or len(texts) != shape.values + rounds * shape.round_values:
        raise LocalError(f"{text} ({item.name_en}) takes {shape.values} values, not {len(texts)}")
    zeros = item.decode(bytes(shape.size + rounds * shape.round_size))
    try:
        return [
            Decimal(given) if isinstance(zero.value, Decimal) else given
            for zero, given in zip(zeros, texts, strict=True)
        ]
    except InvalidOperation:
        raise LocalError(f"{text} ({item.name_en}) takes numbers, not {', '.join(texts)}") from None


def write_parameter(
    address: str,
    identifier: int,
    values: Sequence[Plain],
    authority: Authority,
    edition: Edition = Edition.E2007,
) -> Conversation[Change[Stored]]:
    """Write the values of an item that the tables know, and read them back.

    Raises:
        LocalError: see ``payload_of`` and ``write_payload``.
        NoAnswer: the meter was silent from the beginning; nothing was written.
    """
    payload = payload_of(identifier, values, edition)
    return (yield from write_payload(address, identifier, payload, authority, edition))


def write_payload(
    address: str,
    identifier: int,
    payload: bytes,
    authority: Authority,
    edition: Edition = Edition.E2007,
) -> Conversation[Change[Stored]]:
    """Write bytes to an identifier, also one that no table knows, and read them back.

    Raises:
        LocalError: the address, the clock and passwords have conversations of their own.
        NoAnswer: the meter was silent from the beginning; nothing was written.
    """
    if identifier in ELSEWHERE:
        raise LocalError(f"{identifier_text(identifier, edition)}: {ELSEWHERE[identifier]}")
    request = WriteData(address, identifier, payload, authority, edition)
    item = find(identifier, edition)
    if item is not None and item.access == _WRITE_ONLY:
        told = yield from tell(request)
        return Change(told.verdict, None, None, told.error)

    def look() -> Conversation[Stored]:
        done = yield from transfer(address, identifier, edition=edition)
        return Stored(done.payload, done.raw)

    def proof(_before: Stored | None, after: Stored) -> Verdict:
        return Verdict.DONE if after.payload == payload else Verdict.NOT_DONE

    return (yield from carry_out(lambda: request, look, proof))

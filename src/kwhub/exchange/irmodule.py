"""Conversations with an infrared thermometer module: read an item, write one and read it back.

Source: published protocol of the infrared module, clauses 3 and 4 (single source).
"""

from collections.abc import Mapping
from decimal import Decimal

from kwhub.domain.errors import NoAnswer, Refusal, SequenceError
from kwhub.domain.machine import Conversation
from kwhub.protocols.irmodule import ITEMS, Answered, Query, Refused, Sent

__all__ = ["read_item", "read_items", "write_item"]

BROADCAST = 0
ADDRESS_ITEM = 0


def read_item(address: int, item: int) -> Conversation[Mapping[str, Decimal]]:
    """Read the numbers of an item.

    Raises:
        Refusal: the module does not have it.
        NoAnswer: silence.
    """
    event = yield Query(address, item)
    if isinstance(event, Answered):
        return event.values
    raise _why(event, address)


def read_items(address: int) -> Conversation[dict[str, Decimal]]:
    """Read every item; those that the module refuses are left out. Raises NoAnswer."""
    found: dict[str, Decimal] = {}
    for number in ITEMS:
        try:
            found.update((yield from read_item(address, number)))
        except Refusal:
            continue
    return found


def write_item(
    address: int, item: int, values: Mapping[str, Decimal]
) -> Conversation[Mapping[str, Decimal] | None]:
    """Write an item and read it back, at the new address when that was written.

    Returns:
        What the module then says; None after a broadcast, which nobody answers.

    Raises:
        Refusal: the module says no.
        NoAnswer: silence; the module may have done it all the same.
    """
    event = yield Query(address, item, values)
    if isinstance(event, Sent):
        return None
    if not isinstance(event, Answered):
        raise _why(event, address)
    told_at = int(values["address"]) if item == ADDRESS_ITEM else address
    return (yield from read_item(told_at, item))


def _why(event: object, address: int) -> Exception:
    if isinstance(event, Refused):
        return Refusal(("not done by the module",), raw=event.raw)
    if getattr(event, "timed_out", False):
        return NoAnswer(f"no answer from module {address}", attempts=getattr(event, "attempts", 1))
    return SequenceError(f"{type(event).__name__} does not answer the request")

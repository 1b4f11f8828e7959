"""Conversations about the address of a meter: give it a new one, and find it under that.

Source: DL/T 645-2007, clause 7 (codes 13, 14 with 04000401, 15); DL/T 645-1997, clause 6 (code 0A). The
answer to 15 from the new address: single source.
"""

from kwhub.domain.errors import NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out, tell
from kwhub.exchange.read import read_address
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.addresses import address_bytes
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.writing import WriteAddress, WriteData

__all__ = ["change_address", "stored_address", "write_address"]

_ADDRESS = 0x0400_0401


def write_address(new: str, edition: Edition = Edition.E2007) -> Conversation[Change[str]]:
    """Give the only meter on the line a new address; it wants its programming key pressed.

    A 2007 meter is asked for its address before and after. It has no way to refuse: one whose key is
    not pressed stays silent.

    Raises:
        NoAnswer: nobody tells an address; nothing was written.
        LocalError: ``new`` is no address.
    """
    request = WriteAddress(new, edition=edition)
    if edition is Edition.E1997:
        told = yield from tell(request)
        return Change(told.verdict, None, None, told.error)
    return (yield from carry_out(lambda: request, read_address, lambda _, after: _is(after, new)))


def change_address(address: str, new: str, authority: Authority) -> Conversation[Change[str]]:
    """Give one meter of many a new address, by password (2007).

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was written.
        LocalError: ``new`` is no address.
    """
    request = WriteData(address, _ADDRESS, address_bytes(new), authority)

    def look() -> Conversation[str]:
        try:
            return (yield from stored_address(address))
        except NoAnswer:  # it has moved, or is gone
            return (yield from stored_address(new))

    return (yield from carry_out(lambda: request, look, lambda _, after: _is(after, new)))


def stored_address(address: str) -> Conversation[str]:
    """The address that a 2007 meter keeps as a parameter.

    Raises:
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    done = yield from transfer(address, _ADDRESS)
    (value,) = decode(_ADDRESS, done.payload)
    return str(value.value)


def _is(found: str, wanted: str) -> Verdict:
    return Verdict.DONE if found == wanted else Verdict.NOT_DONE

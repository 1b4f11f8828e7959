"""Status words: what the state of the meter is, in bits.

Source: DL/T 645-2007, annex A, table A.5 (04000501 to 07), with the bits of the State Grid filings.
"""

from typing import Final

from kwhub.sim import eventbook as kinds
from kwhub.sim.body import Body
from kwhub.sim.denial import NoSuchData
from kwhub.sim.eventbook import COVER, TERMINAL_COVER

__all__ = ["STATUS_WORDS", "status_payload"]

STATUS_WORDS: Final = 0x0400_05
"""DI3 DI2 DI1 of the status words; DI0 is their number, FF for all seven."""
_WORDS: Final = range(1, 8)
_BLOCK: Final = 0xFF
_PHASE_BITS: Final = {
    kinds.VOLTAGE_LOSS: 0,
    kinds.UNDERVOLTAGE: 1,
    kinds.OVERVOLTAGE: 2,
    kinds.CURRENT_LOSS: 3,
    kinds.OVERCURRENT: 4,
    kinds.OVERLOAD: 5,
    kinds.PHASE_FAILURE: 7,
    kinds.CURRENT_INTERRUPTION: 8,
}
"""Bits of the words 4 to 6 (phases A to C)."""


def status_payload(body: Body, number: int, at_s: int) -> bytes:
    """Value bytes of one status word, or of all. Raises NoSuchData."""
    if number not in _WORDS and number != _BLOCK:
        raise NoSuchData(f"status word {number:02X}")
    numbers = _WORDS if number == _BLOCK else (number,)
    return b"".join(_word(body, each, at_s).to_bytes(2, "little") for each in numbers)


def _word(body: Body, number: int, at_s: int) -> int:
    if number == 3:
        return _operation(body, at_s)
    if number in (4, 5, 6):
        phase = number - 3  # A, B, C
        return sum(body.book.is_running(event + phase) << bit for event, bit in _PHASE_BITS.items())
    if number == 7:
        return body.book.is_running(COVER) << 9 | body.book.is_running(TERMINAL_COVER) << 10
    return 0  # nothing that words 1 and 2 tell goes wrong here


def _operation(body: Body, at_s: int) -> int:
    memory, relay = body.memory, body.memory.relay
    bits = {
        0: memory.slot_set == 2,
        3: body.passwords.has_key(at_s),
        4: relay.is_open,
        5: memory.zone_set == 2,
        6: relay.ordered_open,
        7: relay.warns,
        12: relay.is_protected,
    }
    return sum(state << bit for bit, state in bits.items())

"""Encryption algorithm 07: blocks and keys of 64 bits, with tables that only a licensee has.

What the standard prints are sample tables; the real ones are licensed by the STS Association and are none of this
program's: an operator brings them in a file. With other tables tokens come out that no meter takes, so
a file must bring known tokens along.

Source: IEC 62055-41, standard transfer algorithm: sixteen rounds of substitution, permutation and rotation of the
key, which is complemented and turned by twelve bits before. ``single source`` for the direction of the turn; it is the
only one with which deciphering undoes enciphering by the rules that are given for either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kwhub.domain.errors import LocalError

__all__ = ["BLOCK_BITS", "KEY_BYTES", "Ea07", "Tables"]

KEY_BYTES: Final = 8
BLOCK_BITS: Final = 64
_NIBBLES: Final = 16
_ROUNDS = 16
_TURN_BITS = 12
_MASK = (1 << BLOCK_BITS) - 1


def _inverse(places: Sequence[int]) -> tuple[int, ...]:
    inverse = [0] * len(places)
    for place, value in enumerate(places):
        inverse[value] = place
    return tuple(inverse)


@dataclass(frozen=True, slots=True)
class Tables:
    """The licensed tables; no ``repr`` shows them.

    Attributes:
        first: what each of sixteen nibbles becomes where the key has a 0.
        second: and where the key has a 1.
        permutation: where each of 64 bits goes; bit 0 is the lowest.
    """

    first: Sequence[int] = field(repr=False)
    second: Sequence[int] = field(repr=False)
    permutation: Sequence[int] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises LocalError: a table is not a permutation of its numbers."""
        for name, table, size in (
            ("first", self.first, _NIBBLES),
            ("second", self.second, _NIBBLES),
            ("permutation", self.permutation, BLOCK_BITS),
        ):
            if sorted(table) != list(range(size)):
                raise LocalError(f"{name}: the numbers 0 to {size - 1}, each once")


class Ea07:
    """A key with its tables, ready to encrypt and decrypt blocks of 64 bits.

    Args:
        key: eight bytes.
        tables: of the operator.
    """

    __slots__ = ("_back", "_keys", "_places", "_there")

    def __init__(self, key: bytes, tables: Tables) -> None:
        """Raises LocalError: a key of another length."""
        if len(key) != KEY_BYTES:
            raise LocalError(f"a key of algorithm 07 has {KEY_BYTES} bytes, not {len(key)}")
        start = _turned_left(int.from_bytes(key) ^ _MASK, BLOCK_BITS - _TURN_BITS)
        self._keys = [_turned_left(start, number) for number in range(_ROUNDS)]
        self._there = tuple(tables.first), tuple(tables.second)
        self._back = _inverse(tables.first), _inverse(tables.second)
        self._places = tuple(tables.permutation)

    def encrypt(self, block: int) -> int:
        """Encrypt one block, given and returned as a number of 64 bits."""
        for key in self._keys:
            mixed = _substituted(block, key, self._there)
            block = sum((mixed >> bit & 1) << place for bit, place in enumerate(self._places))
        return block

    def decrypt(self, block: int) -> int:
        """Undo ``encrypt``."""
        for key in reversed(self._keys):
            mixed = sum((block >> place & 1) << bit for bit, place in enumerate(self._places))
            block = _substituted(mixed, key, self._back)
        return block


def _turned_left(value: int, bits: int) -> int:
    return (value << bits | value >> BLOCK_BITS - bits) & _MASK


def _substituted(block: int, key: int, tables: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    """Each nibble by the table that the highest bit of the key's nibble chooses."""
    return sum(
        tables[key >> shift + 3 & 1][block >> shift & 0xF] << shift
        for shift in range(0, BLOCK_BITS, 4)
    )

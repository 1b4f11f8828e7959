"""Damage with a seed: the same seed, decoder and number make the same case on every machine."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

__all__ = ["CASE_BYTES_MAX", "Damage", "damaged", "randomness"]

CASE_BYTES_MAX = 4096
"""Longest case, bytes."""

Damage: TypeAlias = Callable[[Random, bytearray], None]

_TELLING = bytes(
    [0x00, 0x01, 0x10, 0x16, 0x32, 0x33, 0x68, 0x7F, 0x80, 0x91, 0x99, 0xAA, 0xC8, 0xFE, 0xFF]
)
"""Bytes that mean something in one of the protocols, or stand at the edge of a range."""


def randomness(decoder: str, seed: int, number: int) -> Random:
    """The randomness of one case, whatever was run before it."""
    return Random(f"{decoder}/{seed}/{number}")


def _place(random: Random, case: bytearray) -> int:
    return random.randrange(len(case) + 1)


def _flip(random: Random, case: bytearray) -> None:
    if case:
        case[random.randrange(len(case))] ^= 1 << random.randrange(8)


def _overwrite(random: Random, case: bytearray) -> None:
    if case:
        case[random.randrange(len(case))] = random.choice(_TELLING)


def _insert(random: Random, case: bytearray) -> None:
    at = _place(random, case)
    case[at:at] = random.choice((random.randbytes(4), bytes([random.choice(_TELLING)])))


def _cut_out(random: Random, case: bytearray) -> None:
    at = _place(random, case)
    del case[at : at + random.randrange(1, 9)]


def _cut_off(random: Random, case: bytearray) -> None:
    del case[_place(random, case) :]


def _double(random: Random, case: bytearray) -> None:
    at = _place(random, case)
    case[at:at] = case[at : at + random.randrange(1, 40)]


def _turn(random: Random, case: bytearray) -> None:
    at = _place(random, case)
    stop = at + random.randrange(2, 9)
    case[at:stop] = case[at:stop][::-1]


_DAMAGES: tuple[Damage, ...] = (_flip, _overwrite, _insert, _cut_out, _cut_off, _double, _turn)


def damaged(random: Random, corpus: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """A member of the corpus with up to six damages, perhaps grown together with another member.

    Args:
        words: pieces of the language of the decoder, to be put in anywhere.
    """
    case = bytearray(random.choice(corpus))
    if random.random() < 0.25:
        other = random.choice(corpus)
        case[_place(random, case) :] = other[random.randrange(len(other) + 1) :]
    for _ in range(random.randrange(7)):
        if words and random.random() < 0.5:
            at = _place(random, case)
            case[at:at] = random.choice(words)
        else:
            random.choice(_DAMAGES)(random, case)
    return bytes(case[:CASE_BYTES_MAX])

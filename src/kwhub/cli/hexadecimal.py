"""Bytes as people write them: hexadecimal, with spaces and comments."""

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kwhub.domain.errors import DecodeError

__all__ = ["HexLine", "hex_line", "hex_lines"]

HEX_DIGITS = frozenset(string.hexdigits)
IGNORED = str.maketrans("", "", " \t,;:-_")
LINE_CHARS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class HexLine:
    """One text that should be a frame; ``raw`` is None when it is not hexadecimal."""

    text: str
    raw: bytes | None
    error: DecodeError | None = None


def hex_lines(lines: Iterable[str]) -> Iterator[HexLine]:
    """The lines of a text; those that are empty or begin with # are passed over."""
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            yield hex_line(text)


def hex_line(text: str) -> HexLine:
    """One line; spaces, commas, colons, dashes and a leading 0x are ignored."""
    if len(text) > LINE_CHARS_MAX:
        return HexLine(
            text, None, DecodeError("too_long", f"more than {LINE_CHARS_MAX} characters")
        )
    digits = text.translate(IGNORED).removeprefix("0x").removeprefix("0X")
    for place, digit in enumerate(text):
        if digit not in HEX_DIGITS and ord(digit) not in IGNORED and digit not in "xX":
            detail = f"{digit!r} at character {place + 1} is no hexadecimal digit"
            return HexLine(text, None, DecodeError("not_hex", detail))
    try:
        return HexLine(text, bytes.fromhex(digits))
    except ValueError:
        detail = f"{len(digits)} hexadecimal digits: a byte has two"
        return HexLine(text, None, DecodeError("not_hex", detail))

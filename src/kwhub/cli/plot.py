"""Small plots made of braille dots: two columns and four rows of dots in each character."""

from collections.abc import Sequence
from typing import Final

__all__ = ["plot"]

_DOTS: Final = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Bits of the left and the right column of a character, from the bottom up."""

_BLANK: Final = 0x2800
_ROWS: Final = len(_DOTS[0])


def plot(values: Sequence[float | None], *, width: int, height: int = 1) -> list[str]:
    """Draw the latest values as columns of dots.

    The lowest value has one dot and the highest all of them; None leaves a gap.

    Args:
        values: the oldest first; two are drawn in each character, the newest at the right.
        width: characters.
        height: lines.

    Returns:
        The lines from the top down, each of ``width`` characters.

    >>> plot([1, 2, 3, 4], width=2)
    ['⣠⣾']
    """
    latest = values[-2 * width :]
    shown: list[float | None] = [*[None] * (2 * width - len(latest)), *latest]
    levels = _levels(shown, _ROWS * height)
    lines: list[str] = []
    for line in reversed(range(height)):
        cells = [_BLANK] * width
        for column, level in enumerate(levels):
            filled = min(max(level - line * _ROWS, 0), _ROWS)
            cells[column // 2] |= sum(_DOTS[column % 2][:filled])
        lines.append("".join(map(chr, cells)))
    return lines


def _levels(values: Sequence[float | None], dots: int) -> list[int]:
    """How many dots each value has."""
    known = [value for value in values if value is not None]
    if not known:
        return [0] * len(values)
    low, span = min(known), max(known) - min(known)
    return [
        0 if value is None else 1 + (round((value - low) / span * (dots - 1)) if span else 0)
        for value in values
    ]

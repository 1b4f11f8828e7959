"""Decoder keys of meters that take tokens of twenty digits, from a file of the head-end: no page ever takes a key."""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kwhub.domain.errors import ConfigError, LocalError
from kwhub.prepay.sts.keys import DecoderKey

__all__ = ["TokenKey", "read_token_keys"]

_BASES: Final = ("1993", "2014", "2035")
_METER_DIGITS = 12
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The key of one meter, and the year that its identifiers count from."""

    key: DecoderKey = field(repr=False)
    base_year: int


def read_token_keys(path: Path) -> dict[str, TokenKey]:
    """Read the keys by meter: lines of a meter's 12 digits, its key of 32 hexadecimal digits and its base year.

    Raises:
        ConfigError: it cannot be read, others may read it, a line says something else, or a meter stands there twice. No
            error shows a key.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise ConfigError("others may read it: give it mode 0600 (chmod 600)", file=str(path))
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    found: dict[str, TokenKey] = {}
    for number, text in enumerate(lines, 1):
        words = text.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words)
        if key is None or words[0] in found:
            what = "is not a meter of its own, a key of 32 hexadecimal digits and a base year"
            raise ConfigError(what, file=str(path), line=number)
        found[words[0]] = key
    return found


def _key(words: list[str]) -> TokenKey | None:
    meter, *rest = words
    if not (len(meter) == _METER_DIGITS and meter.isascii() and meter.isdigit()):
        return None
    if len(rest) != 2 or rest[1] not in _BASES:
        return None
    try:
        return TokenKey(DecoderKey(bytes.fromhex(rest[0])), int(rest[1]))
    except (ValueError, LocalError):
        return None

"""What the screen remembers beside the store: language, idle return, and the hash of the PIN.

A PIN of six digits keeps the passer-by from the keys, not the owner of the machine from his files. It is
kept as scrypt (RFC 7914) with a salt, in a file that only its owner may read. There is no default PIN: who
opens the settings first sets it. A try is written down before it is judged, so that pulling the plug does
not give another one.
"""

import os
from hashlib import scrypt
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from msgspec.structs import replace

from kwhub.domain.errors import LocalError

__all__ = [
    "IDLE_CHOICES_S",
    "LOCK_FIRST_S",
    "LOCK_MOST_S",
    "PIN_DIGITS",
    "TRIES_MAX",
    "Preferences",
]

PIN_DIGITS = 6

TRIES_MAX = 3
"""Wrong tries before the PIN is locked, and after a lock is over."""

LOCK_FIRST_S = 300
"""The first lock; each further one is twice as long."""

LOCK_MOST_S = 3_600

IDLE_CHOICES_S = (60, 120, 300, 600, 0)
"""Seconds without a key after which the screen goes back; 0 for never."""

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_SALT_BYTES = 16


class _Kept(msgspec.Struct, frozen=True):
    """The file."""

    language: str = ""  #: empty: that of the environment
    idle_s: int = 120
    is_dark: bool = False
    salt: bytes = b""
    pin: bytes = b""  #: scrypt of the PIN; empty: none was set
    tries: int = 0  #: in a row that were not right, the one being judged included
    locked_until: int = 0  #: seconds since 1970 UTC


class Preferences:
    """The file of one concentrator's screen; every change is written at once."""

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there.

        Raises:
            LocalError: it cannot be read or is damaged. It is not taken for a new one: that would let
                everyone in who can damage it.
        """
        self._path = path
        self._kept = self._read()

    @property
    def language(self) -> str:
        """Code of the language; empty when none was chosen."""
        return self._kept.language

    @property
    def idle_s(self) -> int:
        """Seconds without a key after which the screen goes back; 0 for never."""
        return self._kept.idle_s

    @property
    def is_dark(self) -> bool:
        """Whether letters are light on a dark glass."""
        return self._kept.is_dark

    @property
    def has_pin(self) -> bool:
        """Whether a PIN was set."""
        return bool(self._kept.pin)

    @property
    def tries_left(self) -> int:
        """Wrong tries before the next lock."""
        return TRIES_MAX - self._kept.tries % TRIES_MAX

    def choose(
        self, *, language: str | None = None, idle_s: int | None = None, is_dark: bool | None = None
    ) -> None:
        """Change what is given. Raises LocalError when the file cannot be written."""
        wanted = {"language": language, "idle_s": idle_s, "is_dark": is_dark}
        self._write(**{name: value for name, value in wanted.items() if value is not None})

    def set_pin(self, pin: str) -> None:
        """Set the PIN. Raises LocalError: it is not six digits, or the file cannot be written."""
        if len(pin) != PIN_DIGITS or not (pin.isascii() and pin.isdecimal()):
            raise LocalError(f"a PIN has {PIN_DIGITS} digits")
        salt = token_bytes(_SALT_BYTES)
        self._write(salt=salt, pin=_hash(pin, salt), tries=0, locked_until=0)

    def locked_s(self, now: int) -> int:
        """Seconds until the PIN may be tried again; a lock longer than any is an error of a clock."""
        return min(max(0, self._kept.locked_until - now), LOCK_MOST_S)

    def is_right(self, pin: str, now: int) -> bool:
        """Try a PIN at a moment (seconds since 1970 UTC).

        Raises:
            LocalError: none was set, it is locked, or the file cannot be read or written.
        """
        self._kept = self._read()  # another screen may have tried, too
        if not self.has_pin or self.locked_s(now):
            raise LocalError("the PIN is locked" if self.has_pin else "no PIN was set")
        tries = self._kept.tries + 1
        locks, over = divmod(tries, TRIES_MAX)
        lock_s = 0 if over else min(LOCK_FIRST_S * 2 ** min(locks - 1, 16), LOCK_MOST_S)
        self._write(tries=tries, locked_until=now + lock_s if lock_s else 0)
        if not compare_digest(_hash(pin, self._kept.salt), self._kept.pin):
            return False
        self._write(tries=0, locked_until=0)
        return True

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()
        except (OSError, msgspec.DecodeError) as error:
            raise LocalError(
                f"{self._path}: {error}; who may write this folder can remove the file: then the next"
                " to open the settings sets a new PIN"
            ) from error

    def _write(self, **changes: Any) -> None:
        kept = replace(self._kept, **changes)
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(kept))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise LocalError(f"{self._path}: {error.strerror}") from error
        self._kept = kept


def _hash(pin: str, salt: bytes) -> bytes:
    return scrypt(pin.encode(), salt=salt, **_SCRYPT)

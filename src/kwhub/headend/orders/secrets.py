"""The secrets that orders show to terminals and meters; each stands in a file of its own.

Source: Q/GDW 1376.1-2013, clause 4.3.4.5 (PW); DL/T 645-2007, clause 7 (permission level and password).
"""

from dataclasses import dataclass, field
from pathlib import Path

from kwhub.domain.errors import ConfigError
from kwhub.headend.config import Ordering
from kwhub.protocols.dlt645.authority import Authority, Key

__all__ = ["Secrets"]

SECRET_BYTES_MAX = 1_000
_PASSWORD_SIZES = (2, 16)
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Secrets:
    """What orders show; it never shows in a log."""

    terminal: bytes | None = field(default=None, repr=False)  #: PW; None: zeros
    relay: Authority | None = None  #: None: no relay is switched
    write: Authority | None = None  #: None: no parameter of a meter is written

    @classmethod
    def load(cls, settings: Ordering) -> "Secrets":
        """Read the files that the settings name.

        Raises:
            ConfigError: a file cannot be read, or does not hold what it should.
        """
        terminal = None
        if settings.password_file:
            terminal = _hexadecimal(_secret(settings.password_file))
            if len(terminal) not in _PASSWORD_SIZES:
                raise ConfigError(
                    f"{settings.password_file}: the terminals' password has 32 (or 4) hexadecimal digits"
                )
        return cls(
            terminal,
            _authority(settings.relay_password_file, settings.relay_level, settings.operator),
            _authority(settings.write_password_file, settings.write_level, settings.operator),
        )

    def on_the_wire(self) -> tuple[bytes, ...]:
        """The secrets as they stand in frames, for whoever must not keep them."""
        found = [self.terminal] if self.terminal and any(self.terminal) else []
        for each in (self.relay, self.write):
            if each is not None:
                plain = each.key.to_bytes()
                found.append(bytes((byte + 0x33) & 0xFF for byte in plain))
        return tuple(found)


def _authority(path: str, level: int, operator: str) -> Authority | None:
    if not path:
        return None
    text = _secret(path)
    if len(text) != _DIGITS or not text.isdecimal():
        raise ConfigError(f"{path}: a meter's password has {_DIGITS} digits")
    return Authority(Key(level, text), operator)


def _secret(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(SECRET_BYTES_MAX).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return text.split("\n", 1)[0].strip()


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""

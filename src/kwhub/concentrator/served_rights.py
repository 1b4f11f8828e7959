"""What the head-end may order, and by which secrets; the secrets stand in files of their own.

Source: Q/GDW 1376.1-2013, clause 4.3.4.5 (PW) and 04-F5; DL/T 645-2007, clause 7 (relay orders).
"""

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from kwhub.domain.errors import ConfigError
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.gdw1376.common import PASSWORD_AFNS
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.runtime.settings import Settings

__all__ = ["HeadEndSettings", "Rights", "load_rights"]

SECRET_BYTES_MAX = 1_000
_PASSWORD_SIZES = (2, 16)
_DIGITS = 6

Operator: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9A-F]{8}$", description="eight hexadecimal digits in quotes")
]


class HeadEndSettings(Settings, frozen=True):
    """What the head-end must show, and what it may do."""

    password_file: str = ""  #: PW as hexadecimal digits; without it PW is not looked at
    relay_password_file: str = ""  #: six digits; without it no relay is switched
    relay_level: Annotated[int, Meta(ge=0, le=9)] = 2
    relay_operator: Operator = "00000000"
    clock_password_file: str = ""  #: six digits; without it clocks are corrected by 08 alone
    clock_level: Annotated[int, Meta(ge=0, le=9)] = 4
    direct_reads: bool = True  #: 10-F9

    def within(self, folder: Path) -> "HeadEndSettings":
        """The same with its relative files in a folder."""
        files = (self.password_file, self.relay_password_file, self.clock_password_file)
        password, relay, clock = (str(folder / each) if each else "" for each in files)
        return replace(
            self, password_file=password, relay_password_file=relay, clock_password_file=clock
        )


@dataclass(frozen=True, slots=True)
class Rights:
    """The same with its secrets, which never show."""

    password: bytes | None = field(default=None, repr=False)
    relay: Authority | None = None  #: for trip and permit closing; None: refused
    direct_reads: bool = True
    clock: Authority | None = None  #: for writing meters' clocks; None: order 08 alone

    def admits(self, frame: Frame1376) -> bool:
        """Whether PW is there where it belongs, and is right or need not be.

        Without it its place is taken by data, or the data by it.
        """
        if frame.afn not in PASSWORD_AFNS:
            return True
        if frame.password is None:
            return False
        return self.password is None or hmac.compare_digest(frame.password, self.password)


def load_rights(settings: HeadEndSettings) -> Rights:
    """Read the secrets.

    Raises:
        ConfigError: a file cannot be read, or does not hold what it should.
    """
    password = None
    if settings.password_file:
        text = _secret(Path(settings.password_file))
        password = _hexadecimal(text)
        if len(password) not in _PASSWORD_SIZES:
            raise ConfigError("the head-end's password must be 32 (or 4) hexadecimal digits")
    relay = _authority(settings.relay_password_file, settings.relay_level, settings, "relay")
    clock = _authority(settings.clock_password_file, settings.clock_level, settings, "clock")
    return Rights(password, relay, settings.direct_reads, clock)


def _authority(path: str, level: int, settings: HeadEndSettings, what: str) -> Authority | None:
    if not path:
        return None
    text = _secret(Path(path))
    if len(text) != _DIGITS or not text.isdecimal():
        raise ConfigError(f"the meters' {what} password must be {_DIGITS} digits")
    return Authority(Key(level, text), settings.relay_operator)


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_BYTES_MAX).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return text.split("\n", 1)[0].strip()


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""

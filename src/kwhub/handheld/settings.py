"""What a device shows and uses before anybody has signed in: language, link, zone. No secrets stand here."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from kwhub.domain.errors import ConfigError
from kwhub.handheld.vault import write_whole

__all__ = ["IDLE_S", "Settings", "load", "save"]

IDLE_S: Final = 300
"""Without a key for so long, the device asks for the PIN again."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file ``settings.json`` of a device."""

    language: Literal["en", "zh", ""] = ""  #: empty: that of the environment
    link: Annotated[str, Meta(max_length=1_000)] = ""  #: may name ``{terminal}`` and ``{meter}``
    zone: str = "Asia/Shanghai"  #: of the clocks in the meters
    operator: Annotated[str, Meta(max_length=100)] = ""
    report: bool = True  #: readings go to the head-end as they are taken, while it is in reach
    via: Annotated[str, Meta(max_length=1_000)] = (
        ""  #: link to a device that lends its way to the head-end; empty: straight there
    )
    idle_s: Annotated[int, Meta(ge=30, le=3_600)] = IDLE_S


def load(path: Path) -> Settings:
    """Read the file; what is not there has its default. Raises ConfigError."""
    if not path.exists():
        return Settings()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{error}; remove the file to start anew", file=str(path)) from error


def save(path: Path, settings: Settings) -> None:
    """Write the file whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, msgspec.json.format(msgspec.json.encode(settings)) + b"\n")

"""The file with the licensed tables of STS encryption algorithm 07, which only an operator has."""

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from msgspec import Meta

from kwhub.domain.errors import ConfigError, DecodeError, LocalError
from kwhub.prepay.sts.ea07 import BLOCK_BITS, Tables
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.sts.tokens import decode
from kwhub.runtime.settings import Settings, WrongSetting, load_toml

__all__ = ["KnownToken", "TablesFile", "TablesOption", "load_tables"]

_VARIABLE = "KWHUB_EA07_TABLES"

TablesOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--tables",
        help="File with the licensed tables of encryption algorithm 07, for meters with keys of 64 bits. "
        f"Without it: what the environment variable {_VARIABLE} names.",
    ),
]

Nibble: TypeAlias = Annotated[int, Meta(ge=0, le=15)]
Place: TypeAlias = Annotated[int, Meta(ge=0, le=BLOCK_BITS - 1)]


class KnownToken(Settings, frozen=True):
    """A token that is known to be right."""

    key: Annotated[
        str, Meta(pattern="^[0-9A-Fa-f]{16}$", description="16 hexadecimal digits in quotes")
    ]
    token: Annotated[str, Meta(pattern="^[0-9 -]{20,}$", description="20 digits in quotes")]


class TablesFile(Settings, frozen=True):
    """The whole file."""

    first: tuple[Nibble, ...]  #: what each nibble becomes where the key has a 0
    second: tuple[Nibble, ...]  #: and where it has a 1
    permutation: tuple[Place, ...]  #: where each of 64 bits goes; bit 0 is the lowest
    known: tuple[KnownToken, ...]  #: published tokens: all must be right with these tables

    def __post_init__(self) -> None:
        tables = self.tables()
        if not self.known:
            raise WrongSetting("known", "at least one token that is known to be right")
        for place, each in enumerate(self.known):
            try:
                decode(each.token, DecoderKey(bytes.fromhex(each.key), tables))
            except DecodeError:
                raise WrongSetting(
                    f"known[{place}]",
                    "this token is not right with these tables: compare every number",
                ) from None

    def tables(self) -> Tables:
        """The tables. Raises WrongSetting: one is not what it must be."""
        try:
            return Tables(self.first, self.second, self.permutation)
        except LocalError as error:
            key, what = str(error).split(": ", 1)
            raise WrongSetting(key, what) from None


def load_tables(named: Path | None) -> Tables | None:
    """Read the tables from a file that an option or the environment names; None when neither does.

    Raises:
        ConfigError: the file cannot be read, a table is not what it must be, or a known token is wrong with it.
    """
    place = named or os.environ.get(_VARIABLE)
    if not place:
        return None
    found = Path(place)
    if not found.is_file():
        raise ConfigError("there is no such file of tables", file=str(found))
    return load_toml(found, TablesFile).tables()

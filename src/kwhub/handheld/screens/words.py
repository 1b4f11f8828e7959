"""The two languages of the screens, each a table in ``texts/<code>.toml``, and text in cells."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size

from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.exchange.device_messages import WORDS

__all__ = ["LANGUAGES", "Words", "ends", "words"]

LANGUAGES: Final = ("en", "zh")

_DENIALS: Final = MappingProxyType(dict(WORDS.values()))

_WAIT: Final = re.compile(r"may be cancelled until (\d\d:\d\d:\d\d)")
"""An order that the head-end does not hand out yet."""

_PHRASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nothing allows": "not_granted",
        "is used up": "used_up",
        "is over": "over",
        "was set back": "set_back",
        "all data on the device is gone": "wiped",
        "too many wrong PINs": "pin_wait",
        "wrong PIN": "pin",
        "no link is set": "no_link",
        "behind no terminal": "no_terminal",
        "; this device knows": "protocol",
        "the clock is": "clock_far",
        "of midnight": "midnight",
        "is in use by": "in_use",
        "is not on this device any more": "gone",
        "look at the meter": "look",
        "no PIN opens it": "no_secret",
    }
)
"""Parts of messages of this program, in the order in which they are looked for, and the key of the Chinese."""


@dataclass(frozen=True, slots=True)
class Words:
    """All texts in one language."""

    code: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a dotted key with its ``{names}`` filled in; raises KeyError for an unknown one."""
        return self.table[key].format(**values) if values else self.table[key]

    def either(self, key: str, otherwise: str) -> str:
        """The text of a key, or something else when the table has none."""
        return self.table.get(key, otherwise)

    def register(self, code: str) -> str:
        """The name of a register; the code itself when the catalogue does not have it."""
        try:
            info = describe(Register(code))
        except KwhubError:
            return code
        return info.name_zh if self.code == "zh" else info.name_en

    def unit(self, code: str) -> str:
        """The unit of a register; empty when the catalogue does not have it."""
        try:
            return describe(Register(code)).unit
        except KwhubError:
            return ""

    def trouble(self, kind: str, detail: str) -> str:
        """One line for trouble: its kind, and what is said of it.

        Args:
            kind: name of an error's class.
            detail: the error's own words, English.
        """
        if wait := _WAIT.search(detail):
            return self("phrase.wait", until=wait[1])
        said = self.either(f"error.{kind}", self("error.KwhubError"))
        if self.code != "zh":
            return f"{said}: {detail}" if detail else said
        return self._translated(detail) or said

    def detail(self, text: str) -> str:
        """What the head-end says of the end of an order; its own words where there are no others."""
        if self.code != "zh":
            return text
        silent = self("error.NoAnswer") if "no answer" in text else ""
        return self._translated(text) or silent or text

    def _translated(self, detail: str) -> str:
        """The Chinese for a message of this program; empty where there is none."""
        plain = detail.removeprefix("refused: ")
        for english, chinese in _DENIALS.items():
            if plain.startswith(english):
                return chinese
        for part, key in _PHRASES.items():
            if part in plain:
                return self(f"phrase.{key}")
        return ""

    def error(self, error: Exception) -> str:
        """One line for an error."""
        for kind in type(error).__mro__:
            if f"error.{kind.__name__}" in self.table:
                return self.trouble(kind.__name__, str(error))
        return self.trouble("KwhubError", str(error))

    def moment(self, at: int | None, zone: ZoneInfo) -> str:
        """A moment as wall time, to the minute."""
        return f"{datetime.fromtimestamp(at, zone):%m-%d %H:%M}" if at else self("word.never")


def ends(left: str, right: str, width: int) -> str:
    """One text at each end of a line; the left one gives way.

    >>> ends("电压", "230.1 V", 14)
    '电压   230.1 V'
    """
    room = max(0, width - cell_len(right))
    if room and cell_len(left) >= room:
        left = set_cell_size(left, room - 1)
    return set_cell_size(left, room) + right


@cache
def words(code: str) -> Words:
    """The table of one language, read once.

    >>> words("en")("title.home"), words("zh")("title.home")
    ('Menu', '菜单')
    """
    source = files("kwhub.handheld.screens") / "texts" / f"{code}.toml"
    sections = tomllib.loads(source.read_text("utf-8"))
    table = {f"{name}.{key}": text for name, part in sections.items() for key, text in part.items()}
    return Words(code, table)

"""The two languages of the screen, each a table in ``texts/<code>.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kwhub.catalog.registers import describe
from kwhub.concentrator.ledger_causes import CAUSES
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register

__all__ = ["LANGUAGES", "Texts", "texts"]

LANGUAGES = ("en", "zh")
"""Codes as they stand in the preferences."""

_BY_WORD: Mapping[str, tuple[str, str]] = {str(cause): told for cause, told in CAUSES.items()}


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts in one language.

    Attributes:
        code: one of LANGUAGES.
        table: text by dotted key, such as ``page.status``.
    """

    code: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key with its ``{names}`` filled in; raises KeyError for an unknown key."""
        return self.table[key].format(**values) if values else self.table[key]

    def either(self, english: str, chinese: str) -> str:
        """The one of two that this reader wants."""
        return chinese if self.code == "zh" else english

    def register(self, code: str) -> str:
        """The name of a register; the code itself when the catalogue does not have it."""
        try:
            info = describe(Register(code))
        except KwhubError:
            return code
        return self.either(info.name_en, info.name_zh)

    def cause(self, word: str) -> str:
        """Why a value is missing."""
        told = _BY_WORD.get(word)
        return self.either(*told) if told else word

    def event(self, code: int) -> str:
        """The name of an event code."""
        return self.table.get(f"erc.{code}") or self("erc.other", code=code)

    def error(self, error: Exception) -> str:
        """One line for trouble that has a name."""
        for kind in type(error).__mro__:
            if f"error.{kind.__name__}" in self.table:
                return self.table[f"error.{kind.__name__}"]
        return self.table["error.KwhubError"]

    def yes_no(self, *, value: bool) -> str:
        """Yes or no."""
        return self("word.yes" if value else "word.no")


@cache
def texts(code: str) -> Texts:
    """The table of one language, read once.

    >>> texts("en")("page.status"), texts("zh")("page.status")
    ('Status', '终端状态')
    """
    source = files("kwhub.concentrator.display") / "texts" / f"{code}.toml"
    sections = tomllib.loads(source.read_text("utf-8"))
    table = {f"{name}.{key}": text for name, part in sections.items() for key, text in part.items()}
    return Texts(code, table)

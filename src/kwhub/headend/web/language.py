"""The two languages of the pages: their tables of texts, and which one a reader gets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["COOKIE", "LANGUAGES", "Texts", "choose", "texts"]

LANGUAGES = ("en", "zh")
"""Codes as they stand in ``?lang=`` and in the cookie; the first is the one for readers of neither."""

COOKIE = "kwhub_lang"


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of the pages in one language.

    Attributes:
        code: one of LANGUAGES.
        table: text by dotted key, such as ``areas.title``.
    """

    code: str
    table: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The tag for the ``lang`` attribute (BCP 47)."""
        return "zh-Hans" if self.code == "zh" else self.code

    @property
    def other(self) -> str:
        """The code of the other language."""
        return LANGUAGES[1 - LANGUAGES.index(self.code)]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key with its ``{names}`` filled in; raises KeyError for an unknown key."""
        return self.table[key].format(**values) if values else self.table[key]

    def either(self, english: str, chinese: str) -> str:
        """The one of two given names that this reader wants, the other when that one is empty."""
        wanted, spare = (chinese, english) if self.code == "zh" else (english, chinese)
        return wanted or spare


@cache
def texts(code: str) -> Texts:
    """The table of one language, read once from ``texts/<code>.toml``.

    >>> texts("en")("areas.title"), texts("zh")("areas.title")
    ('Areas', '台区')
    """
    source = files("kwhub.headend.web") / "texts" / f"{code}.toml"
    sections = tomllib.loads(source.read_text("utf-8"))
    table = {f"{name}.{key}": text for name, part in sections.items() for key, text in part.items()}
    return Texts(code, table)


def choose(asked: str | None, remembered: str | None, accepted: str, spare: str = "") -> str:
    """The language of a reader: the one asked for, else the remembered one, else the browser's.

    Args:
        asked: value of ``?lang=``.
        remembered: value of the cookie, or what the user has chosen.
        accepted: the Accept-Language header (RFC 9110, section 12.5.4).
        spare: of readers of neither; empty for the first of LANGUAGES.

    >>> choose(None, None, "fr;q=0.9, zh-CN;q=0.8, en;q=0.5")
    'zh'
    >>> choose("en", "zh", "zh")
    'en'
    """
    for code in (asked, remembered):
        if code in LANGUAGES:
            return code
    ranked = sorted(map(_ranked, accepted.split(",")), key=lambda pair: -pair[0])
    for weight, tag in ranked:
        code = tag.partition("-")[0]
        if weight > 0 and code in LANGUAGES:
            return code
    return spare or LANGUAGES[0]


def _ranked(item: str) -> tuple[float, str]:
    """One item of Accept-Language as (weight, tag); a weight that is no number counts as nothing."""
    tag, _, rest = item.strip().lower().partition(";")
    weight = rest.strip().removeprefix("q=")
    if not rest:
        return 1.0, tag
    try:
        return float(weight), tag
    except ValueError:
        return 0.0, tag

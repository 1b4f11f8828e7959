"""How commands speak: tables for people, JSON for programs, errors in one line, exit codes."""

import os
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

__all__ = [
    "EN",
    "ZH",
    "Exit",
    "JsonFlag",
    "Language",
    "LanguageOption",
    "complain",
    "console",
    "pick_language",
    "print_json",
    "print_table",
    "say",
]

Language: TypeAlias = Literal["en", "zh"]
EN: Language = "en"
ZH: Language = "zh"


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    NO = 1  #: it worked, and the answer is "no": a bad frame, a refusal, a missing value
    USAGE = 2  #: the command or the configuration is wrong
    LINK = 3  #: a link or a device did not do its part


JsonFlag: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative="", help="Print JSON instead of text.")
]
LanguageOption: TypeAlias = Annotated[
    Language | None,
    Parameter(
        name="--language", help="Language of the output; otherwise KWHUB_LANGUAGE or the locale."
    ),
]


def pick_language(wanted: Language | None = None) -> Language:
    """The language asked for, else that of the environment, else English."""
    if wanted is not None:
        return wanted
    for name in ("KWHUB_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return ZH if value.lower().startswith("zh") else EN
    return EN


def console(*, stderr: bool = False) -> Console:
    """A console; without colour when it is not a terminal, and without pictures for :AB: in addresses."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)


def say(text: str) -> None:
    """One line for people on standard output."""
    console().print(text, markup=False)


def complain(text: str) -> None:
    """One line for people on standard error."""
    console(stderr=True).print(f"kwhub: {text}", markup=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex(" ").upper()
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def print_json(value: Any) -> None:
    """One JSON document on one line; decimals are strings, so that no digit is lost."""
    text = msgspec.json.encode(value, enc_hook=_plain).decode()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[int] = (),
    whole: Iterable[int] = (),
) -> None:
    """A table with lines only where they help; numbers go right, ``whole`` columns are not folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    right_columns, whole_columns = set(right), set(whole)
    for column, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="right" if column in right_columns else "left",
            overflow="fold",
            no_wrap=column in whole_columns,
        )
    for row in rows:
        table.add_row(*row)
    console().print(table, markup=False)

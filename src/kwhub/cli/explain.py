"""``kwhub explain``: every frame of a capture, who answers whom, and how well."""

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kwhub.cli.explain_show import as_json, show
from kwhub.cli.hexadecimal import hex_line
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
)
from kwhub.domain.errors import ConfigError
from kwhub.exchange.traffic import Piece, overhear
from kwhub.exchange.traffic_statistics import summarise
from kwhub.links.capture import read_capture

__all__ = ["explain_capture"]

BytesFlag: TypeAlias = Annotated[
    bool, Parameter(name="--bytes", negative="", help="Explain every byte of every frame.")
]
SummaryFlag: TypeAlias = Annotated[
    bool, Parameter(name="--summary", negative="", help="Print the statistics only.")
]


def explain_capture(
    file: Path,
    *,
    every_byte: BytesFlag = False,
    summary: SummaryFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Explain DL/T 645 traffic: frames with their times and values, requests with their answers.

    Bytes that make no frame are shown with the reason. At the end stand the statistics: frames,
    errors by kind, answer delays, each meter. The exit code is 1 when no frame is found. Example:

        kwhub explain bus.capture

    Parameters
    ----------
    file
        A capture of kwhub capture, or a text file of hexadecimal bytes in which # begins a comment.
    """
    entries = overhear(_pieces(file))
    figures = summarise(entries)
    spoken = pick_language(language)
    if json:
        print_json(as_json([] if summary else entries, figures, spoken))
    else:
        show([] if summary else entries, figures, spoken, every_byte=every_byte)
    return Exit.OK if figures.frames else Exit.NO


def _pieces(file: Path) -> list[Piece]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        return _of_capture(file)
    pieces: list[Piece] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].strip()
        found = hex_line(words)
        if found.raw is None:
            raise ConfigError(str(found.error), file=str(file), line=number)
        pieces.append(Piece(found.raw))
    return pieces


def _of_capture(file: Path) -> list[Piece]:
    """The records of a capture; where only one direction was heard, that is the whole bus."""
    return [
        Piece(record.data, record.time_s, record.at, record.direction)
        for record in read_capture(file)
    ]

"""``kwhub infrared plot``: a picture of pulses with what they say under them."""

import shutil
import sys
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from kwhub.cli.output import (
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.domain.errors import LocalError
from kwhub.infrared.codes import AUTO, CODES, Decoded, decode
from kwhub.infrared.formats import FORMATS, Train, read_trains
from kwhub.infrared.formats.light import without_carrier
from kwhub.infrared.plot_text import draw_text
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import Parity

__all__ = ["plot_pulses"]

STANDARD_INPUT: Final = "-"
SURE: Final = 0.5  #: a recording that decodes with less is tried again without its carrier
KINDS: Final[dict[str, Literal["png", "svg"]]] = {".png": "png", ".svg": "svg"}


def plot_pulses(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    output: Annotated[Path | None, Parameter(help="Write a picture, .png or .svg.")] = None,
    train: Annotated[int | None, Parameter(help="From 1; otherwise all of the file.")] = None,
    form: Annotated[
        str | None,
        Parameter(name="--format", help=f"One of {', '.join(FORMATS)}; otherwise it is found."),
    ] = None,
    code: Annotated[str, Parameter(help=f"auto, or one of {', '.join(CODES)}.")] = AUTO,
    baud: Annotated[int | None, Parameter(help="Of meters' bytes; otherwise found.")] = None,
    parity: Annotated[Parity, Parameter(help="Of meters' bytes.")] = "even",
    width: Annotated[int | None, Parameter(help="Of a line; otherwise the terminal's.")] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Draw pulses, and under them their bits, bytes and frames.

    The exit code is 1 when there is nothing that decodes; the picture is drawn all the same. Example:

        kwhub infrared plot meter.sr --output meter.png

    Parameters
    ----------
    file
        A pulse file of any format that "kwhub infrared decode" reads; "-" reads standard input
    """
    kind = _kind(output)
    chosen = _chosen(_trains(file, form), train, alone=output is not None)
    drawn = []
    for number, found in chosen:
        pulses, answers = _read(found, code, baud, parity)
        drawn.append(_facts(number, found, pulses, answers))
        if output is not None and kind is not None:
            title = found.name or Path(file).name
            _write(output, kind, title, (pulses, answers), pick_language(language))
        elif not json:
            columns = width or shutil.get_terminal_size((100, 24)).columns
            _show(found, draw_text(pulses, answers, width=columns))
    if json:
        where = {} if output is None else {"output": str(output)}
        print_json({"file": file, **where, "trains": drawn})
    return Exit.OK if any(one["frames"] for one in drawn) else Exit.NO


def _write(
    output: Path,
    kind: Literal["png", "svg"],
    title: str,
    what: tuple[Pulses, list[Decoded]],
    language: Language,
) -> None:
    from kwhub.infrared.plot import draw  # noqa: PLC0415 - only pictures need matplotlib

    output.write_bytes(draw(*what, kind=kind, title=title, language=language))


def _kind(output: Path | None) -> Literal["png", "svg"] | None:
    if output is None:
        return None
    if output.suffix.lower() not in KINDS:
        raise LocalError(f"{output}: the name of a picture ends with .png or .svg")
    return KINDS[output.suffix.lower()]


def _trains(file: str, form: str | None) -> list[Train]:
    data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    trains = read_trains(data, form)
    if not trains:
        raise LocalError(f"{file}: there is no train in it")
    for train in trains:
        if train.error is not None:
            raise train.error
    return trains


def _chosen(trains: list[Train], number: int | None, *, alone: bool) -> list[tuple[int, Train]]:
    if number is None:
        if alone and len(trains) > 1:
            raise LocalError(f"the file has {len(trains)} trains: choose one with --train")
        return list(enumerate(trains, 1))
    if not 1 <= number <= len(trains):
        raise LocalError(f"there is no train {number}: the file has {len(trains)}")
    return [(number, trains[number - 1])]


def _read(
    train: Train, code: str, baud: int | None, parity: Parity
) -> tuple[Pulses, list[Decoded]]:
    """What to draw, and its meaning; a recording of a carrier is demodulated."""
    pulses = train.pulses
    answers = decode(pulses, code, baud=baud, parity=parity)
    if not any(answer.confidence > SURE for answer in answers):
        plain = without_carrier(pulses)
        if plain is not pulses:
            return plain, decode(plain, code, baud=baud, parity=parity)
    return pulses, answers


def _facts(number: int, train: Train, pulses: Pulses, answers: list[Decoded]) -> dict[str, Any]:
    edges = list(accumulate(pulses.durations_us, initial=0.0))
    return {
        "train": number,
        "name": train.name,
        "pulses": len(pulses.marks),
        "length_us": pulses.length_us,
        "carrier_hz": pulses.carrier_hz,
        "frames": [
            {
                "protocol": answer.protocol,
                "fields": dict(answer.fields),
                "begin_us": edges[answer.first],
                "end_us": edges[answer.end],
            }
            for answer in answers
            if answer.protocol is not None
        ],
    }


def _show(train: Train, lines: list[str]) -> None:
    if train.name:
        say(train.name)
    for line in lines:
        say(line)

"""``kwhub infrared decode`` and ``encode``: pulse files into fields, and fields into pulse files."""

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from kwhub.cli.infrared_show import answer_json, show_train, spoken_bytes
from kwhub.cli.output import Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.codes import AUTO, CODES, Decoded, decode, encode
from kwhub.infrared.formats import FORMATS, Train, read_trains, write
from kwhub.infrared.formats.light import without_carrier
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import Parity

__all__ = ["decode_pulses", "encode_frame", "frames_of"]

STANDARD_INPUT = "-"
SURE = 0.5
"""A recording that decodes with less is tried again without its carrier."""

FormatOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--format", help=f"One of {', '.join(FORMATS)}; otherwise it is found."),
]
CodeOption: TypeAlias = Annotated[
    str, Parameter(name="--code", help=f"auto, or one of {', '.join(CODES)}.")
]


def decode_pulses(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    form: FormatOption = None,
    code: CodeOption = AUTO,
    baud: Annotated[int | None, Parameter(help="Of meters' bytes; otherwise found.")] = None,
    parity: Annotated[Parity, Parameter(help="Of meters' bytes.")] = "even",
    channel: Annotated[
        str | None, Parameter(help="Name or number of the channel of a recording.")
    ] = None,
    inverted: Annotated[
        bool | None,
        Parameter(negative="--upright", help="Low is light, or it is not; otherwise found."),
    ] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Decode recorded infrared pulses: remote controls, the remote-module code, meters' bytes.

    A file with one train gives an answer for each frame in it. A file with several trains, such as
    JSON lines, gives one answer for each train, so that lines keep their places; when a train holds
    several frames, the answer is its first and "frames" has all. The exit code is 1 when something
    does not decode. Example:

        kwhub infrared decode remote.ir --json

    Parameters
    ----------
    file
        mode2, raw list, Pronto hex, Flipper .ir, VCD, CSV, sigrok .sr or JSON lines with
        durations_us that begin with a mark; "-" reads standard input
    """
    try:
        trains = read_trains(_content(file), form, channel=channel, inverted=inverted)
    except DecodeError as problem:
        trains = [Train(Pulses(()), error=problem)]
    spoken = pick_language(language)
    bad = not trains
    for train in trains:
        answers = frames_of(train, code, baud=baud, parity=parity)
        judge = all if len(trains) == 1 else any
        bad |= not judge(answer.protocol is not None for answer in answers)
        if not json:
            show_train(train, answers, spoken)
        elif len(trains) == 1:
            for answer in answers:
                print_json(_named(train) | answer_json(answer))
        else:
            print_json(_named(train) | _one_answer(answers))
    return Exit.NO if bad else Exit.OK


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()


def frames_of(
    train: Train, code: str = AUTO, *, baud: int | None = None, parity: Parity = "even"
) -> list[Decoded]:
    """The answers for one train, at least one; a recording of a carrier is demodulated."""
    if train.error is not None:
        return [Decoded(None, error=train.error)]
    answers = decode(train.pulses, code, baud=baud, parity=parity)
    if not any(answer.confidence > SURE for answer in answers):
        plain = without_carrier(train.pulses)
        if plain is not train.pulses:
            answers = decode(plain, code, baud=baud, parity=parity)
    empty = DecodeError("no_pulses", "there is no light in the train", field="durations_us")
    return [spoken_bytes(answer) for answer in answers] or [Decoded(None, error=empty)]


def _named(train: Train) -> dict[str, Any]:
    if "id" in train.extra:
        return {"id": train.extra["id"]}
    return {"name": train.name} if train.name else {}


def _one_answer(answers: list[Decoded]) -> dict[str, Any]:
    """The first frame that is one, else the refusal; all of them when there are several."""
    first = next((answer for answer in answers if answer.protocol is not None), answers[0])
    found = answer_json(first)
    if len(answers) > 1:
        found["frames"] = [answer_json(answer) for answer in answers]
    return found


def encode_frame(
    code: str,
    *fields: str,
    form: Annotated[
        str, Parameter(name="--format", help=f"One of {', '.join(FORMATS)}.")
    ] = "mode2",
    output: Annotated[Path | None, Parameter(help="Write to a file; needed for sr.")] = None,
    json: JsonFlag = False,
) -> int:
    """Write the pulses of one frame.

    NEC, RC5, RC6 and SIRC have address and command, REMOTE_MODULE has command and data, UART and
    IRDA_SIR have bytes and baud. Example:

        kwhub infrared encode NEC address=0x04 command=0x08 --format pronto

    Parameters
    ----------
    code
        Name of the code: NEC, REMOTE_MODULE, RC5, RC6, SIRC, IRDA_SIR or UART
    fields
        name=value; numbers may be written as 0x1A
    """
    found: dict[str, Any] = {}
    for word in fields:
        name, equals, value = word.partition("=")
        if not equals:
            raise LocalError(f"{word!r} is no field: write name=value, such as command=0x08")
        found[name] = value
    try:
        pulses = encode(code, found)
    except DecodeError as problem:
        raise LocalError(str(problem)) from None
    if output is None and form == "sr" and not json:
        raise LocalError("an sr file is binary: name a file with --output")
    if output is not None:
        content = write(pulses, form)
        output.write_bytes(content.encode() if isinstance(content, str) else content)
    if json:
        carrier = {"carrier_hz": pulses.carrier_hz, "duty": pulses.duty}
        print_json({"code": code, "durations_us": list(pulses.durations_us), **carrier})
    elif output is None:
        say(str(write(pulses, form)).rstrip("\n"))
    return Exit.OK

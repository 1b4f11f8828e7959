"""``kwhub decode``: any frame, explained byte by byte or as JSON."""

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from kwhub.catalog.decoding import PROTOCOLS, Decoded, decode, explain, split
from kwhub.cli.hexadecimal import HexLine, hex_line, hex_lines
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.frames import Profile
from kwhub.protocols.gdw1376.profiles import DEFAULT, PROFILES, profile_named

__all__ = ["decode_frames"]


def decode_frames(
    *frames: Annotated[str, Parameter(allow_leading_hyphen=True)],
    file: Annotated[Path | None, Parameter(help="Read frames from a file, one a line.")] = None,
    protocol: Annotated[
        str | None,
        Parameter(help=f"Force a protocol: {', '.join(PROTOCOLS)}. Otherwise it is found."),
    ] = None,
    profile: Annotated[
        str, Parameter(help=f"Edition or province of the uplink: {', '.join(PROFILES)}.")
    ] = DEFAULT,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Decode frames of any known protocol and explain every byte.

    The exit code is 1 when a frame is damaged or says something impossible. Example:

        kwhub decode "FE FE FE 68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 72 16"

    Parameters
    ----------
    frames
        Hexadecimal, spaces allowed; single bytes as separate words are one frame. "-" reads
        standard input, one frame a line; lines that are empty or begin with # are passed over.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        raise LocalError(f"unknown protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    variant = profile_named(profile)
    if not frames and file is None:
        raise LocalError('give a frame, --file, or "-" for standard input')
    spoken = pick_language(language)
    bad = False
    for number, line in enumerate(_lines(frames, file)):
        for result in _results(line, protocol, variant):
            bad |= not result.valid or result.error is not None
            if json:
                print_json(_as_json(result, spoken))
            else:
                told = explain(result.raw, protocol, profile=variant).render(spoken)
                _show(line, result, told, spoken, first=number == 0)
    return Exit.NO if bad else Exit.OK


def _lines(frames: Sequence[str], file: Path | None) -> Iterator[HexLine]:
    if file is not None:
        yield from hex_lines(file.read_text(errors="replace").splitlines())
    if len(frames) > 1 and all(len(word) <= 2 for word in frames):
        frames = (" ".join(frames),)
    for word in frames:
        if word == "-":
            yield from hex_lines(sys.stdin)
        else:
            yield hex_line(word)


def _results(line: HexLine, protocol: str | None, profile: Profile) -> list[Decoded]:
    if line.raw is None:
        return [Decoded(b"", protocol or "unknown", valid=False, error=line.error)]
    return [decode(piece, protocol, profile=profile) for piece in split(line.raw, profile)]


def _as_json(result: Decoded, language: Language) -> dict[str, Any]:
    error = result.error
    return {
        "protocol": result.protocol,
        "valid": result.valid,
        "error": None
        if error is None
        else {"kind": error.kind, "detail": error.detail, "offset": error.offset},
        "frame": result.frame,
        "values": [
            {
                "register": value.register,
                "identifier": value.identifier,
                "name": value.name if language == EN else value.name_zh,
                "value": format(value.value, "f")
                if isinstance(value.value, Decimal)
                else value.value,
                "unit": value.unit,
            }
            | ({} if value.point is None else {"point": value.point})
            | ({} if value.time is None else {"time": value.time})
            | dict(value.details)
            for value in result.values
        ],
    }


def _show(line: HexLine, result: Decoded, told: str, language: Language, *, first: bool) -> None:
    if not first:
        say("")
    if line.raw is None:
        say(f"{line.text[:60]}\n! {result.error}")
        return
    say(result.protocol)
    say(told)
    for value in result.values:
        name = value.name if language == EN else value.name_zh
        said = ("no value" if language == EN else "无数据") if value.value is None else value.value
        place = "" if value.point is None else f"p{value.point} "
        when = "" if value.time is None else f" {value.time}"
        say(f"= {place}{name}{when}: {said} {value.unit}".rstrip())
    if result.error is not None:
        say(f"! {result.error.kind}: {result.error}")

"""``kwhub freeze``: have registers frozen, now or by a pattern."""

import asyncio
import re
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from kwhub.cli.changing import (
    Place,
    change_as_json,
    exit_code,
    nothing_changed,
    show_change,
    talk,
    who,
)
from kwhub.cli.consent import YesFlag, agreed
from kwhub.cli.output import EN, JsonFlag, Language, LanguageOption, pick_language, print_json
from kwhub.cli.read import AttemptsOption, MeterOption, WaitOption
from kwhub.domain.errors import LocalError
from kwhub.exchange.freeze import FreezePattern, FreezeTrace, freeze
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.contents import freeze_time
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["BroadcastFlag", "freeze_command"]

PATTERN = re.compile(r"(\d\d|\*)-(\d\d|\*)[ T](\d\d|\*):(\d\d)")

BroadcastFlag: TypeAlias = Annotated[
    bool,
    Parameter(name="--broadcast", negative="", help="Tell all meters on the line; none answers."),
]


def freeze_command(
    link: str,
    pattern: str = "now",
    *,
    meter: MeterOption = None,
    broadcast: BroadcastFlag = False,
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Have a DL/T 645-2007 meter freeze its registers, and look whether it did.

    The exit code is 1 when the meter refused or does not show it, 3 when it was silent. Example:

        kwhub freeze tcp:127.0.0.1:6450 "*-* 00:00" --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    pattern
        "now"; "03-01 12:00" once, month first; "*-01 00:00" every month; "*-* 00:00" every day;
        "*-* *:30" every hour.
    """
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts)
    wanted = _pattern(pattern)
    if broadcast and meter is not None:
        raise LocalError("--broadcast tells all meters, --meter one of them: say which is meant")
    meaning = _meaning(wanted.text, spoken)
    title = "freeze" if spoken == EN else "冻结"
    what = f"{title} {meaning}: {who(place, spoken, to_all=broadcast)}"
    if not agreed(what, yes=yes, language=spoken):
        return nothing_changed(spoken)
    done = asyncio.run(talk(place, lambda address: freeze(address, wanted), to_all=broadcast))
    if json:
        print_json(change_as_json(done, {"pattern": wanted.text, "meaning": meaning}, _plain))
    else:
        change = done.result
        rows = _rows(change.before, change.after, spoken)
        show_change(done, rows, Edition.E2007, spoken)
    return exit_code(done.result.verdict)


def _pattern(text: str) -> FreezePattern:
    if text == "now":
        return FreezePattern.now()
    match = PATTERN.fullmatch(text)
    if match is None:
        raise LocalError(f'{text!r} is no pattern: "now", "03-01 12:00", "*-* 00:00", "*-* *:30"')
    return FreezePattern("".join(part.replace("*", "99") for part in match.groups()))


def _meaning(text: str, language: Language) -> str:
    return freeze_time(bytes.fromhex(text)[::-1])[language != EN]


def _plain(trace: FreezeTrace) -> dict[str, Any]:
    return {"last_freezes": list(trace.times), "pattern": trace.pattern or None}


def _rows(
    before: FreezeTrace | None, after: FreezeTrace | None, language: Language
) -> list[tuple[str, str, str]]:
    rows = []
    known = after or before
    if known is not None and known.pattern:
        title = "timed freeze" if language == EN else "定时冻结"
        old, new = (
            _meaning(trace.pattern, language) if trace is not None else ""
            for trace in (before, after)
        )
        rows.append((title, old, new))
    for number in range(len(known.times) if known is not None else 0):
        title = f"instant freeze {number + 1}" if language == EN else f"上{number + 1}次瞬时冻结"
        old, new = (
            (trace.times[number] or "-") if trace is not None else "" for trace in (before, after)
        )
        rows.append((title, old, new))
    return rows

"""``kwhub clock``: a meter's clock beside the true time, adjusted or set."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter

from kwhub.cli.changing import (
    Place,
    Talked,
    change_as_json,
    exit_code,
    nothing_changed,
    show_change,
    talk,
    who,
)
from kwhub.cli.consent import (
    LevelOption,
    OperatorOption,
    PasswordFileOption,
    YesFlag,
    agreed,
    authority,
)
from kwhub.cli.freeze import BroadcastFlag
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    complain,
    pick_language,
    print_json,
    print_table,
)
from kwhub.cli.read import AttemptsOption, MeterOption, ProtocolOption, WaitOption, edition_of
from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change
from kwhub.exchange.clock import (
    AdjustProblem,
    ClockReading,
    Now,
    adjust_clock,
    broadcast_clock,
    compare_clock,
    may_adjust,
    set_clock,
)
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import SystemClock

__all__ = ["clock"]

Action: TypeAlias = Literal["show", "adjust", "set"]
LEVEL = 4

ZoneOption: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--zone",
        help="Time zone of the meter's place, such as Asia/Shanghai; that of this computer otherwise.",
    ),
]

QUESTIONS = {
    "en": {"adjust": "adjust the clock", "set": "set the clock"},
    "zh": {"adjust": "校时", "set": "设置时钟"},
}
PROBLEMS = {
    "en": {
        AdjustProblem.TOO_FAR: "more than 5 minutes off: the meter would ignore it; set the clock",
        AdjustProblem.NEAR_MIDNIGHT: "within 5 minutes of midnight: later, or a day's freeze suffers",
    },
    "zh": {
        AdjustProblem.TOO_FAR: "误差超过5分钟：电表将不予理会，请用 set 设置时钟",
        AdjustProblem.NEAR_MIDNIGHT: "距零点不足5分钟：请稍后再试，以免影响日冻结",
    },
}


@dataclass(frozen=True, slots=True)
class _LeftAlone:
    """The clock was not adjusted, and why."""

    reading: ClockReading
    problem: AdjustProblem


def clock(
    link: str,
    action: Action = "show",
    *,
    meter: MeterOption = None,
    broadcast: BroadcastFlag = False,
    zone: ZoneOption = None,
    protocol: ProtocolOption = Edition.E2007.value,
    level: LevelOption = LEVEL,
    password_file: PasswordFileOption = None,
    operator: OperatorOption = "00000000",
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show a meter's clock, adjust it by up to five minutes, or set it.

    Adjusting needs no password; a meter takes it once a day. Both are asked about first and read
    back. The exit code is 1 when the clock is not right then, 3 for silence. Example:

        kwhub clock tcp:127.0.0.1:6450 adjust --meter 000000000038 --zone Asia/Shanghai

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    action
        show, adjust (order 08) or set (by password).
    """
    spoken = pick_language(language)
    place, now = Place(link, meter, wait_s, attempts, edition_of(protocol)), _now(zone)
    _check(action, broadcast=broadcast, meter=meter)
    if action == "show":
        return _show(place, now, spoken, json=json)
    what = f"{QUESTIONS[spoken][action]}: {who(place, spoken, to_all=broadcast)}"
    if not agreed(what, yes=yes, language=spoken):
        return nothing_changed(spoken)
    may = authority(level, password_file, operator, spoken) if action == "set" else None

    def order(address: str) -> Conversation[Change[Any] | _LeftAlone]:
        if may is not None:
            return set_clock(address, now, may, place.edition)
        if broadcast:
            return broadcast_clock(now, place.edition)
        return _adjust(address, now, place.edition)

    talked = asyncio.run(talk(place, order, to_all=broadcast))
    return _told(talked, place, spoken, action=action, json=json)


def _check(action: Action, *, broadcast: bool, meter: str | None) -> None:
    if broadcast and (action != "adjust" or meter is not None):
        raise LocalError("--broadcast goes with adjust, and without --meter")


def _now(zone: str | None) -> Now:
    """The wall time at the meter's place."""
    try:
        place = None if zone is None else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LocalError(f"unknown time zone {zone!r}, such as Asia/Shanghai") from None
    system = SystemClock()
    return lambda: system.now().astimezone(place).replace(tzinfo=None)


def _adjust(
    address: str, now: Now, edition: Edition
) -> Conversation[Change[ClockReading] | _LeftAlone]:
    reading = yield from compare_clock(address, now, edition)
    problem = may_adjust(reading)
    if problem is not None:
        return _LeftAlone(reading, problem)
    return (yield from adjust_clock(address, now, edition))


def _show(place: Place, now: Now, language: Language, *, json: bool) -> int:
    talked = asyncio.run(talk(place, lambda address: compare_clock(address, now, place.edition)))
    reading = talked.result
    problem = may_adjust(reading)
    if json:
        adjustable = None if problem is None else problem.value
        print_json(
            {
                "meter": talked.address,
                **_plain(reading),
                "adjustable": problem is None,
                "adjust_problem": adjustable,
                "line": talked.line,
            }
        )
    else:
        headings = (talked.address, "")
        print_table(headings, [row[:2] for row in _rows(reading, None, language)])
        if problem is AdjustProblem.TOO_FAR:
            complain(PROBLEMS[language][problem])
    return Exit.OK


def _told(
    talked: Talked[Change[Any] | _LeftAlone],
    place: Place,
    language: Language,
    *,
    action: Action,
    json: bool,
) -> int:
    address, result = talked.address, talked.result
    if isinstance(result, _LeftAlone):
        if json:
            problem = result.problem.value
            print_json({"meter": address, **_plain(result.reading), "adjust_problem": problem})
        offset = f"{result.reading.offset_s:+.0f} s"
        complain(f"{address}: {offset}: {PROBLEMS[language][result.problem]}")
        return Exit.NO
    changed = Talked(address, result, talked.line)
    if json:
        print_json(change_as_json(changed, {"action": action}, _plain))
    else:
        rows = [] if result.before is None else _rows(result.before, result.after, language)
        show_change(changed, rows, place.edition, language)
    return exit_code(result.verdict)


def _plain(reading: ClockReading) -> dict[str, Any]:
    return {
        "clock": reading.meter.isoformat(),
        "true": reading.true.isoformat(timespec="milliseconds"),
        "offset_s": round(reading.offset_s, 1),
        "uncertainty_s": round(reading.uncertainty_s, 1),
    }


def _rows(
    before: ClockReading, after: ClockReading | None, language: Language
) -> list[tuple[str, str, str]]:
    names = ("meter", "true time", "offset") if language == EN else ("电表时钟", "标准时间", "误差")

    def shown(reading: ClockReading | None) -> tuple[str, str, str]:
        if reading is None:
            return ("", "", "")
        offset = f"{reading.offset_s:+.0f} s (±{reading.uncertainty_s:.1f} s)"
        return (_text(reading.meter), _text(reading.true), offset)

    return list(zip(names, shown(before), shown(after), strict=True))


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"

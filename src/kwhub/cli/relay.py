"""``kwhub relay``: the state of a meter's relay, and orders to it."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias, get_args

from cyclopts import Parameter
from cyclopts.validators import Number

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
from kwhub.cli.output import EN, Exit, JsonFlag, Language, LanguageOption, pick_language, print_json
from kwhub.cli.output import print_table as table
from kwhub.cli.read import AttemptsOption, MeterOption, WaitOption
from kwhub.exchange.change import Change
from kwhub.exchange.relay import (
    RESTORE_MINUTES_MAX,
    VALID_FOR,
    RelayCommand,
    RelayState,
    control_relay,
    read_relay,
)
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.contents import RELAY_COMMANDS
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.status_words import read_word

__all__ = ["relay"]

Order: TypeAlias = Literal[
    "show",
    "trip",
    "permit-closing",
    "close",
    "trip-then-close",
    "trip-then-permit",
    "alarm-on",
    "alarm-off",
    "protect",
    "unprotect",
]
COMMANDS = dict(zip(get_args(Order)[1:], RelayCommand, strict=True))
LEVEL = 2
VALID_MINUTES = VALID_FOR.total_seconds() / 60
STATUS_WORD_3 = 0x0400_0503

RestoreOption: TypeAlias = Annotated[
    int,
    Parameter(
        name="--restore-minutes",
        validator=Number(gte=0, lte=RESTORE_MINUTES_MAX),
        help="With trip-then-close and trip-then-permit: restore the supply after so many minutes.",
    ),
]
ValidOption: TypeAlias = Annotated[
    float,
    Parameter(
        name="--valid-minutes",
        validator=Number(gt=0, lte=1440),
        help="How long the order holds, by the meter's clock.",
    ),
]


def relay(
    link: str,
    order: Order = "show",
    *,
    meter: MeterOption = None,
    restore_minutes: RestoreOption = 0,
    valid_minutes: ValidOption = VALID_MINUTES,
    level: LevelOption = LEVEL,
    password_file: PasswordFileOption = None,
    operator: OperatorOption = "00000000",
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show the relay of a DL/T 645-2007 meter, or order it to trip or close.

    It is asked about first and read back. The exit code is 1 when the meter refused or does not
    show it, 3 when it was silent. Example:

        kwhub relay tcp:127.0.0.1:6450 trip --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    order
        What to do: show, trip, close and others.
    """
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts)
    if order == "show":
        return _show(place, spoken, json=json)
    command = COMMANDS[order]
    words = RELAY_COMMANDS[command.value][spoken != EN]
    if not agreed(f"{words}: {who(place, spoken)}", yes=yes, language=spoken):
        return nothing_changed(spoken)
    may = authority(level, password_file, operator, spoken)
    valid = timedelta(minutes=valid_minutes)
    done = asyncio.run(
        talk(
            place,
            lambda address: control_relay(
                address, command, may, restore_minutes=restore_minutes, valid_for=valid
            ),
        )
    )
    _tell(done, order, spoken, json=json)
    return exit_code(done.result.verdict)


def _tell(done: Talked[Change[RelayState]], order: str, language: Language, *, json: bool) -> None:
    change = done.result
    if json:
        print_json(change_as_json(done, {"order": order}, _plain))
    else:
        rows = _rows(change.before, change.after, language)
        show_change(done, rows, Edition.E2007, language)


def _show(place: Place, language: Language, *, json: bool) -> int:
    talked = asyncio.run(talk(place, read_relay))
    if json:
        print_json({"meter": talked.address, **_plain(talked.result), "line": talked.line})
    else:
        table((talked.address, ""), [row[:2] for row in _rows(talked.result, None, language)])
    return Exit.OK


def _plain(state: RelayState) -> dict[str, Any]:
    return {
        "word": f"{state.word:04X}",
        "open": state.is_open,
        "ordered_open": state.ordered_open,
        "warning": state.warns,
        "protected": state.is_protected,
    }


def _rows(
    before: RelayState | None, after: RelayState | None, language: Language
) -> list[tuple[str, str, str]]:
    """Status word 3 in words."""
    title = "status word 3" if language == EN else "运行状态字3"

    def words(state: RelayState | None) -> str:
        if state is None:
            return ""
        said = read_word(STATUS_WORD_3, f"{state.word:04X}")
        return ", ".join(word[language != EN] for word in said)

    return [(title, words(before), words(after))]

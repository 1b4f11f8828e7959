"""``kwhub password``: give a permission level of a meter a new password."""

import asyncio
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.changing import (
    Place,
    change_as_json,
    exit_code,
    nothing_changed,
    show_change,
    talk,
    who,
)
from kwhub.cli.consent import (
    NEW_PASSWORD_VARIABLE,
    PasswordFileOption,
    YesFlag,
    agreed,
    new_key,
    old_key,
)
from kwhub.cli.output import JsonFlag, LanguageOption, pick_language, print_json
from kwhub.cli.read import AttemptsOption, MeterOption, ProtocolOption, WaitOption, edition_of
from kwhub.exchange.passwords import LEVEL_MAX, change_password, check_levels
from kwhub.links.drive import ATTEMPTS
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["password"]

QUESTION = {"en": "change the password of level {level}", "zh": "修改 {level} 级密码"}

ChangedLevelOption: TypeAlias = Annotated[
    int,
    Parameter(
        name="--level",
        validator=Number(gte=0, lte=LEVEL_MAX),
        help="Permission level whose password is changed; 0 is the strongest.",
    ),
]
ByLevelOption: TypeAlias = Annotated[
    int | None,
    Parameter(
        name="--by-level",
        validator=Number(gte=0, lte=LEVEL_MAX),
        help="Level of the present password that is shown: the same when left out, or a stronger one.",
    ),
]
NewPasswordFileOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--new-password-file",
        help="File whose first line is the new password; otherwise the environment variable "
        f"{NEW_PASSWORD_VARIABLE}, otherwise it is asked for twice.",
    ),
]


def password(
    link: str,
    *,
    level: ChangedLevelOption,
    by_level: ByLevelOption = None,
    password_file: PasswordFileOption = None,
    new_password_file: NewPasswordFileOption = None,
    meter: MeterOption = None,
    protocol: ProtocolOption = Edition.E2007.value,
    yes: YesFlag = False,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Give a permission level of a meter a new password.

    Passwords come from files, from the environment or from prompts that show nothing; they are
    never printed. Afterwards the new one is tried by changing it to itself. The exit code is 1 when
    the meter refused or does not know the new password, 3 when it was silent. Example:

        kwhub password tcp:127.0.0.1:6450 --level 4 --meter 000000000038

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    """
    spoken = pick_language(language)
    place = Place(link, meter, wait_s, attempts, edition_of(protocol))
    strength = level if by_level is None else by_level
    check_levels(strength, level)
    what = f"{QUESTION[spoken].format(level=level)}: {who(place, spoken)}"
    if not agreed(what, yes=yes, language=spoken):
        return nothing_changed(spoken)
    old = old_key(strength, password_file, spoken)
    new = new_key(level, new_password_file, spoken)
    done = asyncio.run(
        talk(place, lambda address: change_password(address, old, new, place.edition))
    )
    if json:
        print_json(change_as_json(done, {"level": level}, str))
    else:
        show_change(done, (), place.edition, spoken)
    return exit_code(done.result.verdict)

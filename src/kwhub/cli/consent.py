"""Before a command changes a meter: somebody must want it, and know the password.

A password comes from a file, from the environment or from a prompt that shows nothing. There is no option
for it, because every process of the machine can read the command line of every other.
"""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.output import Language
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.authority import Authority, Key

__all__ = [
    "PASSWORD_VARIABLE",
    "LevelOption",
    "OperatorOption",
    "PasswordFileOption",
    "YesFlag",
    "agreed",
    "authority",
]

PASSWORD_VARIABLE = "KWHUB_METER_PASSWORD"  # noqa: S105 - the name of a variable
PASSWORD_DIGITS = 6
OPERATOR_DIGITS = 8
PASSWORD_FILE_BYTES_MAX = 1_000

YesFlag: TypeAlias = Annotated[
    bool, Parameter(name="--yes", negative="", help="Do not ask; for scripts.")
]
PasswordFileOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--password-file",
        help="File whose first line is the meter's password; otherwise the environment variable "
        f"{PASSWORD_VARIABLE}, otherwise it is asked for.",
    ),
]
OperatorOption: TypeAlias = Annotated[
    str,
    Parameter(name="--operator", help="Eight digits that the meter keeps in its records."),
]
LevelOption: TypeAlias = Annotated[
    int,
    Parameter(
        name="--level", validator=Number(gte=0, lte=9), help="Permission level of the password."
    ),
]

WORDS = {
    "en": {
        "question": "{what}. Go on? [y/N] ",
        "password": "Password of level {level}: ",
        "no_terminal": "{what}: there is no terminal to ask on; say --yes if it is meant",
        "no_password": "no password: give --password-file or {variable}, there is no terminal to ask on",
        "bad_password": "a meter's password has {digits} digits",
        "bad_operator": "an operator code has {digits} digits",
    },
    "zh": {
        "question": "{what}。是否继续？[y/N] ",
        "password": "{level} 级密码：",
        "no_terminal": "{what}：没有可询问的终端；确需执行请加 --yes",
        "no_password": "没有密码：请用 --password-file 或 {variable}，没有可询问的终端",
        "bad_password": "电表密码为 {digits} 位数字",
        "bad_operator": "操作者代码为 {digits} 位数字",
    },
}
YES = frozenset({"y", "yes", "j", "是"})


def agreed(what: str, *, yes: bool, language: Language) -> bool:
    """Whether the change is wanted. The question goes to standard error.

    Args:
        what: what is about to be done, without a full stop.
        yes: it was said on the command line.
        language: of the question.

    Raises:
        LocalError: it was not said, and there is no terminal to ask on.
    """
    if yes:
        return True
    words = WORDS[language]
    if not sys.stdin.isatty():
        raise LocalError(words["no_terminal"].format(what=what))
    sys.stderr.write(words["question"].format(what=what))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in YES


def authority(level: int, file: Path | None, operator: str, language: Language) -> Authority:
    """Level, password and operator code of a command.

    Raises:
        LocalError: there is no password and no terminal to ask on, or one of them is not made of as
            many digits as it must be. The password is not repeated in it.
        OSError: the file cannot be read.
    """
    words = WORDS[language]
    if not _are_digits(operator, OPERATOR_DIGITS):
        raise LocalError(words["bad_operator"].format(digits=OPERATOR_DIGITS))
    password = _password(level, file, words)
    if not _are_digits(password, PASSWORD_DIGITS):
        raise LocalError(words["bad_password"].format(digits=PASSWORD_DIGITS))
    return Authority(Key(level, password), operator)


def _password(level: int, file: Path | None, words: dict[str, str]) -> str:
    if file is not None:
        with file.open("rb") as opened:
            first = opened.read(PASSWORD_FILE_BYTES_MAX).partition(b"\n")[0]
        return first.decode("ascii", "replace").strip()
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE].strip()
    if not sys.stdin.isatty():
        raise LocalError(words["no_password"].format(variable=PASSWORD_VARIABLE))
    return getpass.getpass(words["password"].format(level=level)).strip()


def _are_digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()

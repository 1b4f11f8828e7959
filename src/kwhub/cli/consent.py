"""Before a command changes a meter: somebody must want it, and know the password.

A password comes from a file, from the environment or from a prompt that shows nothing. There is no option
for it, because every process of the machine can read the command line of every other.
"""

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.output import Language
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.authority import Authority, Key

__all__ = [
    "NEW_PASSWORD_VARIABLE",
    "PASSWORD_VARIABLE",
    "LevelOption",
    "OperatorOption",
    "PasswordFileOption",
    "YesFlag",
    "agreed",
    "authority",
    "new_key",
    "old_key",
    "typed",
]

PASSWORD_VARIABLE = "KWHUB_METER_PASSWORD"  # noqa: S105 - the name of a variable
NEW_PASSWORD_VARIABLE = "KWHUB_NEW_METER_PASSWORD"  # noqa: S105 - the name of a variable
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
        "type": "{what}. Type {word} to go on: ",
        "password": "Password of level {level}: ",
        "new_password": "New password of level {level}: ",
        "again": "The new password once more: ",
        "differ": "the two new passwords differ",
        "no_terminal": "{what}: there is no terminal to ask on; say --yes if it is meant",
        "no_password": "no password: give {option} or {variable}, there is no terminal to ask on",
        "bad_password": "a meter's password has {digits} digits",
        "bad_operator": "an operator code has {digits} digits",
    },
    "zh": {
        "question": "{what}。是否继续？[y/N] ",
        "type": "{what}。确认请输入 {word}：",
        "password": "{level} 级密码：",
        "new_password": "{level} 级新密码：",
        "again": "再次输入新密码：",
        "differ": "两次输入的新密码不一致",
        "no_terminal": "{what}：没有可询问的终端；确需执行请加 --yes",
        "no_password": "没有密码：请用 {option} 或 {variable}，没有可询问的终端",
        "bad_password": "电表密码为 {digits} 位数字",
        "bad_operator": "操作者代码为 {digits} 位数字",
    },
}
YES = frozenset({"y", "yes", "j", "是"})


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a password comes from when no file is given."""

    option: str
    variable: str
    prompts: tuple[str, ...]  #: keys of ``WORDS``; all must be answered alike


_PRESENT = _Source("--password-file", PASSWORD_VARIABLE, ("password",))
_FUTURE = _Source("--new-password-file", NEW_PASSWORD_VARIABLE, ("new_password", "again"))


def agreed(what: str, *, yes: bool, language: Language) -> bool:
    """Whether the change is wanted. The question goes to standard error.

    Args:
        what: what is about to be done, without a full stop.
        yes: it was said on the command line.
        language: of the question.

    Raises:
        LocalError: it was not said, and there is no terminal to ask on.
    """
    question = WORDS[language]["question"].format(what=what)
    return yes or _answer(question, what, language).lower() in YES


def typed(word: str, what: str, *, yes: bool, language: Language) -> bool:
    """Whether something that cannot be undone is wanted: a word must be typed, not just y.

    Args:
        word: that must be typed.
        what: what is about to be done, without a full stop.
        yes: it was said on the command line.
        language: of the question.

    Raises:
        LocalError: it was not said, and there is no terminal to ask on.
    """
    question = WORDS[language]["type"].format(what=what, word=word)
    return yes or _answer(question, what, language) == word


def _answer(question: str, what: str, language: Language) -> str:
    if not sys.stdin.isatty():
        raise LocalError(WORDS[language]["no_terminal"].format(what=what))
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def authority(level: int, file: Path | None, operator: str, language: Language) -> Authority:
    """Level, password and operator code of a command.

    Raises:
        LocalError: there is no password and no terminal to ask on, or one of them is not made of as
            many digits as it must be. The password is not repeated in it.
        OSError: the file cannot be read.
    """
    if not _are_digits(operator, OPERATOR_DIGITS):
        raise LocalError(WORDS[language]["bad_operator"].format(digits=OPERATOR_DIGITS))
    return Authority(old_key(level, file, language), operator)


def old_key(level: int, file: Path | None, language: Language) -> Key:
    """A level with the password that the meter knows already. Raises as ``authority``."""
    return _key(level, file, _PRESENT, WORDS[language])


def new_key(level: int, file: Path | None, language: Language) -> Key:
    """A level with the password that the meter shall have; asked for twice.

    Raises:
        LocalError: as ``authority``, or the two answers differ.
        OSError: the file cannot be read.
    """
    return _key(level, file, _FUTURE, WORDS[language])


def _key(level: int, file: Path | None, source: _Source, words: dict[str, str]) -> Key:
    password = _password(level, file, source, words)
    if not _are_digits(password, PASSWORD_DIGITS):
        raise LocalError(words["bad_password"].format(digits=PASSWORD_DIGITS))
    return Key(level, password)


def _password(level: int, file: Path | None, source: _Source, words: dict[str, str]) -> str:
    if file is not None:
        with file.open("rb") as opened:
            first = opened.read(PASSWORD_FILE_BYTES_MAX).partition(b"\n")[0]
        return first.decode("ascii", "replace").strip()
    if source.variable in os.environ:
        return os.environ[source.variable].strip()
    if not sys.stdin.isatty():
        raise LocalError(
            words["no_password"].format(option=source.option, variable=source.variable)
        )
    answers = {
        getpass.getpass(words[prompt].format(level=level)).strip() for prompt in source.prompts
    }
    if len(answers) > 1:
        raise LocalError(words["differ"])
    return answers.pop()


def _are_digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()

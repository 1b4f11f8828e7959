"""``kwhub read``: the registers of one meter, now."""

from collections.abc import Iterable
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.names import to_dlt645
from kwhub.catalog.registers import RegisterInfo, describe, parse_register
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
    say,
)
from kwhub.domain.errors import KwhubError, LocalError, NoAnswer
from kwhub.domain.readings import Register
from kwhub.exchange.read import RegisterAnswer, read_address, read_registers
from kwhub.links.address import open_link
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock

__all__ = ["COMMON", "read"]

COMMON: tuple[Register, ...] = tuple(
    Register(code)
    for code in (
        "1-0:1.8.0",
        "1-0:1.8.1",
        "1-0:1.8.2",
        "1-0:1.8.3",
        "1-0:1.8.4",
        "1-0:2.8.0",
        "1-0:32.7.0",
        "1-0:52.7.0",
        "1-0:72.7.0",
        "1-0:31.7.0",
        "1-0:51.7.0",
        "1-0:71.7.0",
        "1-0:16.7.0",
        "1-0:131.7.0",
        "1-0:13.7.0",
        "1-0:14.7.0",
    )
)
"""What is read when nothing is asked for."""

HEADINGS = {
    "en": ("register", "name", "value", "unit", "identifier"),
    "zh": ("寄存器", "名称", "数值", "单位", "数据标识"),
}
ADDRESS_DIGITS = 12
NO_VALUE = {"en": "no value", "zh": "无数据"}
EDITIONS = {edition.value: edition for edition in Edition}


MeterOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--meter", help="Address on the meter; without it the only meter is asked."),
]
RegisterOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--register",
        help="OBIS code, alias or data identifier; may be repeated.",
        negative_iterable="",
    ),
]
ProtocolOption: TypeAlias = Annotated[str, Parameter(help=f"One of {', '.join(EDITIONS)}.")]
WaitOption: TypeAlias = Annotated[
    float,
    Parameter(
        name="--timeout",
        validator=Number(gt=0, lte=60),
        help="Seconds to wait for the first byte of an answer.",
    ),
]
AttemptsOption: TypeAlias = Annotated[
    int,
    Parameter(
        validator=Number(gte=1, lte=20),
        help="How often each request is sent before the meter counts as silent.",
    ),
]


async def read(
    link: str,
    *,
    meter: MeterOption = None,
    register: RegisterOption = (),
    protocol: ProtocolOption = Edition.E2007.value,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Read a meter and print its registers with units.

    The exit code is 1 when the meter refused a register that was asked for, and 3 when nobody
    answered. Example:

        kwhub read tcp:127.0.0.1:6450 --meter 000000000038 --register 1-0:1.8.0

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    """
    edition = _edition(protocol)
    wanted = _registers(register, edition) or COMMON
    asked = None if meter is None else _address(meter)
    clock = SystemClock()
    opened = await open_link(link, clock=clock)
    try:
        session = Session(Role.MASTER, answer_timeout_s=wait_s, baud=opened.facts.baud)
        driver = Driver(opened, session, clock, attempts=attempts)
        address = await driver.run(read_address()) if asked is None else asked
        answers = await driver.run(read_registers(address, wanted, edition))
    finally:
        await opened.aclose()
    spoken = pick_language(language)
    if json:
        print_json(_as_json(address, answers))
    elif not _all_silent(answers):
        _show(address, answers, spoken, all_of_them=bool(register))
    return _exit_code(address, answers, strict=bool(register))


def _edition(protocol: str) -> Edition:
    if protocol not in EDITIONS:
        raise LocalError(f"unknown protocol {protocol!r}; there are {', '.join(EDITIONS)}")
    return EDITIONS[protocol]


def _registers(texts: Iterable[str], edition: Edition) -> tuple[Register, ...]:
    try:
        registers = tuple(parse_register(text) for text in texts)
        for register in registers:
            to_dlt645(register, edition)
    except KwhubError as error:
        raise LocalError(str(error)) from None
    return registers


def _address(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= ADDRESS_DIGITS):
        raise LocalError(f"{text!r} is no meter address: it has up to {ADDRESS_DIGITS} digits")
    return text.zfill(ADDRESS_DIGITS)


def _all_silent(answers: Iterable[RegisterAnswer]) -> bool:
    return all(isinstance(answer.error, NoAnswer) for answer in answers)


def _exit_code(address: str, answers: list[RegisterAnswer], *, strict: bool) -> int:
    if _all_silent(answers):
        complain(f"meter {address} is silent: check its address, the speed and the wiring")
        return Exit.LINK
    if any(isinstance(answer.error, NoAnswer) for answer in answers):
        return Exit.LINK
    some = any(answer.value is not None for answer in answers)
    missing = any(answer.value is None for answer in answers)
    return Exit.NO if (strict and missing) or not some else Exit.OK


def _as_json(address: str, answers: list[RegisterAnswer]) -> dict[str, object]:
    return {
        "meter": address,
        "registers": [
            {
                "register": answer.register,
                "alias": describe(answer.register).alias,
                "name": describe(answer.register).name_en,
                "name_zh": describe(answer.register).name_zh,
                "value": None if answer.value is None else str(answer.value),
                "unit": answer.unit,
                "identifier": answer.identifier,
                "error": None if answer.error is None else str(answer.error),
                "raw": [raw.hex(" ").upper() for raw in answer.raw],
            }
            for answer in answers
        ],
    }


def _name(info: RegisterInfo, language: Language) -> str:
    return info.name_en if language == EN else info.name_zh


def _show(
    address: str, answers: list[RegisterAnswer], language: Language, *, all_of_them: bool
) -> None:
    shown = [
        answer
        for answer in answers
        if all_of_them or answer.value is not None or isinstance(answer.error, NoAnswer)
    ]
    rows = [
        (
            str(answer.register),
            _name(describe(answer.register), language),
            str(answer.error)
            if answer.error
            else NO_VALUE[language]
            if answer.value is None
            else str(answer.value),
            "" if answer.value is None else answer.unit,
            answer.identifier,
        )
        for answer in shown
    ]
    print_table(HEADINGS[language], rows, right=(2,))
    hidden = len(answers) - len(shown)
    if hidden:
        words = {
            "en": f"\nmeter {address}; {hidden} registers that it does not have are left out",
            "zh": f"\n表号 {address}；该表没有的 {hidden} 项未列出",
        }
        say(words[language])

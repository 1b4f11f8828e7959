"""``kwhub read``: the registers of one meter, now."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from string import hexdigits
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.names import to_dlt645
from kwhub.catalog.quirks import deviations_named
from kwhub.catalog.registers import parse_register
from kwhub.cli.output import JsonFlag, Language, LanguageOption, pick_language
from kwhub.cli.read_rows import Wish
from kwhub.cli.read_run import Form, Reading
from kwhub.cli.read_watch import parse_period
from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import KwhubError, LocalError, NoAnswer
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_address
from kwhub.exchange.read_whole import CHAPTERS, readable_families
from kwhub.links.address import open_link
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import find
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock

__all__ = ["COMMON", "edition_of", "read"]

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

ADDRESS_DIGITS = 12
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
BlockOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--block",
        help="Data identifier, such as the block 0001FF00; may be repeated.",
        negative_iterable="",
    ),
]
AllFlag: TypeAlias = Annotated[
    bool, Parameter(name="--all", negative="", help="Read everything that the meter has.")
]
ChapterOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--chapter",
        help=f"Of everything only this: {', '.join(CHAPTERS)}; may be repeated.",
        negative_iterable="",
    ),
]
QuirkOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--quirk",
        help="What the meter's maker does differently: a name of the reference's page on quirks; "
        "may be repeated.",
        negative_iterable="",
    ),
]
WatchOption: TypeAlias = Annotated[
    str | None, Parameter(name="--watch", help="Read again every so often: 5s, 500ms, 1m.")
]
CountOption: TypeAlias = Annotated[
    int | None,
    Parameter(name="--count", validator=Number(gte=1), help="With --watch: stop after so many."),
]
CsvFlag: TypeAlias = Annotated[
    bool, Parameter(name="--csv", negative="", help="Print CSV, a line for each value.")
]


async def read(
    link: str,
    *,
    meter: MeterOption = None,
    register: RegisterOption = (),
    block: BlockOption = (),
    everything: AllFlag = False,
    chapter: ChapterOption = (),
    watch: WatchOption = None,
    count: CountOption = None,
    protocol: ProtocolOption = Edition.E2007.value,
    wait_s: WaitOption = 2.0,
    attempts: AttemptsOption = ATTEMPTS,
    quirk: QuirkOption = (),
    csv: CsvFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Read a meter and print its registers with units.

    --all reads whatever the meter has: energies by tariff and settlement day, demands with their
    times, instant values, parameters, status words, counts and last records of events, last
    freezes, heads of the load record. --watch repeats the reading until Ctrl-C, on a terminal with
    a plot of each number. The exit code is 1 when the meter refused what was asked for by name,
    and 3 when nobody answered. Example:

        kwhub read tcp:127.0.0.1:6450 --meter 000000000038 --register 1-0:1.8.0

    Parameters
    ----------
    link
        Way to the meter: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    """
    wish = _wish(edition_of(protocol), register, block, chapter, everything=everything)
    asked = None if meter is None else _address(meter)
    form = _form(csv=csv, json=json)
    period_s = _period_s(watch, count)
    asker = _Asker(asked, wish, form, pick_language(language))
    async with _master(link, wait_s, attempts, quirk) as (driver, times):
        return await asker.ask(driver, times, period_s, count, strict=bool(register or block))


@dataclass(frozen=True, slots=True)
class _Asker:
    """What is asked of whom, and how it is printed."""

    address: str | None
    wish: Wish
    form: Form
    language: Language

    async def ask(
        self,
        driver: Driver,
        times: AnswerTimes,
        period_s: float | None,
        count: int | None,
        *,
        strict: bool,
    ) -> int:
        address = await _only_meter(driver) if self.address is None else self.address
        clock = SystemClock()
        reading = Reading(
            driver,
            address,
            self.wish,
            clock,
            self.form,
            self.language,
            times=times,
            strict=strict,
        )
        if period_s is None:
            return await reading.once()
        return await reading.again_and_again(period_s, count)


@asynccontextmanager
async def _master(
    link: str, wait_s: float, attempts: int, quirks: Iterable[str]
) -> AsyncIterator[tuple[Driver, AnswerTimes]]:
    """An open link with a session on it."""
    clock, times, ways = SystemClock(), AnswerTimes(wait_s), deviations_named(quirks)
    opened = await open_link(link, clock=clock)
    try:
        baud = opened.facts.baud
        session = Session(Role.MASTER, answer_times=times, baud=baud, deviations=ways)
        yield Driver(opened, session, clock, attempts=attempts), times
    finally:
        await opened.aclose()


def _form(*, csv: bool, json: bool) -> Form:
    if csv and json:
        raise LocalError("--csv or --json, not both")
    return "csv" if csv else "json" if json else "text"


def _period_s(watch: str | None, count: int | None) -> float | None:
    if watch is None and count is not None:
        raise LocalError("--count goes with --watch")
    return None if watch is None else parse_period(watch)


def _wish(
    edition: Edition,
    registers: Iterable[str],
    blocks: Iterable[str],
    chapters: tuple[str, ...],
    *,
    everything: bool,
) -> Wish:
    everything = everything or bool(chapters)
    readable_families(edition, chapters)
    wanted = _registers(registers, edition)
    items = tuple(_identifier(text, edition) for text in blocks)
    if everything and (wanted or items):
        raise LocalError("--all reads everything: leave out --register and --block")
    if not (wanted or items or everything):
        wanted = COMMON
    return Wish(wanted, items, everything, edition, chapters)


def edition_of(protocol: str) -> Edition:
    """The edition of a name. Raises LocalError: there is none."""
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


def _identifier(text: str, edition: Edition) -> int:
    """A data identifier as people write it, perhaps a block."""
    digits = text.strip().replace("-", "").replace(" ", "")
    size = 2 * edition.identifier_bytes
    if len(digits) != size or not set(digits) <= set(hexdigits):
        raise LocalError(
            f"{text!r} is no identifier of {edition.value}: {size} hexadecimal digits are needed"
        )
    identifier = int(digits, 16)
    if find(identifier, edition) is None:
        raise LocalError(f"{digits.upper()} is in no table of {edition.value}")
    return identifier


def _address(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= ADDRESS_DIGITS):
        raise LocalError(f"{text!r} is no meter address: it has up to {ADDRESS_DIGITS} digits")
    return text.zfill(ADDRESS_DIGITS)


async def _only_meter(driver: Driver) -> str:
    """The address of the only meter; several that answer at once look like none."""
    try:
        return await driver.run(read_address())
    except NoAnswer as error:
        raise NoAnswer(
            "no meter said its address (there is none, or several answered at once; name one with "
            "--meter, or find them with kwhub scan)",
            attempts=error.attempts,
        ) from error

"""``kwhub scan``: which meters hang on a line."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.quirks import deviations_named
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    complain,
    pick_language,
    print_json,
)
from kwhub.cli.read import QuirkOption
from kwhub.cli.scan_result import Rate, as_json, as_toml, show
from kwhub.cli.scan_show import Shown, shown
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.scan import ATTEMPTS, Scan, count_phases
from kwhub.exchange.scan_listener import WINDOW_S, Listener
from kwhub.links.address import LinkAddress, open_link, parse
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645.addresses import is_plain, normalise
from kwhub.protocols.dlt645.deviations import Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["RATES", "scan", "with_baud"]

RATES = (2400, 9600, 1200, 4800, 19200, 600)
"""Speeds that are tried on a serial port, the commonest first.  Source: DL/T 645-2007, clause 4."""

WINDOW_UNKNOWN_S = 1.2
"""Wait for answers where the speed is not known, s: there the question itself takes its time."""

WINDOW_BLE_S = 2.5
"""Over Bluetooth: a node on the way that has masters and slaves waits 2 s for who is silent."""

STOPPED = {"en": "stopped early; found until then:", "zh": "提前结束；已找到："}
EDITIONS = {edition.value: edition for edition in Edition}

BaudOption: TypeAlias = Annotated[
    tuple[int, ...],
    Parameter(
        name="--baud",
        help=f"Speed to try; may be repeated. A serial port without one is tried at {RATES}.",
        negative_iterable="",
    ),
]
EditionOption: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        name="--protocol",
        help=f"Edition to look for, one of {', '.join(EDITIONS)}; both when left out.",
        negative_iterable="",
    ),
]
WindowOption: TypeAlias = Annotated[
    float | None,
    Parameter(
        name="--timeout",
        validator=Number(gt=0, lte=60),
        help=f"Seconds to wait for answers; {WINDOW_S}, or {WINDOW_UNKNOWN_S} without a speed, "
        f"or {WINDOW_BLE_S} over Bluetooth.",
    ),
]
AttemptsOption: TypeAlias = Annotated[
    int,
    Parameter(
        validator=Number(gte=1, lte=10),
        help="How often a branch is asked before its silence is believed.",
    ),
]
KnownOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--known",
        help="Check only the addresses in this file: the first word of each line; # is a comment.",
    ),
]
EveryFlag: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--every-baud", negative="", help="Go on with other speeds when meters were found."
    ),
]
TomlFlag: TypeAlias = Annotated[
    bool,
    Parameter(name="--toml", negative="", help="Print a [[bus]] for the concentrator's settings."),
]


async def scan(
    link: str,
    *,
    baud: BaudOption = (),
    protocol: EditionOption = (),
    known: KnownOption = None,
    window_s: WindowOption = None,
    attempts: AttemptsOption = ATTEMPTS,
    every_baud: EveryFlag = False,
    quirk: QuirkOption = (),
    toml: TomlFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Find the DL/T 645 meters on a line; when several answer at once they are told apart.

    Everybody is asked first, then by the low digits of the address. The exit code is 1 when no meter
    was found or a part stays unresolved. Ctrl-C prints what was found until then. Example:

        kwhub scan serial:/dev/ttyUSB0 --toml > bus.toml

    Parameters
    ----------
    link
        Way to the line: serial:/dev/ttyUSB0, tcp:10.0.0.7:4001?baud=2400
    """
    _check(toml=toml, json=json)
    spoken = pick_language(language)
    job = _Job(
        links=list(_links(parse(link), baud)),
        editions=tuple(_edition(text) for text in protocol) or tuple(Edition),
        known=None if known is None else _addresses(known),
        window_s=window_s,
        attempts=attempts,
        every_baud=every_baud,
        ways=deviations_named(quirk),
    )
    cancel_on_terminate()
    try:
        with shown(spoken) as watcher:
            await job.run(watcher)
    except asyncio.CancelledError:
        complain(STOPPED[spoken])
    if json:
        print_json(as_json(link, job.rates))
    elif toml:
        sys.stdout.write(as_toml(job.rates, quirk))
    else:
        show(job.rates, spoken)
    return _exit_code(job.rates)


def _check(*, toml: bool, json: bool) -> None:
    if toml and json:
        raise LocalError("--toml or --json, not both")


class _Job:
    """A scan at one speed after the other."""

    def __init__(
        self,
        *,
        links: list[LinkAddress],
        editions: tuple[Edition, ...],
        known: list[str] | None,
        window_s: float | None,
        attempts: int,
        every_baud: bool,
        ways: Deviations,
    ) -> None:
        self.rates: list[Rate] = []
        self._links = links
        self._editions = editions
        self._known = known
        self._window_s = window_s
        self._attempts = attempts
        self._every_baud = every_baud
        self._ways = ways

    async def run(self, watcher: Shown) -> None:
        clock = SystemClock()
        for address in self._links:
            await self._at(address, watcher, clock)
            if self.rates[-1].census.meters and not self._every_baud:
                break

    async def _at(self, address: LinkAddress, watcher: Shown, clock: Clock) -> None:
        link = await open_link(address, clock=clock)
        try:
            baud = link.facts.baud
            watcher.begins(address.text, baud)
            window_s = self._window_s or _window_s(address, baud)
            scan = Scan(editions=self._editions, attempts=self._attempts, told=watcher.told)
            rate = Rate(address.text, baud, scan.census)
            self.rates.append(rate)
            preamble = self._ways.request_preamble
            listener = Listener(window_s=window_s, baud=baud, preamble=preamble)
            driver = Driver(link, listener, clock, attempts=1)
            wanted = self._known
            try:
                await driver.run(scan.run() if wanted is None else scan.check(wanted))
            finally:
                rate.bytes_out, rate.bytes_in = driver.bytes_out, driver.bytes_in
            session = Session(Role.MASTER, baud=baud, deviations=self._ways)
            asker = Driver(link, session, clock)
            for meter in scan.census.meters.values():
                phases = await asker.run(count_phases(meter.address, meter.edition))
                rate.phases[meter.address] = phases
        finally:
            await link.aclose()


def _exit_code(rates: list[Rate]) -> int:
    found = any(rate.census.meters for rate in rates)
    settled = all(rate.census.complete and not rate.census.unresolved for rate in rates)
    return Exit.OK if found and settled else Exit.NO


def _edition(text: str) -> Edition:
    if text not in EDITIONS:
        raise LocalError(f"unknown protocol {text!r}; there are {', '.join(EDITIONS)}")
    return EDITIONS[text]


def _window_s(link: LinkAddress, baud: int | None) -> float:
    """How long to wait for answers on a line."""
    if link.innermost.scheme == "ble":
        return WINDOW_BLE_S
    return WINDOW_UNKNOWN_S if baud is None else WINDOW_S


def _links(link: LinkAddress, rates: tuple[int, ...]) -> Iterator[LinkAddress]:
    """The line at every speed that is to be tried."""
    inner = link.innermost
    if not rates and inner.scheme == "serial" and "baud" not in inner.options:
        rates = RATES
    if not rates:
        yield link
    for rate in rates:
        yield with_baud(link, rate)


def with_baud(link: LinkAddress, rate: int) -> LinkAddress:
    """The same address at another speed.

    >>> with_baud(parse("serial:/dev/ttyUSB0?parity=even"), 2400).text
    'serial:/dev/ttyUSB0?parity=even&baud=2400'
    """
    if link.inner is not None:
        return parse(f"{link.scheme}:{with_baud(link.inner, rate).text}")
    options = {**link.options, "baud": str(rate)}
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return parse(f"{link.scheme}:{link.target}?{query}")


def _addresses(file: Path) -> list[str]:
    """The addresses in a list of meters, such as the first column of a table."""
    addresses: list[str] = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").replace('"', " ").split()
        if not words:
            continue
        try:
            address = normalise(words[0])
        except LocalError as error:
            raise ConfigError(str(error), file=str(file), line=number) from None
        if not is_plain(address):
            raise ConfigError(f"{words[0]!r} names no single meter", file=str(file), line=number)
        addresses.append(address)
    return list(dict.fromkeys(addresses))

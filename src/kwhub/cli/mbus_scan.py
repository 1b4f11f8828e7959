"""``kwhub mbus scan``: which meters hang on an M-Bus."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kwhub.cli.mbus import AttemptsOption, LatencyOption, MbusBaudOption, line
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    complain,
    console,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.exchange.mbus import Selection, scan_primary
from kwhub.exchange.mbus_search import Found, FoundMeter, Step, search, verify
from kwhub.links.drive import Driver
from kwhub.protocols.mbus.control import ADDRESS_MAX, MEDIA
from kwhub.runtime.clock import SystemClock

__all__ = ["mbus_scan"]

Only: TypeAlias = Literal["primary", "secondary"]
StartOption: TypeAlias = Annotated[
    str, Parameter(help="Secondary addresses to look for; F is open.")
]
LastOption: TypeAlias = Annotated[
    int,
    Parameter(validator=Number(gte=0, lte=ADDRESS_MAX), help="Last primary address that is asked."),
]
KnownOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        help="Look only for the secondary addresses in this file: the first word of each line."
    ),
]
TomlFlag: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--toml", negative="", help="Print an [[mbus]] for the concentrator's settings."
    ),
]

STOPPED = {"en": "stopped early; found until then:", "zh": "提前结束；已找到："}
HEADINGS = {
    "en": ("secondary address", "primary", "fabrication number", "medium"),
    "zh": ("二级地址", "一级地址", "出厂编号", "介质"),
}
OUTCOMES_ZH = {"silence": "无应答", "several": "多个应答", "answer": "应答"}
KINDS = {
    0x02: "electricity",
    0x03: "gas",
    0x04: "heat",
    0x06: "hot-water",
    0x07: "water",
    0x0A: "cooling",
    0x0B: "cooling",
    0x0C: "heat",
    0x0D: "heat",
    0x15: "hot-water",
    0x16: "water",
}
"""Medium: the kind of a meter in a concentrator's settings."""


async def mbus_scan(
    link: str,
    *,
    only: Annotated[
        Only | None, Parameter(help="One kind of addresses; both when left out.")
    ] = None,
    start: StartOption = "FFFFFFFF",
    last: LastOption = ADDRESS_MAX,
    known: KnownOption = None,
    baud: MbusBaudOption = None,
    latency_s: LatencyOption = None,
    attempts: AttemptsOption = 2,
    toml: TomlFlag = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Find the M-Bus meters on a line by primary and by secondary address, also when they collide.

    The exit code is 1 when no meter was found, or when several could not be told apart. Ctrl-C prints
    what was found until then. Example:

        kwhub mbus scan serial:/dev/ttyUSB0 --only secondary --toml > mbus.toml

    Parameters
    ----------
    link
        Way to the line: serial:/dev/ttyUSB0, tcp:10.0.0.7:4001
    """
    if toml and json:
        raise LocalError("--toml or --json, not both")
    spoken = pick_language(language)
    job = _Job(link, only, start, last, None if known is None else _known(known))
    cancel_on_terminate()
    way = line(link, SystemClock(), baud=baud, latency_s=latency_s, attempts=attempts)
    try:
        async with way as driver:
            with _quiet() if json or toml else _shown(spoken) as watcher:
                await job.run(driver, watcher)
    except asyncio.CancelledError:
        complain(STOPPED[spoken])
    if json:
        print_json(job.as_json())
    elif toml:
        sys.stdout.write(job.as_toml())
    else:
        job.show(spoken)
    return Exit.OK if job.is_settled else Exit.NO


class _Watcher:
    """Hears of a scan; this one keeps silent."""

    def primary(self, address: int, answer: bool | None) -> None:  # noqa: FBT001 - as it is told
        """An address was asked."""

    def secondary(self, step: Step) -> None:
        """A selection was sent."""


class _Bar(_Watcher):
    """A bar on standard error, and a line for each meter above it."""

    def __init__(self, progress: Progress, language: Language) -> None:
        self._progress = progress
        self._language = language
        self._task = progress.add_task("", total=None, what="")

    def primary(self, address: int, answer: bool | None) -> None:  # noqa: FBT001 - as it is told
        if answer is not None:
            word = "" if answer else (" (several)" if self._language == EN else "（多块表）")
            self._progress.console.print(f"{address}{word}", markup=False, highlight=False)
        self._progress.update(
            self._task, completed=address + 1, total=ADDRESS_MAX + 1, what=str(address)
        )

    def secondary(self, step: Step) -> None:
        if step.found is not None:
            text = f"{step.found.selection}  {step.found.address}"
            self._progress.console.print(text, markup=False, highlight=False)
        outcome = step.outcome if self._language == EN else OUTCOMES_ZH[step.outcome]
        what = f"{step.probe} {outcome} {step.probes}"
        self._progress.update(self._task, completed=0, total=None, what=what)


@contextmanager
def _quiet() -> Iterator[_Watcher]:
    yield _Watcher()


@contextmanager
def _shown(language: Language) -> Iterator[_Watcher]:
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _Watcher()
        return
    columns = (BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        yield _Bar(progress, language)


@dataclass(slots=True)
class _Job:
    """A scan and what it has found."""

    link: str
    only: Only | None
    start: str
    last: int
    known: list[Selection] | None
    baud: int = 0
    primary: dict[int, bool] = field(default_factory=dict)
    found: Found = field(default_factory=Found)
    done: bool = False

    async def run(self, driver: Driver, watcher: _Watcher) -> None:
        self.baud = driver.machine.baud  # type: ignore[attr-defined]  # it is the master's session
        if self.known is not None:
            await driver.run(verify(self.known, found=self.found, told=watcher.secondary))
        else:
            if self.only != "secondary":
                await driver.run(
                    scan_primary(0, self.last, found=self.primary, told=watcher.primary)
                )
            if self.only != "primary":
                await driver.run(search(self.start, found=self.found, told=watcher.secondary))
        self.done = True

    @property
    def is_settled(self) -> bool:
        """Something was found, all of it told apart, and the scan came to its end."""
        found = bool(self.found.meters) or any(self.primary.values())
        clear = all(self.primary.values()) or bool(self.found.meters)
        return found and clear and not self.found.clashes and self.done

    @property
    def meters(self) -> list[FoundMeter]:
        """In the order of their addresses."""
        return sorted(self.found.meters, key=lambda each: (each.identity, each.fabrication))

    def as_json(self) -> dict[str, Any]:
        return {
            "link": self.link,
            "baud": self.baud,
            "complete": self.done,
            "primary": [
                {"address": address, "several": not clear}
                for address, clear in sorted(self.primary.items())
            ],
            "meters": [_meter_json(meter) for meter in self.meters],
            "unresolved": [str(each) for each in self.found.clashes],
            "probes": self.found.probes,
        }

    def show(self, language: Language) -> None:
        english = language == EN
        if self.meters:
            rows = [
                (
                    str(meter.identity),
                    "" if meter.address is None else str(meter.address),
                    meter.fabrication,
                    _medium(meter)[0 if english else 1],
                )
                for meter in self.meters
            ]
            print_table(HEADINGS[language], rows, right=(1,))
        clear = [str(address) for address, one in sorted(self.primary.items()) if one]
        several = [str(address) for address, one in sorted(self.primary.items()) if not one]
        if clear:
            say(f"{'primary addresses' if english else '一级地址'}: {', '.join(clear)}")
        if several:
            words = "several meters on one primary address" if english else "多块表使用同一一级地址"
            say(f"! {words}: {', '.join(several)}")
        for clash in self.found.clashes:
            words = (
                "several meters that nothing tells apart"
                if english
                else "多块表地址完全相同，无法区分"
            )
            say(f"! {clash}: {words}")
        if not self.done:
            say("! the scan did not come to its end" if english else "! 搜索未完成")
        count = len(self.meters)
        probes = self.found.probes
        say(
            f"meters: {count}; probes: {probes}"
            if english
            else f"共 {count} 块表；探测 {probes} 次"
        )

    def as_toml(self) -> str:
        """An ``[[mbus]]`` with its meters, as the concentrator takes it."""
        lines = [
            "[[mbus]]",
            'name = "mbus-1"',
            f"address = {msgspec.json.encode(self.link).decode()}",
            "port = 1",
            f"baud = {self.baud}",
            "",
        ]
        point = 0
        for meter in self.meters:
            address = self._importable(meter)
            if address is None or meter.identity.medium not in KINDS:
                lines.append(
                    f"# {meter.selection}: {_medium(meter)[0]}, not to be read by settings"
                )
                continue
            point += 1
            lines += _toml_meter(address, point, KINDS[meter.identity.medium])
        lines += [f"# not told apart: {clash}" for clash in self.found.clashes]
        if not point:
            return ""
        return "\n".join(lines) + "\n"

    def _importable(self, meter: FoundMeter) -> str | None:
        """How settings name the meter: by number and maker, or by primary address where that is needed."""
        identity = meter.identity
        alike = [
            each
            for each in self.meters
            if (each.identity.number, each.identity.manufacturer)
            == (identity.number, identity.manufacturer)
        ]
        maker = str(identity).split("-")[1]
        if identity.number.isdecimal() and maker.isalpha() and len(maker) == 3 and len(alike) == 1:
            return f"{identity.number}-{maker}"
        sharing = [each for each in self.meters if each.address == meter.address]
        return str(meter.address) if meter.address and len(sharing) == 1 else None


def _toml_meter(address: str, point: int, kind: str) -> list[str]:
    return [
        "[[mbus.meter]]",
        f'address = "{address}"',
        f"point = {point}",
        f'kind = "{kind}"',
        "",
    ]


def _medium(meter: FoundMeter) -> tuple[str, str]:
    return MEDIA.get(meter.identity.medium, ("reserved", "备用"))


def _meter_json(meter: FoundMeter) -> dict[str, Any]:
    identity = meter.identity
    name, name_zh = _medium(meter)
    return {
        "secondary": str(meter.selection),
        "id": identity.number,
        "manufacturer": str(identity).split("-")[1],
        "version": identity.version,
        "medium": identity.medium,
        "medium_name": name,
        "medium_name_zh": name_zh,
        "address": meter.address,
        "fabrication": meter.fabrication or None,
    }


def _known(file: Path) -> list[Selection]:
    """The secondary addresses in a list of meters."""
    found: list[Selection] = []
    for number, text in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        words = text.partition("#")[0].replace(",", " ").replace(";", " ").replace('"', " ").split()
        if not words:
            continue
        try:
            found.append(Selection.parse(words[0]))
        except LocalError as error:
            raise ConfigError(str(error), file=str(file), line=number) from None
    return list(dict.fromkeys(found))

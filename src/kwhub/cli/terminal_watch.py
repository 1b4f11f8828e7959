"""``kwhub terminal watch``: the pulses of any channel as they come."""

from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.live import Live
from rich.table import Table

from kwhub.catalog.terminal_profile import CHANNEL_STATUS_WORDS, CHANNELS, ChannelStatus
from kwhub.cli.output import (
    EN,
    ZH,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    console,
    pick_language,
    print_json,
)
from kwhub.cli.read_watch import parse_period
from kwhub.cli.signals import cancel_on_terminate
from kwhub.exchange.terminal import ChannelNow, read_channel, read_channels
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.links.layers.waking import Waking
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["watch_terminal"]

HEADINGS = {
    EN: ("channel", "pulses", "new", "register kWh", "power kW", "status"),
    ZH: ("通道", "脉冲数", "新增", "示数 kWh", "功率 kW", "状态"),
}


async def watch_terminal(
    link: str,
    address: str,
    *,
    channel: Annotated[int | None, Parameter(validator=Number(gte=1, lte=CHANNELS))] = None,
    every: str = "1s",
    count: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    wake: Annotated[bool, Parameter(negative=())] = False,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show the pulses of a terminal's channels live, until Ctrl-C; reading needs no password.

    With `--json` every reading of a channel is a line. Example:

        kwhub terminal watch tcp:127.0.0.1:6470 000020260700 --channel 3

    Parameters
    ----------
    link
        The way to the terminal: tcp:127.0.0.1:6470, serial:/dev/ttyUSB0?baud=9600
    address
        Of the terminal, twelve digits.
    channel
        Only this one; otherwise all that are in use.
    every
        Time between two readings, such as 1s or 500ms.
    count
        So many readings; otherwise until Ctrl-C.
    wake
        The terminal sleeps: wake it before asking.
    """
    cancel_on_terminate()
    shown, period_s = pick_language(language), parse_period(every)
    return await _watch(link, address, channel, (period_s, count), (wake, json), shown)


async def _watch(
    link: str,
    address: str,
    channel: int | None,
    often: tuple[float, int | None],
    how: tuple[bool, bool],
    shown: Language,
) -> int:
    """Ask period by period (seconds, how often), woken or not, as lines of JSON or as a table."""
    clock, (period_s, count), (wake, json) = SystemClock(), often, how
    wire = await open_link(link, clock=clock)
    try:
        way = Waking(wire, clock) if wake else wire
        driver = Driver(way, Session(Role.MASTER, baud=wire.facts.baud), clock)
        former: dict[int, int] = {}
        screen = console()
        live = Live(console=screen, auto_refresh=False)
        draws = screen.is_terminal and not json
        with live if draws else nullcontext():
            async for channels in _readings(driver, address, channel, clock, period_s, count):
                rows = [
                    (each, each.pulses - former.get(each.channel, each.pulses)) for each in channels
                ]
                former = {each.channel: each.pulses for each in channels}
                if json:
                    _print(rows)
                elif draws:
                    live.update(_table(rows, shown), refresh=True)
                else:
                    screen.print(_table(rows, shown))
    finally:
        await wire.aclose()
    return Exit.OK


async def _readings(
    driver: Driver,
    address: str,
    channel: int | None,
    clock: Clock,
    period_s: float,
    count: int | None,
) -> AsyncIterator[Sequence[ChannelNow]]:
    """Read every so often; the first reading is at once."""
    done = 0
    while True:
        if channel is None:
            every = await driver.run(read_channels(address))
            yield [each for each in every if ChannelStatus.IN_USE in each.status]
        else:
            yield [await driver.run(read_channel(address, channel))]
        done += 1
        if done == count:
            return
        await clock.sleep(period_s)


def _words(status: ChannelStatus, language: Language) -> list[str]:
    place = int(language == ZH)
    return [words[place] for flag, words in CHANNEL_STATUS_WORDS.items() if flag in status]


def _print(rows: Sequence[tuple[ChannelNow, int]]) -> None:
    for each, new in rows:
        line: dict[str, Any] = {
            "channel": each.channel,
            "pulses": each.pulses,
            "new": new,
            "register_kwh": each.register,
            "power_kw": each.power_kw,
            "status": _words(each.status, EN),
        }
        print_json(line)


def _table(rows: Sequence[tuple[ChannelNow, int]], language: Language) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(HEADINGS[language]):
        table.add_column(
            heading, justify="left" if place == len(HEADINGS[language]) - 1 else "right"
        )
    for each, new in rows:
        table.add_row(
            str(each.channel),
            f"{each.pulses:,}",
            f"+{new}" if new else "",
            f"{each.register:,}",
            str(each.power_kw),
            ", ".join(_words(each.status, language)),
        )
    return table

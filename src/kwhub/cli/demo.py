"""``kwhub demo``: the whole system on one computer, without hardware."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.folders import folder_for_stores
from kwhub.cli.live import WEB_PORT, live
from kwhub.cli.logs import configure
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.play import Played, play
from kwhub.cli.playing import playing
from kwhub.cli.world import METERS, ZONE, World
from kwhub.runtime.clock import SystemClock

__all__ = ["demo"]

DAYS = 7
DAMAGE = 0.02
FIRST_MOMENT = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""Midnight in China at the beginning of Monday 2 March 2026: a run that is only judged starts here,
so that it is the same on every day."""
AFTERWARDS = timedelta(hours=2)
"""Played after the last moment that is judged, for its last hour to be read and reported."""

WORDS = {
    "en": {
        "played": "Played {days} days of {meters} meters: {got:,} of {expected:,} points arrived "
        "({rate:.2%}), line loss {loss} %, {frames:,} frames, {cpu} s of CPU.",
        "open": "\nOpen  {address}  (Ctrl-C stops)",
        "stopped": "\nStopped.",
    },
    "zh": {
        "played": "已回放 {meters} 块表 {days} 天：应采 {expected:,} 点，实采 {got:,} 点（{rate:.2%}），"
        "线损率 {loss} %，报文 {frames:,} 帧，CPU {cpu} 秒。",
        "open": "\n请打开  {address}  （Ctrl-C 结束）",
        "stopped": "\n已停止。",
    },
}


Seed: TypeAlias = Annotated[int, Parameter(help="The same seed gives the same outcome.")]
Once: TypeAlias = Annotated[
    bool, Parameter(negative="", help="Play, judge, print the outcome, and stop; no pages.")
]
Days: TypeAlias = Annotated[
    int, Parameter(validator=Number(gte=1, lte=60), help="How many days are played.")
]
Damage: TypeAlias = Annotated[
    float,
    Parameter(validator=Number(gte=0, lte=0.5), help="Share of the frames that are damaged."),
]
Port: TypeAlias = Annotated[
    int,
    Parameter(
        validator=Number(gte=0, lte=65_535),
        help="Of the pages, on 127.0.0.1; a free one when it is taken.",
    ),
]
Keep: TypeAlias = Annotated[Path | None, Parameter(help="Keep the stores in this new folder.")]


def demo(
    *,
    once: Once = False,
    json: JsonFlag = False,
    seed: Seed = 1,
    days: Days = DAYS,
    damage: Damage = DAMAGE,
    port: Port = WEB_PORT,
    keep: Keep = None,
    language: LanguageOption = None,
) -> int:
    """Show the whole system: two concentrators, sixty meters, one head-end.

    The days before now are played on virtual time; then it goes on live over loopback TCP, and
    the pages can be opened. With --once it only plays, from a fixed day. Example:

        kwhub demo --once --json
    """
    configure("error")
    spoken = pick_language(language)
    start, stop = _span(days, once=once)
    afterwards = AFTERWARDS if once else timedelta(0)
    with folder_for_stores(keep) as folder:
        world = World.make(seed, start=start, folder=folder, language=spoken)
        with playing(spoken, days, METERS) as told:
            played = play(
                world, start=start, stop=stop, damage=damage, afterwards=afterwards, told=told
            )
        if json:
            print_json(_as_json(played, seed))
        else:
            _show(played, spoken, days)
        if once:
            return Exit.OK if played.points_got == played.points_expected else Exit.NO
        _go_live(world, port, spoken, json=json)
    return Exit.OK


def _go_live(world: World, port: int, language: Language, *, json: bool) -> None:
    def ready(address: str) -> None:
        if json:
            print_json({"address": address})
        else:
            say(WORDS[language]["open"].format(address=address))

    try:
        asyncio.run(live(world, web_port=port, ready=ready))
    except (KeyboardInterrupt, asyncio.CancelledError):
        if not json:
            say(WORDS[language]["stopped"])


def _span(days: int, *, once: bool) -> tuple[datetime, datetime]:
    """First and last moment: whole local days up to now, or from the fixed day."""
    if once:
        return FIRST_MOMENT, FIRST_MOMENT + timedelta(days=days)
    now = SystemClock().now()
    midnight = now.astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=days)).astimezone(UTC), now


def _as_json(played: Played, seed: int) -> dict[str, object]:
    loss = played.line_loss_percent
    return {
        "meters": played.meters,
        "points_expected": played.points_expected,
        "points_got": played.points_got,
        "completeness": played.completeness,
        "duplicates": played.duplicates,
        "orders_done": played.orders_done,
        "line_loss_percent": None if loss is None else float(loss),
        "alarms": played.alarms,
        "statements": played.statements,
        "frames": played.frames,
        "cpu_seconds": played.cpu_seconds,
        "seed": seed,
    }


def _show(played: Played, language: Language, days: int) -> None:
    say(
        WORDS[language]["played"].format(
            days=days,
            meters=played.meters,
            got=played.points_got,
            expected=played.points_expected,
            rate=played.completeness,
            loss="?" if played.line_loss_percent is None else played.line_loss_percent,
            frames=played.frames,
            cpu=played.cpu_seconds,
        )
    )

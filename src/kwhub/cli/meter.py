"""``kwhub meter``: simulated meters on a real link."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.quirks import deviations_named
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.links.address import open_link, parse
from kwhub.links.base import Link
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import Clock, SystemClock
from kwhub.sim.area import HISTORY_DAYS, Outfit, Place, TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.memory import StateFile
from kwhub.sim.meter import KEY_S

__all__ = ["simulate"]

METERS_MAX = 1_000
"""Simulated meters on one link; a real RS-485 bus carries 32 to 128."""

HEADINGS = {"en": ("address", "phases", "customer", "kind"), "zh": ("表号", "相数", "用户", "类别")}


async def simulate(
    link: str,
    *,
    count: Annotated[int, Parameter(validator=Number(gte=1, lte=METERS_MAX))] = 1,
    seed: int = 1,
    state: Path | None = None,
    programming_key: Annotated[bool, Parameter(negative=())] = False,
    quirk: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Answer as one or more DL/T 645 meters on a link, until Ctrl-C.

    The meters count a believable load in real time. Several programs may call a tcp-listen: link
    at once. Example:

        kwhub meter simulate tcp-listen:127.0.0.1:6450 --count 3
        kwhub meter simulate pty: --state meter.json --programming-key
        kwhub meter simulate pty: --quirk baud-word-bcd --quirk wildcard-left

    Parameters
    ----------
    link
        Where they hang: tcp-listen:127.0.0.1:6450, serial:/dev/ttyUSB0?baud=2400&parity=even, pty:
    count
        How many meters.
    seed
        The same seed gives the same meters.
    state
        Keep parameters, passwords, records and switches in this file, over restarts (with the same
        seed and count). Of several meters each has its own: meter.json becomes meter-1.json, meter-2.json ...
    programming_key
        The meters have a programming key, and refuse what needs it. Enter in this terminal presses
        the key of all of them, for four hours.
    quirk
        What their maker does differently: a name of the reference's page on quirks; may be repeated.
    """
    cancel_on_terminate()
    clock = SystemClock()
    outfit = Outfit(programming_key, deviations_named(quirk), _Files(state, count).of)
    places = _places(seed, count, outfit, clock)
    if programming_key:
        _press_at_enter(places, clock)
    await _answer(link, places, clock, json=json, language=pick_language(language))
    return Exit.LINK


async def _answer(
    link: str, places: list[Place], clock: Clock, *, json: bool, language: Language
) -> None:
    """Say where the meters are and have them answer there until the link is down."""
    meters = [place.meter for place in places]

    async def attend(peer: Link) -> None:
        await serve_meters(peer, meters, clock)

    if parse(link).scheme == "tcp-listen":
        server = await serve(link, attend, clock)
        try:
            _announce(server.call_address, places, json=json, language=language)
            await asyncio.get_running_loop().create_future()
        finally:
            await server.aclose()
    opened = await open_link(link, clock=clock)
    try:
        _announce(opened.facts.address, places, json=json, language=language)
        await attend(opened)
    finally:
        await opened.aclose()


class _Files:
    """Where the meters, counted from 1, keep what they keep."""

    def __init__(self, file: Path | None, count: int) -> None:
        self._file = file
        self._count = count

    def of(self, number: int) -> Path | None:
        """The file of a meter; None when it keeps nothing."""
        file = self._file
        if file is None or not 1 <= number <= self._count:
            return None
        return file if self._count == 1 else file.with_stem(f"{file.stem}-{number}")


def _places(seed: int, count: int, outfit: Outfit, clock: Clock) -> list[Place]:
    """The meters; those that have a state file go on where they were."""
    start, first = clock.now(), outfit.state(1)
    kept = None if first is None else StateFile(first).load()
    if kept is not None and kept.since_s is not None:
        start = datetime.fromtimestamp(kept.since_s, UTC) + timedelta(days=HISTORY_DAYS)
    meters = max(count + 1, 3)
    area = TransformerArea(
        seed, start=start, meters=meters, concentrators=1, buses=1, outfit=outfit
    )
    places = [place for place in area.places if place.kind != "supply"][:count]
    for place in places:
        place.meter.keep()  # a file that cannot be written is told now
    return places


def _press_at_enter(places: Sequence[Place], clock: Clock) -> None:
    """From now on a line on standard input presses the programming keys."""
    loop = asyncio.get_running_loop()

    def entered() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            return
        for place in places:
            place.meter.press_programming_key(int(clock.now().timestamp()), KEY_S)

    try:
        loop.add_reader(sys.stdin, entered)
    except (OSError, ValueError, RuntimeError):
        return  # no terminal and no pipe: nobody can press it


def _announce(where: str, places: list[Place], *, json: bool, language: Language) -> None:
    call = where.replace("pty:", "serial:", 1) if where.startswith("pty:") else where
    if json:
        rows = [
            {
                "address": place.meter.address,
                "phases": place.meter.phases,
                "name": place.name,
                "name_zh": place.name_zh,
                "kind": place.kind,
            }
            for place in places
        ]
        print_json({"link": call, "meters": rows})
        return
    print_table(
        HEADINGS[language],
        [
            (
                place.meter.address,
                str(place.meter.phases),
                place.name if language == EN else place.name_zh,
                place.kind,
            )
            for place in places
        ],
        right=(1,),
    )
    first = places[0].meter.address
    if language == EN:
        say(f"\nListening. In another shell:  kwhub read {call} --meter {first}\nCtrl-C stops.")
    else:
        say(f"\n已就绪。在另一个终端执行： kwhub read {call} --meter {first}\n按 Ctrl-C 结束。")

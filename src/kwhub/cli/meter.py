"""``kwhub meter``: simulated meters on a real link."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

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
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import Place, TransformerArea
from kwhub.sim.device import serve_meters

__all__ = ["simulate"]

METERS_MAX = 1_000
"""Simulated meters on one link; a real RS-485 bus carries 32 to 128."""

HEADINGS = {"en": ("address", "phases", "customer", "kind"), "zh": ("表号", "相数", "用户", "类别")}


async def simulate(
    link: str,
    *,
    count: Annotated[int, Parameter(validator=Number(gte=1, lte=METERS_MAX))] = 1,
    seed: int = 1,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Answer as one or more DL/T 645 meters on a link, until Ctrl-C.

    The meters count a believable load in real time. Several programs may call a tcp-listen: link
    at once. Example:

        kwhub meter simulate tcp-listen:127.0.0.1:6450 --count 3

    Parameters
    ----------
    link
        Where they hang: tcp-listen:127.0.0.1:6450, serial:/dev/ttyUSB0?baud=2400&parity=even, pty:
    count
        How many meters.
    seed
        The same seed gives the same meters.
    """
    cancel_on_terminate()
    clock = SystemClock()
    area = TransformerArea(
        seed, start=clock.now(), meters=max(count + 1, 3), concentrators=1, buses=1
    )
    places = [place for place in area.places if place.kind != "supply"][:count]
    meters = [place.meter for place in places]

    async def attend(peer: Link) -> None:
        await serve_meters(peer, meters, clock)

    if parse(link).scheme == "tcp-listen":
        server = await serve(link, attend, clock)
        try:
            _announce(server.call_address, places, json=json, language=pick_language(language))
            await asyncio.get_running_loop().create_future()
        finally:
            await server.aclose()
    opened = await open_link(link, clock=clock)
    try:
        _announce(opened.facts.address, places, json=json, language=pick_language(language))
        await attend(opened)
    finally:
        await opened.aclose()
    return Exit.LINK


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

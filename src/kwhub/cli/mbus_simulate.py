"""``kwhub mbus simulate``: simulated water, heat, gas and electricity meters on a real link."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Annotated, TypeAlias

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
from kwhub.protocols.mbus.control import ADDRESS_MAX, MEDIA
from kwhub.protocols.mbus.identity import Identity, manufacturer_code
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, SystemClock
from kwhub.sim.mbus import MbusFaults, MbusMeter, serve_mbus

__all__ = ["mbus_simulate"]

Count: TypeAlias = Annotated[int, Parameter(validator=Number(gte=1, lte=ADDRESS_MAX))]
Loss: TypeAlias = Annotated[
    int,
    Parameter(validator=Number(gte=0, lte=1000), help="Answers in a thousand that do not come."),
]
Flips: TypeAlias = Annotated[
    int,
    Parameter(validator=Number(gte=0, lte=1000), help="Answers in a thousand with a bit turned."),
]
MEDIA_OF_METERS = (0x07, 0x04, 0x06, 0x03, 0x02)
MAKERS = ("KAM", "SEN", "LGB", "ITR", "EMU")
REGION = "mbus"
HEADINGS = {
    "en": ("primary", "secondary address", "medium"),
    "zh": ("一级地址", "二级地址", "介质"),
}


async def mbus_simulate(
    link: str,
    *,
    count: Count = 1,
    seed: int = 1,
    parts: Annotated[int, Parameter(validator=Number(gte=1, lte=8))] = 1,
    history: Annotated[int, Parameter(validator=Number(gte=0, lte=12))] = 0,
    same_address: Annotated[bool, Parameter(negative=())] = False,
    loss: Loss = 0,
    flips: Flips = 0,
    echo: Annotated[bool, Parameter(negative=())] = False,
    readouts: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Answer as one or more M-Bus meters on a link, until Ctrl-C; answers given at once collide.

    Water, heat, warm water, gas and electricity in turn, counting in real time. Example:

        kwhub mbus simulate tcp-listen:127.0.0.1:6460 --count 5 --parts 2 --history 6

    Parameters
    ----------
    link
        Where they hang: tcp-listen:127.0.0.1:6460, serial:/dev/ttyUSB0?baud=2400, pty:
    count
        How many meters.
    seed
        The same seed gives the same meters.
    parts
        Telegrams of an answer.
    history
        Months whose counters are kept.
    same_address
        All have primary address 0, as from the factory.
    echo
        The converter gives the master's bytes back to it.
    readouts
        Readouts a day before a meter refuses; 0 is no limit.
    """
    cancel_on_terminate()
    clock, chance = SystemClock(), seeded(seed, REGION)
    meters = [_meter(number, chance, parts, history) for number in range(count)]
    for meter in meters:
        meter.address *= not same_address
        own = chance.randrange(1 << 30)
        meter.faults = MbusFaults(own, loss, flips, readouts_a_day=readouts)
    await _answer(link, meters, clock, echo=echo, json=json, language=pick_language(language))
    return Exit.LINK


def _meter(number: int, chance: Random, parts: int, history: int) -> MbusMeter:
    """One meter, of the next medium and maker."""
    maker = manufacturer_code(MAKERS[number % len(MAKERS)])
    medium = MEDIA_OF_METERS[number % len(MEDIA_OF_METERS)]
    identity = Identity(f"{chance.randrange(10**8):08d}", maker, 1 + number % 16, medium)
    return MbusMeter(identity, number + 1, parts, history=history)


async def _answer(
    link: str,
    meters: Sequence[MbusMeter],
    clock: Clock,
    *,
    echo: bool,
    json: bool,
    language: Language,
) -> None:
    async def attend(peer: Link) -> None:
        await serve_mbus(peer, meters, clock, echo=echo)

    if parse(link).scheme == "tcp-listen":
        server = await serve(link, attend, clock)
        try:
            _announce(server.call_address, meters, json=json, language=language)
            await asyncio.get_running_loop().create_future()
        finally:
            await server.aclose()
    opened = await open_link(link, clock=clock)
    try:
        where = opened.facts.address.replace("pty:", "serial:", 1)
        _announce(where, meters, json=json, language=language)
        await attend(opened)
    finally:
        await opened.aclose()


def _announce(where: str, meters: Sequence[MbusMeter], *, json: bool, language: Language) -> None:
    if json:
        rows = [
            {
                "address": meter.address,
                "secondary": str(meter.identity),
                "medium": meter.identity.medium,
            }
            for meter in meters
        ]
        print_json({"link": where, "meters": rows})
        return
    english = language == EN
    print_table(
        HEADINGS[language],
        [
            (
                str(meter.address),
                str(meter.identity),
                MEDIA[meter.identity.medium][0 if english else 1],
            )
            for meter in meters
        ],
        right=(0,),
    )
    asking = f"kwhub mbus read {where} --secondary {meters[0].identity}"
    if english:
        say(f"\nListening. In another shell:  {asking}\nCtrl-C stops.")
    else:
        say(f"\n已就绪。在另一个终端执行： {asking}\n按 Ctrl-C 结束。")

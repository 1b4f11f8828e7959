"""``kwhub infrared simulate``: a meter behind its infrared window, or the reading module before it."""

from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import LinkDown
from kwhub.infrared.head import pass_through
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.infrared import PUBLISHED_ADDRESS, serve_published
from kwhub.sim.irmodule import IrModule, serve_module

__all__ = ["Device", "simulate_infrared"]

Device: TypeAlias = Literal["meter", "published", "module"]


async def simulate_infrared(
    link: str,
    *,
    device: Device = "meter",
    head: Annotated[str | None, Parameter(name="--head")] = None,
    seed: int = 1,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Answer over an infrared window, real or simulated, until Ctrl-C.

    With --head this is no meter but the reading module: what comes over that link goes out as
    light, and only what the meter says comes back. Example:

        kwhub infrared simulate "ir:sim:tcp-listen:127.0.0.1:6455?distance=4&lux=20000"
        kwhub infrared simulate ir:sim:tcp:127.0.0.1:6455 --head tcp-listen:127.0.0.1:6450

    Parameters
    ----------
    link
        The window: ir:sim:tcp-listen:127.0.0.1:6455?distance=4, ir:serial:/dev/ttyUSB1
    device
        A meter; the meter of the published verification (0.38 kWh); or the thermometer module.
    head
        Be the reading module, reached over this link.
    seed
        The same seed gives the same meter.
    """
    cancel_on_terminate()
    spoken, clock = pick_language(language), SystemClock()
    window = await open_link(link, clock=clock)
    try:
        if head is not None:
            return await _be_head(window, head, clock, spoken, json=json)
        where = _callable(window.facts.address)
        if device == "published":
            _announce(where, PUBLISHED_ADDRESS, spoken, json=json)
            await serve_published(window, clock)
        elif device == "module":
            module = IrModule()
            _announce(where, str(module.address), spoken, json=json)
            await serve_module(window, module, clock)
        else:
            area = TransformerArea(seed, start=clock.now(), meters=3, concentrators=1, buses=1)
            place = next(place for place in area.places if place.kind != "supply")
            _announce(where, place.meter.address, spoken, json=json)
            await serve_meters(window, [place.meter], clock)
    finally:
        await window.aclose()
    return Exit.LINK


async def _be_head(
    window: Link, wire_address: str, clock: SystemClock, language: Language, *, json: bool
) -> int:
    wire = await open_link(wire_address, clock=clock)
    try:
        _announce(_callable(wire.facts.address), None, language, json=json)
        await pass_through(wire, window)
    except* LinkDown:
        pass
    finally:
        await wire.aclose()
    return Exit.LINK


def _callable(address: str) -> str:
    """What the other side opens."""
    address = address.replace("tcp-listen:", "tcp:", 1)
    return address.replace("pty:", "serial:", 1)


def _announce(where: str, meter: str | None, language: Language, *, json: bool) -> None:
    if json:
        print_json({"link": where, "address": meter})
        return
    asking = f'kwhub read "{where}" --meter {meter or "…"}'
    if language == EN:
        say(f"Listening. In another shell:  {asking}\nCtrl-C stops.")
    else:
        say(f"已就绪。在另一个终端执行： {asking}\n按 Ctrl-C 结束。")

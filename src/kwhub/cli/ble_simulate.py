"""``kwhub ble simulate``: meters with Bluetooth, and the virtual air that other processes join."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.bluetooth.air import Air, AirServer, name_air
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.pairing import Asked, Pairing, Way
from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.radio import Radio, Setting
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.cli.ble_ways import asking
from kwhub.cli.logs import configure
from kwhub.cli.output import (
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
from kwhub.domain.errors import LocalError
from kwhub.exchange.passing import DLT645
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.meter import SimulatedMeter

__all__ = ["ble_simulate"]

AIR = "simulated"
PORT = 6402
METERS_MAX = 100
NUMBER_MAX = 0xFF
"""It is the last byte of an address."""
BondsOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--keys",
        help="File for the bonds of one meter, so that it knows its masters when it is begun again.",
    ),
]
PairingOption: TypeAlias = Literal["show", "compare", "type", "oob", "none"]
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "headings": ("address", "meter"),
        "air": "\nOther processes join with:  --adapter {adapter}\nCtrl-C stops.",
        "passkey": "{address}: passkey {number:06d}",
        "profile": "--profile must be one of {profiles}",
        "one": "{option} is for one meter: --meters 1",
        "last": "the last meter would be number {number}; 255 is the highest",
    },
    "zh": {
        "headings": ("蓝牙地址", "表号"),
        "air": "\n其他进程使用：  --adapter {adapter}\n按 Ctrl-C 结束。",
        "passkey": "{address}：配对码 {number:06d}",
        "profile": "--profile 须为 {profiles} 之一",
        "one": "{option} 仅用于一只表：--meters 1",
        "last": "最后一只表的序号为 {number}，最大为 255",
    },
}


async def ble_simulate(
    *,
    meters: Annotated[int, Parameter(validator=Number(gte=0, lte=METERS_MAX))] = 1,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = PORT,
    adapter: Annotated[str | None, Parameter(name="--adapter")] = None,
    first: Annotated[int, Parameter(validator=Number(gte=1, lte=200))] = 1,
    pairing: PairingOption = "show",
    keys: BondsOption = None,
    profile: str = "nus",
    distance: Annotated[float | None, Parameter(validator=Number(gt=0, lte=500))] = None,
    loss: Annotated[float, Parameter(validator=Number(gte=0, lt=1))] = 0.0,
    seed: int = 1,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Be meters with Bluetooth, on a virtual air that other processes join, until Ctrl-C.

    Each meter takes two masters. Example:

        kwhub ble simulate --meters 3 --port 6402

    Parameters
    ----------
    meters
        How many; with 0 there is only the air.
    port
        Of the virtual controllers on loopback; 0 takes a free one.
    adapter
        Have one meter on this controller, real or of another process's air, in place of an air.
    first
        Number of the first meter, the last byte of its address.
    pairing
        show: a passkey is shown for each pairing; none: no pairing, as with simple modules. For one
        meter also compare, type and oob, asked as kwhub ble pair asks on the other side.
    profile
        nus, ffe0 or fff0.
    distance
        Metres to the meters: signal, loss and connection intervals as on a radio.
    loss
        Share of packets that interference takes.
    seed
        The same seed gives the same meters and the same losses.
    """
    cancel_on_terminate()
    configure("warning", json=json)
    numbers = range(first, first + (1 if adapter is not None else meters))
    wish = _Wish(numbers, adapter, port, pairing, keys, profile, distance, loss, seed)
    await _be(wish, pick_language(language), json=json)
    return Exit.OK


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be simulated; see the options."""

    numbers: range
    adapter: str | None
    port: int
    pairing: PairingOption
    keys: Path | None
    profile: str
    distance: float | None
    loss: float
    seed: int


def _check(wish: _Wish, language: Language) -> None:
    """What no single option can tell. Raises LocalError."""
    words = WORDS[language]
    if wish.numbers.stop > NUMBER_MAX + 1:
        raise LocalError(words["last"].format(number=wish.numbers.stop - 1))
    if wish.profile not in PROFILES:
        raise LocalError(words["profile"].format(profiles=", ".join(PROFILES)))
    if wish.pairing not in ("show", "none") and len(wish.numbers) != 1:
        raise LocalError(words["one"].format(option=f"--pairing {wish.pairing}"))
    if wish.keys is not None and len(wish.numbers) != 1:
        raise LocalError(words["one"].format(option="--keys"))


async def _be(wish: _Wish, language: Language, *, json: bool) -> None:
    _check(wish, language)
    clock = SystemClock()
    meters = _meters(clock, wish.seed, wish.numbers)
    async with AsyncExitStack() as stack:
        used = wish.adapter
        if used is None:
            air = _air(wish.port, wish.distance, wish.loss, wish.seed)
            used = await stack.enter_async_context(air)
        for number, meter in zip(wish.numbers, meters, strict=True):
            policy = await _policy(wish.pairing, _address(number), language, json=json)
            own = StationSettings(wish.adapter or f"air:{AIR}", _address(number), keys=wish.keys)
            station = await Station.open(own, clock, policy)
            stack.push_async_callback(station.aclose)
            settings = NodeSettings(profile=wish.profile, name=f"m{number}")
            await stack.enter_async_context(_meter(station, settings, meter, clock))
        rows = [
            (_address(number), meter.address)
            for number, meter in zip(wish.numbers, meters, strict=True)
        ]
        _announce(used, rows, language, json=json)
        await asyncio.get_running_loop().create_future()


def _address(number: int) -> str:
    return f"F0:00:00:00:00:{number:02X}"


@asynccontextmanager
async def _air(port: int, distance: float | None, loss: float, seed: int) -> AsyncIterator[str]:
    """A virtual air with a port; gives what others name as their adapter."""
    if distance is None and not loss:
        air = Air()
    else:
        radio = Radio(seeded(seed, "air"), Setting(packet_loss=loss))
        places = ((_address(number), (distance or 1.0, 0.0)) for number in range(256))
        radio.places.update(places)
        air = Air(radio)
    name_air(AIR, air)
    server = AirServer(air)
    await server.open(port)
    try:
        yield server.adapter
    finally:
        await server.aclose()


@asynccontextmanager
async def _meter(
    station: Station, settings: NodeSettings, meter: SimulatedMeter, clock: Clock
) -> AsyncIterator[None]:
    """A meter behind a node of its own."""
    near, bus = pair()
    node = Node(station, settings, DLT645, clock, seeded(1, station.address), bus=bus)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_meters(near, [meter], clock))
        running = tasks.create_task(node.run())
        try:
            yield
        finally:
            running.cancel()
            await bus.aclose()


def _meters(clock: Clock, seed: int, numbers: range) -> list[SimulatedMeter]:
    if not numbers:
        return []
    area = TransformerArea(
        seed, start=clock.now(), meters=numbers.stop + 2, concentrators=1, buses=1
    )
    customers = [place.meter for place in area.places if place.kind != "supply"]
    return [customers[number - 1] for number in numbers]


async def _policy(
    pairing: PairingOption, address: str, language: Language, *, json: bool
) -> Pairing:
    if pairing == "none":
        return Pairing(enforced=False)
    if pairing != "show":
        return await asking(pairing, language)

    def show(number: int) -> None:
        if json:
            print_json({"address": address, "passkey": f"{number:06d}"})
        else:
            say(WORDS[language]["passkey"].format(address=address, number=number))

    return Pairing(Way.SHOW, Asked(show=show), is_open=True)


def _announce(
    adapter: str, rows: Sequence[tuple[str, str]], language: Language, *, json: bool
) -> None:
    if json:
        found = [{"address": address, "meter": meter} for address, meter in rows]
        print_json({"adapter": adapter, "meters": found})
        return
    print_table(WORDS[language]["headings"], rows)
    say(WORDS[language]["air"].format(adapter=adapter))

"""``kwhub ble nodes``: run a node of this machine and watch the devices around it."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.registry import NodeView, StateChange
from kwhub.bluetooth.standing import StandingNode
from kwhub.bluetooth.states import STATES
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.cli.ble_file import NodeFile, read_node_file
from kwhub.cli.ble_ways import WayOption, asking
from kwhub.cli.logs import configure
from kwhub.cli.output import (
    ZH,
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
from kwhub.domain.errors import ConfigError
from kwhub.exchange.passing_others import DIALECTS
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["ble_nodes"]

WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "headings": (
            "address",
            "meter",
            "state",
            "why",
            "dBm",
            "asked",
            "unanswered",
            "last heard",
        ),
        "serial": "serial face: {path}",
        "gone": "The adapter is gone; it is opened again as soon as it is there.",
        "back": "The adapter is there again.",
    },
    "zh": {
        "headings": ("蓝牙地址", "表号", "状态", "原因", "dBm", "请求", "无应答", "最近通信"),
        "serial": "串口：{path}",
        "gone": "蓝牙适配器已断开，恢复后自动重新打开。",
        "back": "蓝牙适配器已恢复。",
    },
}


async def ble_nodes(
    file: Path,
    *,
    seconds: Annotated[float | None, Parameter(validator=Number(gt=0, lte=86_400))] = None,
    pairing: WayOption | None = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Run the node that a file describes, and tell how the devices around it are.

    Each change of state is one line as it happens. With --seconds it ends after so long with a
    table, and the exit code is 3 when a device is not online. Example:

        kwhub ble nodes collector.toml --seconds 30

    Parameters
    ----------
    file
        Settings of the node (see the how-to on Bluetooth).
    seconds
        End after so long; otherwise Ctrl-C ends it.
    pairing
        Let masters pair with this node while it runs: compare, type, show or oob, asked here. Without
        it nobody new may.
    """
    cancel_on_terminate()
    configure("warning", json=json)
    spoken, clock = pick_language(language), SystemClock()
    settings = read_node_file(file)
    if settings.keys is None and not settings.unsecured:
        raise ConfigError("is missing; write the file with the bonds", file=str(file), key="keys")
    async with AsyncExitStack() as stack:
        policy = Pairing() if pairing is None else await asking(pairing, spoken)
        policy.enforced = not settings.unsecured
        own = _Own(settings, file.parent, clock, policy)
        if settings.bus is not None:
            own.bus = await open_link(settings.bus, clock=clock)
            stack.push_async_callback(own.bus.aclose)
        standing = StandingNode(
            await own.station(), own.station, own.node, clock, seeded(1, "adapter")
        )
        stack.push_async_callback(standing.aclose)
        if settings.serial is not None:
            standing.face = await _face(stack, settings.serial, spoken, json=json)
        standing.node.registry.told = lambda change: _tell(change, spoken, json=json)
        standing.told = lambda *, is_there: _tell_adapter(spoken, is_there=is_there, json=json)
        views = await _run(standing, seconds)
    _show(views, spoken, json=json)
    return Exit.OK if all(view.state.value == "online" for view in views) else Exit.LINK


@dataclass(slots=True)
class _Own:
    """What a node is made of, again whenever its adapter was gone."""

    settings: NodeFile
    folder: Path
    clock: Clock
    policy: Pairing
    bus: Link | None = None

    async def station(self) -> Station:
        """Open the adapter."""
        settings = self.settings
        keys = None if settings.keys is None else self.folder / settings.keys
        own = StationSettings(settings.adapter, name=settings.node.name, keys=keys)
        return await Station.open(own, self.clock, self.policy)

    def node(self, station: Station, before: NodeSettings | None) -> Node:
        """Make a node; what was changed is in its file, or else in memory."""
        settings = self.settings
        kept = None if settings.kept is None else self.folder / settings.kept
        told = settings.node if kept is not None or before is None else before
        return Node(
            station,
            told,
            DIALECTS[settings.protocol],
            self.clock,
            seeded(1, station.address),
            bus=self.bus,
            kept=kept,
        )


async def _face(stack: AsyncExitStack, serial: str, language: Language, *, json: bool) -> Link:
    link = await open_link(serial, clock=SystemClock())
    stack.push_async_callback(link.aclose)
    path = link.facts.address.replace("pty:", "", 1)
    if json:
        print_json({"serial": path})
    else:
        say(WORDS[language]["serial"].format(path=path))
    return link


async def _run(standing: StandingNode, seconds: float | None) -> list[NodeView]:
    """Work for so long; how the devices are then, while their links are still there."""
    working = asyncio.ensure_future(standing.run())
    try:
        await asyncio.wait([working], timeout=seconds)
        standing.node.registry.check()
        return list(standing.node.registry)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def _tell_adapter(language: Language, *, is_there: bool, json: bool) -> None:
    if json:
        print_json({"adapter": "back" if is_there else "gone"})
    else:
        say(WORDS[language]["back" if is_there else "gone"])


def _tell(change: StateChange, language: Language, *, json: bool) -> None:
    if json:
        print_json(
            {
                "at": change.at.isoformat(),
                "address": change.address,
                "meter": change.meter,
                "before": change.before.value,
                "state": change.after.value,
                "why": change.why.cause.value,
                "detail": str(change.why),
            }
        )
        return
    place = language == ZH
    before, after = STATES[change.before][place], STATES[change.after][place]
    words = change.why.words[place]
    why = f" ({words})" if words else ""
    say(f"{_time(change.at)}  {change.address}  {before} -> {after}{why}")


def _show(views: list[NodeView], language: Language, *, json: bool) -> None:
    if json:
        print_json({"nodes": [_as_json(view) for view in views]})
        return
    words = WORDS[language]
    rows = [
        (
            view.address,
            view.meter or "",
            STATES[view.state][language == ZH],
            view.why.words[language == ZH],
            "" if view.signal_dbm is None else str(view.signal_dbm),
            str(view.requests),
            str(view.unanswered),
            "" if view.last_heard is None else _time(view.last_heard),
        )
        for view in views
    ]
    print_table(words["headings"], rows, right=(4, 5, 6), whole=(0, 1))


def _as_json(view: NodeView) -> dict[str, Any]:
    return {
        "address": view.address,
        "meter": view.meter,
        "state": view.state.value,
        "why": view.why.cause.value,
        "detail": str(view.why),
        "connected": view.is_connected,
        "rssi_dbm": view.signal_dbm,
        "requests": view.requests,
        "unanswered": view.unanswered,
        "repeated": view.repeated,
        "violations": view.violations,
        "last_heard": None if view.last_heard is None else view.last_heard.isoformat(),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")

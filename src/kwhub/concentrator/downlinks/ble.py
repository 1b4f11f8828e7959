"""Meters with Bluetooth: one link for each device, kept by a node; read like those on a wire.

The node looks for the device that a meter stands behind, makes lost links again, and inspects what passes.
Meters that the head-end has added (04-F10) and of which the settings name no device are looked for behind
the gateways.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings, Role, SlaveSettings
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.registry import Limits, NodeRegistry, NodeView
from kwhub.bluetooth.states import NodeState
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.concentrator.bus import Parts
from kwhub.concentrator.config_bluetooth import (
    DEVICES_MAX,
    BluetoothMeterSettings,
    BluetoothSettings,
)
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.devices import Device, Trouble
from kwhub.concentrator.downlinks.present import present
from kwhub.concentrator.downlinks.wired import WiredBus
from kwhub.concentrator.line import Habits
from kwhub.concentrator.plan import Plan, PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.exchange.passing import DLT645
from kwhub.links.base import Link
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.session import Role as Side
from kwhub.protocols.dlt645.session import Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock

__all__ = ["BluetoothBus"]

ASKER = "concentrator"
CHECK_S = 10.0
"""How often devices are looked at for what nobody tells, such as one that was never heard."""

TROUBLES = {
    NodeState.SILENT: Trouble.SILENT,
    NodeState.UNPAIRED: Trouble.UNPAIRED,
    NodeState.REPLACED: Trouble.REPLACED,
    NodeState.WRONG: Trouble.WRONG,
}
LEAST_WAIT_S = 1.0
"""A packet that is lost is sent again some connection intervals later; no wait is shorter than this."""


class BluetoothBus(WiredBus):
    """An adapter with its meters. A turn belongs to one meter, as on a wire.

    Attributes:
        node: keeps the links; None while the adapter is not open.
    """

    settings: BluetoothSettings

    def __init__(self, settings: BluetoothSettings, plan: Plan, parts: Parts) -> None:
        self.node: Node | None = None
        self._began_s = parts.clock.monotonic()
        self._is_unplugged = False
        self._registry = _registry(settings, parts.clock)
        super().__init__(settings, plan, parts)

    async def serve(self) -> None:
        """See Bus; the links with the devices come and go without it."""
        try:
            station = await self._open_station()
            try:
                await self._with(station)
            finally:
                self.node = None
                await station.aclose()
        except LinkDown:
            self.counters.link_failures += 1
            self._look_without_adapter()
            raise

    async def read_now(self, meter: PlannedMeter) -> list[Shown]:
        """See Bus."""
        return list(await self._up().talk(present(meter), meter.settings.address))

    async def _open_station(self) -> Station:
        settings = self.settings
        keys = Path(settings.keys) if settings.keys else None
        own = StationSettings(settings.adapter, name=settings.name, keys=keys)
        return await Station.open(own, self._clock, Pairing(enforced=not settings.unsecured))

    async def _with(self, station: Station) -> None:
        """Work until the adapter is gone."""
        node = self.node = Node(
            station, _node_settings(self.settings), DLT645, self._clock, seeded(1, station.address)
        )
        node.registry.told = lambda _change: self._look()
        self._registry = node.registry
        self._began_s = self._clock.monotonic()
        self._is_unplugged = False
        near, far = pair()
        failed: KwhubError | OSError | None = None
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(node.run()),
                tasks.create_task(self._watch()),
                tasks.create_task(_attend(node, far)),
                tasks.create_task(self._until_gone(station, far)),
            ]
            try:
                await self._serve(near)
            except (KwhubError, OSError) as error:
                failed = error
            finally:
                for each in background:
                    each.cancel()
        if failed is not None:
            raise failed

    def _habits(self) -> Habits:
        times = AnswerTimes(self.settings.answer_timeout_s, least_s=LEAST_WAIT_S)

        def session(address: str) -> Session:
            return Session(
                Side.MASTER,
                answer_times=times,
                baud=self.settings.baud,
                deviations=self.settings.deviations(address),
            )

        return Habits(session, self.settings.baud, self.settings.attempts)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(CHECK_S)
            self._look()

    async def _until_gone(self, station: Station, link: Link) -> None:
        """Cut the link when the adapter is gone, also while the bus rests, so that it is opened afresh."""
        await station.gone()
        self._is_unplugged = True
        await link.aclose()
        self._wake.set()

    async def _round(self) -> int:
        """See Bus; with nobody to ask, it would not notice that the adapter is gone."""
        if self._is_unplugged:
            raise LinkDown(f"{self.settings.name}: the adapter is gone")
        return await super()._round()

    def _look_without_adapter(self) -> None:
        """Tell who is silent meanwhile; looked at whenever the adapter is looked for."""
        registry = self._registry
        for view in list(registry):
            if view.is_connected:
                registry.connected(view.address, is_connected=False)
        registry.check()
        self._look()

    def _look(self) -> None:
        """Tell how each device is; whoever hears it knows what he has heard before."""
        told = self.on_device
        for view in self._registry:
            if told is not None and not self._is_too_early(view):
                trouble = TROUBLES.get(view.state, Trouble.NONE)
                with suppress(StoreError):  # the store tells it by itself; the next look comes soon
                    told(Device(view.address, self._points(view.address), trouble))

    def _is_too_early(self, view: NodeView) -> bool:
        """Whether a device that was not heard yet may still be heard in time."""
        waited_s = self._clock.monotonic() - self._began_s
        is_new = view.state is NodeState.SILENT and view.last_heard is None
        return is_new and waited_s < self.settings.silent_s

    def _points(self, device: str) -> tuple[int, ...]:
        """The measuring points behind a device."""
        return tuple(
            meter.point
            for meter in self.meters
            if isinstance(meter.settings, BluetoothMeterSettings)
            and meter.settings.device == device
        )


async def _attend(node: Node, concentrator: Link) -> None:
    with suppress(LinkDown):  # the concentrator tells it better
        await node.attend(concentrator, ASKER)


def _registry(settings: BluetoothSettings, clock: Clock) -> NodeRegistry:
    """Who is watched while there was no adapter yet."""
    registry = NodeRegistry(clock, Limits(silent_s=settings.silent_s, gone_s=settings.gone_s))
    for address in settings.devices:
        registry.enter(address)
    return registry


def _node_settings(settings: BluetoothSettings) -> NodeSettings:
    slaves = tuple(SlaveSettings(each, meters) for each, meters in settings.devices.items())
    return NodeSettings(
        role=Role.MASTER,
        slaves_max=DEVICES_MAX,
        slaves=slaves,
        answer_s=settings.answer_timeout_s,
        heartbeat_s=settings.heartbeat_s,
        silent_s=settings.silent_s,
        gone_s=settings.gone_s,
    )

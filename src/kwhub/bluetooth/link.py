"""``ble:ADDRESS?adapter=usb:0&keys=FILE``: a device with transparent transmission over Bluetooth.

``adapter`` is a controller: ``usb:0``, ``serial:/dev/ttyACM0,1000000``, ``hci-socket:0``,
``tcp-client:HOST:PORT``, or ``air:NAME`` for a virtual one inside this process. ``keys`` is the file
with the bonds of this side, made by ``kwhub ble pair``; ``security=none`` needs none and suits
modules that cannot be paired. ``profile`` (nus, ffe0, fff0) picks one when a device offers several.
Links over the same adapter share it.
"""

import asyncio
from pathlib import Path

from kwhub.bluetooth.gatt_links import MasterLink
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.stack import to_address
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.layers.layer import Layer
from kwhub.runtime.clock import Clock

__all__ = ["BleLink", "open_address", "shared_station"]

OPTIONS = ("adapter", "keys", "security", "profile", "own")
SECURITY = {"paired": True, "none": False}


class _Shared:
    """A station that several links of this process use."""

    def __init__(self, settings: StationSettings, *, enforced: bool) -> None:
        self.settings = settings
        self.enforced = enforced
        self.users = 0
        self._station: Station | None = None
        self._lock = asyncio.Lock()

    async def acquire(self, clock: Clock) -> Station:
        async with self._lock:
            if self._station is None:
                pairing = Pairing(enforced=self.enforced)
                self._station = await Station.open(self.settings, clock, pairing)
            return self._station

    async def release(self) -> None:
        self.users -= 1
        async with self._lock:
            if self.users == 0 and self._station is not None:
                station, self._station = self._station, None
                await station.aclose()


_shared: dict[tuple[StationSettings, bool], _Shared] = {}
"""Stations in use, by what they were asked for with."""


def shared_station(settings: StationSettings, *, enforced: bool) -> _Shared:
    """The station for these settings, counted as used once more; ``release`` it."""
    key = (settings, enforced)
    shared = _shared.get(key)
    if shared is None or shared.users == 0:
        shared = _shared[key] = _Shared(settings, enforced=enforced)
    shared.users += 1
    return shared


class BleLink(Layer):
    """A master's link together with its part in the adapter."""

    def __init__(self, inner: MasterLink, text: str, shared: _Shared) -> None:
        super().__init__(inner)
        self._facts = LinkFacts(text.partition("?")[0])
        self._used: _Shared | None = shared

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return self._facts

    async def aclose(self) -> None:
        """See Link."""
        await self.inner.aclose()
        used, self._used = self._used, None
        if used is not None:
            await used.release()


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Connect to a device.

    Raises:
        ConfigError: address or options are wrong.
        NotPaired: nobody has paired with it.
        BondLost: it does not know us any more.
        LinkDown: adapter or device are not there.
    """
    address.allow(*OPTIONS)
    to_address(address.target)
    enforced = address.choice("security", True, SECURITY)  # noqa: FBT003 - the default of the option
    names = {name: name for name in PROFILES}
    profile = address.choice("profile", None, names)
    shared = shared_station(_settings(address, enforced=enforced), enforced=enforced)
    try:
        station = await shared.acquire(clock)
        link = await station.connect(address.target, profile=profile)
    except BaseException:
        await shared.release()
        raise
    return BleLink(link, address.text, shared)


def _settings(address: LinkAddress, *, enforced: bool) -> StationSettings:
    adapter, keys = address.options.get("adapter"), address.options.get("keys")
    if adapter is None:
        raise address.wrong("ble: needs an adapter, such as ?adapter=usb:0")
    if enforced and keys is None:
        raise address.wrong(
            "ble: needs the file with the bonds (keys=FILE, made by kwhub ble pair), or security=none"
        )
    own = address.options.get("own")
    return StationSettings(adapter, own, keys=Path(keys) if keys is not None else None)

"""What the commands of ``kwhub ble`` have in common: the adapter, the keys, the station."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.runtime.clock import Clock

__all__ = ["ADAPTER", "AdapterOption", "KeysOption", "opened"]

ADAPTER = "usb:0"
AdapterOption: TypeAlias = Annotated[
    str,
    Parameter(
        name="--adapter",
        env_var="KWHUB_BLE_ADAPTER",
        help="Bluetooth controller: usb:0, serial:/dev/ttyACM0,1000000, hci-socket:0 or "
        "tcp-client:127.0.0.1:6402; otherwise KWHUB_BLE_ADAPTER.",
    ),
]
KeysOption: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--keys",
        env_var="KWHUB_BLE_KEYS",
        help="File with the bonds of this side, readable by its owner only; otherwise "
        "KWHUB_BLE_KEYS.",
    ),
]


@asynccontextmanager
async def opened(
    adapter: str, keys: Path | None, clock: Clock, pairing: Pairing | None = None
) -> AsyncIterator[Station]:
    """A station of this side, closed at the end.

    Raises:
        ConfigError: adapter or key file are wrong.
        LinkDown: the adapter cannot be opened.
    """
    station = await Station.open(StationSettings(adapter, keys=keys), clock, pairing)
    try:
        yield station
    finally:
        await station.aclose()

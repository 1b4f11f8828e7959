"""The settings of the Bluetooth meters below a concentrator: one adapter, one link for each device."""

from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from kwhub.bluetooth.registry import silent_least_s
from kwhub.catalog.quirks import deviations_named
from kwhub.concentrator.config_downlinks import MeterSettings, Name, PortNumber, QuirkNames
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.deviations import Deviations
from kwhub.runtime.settings import Settings, WrongSetting

__all__ = ["DEVICES_MAX", "BluetoothMeterSettings", "BluetoothSettings"]

DEVICES_MAX = 20
"""More links no controller keeps up with."""

DeviceAddress: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^([C-F][0-9A-F](:[0-9A-F]{2}){5}|[0-9A-F]{2}(:[0-9A-F]{2}){5}/P)$",
        description="six bytes in quotes, such as 'F0:12:34:56:78:9A', with /P when it is public",
    ),
]
Silence = Annotated[float, Meta(ge=1, le=604_800)]


class BluetoothMeterSettings(MeterSettings, frozen=True, kw_only=True):
    """One meter, and the device that it talks by."""

    device: DeviceAddress  #: its own, or that of a node with several meters behind it


class BluetoothSettings(Settings, frozen=True):
    """One Bluetooth adapter with the meters that are reached by it."""

    baud: ClassVar[int] = 115_200  # of no meaning but for the length of pauses

    name: Name
    adapter: Annotated[str, Meta(description="a Bluetooth controller, such as 'usb:0'")]
    port: PortNumber  #: under this number the head-end reaches the meters
    keys: str = ""  #: file with the bonds, made by kwhub ble pair; in a file: relative to it
    unsecured: bool = False  #: let links without pairing pass data
    gateways: tuple[DeviceAddress, ...] = ()  #: asked for meters that the head-end has added
    answer_timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 3.0
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    heartbeat_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0  #: between signs of life
    silent_s: Silence = 180.0  #: unheard for so long is an event; well above heartbeat_s
    gone_s: Annotated[float, Meta(ge=0.5, le=86_400)] = 60.0  #: and so is no link for so long
    quirk: QuirkNames = ""  #: what all its meters do otherwise
    meter: tuple[BluetoothMeterSettings, ...] = ()

    def __post_init__(self) -> None:
        if not self.keys and not self.unsecured:
            raise WrongSetting("keys", "is missing; write the file with the bonds")
        if len(self.devices) > DEVICES_MAX:
            raise WrongSetting(
                "meter", f"stand behind more than {DEVICES_MAX} devices; add an adapter"
            )
        least_s = silent_least_s(self.heartbeat_s, self.answer_timeout_s)
        if self.silent_s < least_s:
            raise WrongSetting(
                "silent_s",
                f"must be at least {least_s:g} with heartbeat_s = {self.heartbeat_s:g} and "
                f"answer_timeout_s = {self.answer_timeout_s:g}; raise it, or lower heartbeat_s",
            )
        for number, meter in enumerate(self.meter):
            try:
                deviations_named(f"{self.quirk} {meter.quirk}".split())
            except LocalError as error:
                raise WrongSetting(f"meter[{number}].quirk", str(error)) from error

    @property
    def address(self) -> str:
        """For people; links are made to each device apart."""
        return f"ble:?adapter={self.adapter}"

    @property
    def devices(self) -> dict[str, tuple[str, ...]]:
        """The meters that are known to stand behind each device; none for a gateway, which may have any."""
        found: dict[str, tuple[str, ...]] = {}
        for meter in self.meter:
            found[meter.device] = (*found.get(meter.device, ()), meter.address)
        return found | dict.fromkeys(self.gateways, ())

    def deviations(self, address: str) -> Deviations:
        """How the meter of an address differs from the standard."""
        own = (meter.quirk for meter in self.meter if meter.address == address)
        return deviations_named(f"{self.quirk} {' '.join(own)}".split())

    def within(self, folder: Path) -> "BluetoothSettings":
        """The same with the key file in a folder."""
        return replace(self, keys=str(folder / self.keys)) if self.keys else self

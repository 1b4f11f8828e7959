"""The right way down for its settings."""

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.bus import Bus, Parts
from kwhub.concentrator.config import Downlink
from kwhub.concentrator.config_bluetooth import BluetoothSettings
from kwhub.concentrator.config_downlinks import MbusSettings, ModuleSettings
from kwhub.concentrator.downlinks.mbus import MbusLine
from kwhub.concentrator.downlinks.module import ModuleBus
from kwhub.concentrator.downlinks.readouts import Readouts
from kwhub.concentrator.downlinks.wired import WireBus
from kwhub.concentrator.plan import Plan

__all__ = ["make_bus"]


def make_bus(settings: Downlink, plan: Plan, parts: Parts, archive: Archive) -> Bus:
    """The way down, with the meters that the archive says."""
    bus: Bus
    if isinstance(settings, MbusSettings):
        bus = MbusLine(settings, plan, parts, Readouts(archive))
    elif isinstance(settings, ModuleSettings):
        bus = ModuleBus(settings, plan, parts)
    elif isinstance(settings, BluetoothSettings):
        from kwhub.concentrator.downlinks.ble import BluetoothBus  # noqa: PLC0415 - an extra brings it

        bus = BluetoothBus(settings, plan, parts)
    else:
        bus = WireBus(settings, plan, parts)
    bus.assign(plan, archive.meters(settings))
    return bus

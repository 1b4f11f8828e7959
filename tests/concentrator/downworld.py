"""A world with all three ways down: wires of the area, an M-Bus line, a module with a network behind it."""

from functools import cache
from typing import Any

from msgspec import structs
from tests.concentrator.world import START, World
from tests.sim.plc_world import addresses, meters

from kwhub.concentrator.config import MbusMeterSettings, MbusSettings, MeterSettings, ModuleSettings
from kwhub.domain.errors import LinkDown
from kwhub.links.drive import Attendant
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376_2.afn_06 import OutageReport
from kwhub.protocols.gdw1376_2.messages import Initiate, order_of
from kwhub.protocols.mbus.identity import Identity
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.mbus import MbusBus, MbusMeter
from kwhub.sim.plc import PlcModule
from kwhub.sim.plc_network import PlcNetwork, PlcSettings

MBUS_FIRST, MODULE_FIRST = 501, 1001
"""First points."""
MEDIA = ((0x07, "water"), (0x06, "hot-water"), (0x04, "heat"), (0x03, "gas"), (0x02, "electricity"))
SCALES = {0x07: 3, 0x06: 3, 0x04: 0, 0x03: 3, 0x02: 2}
"""Digits after the point of each medium's counter in the unit of its register."""


@cache
def plc_meters(count):
    return tuple(meters(count))


class Downworld(World):
    """Args: mbus, modules: how many meters; mbus_more: settings of M-Bus meters; line_more, module_more: of a way down."""

    def __init__(
        self,
        clock,
        path,
        *,
        mbus=0,
        plc=0,
        mbus_more=(),
        line_more=(),
        module_more=(),
        line=None,
        **more,
    ) -> None:
        super().__init__(clock, path, **more)
        self.slaves = [
            MbusMeter(Identity(f"{40_000_000 + n:08d}", 0x2C2D, 1, MEDIA[n % 5][0]), n + 1)
            for n in range(mbus)
        ]
        self.module: Any = None
        self.network: Any = None
        self._module_end: Any = None
        self.mbus_up = True
        self.plc_settings = line or PlcSettings()
        self.plc = plc_meters(plc)
        lines = (
            MbusSettings(
                "mbus-1",
                "memory:mbus",
                20,
                meter=tuple(self._slave(n, dict(mbus_more)) for n in range(mbus)),
                **dict(line_more),
            ),
        )
        modules = (
            ModuleSettings(
                "module-1",
                "memory:module",
                31,
                meter=tuple(
                    MeterSettings(address, MODULE_FIRST + n)
                    for n, address in enumerate(addresses(plc))
                ),
                **dict(module_more),
            ),
        )
        self.config = structs.replace(
            self.config, mbus=lines if mbus else (), module=modules if plc else ()
        )

    def _slave(self, number, more):
        # Every other one by its number instead of its primary address.
        text = self.slaves[number].identity.number if number % 2 else str(number + 1)
        kind: Any = MEDIA[number % 5][1]
        return MbusMeterSettings(text, MBUS_FIRST + number, kind, **{"every": "hourly", **more})

    def bus(self, name):
        """A way down of the running concentrator."""
        return next(bus for bus in self.concentrator.buses if bus.settings.name == name)

    def planned(self, until):
        """See World; every way down."""
        begin = int(START.timestamp()) - 1
        return {
            slot
            for bus in self.concentrator.buses
            for meter in bus.meters
            for series in meter.series
            for slot in bus._plan.slots(series, meter.point, begin, int(until.timestamp()))
        }

    def _meters(self, point):
        if point >= MODULE_FIRST:
            return {self.plc[point - MODULE_FIRST]}
        return super()._meters(point)

    def _is_true(self, slot, value):
        if MBUS_FIRST <= slot.point < MODULE_FIRST:
            return value is not None
        return super()._is_true(slot, value)

    def _unseen(self, place, values):
        if not MBUS_FIRST <= place[0] < MODULE_FIRST:
            return super()._unseen(place, values)
        return [each for each in values.items() if not self.was_counted(*each)]

    def was_counted(self, slot, value):
        """Whether the meter on M-Bus has counted so much between the moment and the end of its window."""
        slave = self.slaves[slot.point - MBUS_FIRST]
        scale = SCALES[slave.identity.medium]
        stop = slot.at + self.config.plan.hourly_window_s
        return slave.counter(slot.at) <= value.scaleb(scale) <= slave.counter(stop)

    async def _open_link(self, address):
        if address not in {"memory:mbus", "memory:module"}:
            return await super()._open_link(address)
        near, far = pair(baud=9_600)
        epoch_s = self.clock.now().timestamp() - self.clock.monotonic()
        if address == "memory:mbus":
            if not self.mbus_up:
                raise LinkDown("the converter is off")
            machine: Any = MbusBus(self.slaves, epoch_s=epoch_s)
        else:
            self.network = self.network or PlcNetwork(
                self.plc, seed=self.seed, epoch_s=epoch_s, settings=self.plc_settings
            )
            machine = self.module = PlcModule(self.network, started_at=self.clock.monotonic())
        attendant = Attendant(far, machine, self.clock, lambda _event: None)
        if machine is self.module:
            self._module_end = attendant
        self._spawn(attendant.run())
        return near

    async def say(self, report):
        """Have the module report something."""
        await self._module_end.send(Initiate(order_of(report)))

    async def power(self, addresses, *, lost):
        """Cut or return the power of meters behind the module, which reports it."""
        for address in addresses:
            self.network.nodes[address].powered = not lost
        await self.say(OutageReport(lost, tuple(addresses)).to_report())


def play_down(story, path, **settings):
    """Run ``story(world)`` on virtual time; what it returns."""

    async def main(clock):
        return await story(Downworld(clock, path, **settings))

    return run_virtual(main, start=START)


__all__ = ["MBUS_FIRST", "MEDIA", "MODULE_FIRST", "Downworld", "play_down"]

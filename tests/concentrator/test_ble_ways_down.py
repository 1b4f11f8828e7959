"""The other ways down of a concentrator, with a Bluetooth node in between: a local module, M-Bus."""

from datetime import timedelta
from itertools import count

import pytest
from tests.bluetooth.stations import METER, free
from tests.concentrator.downworld import MBUS_FIRST, Downworld
from tests.concentrator.world import START

from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings, Role
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.exchange.passing_others import DIALECTS
from kwhub.links.address import open_link
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.plc_network import PlcSettings

_numbers = count(1)
PROTOCOLS = {"memory:module": "gdw1376.2", "memory:mbus": "mbus"}


class Blueworld(Downworld):
    """A node of its own stands before the module and before the M-Bus."""

    inspection = InspectionMode.REFUSE
    node: Node

    async def _open_link(self, address):
        bus = await super()._open_link(address)
        if address not in PROTOCOLS:
            return bus
        air = f"air:down-{next(_numbers)}"
        station = await Station.open(StationSettings(air, METER), self.clock, free())
        settings = NodeSettings(role=Role.SLAVE, inspection=self.inspection)
        dialect = DIALECTS[PROTOCOLS[address]]
        self.node = Node(station, settings, dialect, self.clock, seeded(1, METER), bus=bus)
        self._spawn(self.node.run())
        await self.clock.sleep(0)
        return await open_link(f"ble:{METER}?adapter={air}&security=none", clock=self.clock)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behind", "mode"),
    [
        ({"plc": 3}, InspectionMode.REFUSE),
        ({"plc": 3, "module_more": {"led_by": "module"}}, InspectionMode.OFF),
        ({"mbus": 3}, InspectionMode.REFUSE),
        ({"mbus": 3}, InspectionMode.OFF),
    ],
)
def test_nothing_is_missing_that_was_planned(tmp_path, behind, mode):
    async def main(clock):
        quiet = PlcSettings(loss_permille=0)
        world = Blueworld(clock, tmp_path / "store.sqlite", meters=4, line=quiet, **behind)
        world.inspection = mode
        world.start()
        await world.until(hours=2, minutes=50)
        planned = world.planned(START + timedelta(hours=2))
        assert len({slot.point for slot in planned if slot.point >= MBUS_FIRST}) == 3
        missing = planned - world.delivered()
        await world.stop()
        return missing, world.invented(), dict(world.node.inspection.counts)

    assert run_virtual(main, start=START) == (set(), [], {})

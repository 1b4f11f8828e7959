"""The same concentrator on the real clock over loopback TCP, from settings in a file."""

import asyncio

import pytest
from tests.concentrator.station import SHANGHAI, Station

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import load
from kwhub.concentrator.plan import Plan
from kwhub.links.drive import Attendant
from kwhub.links.tcp_listen import serve
from kwhub.protocols.gdw1376.session import Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

SETTINGS = """
[concentrator]
region = "4101"
terminal = 2082
store = "concentrator.sqlite"

[uplink]
address = "{uplink}"

[plan]
history_days = 0
hourly = false

[[bus]]
name = "bus-1"
address = "{bus}"
port = 2
baud = 19200
"""
PATIENCE_S = 20


@pytest.mark.slow
async def test_a_morning_is_read_and_reported_at_once(tmp_path):
    clock = SystemClock()
    now = clock.now().astimezone(SHANGHAI)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    area = TransformerArea(1, start=midnight, meters=3, concentrators=1, buses=1)
    station = Station(clock)

    async def attend_meters(link):
        await serve_meters(link, area.bus(1), clock, reply_delay_s=0)

    async def attend_terminal(link):
        await Attendant(link, Session(Role.STATION), clock, station._heard).run()

    meters = await serve("tcp-listen:127.0.0.1:0", attend_meters, clock)
    head_end = await serve("tcp-listen:127.0.0.1:0", attend_terminal, clock)
    text = SETTINGS.format(
        uplink=head_end.address.replace("-listen", ""), bus=meters.address.replace("-listen", "")
    )
    for place in area.places:
        text += f'[[bus.meter]]\naddress = "{place.meter.address}"\npoint = {place.point}\n'
    (tmp_path / "site.toml").write_text(text)
    concentrator = Concentrator(load(tmp_path / "site.toml"), clock, chance=seeded(1))
    task = asyncio.create_task(concentrator.run())
    plan = Plan(concentrator.config.plan, SHANGHAI)
    span = (int(midnight.timestamp()) - 1, plan.settled_hour(int(now.timestamp())))
    planned = {
        slot
        for meter in concentrator.buses[0].meters
        for series in meter.series
        for slot in plan.slots(series, meter.point, *span)
    }
    async with asyncio.timeout(PATIENCE_S):
        while not planned <= station.values.keys():
            await station.changed.wait()
            station.changed.clear()
    task.cancel()
    await asyncio.wait([task])
    concentrator.close()
    await head_end.aclose()
    await meters.aclose()
    assert station.repeated == []
    assert (tmp_path / "concentrator.sqlite").exists()

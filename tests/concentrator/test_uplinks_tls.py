"""A concentrator and a head-end with certificates on both sides, over real sockets."""

import asyncio
from decimal import Decimal

import pytest
from tests.concentrator.station import SHANGHAI
from tests.concentrator.test_uplinks import ENERGY, QUARTER_S, START_S
from tests.headend.world import ADDRESSES, config
from tests.links.authority import Authority

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.config import Identity, StandbySettings, UplinkSettings
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.concentrator.uplink import Uplink
from kwhub.concentrator.uplink_ways import Way
from kwhub.concentrator.uplinks import Uplinks
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Service
from kwhub.links.address import open_link
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

PATIENCE_S = 20


async def listening(tmp_path, clock, authority, trusted, name):
    """A head-end with a certificate of an authority, and the task that runs it."""
    cert, key = authority.issue(name)
    address = f"tls-listen:127.0.0.1:0?cert={cert}&key={key}&ca={trusted.ca}"
    settings = config(tmp_path / "unused.sqlite")
    service = Service(store=str(tmp_path / f"{name}.sqlite"), uplink=address)
    head_end = HeadEnd(Config(service, area=settings.area), clock)
    task = asyncio.ensure_future(head_end.run())
    await head_end.running.wait()
    return head_end, task


@pytest.mark.slow
async def test_the_second_way_brings_it_when_the_first_is_not_trusted(tmp_path):
    """The first way ends at a stranger that claims to be the head-end; the second at the true one."""
    clock = SystemClock()
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs", "a stranger")
    head_ends = [
        await listening(tmp_path, clock, authority, ours, name)
        for authority, name in ((theirs, "stranger"), (ours, "true"))
    ]
    cert, key = ours.issue("terminal")
    ways = [
        f"{head_end.address.replace('-listen', '')}?ca={ours.ca}&cert={cert}&key={key}"
        for head_end, _ in head_ends
    ]
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    batch = Batch(START_S)
    batch.read(Slot(2, ENERGY, QUARTER_S, START_S), ADDRESSES[1], Decimal("7.25"), "test")
    outbox.keep(batch)
    uplink = Uplink(
        Identity("4101", 2082),
        UplinkSettings(ways[0], reconnect_first_s=0.01, failures_max=1),
        outbox,
        Answers(outbox, [], SHANGHAI),
        clock=clock,
        open_link=lambda address: open_link(address, clock=clock),
        ports={},
        counters=UplinkCounters(),
    )
    uplink.ways.append(Way("standby", StandbySettings(ways[1])))
    running = asyncio.ensure_future(
        Uplinks(uplink, uplink.ways, clock=clock, chance=seeded(1)).run()
    )
    async with asyncio.timeout(PATIENCE_S):
        while outbox.counts().waiting:
            await clock.sleep(0.01)
    for task in (running, *(task for _, task in head_ends)):
        task.cancel()
        await asyncio.wait([task])
    (stranger, _), (true, _) = head_ends
    assert "a CA that is not in the ca file" in uplink.ways[0].counters.last_failure
    assert (stranger.front.counters["reports"], true.front.counters["reports"]) == (0, 1)
    assert uplink.counters.way == "standby"
    await stranger.close()
    await true.close()
    outbox.close()

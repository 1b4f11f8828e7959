"""T-15: somebody floods the air for an hour; real reads come through, and the battery is not emptied."""

import asyncio
from contextlib import suppress

import pytest
from tests.terminal.test_terminal_service import ADDRESS, START, TEXT

from kwhub.catalog.terminal_profile import EventKind
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.exchange.terminal import read_channels, read_terminal_events
from kwhub.links.drive import Driver
from kwhub.links.layers.waking import (
    AWAKE_S,
    WAKE_BYTE,
    WAKE_BYTES,
    WAKES_AN_HOUR_MAX,
    Dozing,
    Waking,
)
from kwhub.protocols.dlt645 import ReadData, Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.radio import Air, AirSettings
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal

HOUR_S = 3_600
EVERY_S = 300
PATIENCE_S = 240
"""How long a technician tries at a terminal that is under attack."""

CALL = bytes([WAKE_BYTE]) * WAKE_BYTES


def frame(address):
    """A request that is right in every bit, as anybody can make it."""
    session = Session(Role.MASTER, preamble=0)
    session.send(ReadData(address, 0x0F00_0100), 0.0)
    return session.outgoing(0.0)


FLOOD = (
    CALL,
    CALL + frame(ADDRESS),
    CALL + bytes(range(40)),
    CALL + frame("000020269900"),
)
"""Wake-ups alone, right requests, rubbish, and requests for another terminal."""


async def flood(link, clock, chance):
    """Send without an end; a node listens before it talks, and so does this one."""
    while True:
        with suppress(LinkDown):
            await link.write(chance.choice(FLOOD))
        await clock.sleep(chance.uniform(0.5, 2.5))


async def tried(asker, clock):
    """Read all channels, again and again for as long as a person would; seconds until it came, or None."""
    begun = clock.monotonic()
    while clock.monotonic() - begun < PATIENCE_S:
        with suppress(KwhubError):
            await asker.run(read_channels(ADDRESS))
            return clock.monotonic() - begun
        await clock.sleep(2)
    return None


@pytest.mark.slow
def test_t15_a_flooded_radio_lets_real_reads_through_and_spares_the_battery(tmp_path):
    (tmp_path / "word").write_text("271828\n")
    file = tmp_path / "terminal.toml"
    file.write_text(TEXT)

    async def main(clock):
        air = Air(clock, seeded(3), AirSettings(loss=0.02))
        terminal = Terminal(terminal_config.load(file), clock, chance=seeded(1))
        node = Dozing(air.node("terminal", (60, 0)), clock)
        tasks = [
            asyncio.create_task(terminal.attend(node)),
            asyncio.create_task(flood(air.node("attacker", (90, 40)), clock, seeded(5))),
        ]
        asker = Driver(Waking(air.node("handheld"), clock), Session(Role.MASTER), clock)
        begun, took = clock.monotonic(), []
        while clock.monotonic() - begun < HOUR_S:
            round_begun = clock.monotonic()
            took.append(await tried(asker, clock))
            await clock.sleep(max(0.0, EVERY_S - (clock.monotonic() - round_begun)))
        awake_s = node.awake_total_s
        tasks[1].cancel()
        await clock.sleep(HOUR_S)
        assert await tried(asker, clock) < 20  # over: as ever
        events = await asker.run(read_terminal_events(ADDRESS))
        tasks[0].cancel()
        terminal.close()
        return took, awake_s, [event.kind for event in events]

    took, awake_s, events = run_virtual(main, start=START)
    assert len(took) >= HOUR_S / EVERY_S
    assert None not in took
    assert awake_s <= WAKES_AN_HOUR_MAX * AWAKE_S
    assert set(events) == {EventKind.POWER_UP}

"""Stations on one virtual air, on virtual time."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

from kwhub.bluetooth.happenings import Happened
from kwhub.bluetooth.pairing import Asked, OutOfBand, Pairing, Way
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
METER, READER, OTHER = "F0:00:00:00:00:01", "F0:00:00:00:00:02", "F0:00:00:00:00:03"

_numbers = count(1)
HAPPENED: dict[int, list[Happened]] = {}


def on_air(main):
    """Run ``main(clock, air)``; each run has an air of its own."""
    name = f"test-{next(_numbers)}"
    return run_virtual(lambda clock: main(clock, f"air:{name}"), start=START)


@asynccontextmanager
async def station(clock, air, address, pairing=None, **settings):
    made = await Station.open(StationSettings(air, address, **settings), clock, pairing)
    made.told = HAPPENED.setdefault(id(made), []).append
    try:
        yield made
    finally:
        await made.aclose()
        del HAPPENED[id(made)]


def free():
    """No pairing: whoever comes may talk."""
    return Pairing(enforced=False)


def comparing(shown, *, says=True):
    async def same(number):
        shown.append(number)
        return says

    return Pairing(Way.COMPARE, Asked(same=same), is_open=True)


def showing(shown):
    return Pairing(Way.SHOW, Asked(show=shown.append), is_open=True)


def typing(shown, *, wrong=False):
    async def typed():
        await asyncio.sleep(1)  # a person looks at the other side first
        return (shown[-1] + wrong) % 1_000_000

    return Pairing(Way.TYPE, Asked(typed=typed), is_open=True)


def carried():
    """Two policies that have told each other out of band."""
    one, two = OutOfBand(), OutOfBand()
    one.take(two.shared)
    two.take(one.shared)
    return [Pairing(Way.OUT_OF_BAND, is_open=True, out_of_band=side) for side in (one, two)]


async def idle(_link):
    """Attend to a master without a word until it leaves."""
    while True:
        await _link.read()


async def echo(link):
    """Say back what a master says, until it leaves."""
    while True:
        await link.write(await link.read())


def told_of(made):
    return [happened.what.value for happened in HAPPENED[id(made)]]

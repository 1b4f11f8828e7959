"""How many bytes a scan puts on a bus, against the fewest that bisection needs.

Thirty-two meters of one maker with any numbers, each a talker of its own, hang on a half-duplex bus of 2400 baud on which those who
talk at once garble each other bit by bit; everything runs on virtual time. The reference counts the
bytes of a scan that never errs: everybody is asked once; each collision needs a question to each of
its hundred branches; and each question that is not met by silence costs one answer.

The first scan believes silence at once; what it spends beyond the reference is the confirmation of
each address. The second, as ``kwhub scan`` does it, asks each silent branch twice.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from benchmarks.result import Result
from kwhub.exchange.scan import ATTEMPTS, Census, Scan
from kwhub.exchange.scan_listener import Listener
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.wired import WiredBus
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import OVERHEAD_BYTES
from kwhub.protocols.dlt645.session import PREAMBLE_BYTES
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

__all__ = ["run"]

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
METERS = 32
MAKER = "002604"  # leading digits that meters of one delivery share
BAUD = 2400
SEED = 7
LOW_PAIR_DIGITS = 2
QUESTION_BYTES = PREAMBLE_BYTES + OVERHEAD_BYTES + 4
ANSWER_BYTES = OVERHEAD_BYTES + 8
SLOWEST_DELAY_S = 0.3


def _meter(address: str) -> SimulatedMeter:
    load = CustomerLoad(Kind.SHOP, 3, Climate(1, day_number(START.date())), utc_offset_s=28_800)
    return SimulatedMeter(address, load, seed=9, initial=(10, 20, 30, 40))


def _addresses(meters: list[SimulatedMeter]) -> list[str]:
    return [meter.address for meter in meters]


def _fewest_bytes(addresses: list[str], digits: int = 0) -> int:
    """Bytes below a collision of these meters, which agree in their last ``digits`` digits."""
    branches = Counter(address[-digits - LOW_PAIR_DIGITS :] for address in addresses)
    needed = 100 * QUESTION_BYTES + len(branches) * ANSWER_BYTES
    for suffix, count in branches.items():
        if count > 1:
            below = [address for address in addresses if address.endswith(suffix)]
            needed += _fewest_bytes(below, len(suffix))
    return needed


async def _scan(clock: LoopClock, attempts: int) -> tuple[int, list[str], Census]:
    chance = seeded(SEED)
    meters = [_meter(f"{MAKER}{number:06d}") for number in chance.sample(range(1_000_000), METERS)]
    bus = WiredBus(clock, baud=BAUD)
    taps: list[Link] = []
    async with asyncio.TaskGroup() as tasks:
        for meter in meters:
            taps.append(tap := bus.attach())
            delay_s = chance.uniform(0.02, SLOWEST_DELAY_S)
            tasks.create_task(serve_meters(tap, [meter], clock, reply_delay_s=delay_s))
        driver = Driver(bus.attach(), Listener(baud=BAUD), clock, attempts=1)
        scan = Scan(editions=(Edition.E2007,), attempts=attempts)
        census = await driver.run(scan.run())
        for tap in taps:
            await tap.aclose()
    return driver.bytes_out + driver.bytes_in, _addresses(meters), census


def run() -> list[Result]:
    results = []
    for attempts, least in ((1, 0.85), (ATTEMPTS, 0.45)):

        async def main(clock: LoopClock, attempts: int = attempts) -> tuple[int, list[str], Census]:
            return await _scan(clock, attempts)

        used, addresses, census = run_virtual(main, start=START)
        if sorted(census.meters) != sorted(addresses) or census.unresolved:
            raise ValueError(f"{len(census.meters)} of {len(addresses)} meters were found")
        everybody = PREAMBLE_BYTES + OVERHEAD_BYTES + OVERHEAD_BYTES + 6
        results.append(
            Result(
                f"scan {METERS} meters, silence x{attempts}",
                ours=used,
                reference=everybody + _fewest_bytes(addresses),
                unit="bytes",
                against="least that bisection needs",
                lower_is_better=True,
                least_ratio=least,
            )
        )
    return results

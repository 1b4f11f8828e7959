"""How much of the time of a meter bus the asking side really uses.

A DL/T 645 master reads an energy from a meter again and again over a pseudo terminal that is paced
in real time like a half-duplex RS-485 bus at 8E1. The physical limit is the time that the bytes
take, 11 bits each, plus the least silence before an answer that the standard demands (20 ms; the
meter spends it thinking). What is missing from the whole is ours: timers, session and driver.

The last line leaves the silence out, so that the meter's side, too, counts against us.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.result import Result
from kwhub.links.address import open_link
from kwhub.links.drive import Driver, attend
from kwhub.links.layers import Throttled
from kwhub.links.pty import PtyLink
from kwhub.protocols.dlt645.items import decode, encode
from kwhub.protocols.dlt645.messages import Asked, Data, ReadData
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

METER = "000000000038"
ENERGY = 0x0001_0000
KWH = Decimal("1234.56")
LEAST_ANSWER_DELAY_S = 0.02  # DL/T 645-2007, clause 5: Td


@dataclass(frozen=True, slots=True)
class _Setup:
    baud: int
    exchanges: int
    answer_delay_s: float
    least_share: float


SETUPS = (
    _Setup(2400, exchanges=10, answer_delay_s=LEAST_ANSWER_DELAY_S, least_share=0.995),
    _Setup(9600, exchanges=25, answer_delay_s=LEAST_ANSWER_DELAY_S, least_share=0.995),
    _Setup(2400, exchanges=10, answer_delay_s=0.0, least_share=0.98),
)


def _answer(event: Any) -> list[Data] | None:
    if isinstance(event, Asked):
        return [Data(METER, ENERGY, encode(ENERGY, [KWH]))]
    return None


async def _measure(setup: _Setup) -> tuple[float, float]:
    """Returns the seconds that the exchanges took, and those that they need by physics."""
    clock = SystemClock()
    near = await open_link(f"pty:?baud={setup.baud}", clock=clock)
    if not isinstance(near, PtyLink):
        raise TypeError("pty: opened another link")
    far = await open_link(f"serial:{near.path}?baud={setup.baud}", clock=clock)
    bus = Throttled(near, clock, turnaround_s=setup.answer_delay_s)
    master = Driver(bus, Session(Role.MASTER), clock)
    meter = Session(Role.METER, addresses={METER})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(attend(far, meter, clock, _answer))
        began = clock.monotonic()
        for _ in range(setup.exchanges):
            data: Data = await master.ask(ReadData(METER, ENERGY))
            (energy,) = decode(ENERGY, data.payload)
            if energy.value != KWH:
                raise ValueError(f"{energy.value} kWh were read, the meter has {KWH}")
        took_s = clock.monotonic() - began
        await far.aclose()
    await bus.aclose()
    on_the_wire_s = bus.facts.wire_time_s(master.bytes_out + master.bytes_in)
    return took_s, on_the_wire_s + setup.exchanges * setup.answer_delay_s


def run() -> list[Result]:
    results = []
    for setup in SETUPS:
        took_s, physical_s = asyncio.run(_measure(setup))
        delay = f"Td {setup.answer_delay_s * 1000:.0f} ms"
        results.append(
            Result(
                f"bus_share {setup.baud} baud, {delay}",
                ours=took_s,
                reference=physical_s,
                unit="s",
                against="physical limit of the bus",
                lower_is_better=True,
                least_ratio=setup.least_share,
            )
        )
    return results

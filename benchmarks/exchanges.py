"""How many questions and answers a second the shells carry: what a simulated day costs.

Driver and attendant, a trivial machine on each end of a memory link, virtual time, a second of CPU. The
reference is what long simulations need: 10,000 meters read hourly are 240,000 exchanges a day,
which must pass in half a minute.
"""

import asyncio
import time
from datetime import UTC, datetime

from benchmarks.result import Result
from kwhub.links.drive import Driver, attend
from kwhub.links.memory import pair
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.testing.toy import Asked, Question, ToySession

__all__ = ["run"]

EXCHANGES = 20_000
NEEDED_PER_S = 8_000.0


async def _rate(clock: LoopClock) -> float:
    near, far = pair()
    driver = Driver(near, ToySession(asks=True), clock)
    meter = ToySession(asks=False)
    question, answer = Question(b"how much?"), [Question(b"much")]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            attend(far, meter, clock, lambda event: answer if isinstance(event, Asked) else None)
        )
        began = time.process_time()
        for _ in range(EXCHANGES):
            await driver.ask(question)
        took_s = time.process_time() - began
        await near.aclose()
    if driver.retries:
        raise ValueError("a question was not answered")
    return EXCHANGES / took_s


def run() -> Result:
    return Result(
        "exchanges on virtual time",
        ours=run_virtual(_rate, start=datetime(2026, 3, 1, tzinfo=UTC)),
        reference=NEEDED_PER_S,
        unit="1/s",
        against="need of a simulated day",
        least_ratio=1.0,
    )

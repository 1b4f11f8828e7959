"""What the tests of the bench share."""

import asyncio
from datetime import UTC, datetime

from kwhub.bench.device_model import DeviceModel
from kwhub.bench.evidence import Evidence
from kwhub.bench.limits import LimitFile, load_limits
from kwhub.bench.procedure import Configuration, examine
from kwhub.bench.results import MeterResult
from kwhub.bench.simulated import SimulatedBench, simulated_bench

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class StillClock:
    """A clock that stands: two runs give the same record."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOON

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def sleep_until(self, when: datetime) -> None:
        await asyncio.sleep(0)


def configured(limits: LimitFile | None = None, seed: int = 1) -> Configuration:
    return Configuration(limits or load_limits(), simulated=True, seed=seed)


def measured(
    device: DeviceModel, seed: int = 1, limits: LimitFile | None = None
) -> tuple[MeterResult, Evidence]:
    """Examine a simulated device."""
    bench = simulated_bench(SimulatedBench(device, seed))
    configuration = configured(limits, seed)
    return asyncio.run(examine(bench, configuration, StillClock(), serial=device.serial))

"""How long a bus of the concentrator waits for a meter that it knows."""

import pytest
from tests.concentrator.station import SHANGHAI

from kwhub.concentrator.bus import Parts
from kwhub.concentrator.config import BusSettings, MeterSettings, PlanSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.downlinks.wired import LEAST_WAIT_ON_A_WIRE_S, WireBus
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.plan import Plan
from kwhub.domain.answer_times import ANSWER_TIMEOUT_LEAST_S
from kwhub.runtime.clock import SystemClock

METER = "000000000038"


@pytest.mark.parametrize(
    ("address", "least_s"),
    [
        ("serial:/dev/ttyS0?baud=2400", LEAST_WAIT_ON_A_WIRE_S),
        ("tcp:192.0.2.1:8899", ANSWER_TIMEOUT_LEAST_S),
    ],
)
def test_a_port_of_this_machine_needs_no_time_for_converters(tmp_path, address, least_s):
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    parts = Parts(outbox, SystemClock(), _never, BusCounters(), lambda: None)
    settings = BusSettings("bus", address, 2, meter=(MeterSettings(METER, 1),))
    waits = WireBus(settings, Plan(PlanSettings(), SHANGHAI), parts).answer_times
    assert waits.timeout_s(METER) == settings.answer_timeout_s
    for _ in range(20):
        waits.answered(METER, 0.02)
    assert waits.timeout_s(METER) == least_s
    outbox.close()


async def _never(address):
    raise AssertionError(address)

"""A device that nobody asks anything shows a sign of life now and then; one that is missed is no silence."""

from itertools import count

from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER, on_air

from kwhub.bluetooth.registry import silent_least_s
from kwhub.bluetooth.states import NodeState

BELOW = address(5, 1)
HEARTBEAT_S, ANSWER_S = 10.0, 2.0


def states_of_an_idle_device(*, missed):
    """As told in ten minutes with the least silence that may be set; ``missed``: every so many-th sign."""

    async def main(clock, air):
        (meter,) = meters(clock, 1)
        least_s = silent_least_s(HEARTBEAT_S, ANSWER_S)
        settings = collector(
            {BELOW: [meter.address]}, heartbeat_s=HEARTBEAT_S, answer_s=ANSWER_S, silent_s=least_s
        )
        told = []
        async with (
            node(clock, air, BELOW, slave(), behind=[meter]) as below,
            node(clock, air, METER, settings) as middle,
        ):
            answer, asked = below.ask, count(1)

            async def now_and_then(*question):
                if next(asked) % missed:
                    await answer(*question)

            below.ask = now_and_then
            middle.registry.told = lambda change: told.append(change.after)
            await clock.sleep(600)
            return told, middle.registry[BELOW].unanswered

    return on_air(main)


def test_an_idle_device_that_misses_a_sign_is_not_silent():
    told, unanswered = states_of_an_idle_device(missed=6)
    assert unanswered >= 8
    assert NodeState.SILENT not in told
    assert told[0] is NodeState.ONLINE


def test_one_that_misses_every_sign_is():
    told, _ = states_of_an_idle_device(missed=1)
    assert NodeState.ONLINE not in told

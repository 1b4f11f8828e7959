"""States of devices from what is heard and not heard, told once each."""

from tests.bluetooth.stations import METER, on_air

from kwhub.bluetooth.registry import Limits, NodeRegistry, StateChange
from kwhub.bluetooth.states import NodeState

LIMITS = Limits(silent_s=60.0, loss_max=0.2, signal_dbm_min=-85, wrong_max=3)


def changes_after(play):
    async def main(clock, _air):
        told: list[StateChange] = []
        registry = NodeRegistry(clock, LIMITS, told.append)
        registry.enter(METER, meter="000000000038")
        await play(registry, clock)
        return [(change.after, str(change.why)) for change in told], registry[METER]

    return on_air(main)


def test_it_falls_silent_after_its_time_and_comes_back():
    async def play(registry, clock):
        registry.heard(METER)
        await clock.sleep(59)
        registry.check()
        await clock.sleep(2)
        registry.check()
        registry.check()
        registry.heard(METER)

    told, view = changes_after(play)
    assert [state for state, _ in told] == [NodeState.ONLINE, NodeState.SILENT, NodeState.ONLINE]
    assert told[1][1] == "nothing heard for 61 s"
    assert view.meter == "000000000038"


def test_many_unanswered_requests_degrade_it_until_they_are_long_ago():
    async def play(registry, _clock):
        for _ in range(8):
            registry.heard(METER)
        for _ in range(3):
            registry.unanswered(METER)
        for _ in range(20):
            registry.heard(METER)

    told, view = changes_after(play)
    assert [state for state, _ in told] == [NodeState.ONLINE, NodeState.DEGRADED, NodeState.ONLINE]
    assert told[1][1] == "3 of 11 requests unanswered"
    assert (view.requests, view.unanswered) == (31, 3)


def test_a_weak_signal_degrades_it():
    async def play(registry, _clock):
        registry.heard(METER)
        registry.signal(METER, -85)
        registry.signal(METER, -86)
        registry.signal(METER, None)

    told, view = changes_after(play)
    assert told[-1] == (NodeState.DEGRADED, "signal -86 dBm")
    assert view.signal_dbm == -86


def test_who_speaks_wrong_has_a_state_of_its_own():
    async def play(registry, _clock):
        for _ in range(3):
            registry.heard(METER)
            registry.wrong(METER)

    told, view = changes_after(play)
    assert told[-1] == (NodeState.WRONG, "3 wrong frames lately")
    assert view.violations == 3


def test_a_lost_bond_goes_before_everything_until_it_is_paired_afresh():
    async def play(registry, _clock):
        registry.heard(METER)
        registry.replaced(METER)
        registry.heard(METER)
        registry.paired(METER)
        registry.unpaired(METER)

    told, _ = changes_after(play)
    assert [state for state, _ in told] == [
        NodeState.ONLINE,
        NodeState.REPLACED,
        NodeState.ONLINE,
        NodeState.UNPAIRED,
    ]


def test_devices_that_nobody_watches_are_no_trouble():
    async def play(registry, _clock):
        for tell in (registry.heard, registry.unanswered, registry.wrong, registry.replaced):
            tell("F0:00:00:00:00:99")
        registry.connected("F0:00:00:00:00:99", is_connected=True)

    told, _ = changes_after(play)
    assert told == []


def test_without_a_link_it_is_silent_before_its_heartbeat_is_due():
    async def play(registry, clock):
        registry.connected(METER, is_connected=True)
        registry.heard(METER)
        registry.connected(METER, is_connected=False)
        await clock.sleep(9)
        registry.check()
        await clock.sleep(2)
        registry.check()
        registry.connected(METER, is_connected=True)

    told, _ = changes_after(play)
    assert [state for state, _ in told] == [NodeState.ONLINE, NodeState.SILENT, NodeState.ONLINE]
    assert told[1][1] == "no link for 11 s"

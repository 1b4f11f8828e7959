"""What is wrong is told: in the log, and in the registry."""

from structlog.testing import capture_logs
from tests.bluetooth.nodes import address, collector, node, slave
from tests.bluetooth.stations import METER, READER, free, on_air, station

from kwhub.bluetooth.happenings import Happened, What
from kwhub.bluetooth.inspection import Violation
from kwhub.bluetooth.notices import DEVICES_MAX, Notices
from kwhub.protocols.dlt645.frames import Frame645

NUMBER = "000000000001"


def test_what_a_master_may_not_send_is_logged_once_an_hour_with_its_number():
    async def main(clock, air):
        relay = Frame645(NUMBER, 0x1C, bytes(16)).to_bytes()
        async with (
            node(clock, air, METER, slave()) as middle,
            station(clock, air, READER, free()) as one,
        ):
            link = await one.connect(METER)
            for pause_s in (1, 1, 3_600, 1):
                await link.write(Frame645(NUMBER, 0x91, bytes(8)).to_bytes() + relay[:-2])
                await clock.sleep(pause_s)
            return middle.notices.counts

    with capture_logs() as lines:
        counts = on_air(main)
    mine = [each for each in lines if each["kind"] == "wrong_direction"]
    assert counts["wrong_direction"] == 4
    assert [(each["device"], each["side"], each["more"]) for each in mine] == [
        (READER, "master", 0),
        (READER, "master", 2),
    ]


def test_a_slave_that_answers_what_it_may_not_is_in_log_and_registry():
    below = address(5, 1)

    async def main(clock, air):
        async def attend(link):
            while True:  # a request where an answer belongs
                await link.write(await link.read())

        async with station(clock, air, below, free()) as bad:
            bad.listen(attend, profile="nus", masters_max=1)
            settings = collector({below: [NUMBER]}, heartbeat_s=10.0)
            async with node(clock, air, METER, settings) as middle:
                await clock.sleep(60)
                (view,) = middle.registry
                return view.violations

    with capture_logs() as lines:
        violations = on_air(main)
    assert violations > 1
    assert {(each["device"], each["side"]) for each in lines} == {(below, "slave")}
    assert len(lines) == len({each["kind"] for each in lines})


def test_troubles_of_peers_are_logged_and_changing_addresses_fill_nothing():
    async def main(clock, _air):
        notices = Notices(clock)
        for what in What:
            notices.happened(Happened(what, METER))
        for number in range(2 * DEVICES_MAX):
            notices.violated(Violation(f"stranger {number}", True, "damaged", b""))
        return notices

    with capture_logs() as lines:
        notices = on_air(main)
    assert {each["kind"] for each in lines if each["device"] == METER} == {
        "advertising_failed",
        "bond_lost",
        "pairing_failed",
        "turned_away",
    }
    assert notices.counts["damaged"] == 2 * DEVICES_MAX
    assert len(notices._since) == DEVICES_MAX + 1
    assert len(lines) == DEVICES_MAX + 1

"""What is changed while a node runs holds at once; limits, back-pressure and repeats are kept and counted."""

import msgspec
import pytest
from tests.bluetooth.nodes import address, collector, meters, node, read, slave
from tests.bluetooth.stations import METER, OTHER, READER, free, on_air, station, told_of

from kwhub.bluetooth import gatt_links
from kwhub.bluetooth.node_settings import SlaveSettings
from kwhub.bluetooth.states import NodeState
from kwhub.domain.errors import LinkDown
from kwhub.links import base

BELOW = address(5, 1)


def changed(middle, **more):
    return middle.apply(msgspec.structs.replace(middle.settings, **more))


def test_the_heartbeat_changes_within_seconds_and_not_after_the_old_one():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = collector({BELOW: [meter.address]}, heartbeat_s=3_600.0, silent_s=7_200.0)
        async with (
            node(clock, air, BELOW, slave(), behind=[meter]),
            node(clock, air, METER, settings) as middle,
        ):
            await clock.sleep(60)
            slow = middle.registry[BELOW].requests
            await changed(middle, heartbeat_s=10.0)
            await clock.sleep(60)
            return slow, middle.registry[BELOW].requests

    slow, quick = on_air(main)
    assert slow == 1
    assert quick == pytest.approx(7, abs=1)


def test_silent_s_and_gone_s_hold_for_who_is_silent_already():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = collector({BELOW: [meter.address]}, gone_s=3_600.0, silent_s=7_200.0)
        async with node(clock, air, METER, settings) as middle:
            async with node(clock, air, BELOW, slave(), behind=[meter]):
                await clock.sleep(30)
            await clock.sleep(60)
            patient = middle.registry[BELOW].state
            await changed(middle, gone_s=10.0)
            await clock.sleep(10)
            return patient, middle.registry[BELOW].state

    assert on_air(main) == (NodeState.ONLINE, NodeState.SILENT)


def test_answer_s_and_the_meters_behind_a_slave_change_on_the_link_that_is_up():
    async def main(clock, air):
        one, two = meters(clock, 2)
        settings = collector({BELOW: [two.address]}, answer_s=2.0)
        async with (
            node(clock, air, BELOW, slave(), behind=[one, two]),
            node(clock, air, METER, settings) as middle,
            station(clock, air, READER, free()) as above,
        ):
            link = await above.connect(METER)
            await clock.sleep(5)
            assert await read(link, clock, one.address, attempts=1) == [()]
            assert middle.unrouted == 1
            slaves = (SlaveSettings(BELOW, (one.address, two.address)),)
            await changed(middle, slaves=slaves, answer_s=0.5)
            assert all(await read(link, clock, one.address, attempts=1))
            assert [port.answer_s for port in middle.ports] == [0.5]
            return middle.registry[BELOW].meter == one.address

    assert on_air(main)


def test_a_slave_that_was_taken_out_is_watched_no_longer():
    async def main(clock, air):
        async with node(clock, air, METER, collector({BELOW: []})) as middle:
            before = [view.address for view in middle.registry]
            await changed(middle, slaves=())
            return before, [view.address for view in middle.registry]

    assert on_air(main) == ([BELOW], [])


def test_no_more_masters_than_masters_max_and_more_when_it_is_raised():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(masters_max=1), behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free(), connect_s=2.0) as two,
        ):
            first = await one.connect(METER)
            with pytest.raises(LinkDown):
                await two.connect(METER)
            await changed(middle, masters_max=2)
            second = await two.connect(METER)
            for link in (first, second):
                assert all(await read(link, clock, meter.address))
            return sorted(middle.masters)

    assert on_air(main) == [READER, OTHER]


def test_more_slaves_than_slaves_max_are_refused_with_the_number():
    with pytest.raises(ValueError, match="more than slaves_max = 3"):
        msgspec.structs.replace(collector({}), slaves=tuple(map(_row, range(1, 5))))


def _row(number):
    return SlaveSettings(address(5, number))


def test_requests_that_are_sent_again_are_counted():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        other = "000000000099"
        settings = collector({BELOW: [meter.address, other]}, answer_s=0.5)
        async with (
            node(clock, air, BELOW, slave(), behind=[meter]),
            node(clock, air, METER, settings) as middle,
            station(clock, air, READER, free()) as above,
        ):
            link = await above.connect(METER)
            await clock.sleep(5)
            assert await read(link, clock, other, attempts=3) == [()]
            assert all(await read(link, clock, meter.address))
            view = middle.registry[BELOW]
            return view.repeated, view.unanswered

    assert on_air(main) == (2, 3)


async def _flood(link):
    """All that a slave has to say, as fast as it may."""
    await link.read()
    for number in range(256):
        await link.write(bytes([number]) * 512)


async def _asked(clock, air, give_up_s):
    """A flood that a master asks for and does not read for so long; and what came then."""
    async with (
        station(clock, air, METER, free()) as near,
        station(clock, air, READER, free()) as master,
    ):
        near.listen(_flood, profile="nus", masters_max=1)
        link = await master.connect(METER)
        await link.write(b"?")
        await clock.sleep(give_up_s)
        held = link._inbox.size
        got = b""
        try:
            while True:
                got += await link.read()
        except LinkDown as ended:
            return held, got, str(ended)


WHOLE = b"".join(bytes([number]) * 512 for number in range(256))
ROOM = 8_192


def test_a_slave_waits_for_a_master_that_does_not_read_and_loses_no_byte(monkeypatch):
    monkeypatch.setattr(base, "INBOX_BYTES_MAX", ROOM)
    held, got, _ = on_air(lambda clock, air: _asked(clock, air, 20.0))
    assert ROOM <= held < ROOM + 512 * gatt_links.ANSWERED_EVERY  # the rest waited at the slave
    assert got == WHOLE


def test_a_master_that_makes_no_room_in_thirty_seconds_loses_the_link_and_keeps_what_it_has(
    monkeypatch,
):
    monkeypatch.setattr(base, "INBOX_BYTES_MAX", ROOM)
    held, got, why = on_air(lambda clock, air: _asked(clock, air, 40.0))
    assert len(got) == held
    assert WHOLE.startswith(got)
    assert "has ended" in why


def test_a_module_that_only_notifies_is_cut_off_at_a_bound_and_what_came_is_whole(monkeypatch):
    monkeypatch.setattr(gatt_links, "GIVING", gatt_links.Properties.NOTIFY)
    monkeypatch.setattr(gatt_links, "INBOX_BYTES_MAX", ROOM)
    held, got, why = on_air(lambda clock, air: _asked(clock, air, 20.0))
    assert held > 2 * ROOM
    assert WHOLE.startswith(got)
    assert "faster than it is read" in why


def test_a_module_that_was_cut_off_knows_it_at_once_though_nobody_has_read(monkeypatch):
    monkeypatch.setattr(gatt_links, "GIVING", gatt_links.Properties.NOTIFY)
    monkeypatch.setattr(gatt_links, "INBOX_BYTES_MAX", ROOM)

    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as near,
            station(clock, air, READER, free()) as master,
        ):
            near.listen(_flood, profile="nus", masters_max=1)
            link = await master.connect(METER)
            await link.write(b"?")
            began = clock.monotonic()
            await link.wait_down(20.0)
            await clock.sleep(1.0)
            assert not link.is_up
            assert clock.monotonic() - began < 5.0
            return near.reception.masters, master.slaves, told_of(near)

    masters, slaves, told = on_air(main)
    assert (masters, slaves) == ((), ())
    assert told == ["connected", "ended"]

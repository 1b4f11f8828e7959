"""Age, password and repetition of orders at the reception of a running concentrator."""

from datetime import datetime

import pytest
from tests.concentrator.world import play

from kwhub.concentrator.served_reception import ORDERS_KEPT, Later
from kwhub.concentrator.served_rights import HeadEndSettings, Rights, load_rights
from kwhub.concentrator.uplink import ORDERS_MAX
from kwhub.domain.errors import ConfigError
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376.frames import Control, Frame1376, Sequence, TerminalAddress, TimeTag
from kwhub.protocols.gdw1376.messages import Asked, Confirm, Deny
from kwhub.protocols.gdw1376.units import Unit

ADDRESS = TerminalAddress("4101", 2082, msa=1)
WALL = datetime(2026, 3, 2, 0, 10)
PAUSE = Unit((0,), (49,), b"\2")


def order(unit, *, afn=5, password=bytes(16), sent=None, address=ADDRESS, number=1):
    tag = None if sent is None else TimeTag(1, bytes.fromhex(sent), 5)
    sequence = Sequence(number, tagged=tag is not None)
    control = Control.from_byte(0x4A)
    frame = Frame1376(control, address, afn, sequence, (unit,), password, time_tag=tag)
    return Asked(frame, frame.to_bytes())


def forward(raw):
    return order(Forward(2, raw).to_unit(), afn=0x10)


def take(world, asked):
    uplink = world.concentrator.uplink
    return uplink.reception.take(asked, uplink.desk, WALL)


def test_an_order_that_is_too_old_is_dropped_and_one_in_time_is_not(tmp_path):
    async def story(world):
        world.start()
        assert take(world, order(PAUSE, sent="00040002")) == ()
        assert world.concentrator.counters.uplink.requests_stale == 1
        (reply,) = take(world, order(PAUSE, sent="00060002"))
        assert isinstance(reply, Confirm)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_doubled_order_is_carried_out_once(tmp_path):
    async def story(world):
        world.start()
        first, resume = order(PAUSE), order(Unit((0,), (50,), b"\2"))
        archive = world.concentrator.archive
        (reply,) = take(world, first)
        archive.set_state("port 2 paused", 7)
        assert take(world, first) == (reply,)
        assert archive.state("port 2 paused") == 7
        take(world, resume)
        assert archive.state("port 2 paused") == 0
        assert take(world, first) == (reply,)
        assert archive.state("port 2 paused") == 0
        await world.clock.sleep(61)
        archive.set_state("port 2 paused", 7)
        take(world, first)
        assert archive.state("port 2 paused") == 1
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_wrong_password_changes_nothing(tmp_path):
    async def story(world):
        world.start()
        desk = world.concentrator.uplink.desk
        desk.rights = Rights(password=bytes(range(16)))
        (reply,) = take(world, order(PAUSE))
        assert isinstance(reply, Deny)
        (reply,) = take(world, order(PAUSE, password=bytes(range(16))))
        assert isinstance(reply, Confirm)
        assert "password" not in repr(desk.rights)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_no_relay_is_switched_without_its_password(tmp_path):
    async def story(world):
        world.start()
        work = take(world, order(Unit((1,), (1,), b"\0")))
        assert isinstance(work, Later)
        (reply,) = await work.finish()
        assert isinstance(reply, Deny)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_secrets_come_from_files(tmp_path):
    station, relay = tmp_path / "pw", tmp_path / "relay"
    station.write_text("00" * 16 + "\n")
    relay.write_text("123456\n")
    settings = HeadEndSettings(station.name, relay.name).within(tmp_path)
    rights = load_rights(settings)
    assert rights.password == bytes(16)
    assert rights.relay == Authority(Key(2, "123456"), "00000000")
    (tmp_path / "pw").write_text("0")
    with pytest.raises(ConfigError):
        load_rights(settings)
    (tmp_path / "pw").unlink()
    with pytest.raises(ConfigError):
        load_rights(settings)


def test_so_many_orders_are_remembered(tmp_path):
    async def story(world):
        world.start()
        archive = world.concentrator.archive
        orders = [order(PAUSE, password=bytes(15) + bytes([n])) for n in range(ORDERS_KEPT + 1)]
        for each in orders:
            take(world, each)
        archive.set_state("port 2 paused", 7)
        for each in orders[1:]:
            take(world, each)
        assert archive.state("port 2 paused") == 7
        take(world, orders[0])
        assert archive.state("port 2 paused") == 1
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_the_same_bytes_under_a_number_that_came_round_are_a_new_order(tmp_path):
    """A status of a meter is asked for with the same bytes each time: an old answer is none to it."""

    async def story(world):
        world.start()
        archive, asked = world.concentrator.archive, [order(PAUSE, number=n) for n in range(16)]
        take(world, asked[0])
        archive.set_state("port 2 paused", 7)
        for each in asked[1:4] * 6:  # few other numbers, however often: it is the same order
            take(world, each)
        archive.set_state("port 2 paused", 7)
        take(world, asked[0])
        assert archive.state("port 2 paused") == 7
        for each in asked[1:]:
            take(world, each)
        archive.set_state("port 2 paused", 7)
        take(world, asked[0])
        assert archive.state("port 2 paused") == 1
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_an_order_to_all_terminals_is_carried_out_and_not_answered(tmp_path):
    everybody = TerminalAddress("4101", 0xFFFF, msa=1, group=True)

    async def story(world):
        world.start()
        for _ in range(2):
            assert take(world, order(PAUSE, address=everybody)) == ()
        assert world.concentrator.archive.state("port 2 paused") == 1
        assert take(world, order(PAUSE, password=None, address=everybody)) == ()
        await world.stop()

    play(story, tmp_path / "store.sqlite")


class Slow:
    """A bus that counts what it is to forward, and takes its time."""

    def __init__(self, clock):
        self.clock = clock
        self.done = 0

    async def forward(self, _):
        await self.clock.sleep(20)
        self.done += 1
        return b"\x16"


def test_forwarding_is_done_once_whatever_comes_between_and_after_a_new_connection(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=1)
        bus = Slow(world.clock)
        uplink = world.concentrator.uplink
        uplink.ports = {2: bus}
        first, second = (forward(bytes([0x68, n])) for n in range(2))
        work = take(world, first)
        assert take(world, first) == ()
        (answer,) = await work.finish()
        await take(world, second).finish()
        await world.station.hang_up()
        await world.clock.sleep(10)
        assert take(world, first) == (answer,)
        assert bus.done == 2
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_no_more_than_so_many_answers_are_waited_for(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=1)
        bus = Slow(world.clock)
        world.concentrator.uplink.ports = {2: bus}
        counters = world.concentrator.counters.uplink
        asked = [forward(bytes([0x68, n])).raw for n in range(ORDERS_MAX + 5)]
        await world.station.online.link.write(b"".join(asked))
        await world.clock.sleep(60)
        assert bus.done == ORDERS_MAX
        assert counters.requests_denied == 5
        await world.stop()

    play(story, tmp_path / "store.sqlite")

"""Frames of the head-end that are too short, too long, or without a password: denied, and nothing else."""

import pytest
from tests.concentrator.world import play

from kwhub.concentrator.served_reception import Later
from kwhub.protocols.gdw1376.frames import Control, Frame1376, Sequence, TerminalAddress, parse
from kwhub.protocols.gdw1376.messages import Answer, Asked, Confirm, Deny
from kwhub.protocols.gdw1376.tables import TABLES
from kwhub.protocols.gdw1376.units import Unit, as_unit

ADDRESS = TerminalAddress("4101", 2082, msa=1)
DATA = (b"", b"\2", b"\x99", b"\2\0", bytes(7), bytes(range(40)), b"\xff" * 300)
ORDERS = (1, 4, 5, 0x0F, 0x10)
PW = b"PW-PW-PW-PW-PW-!"


def asked(afn, unit, *, password=PW, address=ADDRESS):
    """As it comes over the wire."""
    control = Control.from_byte(0x4A)
    sent = password if afn in ORDERS else None
    frame = Frame1376(control, address, afn, Sequence(1), (unit,), sent)
    raw = frame.to_bytes()
    return Asked(parse(raw), raw)


def take(world, event):
    uplink = world.concentrator.uplink
    return uplink.reception.take(event, uplink.desk, uplink.wall_now())


async def reply_to(world, event):
    """The one reply, also of what takes longer."""
    taken = take(world, event)
    (reply,) = await taken.finish() if isinstance(taken, Later) else taken
    return reply


@pytest.mark.slow
@pytest.mark.parametrize("afn", sorted({*TABLES, 3, 7, 0x11} - {0, 2}))
def test_no_length_of_data_is_an_error(tmp_path, afn):
    functions = sorted({*TABLES.get(afn, ()), 1, 58, 255})

    async def story(world):
        world.start()
        counters = world.concentrator.counters.uplink
        for function in functions:
            for point in (0, 1):
                for data in DATA:
                    event = asked(afn, Unit((point,), (function,), data))
                    reply = await reply_to(world, event)
                    kinds = (Deny, Confirm) if afn in {1, 4, 5} else (Deny, Confirm, Answer)
                    assert isinstance(reply, kinds)
        assert counters.requests_failed == 0
        await world.stop()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.parametrize("function", [29, 37, 49, 50, 51, 53, 57])
def test_a_control_with_the_wrong_length_is_denied(tmp_path, function):
    right = 0 if function in {29, 37} else 1

    async def story(world):
        world.start()
        for size in {0, 1, 2, 20} - {right}:
            reply = await reply_to(world, asked(5, Unit((0,), (function,), bytes(size))))
            assert isinstance(reply, Deny)
        assert len(world.concentrator.archive.records()) == 4
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_bug_denies_the_request_and_the_buses_go_on(tmp_path):
    def broken(*_):
        raise IndexError("a bug")

    async def late(*_):
        broken()

    async def story(world):
        world.start()
        await world.until(minutes=1)
        desk, counters = world.concentrator.uplink.desk, world.concentrator.counters.uplink
        makers = desk._controls.makers
        desk._controls.makers = {**makers, 49: broken}
        ask = world.station.ask
        both = await ask(5, Unit((0,), (49,), b"\2"), Unit((0,), (50,), b"\2"))
        assert [(each.functions, each.error) for each in both.results] == [((49,), 1), ((50,), 0)]
        desk._readers = {}
        desk._orders = {0x0A: broken, 0x10: late}
        assert isinstance(await reply_to(world, asked(0x0A, Unit((0,), (1,)))), Deny)
        assert isinstance(await reply_to(world, asked(0x10, Unit((0,), (9,)))), Deny)
        assert counters.requests_failed == 3
        connects = counters.connects
        await world.until(hours=2)
        assert counters.connects == connects
        assert world.station.values
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_no_byte_of_the_password_is_taken_for_data(tmp_path):
    async def story(world):
        world.start()
        database = world.concentrator.outbox.database
        for afn in ORDERS:
            for function in TABLES[afn]:
                assert isinstance(
                    await reply_to(world, asked(afn, Unit((0,), (function,), b""), password=None)),
                    Deny,
                )
        for function in TABLES[4]:
            for point in (0, 1):
                await reply_to(world, asked(4, Unit((point,), (function,))))
                told = await reply_to(world, asked(0x0A, Unit((point,), (function,))))
                if isinstance(told, Answer):
                    assert all(b"PW-PW" not in as_unit(unit).data for unit in told.units)
        assert isinstance(await reply_to(world, asked(4, Unit((0,), (9,)))), Deny)
        assert database.rows("SELECT * FROM parameter") == []
        await world.stop()

    play(story, tmp_path / "store.sqlite")

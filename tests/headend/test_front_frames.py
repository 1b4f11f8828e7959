"""The ring of frames: what is kept, what is dropped, and that its limits hold whatever comes."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st
from tests.headend.stage import connect, play

from kwhub.headend.front.frame_log import STRANGERS, FrameLog
from kwhub.protocols.gdw1376.messages import Denied, Login

NOON = dt.datetime(2026, 3, 4, 4, 0, 0, 125, tzinfo=dt.UTC)


def test_pieces_come_back_as_they_went_in():
    log = FrameLog()
    log.note(7, NOON, b"up", sent=False)
    log.note(7, NOON + dt.timedelta(seconds=1), b"down", sent=True)
    first, second = log.pieces(7)
    assert (first.at, first.sent, first.raw) == (NOON, False, b"up")
    assert (second.sent, second.raw) == (True, b"down")
    assert second.number > first.number
    assert log.pieces(8) == []


def test_the_oldest_pieces_go_first_and_numbers_stay():
    log = FrameLog(limit_each=64)
    for number in range(9):
        log.note(7, NOON, bytes([number]) * 10, sent=False)
    kept = log.pieces(7)
    assert [each.raw[0] for each in kept] == [7, 8]
    before = kept[-1].number
    log.note(7, NOON, b"x", sent=False)
    assert before in {each.number for each in log.pieces(7)}


def test_the_terminal_longest_silent_is_forgotten_when_room_is_short():
    log = FrameLog(limit=1500)
    for terminal in range(1, 6):
        log.note(terminal, NOON, bytes(400), sent=False)
    assert log.pieces(1) == []
    assert log.pieces(5)


@given(st.lists(st.tuples(st.integers(1, 20), st.binary(max_size=300)), max_size=60))
def test_no_order_of_arrival_breaks_the_limits(arrivals):
    log = FrameLog(limit=2_000, limit_each=200)
    for terminal, raw in arrivals:
        log.note(terminal, NOON, raw, sent=True)
        assert log.pieces(terminal)[-1].raw == raw[: 200 - 13]
    assert log.size <= 2_000
    assert log.size == sum(
        13 + len(piece.raw) for terminal in range(1, 21) for piece in log.pieces(terminal)
    )


def test_the_front_notes_both_directions_of_a_terminal_and_of_strangers(tmp_path):
    async def script(headend, tasks):
        await connect(headend, tasks).login()
        pieces = headend.lookout.frames.pieces(1)
        assert [each.sent for each in pieces] == [False, True]
        assert all((each.raw[0], each.raw[-1]) == (0x68, 0x16) for each in pieces)
        stranger = connect(headend, tasks, number=99)
        assert isinstance(await stranger.ask(Login()), Denied)
        await headend.clock.sleep(1)
        assert [each.sent for each in headend.lookout.frames.pieces(STRANGERS)] == [False, True]

    play(tmp_path, script)

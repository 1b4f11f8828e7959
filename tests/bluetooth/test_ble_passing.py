"""Frames as nodes see them: found whatever the packets, judged, and never a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.bluetooth.inspection import Inspection, Rules
from kwhub.bluetooth.plain import PLAIN
from kwhub.exchange.passing import DLT645
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.wire.passing import Kind, Passing

METER = "000000000038"
READ = Frame645(METER, 0x11, bytes.fromhex("00000100"))


def only(frame):
    (found,) = DLT645.framer().feed(frame.to_bytes())
    assert isinstance(found, Passing)
    return found


@pytest.mark.parametrize(
    ("frame", "kind", "wants_answer", "is_shareable"),
    [
        (READ, Kind.READ, True, True),
        (Frame645(METER, 0x12, bytes(5)), Kind.READ, True, False),
        (Frame645(METER, 0x14, bytes(12)), Kind.WRITE, True, False),
        (Frame645(METER, 0x1C, bytes(16)), Kind.CONTROL, True, False),
        (Frame645("999999999999", 0x08, bytes(6)), Kind.CLOCK, False, False),
        (Frame645("999999999999", 0x16, bytes(4)), Kind.CONTROL, False, False),
        (Frame645(METER, 0x01, bytes(2)), Kind.READ, True, True),
        (Frame645(METER, 0x91, bytes(8)), Kind.READ, False, False),
    ],
)
def test_what_a_frame_is_for(frame, kind, wants_answer, is_shareable):
    found = only(frame)
    assert (found.kind, found.wants_answer, found.is_shareable) == (
        kind,
        wants_answer,
        is_shareable,
    )
    assert found.trouble == ""
    assert found.raw == frame.to_bytes()


def test_the_sign_of_life_is_a_request_that_every_meter_answers():
    (asked,) = DLT645.framer().feed(DLT645.heartbeat(""))
    assert isinstance(asked, Passing)
    assert (asked.address, asked.kind, asked.wants_answer) == ("A" * 12, Kind.READ, True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(READ.to_bytes()), max_size=6), st.data())
def test_frames_do_not_depend_on_packets_and_nothing_crashes(parts, data):
    stream = b"".join(parts)
    whole, pieces = DLT645.framer(), DLT645.framer()
    expected = [*whole.feed(stream), *whole.flush()]
    found = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 30))
        found += pieces.feed(stream[at : at + size])
        at += size
    found += pieces.flush()
    assert b"".join(each.raw for each in found) == stream
    assert [each for each in found if isinstance(each, Passing)] == [
        each for each in expected if isinstance(each, Passing)
    ]
    inspection = Inspection(DLT645, Rules(known=frozenset({METER})))
    for each in found:
        passes = inspection.lets_pass(each, "x", from_master=True)
        assert passes <= (isinstance(each, Passing) and each.address == METER)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=3_000), max_size=5))
def test_plain_bytes_pass_whole(parts):
    framer = PLAIN.framer()
    found = [each for part in parts for each in framer.feed(part)]
    found += framer.flush()
    assert b"".join(each.raw for each in found) == b"".join(parts)

"""Transparent forwarding: bytes out once, the answer of the right meter back."""

import pytest

from kwhub.concentrator.forward import (
    ANSWER_BYTES_MAX,
    Forwarded,
    Forwarder,
    RawRequest,
    Silent,
)
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.wire.events import Discarded

ASK = Frame645("000000000038", 0x11, bytes.fromhex("00010000")).to_bytes()
ANSWER = Frame645("000000000038", 0x91, bytes.fromhex("0001000038000000")).to_bytes()
OTHER = Frame645("000000000039", 0x91, bytes.fromhex("0001000038000000")).to_bytes()


def asked(raw=ASK):
    forwarder = Forwarder()
    forwarder.send(RawRequest(raw, answer_timeout_s=2.0, byte_gap_s=0.5), 0.0)
    return forwarder, forwarder.outgoing(0.0)


def test_the_answer_comes_back_without_preamble():
    forwarder, out = asked()
    assert out == b"\xfe" * 4 + ASK
    forwarder.receive(b"\xfe\xfe" + ANSWER, 0.1)
    assert forwarder.events() == [Forwarded(ANSWER)]
    assert forwarder.deadline() is None


def test_byte_by_byte_after_an_echo_and_a_stranger():
    forwarder, out = asked()
    for byte in out + OTHER + ANSWER:
        forwarder.receive(bytes([byte]), 0.1)
    events = forwarder.events()
    assert [event.kind for event in events if isinstance(event, Discarded)] == [
        "echo",
        "foreign_address",
    ]
    assert events[-1] == Forwarded(ANSWER)


def test_silence():
    forwarder, _ = asked()
    forwarder.on_deadline(1.9)
    assert forwarder.events() == []
    forwarder.on_deadline(2.0)
    assert forwarder.events() == [Silent()]


def test_an_answer_inside_a_false_start_is_found_when_the_line_falls_silent():
    forwarder, _ = asked()
    forwarder.receive(b"\x68\x38\x00\x00\x00\x00\x00\x68\x91\xc8" + ANSWER, 1.0)
    assert forwarder.deadline() == 1.5
    forwarder.on_deadline(1.5)
    assert forwarder.events()[-1] == Forwarded(ANSWER)


def test_half_an_answer_is_no_answer():
    forwarder, _ = asked()
    forwarder.receive(ANSWER[:-3], 1.0)
    forwarder.on_deadline(1.5)
    assert forwarder.events()[-1] == Silent()


def test_anything_else_is_answered_by_what_comes_until_the_line_falls_silent():
    forwarder, out = asked(b"/?!\r\n")
    assert out == b"/?!\r\n"
    forwarder.receive(b"/ABC", 1.0)
    forwarder.receive(b"5\r\n", 1.2)
    forwarder.on_deadline(1.7)
    assert forwarder.events() == [Forwarded(b"/ABC5\r\n")]


def test_one_at_a_time_and_late_bytes_are_nobodys():
    forwarder, _ = asked()
    with pytest.raises(LocalError):
        forwarder.send(RawRequest(ASK, 1.0), 0.0)
    forwarder.on_deadline(2.0)
    forwarder.receive(ANSWER, 2.1)
    assert forwarder.events() == [Silent()]
    forwarder.send(RawRequest(ASK, 1.0), 3.0)


def chatter(forwarder, data, period_s):
    """Feed the same bytes again and again; when the forwarder has had enough (seconds)."""
    now = 0.0
    while now < 600:
        now += period_s
        forwarder.on_deadline(now)
        if forwarder.deadline() is None:
            return now
        forwarder.receive(data, now)
        if forwarder.deadline() is None:
            return now
    pytest.fail("the bus is held for ever")


@pytest.mark.parametrize("data", [b"\x68", bytes.fromhex("68380000000000689104"), OTHER[:-1]])
def test_somebody_who_never_falls_silent_does_not_hold_the_bus(data):
    forwarder, _ = asked()
    assert chatter(forwarder, data, 0.4) < 6
    assert forwarder.events()[-1] == Silent()


def test_a_slow_chatterer_in_another_language_is_cut_off_by_time():
    forwarder, _ = asked(b"/?!\r\n")
    assert chatter(forwarder, b"x", 0.4) < 22
    assert isinstance(forwarder.events()[-1], Forwarded)


def test_an_answer_as_long_as_it_may_be_ends_at_once():
    forwarder, _ = asked(b"/?!\r\n")
    forwarder.receive(bytes(ANSWER_BYTES_MAX + 9), 1.0)
    assert forwarder.events() == [Forwarded(bytes(ANSWER_BYTES_MAX))]
    assert forwarder.deadline() is None

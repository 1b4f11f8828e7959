"""Frames found in noise, in pieces, and any bytes at all."""

from hypothesis import given
from hypothesis import strategies as st

from kwhub.catalog.decoding import decode, explain
from kwhub.protocols.mbus.frames import ACK_FRAME, FrameMbus
from kwhub.protocols.mbus.messages import Answered, Read, Reset, Send, TimedOut
from kwhub.protocols.mbus.receiver import Received, Receiver
from kwhub.protocols.mbus.session import Role, Session

LONG = FrameMbus.long(0x08, 5, 0x72, bytes(range(40)))
ASK = FrameMbus.short(0x7B, 5)
BODIES = st.binary(max_size=60) | st.sampled_from(
    [LONG.to_bytes(), ASK.to_bytes(), b"\xe5", b"\x68\x09\x09"]
)
STREAMS = st.lists(BODIES, max_size=6).map(b"".join)


def frames_of(receiver, pieces):
    return [item for piece in pieces for item in receiver.feed(piece)] + receiver.give_up()


@given(STREAMS, st.integers(1, 7))
def test_no_byte_is_lost_and_pieces_make_no_difference(data, size):
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    whole, cut = frames_of(Receiver(), [data]), frames_of(Receiver(), pieces)
    assert b"".join(item.raw for item in whole) == data
    assert b"".join(item.raw for item in cut) == data
    good = [item for item in whole if isinstance(item, Received)]
    assert good == [item for item in cut if isinstance(item, Received)]
    assert all(item.frame.to_bytes() == item.raw for item in good)


@given(st.binary(max_size=80), st.integers(0x70, 0x7A))
def test_any_content_is_decoded_or_told(data, ci):
    raw = FrameMbus.long(0x08, 1, ci, data).to_bytes()
    found = decode(raw, "mbus")
    assert found.valid
    assert explain(raw, "mbus").parts[-1].stop == len(raw)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_an_error(data):
    found = decode(data, "mbus")
    assert found.valid or found.error is not None


def test_a_good_frame_behind_a_broken_start():
    found = Receiver().feed(b"\x00\x68\x05\x06" + LONG.to_bytes() + b"\xe5")
    assert [item.frame for item in found if isinstance(item, Received)] == [LONG, ACK_FRAME]


def ended(session):
    return [event for event in session.events() if event.final]


def test_the_frame_count_bit_goes_on_after_success_only():
    session = Session(Role.MASTER)
    session.send(Reset(5), 0.0)
    assert session.outgoing(0.0).hex() == "1040054516"
    session.receive(bytes.fromhex("1040054516e5"), 0.1)  # with its echo
    assert len(ended(session)) == 1
    for control in (0x7B, 0x7B):  # the second is the repeat
        session.send(Read(5), 1.0)
        assert session.outgoing(1.0)[1] == control
        session.on_deadline(session.deadline() or 0)
        assert isinstance(ended(session)[0], TimedOut)
    session.send(Read(5), 5.0)
    assert session.outgoing(5.0)[1] == 0x7B
    session.receive(LONG.to_bytes(), 5.1)
    assert isinstance(ended(session)[0], Answered)
    session.send(Read(5), 6.0)
    assert session.outgoing(6.0)[1] == 0x5B


def test_waits_follow_the_speed_and_what_was_heard_is_kept():
    slow, fast = Session(Role.MASTER, baud=300), Session(Role.MASTER, baud=9600)
    for session in (slow, fast):
        session.send(Send(5, 0x51, bytes(3)), 0.0)
    assert (slow.deadline() or 0) > 1.5
    assert 0 < (fast.deadline() or 0) < 0.25
    fast.receive(b"\xa1\x68", 0.1)
    fast.on_deadline(9.0)
    (event,) = ended(fast)
    assert event.heard == b"\xa1\x68"

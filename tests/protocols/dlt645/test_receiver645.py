"""Frames found in a stream: noise, halves, floods; whole and in pieces; work that grows with length."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import own

from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.receiver import NOISE_BYTES_MAX, Received, Receiver
from kwhub.wire.buffer import ReceiveBuffer
from kwhub.wire.events import Discarded

GOOD = [bytes.fromhex(line["hex"]) for line in own("dlt645.jsonl") if line["valid"]]
ANY = [bytes.fromhex(line["hex"]) for line in own("dlt645.jsonl")]

STREAMS = st.lists(
    st.one_of(
        st.sampled_from(ANY),
        st.binary(max_size=30),
        st.sampled_from([b"\x68", b"\x16", b"\xfe" * 4, b"\x68" * 9]),
        st.builds(lambda raw, keep: raw[:keep], st.sampled_from(GOOD), st.integers(0, 40)),
    ),
    max_size=8,
).map(b"".join)


def run(pieces):
    receiver = Receiver()
    found = []
    for piece in pieces:
        found += receiver.feed(piece)
    return found + receiver.flush()


def kinds(found):
    return [getattr(item, "kind", "frame") for item in found]


def frames(found):
    return [item.frame for item in found if isinstance(item, Received)]


@given(STREAMS, st.lists(st.integers(0, 300), max_size=12))
def test_pieces_make_no_difference(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(edges)]
    whole = run([stream])
    assert run(pieces) == whole
    assert run([bytes([byte]) for byte in stream]) == whole
    assert b"".join(item.raw for item in whole) == stream


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=5))
def test_good_frames_in_a_row_are_all_found(raws):
    found = run([b"".join(raws)])
    assert [item.raw for item in found] == raws


def test_every_frame_is_there_as_soon_as_its_last_byte_has_come():
    for raw in GOOD:
        receiver = Receiver()
        found: list[Received | Discarded] = []
        for byte in raw:
            assert not frames(found)
            found += receiver.feed(bytes([byte]))
        assert [item.raw for item in found] == [raw]
        assert receiver.pending == 0


def test_sixteen_and_sixty_eight_inside_a_frame_are_data():
    frame = Frame645("681668166816", 0x91, bytes.fromhex("35e3") * 20)
    assert 0x68 in frame.to_bytes()[10:-2]
    assert frames(run([frame.to_bytes() * 2])) == [frame, frame]


def test_a_damaged_frame_is_named_and_the_next_one_found():
    good = GOOD[2]
    damaged = bytearray(GOOD[4])
    damaged[-6] ^= 1
    assert run([bytes(damaged) + good]) == [
        Discarded(bytes(damaged), "checksum_mismatch", "the checksum does not fit"),
        *run([good]),
    ]


def test_a_frame_inside_a_false_start_is_found_when_the_line_falls_silent():
    good = Frame645("000000000038", 0x91, bytes.fromhex("0000010038000000")).to_bytes()
    head = bytes.fromhex("68 00 00 00 00 00 00 68 91 C8")  # promises 200 data bytes
    receiver = Receiver()
    assert receiver.feed(head + good) == []
    found = receiver.flush()
    assert [type(item) for item in found] == [Discarded, Received]
    assert kinds(found) == ["truncated", "frame"]
    assert found[1].raw == good


def test_too_long_a_length_does_not_wait():
    good = GOOD[1]
    bad_head = bytes.fromhex("68 00 00 00 00 00 00 68 91 C9")
    found = Receiver().feed(bad_head + good)
    assert kinds(found) == ["length_too_large", "frame"]
    assert frames(found)[0].to_bytes() == good


def test_noise_does_not_pile_up():
    receiver = Receiver()
    total = 0
    for _ in range(50):
        total += sum(len(item.raw) for item in receiver.feed(bytes(100)))
        assert receiver.pending < 2 * NOISE_BYTES_MAX
    assert total + receiver.pending == 5000
    assert set(kinds(receiver.flush())) == {"noise"}


def test_wake_up_bytes_alone():
    assert [item.kind for item in run([b"\xfe" * 4])] == ["preamble_only"]


class CountingBuffer(ReceiveBuffer):
    """Counts the bytes that are looked at."""

    def __init__(self):
        super().__init__()
        self.work = 0

    def byte(self, at):
        self.work += 1
        return super().byte(at)

    def peek(self, count, at=0):
        found = super().peek(count, at)
        self.work += len(found)
        return found

    def find(self, byte, start=0):
        place = super().find(byte, start)
        self.work += (place - start + 1) if place >= 0 else len(self) - start
        return place


def work(stream, piece):
    receiver = Receiver()
    buffer = receiver._buffer = CountingBuffer()
    for at in range(0, len(stream), piece):
        receiver.feed(stream[at : at + piece])
    receiver.flush()
    return buffer.work


def test_work_is_linear_for_the_worst_streams():
    # The worst byte costs one look at a longest frame; nothing may grow with the length of the stream.
    near_frames = bytes.fromhex("68 16 16 16 16 16 16 68 16 16")
    for pattern in (b"\x68", b"\xfe", b"\x00", b"\x68\x16", near_frames, GOOD[0][:-1], GOOD[0]):
        short, long = (pattern * (size // len(pattern)) for size in (500, 4_000))
        for piece in (1, 4_000):
            assert work(long, piece) <= 8.5 * work(short, piece) + 2_000
            assert work(long, piece) <= 250 * len(long)

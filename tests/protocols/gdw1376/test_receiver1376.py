"""Frames found in a stream: noise, halves, floods; whole and in pieces; work that grows with length."""

from itertools import groupby, pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.gdw1376.corpus1376 import own, raw_of

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.frames import parse
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.wire.events import Discarded

GOOD = [raw_of(line) for line in own() if line["valid"]]
ANY = [raw_of(line) for line in own()]

STREAMS = st.lists(
    st.one_of(
        st.sampled_from(ANY),
        st.binary(max_size=30),
        st.sampled_from([b"\x68", b"\x16", b"\x68\x32\x00\x32\x00\x68", b"\x68" * 9]),
        st.builds(lambda raw, keep: raw[:keep], st.sampled_from(GOOD), st.integers(0, 60)),
    ),
    max_size=8,
).map(b"".join)


def run(pieces):
    receiver = Receiver()
    found = []
    for piece in pieces:
        found += receiver.feed(piece)
    while receiver.pending:
        found += receiver.give_up()
    return found


def shape(found):
    """Frames, and how many bytes were discarded between them."""
    return [
        [one.raw for one in run] if frames else sum(len(one.raw) for one in run)
        for frames, run in (
            (key, list(group))
            for key, group in groupby(found, lambda one: isinstance(one, Received))
        )
    ]


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_pieces_make_no_difference(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(edges)]
    whole = shape(run([stream]))
    assert shape(run(pieces)) == whole
    assert shape(run([bytes([byte]) for byte in stream])) == whole


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=5))
def test_good_frames_in_a_row_are_all_found(raws):
    assert [one.raw for one in run([b"".join(raws)])] == raws


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(raw):
    run([raw])
    try:
        frame = parse(raw)
    except DecodeError as error:
        assert error.kind
        assert error.detail
    else:
        assert frame.to_bytes() == raw


@given(st.sampled_from(GOOD), st.data())
def test_changed_bytes_are_parsed_or_refused(raw, data):
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    changed[-2] = sum(changed[6:-2]) & 0xFF
    try:
        frame = parse(bytes(changed))
    except DecodeError:
        return
    assert frame.to_bytes() == bytes(changed)


def test_every_frame_is_there_as_soon_as_its_last_byte_has_come():
    for raw in GOOD:
        receiver = Receiver()
        found: list[Received | Discarded] = []
        for byte in raw:
            assert not found
            found = receiver.feed(bytes([byte]))
        assert [one.raw for one in found] == [raw]
        assert receiver.pending == 0


def test_a_good_frame_inside_a_broken_one_is_found():
    good = GOOD[0]
    broken = b"\x68\xfe\x00\xfe\x00\x68" + good + bytes(63 + 2 - len(good))
    refused, received, *_ = run([broken])
    assert isinstance(refused, Discarded)
    assert (refused.kind, refused.raw) == ("end_missing", broken)
    assert isinstance(received, Received)
    assert received.raw == good


def test_noise_is_reported_once():
    found = run([b"abc" + GOOD[0] + b"xyz"])
    assert [one.raw for one in found] == [b"abc", GOOD[0], b"xyz"]


def test_a_frame_that_never_ends_is_given_up_and_what_it_hid_is_found():
    receiver = Receiver()
    assert receiver.feed(b"\x68\xfe\x03\xfe\x03\x68" + GOOD[0]) == []
    truncated, received = receiver.give_up()
    assert isinstance(truncated, Discarded)
    assert truncated.kind == "truncated"
    assert isinstance(received, Received)


def test_a_bad_checksum_says_what_it_should_be():
    raw = bytearray(GOOD[0])
    raw[-2] ^= 1
    (refused,) = run([bytes(raw)])
    assert isinstance(refused, Discarded)
    assert refused.kind == "checksum_mismatch"
    assert f"{GOOD[0][-2]:02X}" in refused.detail


HOSTILE = {
    "starts": b"\x68",
    "heads": b"\x68\xfe\xff\xfe\xff",
    "heads that end": b"\x68\x96\xff\x96\xff\x68\x16",
    "small heads": b"\x68\x32\x00\x32\x00\x68",
}


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
def test_a_flood_costs_time_in_proportion(pattern):
    """Four times the bytes may cost at most eight times as long, with a floor for small times."""

    def cost(size):
        stream = pattern * (size // len(pattern))
        receiver = Receiver()
        start = process_time()
        for at in range(0, len(stream), 1000):
            receiver.feed(stream[at : at + 1000])
        return process_time() - start

    small = min(cost(8_000) for _ in range(2))
    assert cost(32_000) < max(8 * small, 0.2)

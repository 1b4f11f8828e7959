"""A master and a meter on a wire that loses, damages, echoes and delays; whole and byte by byte."""

import pytest
from tests.protocols.dlt645.corpus645 import own

from kwhub.protocols.dlt645 import (
    Asked,
    Data,
    ReadData,
    ReadFollowUp,
    Role,
    Session,
    TimedOut,
    parse,
)
from kwhub.testing.pair import Pair, drop, flip

METER = "000000000038"
ENERGY = 0x00010000
RECORDS = 0x03300501
VALUE = bytes.fromhex("38000000")
PIECES = pytest.mark.parametrize("piece_bytes", [None, 1, 3])
PARTS = (bytes(range(100)), bytes(range(100, 200)), b"\x16\x68\xfe")


def answer(event):
    """A meter with one register and one record of three frames."""
    if not isinstance(event, Asked):
        return None
    request = event.request
    if isinstance(request, ReadFollowUp):
        more = request.sequence + 1 < len(PARTS)
        return [Data(METER, request.identifier, PARTS[request.sequence], more)]
    if request.identifier == RECORDS:
        return [Data(METER, RECORDS, PARTS[0], more=True)]
    return [Data(METER, ENERGY, VALUE)]


def line(**wires):
    return Pair(
        Session(Role.MASTER),
        Session(Role.METER, addresses={METER}),
        answer=answer,
        **wires,
    )


def kinds(events):
    return [getattr(event, "kind", type(event).__name__) for event in events]


@PIECES
def test_lost_request(piece_bytes):
    pair = line(piece_bytes=piece_bytes, to_answerer=drop(0))
    assert isinstance(pair.ask(ReadData(METER, ENERGY)), TimedOut)
    assert pair.now == pytest.approx(2.0)
    assert pair.ask(ReadData(METER, ENERGY)).payload == VALUE


@PIECES
def test_lost_answer(piece_bytes):
    pair = line(piece_bytes=piece_bytes, to_asker=drop(0))
    assert isinstance(pair.ask(ReadData(METER, ENERGY)), TimedOut)
    assert pair.ask(ReadData(METER, ENERGY)).payload == VALUE


@PIECES
@pytest.mark.parametrize("byte", range(20))
def test_one_wrong_bit_in_an_answer_is_never_a_wrong_value(piece_bytes, byte):
    pair = line(piece_bytes=piece_bytes, to_asker=flip(0, byte=byte, bit=byte % 8))
    assert isinstance(pair.ask(ReadData(METER, ENERGY)), TimedOut)
    assert pair.ask(ReadData(METER, ENERGY)).payload == VALUE


@PIECES
@pytest.mark.parametrize("byte", range(4, 20))
def test_a_meter_is_silent_about_a_damaged_request(piece_bytes, byte):
    pair = line(piece_bytes=piece_bytes, to_answerer=flip(0, byte=byte, bit=byte % 8))
    assert isinstance(pair.ask(ReadData(METER, ENERGY)), TimedOut)
    assert "Asked" not in kinds(pair.answerer_events)
    assert pair.ask(ReadData(METER, ENERGY)).payload == VALUE


@PIECES
def test_an_infrared_head_that_echoes(piece_bytes):
    said = []

    def to_meter(raw):
        said.append(raw)
        return raw

    pair = line(piece_bytes=piece_bytes, to_answerer=to_meter, to_asker=lambda raw: said[-1] + raw)
    for _ in range(3):
        assert pair.ask(ReadData(METER, ENERGY)).payload == VALUE
    assert kinds(pair.asker_events) == ["echo", "Data"] * 3


@PIECES
def test_a_record_in_three_frames(piece_bytes):
    pair = line(piece_bytes=piece_bytes)
    event = pair.ask(ReadData(METER, RECORDS))
    payload = event.payload
    sequence = 1
    while event.more:
        event = pair.ask(ReadFollowUp(METER, RECORDS, sequence))
        payload += event.payload
        sequence += 1
    assert payload == b"".join(PARTS)
    assert pair.now == 0.0  # an answer is complete by its length: nobody waits for silence


@PIECES
def test_an_answer_that_comes_after_the_next_request(piece_bytes):
    held = []

    def late(raw):
        held.append(raw)
        return b"" if len(held) == 1 else held[-2] + held[-1]

    pair = line(piece_bytes=piece_bytes, to_asker=late)
    assert isinstance(pair.ask(ReadData(METER, ENERGY)), TimedOut)
    event = pair.ask(ReadData(METER, RECORDS))
    assert event.payload == PARTS[0]
    assert kinds(pair.asker_events) == ["TimedOut", "other_identifier", "Data"]


def test_published_answers_reach_whoever_asks_for_them():
    taken = 0
    for each in own("dlt645.jsonl"):
        raw = bytes.fromhex(each["hex"])
        if not each["valid"] or parse(raw).control != 0x91:
            continue
        frame = parse(raw)
        request = ReadData(frame.address, int(each["expect"]["di"], 16))
        master = Session(Role.MASTER)
        master.send(request, 0.0)
        master.outgoing(0.0)
        master.receive(raw, 0.1)
        (event,) = master.events()
        assert event == Data(frame.address, request.identifier, frame.data[4:], raw=raw)
        taken += 1
    assert taken >= 5

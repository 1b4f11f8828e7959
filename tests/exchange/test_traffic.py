"""Overheard traffic: frames, times, who answers whom, and the figures."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.exchange.traffic import Piece, overhear
from kwhub.exchange.traffic_statistics import summarise
from kwhub.protocols.dlt645 import Frame645

METER, OTHER = "000000000038", "000000000039"
START = datetime(2026, 3, 1, tzinfo=UTC)
ENERGY = bytes.fromhex("00000100")
VALUE = ENERGY + bytes.fromhex("38000000")


def request(address=METER, data=ENERGY, control=0x11):
    return Frame645(address, control, data, 4).to_bytes()


def answer(address=METER, data=VALUE, control=0x91):
    return Frame645(address, control, data).to_bytes()


def heard(*timed, side=""):
    """Pieces at seconds; what was heard between two strangers."""
    return overhear(
        Piece(data, seconds, START + timedelta(seconds=seconds), side) for seconds, data in timed
    )


def test_a_request_and_its_answer():
    asked, answered = heard((1.0, request()), (1.035, answer()))
    assert asked.is_request
    assert asked.partner == 2
    assert answered.partner == 1
    assert answered.delay_s == pytest.approx(0.035)
    assert answered.gap_s == pytest.approx(0.035)
    assert not answered.late
    assert answered.at == START + timedelta(seconds=1.035)
    assert answered.decoded is not None
    assert str(answered.decoded.values[0].value) == "0.38"


def test_pieces_may_be_cut_anywhere_and_times_are_those_of_first_and_last_byte():
    question, reply = request(), answer()
    asked, answered = heard(
        (1.0, question[:7]), (1.1, question[7:]), (1.2, reply[:3]), (1.3, reply[3:])
    )
    assert (asked.starts_s, asked.ends_s) == (1.0, 1.1)
    assert (answered.starts_s, answered.ends_s) == (1.2, 1.3)
    assert answered.delay_s == pytest.approx(0.1)


def test_in_one_piece_or_without_time_the_delay_is_not_known():
    for entries in (
        heard((1.0, request() + answer())),
        overhear([Piece(request()), Piece(answer())]),
    ):
        assert [entry.partner for entry in entries] == [2, 1]
        assert entries[1].delay_s is None


def test_a_silent_meter_and_a_repetition():
    first, second, reply = heard((0, request()), (2, request()), (2.1, answer()))
    assert first.partner is None
    assert second.repeats == 1
    assert (second.partner, reply.partner) == (3, 2)
    figures = summarise([first, second, reply])
    meter = figures.meters[METER]
    assert (meter.requests, meter.repeats, meter.answers, meter.unanswered) == (2, 1, 1, 1)
    assert meter.delays_s == pytest.approx([0.1])


def test_a_late_answer_belongs_to_the_request_before():
    _, _, late, _ = entries = heard(
        (0, request()), (1, request(OTHER)), (1.2, answer()), (1.4, answer(OTHER))
    )
    assert [entry.partner for entry in entries] == [3, 4, 1, 2]
    assert late.late
    assert summarise(entries).late_answers == 1


def test_an_answer_about_something_else_answers_nothing():
    entries = heard((0, request()), (0.1, answer(data=bytes.fromhex("0000020011223344"))))
    assert [entry.partner for entry in entries] == [None, None]
    figures = summarise(entries)
    assert figures.stray_answers == 1
    assert figures.total.unanswered == 1


def test_asked_by_wildcard_the_figures_are_those_of_who_answers():
    entries = heard((0, request("A" * 12)), (0.1, answer()))
    figures = summarise(entries)
    assert list(figures.meters) == [METER]


def test_a_refusal_answers():
    entries = heard((0, request()), (0.1, answer(data=b"\x02", control=0xD1)))
    assert entries[1].partner == 1
    assert summarise(entries).meters[METER].refusals == 1


def test_a_request_for_all_meters_expects_no_answer():
    (told,) = entries = heard((0, request("9" * 12, bytes(6), 0x08)))
    assert not told.expects_answer
    figures = summarise(entries)
    assert (figures.requests, figures.announcements, figures.total.unanswered) == (1, 1, 0)


def test_an_echo_is_known_where_the_sides_are():
    pieces = [
        Piece(request(), 0.0, None, "tx"),
        Piece(request(), 0.1, None, "rx"),
        Piece(answer(), 0.2, None, "rx"),
    ]
    sent, back, reply = overhear(pieces)
    assert back.echo
    assert not sent.echo
    assert reply.partner == 1
    assert summarise([sent, back, reply]).echoes == 1


def test_noise_and_damage_are_counted_by_kind():
    damaged = bytearray(answer())
    damaged[-2] ^= 1
    entries = heard((0, b"\x00\x11"), (0.1, bytes(damaged)), (0.2, answer()))
    figures = summarise(entries)
    assert figures.discarded_bytes == 2 + len(damaged)
    assert "checksum_mismatch" in figures.discarded
    assert figures.frames == 1


def test_a_pause_ends_an_unfinished_frame():
    half = answer()[:10]
    cut, asked = heard((0, half), (5, request()))
    assert cut.kind == "truncated"
    assert asked.is_request


def test_a_value_that_makes_no_sense_is_an_error_of_a_good_frame():
    entries = heard((0, request()), (0.1, answer(data=ENERGY + b"\x38")))
    assert sum(summarise(entries).errors.values()) == 1


@given(st.lists(st.tuples(st.floats(0, 2), st.binary(max_size=60)), max_size=12))
def test_any_bytes_are_explained_and_none_is_lost(steps):
    now, pieces = 0.0, []
    for pause, data in steps:
        now += pause
        pieces.append(Piece(data, now))
    entries = overhear(pieces)
    assert b"".join(entry.raw for entry in entries) == b"".join(data for _, data in steps)
    assert summarise(entries).bytes == sum(len(data) for _, data in steps)

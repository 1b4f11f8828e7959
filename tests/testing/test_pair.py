"""Two machines back to back."""

import pytest

from kwhub.testing.pair import Pair, drop, flip
from kwhub.testing.toy import Answered, Asked, Noise, Question, Silence, ToySession


def shout(event):
    return [Question(event.text.upper())] if isinstance(event, Asked) else None


def joined(**options) -> Pair:
    return Pair(ToySession(asks=True), ToySession(asks=False), answer=shout, **options)


@pytest.mark.parametrize("piece_bytes", [None, 1, 2, 7])
def test_whole_and_in_pieces(piece_bytes) -> None:
    pair = joined(piece_bytes=piece_bytes)
    assert pair.ask(Question(b"hello")) == Answered(b"HELLO")
    assert pair.ask(Question(b"bye")) == Answered(b"BYE")
    assert pair.answerer_events == [Asked(b"hello"), Asked(b"bye")]
    assert pair.now == 0.0


def test_a_lost_question_and_a_lost_answer() -> None:
    pair = joined(to_answerer=drop(0), to_asker=drop(0))
    assert pair.ask(Question(b"1")) == Silence(Question(b"1"))
    assert pair.ask(Question(b"2")) == Silence(Question(b"2"))
    assert pair.ask(Question(b"3")) == Answered(b"3")
    assert pair.now == 2.0
    assert pair.answerer_events == [Asked(b"2"), Asked(b"3")]


def test_a_turned_bit() -> None:
    pair = joined(to_asker=flip(0, byte=-1))
    assert pair.ask(Question(b"a")) == Silence(Question(b"a"))
    assert pair.asker_events[0] == Noise(b"\x01A\x43")
    assert pair.ask(Question(b"a")) == Answered(b"A")


def test_run_a_conversation() -> None:
    def conversation():
        first = yield Question(b"a")
        second = yield Question(first.text + b"b")
        return second.text

    assert joined().run(conversation()) == b"AB"


def test_time_passes_only_when_asked_to() -> None:
    pair = joined(to_answerer=drop(0))
    pair.asker.send(Question(b"x"), pair.now)
    pair.wait_until(0.9)
    assert (pair.now, pair.asker_events) == (0.9, [])
    pair.wait_until(5.0)
    assert (pair.now, pair.asker_events) == (5.0, [Silence(Question(b"x"))])
    assert not pair.wait()


def test_a_request_that_can_never_end_is_told() -> None:
    class Deaf(ToySession):
        def deadline(self) -> None:
            return None

    pair = Pair(Deaf(asks=True), ToySession(asks=False))
    with pytest.raises(AssertionError, match="no timer is armed"):
        pair.ask(Question(b"x"))


@pytest.mark.slow
def test_machines_that_answer_each_other_for_ever_are_told() -> None:
    class Parrot(ToySession):
        def outgoing(self, now: float) -> bytes:
            return b"\x01a\x62"

    with pytest.raises(AssertionError, match="did not come to rest"):
        Pair(Parrot(asks=True), Parrot(asks=False)).exchange()

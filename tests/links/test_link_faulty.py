"""Trouble on the wire: each knob does what it says, and counts it."""

import asyncio
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import LocalError
from kwhub.links.layers import FaultCounts, FaultRates, Faulty
from kwhub.links.layers.spoiler import Spoiler
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def virtual(main) -> None:
    run_virtual(main, start=START)


def test_rates_are_probabilities() -> None:
    with pytest.raises(LocalError, match="bit_flip is a probability"):
        FaultRates(bit_flip=1.5)


def faulty(rates: FaultRates, *, writes: int = 200) -> tuple[FaultCounts, list[bytes], list[bytes]]:
    """What both ends hear of numbered writes and their numbered answers."""
    heard_far: list[bytes] = []
    heard_near: list[bytes] = []
    counts: list[FaultCounts] = []

    async def main(clock: LoopClock) -> None:
        one, two = pair()
        link = Faulty(one, seeded(3), rates)
        for number in range(writes):
            await link.write(f"<{number}>".encode())
            heard_far.extend(await _what_is_there(two))
            await two.write(f"[{number}]".encode())
            heard_near.extend(await _what_is_there(link))
        counts.append(link.counts)

    virtual(main)
    return counts[0], heard_far, heard_near


async def _what_is_there(link) -> list[bytes]:
    got = []
    try:
        while True:
            async with asyncio.timeout(0):
                got.append(await link.read())
    except TimeoutError:
        return got


def test_no_trouble_unless_asked_for() -> None:
    counts, far, near = faulty(FaultRates())
    assert counts == FaultCounts()
    assert far == [f"<{number}>".encode() for number in range(200)]
    assert near == [f"[{number}]".encode() for number in range(200)]


def test_loss() -> None:
    counts, far, near = faulty(FaultRates(loss=0.1))
    assert 20 < counts.lost < 60
    assert len(far) + len(near) == 400 - counts.lost


def test_bit_flips() -> None:
    counts, far, near = faulty(FaultRates(bit_flip=0.05))
    turned = sum(
        (was ^ is_).bit_count()
        for sent, got in [
            *((f"<{number}>".encode(), got) for number, got in enumerate(far)),
            *((f"[{number}]".encode(), got) for number, got in enumerate(near)),
        ]
        for was, is_ in zip(sent, got, strict=True)
    )
    assert turned == counts.bits_flipped > 50


def test_cuts() -> None:
    counts, far, near = faulty(FaultRates(cut=0.2))
    short = [got for got in far + near if got[-1:] not in (b">", b"]")]
    assert len(short) == counts.cut > 40
    assert all(got[:1] in (b"<", b"[") for got in short)


def test_duplicates() -> None:
    counts, far, near = faulty(FaultRates(duplicate=0.2))
    assert counts.duplicated > 40
    assert len(b"".join(far + near)) > len(b"".join(f"<{n}>[{n}]".encode() for n in range(200)))


def test_echo_comes_before_the_answer() -> None:
    counts, far, near = faulty(FaultRates(echo=1.0), writes=3)
    assert counts.echoed == 3
    assert near == [b"<0>", b"[0]", b"<1>", b"[1]", b"<2>", b"[2]"]
    assert far == [b"<0>", b"<1>", b"<2>"]


def test_late_answers_arrive_after_the_next_request() -> None:
    counts, _, near = faulty(FaultRates(late_answer=1.0), writes=3)
    assert counts.answers_held == 3
    assert near == [b"[0]", b"[1]"]


def test_an_echo_wakes_a_reader_who_already_waits() -> None:
    async def main(clock: LoopClock) -> None:
        link = Faulty(pair()[0], seeded(1), FaultRates(echo=1.0))
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(link.read())
            await asyncio.sleep(0)
            await link.write(b"own")
        assert reading.result() == b"own"

    virtual(main)


def test_the_same_seed_makes_the_same_trouble() -> None:
    rates = FaultRates(loss=0.1, bit_flip=0.01, cut=0.1, duplicate=0.1, echo=0.1, late_answer=0.1)
    assert faulty(rates) == faulty(rates)


def test_flip_turns_exactly_one_bit_of_a_piece():
    spoiler = Spoiler(seeded(5), FaultRates(flip=1.0))
    for size in (1, 2, 30, 300):
        (changed,) = spoiler.spoil(bytes(size))
        assert sum(byte.bit_count() for byte in changed) == 1
    assert spoiler.spoil(b"") == [b""]
    assert spoiler.counts.bits_flipped == 4

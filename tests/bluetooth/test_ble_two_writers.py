"""Several programs at one serial face: every question is answered, and every answer arrives whole."""

import asyncio
import os
import tty
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER, on_air
from tests.bluetooth.test_ble_serial_face import face_of

from kwhub.bluetooth.bursts import ALL, BURST_BYTES_MAX, Bursts
from kwhub.bluetooth.node_settings import Transmission
from kwhub.bluetooth.plain import PLAIN
from kwhub.bluetooth.serial_face import WAITING_MAX, SerialFace
from kwhub.exchange.passing import DLT645
from kwhub.exchange.passing_others import DIALECTS
from kwhub.links.base import LinkFacts
from kwhub.links.pty import PtyLink
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.mbus.control import REQ_UD2, SND_UD
from kwhub.protocols.mbus.frames import FrameMbus
from kwhub.runtime.clock import SystemClock
from kwhub.wire.passing import Passing

QUESTIONS = 24  # of each writer; no two are the same
NEWS = 20
COMMAND, OK = b"AT\r\n", b"+OK\r\n"


def questions(meter, count=QUESTIONS):
    kinds = product((1, 2), range(5), range(13))  # quantity, tariff, settlement
    wishes = [bytes([settled, tariff, quantity, 0]) for quantity, tariff, settled in kinds]
    assert count <= len(wishes)
    return [Frame645(meter, 0x11, each).to_bytes() for each in wishes[:count]]


def told(heard):
    """Questions that were answered, with how often; whatever else was heard must be known."""
    answers: Counter[tuple[str, bytes]] = Counter()
    for each in Receiver().feed(heard):
        if isinstance(each, Received):
            answers[each.frame.address, each.frame.data[:4]] += 1
        else:
            assert each.raw in (b"\x00", b"\x01"), each  # the number in front of an answer
    return answers


def asked(frames):
    found = [parse(each) for each in frames]
    return {(each.address, each.data[:4]): 1 for each in found}


@pytest.mark.parametrize("transmission", list(Transmission))
@pytest.mark.parametrize("with_command", [False, True])
def test_two_programs_that_leave_no_pause_are_both_answered(transmission, with_command):
    is_addressed = transmission is Transmission.ADDRESSED

    async def main(clock, air):
        behind = meters(clock, 2)
        slaves = {address(5, i): [each.address] for i, each in enumerate(behind)}
        (first, second), made = slaves, collector(slaves, transmission=transmission)
        frames = [questions(each.address) for each in behind]
        async with (
            node(clock, air, first, slave(), behind=behind[:1]),
            node(clock, air, second, slave(), behind=behind[1:]),
            node(clock, air, METER, made) as middle,
            face_of(middle) as (port, face),
        ):
            await clock.sleep(5)
            for pair in zip(*frames, strict=True):
                for number, frame in enumerate(pair):
                    await port.write(bytes([number]) * is_addressed + frame)
            if with_command and is_addressed:
                await clock.sleep(0.01)  # sooner than a burst ends
                await port.write(COMMAND)
            heard = b""
            while len(told(heard.replace(OK, b""))) < 2 * QUESTIONS:
                heard += await port.read()
            assert heard.count(OK) == (with_command and is_addressed)
            assert face.dropped == 0
            assert not middle.inspection.counts
            return told(heard.replace(OK, b"")) == asked(frames[0] + frames[1])

    assert on_air(main)


def test_who_writes_faster_than_meters_answer_is_held_back_and_loses_nothing():
    async def main(clock, air):
        behind = meters(clock, 1)
        slaves = {address(5, 1): [behind[0].address]}
        made = collector(slaves, transmission=Transmission.ADDRESSED)
        frames = questions(behind[0].address, 2 * WAITING_MAX)
        async with (
            node(clock, air, address(5, 1), slave(), behind=behind),
            node(clock, air, METER, made) as middle,
            face_of(middle) as (port, face),
        ):
            await clock.sleep(5)
            await port.write(b"".join(b"\x00" + each for each in frames))
            heard, most = b"", 0
            while len(told(heard)) < len(frames):
                heard += await port.read()
                most = max(most, face._waiting.qsize())
            return told(heard) == asked(frames), most

    is_whole, most = on_air(main)
    assert is_whole
    assert most <= WAITING_MAX


@pytest.mark.slow
def test_answers_and_what_is_published_are_not_mixed_when_the_program_reads_late():
    """More than a pseudo terminal holds, from two writers inside the node."""
    one = Frame645("000000000099", 0x91, bytes(180)).to_bytes()
    news = one * NEWS

    async def main():
        clock = SystemClock()
        (meter,) = meters(clock, 1)
        slaves = {address(5, 1): [meter.address]}
        async with (
            node(clock, "air:late", address(5, 1), slave(), behind=[meter]),
            node(clock, "air:late", METER, collector(slaves)) as middle,
            asyncio.TaskGroup() as tasks,
        ):
            port = PtyLink(LinkFacts("pty:"))
            far = os.open(port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(far)
            face = tasks.create_task(SerialFace(port, middle, middle._station).run())
            async with asyncio.timeout(30):
                while not middle.ports:
                    await clock.sleep(0.05)
                os.write(far, b"".join(questions(meter.address)))
                publishing = [asyncio.ensure_future(middle.publish(news)) for _ in range(QUESTIONS)]
                while not middle.forwarded:  # an answer presses on while the news wait for room
                    await clock.sleep(0.05)
                heard = await _read_all(far, QUESTIONS * (len(news) + 20))
                await asyncio.gather(*publishing)
            os.close(far)
            face.cancel()
            await port.aclose()
        return heard

    answers = asyncio.run(main())
    assert answers.pop(("000000000099", bytes(4))) == QUESTIONS * NEWS
    assert sum(answers.values()) == len(answers) == QUESTIONS


async def _read_all(far, size):
    """What comes up to so many bytes, and until nothing more comes for a while."""
    heard, quiet = b"", 0
    while len(heard) < size or quiet < 20:
        await asyncio.sleep(0.01)
        try:
            heard += os.read(far, 4_096)
            quiet = 0
        except BlockingIOError:
            quiet += 1
    return told(heard)


NUMBERS = st.sampled_from([0, 1, 2, ALL])
BURSTS = st.lists(st.tuples(NUMBERS, st.integers(1, 3)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(BURSTS, st.integers(1, 40), st.booleans())
def test_numbers_are_found_whatever_the_packets(wanted, size, wakes):
    frame = b"\xfe\xfe\xfe\xfe" * wakes + questions("000000000038", 1)[0]
    stream = b"".join(bytes([number]) + frame * times for number, times in wanted)
    bursts, found = Bursts(DLT645), []
    for at in range(0, len(stream), size):
        found += bursts.feed(stream[at : at + size], 3)
    found += bursts.flush()
    assert [number for number, _ in found] == [
        number for number, times in wanted for _ in range(times)
    ]
    assert all(isinstance(each, Passing) and each.raw == frame for _, each in found)
    assert bursts.dropped == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 15, 16, 17, ALL]), st.booleans(), st.integers(1, 3)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
)
def test_with_twenty_slaves_of_mbus_no_pause_is_needed_either(wanted, size):
    short = FrameMbus.short(REQ_UD2, 1).to_bytes()
    long = FrameMbus.long(SND_UD, 16, 0x51, b"\x10\x10").to_bytes()
    stream = b"".join(
        bytes([number]) + (long if is_long else short) * times for number, is_long, times in wanted
    )
    bursts, found = Bursts(DIALECTS["mbus"]), []
    for at in range(0, len(stream), size):
        found += bursts.feed(stream[at : at + size], 20)
    found += bursts.flush()
    assert [(number, each.raw) for number, each in found] == [
        (number, long if is_long else short)
        for number, is_long, times in wanted
        for _ in range(times)
    ]


def test_without_a_protocol_only_a_pause_ends_a_burst():
    bursts = Bursts(PLAIN)
    found = [*bursts.feed(b"\x01\x00\x01\x02", 3), *bursts.flush()]
    found += [*bursts.feed(b"\xff\x00", 3), *bursts.flush()]
    assert [(number, each.raw) for number, each in found] == [
        (1, b"\x00\x01\x02"),
        (ALL, b"\x00"),
    ]


@pytest.mark.parametrize("burst", [b"\x03abc", b"\x00" + bytes(BURST_BYTES_MAX + 1)])
def test_bursts_to_nobody_or_too_long_are_dropped_up_to_the_pause(burst):
    bursts = Bursts(PLAIN)
    assert bursts.feed(burst + b"\x00more", 3) == []
    assert bursts.flush() == []
    assert bursts.dropped == 1
    assert bursts.feed(b"\x00x", 3) == []
    assert [(number, each.raw) for number, each in bursts.flush()] == [(0, b"x")]

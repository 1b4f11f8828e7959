"""The master's wait on real sessions: learnt for each meter, and never from an answer to a repeat."""

import asyncio
from datetime import UTC, datetime
from itertools import repeat

import pytest

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import NoAnswer
from kwhub.exchange.read import read_items
from kwhub.links.drive import Driver, attend
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import (
    Asked,
    Authority,
    Data,
    Edition,
    Key,
    ReadData,
    ReadFollowUp,
    Role,
    Session,
    TimedOut,
    WriteData,
)
from kwhub.runtime.virtual import run_virtual

ADDRESS = "000000000038"
START = datetime(2026, 3, 1, tzinfo=UTC)
ENERGY = bytes.fromhex("38000000")


def talk(delays, main, *, edition=Edition.E2007, attempts=3, times=None):
    """Run ``main(driver)`` against a meter that waits ``next(delays)`` seconds; None: no answer."""
    heard = []

    async def go(clock):
        near, far = pair()
        session = Session(Role.METER, addresses={ADDRESS}, edition=edition)

        async def answer(event):
            if not isinstance(event, Asked):
                return []
            heard.append(event.request)
            delay = next(delays)
            if delay is None:
                return []
            await clock.sleep(delay)
            return [Data(ADDRESS, event.request.identifier, ENERGY)]

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, session, clock, answer))
            master = Session(Role.MASTER, answer_times=times or AnswerTimes(2.0))
            driver = Driver(near, master, clock, attempts=attempts)
            result = await main(driver, clock)
            await near.aclose()
        return result

    return run_virtual(go, start=START), heard


def test_the_wait_follows_the_answers():
    times = AnswerTimes(2.0)

    async def main(driver, clock):
        for _ in range(20):
            await driver.ask(ReadData(ADDRESS, 0x00010000))
        before = clock.monotonic()
        event = await driver.ask(ReadData(ADDRESS, 0x00010000))
        return event, clock.monotonic() - before

    delays = iter([0.05] * 20 + [None] * 3)
    (event, waited), heard = talk(delays, main, times=times)
    assert times.of(ADDRESS).answers == 20
    assert times.of(ADDRESS).smoothed_s == pytest.approx(0.05)
    assert waited == pytest.approx(3 * times.least_s)
    assert event == TimedOut(ReadData(ADDRESS, 0x00010000), attempts=3)
    assert times.of(ADDRESS).silences == 3
    assert len(heard) == 23


def test_a_meter_slower_than_the_first_wait_is_waited_for():
    """It answers after 3 s, the master begins with 2 s: the answer meets the repeat."""
    times = AnswerTimes(2.0)

    async def main(driver, _clock):
        for _ in range(6):
            event = await driver.ask(ReadData(ADDRESS, 0x00010000))
            assert isinstance(event, Data)
        return driver.retries

    retries, _ = talk(repeat(3.0), main, times=times)
    assert times.timeout_s(ADDRESS) > 3.0
    assert retries < 6  # not once for each request
    assert times.of(ADDRESS).answers > 0


def test_the_error_tells_how_often_it_was_asked():
    async def main(driver, _clock):
        return await driver.run(read_items(ADDRESS, [0x00010000]))

    (answer,), _ = talk(iter([None] * 5), main, attempts=5)
    assert isinstance(answer.error, NoAnswer)
    assert answer.error.attempts == 5
    assert "after 5 attempts" in str(answer.error)


def test_a_command_is_sent_once():
    authority = Authority(Key(4, "123456"))

    async def main(driver, _clock):
        return await driver.ask(WriteData(ADDRESS, 0x04000103, b"\x15", authority))

    event, heard = talk(iter([None]), main)
    assert event.timed_out
    assert event.attempts == 1
    assert len(heard) == 1


def test_a_follow_up_of_1997_is_sent_once():
    """Its lost answer would be skipped: the values of another tariff would stand in its place."""

    async def main(driver, _clock):
        return await driver.ask(ReadFollowUp(ADDRESS, 0x901F, 0, Edition.E1997))

    event, heard = talk(iter([None]), main, edition=Edition.E1997)
    assert event.timed_out
    assert len(heard) == 1

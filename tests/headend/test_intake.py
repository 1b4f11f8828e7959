"""The way into the journal: one commit for all who wait, and nobody waits in vain."""

import asyncio

import pytest
from tests.headend.world import DAYS, NOON, batch, open_store, shanghai

from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import in_place, in_thread
from kwhub.headend.store import sessions
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.queries import Queries
from kwhub.runtime.virtual import run_virtual


def one(minute):
    return batch([(2, "1-0:1.8.0", 900, shanghai(3, 0, minute), 1)])


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "headend.sqlite")
    yield opened
    opened.close()


async def take_all(intake, minutes):
    async with asyncio.TaskGroup() as tasks:
        for minute in minutes:
            tasks.create_task(intake.take(one(minute)))


def test_who_comes_together_is_committed_together(store):
    told = []

    async def main(_clock):
        intake = Intake(store, in_place, told=lambda: told.append(store.waiting))
        await take_all(intake, (0, 15, 30))
        await take_all(intake, (45,))
        assert (intake.commits, intake.readings) == (2, 4)

    run_virtual(main, start=NOON)
    assert told == [3, 4]


async def test_in_a_thread_as_well(store):
    intake = Intake(store, in_thread)
    await take_all(intake, (0, 15, 30, 45))
    assert store.waiting == 4


def test_a_failure_is_told_to_all_who_wait(store):
    def fail(*_):
        raise StoreError("disk full")

    async def main(_clock):
        intake = Intake(store, in_place)
        store.append = fail
        async with asyncio.TaskGroup() as tasks:
            for minute in (0, 15):
                tasks.create_task(expects_failure(intake, minute, "disk full"))
        del store.append
        await intake.take(one(30))
        assert intake.readings == 1

    run_virtual(main, start=NOON)


def test_who_gives_up_takes_nobody_along(store):
    async def main(_clock):
        intake = Intake(store, slowly(5))
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(intake.take(one(0)))
            tasks.create_task(intake.take(one(15)))
            await asyncio.sleep(1)
            tasks.create_task(intake.take(one(30)))
            await asyncio.sleep(1)
            first.cancel()
        assert (intake.commits, intake.readings) == (1, 2)

    run_virtual(main, start=NOON)


def test_nobody_waits_for_those_who_came_later(store):
    """Many terminals report without end; each is told after its own commit."""
    waits = []

    async def terminal(clock, intake, number):
        for _ in range(10):
            before = clock.monotonic()
            await intake.take(one(15 * (number % 4)))
            waits.append(clock.monotonic() - before)
            await asyncio.sleep(0.1 * (number % 7))

    async def main(clock):
        intake = Intake(store, slowly(1))
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(terminal(clock, intake, number))

    run_virtual(main, start=NOON)
    assert len(waits) == 200
    assert max(waits) <= 2.001  # the commit that was under way, and its own


def slowly(seconds):
    async def offload(work):
        await asyncio.sleep(seconds)
        return work()

    return offload


async def expects_failure(intake, minute, words):
    with pytest.raises(StoreError, match=words):
        await intake.take(one(minute))


def test_strangers_who_knock_without_end_do_not_fill_the_disk(store, monkeypatch):
    monkeypatch.setattr(sessions, "STRANGERS_KEPT", 5)
    monkeypatch.setattr(sessions, "FORGET_EVERY", 1)
    with store.database.write() as connection:
        kept = sessions.begin(connection, "4101", 2082, "first", terminal_id=1, at=NOON)
        for number in range(20):
            sessions.begin(
                connection, "9999", number, "x" * 300, terminal_id=None, at=NOON, denied="denied"
            )
    rows = Queries(store.database, DAYS, lambda: NOON).sessions()
    assert [row.terminal for row in rows] == [19, 18, 17, 16, 15, 2082]  # who is online stays
    assert rows[-1].id == kept
    assert len(rows[0].peer) == 200


def test_giving_up_at_any_moment_stops_nobody(store):
    async def main(_clock):
        intake = Intake(store, slowly(5))
        for patience in (0, 1):  # rounds of the loop: before the writing, and in the middle of it
            async with asyncio.TaskGroup() as tasks:
                gone = [tasks.create_task(intake.take(one(0))) for _ in range(3)]
                last = tasks.create_task(intake.take(one(15)))
                for _ in range(patience + 1):
                    await asyncio.sleep(0)
                for task in gone:
                    task.cancel()
                await asyncio.wait([last], timeout=60)
                assert last.done()
                await last
        await intake.take(one(30))

    run_virtual(main, start=NOON)

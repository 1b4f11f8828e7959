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


def test_when_the_writer_is_cancelled_the_others_are_told(store):
    async def main(_clock):
        async def slow(work):
            await asyncio.sleep(5)
            return work()

        intake = Intake(store, slow)
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(intake.take(one(0)))
            tasks.create_task(expects_failure(intake, 15, "interrupted"))
            await asyncio.sleep(1)
            tasks.create_task(expects_failure(intake, 30, "interrupted"))
            await asyncio.sleep(1)
            writer.cancel()
        await intake.take(one(45))
        assert intake.readings == 1

    run_virtual(main, start=NOON)


async def expects_failure(intake, minute, words):
    with pytest.raises(StoreError, match=words):
        await intake.take(one(minute))


def test_strangers_who_knock_without_end_do_not_fill_the_disk(store, monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS_KEPT", 5)
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

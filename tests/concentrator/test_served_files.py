"""Files of the head-end beside the readings: how much of them is kept, and what they cost."""

import asyncio
import hashlib

import pytest

from kwhub.concentrator import served_files
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.served_files import SEGMENTS_AT_ONCE, Files
from kwhub.concentrator.store_size import StoreSize
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.afn_0f import FileSegment


@pytest.fixture(name="database")
def open_database(tmp_path):
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    yield outbox.database
    outbox.close()


def segment(number, count, *, file=1, data=b"x" * 1_000):
    return FileSegment(file, number, count, data, last=number == count - 1)


def sha256_of(files):
    known = files.kept(1)
    assert known is not None
    return known.sha256


CLEAR = FileSegment(0, 0, 1, b"")


def test_all_files_together_have_a_limit(database, monkeypatch):
    monkeypatch.setattr(served_files, "ALL_BYTES_MAX", 3_000)
    files = Files(database)
    for file in (1, 2, 3):
        assert not files.take(segment(0, 9, file=file))
    assert not files.take(segment(0, 9, file=3))
    again = Files(database)
    assert again.used_bytes() == 3_000
    with pytest.raises(LocalError, match="all files have at most 3000 bytes"):
        again.take(segment(1, 9, file=2))
    assert not again.take(CLEAR)
    assert again.used_bytes() == 0
    assert not again.take(segment(1, 9, file=2))


def test_files_take_nothing_from_the_readings(database):
    files = Files(database)
    size = StoreSize(database, 1 << 20)
    size.apart = files.used_bytes
    before = size.used_bytes()
    for number in range(100):
        files.take(segment(number, 1_000, data=bytes(10_000)))
    assert size.used_bytes() - before < 300_000


@pytest.mark.parametrize("backwards", [False, True])
def test_a_file_is_hashed_a_few_segments_at_a_time(database, backwards):
    count = 3 * SEGMENTS_AT_ONCE + 1
    parts = [segment(number, count, data=bytes([number])) for number in range(count)]

    async def story():
        files = Files(database)
        whole = [files.take(part) for part in (reversed(parts) if backwards else parts)]
        assert whole == [False] * (count - 1) + [True]
        turns = []

        async def others():
            while True:
                turns.append(sha256_of(files))
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        await asyncio.sleep(0)
        await files.complete(1, 0)
        task.cancel()
        assert turns[:4] == [None] * 4
        content = bytes(range(count))
        assert sha256_of(files) == hashlib.sha256(content).hexdigest()
        assert files.content(1) == content
        assert not files.take(parts[0])

    asyncio.run(story())


def test_a_file_that_is_forgotten_while_it_is_hashed_is_not_complete(database):
    async def story():
        files = Files(database)
        for number in range(200):
            files.take(segment(number, 200))
        task = asyncio.create_task(files.complete(1, 0))
        await asyncio.sleep(0)
        files.take(CLEAR)
        for number in range(200):
            files.take(segment(number, 200, data=b"y"))
        with pytest.raises(LocalError, match="forgotten"):
            await task
        assert sha256_of(files) is None

    asyncio.run(story())


def test_a_file_whose_hash_was_cut_off_is_hashed_when_a_segment_comes_again(database):
    files = Files(database)
    for number in range(3):
        files.take(segment(number, 3))
    again = Files(database)
    assert again.take(segment(2, 3))
    asyncio.run(again.complete(1, 7))
    assert again.content(1) == b"x" * 3_000

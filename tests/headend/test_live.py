"""News for watchers: nothing is lost, nothing piles up, everybody is let go at the end."""

import asyncio
import datetime as dt

from kwhub.headend import live
from kwhub.headend.live import EVERYTHING, Broadcaster
from kwhub.runtime.virtual import run_virtual


def play(script):
    async def main(_clock):
        async with asyncio.timeout(600):
            await script(Broadcaster())

    run_virtual(main, start=dt.datetime(2026, 3, 4, tzinfo=dt.UTC))


def test_topics_are_told_once_and_in_order():
    async def script(news):
        watch = news.watch()
        first = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        for topic in ("readings", "events", "readings"):
            news.tell(topic)
        assert await first == ("events", "readings")
        news.tell("terminals")
        assert await anext(watch) == ("terminals",)
        assert await anext(watch) == ()  # still there
        await watch.aclose()
        assert news.watchers == 0

    play(script)


def test_a_slow_watcher_hears_everything_instead_of_a_queue():
    async def script(news):
        watch = news.watch()
        first = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        for number in range(10 * live.TOPICS_MAX):
            news.tell(f"frames-{number}")
        assert await first == (EVERYTHING,)
        await watch.aclose()

    play(script)


def test_the_end_lets_everybody_go():
    async def script(news):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(news))
            await asyncio.sleep(1)
            news.close()
        assert news.watchers == 0
        assert [each async for each in news.watch()] == []

    async def listen(news):
        async for _ in news.watch():
            pass

    play(script)


def test_there_is_an_end_to_watchers(monkeypatch):
    monkeypatch.setattr(live, "WATCHERS_MAX", 1)

    async def script(news):
        first = news.watch()
        waiting = asyncio.ensure_future(anext(first))
        await asyncio.sleep(0)
        assert [each async for each in news.watch()] == []
        news.tell("readings")
        assert await waiting == ("readings",)
        await first.aclose()

    play(script)

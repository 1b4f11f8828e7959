"""Ctrl-C and SIGTERM end what is played in good order: no bug is told, nothing is left unawaited."""

import asyncio
import os
import signal

import pytest

from kwhub.cli.play import serve_until_over
from kwhub.cli.signals import interrupt_on_terminate
from kwhub.domain.errors import LinkDown


async def test_a_link_that_is_opened_while_everything_ends_is_down():
    heard, begun = [], asyncio.Event()

    async def serve():
        heard.append("served")
        begun.set()

    async def opens_when_it_is_ended(tasks):
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(LinkDown, match="ended"):
                serve_until_over(tasks, serve())
            heard.append("told")

    async def play():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(opens_when_it_is_ended(tasks))
            await serve_until_over(tasks, serve())
            await asyncio.Event().wait()

    playing = asyncio.create_task(play())
    await begun.wait()
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert heard == ["served", "told"]


def test_sigterm_ends_a_running_loop_as_ctrl_c_does():
    ended = []

    async def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("in good order")
            raise

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    interrupt_on_terminate()
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(work())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert ended == ["in good order"]

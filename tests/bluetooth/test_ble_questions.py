"""Questions of pairing at a terminal: an answer belongs to the question that stands there."""

import asyncio
import os
import sys

import pytest

from kwhub.cli.ble_ways import asking


@pytest.fixture
def keyboard(monkeypatch):
    """A person's; a call types."""
    inside, outside = os.pipe()
    with os.fdopen(inside) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        yield lambda text: os.write(outside, text.encode())
        os.close(outside)


async def _put(question):
    """Let a question stand on the screen."""
    task = asyncio.ensure_future(question)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def _withdraw(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("late", ["y\n", "y", "yes\nyes\n"])
def test_a_late_yes_does_not_accept_the_next_pairing(keyboard, capfd, late):
    async def main():
        asked = (await asking("compare", "en")).asked
        await _withdraw(await _put(asked.same(123456)))
        keyboard(late)
        second = await _put(asked.same(654321))
        keyboard("n\n")
        assert await second is False
        third = await _put(asked.same(111111))
        keyboard("y\n")
        assert await third is True

    asyncio.run(main())
    assert capfd.readouterr().err.count("is over") == 1


def test_a_passkey_that_came_too_late_is_not_that_of_the_next_pairing(keyboard, capfd):
    async def main():
        asked = (await asking("type", "zh")).asked
        keyboard("000111\n")  # shown on the other side before the question stands here
        assert await asked.typed() == 111
        await _withdraw(await _put(asked.typed()))
        keyboard("000222\n")
        second = await _put(asked.typed())
        keyboard("000333\n")
        assert await second == 333

    asyncio.run(main())
    assert "已取消" in capfd.readouterr().err


def test_an_answer_is_for_the_first_of_two_questions_at_once(keyboard, capfd):
    """Two pair in the same moment: the second is put when the first is answered, and what was typed before is dropped."""

    async def main():
        asked = (await asking("compare", "en")).asked
        first, second = await _put(asked.same(123456)), await _put(asked.same(654321))
        assert "654321" not in capfd.readouterr().err
        keyboard("y\n")
        assert await first is True
        await asyncio.sleep(0)
        assert "654321" in capfd.readouterr().err
        keyboard("n\n")
        assert await second is False

    asyncio.run(asyncio.wait_for(main(), 5))

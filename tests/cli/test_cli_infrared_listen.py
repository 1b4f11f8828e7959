"""``kwhub infrared listen``: frames and noise as lines."""

import asyncio
import json
import threading
from queue import Queue

import pytest

from kwhub.cli.app import run
from kwhub.links.base import Link
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import SystemClock
from kwhub.sim.infrared import PUBLISHED_ANSWER


def heard(*words: str, data: bytes = PUBLISHED_ANSWER) -> int:
    """Listen to somebody who sends some bytes as light and then goes away."""
    where: Queue[str] = Queue()

    async def main() -> None:
        done = asyncio.Event()

        async def speak(link: Link) -> None:
            await link.write(data)
            done.set()

        server = await serve("tcp-listen:127.0.0.1:0", speak, SystemClock())
        where.put(server.call_address)
        await done.wait()
        await server.aclose()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        return run(["infrared", "listen", f"ir:{where.get(timeout=10)}", *words])
    finally:
        thread.join()


def test_frames_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert heard("--json", "--frames", "1", data=b"\x00\x01" + PUBLISHED_ANSWER) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    frame = next(row for row in rows if row["kind"] == "frame")
    assert frame["values"][0]["value"] == "0.38"
    assert bytes.fromhex(frame["bytes"]) == PUBLISHED_ANSWER


@pytest.mark.parametrize(("language", "words"), [("en", "0.38 kWh"), ("zh", "读数据")])
def test_frames_are_told_to_people(
    language: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert heard("--frames", "1", "--language", language) == 0
    assert words in capsys.readouterr().out


def test_noise_is_no_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert heard("--json", data=b"\x00\x01\x02") == 1
    assert json.loads(capsys.readouterr().out)["kind"] == "noise"


def test_a_window_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["infrared", "listen", "ir:sim:"]) == 2
    assert "needs a name" in capsys.readouterr().err

"""``kwhub capture``: recording without a word of one's own."""

import asyncio
import json
import os
import signal
import threading

import pytest
from tests.cli.live_meters import served

from kwhub.cli.app import run
from kwhub.domain.errors import LinkDown
from kwhub.links.capture import read_capture

REQUEST = bytes.fromhex("FEFEFEFE683800000000006811043333 3433EA16".replace(" ", ""))
ANSWER = bytes.fromhex("FEFEFE68380000000000689108333334336B3333337216")


def talk(written, *, then_close=True):
    """Two strangers, heard through a serial server; keeps what the listener writes to them."""

    async def attend(link, clock):
        for piece in (REQUEST, b"\x00\x00", ANSWER):
            await link.write(piece)
            await clock.sleep(0.01)
        if then_close:
            await link.aclose()
            return
        try:
            while True:
                written.append(await link.read())
        except LinkDown:
            return

    return served(attend)


def test_what_was_said_is_recorded_until_the_line_goes_away(capsys, tmp_path):
    path = tmp_path / "bus.capture"
    with talk([]) as link:
        assert run(["capture", link, str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["frames"] == 2
    assert answer["bytes"] == len(REQUEST) + 2 + len(ANSWER)
    assert answer["discarded_bytes"] == 2
    records = read_capture(path)
    assert b"".join(record.data for record in records) == REQUEST + b"\x00\x00" + ANSWER
    assert {record.direction for record in records} == {"rx"}
    assert run(["explain", str(path), "--json"]) == 0


def test_enough_frames_and_nothing_is_ever_written(capsys, tmp_path):
    written: list[bytes] = []
    with talk(written, then_close=False) as link:
        assert run(["capture", link, str(tmp_path / "a"), "--frames", "2", "--language", "en"]) == 0
    assert "2 frames" in capsys.readouterr().out
    assert written == []


def test_a_time_limit_and_a_second_part_in_the_same_file(capsys, tmp_path):
    path = tmp_path / "bus.capture"
    for _ in range(2):
        with talk([], then_close=False) as link:
            assert run(["capture", link, str(path), "--seconds", "0.1", "--language", "zh"]) == 0
    assert "帧" in capsys.readouterr().out
    assert sum(len(each.data) for each in read_capture(path)) == 2 * (
        len(REQUEST) + 2 + len(ANSWER)
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(capsys, tmp_path, number):
    path = tmp_path / "bus.capture"
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    with talk([], then_close=False) as link:
        timer.start()
        assert run(["capture", link, str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["interrupted"] is True
    assert answer["frames"] == 2


def test_silence_is_a_no(capsys, tmp_path):
    async def attend(link, clock):
        await asyncio.sleep(0)
        await link.aclose()

    with served(attend) as link:
        assert run(["capture", link, str(tmp_path / "a"), "--json"]) == 1


def test_a_file_that_cannot_be_written_and_a_line_that_is_not_there(capsys, tmp_path):
    with talk([]) as link:
        assert run(["capture", link, str(tmp_path / "no" / "folder")]) == 2
    assert run(["capture", "tcp:127.0.0.1:1", str(tmp_path / "a")]) == 3
    assert not (tmp_path / "a").exists()

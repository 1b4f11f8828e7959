"""``kwhub terminal``: what a person sees."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kwhub.catalog.terminal_profile import EventKind
from kwhub.cli.app import run
from kwhub.cli.terminal_watch import watch_terminal
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal
from kwhub.terminal.countlog import CountLog, FileMedium
from kwhub.terminal.memory import TerminalMemory

EXAMPLE = Path(__file__).parent.parent.parent / "deploy" / "examples" / "terminal.toml"
ADDRESS = "000020260700"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "terminal.toml"
    file.write_text(
        EXAMPLE.read_text().replace(":6470", ":0").replace("load_kw = 3.0", "load_kw = 9.0")
    )
    return file


def test_check_tells_how_long_the_supply_must_hold(path, capsys):
    assert run(["terminal", "check", str(path), "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert any("so long must the supply hold" in each["english"] for each in findings)
    assert {each["what"]: each["level"] for each in findings}["passwords"] == "warn"
    assert run(["terminal", "check", str(path), "--language", "zh"]) == 0
    assert "一次提交最长" in capsys.readouterr().out
    assert list(path.parent.iterdir()) == [path]  # a check makes nothing


def test_check_warns_of_an_open_port_and_of_a_lost_password_file(path, capsys):
    text = path.read_text().replace("127.0.0.1:0", "0.0.0.0:6470")
    path.write_text(text)
    assert run(["terminal", "check", str(path), "--json"]) == 2
    assert "allow_remote" in capsys.readouterr().out
    text = text.replace('6470"', '6470"\nallow_remote = true')
    path.write_text(text + '\n[[password]]\nlevel = 4\nfile = "nowhere"\n')
    assert run(["terminal", "check", str(path), "--json"]) == 1
    levels = {
        each["what"]: each["level"] for each in json.loads(capsys.readouterr().out)["findings"]
    }
    assert (levels["link"], levels["passwords"]) == ("warn", "error")


def test_check_tells_wrong_settings_with_their_line(path, capsys):
    path.write_text(path.read_text().replace("number = 2", "number = 17"))
    assert run(["terminal", "check", str(path), "--json"]) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert "number" in finding["english"]
    assert "terminal.toml:" in finding["english"]


@pytest.mark.slow
async def test_watch_shows_pulses_as_they_come(path, capsys):
    terminal = Terminal(terminal_config.load(path), SystemClock(), chance=seeded(1))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    terminal.ready = ready.set_result
    task = asyncio.create_task(terminal.run())
    link = await ready
    assert await watch_terminal(link, ADDRESS, count=3, every="200ms", json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["channel"] for line in lines] == [1, 2, 1, 2, 1, 2]
    assert sum(line["new"] for line in lines) > 0
    assert lines[4]["pulses"] >= lines[0]["pulses"]
    assert await watch_terminal(link, ADDRESS, channel=2, count=1, language="zh") == 0
    assert "脉冲数" in capsys.readouterr().out
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    terminal.close()


def until(process, condition):
    """Wait for something that a running process does to its files; half a minute at most."""
    for _ in range(300):
        if condition():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
    pytest.fail("it did not happen in half a minute")


def total_in(folder):
    medium = FileMedium(folder)
    try:
        return CountLog(medium).durable.totals[1]
    finally:
        medium.close()


@pytest.mark.slow
def test_a_killed_terminal_goes_on_counting_where_it_stood(path):
    """SIGPWR is the supply's warning; SIGKILL is the cut."""
    kept = path.parent / "terminal"

    def kinds() -> list[int]:
        memory = TerminalMemory(kept / "memory.sqlite")
        try:
            return [kind for _, _, kind, _ in memory.events(10)]
        finally:
            memory.close()

    code = "from kwhub.cli import main; main()"
    command = [sys.executable, "-c", code, "terminal", "run", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["terminal"] == ADDRESS
        try:
            until(process, lambda: total_in(kept) > 0)
            process.send_signal(signal.SIGPWR)
            until(process, lambda: EventKind.POWER_DOWN in kinds())
        finally:
            process.kill()
    before = total_in(kept)
    again = Terminal(terminal_config.load(path), SystemClock(), chance=seeded(1))
    assert again.box.channels[2].total == before > 0
    again.close()
    assert kinds() == [EventKind.POWER_UP, EventKind.POWER_DOWN, EventKind.POWER_UP]

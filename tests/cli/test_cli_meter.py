"""``kwhub meter simulate``: what it keeps over a kill, its programming key, and its maker's quirks."""

import json
import select
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from kwhub.cli.meter import METERS_MAX
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645 import Authority, Data, Key, ReadData, Refused, Role, Session, WriteData
from kwhub.runtime.clock import SystemClock
from kwhub.sim.memory import StateFile

pytestmark = pytest.mark.slow

METER_NUMBER = 0x0400_0402
WHO = Authority(Key(4, "000000"), "00001234")
NOT_AUTHORISED = 4
WAIT_S = 20


@contextmanager
def simulated(folder, *options):
    """A running simulator: the process, the link that it told, and its meters' addresses."""
    code = "from kwhub.cli import main; main()"
    command = ["meter", "simulate", "tcp-listen:127.0.0.1:0", "--json", *options]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    with process:
        try:
            out = process.stdout
            assert out is not None
            assert select.select([out.fileno()], [], [], WAIT_S)[0]
            told = json.loads(out.readline())
            yield process, told["link"], [meter["address"] for meter in told["meters"]]
        finally:
            process.kill()


async def ask(link, *requests):
    """The final events of requests."""
    clock = SystemClock()
    opened = await open_link(link, clock=clock)
    try:
        driver = Driver(opened, Session(Role.MASTER), clock)
        return [await driver.ask(request) for request in requests]
    finally:
        await opened.aclose()


def write(address, value):
    return WriteData(address, METER_NUMBER, value, WHO)


async def test_what_was_written_outlives_a_kill(tmp_path):
    number = bytes.fromhex("214365870900")
    with simulated(tmp_path, "--state", "meter.json") as (process, link, (address,)):
        _, energy = await ask(link, write(address, number), ReadData(address, 0x0001_0000))
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    with simulated(tmp_path, "--state", "meter.json") as (_, link, (again,)):
        assert again == address
        reads = ReadData(address, METER_NUMBER), ReadData(address, 0x0001_0000)
        answer, later = await ask(link, *reads)
        assert answer.payload == number
        assert later.payload[::-1].hex() >= energy.payload[::-1].hex()
    with simulated(tmp_path) as (_, link, (fresh,)):
        (answer,) = await ask(link, ReadData(fresh, METER_NUMBER))
        assert answer.payload != number


async def test_meters_go_on_with_the_load_that_they_had(tmp_path):
    """A meter that is started again after ten days has not lost them."""
    with simulated(tmp_path, "--state", "meter.json") as (_, link, (address,)):
        (before,) = await ask(link, ReadData(address, 0x0001_0000))
    file = StateFile(tmp_path / "meter.json")
    memory = file.load()
    assert memory is not None
    assert memory.since_s is not None
    memory.since_s -= 10 * 86_400
    file.save(memory)
    with simulated(tmp_path, "--state", "meter.json") as (_, link, _):
        (after,) = await ask(link, ReadData(address, 0x0001_0000))
    assert int(after.payload[::-1].hex()) > int(before.payload[::-1].hex())


async def test_each_of_several_meters_has_a_file(tmp_path):
    with simulated(tmp_path, "--state", "m.json", "--count", "2") as (_, link, addresses):
        for at, address in enumerate(addresses):
            (done,) = await ask(link, write(address, bytes([at] * 6)))
            assert not isinstance(done, Refused)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["m-1.json", "m-2.json"]
    kept = [StateFile(file).load() for file in files]
    assert [memory and memory.parameters[METER_NUMBER] for memory in kept] == [
        bytes(6),
        bytes([1] * 6),
    ]


async def test_the_programming_key_is_pressed_with_enter(tmp_path):
    with simulated(tmp_path, "--programming-key") as (process, link, (address,)):
        (refused,) = await ask(link, write(address, bytes(6)))
        assert refused.error == NOT_AUTHORISED
        process.stdin.write("\n")
        process.stdin.flush()
        answers = [
            await ask(link, write(address, bytes(6))) for _ in range(10)
        ]  # Enter takes a while
        assert not isinstance(answers[-1][0], Refused)


async def test_a_quirk_is_heard(tmp_path):
    with simulated(tmp_path, "--quirk", "wildcard-left") as (_, link, (address,)):
        (answer,) = await ask(link, ReadData("AAAAAAAAAAAA", 0x0001_0000))
        assert isinstance(answer, Data)
        assert answer.address == "AAAAAAAAAAAA" != address


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--quirk", "wildcard"], "did you mean 'wildcard-left'"),
        (["--state", "nowhere/meter.json"], "cannot be written: No such file"),
        (["--count", str(METERS_MAX + 1)], "1000"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_opened(tmp_path, options, told):
    code = "from kwhub.cli import main; main()"
    command = ["meter", "simulate", "tcp-listen:127.0.0.1:0", *options]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert told in done.stderr + done.stdout
    assert "Traceback" not in done.stderr

"""Two processes with light between them, a module on a line, and a head that echoes."""

import json
import select
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.cli.live_meters import echoing_head, meter

from kwhub.cli.app import run

WAIT_S = 20


@contextmanager
def window(link, *options):
    """A running simulator, and what it told of itself."""
    code = "from kwhub.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "infrared", "simulate", link, "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            out = process.stdout
            assert out is not None
            assert select.select([out.fileno()], [], [], WAIT_S)[0]
            yield json.loads(out.readline())
        finally:
            process.kill()


@pytest.mark.slow
def test_a_meter_of_another_process_is_read_through_its_light(capsys):
    scene = "distance=4&lux=20000"
    with window(f"ir:sim:tcp-listen:127.0.0.1:0?{scene}") as told:
        code = run(["read", f"{told['link']}?{scene}", "--register", "1-0:1.8.0", "--json"])
    assert code == 0
    assert '"1-0:1.8.0"' in capsys.readouterr().out


@pytest.mark.slow
def test_a_module_is_read_and_set_through_its_line(capsys):
    with window("tcp-listen:127.0.0.1:0", "--device", "module") as told:
        link = told["link"]
        assert run(["infrared", "module", link, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["target"], found["ambient"], found["baud"]) == ("30.0", "25.0", "9600")
        assert run(["infrared", "module", link, "--set", "emissivity=0.8", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"emissivity": "0.800"}
        assert run(["infrared", "module", link, "--set", "emissivity=1.8"]) == 1
        assert "refused" in capsys.readouterr().err
        assert run(["infrared", "module", link, "--address", "9"]) == 3
        assert "module 9" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["target=3", "emissivity=warm", "colour=1"])
def test_what_cannot_be_set_is_said_before_the_line_is_opened(capsys, text):
    assert run(["infrared", "module", "tcp:127.0.0.1:1", "--set", text]) == 2
    assert "--set" in capsys.readouterr().err


def test_a_head_on_a_serial_port_hears_itself_and_the_meter(capsys):
    one = meter("000000000038")
    with echoing_head(one) as port:
        assert run(["read", f"ir:{port}", "--register", "1-0:1.8.0", "--json"]) == 0
        assert '"1-0:1.8.0"' in capsys.readouterr().out

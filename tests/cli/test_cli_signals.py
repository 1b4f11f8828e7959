"""Commands that run until somebody stops them stop cleanly, and say where they can be reached."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "deploy" / "examples"
STOP_S = 20


def start(*arguments, folder):
    code = "from kwhub.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_meter_answers_and_stops(tmp_path, stop):
    meters = start("meter", "simulate", "tcp-listen:127.0.0.1:0", "--json", folder=tmp_path)
    with meters:
        told = json.loads(meters.stdout.readline())
        address = told["meters"][0]["address"]
        read = start("read", told["link"], "--meter", address, "--json", folder=tmp_path)
        out, err = read.communicate(timeout=STOP_S)
        assert (read.returncode, err) == (0, "")
        answer = json.loads(out)
        assert answer["meter"] == address
        values = {row["register"]: row["value"] for row in answer["registers"]}
        assert float(values["1-0:1.8.0"]) > 0
        meters.send_signal(stop)
        assert meters.wait(STOP_S) == 0
        assert meters.stderr.read() == ""


@pytest.mark.slow
def test_the_headend_says_where_it_is_and_stops(tmp_path):
    settings = (EXAMPLES / "headend.toml").read_text()
    settings = settings.replace(":8001", ":0").replace(":8080", ":0")
    (tmp_path / "headend.toml").write_text(settings)
    headend = start("headend", "run", "headend.toml", "--json", folder=tmp_path)
    with headend:
        told = json.loads(headend.stdout.readline())
        assert told["web"].startswith("http://127.0.0.1:")
        assert told["uplink"].startswith("tcp-listen:127.0.0.1:")
        headend.send_signal(signal.SIGTERM)
        assert headend.wait(STOP_S) == 0
        assert "Traceback" not in headend.stderr.read()
    assert (tmp_path / "headend.sqlite").is_file()

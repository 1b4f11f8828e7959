"""Commands and meters as processes over virtual controllers: found, paired, read, watched."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from tests.bluetooth.stations import METER, READER

from kwhub.cli.app import run

RUN = "import sys; from kwhub.cli import main; sys.exit(main())"


@contextmanager
def simulated(*words):
    """A process of meters or of an air; gives it and what it has announced."""
    command = [sys.executable, "-c", RUN, "ble", "simulate", *words, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def command(capsys, *words):
    code = run(["ble", *words])
    return code, capsys.readouterr().out


@pytest.mark.slow
def test_commands_find_pair_and_read_a_meter_of_another_process(capsys, monkeypatch, tmp_path):
    keys = ("--keys", str(tmp_path / "reader.keys"))
    with simulated("--meters", "2", "--port", "0", "--profile", "fff0") as (process, said):
        way = ("--adapter", said["adapter"])
        code, out = command(capsys, "scan", *way, "--seconds", "0.5", "--json")
        devices = {each["address"]: each for each in json.loads(out)["devices"]}
        assert code == 0
        assert sorted(devices) == [METER, READER]
        assert devices[METER]["name"] == "m1"
        assert devices[METER]["profiles"] == ["fff0"]
        assert command(capsys, "read", METER, *way, *keys)[0] == 3  # nobody has paired
        with typing_what_is_shown(process, monkeypatch):
            assert command(capsys, "pair", METER, *way, *keys) == (0, f"{METER} is paired.\n")
        code, out = command(capsys, "read", METER, *way, *keys, "--register", "1-0:1.8.0", "--json")
        assert code == 0
        assert json.loads(out)["meter"] == said["meters"][0]["meter"]
        file = tmp_path / "node.toml"
        file.write_text(
            f'adapter = "{said["adapter"]}"\nkeys = "reader.keys"\n'
            f'[node]\nrole = "master"\n[[node.slaves]]\naddress = "{METER}"\n'
            f'[[node.slaves]]\naddress = "{READER}"\n'
        )
        code, out = command(capsys, "nodes", str(file), "--seconds", "2", "--json")
        *changes, last = [json.loads(line) for line in out.splitlines()]
        assert code == 3
        assert [each["state"] for each in changes] == ["online"]
        assert [each["state"] for each in last["nodes"]] == ["online", "unpaired"]
        assert [each["connected"] for each in last["nodes"]] == [True, False]
        assert command(capsys, "nodes", str(file), "--seconds", "0.1", "--language", "zh")[1].count(
            "未配对"
        )


@contextmanager
def typing_what_is_shown(process, monkeypatch):
    """Look at the meter's display and type what it shows."""
    ours, theirs = os.pipe()

    def look_and_type():
        shown = json.loads(process.stdout.readline())
        os.write(theirs, shown["passkey"].encode() + b"\n")
        os.close(theirs)

    with os.fdopen(ours) as keyboard, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", keyboard)
        person = threading.Thread(target=look_and_type)
        person.start()
        yield
        person.join()

"""``kwhub mbus`` against simulated meters over loopback TCP."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.live_meters import served

from kwhub.cli.app import run
from kwhub.concentrator.config import loads
from kwhub.protocols.mbus.identity import Identity
from kwhub.sim.mbus import MbusFaults, MbusMeter, serve_mbus

WATER = Identity.parse("12345678-KAM-01-07")
HEAT = Identity.parse("12349999-SEN-02-04")
POWER = Identity.parse("0500023E-EMU-10-02")
QUICK = ("--latency", "0.02", "--baud", "38400")


def live(*meters):
    async def attend(link, clock):
        await serve_mbus(link, meters, clock, delay_s=0.002)

    return served(attend)


def printed(capsys):
    return capsys.readouterr().out


def test_read_by_primary_and_by_secondary_address(capsys):
    with live(MbusMeter(HEAT, 5, parts=2, history=2), MbusMeter(WATER, 6)) as link:
        assert run(["mbus", "read", link, "--address", "5", "--json", *QUICK]) == 0
        by_address = json.loads(printed(capsys))
        assert run(["mbus", "read", link, "--secondary", str(HEAT), "--json", *QUICK]) == 0
        by_name = json.loads(printed(capsys))
    assert by_address["secondary"] == by_name["secondary"] == str(HEAT)
    assert (by_name["telegrams"], by_name["address"], by_name["error"]) == (2, 5, None)
    energies = [row for row in by_name["values"] if row["register"] == "6-0:1.0.0"]
    assert [row["storage"] for row in energies] == [0, 1, 2]
    assert {row["unit"] for row in energies} == {"kWh"}
    assert energies[1]["time"].endswith("-01T00:00:00")
    assert isinstance(energies[0]["value"], str)


def test_read_as_csv_and_as_a_table(capsys):
    with live(MbusMeter(WATER, 6)) as link:
        assert run(["mbus", "read", link, "--address", "6", "--csv", *QUICK]) == 0
        rows = list(csv.DictReader(io.StringIO(printed(capsys))))
        assert run(["mbus", "read", link, "--address", "6", "--language", "zh", *QUICK]) == 0
        table = printed(capsys)
    assert (rows[0]["register"], rows[0]["unit"], rows[0]["meter"]) == ("8-0:1.0.0", "m3", "6")
    assert "冷水累积流量" in table
    assert str(WATER) in table


def test_a_silent_meter_and_a_refusal(capsys):
    tired = MbusMeter(WATER, 6, faults=MbusFaults(readouts_a_day=1))
    with live(tired) as link:
        quick = ("--attempts", "1", *QUICK)
        assert run(["mbus", "read", link, "--address", "7", *quick]) == 3
        assert "meter 7" in capsys.readouterr().err
        assert run(["mbus", "read", link, "--address", "6", *quick]) == 0
        assert run(["mbus", "read", link, "--address", "6", *quick]) == 1
        assert "too many readouts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--address", "5", "--secondary", "12345678"),
        ("--address", "251"),
        ("--secondary", "1234"),
        ("--secondary", "12345678+12"),
        ("--address", "5", "--json", "--csv"),
        ("--address", "5", "--baud", "1234"),
    ],
)
def test_wrong_options_of_read(options):
    assert run(["mbus", "read", "tcp:127.0.0.1:1", *options]) == 2


def test_no_line():
    assert run(["mbus", "read", "tcp:127.0.0.1:1", "--address", "5"]) == 3


@pytest.mark.slow
def test_a_scan_finds_everything_and_the_concentrator_takes_it(capsys, tmp_path):
    meters = [MbusMeter(WATER, 1), MbusMeter(HEAT, 2), MbusMeter(POWER, 2)]
    with live(*meters) as link:
        options = (*QUICK, "--attempts", "1")
        assert run(["mbus", "scan", link, "--only", "secondary", "--toml", *options]) == 0
        toml = printed(capsys)
        assert run(["mbus", "scan", link, "--json", "--last", "3", *options]) == 0
        found = json.loads(printed(capsys))
        known = tmp_path / "meters.csv"
        known.write_text(f"{WATER},flat 1\n# none\n{HEAT}\n")
        assert run(["mbus", "scan", link, "--known", str(known), *options]) == 0
        text = printed(capsys)
    assert [meter["secondary"] for meter in found["meters"]] == [str(POWER), str(WATER), str(HEAT)]
    assert found["primary"] == [{"address": 1, "several": False}, {"address": 2, "several": True}]
    assert (found["complete"], found["unresolved"]) == (True, [])
    assert str(WATER) in text
    assert str(POWER) not in text
    example = Path("deploy/examples/concentrator.toml").read_text().partition("[[bus]]")[0]
    (line,) = loads(example + toml).mbus
    assert {meter.address: meter.kind for meter in line.meter} == {
        "12345678-KAM": "water",
        "12349999-SEN": "heat",
    }
    assert f"# {POWER}" in toml  # its number is not decimal and its address is another's, too


def test_an_empty_line_is_a_no(capsys):
    with live() as link:
        options = ("--only", "secondary", *QUICK)
        assert run(["mbus", "scan", link, *options]) == 1
        assert run(["mbus", "scan", link, "--toml", *options]) == 1
    assert printed(capsys).count("[[mbus]]") == 0


def test_wrong_options_of_scan(tmp_path, capsys):
    assert run(["mbus", "scan", "tcp:127.0.0.1:1", "--toml", "--json"]) == 2
    known = tmp_path / "meters.txt"
    known.write_text("12345678\nwrong\n")
    assert run(["mbus", "scan", "tcp:127.0.0.1:1", "--known", str(known)]) == 2
    assert "meters.txt:2" in capsys.readouterr().err


@pytest.mark.slow
def test_simulated_meters_are_a_process_that_is_read(capsys):
    code = "import sys; from kwhub.cli.app import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "mbus", "simulate", "tcp-listen:127.0.0.1:0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--count", "2", "--parts", "2", "--json"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            name = told["meters"][1]["secondary"]
            link = told["link"]
            assert run(["mbus", "read", link, "--secondary", name, "--json", *QUICK]) == 0
            assert json.loads(printed(capsys))["telegrams"] == 2
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0

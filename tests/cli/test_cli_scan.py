"""``kwhub scan`` on real lines."""

import json
import os
import signal
import threading

import pytest
from tests.cli.live_meters import live_meters, meter, pty_meters, wired_meters

from kwhub.cli.app import run
from kwhub.cli.scan import with_baud
from kwhub.cli.scan_result import Rate, as_toml
from kwhub.concentrator.config import loads
from kwhub.exchange.scan import Census, FoundMeter
from kwhub.exchange.scan_listener import Listener, Probe
from kwhub.links.address import parse
from kwhub.protocols.dlt645 import Edition, ReadAddress

QUICK = ("--timeout", "0.1", "--attempts", "1")
IDENTITY = '[concentrator]\nregion = "4101"\nterminal = 1\n[uplink]\naddress = "tcp:h:1"\n'


def test_a_single_meter_in_json(capsys):
    with live_meters(meter("000000000038", phases=3)) as link:
        assert run(["scan", link, "--json", *QUICK]) == 0
    answer = json.loads(capsys.readouterr().out)
    (found,) = answer["meters"]
    assert found["address"] == "000000000038"
    assert found["protocol"] == "dlt645-2007"
    assert found["phases"] == 3
    assert float(found["energy_kwh"]) > 0
    assert answer["complete"] is True
    assert answer["unresolved"] == []
    assert answer["rates"][0]["questions"] == 4  # everybody, the meter, and twice for old meters


def test_the_settings_can_be_pasted_into_those_of_a_concentrator(capsys):
    with live_meters(meter("000000000038", Edition.E1997)) as link:
        assert (
            run(["scan", f"{link}?baud=9600", "--toml", "--protocol", "dlt645-1997", *QUICK]) == 0
        )
    (bus,) = loads(IDENTITY + capsys.readouterr().out).bus
    assert bus.address == f"{link}?baud=9600"
    assert bus.baud == 9600
    (row,) = bus.meter
    assert (row.address, row.point, row.phases) == ("000000000038", 1, 1)
    assert row.protocol == "dlt645-1997"


def test_the_ways_of_a_maker_go_into_the_settings(capsys):
    names = ["wake-up-before-answers", "wildcard-left"]
    arguments = [word for name in names for word in ("--quirk", name)]
    with live_meters(meter("000000000038")) as link:
        assert run(["scan", link, "--toml", *arguments, *QUICK]) == 0
    (bus,) = loads(IDENTITY + capsys.readouterr().out).bus
    assert bus.quirk == " ".join(names)
    assert bus.deviations("000000000038").answer_preamble == 4


def test_wake_up_bytes_before_questions():
    probe = Probe(ReadAddress(), alone=False)
    for preamble in (0, 4):
        listener = Listener(preamble=preamble)
        listener.send(probe, 0.0)
        sent = listener.outgoing(0.0)
        assert len(sent) - len(sent.lstrip(b"\xfe")) == preamble


@pytest.mark.parametrize(("language", "word"), [("en", "meters: 1"), ("zh", "共 1 块表")])
def test_text_for_people(capsys, language, word):
    with live_meters(meter("000000000038")) as link:
        assert run(["scan", link, "--language", language, *QUICK]) == 0
    out = capsys.readouterr().out
    assert "000000000038" in out
    assert word in out


def test_an_empty_line_is_a_no(capsys):
    with live_meters() as link:
        assert run(["scan", link, *QUICK]) == 1
    assert "meters: 0" in capsys.readouterr().out


@pytest.mark.slow
def test_meters_whose_answers_collide(capsys):
    meters = [meter("000000000038"), meter("000000000039"), meter("000000000045", Edition.E1997)]
    with wired_meters(*meters) as link:
        assert run(["scan", link, "--json", *QUICK]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["address"] for row in answer["meters"]] == [each.address for each in meters]
    assert "AAAAAAAAAAAA" in answer["rates"][0]["collisions"]


@pytest.mark.slow
def test_a_serial_port_is_tried_at_its_speeds(capsys):
    with pty_meters(meter("000000000038")) as port:
        assert run(["scan", port, "--json", *QUICK]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert [rate["baud"] for rate in answer["rates"]] == [2400]
        assert answer["meters"][0]["baud"] == 2400
        speeds = ["--baud", "9600", "--baud", "1200", "--every-baud", "--toml"]
        assert run(["scan", port, *speeds, *QUICK]) == 0
    (bus, _) = loads(IDENTITY + capsys.readouterr().out).bus
    assert (bus.baud, len(bus.meter)) == (9600, 1)


@pytest.mark.slow
def test_stopped_early_it_prints_what_was_found(capsys):
    meters = [meter("000000000001"), meter("000000000077")]
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    with wired_meters(*meters) as link:
        timer.start()
        assert run(["scan", link, "--json", "--timeout", "0.05", "--protocol", "dlt645-2007"]) == 1
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert [row["address"] for row in answer["meters"]] == ["000000000001"]
    assert answer["complete"] is False
    assert captured.err


def test_settings_of_a_scan_that_was_stopped_say_so_and_load():
    census = Census(complete=False)
    census.meters["000000000038"] = FoundMeter("000000000038", Edition.E2007, None, None, 1)
    text = as_toml([Rate("tcp:127.0.0.1:1", 2400, census)])
    assert "did not come to its end" in text
    assert len(loads(IDENTITY + text).bus[0].meter) == 1


def test_a_list_is_only_checked(capsys, tmp_path):
    known = tmp_path / "meters.csv"
    known.write_text('"38",flat 1\n39;flat 2 # gone\n\n# a comment\n38\n')
    with live_meters(meter("000000000038")) as link:
        assert run(["scan", link, "--json", "--known", str(known), *QUICK]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["address"] for row in answer["meters"]] == ["000000000038"]


@pytest.mark.parametrize("line", ["AAAAAAAAAA38", "meter", "999999999999", "1234567890123"])
def test_a_wrong_list_names_its_line(capsys, tmp_path, line):
    known = tmp_path / "meters.csv"
    known.write_text(f"38\n{line}\n")
    assert run(["scan", "tcp:127.0.0.1:1", "--known", str(known)]) == 2
    assert "meters.csv:2" in capsys.readouterr().err


def test_wrong_options(capsys):
    assert run(["scan", "tcp:127.0.0.1:1", "--toml", "--json"]) == 2
    assert run(["scan", "tcp:127.0.0.1:1", "--protocol", "dlms"]) == 2
    assert run(["scan", "tcp:127.0.0.1:1", "--quirk", "no-such-quirk"]) == 2
    assert run(["scan", "serial:/dev/no-such-port"]) == 3
    assert "no-such-port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0?baud=1200"),
        ("serial:/dev/ttyUSB0?baud=2400&parity=odd", "serial:/dev/ttyUSB0?baud=1200&parity=odd"),
        ("paced:tcp:127.0.0.1:1?baud=600", "paced:tcp:127.0.0.1:1?baud=1200"),
    ],
)
def test_the_speed_of_an_address_is_replaced(text, expected):
    assert with_baud(parse(text), 1200).text == expected

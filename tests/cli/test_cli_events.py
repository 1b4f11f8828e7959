"""``kwhub events``: what a meter has recorded, in three forms and two languages."""

import csv
import io
from decimal import Decimal

import pytest
from tests.cli.changes import METER, Living, answer_of, ask, at
from tests.cli.live_meters import live_meters, meter
from tests.exchange.obedient645 import ADDRESS

from kwhub.cli.app import run
from kwhub.exchange.events import EVENTS
from kwhub.protocols.dlt645.items import encode

POWER_DOWN, VOLTAGE_LOSS, PROGRAMMING = 0x03110000, 0x03010000, 0x03300000
TIMES = ("2026-03-01 01:02:03", "2026-03-01 01:05:00")


def peer():
    """Two power cuts, and a voltage loss of phase C as bytes alone."""
    return Living(
        store={
            POWER_DOWN: encode(POWER_DOWN, [Decimal(2)]),
            POWER_DOWN | 1: encode(POWER_DOWN | 1, list(TIMES)),
            POWER_DOWN | 2: encode(POWER_DOWN | 2, ["2026-02-01 00:00:00", "2026-02-01 00:00:09"]),
            VOLTAGE_LOSS: encode(VOLTAGE_LOSS, [Decimal(each) for each in (0, 0, 0, 0, 1, 7)]),
            0x03010301: bytes(131),
            PROGRAMMING: bytes(3),
        }
    )


def test_a_table(capsys):
    assert ask("events", peer(), *METER) == 0
    out = capsys.readouterr().out
    for word in ("power down", *TIMES, "voltage loss C", "7 min", "131 bytes", "never happened: 1"):
        assert word in " ".join(out.split()), word
    assert "the meter does not keep: undervoltage" in " ".join(out.split())


def test_in_chinese(capsys):
    with at(peer()) as address:
        assert run(["events", address, "--language", "zh", "--details"]) == 0
    out = "".join(capsys.readouterr().out.split())
    for word in ("掉电", "发生时刻", "失压C", "该表不记录", "从未发生"):
        assert word in out


def test_for_programs(capsys):
    assert ask("events", peer(), *METER, "--json") == 0
    answer = answer_of(capsys)
    assert answer["meter"] == ADDRESS
    assert [event["event"] for event in answer["events"]] == list(EVENTS)
    (down,) = [event for event in answer["events"] if event["event"] == "power_down"]
    assert (down["name"], down["name_zh"]) == ("power down", "掉电")
    assert down["counters"][0]["value"] == "2"
    newest = down["records"][0]
    assert (newest["number"], newest["from"], newest["until"]) == (1, *TIMES)
    (loss,) = [event for event in answer["events"] if event["event"] == "voltage_loss"]
    assert loss["records"][0]["phase"] == "C"
    assert answer["line"]["answers"] > 30


def test_for_spreadsheets(capsys):
    kinds = ("--kind", "power_down", "--kind", "programming")
    assert ask("events", peer(), *METER, "--csv", *kinds) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["event"] for row in rows} == {"power_down", "programming"}
    counts = [row["value"] for row in rows if row["record"] == "0"]
    assert counts == ["2", "0"]
    assert [row["from"] for row in rows if row["record"] == "1"] == [TIMES[0]] * 2


@pytest.mark.parametrize(("records", "read"), [(0, 0), (1, 1), (10, 2)])
def test_no_more_records_than_wanted(records, read, capsys):
    arguments = ("--kind", "power_down", "--records", str(records), "--json")
    assert ask("events", peer(), *METER, *arguments) == 0
    assert len(answer_of(capsys)["events"][0]["records"]) == read


def test_a_kind_that_the_meter_does_not_keep_is_a_no(capsys):
    assert ask("events", peer(), *METER, "--kind", "magnetic_field") == 1
    assert "does not keep: steady magnetic field" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_silent_meter(capsys):
    assert ask("events", peer(), "--meter", "99", "--attempts", "1") == 3
    assert "no answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("--kind", "earthquake"), ("--records", "11"), ("--csv", "--json")]
)
def test_wrong_usage(arguments, capsys):
    silent = peer()
    assert ask("events", silent, *arguments) == 2
    assert silent.asked == []
    capsys.readouterr()


@pytest.mark.slow
def test_a_whole_meter_records_a_trip(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "000000")
    with live_meters(meter(ADDRESS)) as link:
        assert run(["relay", link, "trip", "--yes", "--json"]) == 0
        capsys.readouterr()
        assert run(["events", link, "--kind", "relay_trip", "--json"]) == 0
    (trip,) = answer_of(capsys)["events"]
    (record,) = trip["records"]
    assert record["from"]
    names = [value["name"] for value in record["values"]]
    assert any("operator code" in name for name in names)

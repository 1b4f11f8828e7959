"""The demonstration: the same seed gives the same outcome, nothing is missing, nothing twice."""

import json
import sqlite3
from contextlib import closing

import pytest

from kwhub.cli.app import run

FIELDS = {
    "meters",
    "points_expected",
    "points_got",
    "completeness",
    "duplicates",
    "orders_done",
    "line_loss_percent",
    "alarms",
    "statements",
    "frames",
    "cpu_seconds",
    "seed",
}


def outcome(capsys, *arguments):
    code = run(["demo", "--once", "--json", "--days", "1", *arguments])
    (line,) = capsys.readouterr().out.splitlines()
    return code, json.loads(line)


@pytest.mark.slow
@pytest.mark.sim
def test_a_day_with_damage_is_complete_and_repeatable(capsys, tmp_path):
    keep = tmp_path / "kept"
    code, first = outcome(capsys, "--seed", "11", "--keep", str(keep))
    assert code == 0
    assert set(first) == FIELDS
    assert first["meters"] == 60
    assert first["completeness"] == 1.0
    assert first["points_got"] == first["points_expected"] > 10_000
    assert first["duplicates"] == 0
    assert first["orders_done"] == 9
    assert 3 < first["line_loss_percent"] < 9
    assert {path.name for path in keep.glob("*.sqlite")} == {
        "concentrator-1.sqlite",
        "concentrator-2.sqlite",
        "headend.sqlite",
    }
    _, second = outcome(capsys, "--seed", "11")
    assert first.pop("cpu_seconds") > 0
    del second["cpu_seconds"]
    assert second == first


@pytest.mark.slow
@pytest.mark.sim
def test_seven_days_with_damage_are_complete(capsys, tmp_path):
    """The story is told, too: high voltage that ended, the thief's cover, and a statement for every customer."""
    keep = tmp_path / "kept"
    assert run(["demo", "--once", "--json", "--keep", str(keep)]) == 0
    week = json.loads(capsys.readouterr().out)
    assert week["completeness"] == 1.0
    assert week["points_got"] == week["points_expected"] > 90_000
    assert week["duplicates"] == 0
    assert week["orders_done"] == week["meters"] == 60
    assert 4 < week["line_loss_percent"] < 8
    assert week["statements"] == week["meters"] - 1
    with closing(sqlite3.connect(keep / "headend.sqlite")) as store:
        told = store.execute("SELECT code, begins, important FROM terminal_event").fetchall()
        task = store.execute("SELECT state FROM task").fetchall()
    assert week["alarms"] == sum(begins for _, begins, _ in told)
    assert {(24, 1, 0), (24, 0, 0), (38, 1, 1)} < set(told)
    assert task == [("done",)]


def test_a_folder_that_exists_is_not_overwritten(capsys, tmp_path):
    assert run(["demo", "--once", "--days", "1", "--keep", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--days", "0"], ["--damage", "2"], ["--port", "70000"]])
def test_settings_out_of_range_are_refused(capsys, wrong):
    assert run(["demo", "--once", *wrong]) == 2
    assert "Traceback" not in capsys.readouterr().err

"""``kwhub simulate area``: whatever goes wrong, what can be had arrives once; the rest has a cause."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kwhub.cli.app import run
from kwhub.concentrator.downlinks.mbus import MbusLine
from kwhub.concentrator.outbox import Outbox

SMALL = """
buses = 2
meters_a_bus = 3
mbus_meters = 2
module_meters = 3
module_loss = 0.05
[[uplink_cut]]
after_h = 3
hours = 5
[[power_cut]]
after_h = 10.02
minutes = 12
[[clock_step]]
after_h = 16.2
seconds = 1500
minutes = 40
"""


def played(capsys, tmp_path, text, *words):
    file = tmp_path / "area.toml"
    file.write_text(text)
    code = run(["simulate", "area", str(file), "--days", "1", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def with_all_troubles(tmp_path_factory):
    """Exit code and outcome of one day with seed 2, as a process of its own tells them."""
    file = tmp_path_factory.mktemp("area") / "area.toml"
    file.write_text(SMALL)
    words = ["simulate", "area", str(file), "--days", "1", "--json", "--seed", "2"]
    done = subprocess.run(
        [Path(sys.executable).with_name("kwhub"), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.sim
def test_an_area_with_all_troubles_loses_and_doubles_nothing(with_all_troubles):
    code, judged = with_all_troubles
    assert judged["unexplained"] == judged["duplicates"] == judged["different"] == 0
    assert judged["not_at_headend"] == 0
    assert judged["at_headend"] == judged["got"]
    assert judged["completeness"] == 1.0
    assert judged["power_cuts"] == 1
    assert (code, judged["passed"]) == (0, True)
    expected = 6 * (96 + 5) + 3 * (96 + 5)  # curves and day freezes alone
    assert judged["expected"] > expected


@pytest.mark.slow
@pytest.mark.sim
def test_the_same_seed_gives_the_same_outcome_in_another_process(
    capsys, tmp_path, with_all_troubles
):
    assert played(capsys, tmp_path, SMALL, "--seed", "2") == with_all_troubles


@pytest.mark.slow
@pytest.mark.sim
def test_what_cannot_be_had_has_a_cause(capsys, tmp_path):
    text = """
buses = 1
meters_a_bus = 3
mbus_meters = 2
module_meters = 0
[[power_cut]]
after_h = 5.9
minutes = 80
"""
    code, judged = played(capsys, tmp_path, text)
    assert judged["missing"]  # the M-Bus meters keep no hour that nobody asked for
    assert set(judged["missing"]) == {"no_record"}
    assert judged["expected"] - judged["recoverable"] == sum(judged["missing"].values())
    assert (code, judged["completeness"]) == (0, 1.0)


FEW = """
buses = 1
meters_a_bus = 3
mbus_meters = 2
module_meters = 0
[plan]
history_days = 0
hourly = false
curve_minutes = 60
"""


@pytest.mark.slow
@pytest.mark.sim
def test_a_concentrator_that_reports_everything_twice_does_not_pass(capsys, tmp_path, monkeypatch):
    honest = Outbox.delivered
    told = set()

    def second_time(self, places, at):
        """Note only what was confirmed before, so that every value is reported again."""
        honest(self, [place for place in places if place in told], at)
        told.update(places)

    monkeypatch.setattr(Outbox, "delivered", second_time)
    code, judged = played(capsys, tmp_path, FEW)
    assert judged["duplicates"] >= judged["got"] > 0
    assert (code, judged["passed"]) == (1, False)
    assert judged["not_at_headend"] == judged["different"] == 0  # in the store all looks well


@pytest.mark.slow
@pytest.mark.sim
def test_a_concentrator_that_is_too_slow_does_not_pass(capsys, tmp_path, monkeypatch):
    quick = MbusLine._visit

    async def slow(self, ledgers):
        """Let the window of the plan pass before any meter is read."""
        await self._clock.sleep(1_000)
        await quick(self, self._ledgers())

    monkeypatch.setattr(MbusLine, "_visit", slow)
    code, judged = played(capsys, tmp_path, FEW)
    assert judged["missing"]["no_record"] > 20
    assert judged["recoverable"] == judged["expected"] > judged["got"]
    assert judged["completeness"] < 1
    assert (code, judged["passed"]) == (1, False)


@pytest.mark.slow
@pytest.mark.sim
def test_a_repeat_after_a_lost_confirmation_is_told_and_is_no_duplicate(capsys, tmp_path):
    code, judged = played(capsys, tmp_path, f"damage = 0.2\n{FEW}")
    assert judged["repeated"] > 0
    assert judged["duplicates"] == 0
    assert (code, judged["passed"]) == (0, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("buses = 0", "buses"),
        ("buses = 1\nmeters_a_bus = 2", "three meters"),
        ("[[power_cut]]\nminutes = 3", "after_h"),
        ("lines = 3", "lines"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(capsys, tmp_path, text, words):
    file = tmp_path / "area.toml"
    file.write_text(text)
    assert run(["simulate", "area", str(file)]) == 2
    told = capsys.readouterr().err
    assert "area.toml" in told
    assert words in told

"""``kwhub simulate area``: whatever goes wrong, what can be had arrives once; the rest has a cause."""

import json

import pytest

from kwhub.cli.app import run

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


@pytest.mark.slow
@pytest.mark.sim
def test_an_area_with_all_troubles_loses_and_doubles_nothing(capsys, tmp_path):
    code, judged = played(capsys, tmp_path, SMALL, "--seed", "2")
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
def test_the_same_seed_gives_the_same_outcome_and_another_seed_another(capsys, tmp_path):
    text = "buses = 1\nmeters_a_bus = 3\nmbus_meters = 1\nmodule_meters = 0\ndamage = 0.05\n"
    _, first = played(capsys, tmp_path, text, "--seed", "3")
    _, again = played(capsys, tmp_path, text, "--seed", "3")
    _, other = played(capsys, tmp_path, text, "--seed", "4")
    assert first == again
    assert first["frames"] != other["frames"]


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

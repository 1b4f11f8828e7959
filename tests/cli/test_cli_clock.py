"""``kwhub clock``: compared with the true time of the meter's place, adjusted, set."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.cli.changes import METER, ZONE, Living, answer_of, ask

from kwhub.protocols.dlt645 import Edition, SetTime

AT = ("--zone", ZONE)


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "123456")


def near_midnight() -> bool:
    now = datetime.now(ZoneInfo(ZONE))
    second = now.hour * 3600 + now.minute * 60
    return not 900 <= second <= 86_400 - 900


not_at_midnight = pytest.mark.skipif(near_midnight(), reason="no clock is adjusted near midnight")


@pytest.mark.parametrize("edition", list(Edition))
def test_the_offset(edition, capsys):
    peer = Living(offset_s=-42.0, edition=edition)
    protocol = ("--protocol", edition.value, *METER)
    assert ask("clock", peer, "show", *AT, "--json", *protocol) == 0
    answer = answer_of(capsys)
    assert answer["offset_s"] == pytest.approx(-42, abs=1.5)
    assert peer.commands == []


def test_the_offset_for_people(capsys):
    assert ask("clock", Living(offset_s=4000.0), *AT) == 0
    captured = capsys.readouterr()
    assert "+4000 s" in captured.out or "+3999 s" in captured.out
    assert "set the clock" in captured.err


@not_at_midnight
def test_a_clock_is_adjusted(capsys):
    peer = Living(offset_s=100.0)
    assert ask("clock", peer, "adjust", *AT, *METER, "--yes", "--json") == 0
    answer = answer_of(capsys)
    assert answer["verdict"] == "done"
    assert answer["before"]["offset_s"] == pytest.approx(100, abs=2)
    assert answer["after"]["offset_s"] == pytest.approx(0, abs=2)


@not_at_midnight
def test_a_meter_that_has_been_adjusted_today(capsys):
    assert ask("clock", Living(offset_s=100.0, deaf=(SetTime,)), "adjust", *AT, "--yes") == 1
    assert "not done" in capsys.readouterr().out


def test_a_clock_that_is_too_far_off_is_left_alone(capsys):
    peer = Living(offset_s=4000.0)
    assert ask("clock", peer, "adjust", *AT, "--yes", "--json") == 1
    assert answer_of(capsys)["adjust_problem"] == "too_far"
    assert peer.commands == []


@not_at_midnight
def test_all_meters_are_told(capsys):
    peer = Living(offset_s=100.0)
    assert ask("clock", peer, "adjust", "--broadcast", *AT, "--yes", "--json") == 0
    assert answer_of(capsys)["verdict"] == "sent"


@pytest.mark.parametrize("edition", list(Edition))
def test_a_clock_is_set(edition, capsys):
    peer = Living(offset_s=86_400.0 * 30, edition=edition)
    protocol = ("--protocol", edition.value, *METER)
    assert ask("clock", peer, "set", *AT, *protocol, "--yes") == 0
    out = capsys.readouterr().out
    assert "done: the meter shows it" in out
    assert "123456" not in out


def test_a_wrong_password(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "000000")
    assert ask("clock", Living(offset_s=4000.0), "set", *AT, "--yes", "--json") == 1
    answer = answer_of(capsys)
    assert answer["verdict"] == "refused"
    assert "password wrong" in answer["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "--zone", "Mars/Olympus"),
        ("show", "--zone", "../etc/passwd"),
        ("show", "--protocol", "dlt646"),
        ("set", "--broadcast", "--yes"),
        ("adjust", "--broadcast", *METER, "--yes"),
        ("adjust",),
        ("wind",),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("clock", peer, *arguments) == 2
    assert peer.commands == []
    capsys.readouterr()

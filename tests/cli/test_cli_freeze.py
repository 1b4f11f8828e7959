"""``kwhub freeze``: now or by a pattern, and what the meter shows of it."""

import pytest
from tests.cli.changes import METER, Living, answer_of, ask

EMPTY = {0x05010000 | number: b"\xff" * 5 for number in (1, 2, 3)}


def test_an_instant_freeze(capsys):
    peer = Living(store=dict(EMPTY))
    assert ask("freeze", peer, *METER, "--yes") == 0
    out = capsys.readouterr().out
    assert "instant freeze 1" in out
    assert "done: the meter shows it" in out
    assert peer.commands == ["Freeze"]


@pytest.mark.parametrize(
    ("pattern", "text", "meaning"),
    [
        ("*-* *:30", "99999930", "every hour at minute 30"),
        ("*-* 00:00", "99990000", "every day at 00:00"),
        ("*-01 00:00", "99010000", "every month on day 01 at 00:00"),
        ("03-01 12:15", "03011215", "once on 03-01 at 12:15"),
    ],
)
def test_patterns(pattern, text, meaning, capsys):
    peer = Living()
    assert ask("freeze", peer, pattern, *METER, "--yes", "--json") == 0
    answer = answer_of(capsys)
    assert (answer["pattern"], answer["meaning"]) == (text, meaning)
    assert answer["after"]["pattern"] == text


def test_a_pattern_for_people(capsys):
    assert ask("freeze", Living(), "*-* 00:00", "--yes") == 0
    assert "timed freeze" in capsys.readouterr().out


def test_all_meters_are_told(capsys):
    assert ask("freeze", Living(), "--broadcast", "--yes", "--json") == 0
    assert answer_of(capsys)["verdict"] == "sent"


@pytest.mark.parametrize(
    "arguments",
    [
        ("tomorrow", "--yes"),
        ("13-01 00:00", "--yes"),
        ("*-* 25:00", "--yes"),
        ("01-* 00:00", "--yes"),
        ("now", "--broadcast", *METER, "--yes"),
        ("now",),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("freeze", peer, *arguments) == 2
    assert peer.asked == []
    capsys.readouterr()

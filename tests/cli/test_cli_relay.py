"""``kwhub relay``: asks before it trips, and tells what the meter shows afterwards."""

import pytest
from tests.cli.changes import METER, Living, answer_of, ask, at
from tests.cli.terminal import in_a_terminal

from kwhub.cli.app import run

SECRET = "020202"  # noqa: S105 - of a simulated meter


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", SECRET)


def test_the_state(capsys):
    assert ask("relay", Living(word=0x0050)) == 0
    out = capsys.readouterr().out
    assert "relay open" in out
    assert "ordered to open" in out


def test_the_state_in_chinese(capsys):
    with at(Living(word=0x0050)) as address:
        assert run(["relay", address, "--language", "zh"]) == 0
    assert "继电器断" in capsys.readouterr().out


def test_a_trip_is_given_once_and_read_back(capsys):
    peer = Living()
    assert ask("relay", peer, "trip", *METER, "--yes", "--json") == 0
    answer = answer_of(capsys)
    assert answer["verdict"] == "done"
    assert answer["before"]["open"] is False
    assert answer["after"]["open"] is True
    assert answer["line"]["answers"] >= 4
    assert answer["line"]["answer_timeout_s"] == 0.5
    assert peer.commands == ["ControlRelay"]


def test_a_refusal_is_a_no_with_its_reason(capsys, monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "999999")
    assert ask("relay", Living(), "trip", *METER, "--yes") == 1
    captured = capsys.readouterr()
    assert "refused: password wrong or not authorised" in captured.out
    assert "refused: refused" not in captured.out
    assert "999999" not in captured.out + captured.err


def test_a_refusal_in_chinese(capsys, monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "999999")
    with at(Living()) as address:
        assert run(["relay", address, "trip", "--yes", "--language", "zh"]) == 1
    assert "密码错或未授权" in capsys.readouterr().out


def test_without_terminal_and_without_yes_nothing_happens(capsys):
    peer = Living()
    assert ask("relay", peer, "trip", *METER) == 2
    assert "--yes" in capsys.readouterr().err
    assert peer.asked == []


def test_the_password_comes_from_a_file(tmp_path, monkeypatch):
    monkeypatch.delenv("KWHUB_METER_PASSWORD")
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\nsomething else\n")
    peer = Living()
    assert ask("relay", peer, "trip", "--yes", "--password-file", str(file)) == 0
    assert peer.word & 0x10


@pytest.mark.parametrize("wrong", ["12345", "12345x", "", "1234567"])
def test_a_password_that_is_none_is_not_repeated(wrong, monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", wrong)
    peer = Living()
    assert ask("relay", peer, "trip", "--yes") == 2
    err = capsys.readouterr().err
    assert "6 digits" in err
    assert not wrong or wrong not in err
    assert peer.asked == []


def test_no_password_and_nobody_to_ask(monkeypatch, capsys):
    monkeypatch.delenv("KWHUB_METER_PASSWORD")
    assert ask("relay", Living(), "trip", "--yes") == 2
    assert "--password-file" in capsys.readouterr().err


def test_there_is_no_option_for_a_password(capsys):
    assert run(["relay", "tcp:127.0.0.1:1", "trip", "--password", SECRET]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ("trip", "--restore-minutes", "5"),
        ("trip-then-close",),
        ("trip-then-close", "--restore-minutes", "7"),
        ("trip", "--operator", "12"),
        ("trip", "--meter", "999999999999999"),
        ("trip", "--meter", "AAAAAAAAAAAA"),
        ("explode",),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("relay", peer, *arguments, "--yes") == 2
    assert peer.commands == []
    capsys.readouterr()


@pytest.mark.slow
def test_a_silent_meter(capsys):
    assert ask("relay", Living(), "trip", "--meter", "99", "--yes", "--attempts", "1") == 3
    assert "no answer from meter 000000000099 after 1 attempt" in capsys.readouterr().err


@pytest.mark.slow
def test_a_person_is_asked_and_the_password_does_not_show():
    peer = Living()
    with at(peer) as address:
        code, heard = in_a_terminal(
            ["relay", address, "trip", "--language", "en"],
            [(b"[y/N]", b"y"), (b"Password of level 2", SECRET.encode())],
        )
    assert code == 0, heard
    assert b"the only meter on tcp:" in heard
    assert SECRET.encode() not in heard
    assert peer.word & 0x10


@pytest.mark.slow
def test_a_person_who_does_not_agree_changes_nothing():
    peer = Living()
    with at(peer) as address:
        code, heard = in_a_terminal(
            ["relay", address, "trip", "--language", "en"], [(b"[y/N]", b"")]
        )
    assert code == 1
    assert b"nothing was changed" in heard
    assert peer.asked == []

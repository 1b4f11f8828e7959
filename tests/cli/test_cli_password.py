"""``kwhub password``: a new one, proved, and never to be seen."""

import json

import pytest
from tests.cli.changes import METER, Living, ask, at
from tests.cli.terminal import in_a_terminal

from kwhub.cli.app import run
from kwhub.protocols.dlt645 import ChangePassword, Edition

OLD, NEW = "123456", "654321"
STRONGER = "020202"


@pytest.fixture(autouse=True)
def _passwords(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", OLD)
    monkeypatch.setenv("KWHUB_NEW_METER_PASSWORD", NEW)


def told(capsys):
    """What was printed, once it is sure that no password is in it."""
    captured = capsys.readouterr()
    for secret in (OLD, NEW, STRONGER):
        assert secret not in captured.out + captured.err
    return captured


def test_a_level_changes_its_own(capsys):
    peer = Living()
    assert ask("password", peer, "--level", "4", *METER, "--yes", "--json") == 0
    answer = json.loads(told(capsys).out)
    assert (answer["level"], answer["verdict"], answer["good"]) == (4, "done", True)
    assert peer.passwords[4] == NEW
    assert len(peer.asked) == 2  # the change, and the proof


def test_a_stronger_level_changes_it(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", STRONGER)
    peer = Living()
    assert ask("password", peer, "--level", "4", "--by-level", "2", *METER, "--yes") == 0
    assert (peer.asked[0].old.level, peer.asked[0].identifier) == (2, 0x04000C05)
    assert "done" in told(capsys).out


def test_passwords_from_files(tmp_path, monkeypatch, capsys):
    for name in ("KWHUB_METER_PASSWORD", "KWHUB_NEW_METER_PASSWORD"):
        monkeypatch.delenv(name)
    (tmp_path / "old").write_text(f"{OLD}\n")
    (tmp_path / "new").write_text(f"{NEW}\n")
    files = ["--password-file", str(tmp_path / "old"), "--new-password-file", str(tmp_path / "new")]
    peer = Living()
    assert ask("password", peer, "--level", "4", *files, *METER, "--yes") == 0
    assert peer.passwords[4] == NEW
    told(capsys)


def test_a_wrong_old_password(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "999999")
    peer = Living()
    assert ask("password", peer, "--level", "4", *METER, "--yes") == 1
    assert peer.passwords[4] == OLD
    assert len(peer.asked) == 1  # meters count wrong passwords and lock
    assert "password wrong" in told(capsys).out


def test_a_meter_that_agrees_and_keeps_the_old_one(capsys):
    assert ask("password", Living(does_nothing=True), "--level", "4", *METER, "--yes") == 1
    assert "not done" in told(capsys).out


@pytest.mark.slow
def test_a_deaf_meter(capsys):
    peer = Living(deaf=(ChangePassword,))
    assert ask("password", peer, "--level", "4", *METER, "--yes", "--attempts", "1") == 3
    told(capsys)


def test_a_1997_meter(capsys):
    peer = Living(edition=Edition.E1997)
    arguments = ["--level", "4", "--protocol", "dlt645-1997"]
    assert ask("password", peer, *arguments, *METER, "--yes") == 0
    assert peer.passwords[4] == NEW
    told(capsys)


@pytest.mark.parametrize("wrong", ["12345", "abcdef", ""])
def test_a_new_password_that_is_none(wrong, monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_NEW_METER_PASSWORD", wrong)
    peer = Living()
    assert ask("password", peer, "--level", "4", *METER, "--yes") == 2
    assert peer.asked == []
    error = told(capsys).err
    assert "6 digits" in error
    assert not wrong or wrong not in error


def test_nobody_to_ask_for_the_new_one(monkeypatch, capsys):
    monkeypatch.delenv("KWHUB_NEW_METER_PASSWORD")
    assert ask("password", Living(), "--level", "4", *METER, "--yes") == 2
    assert "--new-password-file" in told(capsys).err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--level", "10", "--yes"),
        ("--level", "2", "--by-level", "4", "--yes"),
        ("--level", "4"),
        ("--level", "4", "--password", OLD, "--yes"),
        ("--level", "4", "--protocol", "dlt645-1997", "--yes"),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("password", peer, *arguments) == 2
    assert peer.asked == []
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize(("again", "code"), [(NEW, 0), ("654322", 2)])
def test_a_person_is_asked_twice_and_nothing_shows(again, code):
    peer = Living()
    with at(peer) as address:
        ended, heard = in_a_terminal(
            ["password", address, "--level", "4", "--language", "en"],
            [
                (b"[y/N]", b"y"),
                (b"Password of level 4", OLD.encode()),
                (b"New password of level 4", NEW.encode()),
                (b"once more", again.encode()),
            ],
        )
    assert ended == code, heard
    for secret in (OLD, NEW, again):
        assert secret.encode() not in heard
    assert (peer.passwords[4] == NEW) is (code == 0)
    assert (b"differ" in heard) is (code == 2)


def test_in_chinese(capsys):
    with at(Living()) as address:
        arguments = ["--level", "4", "--yes", "--language", "zh"]
        assert run(["password", address, *arguments]) == 0
    assert "已完成" in told(capsys).out

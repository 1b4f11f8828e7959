"""``kwhub write``: asked about, written, read back."""

import pytest
from tests.cli.changes import METER, Living, answer_of, ask

from kwhub.protocols.dlt645 import Edition, WriteData

PERIOD = 0x04000103


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "123456")


def test_a_parameter(capsys):
    peer = Living(store={PERIOD: b"\x15"})
    operator = ("--operator", "00000077")
    assert ask("write", peer, "04-00-01-03", "30", *METER, "--yes", "--json", *operator) == 0
    answer = answer_of(capsys)
    assert (answer["identifier"], answer["wanted"]) == ("04000103", "30 min")
    assert (answer["before"]["value"], answer["after"]["value"]) == ("15 min", "30 min")
    (request,) = [request for request in peer.asked if isinstance(request, WriteData)]
    assert request.authority.operator == "00000077"


def test_a_refused_write_shows_what_the_meter_keeps(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "000000")
    peer = Living(store={PERIOD: b"\x15"}, changes_anyway=True)
    assert ask("write", peer, "04000103", "30", "--yes") == 1
    out = capsys.readouterr().out
    assert "refused, and yet the meter has changed" in out
    assert "15 min" in out
    assert "30 min" in out


@pytest.mark.slow
def test_a_deaf_meter(capsys):
    peer = Living(store={PERIOD: b"\x15"}, deaf=(WriteData,))
    assert ask("write", peer, "04000103", "30", "--yes", "--json") == 3
    assert answer_of(capsys)["verdict"] == "no_answer"


@pytest.mark.parametrize(
    ("item", "values", "stored"),
    [
        ("04000403", ["A-007"], "A-007".ljust(32, "\0").encode()[::-1]),
        ("04000402", ["000000000123"], bytes.fromhex("230100000000")),
        ("04001203", ["00:00"], b"\x00\x00"),
        ("04040101", ["00010000", "2"], bytes.fromhex("0000010002")),
        ("04000E01", ["12.3456"], bytes.fromhex("563412")),
        ("04FE0102", ["DE AD", "--raw"], bytes.fromhex("DEAD")),
    ],
)
def test_values_of_every_sort(item, values, stored, capsys):
    peer = Living()
    assert ask("write", peer, item, *values, "--yes") == 0
    assert peer.store[int(item, 16)] == stored
    capsys.readouterr()


def test_a_1997_parameter(capsys):
    peer = Living(store={0xC111: b"\x15"}, edition=Edition.E1997)
    assert ask("write", peer, "C111", "30", *METER, "--yes") == 0
    assert peer.store[0xC111] == b"\x30"
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ("04000103",),
        ("04000103", "thirty"),
        ("04000103", "30", "31"),
        ("04000103", "30", "--yes", "--level", "11"),
        ("00010000", "1.00"),
        ("04FE0102", "12"),
        ("04FE0102", "1x", "--raw"),
        ("04000102", "12:00:00"),
        ("04000C05", "00123456"),
        ("nonsense", "1"),
        ("04000103", "30"),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("write", peer, *arguments) == 2
    assert peer.asked == []
    capsys.readouterr()

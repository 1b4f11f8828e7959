"""``kwhub clear``: the word is typed again, and the meter's own counter tells whether it was done."""

import pytest
from tests.cli.changes import METER, Living, answer_of, ask, at
from tests.cli.terminal import in_a_terminal

from kwhub.cli.app import run
from kwhub.protocols.dlt645 import ClearDemand, ClearEvents, ClearMeter, Edition

DEMAND_CLEARS, METER_CLEARS, EVENT_CLEARS = 0x03300200, 0x03300100, 0x03300300
SECRET = "020202"  # noqa: S105 - of a simulated meter


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", SECRET)


@pytest.mark.parametrize(
    ("what", "counter", "order"),
    [
        ("demand", DEMAND_CLEARS, ClearDemand),
        ("meter", METER_CLEARS, ClearMeter),
        ("events", EVENT_CLEARS, ClearEvents),
    ],
)
def test_each_is_counted_by_the_meter(what, counter, order, capsys):
    peer = Living(store={counter: bytes.fromhex("070000")})
    assert ask("clear", peer, what, *METER, "--level", "2", "--yes", "--json") == 0
    answer = answer_of(capsys)
    assert (answer["cleared"], answer["verdict"]) == (what, "done")
    assert (answer["before"], answer["after"]) == (7, 8)
    assert peer.commands == [order.__name__]


def test_one_kind_of_events(capsys):
    peer = Living(store={EVENT_CLEARS: bytes(3)})
    assert ask("clear", peer, "events", "--kind", "cover_opening", *METER, "--yes") == 0
    (request,) = [request for request in peer.asked if isinstance(request, ClearEvents)]
    assert f"{request.events:08X}" == "03300DFF"
    assert "done: the meter shows it" in capsys.readouterr().out


def test_the_level_follows_what_is_cleared(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "123456")  # of level 4
    peer = Living(store={DEMAND_CLEARS: bytes(3), METER_CLEARS: bytes(3)})
    assert ask("clear", peer, "demand", *METER, "--yes") == 0
    assert ask("clear", peer, "meter", *METER, "--yes") == 1
    captured = capsys.readouterr()
    assert "refused: password wrong or not authorised" in captured.out
    assert "123456" not in captured.out + captured.err


def test_a_1997_meter_clears_its_demand(capsys):
    peer = Living(store={0xB213: bytes(2)}, edition=Edition.E1997)
    old = ("--protocol", "dlt645-1997", "--level", "2")
    assert ask("clear", peer, "demand", *METER, *old, "--yes", "--json") == 0
    assert answer_of(capsys)["after"] == 1


def test_nothing_moves_although_the_meter_agrees(capsys):
    peer = Living(store={METER_CLEARS: bytes(3)}, does_nothing=True)
    assert ask("clear", peer, "meter", *METER, "--yes") == 1
    assert "not done" in capsys.readouterr().out


@pytest.mark.slow
def test_a_deaf_meter(capsys):
    peer = Living(store={METER_CLEARS: bytes(3)}, deaf=(ClearMeter,))
    assert ask("clear", peer, "meter", *METER, "--yes", "--json", "--attempts", "1") == 3
    assert answer_of(capsys)["verdict"] == "no_answer"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("everything", "--yes"),
        ("meter",),
        ("demand", "--kind", "power_down", "--yes"),
        ("events", "--kind", "earthquake", "--yes"),
        ("meter", "--protocol", "dlt645-1997", "--yes"),
        ("demand", "--protocol", "dlt645-1997", "--yes"),
        ("demand", "--level", "10", "--yes"),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("clear", peer, *arguments) == 2
    assert peer.asked == []
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize(("word", "code", "count"), [("meter", 0, 1), ("y", 1, 0)])
def test_a_person_types_the_word(word, code, count):
    peer = Living(store={METER_CLEARS: bytes(3)})
    with at(peer) as address:
        ended, heard = in_a_terminal(
            ["clear", address, "meter", "--language", "en"],
            [(b"Type meter to go on", word.encode()), (b"Password of level 2", SECRET.encode())],
        )
    assert ended == code, heard
    assert SECRET.encode() not in heard
    assert len(peer.commands) == count


def test_in_chinese(capsys):
    with at(Living(store={DEMAND_CLEARS: bytes(3)})) as address:
        arguments = ["--level", "2", "--yes", "--language", "zh"]
        assert run(["clear", address, "demand", *arguments]) == 0
    assert "清零次数" in capsys.readouterr().out

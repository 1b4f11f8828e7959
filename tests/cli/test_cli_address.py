"""``kwhub address``: shown, or changed and found again under the new one."""

import pytest
from tests.cli.changes import METER, Living, answer_of, ask, at
from tests.exchange.obedient645 import ADDRESS

from kwhub.cli.app import run
from kwhub.protocols.dlt645 import Edition, WriteAddress, WriteData

NEW = "000000000123"


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "123456")


@pytest.mark.parametrize("whom", [(), METER])
def test_the_address_is_shown(whom, capsys):
    assert ask("address", Living(), *whom) == 0
    assert capsys.readouterr().out.strip() == ADDRESS


def test_the_address_for_programs(capsys):
    assert ask("address", Living(), "--json") == 0
    assert answer_of(capsys)["stored"] == ADDRESS


def test_the_only_meter_is_told_by_its_key(capsys):
    peer = Living()
    assert ask("address", peer, "123", "--yes", "--json") == 0
    answer = answer_of(capsys)
    assert (answer["before"], answer["after"], answer["verdict"]) == (ADDRESS, NEW, "done")
    assert peer.commands == ["WriteAddress"]


def test_one_of_many_is_told_by_password(capsys):
    peer = Living()
    assert ask("address", peer, NEW, *METER, "--yes") == 0
    assert peer.address == NEW
    (request,) = [request for request in peer.asked if isinstance(request, WriteData)]
    assert request.authority.key.level == 4
    out = capsys.readouterr().out
    assert ADDRESS in out
    assert NEW in out


def test_a_refusal(monkeypatch, capsys):
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "999999")
    peer = Living()
    assert ask("address", peer, NEW, *METER, "--yes") == 1
    assert peer.address == ADDRESS
    captured = capsys.readouterr()
    assert "refused" in captured.out
    assert "999999" not in captured.out + captured.err


@pytest.mark.slow
def test_a_key_that_is_not_pressed(capsys):
    peer = Living(deaf=(WriteAddress,))
    assert ask("address", peer, NEW, "--yes", "--attempts", "1") == 3
    assert "no answer" in capsys.readouterr().out


def test_a_1997_meter(capsys):
    peer = Living(edition=Edition.E1997)
    assert ask("address", peer, NEW, "--protocol", "dlt645-1997", "--yes") == 0
    assert peer.address == NEW
    assert "the meter has agreed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        (NEW,),
        ("1234567890123", "--yes"),
        ("AAAAAAAAAAAA", "--yes"),
        ("999999999999", "--yes"),
        (ADDRESS, *METER, "--yes"),
        ("--protocol", "dlt645-1997"),
        (NEW, *METER, "--protocol", "dlt645-1997", "--yes"),
        (NEW, *METER, "--yes", "--operator", "7"),
    ],
)
def test_wrong_usage(arguments, capsys):
    peer = Living()
    assert ask("address", peer, *arguments) == 2
    assert peer.asked == []
    capsys.readouterr()


def test_in_chinese(capsys):
    with at(Living()) as address:
        assert run(["address", address, NEW, "--yes", "--language", "zh"]) == 0
    assert "通信地址" in capsys.readouterr().out

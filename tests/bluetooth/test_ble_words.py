"""Trouble with links in words that people understand, in both languages."""

import ast
import re
from pathlib import Path

import pytest
from bumble.hci import HCI_ErrorCode
from bumble.smp import ErrorCode
from tests.bluetooth.stations import METER, READER, free, on_air, station

import kwhub.bluetooth
from kwhub.bluetooth.stack import open_adapter
from kwhub.bluetooth.words import TROUBLES, WHAT, WHERE, WHOLE, in_chinese, in_words
from kwhub.cli.app import run
from kwhub.cli.output import complain, print_table, say
from kwhub.domain.errors import ConfigError, LinkDown

CHINESE = re.compile("[\u4e00-\u9fff]")


def test_every_trouble_is_one_of_the_standard():
    known = {each.name for each in HCI_ErrorCode} | {each.name for each in ErrorCode}
    assert set(TROUBLES) <= known
    assert all(CHINESE.search(chinese) for _, chinese in TROUBLES.values())


def test_every_pattern_stands_somewhere_in_the_code():
    folder = Path(kwhub.bluetooth.__file__).parent
    said: list[str] = []
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", "X") for part in node.values]
                said.append("".join(part if isinstance(part, str) else "X" for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    for pattern, _ in (*WHERE, *WHAT, *WHOLE):
        assert any(re.search(pattern, each) for each in said), pattern


@pytest.mark.parametrize(
    "text",
    [
        "connecting to F0:00:00:00:00:09: no answer in time",
        "pairing with F0:00:00:00:00:01: " + in_words("CONFIRM_VALUE_FAILED"),
        "ble:F0:00:00:00:00:01: the link has ended: " + in_words("CONNECTION_TIMEOUT_ERROR"),
        "ble:F0:00:00:00:00:01: the link has ended",
        "ble:F0:00:00:00:00:01: offers none of the profiles ffe0",
        "F0:00:00:00:00:01 is not paired: kwhub ble pair F0:00:00:00:00:01",
    ],
)
def test_in_chinese_no_english_is_left(text):
    said = in_chinese(text)
    assert CHINESE.search(said)
    words = re.sub(r"\([A-Z_]+\)|kwhub ble pair|ffe0|ble:|[0-9A-F:]{17}", "", said)
    assert not re.search("[A-Za-z]", words), said


def test_other_text_stays_as_it_is():
    assert in_chinese("no such file") == "no such file"
    assert in_words("VENDOR_1") == "VENDOR_1"


def test_a_device_that_is_not_there_is_told_in_words():
    async def main(clock, air):
        async with station(clock, air, READER, free(), connect_s=1.0) as one:
            with pytest.raises(LinkDown, match=f"connecting to {METER}: no answer in time"):
                await one.connect(METER)

    on_air(main)


@pytest.mark.parametrize("text", ["tcp-client:foo", "tcp-client:localhost:abc"])
def test_an_adapter_that_is_incomplete_is_a_wrong_setting(text):
    async def main(_clock, _air):
        with pytest.raises(ConfigError, match="is incomplete"):
            await open_adapter(text)

    on_air(main)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--language", "zh"], "未配对"),
        (["--language=zh"], "未配对"),
        (["--language", "en"], "is not paired"),
    ],
)
def test_the_language_of_a_command_is_that_of_its_trouble(capsys, tmp_path, words, told):
    where = ["--adapter", "air:words", "--keys", str(tmp_path / "reader.keys")]
    assert run(["ble", "read", METER, *where, *words]) == 3
    assert told in capsys.readouterr().err


def test_an_address_is_printed_as_it_is(capsys):
    say("F0:AB:12:CD:ID:OK is paired.")
    complain("F0:AB:12:CD:00:0A is gone")
    print_table(("address",), [("F0:AB:12:CD:00:0A",)])
    told = capsys.readouterr()
    assert told.out.count(":AB:12:CD:") == 2
    assert ":AB:12:CD:" in told.err


def test_no_simulated_meter_has_a_number_beyond_a_byte(capsys):
    assert run(["ble", "simulate", "--first", "200", "--meters", "57", "--port", "0"]) == 2
    assert "256" in capsys.readouterr().err

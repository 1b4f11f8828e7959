"""Every Chinese refusal and finding of the counter belongs to an English one that the code says."""

import re
from pathlib import Path

import pytest

import kwhub
from kwhub.cli.app import run
from kwhub.headend.vending_words import COUNTER, in_chinese

SOURCES = [
    path.read_text("utf-8")
    for folder in ("headend", "prepay", "cli")
    for path in (Path(kwhub.__file__).parent / folder).rglob("*.py")
    if path.name != "vending_words.py"
]
LEAST = 4
PLAIN = re.compile(r"\(\?P<\w+>[^)]*\)|\(sold\|signed\)|\\\?|\\")


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in COUNTER])
def test_every_pattern_is_a_text_of_the_code(pattern):
    """A piece without a name stands somewhere in the program."""
    text = pattern.removeprefix("refused: ").removeprefix("the medium refuses: ")
    pieces = [each for each in map(str.strip, PLAIN.split(text)) if len(each) >= LEAST]
    assert any(each in source for each in pieces for source in SOURCES), pieces


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("refused: number 4 was signed for another amount", "第 4 次购电已用于另一金额"),
        ("signed up to 3 only", "只签名到第 3 次"),
        ("refused: ann is no user of this head-end who may sell", "ann 不是本主站有售电权限的用户"),
        ("something else", "something else"),
    ],
)
def test_what_is_said(english, chinese):
    assert in_chinese(english) == chinese


def test_a_command_refuses_in_the_readers_language(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for language, words in (("zh_CN.UTF-8", "没有缴费单号 R-1"), ("C", "payment R-1 is not known")):
        monkeypatch.setenv("LANG", language)
        assert run(["vend", "receipt", "R-1"]) == 1
        assert words in capfd.readouterr().err

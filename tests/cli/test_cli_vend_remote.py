"""``kwhub vend remote``: what the head-end says of a sale, in both languages, with its exit code."""

import pytest

from kwhub.cli import vend_remote
from kwhub.cli.app import run

METER = "202611200001"
SALE = ("vend", "remote", "50.00", "--meter", METER, "--payment", "R-1")


@pytest.mark.parametrize(
    ("outcome", "state", "code", "words"),
    [
        ("done", "confirmed", 0, ("the meter has it", "已写入电表")),
        ("already", "confirmed", 0, ("the meter has it already", "电表内已有此次购电")),
        ("already", "issued", 1, ("a second person settles it", "须由另一人核定")),
        ("done", "issued", 1, ("a second person settles it", "须由另一人核定")),
        ("refused", "reserved", 1, ("the meter refuses it", "电表拒绝")),
        ("unknown", "issued", 3, ("no answer", "无应答")),
    ],
)
def test_what_is_not_proven_is_not_told_as_done(monkeypatch, capfd, outcome, state, code, words):
    told = {"meter": METER, "count": 2, "amount": "50.00", "outcome": outcome, "state": state}
    monkeypatch.setattr(vend_remote, "_post", lambda *_asked: told)
    monkeypatch.setenv("KWHUB_API_KEY", "kwhub_x")
    for language, said in zip(("en", "zh"), words, strict=True):
        assert run([*SALE, "--language", language]) == code
        assert said in capfd.readouterr().out

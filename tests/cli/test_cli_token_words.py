"""Tokens in Chinese: every kind and field has its words, and so has what is wrong."""

import pytest

from kwhub.cli.app import run
from kwhub.cli.token import UNITS
from kwhub.cli.token_words import FIELDS, KINDS_ZH, UNITS_ZH, trouble_in_chinese
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.sts.tokens import KINDS, decode, issue_key_change

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("KWHUB_DECODER_KEY", KEY)

    def call(*arguments):
        code = run(["token", *arguments])
        return (code, *capfd.readouterr())

    return call


def test_every_kind_unit_and_field_has_chinese_words():
    assert set(KINDS_ZH) == {*KINDS.values(), "Reserved"}
    assert set(UNITS_ZH) == set(UNITS.values())
    facts = {
        "expiry": 255,
        "revision": 1,
        "roll_over": 1,
        "type": 2,
        "tariff": 1,
        "supply_group": 1,
    }
    key = DecoderKey(bytes.fromhex(KEY))
    tokens = issue_key_change(key, DecoderKey(bytes(16)), facts)
    said = {name for each in tokens for name in decode(each, key).extra}
    said |= set(decode("00000000000167774880").extra)
    assert said == set(FIELDS)


def test_a_token_is_told_in_chinese(kwhub):
    issued = ("--issued", "2026-03-01T08:00", "--random", "5", "--base-date", "2014")
    code, out, _ = kwhub("issue", "TransferElectricityCredit", "25.6", *issued, "--language", "zh")
    lines = out.splitlines()
    assert (code, lines[1]) == (0, "充入电量（TransferElectricityCredit） 25.6 千瓦时")
    assert lines[2].startswith("签发时间 2026-03-01 08:00，标识 ")
    again = kwhub("decode", lines[0], "--base-date", "2014", "--language", "zh")
    assert again[:2] == (0, out)
    english = kwhub("decode", lines[0], "--base-date", "2014")[1]
    assert "TransferElectricityCredit 25.6 kWh" in english
    enter = ("enter", lines[0], "--meter", "kitchen", "--base-date", "2014", "--language", "zh")
    told = kwhub(*enter)[1]
    assert told.isascii() is False
    assert "energy" not in told


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("1" * 19, "令牌为 20 位数字，而不是 19 个字符"),
        ("9" * 20, "数字超过 66 位二进制"),
        ("12345678901234567890", "校验和不符"),
    ],
)
def test_what_is_wrong_is_told_in_chinese(kwhub, token, words):
    code, _, error = kwhub("decode", token, "--language", "zh")
    assert (code, words in error) == (1, True)
    assert words not in kwhub("decode", token)[2]


def test_the_end_of_a_base_date_and_a_missing_key_are_told_in_chinese(kwhub, monkeypatch):
    late = ("--issued", "2045-01-01", "--base-date", "2014", "--language", "zh")
    assert "天到期" in kwhub("issue", "TransferElectricityCredit", "1", *late)[2]
    monkeypatch.delenv("KWHUB_DECODER_KEY")
    assert "请给出电表密钥" in kwhub("decode", "73366702693570258563", "--language", "zh")[2]
    assert trouble_in_chinese("something else") == "something else"

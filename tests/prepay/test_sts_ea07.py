"""Algorithm 07 with tables of our own: the real ones are licensed and stand in an operator's file only."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.cli.app import run
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.sts.ea07 import Ea07, Tables
from kwhub.prepay.sts.keys import DecoderKey, MeterKeyFacts, derive
from kwhub.prepay.sts.meter import Meter, Verdict
from kwhub.prepay.sts.tokens import decode, issue, issue_key_change
from kwhub.runtime.chance import seeded

CREDIT = "TransferElectricityCredit"
FACTS = MeterKeyFacts("600727000000000009", "123457", "01", 2, 1, 1993)
CHANGE = {
    "expiry": 0xAB, "revision": 4, "roll_over": 1, "type": 2, "tariff": 2, "supply_group": 123457,
}  # fmt: skip


def shuffled(count, name):
    numbers = list(range(count))
    seeded(7, name).shuffle(numbers)
    return tuple(numbers)


TABLES = Tables(shuffled(16, "first"), shuffled(16, "second"), shuffled(64, "places"))
SECRET = bytes.fromhex("0123456789ABCDEF")
KEY = DecoderKey(SECRET, TABLES)


def by_the_book(key, block):
    """The same in the words of the standard: lists of bits, bit 0 first, one step after the other."""
    bits = [1 - (int.from_bytes(key) >> place & 1) for place in range(64)]
    bits = bits[12:] + bits[:12]  # turned right by twelve
    data = [block >> place & 1 for place in range(64)]
    for _ in range(16):
        for nibble in range(0, 64, 4):
            table = TABLES.second if bits[nibble + 3] else TABLES.first
            value = table[sum(data[nibble + place] << place for place in range(4))]
            data[nibble : nibble + 4] = [value >> place & 1 for place in range(4)]
        moved = [0] * 64
        for place, bit in enumerate(data):
            moved[TABLES.permutation[place]] = bit
        data = moved
        bits = bits[-1:] + bits[:-1]  # turned left by one
    return sum(bit << place for place, bit in enumerate(data))


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**64 - 1))
def test_the_cipher_is_that_of_the_standard_and_can_be_undone(key, block):
    cipher = Ea07(key, TABLES)
    sealed = cipher.encrypt(block)
    assert sealed == by_the_book(key, block)
    assert cipher.decrypt(sealed) == block


def test_the_meter_deciphers_with_its_own_key_as_the_standard_prints_it():
    """The printed rule for meters: the plain key, its nibbles' lowest bits, turned right round by round."""
    key, block = int.from_bytes(SECRET), KEY.cipher.encrypt(0x1122334455667788)
    back = [inverse(table) for table in (TABLES.second, TABLES.first)]
    for _ in range(16):
        block = sum((block >> to & 1) << at for at, to in enumerate(TABLES.permutation))
        block = sum(back[key >> at & 1][block >> at & 0xF] << at for at in range(0, 64, 4))
        key = key >> 1 | (key & 1) << 63
    assert block == 0x1122334455667788


def inverse(table):
    return [table.index(value) for value in range(16)]


def test_a_token_of_a_short_key_is_issued_decoded_and_taken_once():
    digits = issue(KEY, CREDIT, 25, identifier=5_000, random=3)
    token = decode(digits, KEY)
    assert token.kind == CREDIT
    assert token.value == 25
    assert token.identifier == 5_000
    other = DecoderKey(bytes(8), TABLES)
    with pytest.raises(DecodeError, match="another meter or key"):
        decode(digits, other)
    meter, taken = Meter(KEY).take(digits, 0.0)
    assert taken.verdict is Verdict.ACCEPTED
    assert meter.take(digits, 1.0)[1].verdict is Verdict.USED


def test_two_sections_change_a_short_key():
    new = DecoderKey(bytes(range(8)), TABLES)
    first, second = issue_key_change(KEY, new, CHANGE)
    meter, taken = Meter(KEY).take(second, 0.0)
    assert taken.verdict is Verdict.PART_OF_KEY_CHANGE
    meter, taken = meter.take(first, 30.0)
    assert (taken.verdict, meter.key, meter.key_expiry) == (Verdict.ACCEPTED, new, 0xAB)
    credit = meter.take(issue(new, CREDIT, 1, identifier=9, random=0), 31.0)[1].token
    assert credit
    assert credit.value == 1
    with pytest.raises(LocalError, match="one encryption algorithm"):
        issue_key_change(KEY, DecoderKey(bytes(16)), CHANGE)


def test_a_short_key_is_derived_apart_from_a_long_one():
    vending = bytes(range(20))
    short, long = derive(vending, FACTS, TABLES), derive(vending, FACTS)
    assert (len(short.secret), len(long.secret)) == (8, 16)
    assert short.secret != long.secret[:8]


def test_no_repr_shows_a_table_and_a_short_key_wants_tables():
    assert repr(TABLES) == "Tables()"
    with pytest.raises(LocalError, match="licensed"):
        DecoderKey(SECRET)


# The operator's file


def file_of(tmp_path, **changed):
    token = issue(KEY, CREDIT, 10, identifier=1_000, random=1)
    parts: dict[str, Any] = {
        "first": list(TABLES.first),
        "second": list(TABLES.second),
        "permutation": list(TABLES.permutation),
        "known": [{"key": SECRET.hex(), "token": token}],
    } | changed
    lines = [f"{name} = {json.dumps(value)}" for name, value in parts.items() if name != "known"]
    for each in parts["known"]:
        lines += ["[[known]]", *(f"{name} = {json.dumps(value)}" for name, value in each.items())]
    path = tmp_path / "ea07.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_commands_take_the_tables_from_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("KWHUB_DECODER_KEY", raising=False)
    path, key = file_of(tmp_path), tmp_path / "meter.key"
    key.write_text(SECRET.hex())
    common = ["--decoder-key", f"@{key}", "--tables", str(path), "--json"]
    assert run(["token", "issue", CREDIT, "25.6", *common]) == 0
    issued = json.loads(capsys.readouterr().out)
    assert decode(issued["token"], KEY, base_year=2014).value == 25.6 or issued["value"] == "25.6"
    monkeypatch.setenv("KWHUB_EA07_TABLES", str(path))
    assert run(["token", "decode", issued["token"], "--decoder-key", f"@{key}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == "25.6"
    monkeypatch.delenv("KWHUB_EA07_TABLES")
    assert run(["token", "decode", issued["token"], "--decoder-key", f"@{key}"]) == 2
    assert "licensed" in capsys.readouterr().err


SWAPPED = [TABLES.permutation[1], TABLES.permutation[0], *TABLES.permutation[2:]]


@pytest.mark.parametrize(
    ("changed", "where", "what"),
    [
        ({"first": [0] * 16}, "first", "each once"),
        ({"second": list(range(15))}, "second", "0 to 15"),
        ({"permutation": list(range(63))}, "permutation", "0 to 63"),
        ({"permutation": SWAPPED}, "known[0]", "compare every number"),
        ({"known": []}, "known", "known"),
        ({"known": [{"key": "00", "token": "1" * 20}]}, "known[0].key", "16 hexadecimal digits"),
        ({"first": [16] * 16}, "first", "15"),
    ],
)
def test_a_wrong_file_is_told_with_its_place_and_without_its_numbers(
    tmp_path, capsys, changed, where, what
):
    path = file_of(tmp_path, **changed)
    assert run(["token", "decode", "1" * 20, "--tables", str(path)]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert where in told
    assert what in told
    assert "Traceback" not in told


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert run(["token", "decode", "1" * 20, "--tables", str(tmp_path / "none.toml")]) == 2
    assert "no such file of tables" in capsys.readouterr().err

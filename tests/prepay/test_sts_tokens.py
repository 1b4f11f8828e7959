"""Tokens against the published answers, and every sentence of the meter's rules."""

import json
import os
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.cli.app import run
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.sts import amounts
from kwhub.prepay.sts.keys import DecoderKey, MeterKeyFacts, derive
from kwhub.prepay.sts.meter import (
    IDENTIFIERS_KEPT,
    KEY_CHANGE_WINDOW_S,
    Meter,
    Verdict,
    roll_over_in,
)
from kwhub.prepay.sts.misty1 import Misty1
from kwhub.prepay.sts.tokens import (
    IDENTIFIERS,
    decode,
    identifier_at,
    issue,
    issue_key_change,
    issue_test,
)

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors"))
KEY = DecoderKey(bytes.fromhex("f94b6ed353c3bfdb113e2d3a7ea3c41d"))
OTHER = DecoderKey(bytes(range(16)))


def vectors():
    path = SHARED / "sts_ea11.jsonl"
    if not path.exists():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_misty1_gives_the_answers_of_its_description():
    cipher = Misty1(bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert cipher.encrypt(0x0123456789ABCDEF) == 0x8B1DA5F56AB3D07C
    assert cipher.encrypt(0xFEDCBA9876543210) == 0x04B68240B13BE95D


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_misty1_decrypts_what_it_encrypted(key, block):
    cipher = Misty1(key)
    assert cipher.decrypt(cipher.encrypt(block)) == block


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_key_has_sixteen_bytes(length):
    with pytest.raises(LocalError):
        Misty1(bytes(length))
    with pytest.raises(LocalError):
        DecoderKey(bytes(length))


def test_no_repr_shows_a_key():
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.secret.hex() not in repr(Meter(KEY))


def test_every_published_key_is_derived():
    rows = [row for row in vectors() if "vending_key" in row]
    assert rows
    for row in rows:
        facts = MeterKeyFacts(
            row["pan"], row["sgc"], row["ti"], row["key_type"], row["krn"],
            int(row["base_date_key"]),
        )  # fmt: skip
        key = derive(bytes.fromhex(row["vending_key"]), facts)
        assert key.secret.hex() == row["decoder_key"], row["step"]


def test_every_published_credit_and_setting_is_decoded_and_issued():
    rows = [row for row in vectors() if "tid" in row]
    assert len(rows) == 51
    for row in rows:
        key, base = DecoderKey(bytes.fromhex(row["decoder_key"])), int(row["base_date_tid"])
        token = decode(row["token"], key, base_year=base)
        assert (token.token_class, token.subclass) == (row["token_class"], row["sub_class"])
        assert (token.kind, token.field16) == (row["kind"], row["field16"])
        assert (token.identifier, token.random) == (row["tid"], row["rnd"])
        moment = datetime.fromisoformat(row["issued"])
        assert identifier_at(moment, base) == row["tid"]
        value = int(row["value"], 16) if "x" in row["value"] else Decimal(row["value"])
        again = issue(key, row["kind"], value, identifier=row["tid"], random=row["rnd"])
        assert again == row["token"], row["step"]


def test_every_published_key_change_section_is_decoded_and_issued():
    rows = [row for row in vectors() if "ken" in row]
    assert rows
    order = {3: 0, 4: 1, 8: 2, 9: 3}
    for row in rows:
        old = DecoderKey(bytes.fromhex(row["old_decoder_key"]))
        new = DecoderKey(bytes.fromhex(row["new_decoder_key"]))
        facts = {
            "expiry": row["ken"], "revision": row["krn"], "roll_over": row["ro"],
            "type": row["kt"], "tariff": int(row["ti"]), "supply_group": int(row["sgc"]),
        }  # fmt: skip
        assert issue_key_change(old, new, facts)[order[row["sub_class"]]] == row["token"]
        token = decode(row["token"], old)
        assert token.kind == row["kind"]
        assert f"{token.key_part:08x}" in row["new_decoder_key"]
        assert f"{token.key_part}" not in repr(token)


def test_every_published_test_token_is_decoded_and_issued():
    rows = [row for row in vectors() if row["token_class"] == 1]
    assert len(rows) == 5
    for row in rows:
        token = decode(row["token"])
        assert (token.kind, token.value) == (row["kind"], row["control"])
        assert token.extra["manufacturer"] == row["manufacturer"]
        again = issue_test(int(row["control"], 16), row["manufacturer"], subclass=row["sub_class"])
        assert again == row["token"]


@given(st.integers(0, amounts.UNITS_MAX))
def test_an_amount_is_rounded_up_by_less_than_its_step(units):
    field = amounts.from_units(units)
    held = amounts.to_units(field)
    assert units <= held < units + 10 ** (field >> 14)


@given(st.integers(0, 0xFFFF))
def test_every_field_comes_back(field):
    units = amounts.to_units(field)
    assert amounts.to_units(amounts.from_units(units)) == units


@pytest.mark.parametrize("units", [-1, amounts.UNITS_MAX + 1, Decimal("-0.1")])
def test_an_amount_has_bounds(units):
    if units == Decimal("-0.1"):
        assert amounts.from_units(units) == 0  # rounded up to nothing
        return
    with pytest.raises(LocalError):
        amounts.from_units(units)


@given(st.text(max_size=24))
def test_any_text_is_a_token_or_is_refused(text):
    try:
        decode(text, KEY)
    except DecodeError as error:
        assert error.kind in {"token_format", "checksum_mismatch"}


@given(st.integers(0, 19), st.integers(1, 9))
def test_a_wrong_digit_is_noticed(place, step):
    digits = issue(KEY, "TransferElectricityCredit", 10, identifier=1_000, random=3)
    wrong = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    with pytest.raises(DecodeError):
        decode(wrong, KEY)


def test_a_token_for_another_meter_is_noticed_and_a_missing_key_is_named():
    digits = issue(KEY, "TransferElectricityCredit", 10, identifier=1_000, random=3)
    with pytest.raises(DecodeError, match="another meter"):
        decode(digits, OTHER)
    with pytest.raises(DecodeError, match="give the meter's key"):
        decode(digits)


def test_identifiers_have_bounds_and_leave_out_the_reserved_minute():
    assert identifier_at(datetime(2014, 1, 1, 0, 1), 2014) == 2
    assert identifier_at(datetime(2014, 1, 2, 0, 1), 2014) == 1_442
    with pytest.raises(LocalError, match="2014"):
        identifier_at(datetime(2026, 1, 1), 1993)
    with pytest.raises(LocalError):
        identifier_at(datetime(2013, 12, 31), 2014)
    assert roll_over_in(IDENTIFIERS - 1) == timedelta(0)


def entered(meter, identifier, key=KEY):
    digits = issue(key, "TransferElectricityCredit", 1, identifier=identifier, random=0)
    return meter.take(digits, 0.0)


def test_the_meter_takes_a_token_once():
    meter, taken = entered(Meter(KEY), 500)
    assert taken.verdict is Verdict.ACCEPTED
    again, taken = entered(meter, 500)
    assert taken.verdict is Verdict.USED
    assert again == meter


def test_tokens_may_come_in_any_order_until_they_are_older_than_the_list():
    meter = Meter(KEY)
    for identifier in range(1_000, 1_000 + IDENTIFIERS_KEPT - 1):
        meter, _ = entered(meter, identifier)
    meter, taken = entered(meter, 10)
    assert taken.verdict is Verdict.ACCEPTED
    meter, _ = entered(meter, 2_000)
    assert len(meter.used) == IDENTIFIERS_KEPT
    _, taken = entered(meter, 10)
    assert taken.verdict is Verdict.OLD  # forgotten, and still not taken twice


@settings(max_examples=30)
@given(st.lists(st.integers(0, 100), max_size=80))
def test_no_order_of_entry_credits_a_token_twice(identifiers):
    meter, credited = Meter(KEY), []
    for identifier in identifiers:
        meter, taken = entered(meter, identifier)
        credited += [identifier] if taken.verdict is Verdict.ACCEPTED else []
    assert len(credited) == len(set(credited))


def test_a_key_that_has_expired_takes_no_credit():
    _, taken = entered(Meter(KEY, key_expiry=1), 2 << 16)
    assert taken.verdict is Verdict.KEY_EXPIRED


FACTS = {
    "expiry": 0xAB, "revision": 4, "roll_over": 1, "type": 2, "tariff": 2, "supply_group": 123457,
}  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_four_sections_change_the_key_and_roll_the_base_date(order):
    meter, _ = entered(Meter(KEY), 500)
    sections = issue_key_change(KEY, OTHER, FACTS)
    for place in order[:3]:
        meter, taken = meter.take(sections[place], 10.0)
        assert taken.verdict is Verdict.PART_OF_KEY_CHANGE
    meter, taken = meter.take(sections[order[3]], 10.0 + KEY_CHANGE_WINDOW_S)
    assert taken.verdict is Verdict.ACCEPTED
    assert (meter.key, meter.key_expiry, meter.base_year) == (OTHER, 0xAB, 2014)
    assert meter.used == ()
    _, taken = entered(meter, 500, OTHER)
    assert taken.verdict is Verdict.ACCEPTED


def test_a_key_change_that_takes_too_long_begins_anew():
    meter = Meter(KEY)
    sections = issue_key_change(KEY, OTHER, FACTS)
    for place in range(3):
        meter, _ = meter.take(sections[place], 0.0)
    meter, taken = meter.take(sections[3], KEY_CHANGE_WINDOW_S + 1.0)
    assert taken.verdict is Verdict.PART_OF_KEY_CHANGE
    assert meter.key == KEY


@pytest.mark.parametrize(
    ("kind", "value"),
    [("Nothing", 1), ("TransferElectricityCurrencyCredit", 1), ("ClearCredit", 65_536)],
)
def test_what_cannot_be_issued_is_refused(kind, value):
    with pytest.raises(LocalError):
        issue(KEY, kind, value, identifier=5, random=0)


def told(capsys, *arguments):
    code = run(["token", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_decodes_every_published_token(capsys):
    for row in vectors():
        key = row.get("decoder_key") or row.get("old_decoder_key")
        extra = ["--decoder-key", key] if key else []
        extra += ["--base-date", row["base_date_tid"]] if "base_date_tid" in row else []
        code, answer = told(capsys, "decode", row["token"], *extra)
        assert code == 0
        assert answer["kind"] == row["kind"]
        if "tid" in row:
            assert answer["identifier"] == row["tid"]
            if not row["issued"].endswith("T00:01:00"):  # the reserved minute became the next
                assert answer["issued"] == row["issued"]
            expected = row["value"]
            if answer["value"] != expected:  # the amount was rounded up
                assert Decimal(answer["value"]) >= Decimal(expected)
                assert amounts.from_units(_steps(answer)) == amounts.from_units(_steps(row))


def _steps(row):
    scale = 10 if row["kind"].startswith("Transfer") else 1
    return Decimal(row["value"]) * scale


def test_the_command_issues_what_it_decodes(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("KWHUB_DECODER_KEY", raising=False)
    vending = tmp_path / "vending.key"
    vending.write_text("abababababababab949494949494949401234567\n")
    code, answer = told(
        capsys, "issue", "TransferElectricityCredit", "25.6", "--vending-key-file", str(vending),
        "--pan", "600727000000000009", "--supply-group", "123457", "--base-date", "1993",
        "--issued", "2004-04-01T00:30:00", "--random", "5",
    )  # fmt: skip
    assert code == 0
    assert answer["token"] == "63638916334124550935"  # noqa: S105
    key = tmp_path / "meter.key"
    key.write_text(KEY.secret.hex())
    code, again = told(capsys, "decode", answer["token"], "--decoder-key", f"@{key}")
    assert (code, again["value"], again["unit"]) == (0, "25.6", "kWh")
    monkeypatch.setenv("KWHUB_DECODER_KEY", OTHER.secret.hex())
    code, again = told(capsys, "decode", answer["token"])
    assert (code, again["error"]) == (1, "checksum_mismatch")


@pytest.mark.parametrize("key", ["zz", "00"])
def test_a_key_that_is_none_is_refused_without_being_shown(capsys, key):
    assert run(["token", "decode", "0" * 20, "--decoder-key", key]) == 2
    assert f"'{key}'" not in capsys.readouterr().err

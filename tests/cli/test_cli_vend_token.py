"""Tokens through the counter's ledger: sold once, entered once, with a key change in between; and what is refused."""

import json
import sqlite3

import pytest

from kwhub.cli.app import run
from kwhub.headend.vending_store import VendingStore
from kwhub.prepay.vending import Limits

METER, OTHER, KEY, NEXT = (
    "202611200001",
    "202611200002",
    "00112233445566778899aabbccddeeff",
    "ff" * 16,
)


@pytest.fixture
def shop(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    for name, key in (("meter.key", KEY), ("next.key", NEXT)):
        (tmp_path / name).write_text(key)

    def call(*arguments):
        code = run([*arguments])
        out, error = capfd.readouterr()
        assert KEY not in out + error
        return code, out, error

    assert call("vend", "customer", "000000012345", METER, "Wang")[0] == 0
    assert call("vend", "customer", "000000012346", OTHER, "Li")[0] == 0
    assert call("vend", "price", "day", "0.5600")[0] == 0
    return call


def sell(shop, amount="50.00", payment="R-1", meter=METER, *more):
    row = ("--meter", meter, "--payment", payment, "--operator", "ann", "--tariff", "day")
    return shop("vend", "token", amount, *row, "--decoder-key", "@meter.key", "--json", *more)


def enter(shop, token, *more):
    code, out, error = shop("token", "enter", token, "--meter", "kitchen", "--json", *more)
    return code, json.loads(out) if out else error


def test_a_token_is_sold_entered_once_and_shown_again(shop):
    code, out, _ = sell(shop)
    sold = json.loads(out)
    assert (code, sold["kwh"], sold["amount"]) == (0, "89.2", "50.00")  # 50 / 0.56, tenths
    assert json.loads(sell(shop)[1]) == sold  # the same payment is the same token
    first = enter(shop, sold["token"], "--decoder-key", "@meter.key")
    assert first == (0, {**first[1], "verdict": "accepted", "kwh": "89.2"})
    assert enter(shop, sold["token"]) == (
        1,
        {**first[1], "verdict": "used", "detail": "this token was entered before"},
    )
    receipt = shop("vend", "receipt", "R-1")[1]
    assert f"Token: {sold['token']}" in receipt
    assert "Energy: 89.2 kWh" in receipt


def test_two_tokens_of_one_minute_are_two_and_both_load(shop):
    tokens = [json.loads(sell(shop, "1.00", f"R-{n}")[1]) for n in range(3)]
    assert len({each["identifier"] for each in tokens}) == 3
    for each in tokens:
        enter(shop, each["token"], "--decoder-key", "@meter.key")
    assert enter(shop, tokens[0]["token"])[1]["kwh"] == "5.1"  # three times 1.7


def test_a_key_change_takes_the_meter_to_its_next_key(shop):
    before = json.loads(sell(shop, "1.00")[1])
    enter(shop, before["token"], "--decoder-key", "@meter.key")
    row = ("--decoder-key", "@meter.key", "--new-key", "next.key", "--json")
    code, out, _ = shop("token", "key-change", *row)
    tokens = [each["token"] for each in json.loads(out)]
    assert (code, len(tokens)) == (0, 4)
    verdicts = [enter(shop, each)[1]["verdict"] for each in tokens]
    assert verdicts == ["part of key change"] * 3 + ["accepted"]
    old = json.loads(sell(shop, "1.00", "R-2")[1])
    assert enter(shop, old["token"])[1]["verdict"] == "rejected"
    sale = ("--payment", "R-3", "--operator", "ann", "--tariff", "day", "--meter", METER)
    out = shop("vend", "token", "1.00", *sale, "--decoder-key", "@next.key", "--json")[1]
    assert enter(shop, json.loads(out)["token"])[1] == {
        "verdict": "accepted",
        "kind": "TransferElectricityCredit",
        "detail": "",
        "kwh": "3.4",
    }


def test_limits_payments_and_tariffs_hold_for_tokens_too(shop):
    code, _, error = sell(shop, "1000.01")
    assert (code, "above the limit of 100000 hundredths for one sale" in error) == (1, True)
    assert sell(shop, "1000")[0] == sell(shop, "1000", "R-2")[0] == 0
    code, _, error = sell(shop, "0.56", "R-3")
    assert (code, "one customer and day" in error) == (1, True)
    code, _, error = sell(shop, "999", "R-1")
    assert (code, "has bought something else" in error) == (1, True)
    code, _, error = sell(shop, "0.05", "R-4", OTHER)
    assert (code, "too little money" in error) == (2, True)
    row = ("--payment", "R-5", "--operator", "ann", "--tariff", "night", "--meter", OTHER)
    code, _, error = shop("vend", "token", "1", *row, "--decoder-key", "@meter.key")
    assert (code, "has no price" in error) == (2, True)


def test_a_token_is_not_cancelled_and_its_row_stays(shop, tmp_path):
    sell(shop)
    key = tmp_path / "root.key"
    key.write_text(f"1 {KEY}")
    key.chmod(0o600)
    code, _, error = shop("vend", "cancel", "R-1", "--root-key", "root.key")
    assert (code, "a token that was shown cannot be taken back" in error) == (1, True)
    base = sqlite3.connect(tmp_path / "vending.sqlite")
    for statement in ("DELETE FROM token", "UPDATE token SET amount = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="stays"):
            base.execute(statement)
    (tmp_path / "paid.csv").write_text("R-1,50.00\n")
    assert shop("vend", "reconcile", "--payments", "paid.csv", "--root-key", "root.key")[0] == 0
    (tmp_path / "paid.csv").write_text("R-1,49.00\n")
    code, out, _ = shop("vend", "reconcile", "--payments", "paid.csv", "--root-key", "root.key")
    assert (code, "paid-differs" in out) == (1, True)
    for trigger in ("tokens_stay", "tokens_stay_so"):
        base.execute(f"DROP TRIGGER {trigger}")
    base.execute("UPDATE token SET amount = 1")
    base.commit()
    base.close()
    code, _, error = shop("vend", "verify")
    assert (code, "was changed" in error) == (1, True)


def test_a_cut_before_the_token_is_shown_loses_and_doubles_nothing(shop, tmp_path):
    """At any statement: either nothing was sold, or the same token comes again."""
    from datetime import UTC, datetime

    from tests.headend.test_vending import CutError, Cutting

    from kwhub.headend.vending_tokens import TokenBooks, Wanted
    from kwhub.prepay.sts.keys import DecoderKey

    at, cuts = datetime(2026, 3, 1, tzinfo=UTC), 0
    wanted, key = Wanted(METER, 5_000, "ann", "C-1", "day"), DecoderKey(bytes.fromhex(KEY))
    for left in range(100):
        books = VendingStore(tmp_path / "vending.sqlite", Limits())
        vars(books)["_base"] = Cutting(books._base, left)
        try:
            TokenBooks(books, lambda _: 3).sell(wanted, key, 2014, at)
        except CutError:
            cuts += 1
        else:
            break
        finally:
            books.close()
        again = VendingStore(tmp_path / "vending.sqlite", Limits())
        assert len(TokenBooks(again, lambda _: 3).sales) <= 1
        assert again.verify() is None
        again.close()
    assert cuts > 5


def test_a_file_that_is_no_meter_is_told(shop, tmp_path):
    (tmp_path / "kitchen").write_text("{}")
    code, error = enter(shop, "1" * 20)
    assert (code, "is no simulated meter" in error) == (2, True)

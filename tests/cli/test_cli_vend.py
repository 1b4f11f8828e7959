"""``kwhub vend``: from payment to confirmation with a medium in a file, and the books afterwards."""

import json
import sqlite3

import pytest
from tests.cli.counter import counter_in
from tests.sim.prepay_site import CUSTOMER, METER, Site, draw

from kwhub.cli.app import run
from kwhub.prepay.medium import Arrival, visit
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.sim.prepay_file import FileMemory


@pytest.fixture
def vend(tmp_path, monkeypatch, capfd):
    counter_in(tmp_path, monkeypatch)

    def call(*arguments):
        code = run(["vend", *arguments])
        out, error = capfd.readouterr()
        assert bytes(range(16, 32)).hex() not in out + error
        return code, out, error

    assert call("customer", CUSTOMER.hex(), METER, "Wang")[0] == 0
    assert call("issue", METER, "--medium", "m")[0] == 0
    return call


def sell(vend, amount="50.00", payment="R-1"):
    row = ("--payment", payment, "--medium", "m", "--operator", "ann", "--json")
    return vend("sell", amount, *row)


def carry(site, folder):
    memory = FileMemory(folder / "m", MEDIUM_BYTES)
    try:
        seen = site.run(visit(MediumElement(memory, draw("carry"))), infrared=True)
    finally:
        memory.close()
    return seen.arrival


def test_sold_carried_collected(vend, tmp_path):
    site = Site()
    code, out, _ = sell(vend)
    sold = json.loads(out)
    assert (code, sold["state"], sold["count"], sold["amount"]) == (0, "issued", 1, "50.00")
    assert json.loads(sell(vend)[1]) == sold
    assert carry(site, tmp_path) is Arrival.DONE
    code, out, _ = vend("collect", "--medium", "m", "--json")
    told = json.loads(out)
    assert (code, told["money"], told["count"]) == (0, "50.00", 1)
    assert told["confirmed"][0]["state"] == "confirmed"
    assert "50.00" in vend("collect", "--medium", "m")[1]
    (tmp_path / "paid.csv").write_text("R-1,50\n")
    assert vend("reconcile", "--payments", "paid.csv")[:2] == (0, "the books agree\n")
    assert vend("verify")[0] == 0
    assert "金额: 50.00" in vend("receipt", "R-1", "--language", "zh")[1]
    assert "Amount: 50.00" in vend("receipt", "R-1", "--language", "en")[1]
    assert json.loads(vend("receipt", "R-1", "--json")[1])["name"] == "Wang"


def test_what_is_not_allowed_says_why(vend, tmp_path):
    assert sell(vend, "1000.01")[0] == 1
    for wrong in ("1.234", "x", "-1", "NaN"):
        assert sell(vend, wrong)[0] == 2, wrong
    assert sell(vend)[0] == 0
    code, _, error = sell(vend, "1", "R-2")
    assert (code, "not collected" in error) == (1, True)
    code, _, error = vend("cancel", "R-1")
    assert (code, "collect its usage first" in error) == (1, True)
    assert vend("receipt", "R-9")[0] == 1
    assert vend("collect", "--medium", "m")[0] == 1
    assert vend("collect", "--medium", "none")[0] == 2
    assert not (tmp_path / "none").exists()


def test_keys_that_others_can_read_are_refused(vend, tmp_path, monkeypatch):
    (tmp_path / "root.key").chmod(0o644)
    code, _, error = sell(vend)
    assert (code, "mode 0600" in error) == (2, True)
    monkeypatch.delenv("KWHUB_ROOT_KEY")
    assert sell(vend)[0] == 2


def test_prices(vend):
    assert json.loads(vend("price", "day", "0.56", "--json")[1]) == {"day": "0.56"}
    assert vend("price", "day", "0.6")[1] == "day: 0.6\n"
    for wrong in ("0.12345", "x", "-1", "Infinity"):
        assert vend("price", "day", wrong)[0] == 2, wrong


def test_reconcile_and_verify_say_no(vend, tmp_path):
    sell(vend)
    (tmp_path / "paid.csv").write_text("R-1,50\nR-2,7\n")
    code, out, _ = vend("reconcile", "--payments", "paid.csv", "--json")
    assert (code, [each["kind"] for each in json.loads(out)]) == (1, ["paid-not-sold"])
    assert vend("reconcile", "--payments", "paid.csv")[0] == 1
    (tmp_path / "paid.csv").write_text("R-1\n")
    assert vend("reconcile", "--payments", "paid.csv")[0] == 2
    base = sqlite3.connect("vending.sqlite")
    base.execute("DROP TRIGGER one_amount")
    base.execute("UPDATE purchase SET amount = 1")
    base.commit()
    base.close()
    code, _, error = vend("verify")
    assert (code, f"purchase 1 of meter {METER}" in error) == (1, True)
    assert json.loads(vend("verify", "--json")[1])["bad"] == f"purchase 1 of meter {METER}"

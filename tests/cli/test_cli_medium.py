"""``kwhub medium``: the whole journey over a real line: sold, carried, collected."""

import json

import pytest
from tests.cli.counter import counter_in
from tests.cli.live_meters import live_meters
from tests.sim.prepay_site import CUSTOMER, METER, Site, pair_key

from kwhub.cli.app import run


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    counter_in(tmp_path, monkeypatch)

    def call(*arguments):
        return (run(arguments), *capfd.readouterr())

    call("vend", "customer", CUSTOMER.hex(), METER, "Wang")
    call("vend", "issue", METER, "--medium", "m")
    return call


def sell(kwhub, payment, amount="50.00"):
    row = ("--payment", payment, "--medium", "m", "--operator", "ann")
    assert kwhub("vend", "sell", amount, *row)[0] == 0


@pytest.mark.slow
def test_a_purchase_reaches_a_meter_over_a_line_and_is_confirmed_at_the_counter(kwhub):
    site = Site()
    with live_meters(site.meter) as link:
        sell(kwhub, "R-1")
        code, out, error = kwhub("medium", "visit", link, "--medium", "m", "--json")
        told = json.loads(out)
        assert (code, told["arrival"], told["told"]["money"]) == (0, "done", "50.00"), error
        code, out, _ = kwhub("medium", "visit", link, "--medium", "m")
        assert (code, "left 50.00, purchases 1" in out) == (0, True)
        assert "50.00" in kwhub("vend", "collect", "--medium", "m")[1]
        sell(kwhub, "R-2", "7")
        code, out, _ = kwhub("medium", "visit", link, "--medium", "m", "--language", "zh")
        assert (code, out) == (0, "购电已写入\n剩余金额 57.00, 购电次数 2\n")
        assert "already loaded" in kwhub("medium", "visit", link, "--medium", "m")[1]
        kwhub("vend", "collect", "--medium", "m")
    assert site.element.wallet == (5_700, 2)
    assert kwhub("vend", "reconcile")[0] == 0


@pytest.mark.slow
def test_a_meter_that_refuses_or_is_not_there_says_so(kwhub):
    other = Site("202611200002")
    with live_meters(other.meter) as link:
        sell(kwhub, "R-1")
        row = ("medium", "visit", link, "--medium", "m", "--timeout", "0.3", "--attempts", "1")
        code, out, _ = kwhub(*row, "--meter", "202611200002")
        assert (code, out.startswith("refused: ")) == (1, True)
        code, out, _ = kwhub(*row)
        assert (code, "no answer" in out) == (3, True)
    assert other.element.wallet == (0, 0)


def test_what_a_medium_carries_is_shown_without_its_key(kwhub, tmp_path):
    sell(kwhub, "R-1")
    code, out, _ = kwhub("medium", "show", "--medium", "m", "--json")
    facts = json.loads(out)
    assert (code, facts["meter"], facts["amount"], facts["usage"]) == (0, METER, "50.00", None)
    pair = pair_key(Site().target.factor, bytes.fromhex(facts["medium"]))
    assert pair in (tmp_path / "m").read_bytes()
    assert pair.hex() not in out
    assert "金额: 50.00" in kwhub("medium", "show", "--medium", "m", "--language", "zh")[1]
    assert kwhub("medium", "show", "--medium", "none")[0] == 2

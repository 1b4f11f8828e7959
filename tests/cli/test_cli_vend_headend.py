"""``kwhub vend sell`` beside a head-end: one of its users, within its limits, in its trail."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.counter import counter_in
from tests.headend.web_world import StandingClock, settings
from tests.sim.prepay_site import CUSTOMER, METER

from kwhub.cli.app import run
from kwhub.headend.app import HeadEnd
from kwhub.headend.people import trail
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.vending_store import VendingStore


@pytest.fixture
def counter(tmp_path, monkeypatch, capfd):
    key = counter_in(tmp_path, monkeypatch)
    (tmp_path / "headend.toml").write_text(
        f'[headend]\nstore = "{tmp_path}/h.sqlite"\nuplink = ""\n'
        f'[vending]\nroot_key = "{key}"\nledger = "vending.sqlite"\nlimit_sale = 60\n'
    )
    made = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    for name, role in (("ann", "vendor"), ("eve", "viewer"), ("old", "vendor")):
        made.people.staff.add(name, "", [Grant(role, 0)])
    gone = made.people.staff.named("old")
    made.people.staff.set_active(gone.id, active=False)
    made.store.close()

    def call(*arguments):
        code = run(["vend", *arguments])
        return code, *capfd.readouterr()

    assert call("customer", CUSTOMER.hex(), METER, "Wang")[0] == 0
    assert call("issue", METER, "--medium", "m")[0] == 0
    return call


def sell(call, operator, amount="50.00", *more):
    row = ("--payment", "R-1", "--medium", "m", "--operator", operator)
    return call("sell", amount, *row, *more)


def test_a_user_who_may_sell_sells_and_stands_in_the_trail(counter, tmp_path):
    code, out, _ = sell(counter, "ann", "50.00", "--headend", "headend.toml", "--json")
    assert (code, json.loads(out)["operator"]) == (0, "ann")
    again = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    with again.store.database.read() as connection:
        (row, *_) = trail.entries(connection, limit=1)
    again.store.close()
    assert (row.who, row.action, row.detail) == ("ann", "vending_sale", "R-1: 5000")


@pytest.mark.parametrize("operator", ["nobody", "eve", "old"])
def test_who_may_not_sell_does_not(counter, operator):
    code, _, error = sell(counter, operator, "50.00", "--headend", "headend.toml")
    assert code == 1
    assert "is no user of this head-end who may sell" in error
    assert json.loads(counter("reconcile", "--json")[1]) == []


def test_the_limits_are_those_of_the_settings_and_nobody_lifts_them(counter):
    code, _, error = sell(counter, "ann", "60.01", "--headend", "headend.toml")
    assert (code, "above the limit of 6000 hundredths" in error) == (1, True)
    code, _, error = sell(
        counter, "ann", "60.01", "--headend", "headend.toml", "--limit-sale", "99"
    )
    assert (code, "the limits stand in the settings" in error) == (2, True)


def test_the_books_of_a_head_end_are_not_sold_from_without_it(counter, tmp_path):
    assert sell(counter, "anybody")[0] == 0  # a counter by itself
    from kwhub.headend.vending_store import VendingStore

    books = VendingStore(tmp_path / "vending.sqlite")
    books.claim()  # as the head-end does when it opens them
    books.close()
    code, _, error = sell(counter, "anybody")
    assert (code, "sell with --headend" in error) == (2, True)


def test_a_zone_that_is_none_is_told(counter):
    code, _, error = sell(counter, "ann", "1", "--zone", "Mars/Base")
    assert (code, "is not a zone such as Asia/Shanghai" in error) == (2, True)


def test_the_journey_of_the_page_sells_beside_its_head_end():
    """Its head-end has claimed the books, so every change of them after that names it."""
    text = (Path(__file__).parents[2] / "docs/howto/sell-energy.md").read_text("utf-8")
    journey = text.split("## The whole journey on one computer")[1].split("\n## ")[0]
    after = journey.split("kwhub headend run headend.toml")[1]
    changing = [row for row in after.splitlines() if row.startswith("$ kwhub vend sell")]
    assert changing
    assert all("--headend headend.toml" in row for row in changing)
    assert "kwhub headend user add headend.toml ann --role vendor" in after


@pytest.mark.parametrize(
    "command",
    [
        ("cancel", "R-1"),
        ("settle", "R-1", "--not-arrived"),
        ("readmit", "R-9", "--meter", METER, "--number", "1"),
    ],
)
def test_the_books_of_a_head_end_are_changed_by_its_users_only(counter, tmp_path, command):
    assert sell(counter, "ann", "50.00", "--headend", "headend.toml")[0] == 0
    with closing(VendingStore(tmp_path / "vending.sqlite")) as books:
        books.claim()
    code, _, error = counter(*command, "--operator", "ann")
    assert (code, "work with --headend" in error) == (2, True)
    code, _, error = counter(*command, "--operator", "eve", "--headend", "headend.toml")
    assert (code, "eve is no user of this head-end who may sell" in error) == (1, True)
    code, _, error = counter(*command, "--operator", "ann", "--headend", "headend.toml")
    assert code == 1  # a refusal of the counter, after it stands in the trail
    again = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    with again.store.database.read() as connection:
        (row, *_) = trail.entries(connection, limit=1)
    again.store.close()
    assert (row.who, row.action) == ("ann", f"vending_{command[0]}")

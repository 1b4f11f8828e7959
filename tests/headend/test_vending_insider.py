"""T-09, the whole way: an insider with the files and the keys, through the real head-end, a concentrator and a meter.

Each thing he does is found by the comparison that the head-end makes every hour, without anybody asking for it; then the
files are as they were, and nothing is found.
"""

import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace
from tests.headend.test_vending_service import begun, play

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.vending_service import COMPARE_EVERY_S
from kwhub.headend.vending_tokens import Wanted
from kwhub.prepay.conversations import Outcome, recharge
from kwhub.prepay.keys import MasterKeys
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.sessions import Target
from kwhub.prepay.vending import State

FILES = ("vending.sqlite", "book.sqlite")

PUT_IN = (
    "INSERT INTO purchase (meter, count, amount, customer, operator, payment, state, signed, at) "
    "SELECT meter, 9, 900, customer, 'eve', 'X', 'confirmed', 1, at FROM purchase WHERE count = 1"
)
BOUGHT_IN_TWENTY_DIGITS = (
    "INSERT INTO token (meter, identifier, amount, units, customer, operator, payment, token, "
    "base_year, at) SELECT meter, 7, 900, '1.0', customer, 'eve', 'Y', '00', 2014, at FROM purchase "
    "WHERE count = 1"
)
IN_THE_LEDGER = {
    "a sale that was removed": (
        "DELETE FROM purchase WHERE count = 2",
        {"changed", "signed-not-sold"},
    ),
    "a sale that was put in": (PUT_IN, {"changed", "sold-not-signed", "confirmed-not-loaded"}),
    "another amount": (
        "UPDATE purchase SET amount = 1 WHERE count = 2",
        {"changed", "amounts-differ", "paid-differs"},
    ),
    "a confirmation taken back": (
        "UPDATE purchase SET state = 'cancelled' WHERE count = 2",
        {"changed", "cancelled-but-loaded", "paid-not-sold"},
    ),
    "an entry that was changed": (
        "UPDATE ledger SET content = replace(content, 'ann', 'eve')",
        {"changed"},
    ),
    "an entry that was removed": ("DELETE FROM ledger WHERE number = 3", {"changed"}),
    "a token that was put in": (BOUGHT_IN_TWENTY_DIGITS, {"changed", "not-paid"}),
}


def kept(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def put_back(folder, content):
    for name, raw in content.items():
        (folder / name).write_bytes(raw)


def tamper(path, statement):
    """All the rights, and no trigger in the way."""
    with closing(sqlite3.connect(path)) as base:
        for (name,) in base.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            base.execute(f"DROP TRIGGER {name}")
        base.execute(statement)
        base.commit()


async def found(shop):
    """What stands on the page after the next hour."""
    await shop.clock.sleep(COMPARE_EVERY_S + 60)
    assert shop.headend.vending.compared.trouble == ""
    return {each.kind for each in shop.headend.vending.compared.findings}


async def sold(shop):
    """Two sales; the files after the first and after both."""
    headend = await begun(shop)
    (shop.folder / "paid.csv").write_text("R-1,50.00\nR-2,7\n")
    await headend.vending.sell(shop.meter, 5_000, "R-1", "ann")
    early = kept(shop.folder)
    await headend.vending.sell(shop.meter, 700, "R-2", "bob")
    return headend, early, kept(shop.folder)


async def recharged(shop, crypto):
    """A third purchase that somebody brings to the meter past the counter."""
    line = shop.headend.orders.carrier.relay_to(shop.meter)
    target = Target(shop.number, shop.number, "00000001", (2, 1))
    customer = bytes.fromhex("000000012345")
    return await line.run(recharge(crypto, target, 9_900, 3, customer))


def with_payments(shop):
    service = shop.headend.vending
    service.settings = replace(service.settings, payments=str(shop.folder / "paid.csv"))


@pytest.mark.slow
def test_t09_whatever_an_insider_does_to_the_files_is_found_within_the_hour(tmp_path):
    async def story(shop):
        _, early, good = await sold(shop)
        with_payments(shop)
        assert await found(shop) == set()
        for what, (statement, kinds) in IN_THE_LEDGER.items():
            tamper(tmp_path / FILES[0], statement)
            assert kinds <= await found(shop), what
            put_back(tmp_path, good)
            assert await found(shop) == set(), what
        tamper(tmp_path / FILES[1], "DELETE FROM book WHERE number = 1")
        assert "changed" in await found(shop)
        put_back(tmp_path, {FILES[0]: early[FILES[0]], FILES[1]: good[FILES[1]]})
        assert {"signed-not-sold", "ledger-rolled-back", "paid-not-sold"} <= await found(shop)
        put_back(
            tmp_path, early
        )  # both at once: the payments know it, and the meter, when it is read
        assert "paid-not-sold" in await found(shop)
        await shop.headend.vending.sell(shop.meter, 100, "R-3", "ann")
        assert "loaded-not-signed" in await found(shop)

    play(tmp_path, story)


@pytest.mark.slow
def test_t09_who_calls_the_master_crypto_past_the_counter_is_found_and_sells_nothing_more(tmp_path):
    async def story(shop):
        headend, _, good = await sold(shop)
        assert await found(shop) == set()
        with headend.vending._desk() as desk:
            told = await recharged(shop, desk.crypto)
        assert told.outcome is Outcome.DONE
        assert "signed-not-sold" in await found(shop)
        with pytest.raises(Refusal, match="does not know sale 3"):
            await headend.vending.sell(shop.meter, 700, "R-3", "eve")
        late = await headend.vending.sell(shop.meter, 9_900, "R-3", "eve")  # he pays after all
        assert late.purchase.state is State.ISSUED  # and a second person must settle that
        put_back(tmp_path, good)  # his signature is gone from the book: the meter has the money
        told = await headend.vending.sell(shop.meter, 100, "R-4", "ann")
        assert told.outcome is Outcome.REFUSED
        assert "loaded-not-signed" in await found(shop)

    play(tmp_path, story)


@pytest.mark.slow
def test_t09_a_voucher_of_other_root_keys_moves_nothing_and_keys_that_leaked_are_found(tmp_path):
    async def story(shop):
        headend, _, _ = await sold(shop)
        before = shop.element.wallet
        stranger = SoftwareMaster(MasterKeys({1: b"\x55" * 16, 2: b"\x66" * 16}), bytes)
        told = await recharged(shop, stranger)
        assert (told.outcome, shop.element.wallet) == (Outcome.REFUSED, before)
        with headend.vending._desk() as desk:
            leaked = SoftwareMaster(desk.crypto._keys, desk.crypto._draw)
            told = await recharged(shop, leaked)
        assert told.outcome is Outcome.DONE
        assert await found(shop) == set()  # until the meter is read, which every sale does first
        bought = await headend.vending.sell(shop.meter, 100, "R-3", "ann")
        assert (bought.outcome, bought.purchase.state) == (Outcome.REFUSED, State.RESERVED)
        assert "loaded-not-signed" in await found(shop)

    play(tmp_path, story)


@pytest.mark.slow
def test_t09_an_operator_is_held_to_limits_and_settles_or_refunds_nothing_alone(tmp_path):
    async def story(shop):
        headend, _, _ = await sold(shop)
        vending = headend.vending
        with pytest.raises(Refusal, match="one sale"):
            await vending.sell(shop.meter, 100_001, "R-3", "eve")
        await vending.sell(shop.meter, 100_000, "R-3", "eve")
        with pytest.raises(Refusal, match="one customer and day"):
            await vending.sell(shop.meter, 95_000, "R-4", "eve")
        with pytest.raises(Refusal, match="confirmed"):
            await vending.settle("R-1", "bob", arrived=False)
        with vending.books() as books:
            purchase = books.reserve(shop.number, 700, "ann", "R-5", shop.clock.now())
            books.issued(purchase, shop.clock.now())
            books.saw_count(shop.number, purchase.count, shop.clock.now(), confirms=False)
        with pytest.raises(Refusal, match="another person"):
            await vending.settle("R-5", "ann", arrived=False)
        with vending._desk() as desk:
            login = desk.crypto.login(bytes(2) + bytes.fromhex(shop.number))
            with pytest.raises(Refusal, match="refunds nothing"):
                desk.crypto.refund(login, bytes(4), 100)
        with pytest.raises(LocalError, match="no token key"):
            vending.sell_token(Wanted(shop.number, 100, "eve", "T-1", "day"), "eve")

    play(tmp_path, story)

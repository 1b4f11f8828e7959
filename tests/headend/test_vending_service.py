"""Selling from the head-end: 070102FF through the real front and a real concentrator, comparison every hour."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select
from tests.headend.vending_whole import CUSTOMER, Shop, settings_in
from tests.headend.web_world import StandingClock
from tests.headend.whole import START

from kwhub.domain.errors import ConfigError, LocalError, NoAnswer, Refusal
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store import schema
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.vending_service import (
    COMPARE_EVERY_S,
    VendingService,
    hundredths,
    read_payments,
)
from kwhub.headend.vending_store import Customer
from kwhub.prepay.conversations import Outcome
from kwhub.prepay.vending import Purchase, State
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.faults import MeterFaults


def play(folder: Path, story: Any) -> None:
    async def main(clock: Any) -> None:
        shop = Shop(clock, folder)
        await story(shop)
        await shop.close_headend()

    run_virtual(main, start=START)


async def begun(shop: Any) -> Any:
    headend = shop.open_headend()
    headend.vending.add_customer(Customer(CUSTOMER, shop.number, "Wang"), "ann")
    shop.start()
    await shop.online()
    return headend


def actions(headend):
    with headend.store.database.read() as connection:
        return list(connection.execute(select(schema.audit.c.action)).scalars())


@pytest.mark.slow
def test_a_purchase_goes_through_front_and_concentrator_into_the_meter(tmp_path):
    async def story(shop):
        headend = await begun(shop)
        first = await headend.vending.sell(shop.meter, 5_000, "R-1", "ann")
        assert (first.outcome, first.purchase.state) == (Outcome.DONE, State.CONFIRMED)
        second = await headend.vending.sell(shop.meter, 700, "R-2", "ann")
        assert (second.purchase.count, second.purchase.state) == (2, State.CONFIRMED)
        again = await headend.vending.sell(shop.meter, 700, "R-2", "ann")
        assert again.outcome is Outcome.ALREADY
        assert shop.element.wallet[1] == 2
        with pytest.raises(Refusal, match="limit of 100000"):
            await headend.vending.sell(shop.meter, 100_001, "R-3", "ann")
        assert actions(headend).count("vending_sale") == 4  # what was refused, too
        compared = headend.vending.compare()
        assert (compared.findings, compared.warnings, compared.trouble) == ([], [], "")
        (known,) = headend.vending.customers()
        assert (known.customer.name, known.outlook.told.count) == ("Wang", 2)

    play(tmp_path, story)


@pytest.mark.slow
def test_sales_of_one_meter_one_after_the_other_get_the_answers_of_their_own_questions(tmp_path):
    """The question for the status has the same bytes each time, and request numbers come round after sixteen."""

    async def story(shop):
        headend = await begun(shop)
        for number in range(1, 7):
            told = await headend.vending.sell(shop.meter, 100 * number, f"R-{number}", "ann")
            assert (told.outcome, told.purchase.state) == (Outcome.DONE, State.CONFIRMED)
            assert told.account.count == number
        assert headend.vending.compare().findings == []

    play(tmp_path, story)


@pytest.mark.slow
def test_what_has_not_arrived_is_brought_in_the_next_hour_and_is_in_once(tmp_path):
    """The meter is silent at first; a head-end that was killed goes on with the same number."""

    async def story(shop):
        headend = await begun(shop)
        meter = shop.replaced[shop.number]
        meter.faults = MeterFaults(silent_permille=1_000)
        with pytest.raises(LocalError, match="nothing was sold"):
            await headend.vending.sell(shop.meter, 5_000, "R-0", "ann")
        with headend.vending.books() as books:  # as if it had told its number some time ago
            books.saw_count(shop.number, 0, shop.clock.now(), money=0)
        told = await headend.vending.sell(shop.meter, 5_000, "R-1", "ann")
        assert (told.outcome, told.purchase.state) == (Outcome.UNKNOWN, State.RESERVED)
        with pytest.raises(Refusal, match="not collected"):
            await headend.vending.sell(shop.meter, 100, "R-2", "ann")
        await shop.close_headend(crash=True)
        meter.faults = MeterFaults()
        headend = shop.open_headend()
        await shop.online()
        await shop.clock.sleep(2 * COMPARE_EVERY_S)
        with headend.vending.books() as books:
            assert books.purchase("R-1").state is State.CONFIRMED
        assert shop.element.wallet[1] == 1
        assert headend.vending.compared.findings == []

    play(tmp_path, story)


@pytest.mark.slow
def test_t09_a_signature_that_nobody_sold_is_found_within_the_hour_without_anybody_asking(tmp_path):
    async def story(shop):
        headend = await begun(shop)
        await headend.vending.sell(shop.meter, 5_000, "R-1", "ann")
        with sqlite3.connect(tmp_path / "vending.sqlite") as base:
            for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                base.execute(f"DROP TRIGGER {name}")
            base.execute("DELETE FROM purchase")
        await shop.clock.sleep(COMPARE_EVERY_S + 60)
        kinds = {each.kind for each in headend.vending.compared.findings}
        assert {"changed", "signed-not-sold"} <= kinds

    play(tmp_path, story)


# Without a line


class Standing(StandingClock):
    """Stands still at a moment of one's own."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def without_a_line(settings, now):
    """The service whose carrier has a clock and nothing else."""
    carrier: Any = SimpleNamespace(clock=Standing(now))
    return VendingService(settings, carrier, in_place)


def service(folder, now=datetime(2026, 3, 4, tzinfo=UTC), **more):
    return without_a_line(settings_in(folder, **more), now)


class SlowLine:
    """A line on which each conversation takes a turn of the loop; who is there at the same time shows."""

    def __init__(self):
        self.talking, self.most, self.asked = 0, 0, []
        self.begun = asyncio.Event()

    async def run(self, conversation):
        self.begun.set()
        self.talking += 1
        self.most = max(self.most, self.talking)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            self.asked.append(conversation)
            raise NoAnswer("nobody is there")
        finally:
            conversation.close()
            self.talking -= 1


def selling(folder):
    """A counter with two customers, whose meters are at slow lines."""
    one = service(folder)
    lines = {number: SlowLine() for number in ("202611200001", "202611200002")}
    with one.books() as books:
        for place, number in enumerate(lines):
            books.add_customer(Customer(f"00000001234{place}", number, "W"), datetime.now(UTC))
            books.saw_count(number, 0, datetime.now(UTC), money=0)
    one._carrier.relay_to = lambda meter: lines[meter.address]
    one._carrier.front = SimpleNamespace(is_online=lambda _terminal: True)
    one._record_sale = lambda _record, by: by
    one._record = lambda *_told: None
    return one, lines


def known(number):
    return cast(KnownMeter, SimpleNamespace(address=number, terminal_id=1))


def test_one_sale_of_a_meter_at_a_time_and_other_meters_do_not_wait(tmp_path):
    """Two sessions with one meter end each other: neither sale could be proven."""
    one, lines = selling(tmp_path)
    waiting = Purchase("202611200001", 1, 100, "000000012340", "ann", "R-1", State.RESERVED)
    both = 0

    async def story():
        nonlocal both
        first, second = map(known, lines)
        sales = [one.sell(first, 100, "R-1", "ann") for _ in range(3)]
        sales += [one.sell(second, 100, "R-2", "bob"), one._bring(first, waiting)]
        running = [asyncio.ensure_future(each) for each in sales]
        while not all(each.done() for each in running):
            both |= all(each.talking for each in lines.values())
            await asyncio.sleep(0)
        await asyncio.gather(*running)

    asyncio.run(story())
    assert both
    assert [(each.most, len(each.asked)) for each in lines.values()] == [(1, 4), (1, 1)]


def test_cancelling_and_settling_wait_until_a_sale_of_the_meter_is_over(tmp_path):
    one, lines = selling(tmp_path)
    line = lines["202611200001"]

    async def story():
        sale = asyncio.ensure_future(one.sell(known("202611200001"), 100, "R-1", "ann"))
        await line.begun.wait()
        back = asyncio.ensure_future(one.cancel("R-1", "ann"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert (line.talking, back.done()) == (1, False)
        assert (await sale).outcome is Outcome.UNKNOWN
        return await back

    assert asyncio.run(story()).state is State.CANCELLED


@pytest.mark.parametrize(
    ("now", "base", "kinds"),
    [
        (datetime(2026, 3, 4, tzinfo=UTC), 2014, []),
        (datetime(2043, 3, 4, tzinfo=UTC), 2014, ["tokens-run-out"]),
        (datetime(2050, 1, 1, tzinfo=UTC), 2014, ["tokens-ended"]),
        (datetime(2024, 11, 1, tzinfo=UTC), 1993, ["tokens-run-out"]),
        (datetime(2043, 3, 4, tzinfo=UTC), None, []),
    ],
)
def test_t23_the_end_of_token_identifiers_is_warned_of_in_the_head_end(tmp_path, now, base, kinds):
    found = service(tmp_path, now, token_base=base).compare()
    assert [each.kind for each in found.warnings] == kinds
    assert found.trouble == ""


def test_t23_a_meter_whose_numbers_run_out_is_warned_of_in_the_head_end(tmp_path):
    one = service(tmp_path)
    with one.books() as books:
        books.add_customer(Customer(CUSTOMER, "202611200001", "Wang"), datetime.now(UTC))
        books.saw_count("202611200001", 3_900_000_000, datetime.now(UTC))
    (warning,) = one.compare().warnings
    assert (warning.kind, warning.meter) == ("numbers-run-out", "202611200001")


def test_payments_are_read_and_compared(tmp_path):
    path = tmp_path / "paid.csv"
    path.write_text("R-1,50.00\nR-2,7\n")
    assert read_payments(path) == {"R-1": 5_000, "R-2": 700}
    found = service(tmp_path, payments=str(path)).compare()
    assert [each.kind for each in found.findings] == ["paid-not-sold"] * 2
    path.write_text("R-1,50.00\nR-1,7\n")
    trouble = service(tmp_path, payments=str(path)).compare().trouble
    assert "paid.csv:2" in trouble
    path.write_text("R-1,1.234\n")
    with pytest.raises(ConfigError, match=r"paid.csv:1: '1.234' is not an amount"):
        read_payments(path)


@pytest.mark.parametrize("text", ["", "x", "1.234", "-1", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(LocalError, match="is not an amount"):
        hundredths(text)


def test_a_wrong_key_file_is_told_at_the_start(tmp_path):
    settings = settings_in(tmp_path)
    Path(settings.root_key).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        without_a_line(settings, datetime.now(UTC))


def test_books_that_fail_are_told_and_end_no_service(tmp_path):
    one = service(tmp_path)
    ledger = Path(one.settings.ledger)
    kept = ledger.read_bytes()
    ledger.write_bytes(b"no database at all" * 100)
    assert "the books fail" in one.compare().trouble
    with pytest.raises(LocalError, match="the books fail"):
        service(tmp_path)
    ledger.write_bytes(kept)
    with sqlite3.connect(ledger) as base:
        base.execute("DROP TABLE balance")
        with pytest.raises(LocalError, match="no such table"), one.books() as books:
            books.rows("SELECT * FROM balances")
    assert one.compare().trouble == ""  # the table is made anew

"""Statements join on: what was wrong in earlier ones is put right by the next, and all together are the truth."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from sqlalchemy import insert, update
from tests.headend.test_billing import KWH, ONE_PRICE, Town
from tests.headend.world import DAYS, batch

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.billing.corrections import stood_on, valid
from kwhub.headend.billing.energies import Unbillable
from kwhub.headend.billing.pricing import Kind
from kwhub.headend.billing.tariffs import tariff_from
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import schema_archive
from kwhub.headend.store.schema import day_number

DAILY = (Register(ENERGY), DAY_INTERVAL_S)
FIRSTS = [dt.date(2026, month, 1) for month in range(2, 9)]
PERIOD_CODES = [f"1-0:1.8.{number}" for number in range(5)]


@pytest.fixture
def town(address):
    made = Town(address)
    made.now = dt.datetime(2026, 9, 2, 4, 0, tzinfo=dt.UTC)
    yield made
    made.store.close()


def month(number):
    """First and last day of a month of 2026."""
    return dt.date(2026, number, 1), dt.date(2026, number + 1, 1) - dt.timedelta(days=1)


def freeze(town, day, kwh, *, register=ENERGY, pack=True):
    """What the meter's register shows at the beginning of a day."""
    row = (2, register, DAY_INTERVAL_S, DAYS.start_s(day), int(kwh * KWH))
    if pack:
        town.take([row])
    else:
        town.store.append([batch([row])])


def mend(town, day, kwh, register=ENERGY):
    series = (Register(register), DAY_INTERVAL_S)
    values = {DAYS.start_s(day): int(kwh * KWH)}
    return town.quality.edit(2, series, values, by="lu", reason="looked at the meter")


def issue(town, number):
    return town.billing.issue(1, *month(number), by="mei")


def test_an_estimate_that_was_too_low_is_charged_by_the_next_statement(town):
    town.tariff(ONE_PRICE)
    dearer = {**ONE_PRICE, "valid_from": "2026-04-01", "prices": {"total": "0.9"}}
    town.billing.put_tariff(tariff_from(dearer), by="mei")
    freeze(town, FIRSTS[1], 100)
    freeze(town, FIRSTS[3], 710)
    mend(town, FIRSTS[2], 380)
    march = issue(town, 3)
    assert (march.draft.kwh, march.draft.traces[0].qualities) == (280, ("actual", "estimated"))
    freeze(town, FIRSTS[2], 410, pack=False)  # the real one; it waits in the journal
    april = issue(town, 4).draft
    assert april.carries_on == march.id
    assert [(line.corrects, line.quantity, line.price, line.amount) for line in april.lines] == [
        (None, Decimal("300.00"), Decimal("0.9"), Decimal("270.00")),
        (march.id, Decimal("30.00"), Decimal("0.5"), Decimal("15.00")),  # by the price of March
    ]
    assert april.kwh + march.draft.kwh == 610
    (correction,) = april.corrections
    assert (correction.statement, correction.kwh, correction.amount) == (march.id, 30, 15)
    assert (correction.billed[0].last, correction.now[0].last) == (380, 410)
    assert correction.now[0].last == april.traces[0].first
    assert town.billing.book(1)[0].balance == Decimal("-425.00")


def test_a_correction_after_issue_is_marked_and_given_back(town):
    town.tariff(ONE_PRICE)
    for number, kwh in ((1, 100), (2, 520), (3, 710)):
        freeze(town, FIRSTS[number], kwh)
    march = issue(town, 3)
    assert march.draft.kwh == 420
    assert town.billing.look_again() == 0
    mend(town, FIRSTS[2], 410)
    assert town.billing.look_again() == 1
    (marked,) = town.billing.changed()
    assert (marked.id, marked.due.kwh, marked.due.amount) == (march.id, -110, -55)
    assert town.billing.statement(march.id).draft == march.draft  # what was issued stays as it was
    assert town.billing.changed(areas=[]) == []
    april = issue(town, 4).draft
    assert [(line.corrects, line.amount) for line in april.lines] == [(None, 150), (march.id, -55)]
    assert (april.kwh + march.draft.kwh, town.billing.book(1)[0].balance) == (610, -305)
    assert town.billing.changed() == []


def test_a_correction_is_itself_corrected(town):
    town.tariff(ONE_PRICE)
    for number, kwh in ((1, 100), (2, 520), (3, 710), (4, 900)):
        freeze(town, FIRSTS[number], kwh)
    march = issue(town, 3)
    mend(town, FIRSTS[2], 410)
    april = issue(town, 4)
    mend(town, FIRSTS[2], 450)
    may = issue(town, 5).draft
    assert [(line.corrects, line.quantity) for line in may.lines] == [
        (None, 190),
        (march.id, 40),
        (april.id, -40),
    ]
    with town.store.database.read() as connection:
        rows = valid(connection, 1)
        assert [stood_on(row, rows)[0].last for row in rows] == [450, 710, 900]
    assert sum(one.draft.kwh for one in town.billing.statements()) == 800


def test_what_cannot_be_computed_anew_is_said_and_stops_the_next_statement(town):
    town.tariff(ONE_PRICE)
    for number, kwh in ((1, 100), (2, 400), (3, 710)):
        freeze(town, FIRSTS[number], kwh)
    march = issue(town, 3)
    mistake = mend(town, FIRSTS[1], 450)  # by mistake: above the end of March, as it is mended next
    mend(town, FIRSTS[2], 410)
    town.billing.look_again()
    (marked,) = town.billing.changed()
    assert "went down" in marked.due.why
    with pytest.raises(Unbillable, match=rf"statement {march.id} ended at 400.00 of register"):
        issue(town, 4)
    town.quality.withdraw(mistake, by="lu")
    assert [line.quantity for line in issue(town, 4).draft.lines] == [300, 10]


def test_days_between_statements_are_refused(town):
    town.tariff(ONE_PRICE)
    for number, day in enumerate(FIRSTS):
        freeze(town, day, 100 * number)
    issue(town, 3)
    with pytest.raises(
        LocalError, match="up to 2026-03-31: the next statement begins on 2026-04-01"
    ):
        issue(town, 5)
    with pytest.raises(LocalError, match="begins on 2026-04-01"):
        town.billing.preview(1, *month(5))
    earlier = (dt.date(2026, 2, 1), dt.date(2026, 2, 27))
    with pytest.raises(
        LocalError, match="from 2026-03-01 on: an earlier statement ends on 2026-02-28"
    ):
        town.billing.issue(1, *earlier, by="mei")
    issue(town, 2)
    assert len(town.billing.statements()) == 2


def test_only_the_newest_statement_is_cancelled(town):
    town.tariff(ONE_PRICE)
    for number, kwh in ((1, 100), (2, 520), (3, 710)):
        freeze(town, FIRSTS[number], kwh)
    march = issue(town, 3)
    mend(town, FIRSTS[2], 410)
    april = issue(town, 4)
    with pytest.raises(LocalError, match=f"statement {april.id} carries on from this one"):
        town.billing.cancel(march.id, by="lu", reason="why")
    town.billing.cancel(april.id, by="lu", reason="why")
    town.billing.look_again()
    assert [one.due.kwh for one in town.billing.changed()] == [-110]  # due again
    town.billing.cancel(march.id, by="lu", reason="why")
    assert town.billing.changed() == []
    assert [issue(town, 3).draft.kwh, issue(town, 4).draft.kwh] == [310, 300]


def test_an_account_has_one_currency(town):
    town.tariff(ONE_PRICE)
    for number, kwh in ((1, 100), (2, 520), (3, 710)):
        freeze(town, FIRSTS[number], kwh)
    issue(town, 3)
    euro = {**ONE_PRICE, "code": "eu", "currency": "EUR"}
    town.billing.put_tariff(tariff_from(euro), by="mei")
    town.billing.assign(1, "eu", FIRSTS[2], by="mei")
    with pytest.raises(LocalError, match="A1 is billed in CNY"):
        issue(town, 4)
    with pytest.raises(LocalError, match="prices in CNY and in EUR"):
        town.billing.preview(1, FIRSTS[1], month(4)[1])


def test_who_moves_in_or_out_is_billed_for_the_own_days(town):
    """Account 1 moves out on 11 March, account 3 moves in; account 2 has no tariff."""
    moved, last = dt.date(2026, 3, 11), month(3)[1]
    with town.store.database.write() as connection:
        account = schema_archive.account
        connection.execute(
            update(account).where(account.c.id == 1).values(to_day=day_number(moved))
        )
        row = {"id": 3, "number": "A3", "customer_id": 1, "meter_id": 2}
        connection.execute(insert(account).values(**row, from_day=day_number(moved)))
    town.tariff({**ONE_PRICE, "monthly_fee": "3.10"})
    town.billing.assign(3, "flat", moved, by="mei")
    for day, kwh in ((FIRSTS[1], 100), (moved, 150), (FIRSTS[2], 410)):
        freeze(town, day, kwh)
    run = town.billing.issue_all(*month(3), by="mei")
    issued = [town.billing.statement(number).draft for number in run.issued]
    assert [(one.account.number, one.first, one.last, one.kwh) for one in issued] == [
        ("A1", FIRSTS[1], moved - dt.timedelta(days=1), 50),
        ("A3", moved, last, 260),
    ]
    assert [one.lines[-1].amount for one in issued] == [Decimal("1.00"), Decimal("2.10")]  # fees
    assert [(one.number, one.why) for one in run.refused] == [
        ("A2", "the account has no tariff on 2026-03-01; give it one first")
    ]
    assert town.billing.issue_all(*month(3), by="mei").issued == run.issued
    assert town.billing.issue_all(*month(4), by="mei").issued == []  # no reading; account 1 is gone


def test_a_run_bills_the_rest_of_who_is_billed_in_part(town):
    town.tariff(ONE_PRICE)
    cut = dt.date(2026, 3, 16)
    for day, kwh in ((FIRSTS[1], 100), (cut, 150), (FIRSTS[2], 410)):
        freeze(town, day, kwh)
    part = town.billing.issue(1, FIRSTS[1], cut - dt.timedelta(days=1), by="mei")
    run = town.billing.issue_all(*month(3), by="mei")
    assert [town.billing.statement(number).draft.kwh for number in run.issued] == [50, 260]
    assert run.issued[0] == part.id
    assert town.billing.issue_all(*month(3), by="mei").issued == run.issued


def test_tiers_and_fees_of_a_month_in_two_statements_are_those_of_one(town):
    """The bounds are counted on from the first part; nothing is charged twice or left out."""
    tiers = [{"above_kwh": 100, "adder": "0.05"}, {"above_kwh": 250, "adder": "0.3"}]
    town.tariff({**ONE_PRICE, "tiers": tiers, "monthly_fee": "3.10"})
    cut = dt.date(2026, 3, 16)
    for day, kwh in ((dt.date(2026, 1, 15), 0), (FIRSTS[1], 100), (cut, 260), (FIRSTS[2], 410)):
        freeze(town, day, kwh)
    whole = town.billing.preview(1, *month(3))
    part = town.billing.issue(1, FIRSTS[1], cut - dt.timedelta(days=1), by="mei").draft
    rest = town.billing.issue(1, cut, month(3)[1], by="mei").draft
    assert [(line.kind, line.quantity, line.amount) for line in part.lines] == [
        (Kind.ENERGY, Decimal("160.00"), Decimal("80.00")),
        (Kind.TIER, Decimal("60.00"), Decimal("3.00")),
        (Kind.FEE, Decimal("0.4839"), Decimal("1.50")),
    ]
    assert [(line.kind, line.quantity, line.amount) for line in rest.lines] == [
        (Kind.ENERGY, Decimal("150.00"), Decimal("75.00")),
        (Kind.TIER, Decimal("90.00"), Decimal("4.50")),
        (Kind.TIER, Decimal("60.00"), Decimal("18.00")),
        (Kind.FEE, Decimal("0.5161"), Decimal("1.60")),
    ]
    assert part.total + rest.total == whole.total


def test_days_left_are_by_the_own_use_and_at_the_price_of_the_tier(town):
    """Who moved in three days ago is not told what the one before has used."""
    tiers = [{"above_kwh": 30, "adder": "0.5"}]
    town.tariff({**ONE_PRICE, "tiers": tiers})
    town.now = dt.datetime(2026, 4, 10, 4, 0, tzinfo=dt.UTC)
    moved = dt.date(2026, 4, 7)
    with town.store.database.write() as connection:
        account = schema_archive.account
        connection.execute(
            update(account).where(account.c.id == 1).values(from_day=day_number(moved))
        )
    for day, kwh in ((3, 0), (4, 100), (7, 400), (8, 420), (9, 440), (10, 460)):
        freeze(town, dt.date(2026, 4, day), kwh)
    town.billing.pay(1, Decimal("100.00"), "r", by="mei")
    (one,) = town.billing.forecasts()
    assert (one.day_kwh, one.days_left) == (20, 5)  # 20 kWh a day at 0.5 + 0.5


TOU = {
    "code": "tou",
    "valid_from": "2026-01-01",
    "prices": {"sharp": "1.234", "peak": "0.917", "flat": "0.633", "valley": "0.311"},
    "tiers": [{"above_kwh": 200, "adder": "0.05"}, {"above_kwh": 400, "adder": "0.3"}],
    "tier_span": "year",
    "monthly_fee": "3.10",
}


class Story:
    """Seven freezes of a meter that counts in four periods: some late, some estimated, some wrong and mended."""

    def __init__(self, town, seed):
        self.town, self.chance = town, random.Random(seed)
        growth = [[self.chance.randrange(1, 9_000) for _ in range(4)] for _ in FIRSTS]
        parts = [[sum(g[n] for g in growth[: k + 1]) for n in range(4)] for k in range(len(FIRSTS))]
        self.true = [[Decimal(v) / 100 for v in (sum(part), *part)] for part in parts]
        self.wrong = [self._wrong(place) for place in range(len(FIRSTS))]
        self.estimated = [
            wrong != true and self.chance.random() < 0.5
            for wrong, true in zip(self.wrong, self.true, strict=True)
        ]
        self.mended = set()

    def _wrong(self, place):
        """The same registers, off by what keeps them rising; the periods still sum to the total."""
        if not 0 < place < len(FIRSTS) - 1 or self.chance.random() < 0.4:
            return self.true[place]
        share = Decimal(self.chance.randrange(0, 100)) / 100
        before, after = self.true[place - 1], self.true[place + 1]
        parts = [
            (a + (b - a) * share).quantize(Decimal("0.01"))
            for a, b in zip(before[1:], after[1:], strict=True)
        ]
        return [sum(parts), *parts]

    def arrive(self, place, values, *, edit, instead_of=(None,) * 5):
        for register, kwh, there in zip(PERIOD_CODES, values, instead_of, strict=True):
            if kwh == there:
                continue
            if edit:
                mend(self.town, FIRSTS[place], kwh, register)
            else:
                freeze(self.town, FIRSTS[place], kwh, register=register, pack=False)
        if self.chance.random() < 0.5:
            self.town.store.pack()

    def put_right(self, place):
        """The truth comes: as a late measurement of what was estimated, or as a person's value."""
        if place in self.mended or self.wrong[place] == self.true[place]:
            return
        self.mended.add(place)
        if self.estimated[place]:
            self.arrive(place, self.true[place], edit=False)
        else:
            self.arrive(place, self.true[place], edit=True, instead_of=self.wrong[place])

    def play(self):
        for register, kwh in zip(PERIOD_CODES, self.true[0], strict=True):
            day = dt.date(2026, 1, 15)  # they move in
            freeze(self.town, day, kwh, register=register, pack=False)
        for place, values in enumerate(self.wrong):
            self.arrive(place, values, edit=self.estimated[place])
        begin = 0
        for place in range(1, len(FIRSTS) - 1):
            begin = self.month(begin, place)
        for other in self.chance.sample(range(len(FIRSTS)), len(FIRSTS)):
            self.put_right(other)
        self.town.store.pack()
        self.bill(begin, len(FIRSTS) - 1, refuse=False)

    def month(self, begin, place):
        """Some truths arrive; perhaps a statement is issued, and perhaps it is taken back."""
        for other in range(len(FIRSTS)):
            if self.chance.random() < 0.15:
                self.put_right(other)
        if self.chance.random() < 0.3:
            self.town.billing.look_again()
        if self.chance.random() < 0.2:
            return begin  # two months at once
        begin = self.bill(begin, place)
        if begin and self.chance.random() < 0.2:
            newest = self.town.billing.statements(limit=1)[0]
            if newest.cancelled_at is None:
                self.town.billing.cancel(newest.id, by="lu", reason="once more")
                begin = FIRSTS.index(newest.draft.first)
        return begin

    def bill(self, begin, end, *, refuse=True):
        last = FIRSTS[end] - dt.timedelta(days=1)
        try:
            self.town.billing.issue(1, FIRSTS[begin], last, by="mei")
        except Unbillable:
            assert refuse
            return begin
        return end


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 6, 9])
def test_all_statements_together_are_the_truth_once_the_truth_is_there(town, seed):
    town.tariff(TOU)
    story = Story(town, seed)
    story.play()
    issued = [one for one in town.billing.statements() if one.cancelled_at is None]
    mended = [line for one in issued for line in one.draft.lines if line.corrects is not None]
    assert mended, "a story without any correction shows nothing"
    assert sum(one.draft.kwh for one in issued) == story.true[-1][0] - story.true[0][0]
    energy: dict[object, Decimal] = {}
    for one in issued:
        draft = one.draft
        assert draft.total == sum(line.amount for line in draft.lines)
        for line in draft.lines:
            if line.kind is Kind.ENERGY:
                energy[line.period] = energy.get(line.period, Decimal(0)) + line.quantity
    right = [b - a for a, b in zip(story.true[0][1:], story.true[-1][1:], strict=True)]
    assert list(energy.values()) == right
    spans = sorted({(one.draft.first, one.draft.last) for one in issued})
    truth = sum(town.billing.preview(1, *span).total for span in spans)  # computed anew, alone
    assert sum(one.draft.total for one in issued) == truth
    assert town.billing.book(1)[0].balance == -truth
    town.billing.look_again()
    assert town.billing.changed() == []

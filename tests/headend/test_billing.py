"""Bills: every figure from readings, issued exactly once, money that adds up, words when there is no right bill."""

import datetime as dt
from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update
from tests.headend.world import DAYS, batch, open_store, shanghai

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.archive import dated
from kwhub.headend.billing.desk import Billing
from kwhub.headend.billing.energies import Unbillable
from kwhub.headend.billing.paper import html_of
from kwhub.headend.billing.pricing import Kind, Part, price
from kwhub.headend.billing.tariffs import Period, Tariff, in_force, tariff_from
from kwhub.headend.people import trail
from kwhub.headend.quality.estimate import Method
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import schema, schema_archive, service
from kwhub.headend.store.schema import day_number
from kwhub.headend.validation.desk import QualityDesk

MARCH = (dt.date(2026, 3, 1), dt.date(2026, 3, 31))
NOW = dt.datetime(2026, 4, 2, 4, 0, tzinfo=dt.UTC)
KWH = 1_000_000
ONE_PRICE = {"code": "flat", "valid_from": "2026-01-01", "prices": {"total": "0.5"}}
PERIODS = {
    "code": "tou",
    "valid_from": "2026-01-01",
    "prices": {"sharp": "1.2", "peak": "0.9", "flat": "0.6", "valley": "0.3"},
    "tiers": [{"above_kwh": 50, "adder": "0.05"}, {"above_kwh": 80, "adder": "0.3"}],
    "monthly_fee": "3.10",
}


class Town:
    """A store with two accounts, a desk, and freezes at both ends of March."""

    def __init__(self, address):
        self.store = open_store(address)
        self.now = NOW
        self.billing = Billing(self.store.database, DAYS, lambda: self.now)
        self.quality = QualityDesk(self.store.database, DAYS, lambda: self.now)
        with self.store.database.write() as connection:
            connection.execute(
                insert(schema_archive.customer).values(
                    id=1, number="C1", name="Li Mei", phone="", postal_address="", note=""
                )
            )
            for account in (1, 2):
                connection.execute(
                    insert(schema_archive.account).values(
                        id=account,
                        number=f"A{account}",
                        customer_id=1,
                        meter_id=account + 1,
                        from_day=day_number(dt.date(2026, 1, 15)),
                    )
                )

    def tariff(self, values, account=1, **more):
        tariff = tariff_from(values)
        self.billing.put_tariff(tariff, by="mei")
        self.billing.assign(account, tariff.code, dt.date(2026, 1, 15), by="mei", **more)
        return tariff

    def freezes(self, parts, *, meter=2, last=32):
        """Registers of the total and of the four periods at the beginning and at the end of March."""
        rows = []
        for day, growth in ((1, [0] * len(parts)), (last, parts)):
            at = shanghai(1) + (day - 1) * 86_400
            values = [sum(growth), *growth]
            rows += [
                (meter, f"1-0:1.8.{number}", DAY_INTERVAL_S, at, 10**9 + value)
                for number, value in enumerate(values)
            ]
        self.take(rows)

    def take(self, rows):
        self.store.append([batch(rows)])
        self.store.pack()


@pytest.fixture
def town(address):
    made = Town(address)
    yield made
    made.store.close()


def test_one_price_for_every_kilowatt_hour(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    issued = town.billing.issue(1, *MARCH, by="mei")
    assert (issued.draft.kwh, issued.draft.total) == (Decimal(100), Decimal("50.00"))
    (trace,) = issued.draft.traces
    assert (trace.first, trace.last, trace.qualities) == (
        Decimal("1000.00"),
        Decimal("1100.00"),
        ("actual", "actual"),
    )
    assert trace.start == DAYS.start(MARCH[0])
    assert town.billing.statement(issued.id) == issued
    (entry,) = town.billing.book(1)
    assert (entry.entry.amount, entry.balance) == (Decimal("-50.00"), Decimal("-50.00"))


def test_a_negative_total_is_a_credit(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    draft = town.billing.preview(1, *MARCH)
    back = msgspec.structs.replace(draft, total=-draft.total)
    for given_, english, chinese in (
        (draft, "To be paid", "应付合计"),
        (back, "To your credit", "应退合计"),
    ):
        for language, words in (("en", english), ("zh", chinese)):
            page = html_of(given_, DAYS.zone, language)
            row = page.split('<tr class="sum">')[1].split("</tr>")[0]
            assert words in row
            assert "-50" not in row
            assert "50.00 CNY" in row


def test_periods_tiers_and_a_fee(town):
    town.tariff(PERIODS)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    draft = town.billing.preview(1, *MARCH)
    amounts = [(line.kind, line.quantity, line.amount) for line in draft.lines]
    assert amounts == [
        (Kind.ENERGY, Decimal("10.00"), Decimal("12.00")),
        (Kind.ENERGY, Decimal("20.00"), Decimal("18.00")),
        (Kind.ENERGY, Decimal("30.00"), Decimal("18.00")),
        (Kind.ENERGY, Decimal("40.00"), Decimal("12.00")),
        (Kind.TIER, Decimal("30.00"), Decimal("1.50")),  # from 50 to 80 kWh
        (Kind.TIER, Decimal("20.00"), Decimal("6.00")),  # from 80 kWh on
        (Kind.FEE, Decimal("1.0000"), Decimal("3.10")),
    ]
    assert draft.total == Decimal("70.60")
    assert town.billing.statements() == []  # a preview is no statement


def test_a_statement_is_issued_once_and_charged_once(town):
    town.tariff(ONE_PRICE)
    town.freezes([KWH] * 4)
    first = town.billing.issue(1, *MARCH, by="mei")
    again = town.billing.issue(1, *MARCH, by="lu")
    assert again == first
    with pytest.raises(LocalError, match="covers 2026-03-01 to 2026-03-31 already"):
        town.billing.issue(1, dt.date(2026, 3, 10), dt.date(2026, 3, 20), by="mei")
    assert len(town.billing.book(1)) == 1


def test_a_cancelled_statement_gives_its_total_back_and_can_be_made_anew(town):
    town.tariff(ONE_PRICE)
    town.freezes([KWH] * 4)
    wrong = town.billing.issue(1, *MARCH, by="mei")
    with pytest.raises(LocalError, match="say why"):
        town.billing.cancel(wrong.id, by="lu", reason=" ")
    done = town.billing.cancel(wrong.id, by="lu", reason="wrong tariff")
    assert (done.cancelled_by, done.reason) == ("lu", "wrong tariff")
    with pytest.raises(LocalError, match="cancelled before"):
        town.billing.cancel(wrong.id, by="lu", reason="again")
    assert town.billing.book(1)[0].balance == 0
    anew = town.billing.issue(1, *MARCH, by="mei")
    assert anew.id != wrong.id
    assert [entry.balance for entry in town.billing.book(1)] == [Decimal(-2), 0, Decimal(-2)]


def test_a_payment_is_booked_once(town):
    one = town.billing.pay(1, Decimal("20.00"), "receipt 7", by="mei")
    assert town.billing.pay(1, Decimal("20.00"), "receipt 7", by="mei") == one
    with pytest.raises(LocalError, match=r"stands for 20.00 already"):
        town.billing.pay(1, Decimal("30.00"), "receipt 7", by="mei")
    with pytest.raises(LocalError, match="above nought"):
        town.billing.pay(1, Decimal(-1), "receipt 8", by="mei")
    with pytest.raises(LocalError, match="whole cents"):
        town.billing.pay(1, Decimal("0.001"), "receipt 8", by="mei")
    with pytest.raises(LocalError, match="no account 9"):
        town.billing.pay(9, Decimal(1), "receipt 8", by="mei")
    assert [entry.number for entry in town.billing.book(1)] == [1]


def test_what_people_write_never_stands_in_the_way_of_a_statement(town):
    town.tariff(ONE_PRICE)
    town.freezes([KWH] * 4)
    town.billing.pay(1, Decimal(5), "statement 1", by="mei")
    town.billing.adjust(1, Decimal(-5), "cancelled 1", by="mei", note="no such payment")
    issued = town.billing.issue(1, *MARCH, by="mei")
    town.billing.cancel(issued.id, by="mei", reason="why")
    assert [(one.entry.kind, one.entry.reference) for one in town.billing.book(1)] == [
        ("cancelled", "cancelled 1"),
        ("statement", "statement 1"),
        ("adjustment", "cancelled 1"),
        ("payment", "statement 1"),
    ]
    assert town.billing.book(1)[0].balance == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda town: None, "no reading of register 1-0:1.8.0 at 2026-03-01 00:00"),
        (lambda town: town.freezes([KWH, KWH, KWH, -5 * KWH]), "went down between"),
        (lambda town: town.freezes([KWH] * 4, last=31), "at 2026-04-01 00:00"),
    ],
)
def test_without_right_readings_there_is_no_bill(town, spoil, words):
    town.tariff(ONE_PRICE)
    spoil(town)
    with pytest.raises(Unbillable, match=words):
        town.billing.issue(1, *MARCH, by="mei")
    assert town.billing.book(1) == []


def test_periods_that_do_not_sum_to_the_total_are_not_billed(town):
    town.tariff(PERIODS)
    town.freezes([KWH] * 4)
    at = shanghai(1) + 31 * 86_400
    town.take([(3, "1-0:1.8.0", DAY_INTERVAL_S, shanghai(1), 0)])
    town.tariff(PERIODS, account=2)
    rows = [(3, f"1-0:1.8.{n}", DAY_INTERVAL_S, shanghai(1), 0) for n in range(1, 5)]
    rows += [(3, f"1-0:1.8.{n}", DAY_INTERVAL_S, at, KWH) for n in range(1, 5)]
    town.take([*rows, (3, "1-0:1.8.0", DAY_INTERVAL_S, at, 5 * KWH)])
    run = town.billing.issue_all(*MARCH, by="mei")
    assert len(run.issued) == 1
    ((refused),) = run.refused
    assert (refused.number, "1.00 kWh more or less" in refused.why) == ("A2", True)


def test_a_finding_that_calls_a_value_wrong_blocks_the_bill_until_somebody_decides(town):
    town.tariff(ONE_PRICE)
    town.freezes([KWH] * 4)
    at = shanghai(10)
    curve = [(2, ENERGY, 900, at + 900 * n, 2 * 10**9 - n * KWH) for n in range(5)]
    town.take(curve)
    town.quality.check_waiting()
    with pytest.raises(Unbillable, match="wrong on 2026-03-10; accept or mend"):
        town.billing.issue(1, *MARCH, by="mei")
    key = (2, day_number(dt.date(2026, 3, 10)), ENERGY, 900, "negative")
    town.quality.accept(key, by="lu", note="a test of the meter")
    assert town.billing.issue(1, *MARCH, by="mei").draft.total == Decimal("2.00")


def test_an_estimate_is_named_in_the_trace(town):
    town.tariff(ONE_PRICE)
    at = shanghai(1) + 31 * 86_400
    town.take([(2, ENERGY, DAY_INTERVAL_S, shanghai(1), 10**9), (2, ENERGY, 900, at, 10**9 + KWH)])
    span = (dt.date(2026, 3, 31),) * 2
    daily = (ENERGY, DAY_INTERVAL_S)
    town.quality.estimate(2, daily, span, Method.SCALAR_FROM_INTERVAL, by="m", reason="lost")
    (trace,) = town.billing.preview(1, *MARCH).traces
    assert trace.qualities == ("actual", "estimated")


def test_an_exchanged_meter_is_billed_through(town):
    town.tariff(ONE_PRICE)
    end = shanghai(1) + 31 * 86_400
    with town.store.database.write() as connection:
        connection.execute(
            insert(schema_archive.meter_exchange).values(
                id=1,
                meter_id=2,
                at=dt.datetime.fromtimestamp(shanghai(12, 9), dt.UTC),
                old_address="000000000038",
                new_address="000000000039",
                reason="old",
                recorded_by="m",
                recorded_at=NOW,
            )
        )
        connection.execute(
            insert(schema_archive.exchange_reading).values(
                exchange_id=1, register=ENERGY, final=10**9 + 30 * KWH, first=2 * KWH
            )
        )
    town.take(
        [
            (2, ENERGY, DAY_INTERVAL_S, shanghai(1), 10**9),
            (2, ENERGY, DAY_INTERVAL_S, end, 14 * KWH),
        ]
    )
    draft = town.billing.preview(1, *MARCH)
    assert draft.kwh == Decimal(42)
    assert draft.traces[0].steps == ((Decimal("30.00"), 1), (Decimal("12.00"), 1))


def test_a_schedule_divides_the_curve(town):
    schedule = [
        {"start": "00:00:00", "period": "valley"},
        {"start": "08:00:00", "period": "peak"},
        {"start": "22:00:00", "period": "valley"},
    ]
    town.tariff(
        {
            "code": "s",
            "valid_from": "2026-01-01",
            "prices": {"peak": "1", "valley": "0.4"},
            "schedule": schedule,
        }
    )
    first = shanghai(3)
    curve = [(2, ENERGY, 900, first + 900 * n, 10**9 + n * KWH) for n in range(97)]
    frozen = [(2, ENERGY, DAY_INTERVAL_S, first + n * 86_400, 10**9 + n * 96 * KWH) for n in (0, 1)]
    town.take([*curve[:50], *curve[51:], *frozen])
    day = (dt.date(2026, 3, 3),) * 2
    with pytest.raises(Unbillable, match="lacks 1 values of 2026-03-03, the first at 12:30"):
        town.billing.preview(1, *day)
    town.take([curve[50]])
    with pytest.raises(Unbillable, match="readings of 2026-03-03 wait to be validated"):
        town.billing.preview(1, *day)
    town.quality.check_waiting()
    draft = town.billing.preview(1, *day)
    assert {line.period: line.quantity for line in draft.lines} == {
        Period.PEAK: Decimal("56.00"),
        Period.VALLEY: Decimal("40.00"),
    }


def test_a_curve_that_falls_is_not_divided(town):
    schedule = [{"start": "00:00:00", "period": "valley"}, {"start": "08:00:00", "period": "peak"}]
    prices = {"peak": "2", "valley": "0.1"}
    town.tariff({"code": "s", "valid_from": "2026-01-01", "prices": prices, "schedule": schedule})
    first, wrong = shanghai(3), 32  # one value at 08:00, 50 kWh too high
    curve = [
        (2, ENERGY, 900, first + 900 * n, 10**9 + n * KWH // 10 + 50 * KWH * (n == wrong))
        for n in range(97)
    ]
    frozen = [
        (2, ENERGY, DAY_INTERVAL_S, first + n * 86_400, 10**9 + n * 96 * KWH // 10) for n in (0, 1)
    ]
    town.take([*curve, *frozen])
    day = (dt.date(2026, 3, 3),) * 2
    with pytest.raises(Unbillable, match="the load curve falls at 2026-03-03 08:15"):
        town.billing.preview(1, *day)
    right = {first + 900 * wrong: curve[wrong][4] - 50 * KWH}
    town.quality.edit(2, (Register(ENERGY), 900), right, by="lu", reason="looked at it")
    town.quality.check_waiting()
    draft = town.billing.preview(1, *day)
    assert {line.period: line.quantity for line in draft.lines} == {
        Period.PEAK: Decimal("6.40"),
        Period.VALLEY: Decimal("3.20"),
    }


def test_a_curve_is_divided_across_an_exchange_and_the_end_of_the_register(town):
    schedule = [{"start": "00:00:00", "period": "valley"}, {"start": "08:00:00", "period": "peak"}]
    prices = {"peak": "2", "valley": "0.1"}
    town.tariff({"code": "s", "valid_from": "2026-01-01", "prices": prices, "schedule": schedule})
    first = shanghai(3)
    with town.store.database.write() as connection:
        connection.execute(
            insert(schema_archive.meter_exchange).values(
                id=1,
                meter_id=2,
                at=dt.datetime.fromtimestamp(first + 900 * 40 + 300, dt.UTC),
                old_address="000000000038",
                new_address="000000000039",
                reason="old",
                recorded_by="m",
                recorded_at=NOW,
            )
        )
        connection.execute(
            insert(schema_archive.exchange_reading).values(
                exchange_id=1, register=ENERGY, final=20_400_000, first=7 * KWH
            )
        )
    end = 10**12  # the register begins at nought again at 05:00
    shown = [(end - 20 * KWH + n * KWH) % end for n in range(41)]
    shown += [7 * KWH + 600_000 + n * KWH for n in range(56)]
    town.take(
        [
            *((2, ENERGY, 900, first + 900 * n, value) for n, value in enumerate(shown)),
            (2, ENERGY, DAY_INTERVAL_S, first, shown[0]),
            (2, ENERGY, DAY_INTERVAL_S, first + 86_400, shown[-1]),
        ]
    )
    town.quality.check_waiting()
    draft = town.billing.preview(1, dt.date(2026, 3, 3), dt.date(2026, 3, 3))
    assert {line.period: line.quantity for line in draft.lines} == {
        Period.PEAK: Decimal("64.00"),
        Period.VALLEY: Decimal("32.00"),
    }


def test_a_new_version_cuts_the_span_and_never_changes_what_was_billed(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH] * 4)
    dearer = tariff_from({**ONE_PRICE, "valid_from": "2026-03-11", "prices": {"total": "1.0"}})
    town.billing.put_tariff(dearer, by="mei")
    at = shanghai(11)
    town.take([(2, ENERGY, DAY_INTERVAL_S, at, 10**9 + 15 * KWH)])
    issued = town.billing.issue(1, *MARCH, by="mei")
    assert [line.amount for line in issued.draft.lines] == [Decimal("7.50"), Decimal("25.00")]
    with pytest.raises(LocalError, match="statements up to 2026-03-31"):
        town.billing.put_tariff(dearer, by="mei")
    with pytest.raises(LocalError, match="billed up to 2026-03-31"):
        town.billing.assign(1, "flat", dt.date(2026, 3, 20), by="mei")


def test_what_cannot_be_billed_says_why(town):
    with pytest.raises(LocalError, match="no tariff on 2026-03-01"):
        town.billing.issue(1, *MARCH, by="mei")
    town.tariff(ONE_PRICE)
    with pytest.raises(LocalError, match="account A1 begins on 2026-01-15"):
        town.billing.issue(1, dt.date(2026, 1, 1), dt.date(2026, 1, 31), by="mei")
    with pytest.raises(LocalError, match="2026-04-30 is not over"):
        town.billing.issue(1, dt.date(2026, 4, 1), dt.date(2026, 4, 30), by="mei")
    with pytest.raises(LocalError, match="no tariff dear; known are flat"):
        town.billing.assign(1, "dear", dt.date(2026, 3, 1), by="mei")
    with pytest.raises(LocalError, match="no statement 7"):
        town.billing.statement(7)


def test_who_runs_out_of_money_is_warned(town):
    town.tariff(ONE_PRICE, low_balance=Decimal(20))
    town.tariff(ONE_PRICE, account=2)
    first = dt.datetime(2026, 3, 25, 16, tzinfo=dt.UTC)  # midnight in Shanghai
    for meter in (2, 3):
        town.take(
            [
                (
                    meter,
                    ENERGY,
                    DAY_INTERVAL_S,
                    int(first.timestamp()) + n * 86_400,
                    10**9 + n * 8 * KWH,
                )
                for n in range(8)
            ]
        )
        town.billing.pay(meter - 1, Decimal("19.00"), "r", by="m")
    one, two = town.billing.forecasts()
    assert (one.number, one.is_low, one.day_kwh, one.days_left) == ("A1", True, 8, 4)
    assert (two.number, two.is_low, two.days_left) == ("A2", False, 4)
    assert [each.number for each in town.billing.forecasts(only_low=True)] == ["A1"]
    assert town.billing.forecasts(areas=[]) == []


def test_everything_that_moves_money_is_in_the_trail(town):
    town.tariff(ONE_PRICE)
    town.freezes([KWH] * 4)
    town.billing.cancel(town.billing.issue(1, *MARCH, by="mei").id, by="lu", reason="why")
    town.billing.pay(1, Decimal(5), "r", by="mei")
    town.billing.adjust(1, Decimal(-5), "r back", by="lu", note="bounced")
    with town.store.database.read() as connection:
        actions = [entry.action for entry in trail.entries(connection)]
    assert sorted(actions) == sorted(
        ["put_tariff", "assign_tariff", "issue", "cancel", "payment", "adjustment"]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prices": {}}, "at least one"),
        ({"prices": {"total": "1", "peak": "2"}}, "either total alone"),
        ({"prices": {"total": "-1"}}, "from 0 to"),
        ({"prices": {"total": "NaN"}}, "from 0 to"),
        (
            {"tiers": [{"above_kwh": 5, "adder": 1}, {"above_kwh": 5, "adder": 2}]},
            "each bound once",
        ),
        ({"schedule": [{"start": "01:00:00", "period": "total"}]}, "begins at 00:00"),
        ({"schedule": [{"start": "00:00:00", "period": "peak"}]}, "peak has no price"),
        ({"monthly_fee": "-1"}, "from 0 on"),
        ({"currency": "yuan"}, "currency"),
        ({"price": 1}, "unknown field"),
    ],
)
def test_a_tariff_that_is_none_is_refused(change, words):
    with pytest.raises(LocalError, match=words):
        tariff_from({**ONE_PRICE, **change})


def test_a_tariff_must_be_in_force():
    with pytest.raises(LocalError, match="in force on 2025-12-31"):
        in_force([tariff_from(ONE_PRICE)], dt.date(2025, 12, 31), dt.date(2026, 1, 2))


TIERED = tariff_from(PERIODS)


@given(
    parts=st.lists(st.integers(0, 50_000), min_size=4, max_size=4),
    before=st.integers(0, 20_000),
    cut=st.integers(0, 100),
)
def test_a_span_billed_in_two_parts_has_the_same_tier_energy(parts, before, cut):
    """Tiers count on over a cut of the span: the parts' energy in each tier sums to the whole's."""

    def energy_of(lines):
        found: Counter[Decimal | None] = Counter()
        for line in lines:
            if line.kind is Kind.TIER:
                found[line.above_kwh] += line.quantity
        return found

    kwh = {period: Decimal(part) / 100 for period, part in zip(TIERED.prices, parts, strict=True)}
    used = Decimal(before) / 100
    left = {period: (each * cut / 100).quantize(Decimal("0.01")) for period, each in kwh.items()}
    right = {period: each - left[period] for period, each in kwh.items()}
    whole = Part(TIERED, *MARCH, kwh, used)
    halves = [
        Part(TIERED, *MARCH, left, used),
        Part(TIERED, *MARCH, right, used + sum(left.values())),
    ]
    assert energy_of(price(halves)) == energy_of(price([whole]))
    lines = price([whole])
    exact = sum((line.quantity * line.price for line in lines), Decimal(0))
    assert abs(sum((line.amount for line in lines), Decimal(0)) - exact) <= Decimal("0.005") * len(
        lines
    )


def test_a_tariff_reads_as_it_was_written():
    assert isinstance(TIERED, Tariff)
    assert TIERED.period_at(0) is Period.TOTAL


def test_a_ratio_that_changed_within_the_month_is_billed_from_its_day_on(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    since = dt.datetime(2026, 3, 16, tzinfo=DAYS.zone)
    with town.store.database.write() as connection:
        dated.place(connection, 2, {"ct": "40"}, since, NOW)
    with pytest.raises(Unbillable, match=r"no reading of register 1-0:1.8.0 at 2026-03-16 00:00"):
        town.billing.preview(1, *MARCH)
    town.take([(2, ENERGY, DAY_INTERVAL_S, int(since.timestamp()), 10**9 + 30 * KWH)])
    draft = town.billing.preview(1, *MARCH)
    assert draft.kwh == 30 + 70 * 40
    (trace,) = draft.traces
    assert trace.steps == ((Decimal("30.00"), Decimal(1)), (Decimal("70.00"), Decimal(40)))


def test_a_move_without_another_ratio_needs_no_reading(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    since = dt.datetime(2026, 3, 16, tzinfo=DAYS.zone)
    with town.store.database.write() as connection:
        dated.place(connection, 2, {"point": "77"}, since, NOW)
    draft = town.billing.preview(1, *MARCH)
    assert (draft.kwh, len(draft.traces[0].steps)) == (100, 1)


def test_an_exchange_without_readings_of_a_tariff_register_says_what_is_missing(town):
    town.tariff(PERIODS)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    at = dt.datetime(2026, 3, 16, 10, tzinfo=DAYS.zone)
    names = ["1.8.0", "1.8.1", "1.8.2", "1.8.3", "1.8.4"]
    finals = [Decimal(1050), Decimal(1005), Decimal(1010), Decimal(1015), Decimal(1020)]
    readings = {name: (final, final) for name, final in zip(names, finals, strict=True)}
    for told in ({"1.8.0": readings["1.8.0"]}, readings):
        exchange = dated.Exchange(at, told, {"address": "99"})
        with town.store.database.write() as connection:
            number, _ = dated.exchange(connection, 2, exchange, "ann", NOW)
        if told is readings:
            assert town.billing.preview(1, *MARCH).kwh == 100
            return
        with pytest.raises(Unbillable, match=r"no readings of register 1-0:1.8.1"):
            town.billing.preview(1, *MARCH)
        with town.store.database.write() as connection:
            dated.withdraw(connection, number)


def test_a_roll_over_and_an_exchange_in_one_span(town):
    town.tariff(ONE_PRICE)
    midnight = shanghai(1)
    town.take(
        [
            (2, ENERGY, DAY_INTERVAL_S, midnight, 999_850 * KWH),
            (2, ENERGY, DAY_INTERVAL_S, midnight + 31 * 86_400, 65 * KWH),
        ]
    )
    at = dt.datetime(2026, 3, 25, 12, tzinfo=DAYS.zone)
    told = dated.Exchange(at, {"1.8.0": (Decimal(95), Decimal(0))}, {"address": "99"})
    with town.store.database.write() as connection:
        dated.exchange(connection, 2, told, "ann", NOW)
    draft = town.billing.preview(1, *MARCH)
    assert draft.kwh == 245 + 65
    (trace,) = draft.traces
    assert (trace.first, trace.last) == (Decimal(999_850), Decimal(65))


def test_a_retired_meter_is_billed_for_the_time_in_which_it_was_in_service(town):
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    before = town.billing.preview(1, *MARCH)
    with town.store.database.write() as connection:
        connection.execute(update(schema.meter).where(schema.meter.c.id == 2).values(active=False))
        service.follow(connection, [2], DAYS.start(dt.date(2026, 4, 1)))
    assert town.billing.preview(1, *MARCH) == before
    assert town.billing.issue(1, *MARCH, by="mei").draft.kwh == 100


def test_a_statement_belongs_to_the_area_of_its_days(town):
    """Else the former organisation loses its bills, and the new one reads those of its customers before."""
    town.tariff(ONE_PRICE)
    town.freezes([10 * KWH, 20 * KWH, 30 * KWH, 40 * KWH])
    with town.store.database.write() as connection:
        row = {"id": 2, "code": "A2", "name": "Elm", "name_zh": "榆"}
        connection.execute(insert(schema.area).values(**row))
        moved = DAYS.start(dt.date(2026, 4, 1))
        history = schema_archive.terminal_area
        connection.execute(insert(history).values(terminal_id=1, area_id=1, valid_to=moved))
        connection.execute(insert(history).values(terminal_id=1, area_id=2, valid_from=moved))
        connection.execute(update(schema.terminal).values(area_id=2))
    issued = town.billing.issue(1, *MARCH, by="mei")
    assert issued.draft.account.area_id == 1
    assert town.billing.account(1).area_id == 2
    assert [each.id for each in town.billing.statements(areas={1})] == [issued.id]
    assert town.billing.statements(areas={2}) == []
    assert town.billing.changed(areas={1}) == []

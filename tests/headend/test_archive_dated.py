"""Dated facts: an exchange of the meter and a change of the ratio count in their time."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select
from tests.headend.test_archive_desk import at_desk, keys, rows
from tests.headend.world import DAYS, NOON, batch, config, open_store, shanghai

from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, Register
from kwhub.headend.archive.dated import Exchange
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.spans import Spans

ENERGY = Register("1-0:1.8.0")
MICRO = 1_000_000
FIRST, SECOND, THIRD, FOURTH = (dt.date(2026, 3, day) for day in (1, 2, 3, 4))
SWAP_HOUR = 10
SWAPPED = dt.datetime(2026, 3, 3, SWAP_HOUR, 5, tzinfo=DAYS.zone)


def quarters(meter: int, first: int, count: int, begin: int, step: int = MICRO // 10):
    """Register values of quarter hours from the 3rd at midnight on."""
    return [
        (meter, ENERGY, CURVE_INTERVAL_S, shanghai(3) + 900 * n, begin + step * (n - first))
        for n in range(first, first + count)
    ]


def freezes(meter: int, *values: tuple[int, int]):
    """Freezes at the beginning of days of March: (day, kWh)."""
    return [(meter, ENERGY, DAY_INTERVAL_S, shanghai(day), kwh * MICRO) for day, kwh in values]


def queries(store) -> Queries:
    return Queries(store.database, DAYS, lambda: NOON)


def energies(store, first, last):
    """Energy of every meter over some days, by number of meter."""
    with store.database.read() as connection:
        spans = Spans(connection, DAYS, [first, last + dt.timedelta(days=1)])
        return {each.meter.id: each.kwh for each in spans.energies(first, last)}


def told(final="104", first="7", **values: str) -> Exchange:
    readings = {"1.8.0": (Decimal(final), Decimal(first))}
    return Exchange(SWAPPED, readings, {"address": "000000000099", **values}, "broken display")


@pytest.mark.parametrize("packed", [False, True])
def test_consumption_goes_on_across_an_exchange(address, packed):
    async def script(desk, store):
        # 100 at midnight, 104 when it was taken out; the new one began at 7 and ended the day with 12.6.
        old = quarters(2, 0, 41, 100 * MICRO)
        new = quarters(2, 41, 56, 7 * MICRO + 100_000)
        store.append([batch([*old, *new, *freezes(2, (3, 100), (4, 13))])])
        if packed:
            store.pack()
        before = queries(store).daily(2, THIRD, THIRD)[0]
        assert before.kwh is None  # a register that went down is no consumption
        number = await desk.exchange(2, told(), "ann")
        day = queries(store).daily(2, THIRD, THIRD)[0]
        assert day.kwh == (104 - 100) + (13 - 7)
        start = DAYS.start(THIRD)
        steps = queries(store).interval_consumption(2, start, start + dt.timedelta(days=1))
        assert {each.kwh for each in steps} == {Decimal("0.1")}
        curve = queries(store).curve(2, ENERGY, start, start + dt.timedelta(days=1))
        assert min(filter(None, curve.values)) == Decimal("7.10")  # the measurement stays
        assert store.archive.meters[2].address == "000000000099"
        assert rows(store, schema_archive.meter_exchange)[0]["old_address"] == "000000000038"
        await desk.withdraw_exchange(number, "ann")
        assert queries(store).daily(2, THIRD, THIRD)[0].kwh is None
        assert store.archive.meters[2].address == "000000000038"
        actions = [each["action"] for each in rows(store, schema.audit)]
        assert actions == ["archive_exchange", "archive_withdraw"]

    at_desk(address, script)


def test_line_loss_takes_the_ratio_of_its_time(address):
    async def script(desk, store):
        store.append(
            [
                batch(
                    [
                        *freezes(1, (2, 10), (3, 20), (4, 30)),
                        *freezes(2, (2, 0), (3, 50), (4, 60)),
                        *freezes(3, (2, 0), (3, 40), (4, 80)),
                    ]
                )
            ]
        )
        ask = queries(store)
        assert [each.supply_kwh for each in ask.area_days(1, SECOND, THIRD)] == [100, 100]
        await desk.place(1, {"ct": "12"}, THIRD, "ann")
        assert [each.supply_kwh for each in ask.area_days(1, SECOND, THIRD)] == [100, 120]
        assert store.archive.meters[1].ratio == 12
        history = rows(store, schema_archive.placement)
        assert [(each["valid_from"], each["ratio"]) for each in history] == [
            (None, "10"),
            (DAYS.start(THIRD), "12"),
        ]
        # A correction is no change: it was always so since the last change.
        await desk.save("meter", {"ct": "13"}, "ann", row_id=1)
        assert [each.supply_kwh for each in ask.area_days(1, SECOND, THIRD)] == [100, 130]

    at_desk(address, script)


def test_a_ratio_that_changes_with_the_meter_divides_the_day(address):
    async def script(desk, store):
        store.append(
            [
                batch(
                    [
                        *freezes(1, (2, 80), (3, 100), (4, 13)),
                        *freezes(2, (3, 0), (4, 1)),
                        *freezes(3, (3, 0), (4, 1)),
                    ]
                )
            ]
        )
        await desk.exchange(1, told(ct="20"), "ann")
        (day,) = queries(store).area_days(1, THIRD, THIRD)
        assert day.supply_kwh == (104 - 100) * 10 + (13 - 7) * 20
        assert day.loss_kwh == 160 - 2
        await desk.withdraw_exchange(1, "ann")
        assert store.archive.meters[1].ratio == 10
        assert [each["valid_to"] for each in rows(store, schema_archive.placement)] == [None]

    at_desk(address, script)


def test_a_day_that_is_not_over_is_divided_too(tmp_path):
    async def script(desk, store):
        today = [
            (meter, ENERGY, CURVE_INTERVAL_S, shanghai(4, hour), kwh * MICRO)
            for meter, values in ((1, (100, 13)), (2, (0, 1)), (3, (0, 1)))
            for hour, kwh in zip((0, 11), values, strict=True)
        ]
        store.append([batch(today)])
        at = dt.datetime(2026, 3, 4, 10, tzinfo=DAYS.zone)
        exchange = told(ct="20")
        await desk.exchange(
            1, Exchange(at, exchange.readings, exchange.values, exchange.reason), "ann"
        )
        (day,) = queries(store).area_days(1, FOURTH, FOURTH)
        assert day.supply_kwh == (104 - 100) * 10 + (13 - 7) * 20

    at_desk(tmp_path / "s.sqlite", script)


def test_two_exchanges_in_one_day(tmp_path):
    async def script(desk, store):
        store.append([batch(freezes(2, (3, 100), (4, 53)))])
        await desk.exchange(2, told(), "ann")
        later = SWAPPED + dt.timedelta(hours=3)
        readings = {"1.8.0": (Decimal(9), Decimal(50)), "2.8.0": (Decimal(1), Decimal(0))}
        await desk.exchange(2, Exchange(later, readings, {"address": "98"}), "ann")
        assert queries(store).daily(2, THIRD, THIRD)[0].kwh == 4 + 2 + 3
        with store.database.read() as connection:
            found = connection.execute(select(schema_archive.exchange_reading)).all()
        assert len(found) == 3

    at_desk(tmp_path / "s.sqlite", script)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (told(address="000000000045"), ("address", "used")),
        (Exchange(SWAPPED, {}, {"address": "99"}), ("readings", "missing")),
        (Exchange(SWAPPED, {"9.9.9.9": (Decimal(1), Decimal(1))}, {}), ("readings", "wrong")),
        (told(final="-1"), ("readings", "wrong")),
        (Exchange(SWAPPED, told().readings, {}), ("address", "missing")),
        (
            Exchange(NOON + dt.timedelta(seconds=1), told().readings, {"address": "99"}),
            ("at", "in_future"),
        ),
    ],
)
def test_an_exchange_that_cannot_be_is_refused(tmp_path, exchange, expected):
    async def script(desk, store):
        with pytest.raises(ArchiveError) as error:
            await desk.exchange(2, exchange, "ann")
        assert expected in keys(error)
        assert rows(store, schema_archive.meter_exchange) == []
        assert store.archive.meters[2].address == "000000000038"

    at_desk(tmp_path / "s.sqlite", script)


def test_only_the_newest_exchange_can_be_withdrawn(tmp_path):
    async def script(desk, _store):
        first = await desk.exchange(2, told(), "ann")
        later = Exchange(NOON, told().readings, {"address": "98"})
        await desk.exchange(2, later, "ann")
        for number, key in ((first, "before_last"), (77, "unknown")):
            with pytest.raises(ArchiveError) as error:
                await desk.withdraw_exchange(number, "ann")
            assert keys(error) == [("", key)]

    at_desk(tmp_path / "s.sqlite", script)


def test_a_ratio_that_changes_within_a_month_counts_from_its_day_on(address):
    async def script(desk, store):
        store.append(
            [
                batch(
                    [
                        *freezes(1, *((day, 100 + 10 * day) for day in range(1, 5))),
                        *freezes(2, *((day, 5 * day) for day in range(1, 5))),
                        *freezes(3, *((day, 5 * day) for day in range(1, 5))),
                    ]
                )
            ]
        )
        await desk.place(1, {"ct": "40"}, THIRD, "ann")
        supply = energies(store, FIRST, THIRD)[1]
        assert [supply] == [(20 * 10) + (10 * 40)]
        assert sum(energies(store, day, day)[1] for day in (FIRST, SECOND, THIRD)) == supply
        days = queries(store).area_days(1, FIRST, THIRD)
        assert [each.supply_kwh for each in days] == [100, 100, 400]

    at_desk(address, script)


def test_a_change_without_a_reading_leaves_the_month_unknown_and_says_so(address):
    async def script(desk, store):
        store.append([batch(freezes(1, (1, 10), (2, 20), (4, 40)))])
        await desk.place(1, {"ct": "40"}, THIRD, "ann")
        with store.database.read() as connection:
            spans = Spans(connection, DAYS, [FIRST, FOURTH])
            assert [(each.kwh, each.lack) for each in spans.energies(FIRST, THIRD)][:1] == [
                (None, "change")
            ]
        # The curve at that midnight stands in for the freeze.
        store.append([batch([(1, ENERGY, CURVE_INTERVAL_S, shanghai(3), 30 * MICRO)])])
        assert energies(store, FIRST, THIRD)[1] == 20 * 10 + 10 * 40

    at_desk(address, script)


def test_a_roll_over_before_an_exchange_is_no_lack(address):
    async def script(desk, store):
        store.append([batch(freezes(2, (2, 999_990), (3, 5), (4, 13)))])
        await desk.exchange(2, told(final="15"), "ann")
        assert energies(store, SECOND, THIRD)[2] == 15 + 10 + 6
        ask = queries(store)
        assert [each.kwh for each in ask.daily(2, SECOND, THIRD)] == [15, 10 + 6]
        # And one between the last reading and the final one.
        store.append([batch(freezes(3, (3, 999_990), (4, 9)))])
        await desk.exchange(
            3, Exchange(SWAPPED, told(final="2").readings, {"address": "97"}, ""), "ann"
        )
        assert energies(store, THIRD, THIRD)[3] == 12 + 2
        assert ask.daily(3, THIRD, THIRD)[0].kwh == 14

    at_desk(address, script)


def losses(store, area, first, last):
    """Energy of the meters of an area over some days, and the loss of the area's days."""
    with store.database.read() as connection:
        spans = Spans(connection, DAYS, [first, last + dt.timedelta(days=1)], {area})
        energy = {each.meter.id: each.kwh for each in spans.energies(first, last)}
    days = queries(store).area_days(area, first, last)
    return energy, [(each.sold_kwh, each.meters) for each in days]


def test_a_meter_that_was_moved_stays_in_the_closed_days_of_its_old_area(address):
    async def script(desk, store):
        grown = [*range(1, 5)]
        store.append(
            [
                batch(
                    [
                        each
                        for m in (1, 2, 3)
                        for each in freezes(m, *zip(grown, grown, strict=True))
                    ]
                )
            ]
        )
        await desk.save("area", {"code": "A2", "name": "Elm", "name_zh": "榆"}, "ann")
        await desk.save("terminal", {"terminal": "4101-99", "area": "A2"}, "ann")
        before = losses(store, 1, FIRST, SECOND)
        assert before == ({1: 20, 2: 2, 3: 2}, [(2, 3), (2, 3)])
        await desk.place(3, {"terminal": "4101-99", "point": "1"}, THIRD, "ann")
        assert losses(store, 1, FIRST, SECOND) == before
        assert losses(store, 2, FIRST, SECOND) == ({}, [(None, 0), (None, 0)])
        assert losses(store, 1, FIRST, THIRD) == ({1: 30, 2: 3, 3: 2}, [(2, 3), (2, 3), (1, 2)])
        assert losses(store, 2, FIRST, THIRD) == ({3: 1}, [(None, 0), (None, 0), (1, 1)])

    at_desk(address, script)


def test_a_retired_meter_stays_in_the_days_of_its_service(address):
    async def script(desk, store):
        grown = [*range(1, 5)]
        store.append(
            [
                batch(
                    [
                        each
                        for m in (1, 2, 3)
                        for each in freezes(m, *zip(grown, grown, strict=True))
                    ]
                )
            ]
        )
        before = losses(store, 1, FIRST, SECOND)
        await desk.retire("meter", 3, "ann")  # at noon of the 4th
        assert losses(store, 1, FIRST, SECOND) == before
        assert losses(store, 1, THIRD, THIRD) == ({1: 10, 2: 1, 3: 1}, [(2, 3)])
        today, _ = losses(store, 1, FOURTH, FOURTH)
        assert 3 not in today
        # Back on the same day, it was never away; a day later there is a gap.
        await desk.save("meter", {"active": "yes"}, "ann", row_id=3)
        (place,) = rows(store, schema_archive.placement)
        assert place["valid_to"] is None
        assert 3 in losses(store, 1, FOURTH, FOURTH)[0]

    at_desk(address, script)


def test_a_meter_that_the_settings_name_no_more_was_in_service_up_to_its_last_reading(address):
    grown = [*range(1, 5)]
    store = open_store(address)
    store.append(
        [batch([each for m in (1, 2, 3) for each in freezes(m, *zip(grown, grown, strict=True))])]
    )
    store.pack()
    before = losses(store, 1, FIRST, THIRD)
    store.close()
    named = config(address)
    (area,) = named.area
    (terminal,) = area.terminal
    fewer = msgspec.structs.replace(terminal, meter=terminal.meter[:2])
    without = msgspec.structs.replace(
        named, area=(msgspec.structs.replace(area, terminal=(fewer,)),)
    )
    for settings, there in ((without, False), (without, False), (named, True)):
        store = open_store(address, settings)
        assert (3 in store.archive.meters) == there
        assert losses(store, 1, FIRST, THIRD) == before
        (place,) = rows(store, schema_archive.placement)
        assert place["valid_to"] == (None if there else DAYS.start(FOURTH))
        store.close()

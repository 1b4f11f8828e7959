"""Questions of pages and API, over readings that are partly packed and partly not."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from sqlalchemy import update
from tests.headend.slow_vectors import encode
from tests.headend.world import DAYS, Row, batch, config, open_store, shanghai

from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import Quality, Register
from kwhub.headend.quality.expect import ENERGY, Duty, due, owed
from kwhub.headend.store import schema
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.edits import Edit
from kwhub.headend.store.edits import write as write_edits
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.read import Reader
from kwhub.headend.store.spans import Spans
from kwhub.headend.store.store import Store
from kwhub.headend.store.vectors import EMPTY, Series

DAY = dt.date(2026, 3, 3)
LATER = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
MICRO = 10**6
SUPPLY, ONE, TWO = 1, 2, 3
PER_QUARTER = {SUPPLY: 20_000, ONE: 70_000, TWO: 110_000}  # supply has a ratio of 10: 10 % are lost
A_DAY = 96


@pytest.fixture
def store(address):
    one = open_store(address)
    yield one
    one.close()


def asked_at(store: Store, now: dt.datetime = LATER) -> Queries:
    return Queries(store.database, DAYS, lambda: now)


def energy(meter: int, moment_s: int) -> int:
    quarters = (moment_s - shanghai(1)) // 900
    return 100 * MICRO + quarters * PER_QUARTER[meter]


def full_day(meter: int, day: int = 3) -> list[Row]:
    """Everything that a meter owes on one day of March."""
    rows: list[Row] = []
    start = shanghai(day)
    for one in owed(Duty(phases=3 if meter == SUPPLY else 1)):
        moments = due(one.interval_s, (start, start + 86_400), start + 10**6)
        for at in moments.tolist():
            value = energy(meter, at) if one.register == ENERGY else 5 * MICRO
            rows.append((meter, one.register, one.interval_s, at, value))
    return rows


def fill(store: Store, *days: int) -> None:
    for day in days:
        for meter in PER_QUARTER:
            store.append([batch(full_day(meter, day))])


def test_a_full_day(store):
    fill(store, 2, 3)
    store.pack()
    (area,) = asked_at(store).areas(DAY)
    assert (area.code, area.name, area.name_zh, area.meters) == ("A1", "Willow Lane", "柳巷", 3)
    points = 2 * (96 + 4 * 24 + 5) + 96 + 14 * 24 + 5
    assert (area.expected, area.got, area.read_rate) == (points, points, 1.0)
    assert (area.supply_kwh, area.sold_kwh) == (Decimal("19.20"), Decimal("17.28"))
    assert (area.loss_kwh, area.loss_percent) == (Decimal("1.92"), Decimal("10.00"))
    assert area.missing == ()
    assert area.until == DAYS.start(dt.date(2026, 3, 4))


def test_a_missing_meter_leaves_no_loss_but_its_name(store):
    for meter in (SUPPLY, ONE):
        store.append([batch(full_day(meter, 2) + full_day(meter, 3))])
    (area,) = asked_at(store).areas(DAY)
    assert area.supply_kwh == Decimal("19.20")
    assert (area.sold_kwh, area.loss_kwh, area.loss_percent) == (None, None, None)
    assert [each.name for each in area.missing] == ["Flat 2 100%"]
    assert area.read_rate is not None
    assert 0.7 < area.read_rate < 1


def test_today_so_far(store):
    """At noon, with everything up to 11:00 but one meter an hour behind."""
    now = shanghai(3, 12, 10)
    limit = {SUPPLY: shanghai(3, 11), ONE: shanghai(3, 11), TWO: shanghai(3, 10)}
    for meter, until in limit.items():
        store.append([batch([row for row in full_day(meter) if row[3] <= until])])
    queries = asked_at(store, dt.datetime.fromtimestamp(now, dt.UTC))
    (area,) = queries.areas(DAY)
    assert area.until == dt.datetime.fromtimestamp(shanghai(3, 10), dt.UTC)
    assert area.supply_kwh == Decimal("8.00")  # 40 quarters of 0.02 kWh, times 10
    assert area.loss_percent == Decimal("10.00")
    assert area.expected == 3 * 43 + (14 + 4 + 4) * 11  # up to 10:40, ninety minutes ago
    assert area.got == area.expected - 2
    (row, *_) = queries.meters(area.id, day=DAY, search="Flat 1").items
    assert row.day_kwh == Decimal("3.08")
    assert queries.daily(ONE, DAY, DAY)[0].source == "so_far"
    assert not queries.daily(ONE, DAY, DAY)[0].complete


def test_an_area_before_its_first_reading(store):
    (area,) = asked_at(store).areas(DAY)
    assert (area.got, area.read_rate, area.until is None) == (0, 0.0, False)
    assert len(area.missing) == 3
    early = dt.datetime.fromtimestamp(shanghai(3, 1), dt.UTC)
    (area,) = asked_at(store, early).areas(DAY)
    assert (area.expected, area.read_rate, area.until) == (0, None, None)


def test_meters_sorted_searched_and_paged(store):
    fill(store, 2, 3)
    queries = asked_at(store)
    page = queries.meters(1, day=DAY)
    assert [row.address[-2:] for row in page.items] == ["31", "38", "45"]
    first = page.items[0]
    assert (first.kind, first.phases, first.terminal) == ("supply", 3, "4101-02082")
    assert first.last_energy == Decimal("105.76")
    assert first.last_energy_at == DAYS.start(dt.date(2026, 3, 4))
    page = queries.meters(1, day=DAY, sort="day_kwh", descending=True, limit=1, offset=1)
    assert ([row.name for row in page.items], page.total) == (["Flat 1"], 3)
    assert [row.name for row in queries.meters(1, day=DAY, search="100%").items] == ["Flat 2 100%"]
    assert queries.meters(1, day=DAY, search="_").items == []
    assert queries.meters(99, day=DAY).total == 0
    with pytest.raises(LocalError, match="cannot sort"):
        queries.meters(1, day=DAY, sort="password")


def test_what_is_not_known_comes_last_in_either_order(store):
    store.append([batch(full_day(ONE, 2) + full_day(ONE, 3))])
    for descending in (False, True):
        rows = asked_at(store).meters(1, day=DAY, sort="day_kwh", descending=descending).items
        assert rows[0].id == ONE
        assert [row.day_kwh for row in rows[1:]] == [None, None]


def test_one_meter(store):
    queries = asked_at(store)
    meter = queries.meter(SUPPLY)
    assert meter is not None
    assert (meter.ratio, meter.terminal, meter.area_name_zh) == (Decimal(10), "4101-02082", "柳巷")
    assert not meter.online
    assert queries.meter(99) is None


def test_latest_registers(store):
    fill(store, 3)
    rows = asked_at(store).latest(ONE)
    assert len(rows) == 10
    voltage = next(row for row in rows if row.register == "1-0:32.7.0")
    assert (voltage.value, voltage.unit, voltage.interval_s) == (Decimal("5.0"), "V", 3600)
    assert (voltage.name_zh, voltage.quality) == ("A相电压", Quality.ACTUAL)
    assert voltage.captured_at == dt.datetime.fromtimestamp(shanghai(3, 23), dt.UTC)


def test_a_curve_with_a_hole(store):
    rows = [row for row in full_day(ONE) if row[3] != shanghai(3, 1)]
    store.append([batch(rows)])
    start, end = DAYS.start(DAY), DAYS.start(DAY) + dt.timedelta(hours=2)
    curve = asked_at(store).curve(ONE, ENERGY, start, end)
    assert curve.unit == "kWh"
    assert curve.times[0] == start
    assert len(curve.times) == 8
    assert curve.values[4] is None
    assert curve.values[5] == Decimal("114.07000") - Decimal("0.28")
    used = asked_at(store).interval_consumption(ONE, start, end)
    assert [one.kwh for one in used] == [
        *([Decimal("0.07")] * 3),
        *(None, None),
        *([Decimal("0.07")] * 3),
    ]
    assert used[0].start == start


def test_other_series_of_a_curve(store):
    fill(store, 2, 3)
    store.append([batch([(ONE, "1-0:32.7.0", 0, shanghai(3, 7, 7), 229_900_000)])])
    queries = asked_at(store)
    first, last = DAYS.start(dt.date(2026, 3, 2)), DAYS.start(dt.date(2026, 3, 5))
    freezes = queries.curve(ONE, ENERGY, first, last, 86_400)
    assert freezes.values[0] is None
    assert freezes.times[1] == DAYS.start(dt.date(2026, 3, 3))
    assert [value is not None for value in freezes.values] == [False, True, True]
    voltage = Register("1-0:32.7.0")
    assert len(queries.curve(ONE, voltage, first, last, 3600).values) == 72
    instants = queries.curve(ONE, voltage, first, last, 0)
    assert instants.values == [Decimal("229.9")]
    with pytest.raises(KwhubError):
        queries.curve(ONE, Register("9-9:9.9.9"), first, last)
    with pytest.raises(LocalError, match="at most"):
        queries.curve(ONE, ENERGY, first, last, 1)


def test_days_reconcile_or_say_that_they_do_not(store):
    fill(store, 2, 3)
    first, second = asked_at(store).daily(ONE, dt.date(2026, 3, 2), DAY)
    assert (first.kwh, first.source, first.complete) == (Decimal("6.72"), "curve", True)
    assert (second.kwh, second.source) == (Decimal("6.72"), "freeze")
    assert second.reconciles is None  # the curve ends before midnight
    midnight = shanghai(4)
    store.append([batch([(ONE, ENERGY, 900, midnight, energy(ONE, midnight))])])
    assert asked_at(store).daily(ONE, DAY, DAY)[0].reconciles is True
    store.append([batch([(TWO, ENERGY, 900, midnight, energy(TWO, midnight) + 30_000)])])
    assert asked_at(store).daily(TWO, DAY, DAY)[0].reconciles is False


def test_a_register_that_went_down_is_no_consumption(store):
    before, after = shanghai(3), shanghai(4)
    rows = [(ONE, str(ENERGY), 86_400, before, 900 * MICRO), (ONE, str(ENERGY), 86_400, after, 0)]
    store.append([batch(rows)])
    assert asked_at(store).daily(ONE, DAY, DAY)[0].kwh is None


def test_completeness_and_conflicts(store):
    fill(store, 2, 3)
    fill(store, 3)
    other = (ONE, ENERGY, 900, shanghai(3, 5), 1)
    store.append([batch([other])])
    store.pack()
    queries = asked_at(store)
    one_day = queries.completeness(DAY, DAY)
    assert one_day.expected == one_day.got
    assert (one_day.duplicates, one_day.repeated, one_day.conflicts) == (0, 831, 1)
    assert queries.completeness(dt.date(2026, 3, 2), DAY).expected == 2 * one_day.expected
    (conflict,) = queries.conflicts(DAY, DAY)
    assert (conflict.measured, conflict.other) == (Decimal("114.84"), Decimal("0.000001"))
    assert (conflict.version, conflict.meter_id) == (1, ONE)


def test_terminals(store):
    (terminal,) = asked_at(store).terminals()
    assert (terminal.region, terminal.terminal, terminal.meters) == ("4101", 2082, 3)
    assert (terminal.area_name, terminal.online) == ("Willow Lane", False)
    assert asked_at(store).sessions() == []
    assert asked_at(store).unknown() == []


def test_the_catalogue_knows_what_is_expected():
    for duty in (Duty(phases=3), Duty(has_records=False)):
        for one in owed(duty):
            assert describe(one.register).code == one.register


def test_moments_due_follow_the_length_of_the_day():
    start = 0
    assert len(due(900, (start, start + 23 * 3600), 10**6)) == 92
    assert len(due(900, (start, start + 25 * 3600), 10**6)) == 100
    assert np.array_equal(due(86_400, (start, 86_400), 10**6), [86_400])
    assert len(due(900, (start, 86_400), 5_400)) == 1


def plant(store: Store, day: int, version: int, *hours: int) -> None:
    """Put the measured values of hours of 3 March into a vector, behind the back of packing."""
    moments = np.array([shanghai(3, hour) for hour in hours], "<i8")
    values = np.array([energy(ONE, int(at)) for at in moments], "<i8")
    number = DAYS.number(dt.date(2026, 3, day))
    packed = encode(
        Series(moments, values, np.full(len(hours), Quality.ACTUAL, "u1")),
        DAYS.number_start_s(number),
    )
    row = {
        "meter_id": ONE,
        "interval_s": 900,
        "register": ENERGY,
        "day": number,
        "version": version,
        "scale": packed.scale,
        "moments": packed.count,
        "present": packed.present,
        "vector": packed.raw,
    }
    with store.database.write() as connection:
        connection.execute(schema.day_vector.insert(), [row])


def test_a_reading_that_is_stored_twice_is_counted(store):
    fill(store, 2, 3)
    store.append([batch([(ONE, ENERGY, 900, shanghai(3, 5), 1)])])
    store.pack()
    queries = asked_at(store)
    assert queries.completeness(DAY, DAY).duplicates == 0  # a conflict is none
    plant(store, 3, 2, 5, 6)  # what version 0 has already
    assert queries.completeness(DAY, DAY).duplicates == 2


def test_a_moment_in_two_days_is_counted(store):
    store.append([batch(full_day(ONE))])
    store.pack()
    plant(store, 2, 0, 7)
    assert asked_at(store).completeness(DAY, DAY).duplicates == 1


def test_a_page_of_one_day_does_not_read_the_journal_of_another(store):
    fill(store, 2, 3)
    store.append([batch([(ONE, ENERGY, 900, shanghai(20), 1)])])
    damaged = update(schema.journal).where(schema.journal.c.first_at == shanghai(20))
    with store.database.write() as connection:
        connection.execute(damaged.values(columns=b"not a blob"))
    (area,) = asked_at(store).areas(DAY)
    assert area.read_rate == 1.0


def test_hours_of_a_zone_half_an_hour_beside_utc(tmp_path):
    delhi = Days(ZoneInfo("Asia/Kolkata"))
    path = tmp_path / "headend.sqlite"
    store = Store(Database(str(path)), delhi, config(path))
    start = delhi.start(DAY)
    voltage = Register("1-0:32.7.0")
    first = int(start.timestamp())
    rows = [(ONE, str(voltage), 3600, first + 3600 * n, 229_900_000) for n in range(24)]
    store.append([batch(rows)])
    queries = Queries(store.database, delhi, lambda: LATER)
    curve = queries.curve(ONE, voltage, start, start + dt.timedelta(days=1), 3600)
    assert curve.values == [Decimal("229.9")] * 24
    later = queries.curve(ONE, voltage, start + dt.timedelta(minutes=10), LATER, 3600)
    assert later.times[0] == start + dt.timedelta(hours=1)
    store.close()


def test_only_what_is_read_is_expected(tmp_path):
    """One meter of 1997, one without hourly registers, one with everything."""
    path = tmp_path / "headend.sqlite"
    full = config(path)
    (area,) = full.area
    (terminal,) = area.terminal
    supply, one, two = terminal.meter
    meters = (
        supply,
        msgspec.structs.replace(one, protocol="dlt645-1997"),
        msgspec.structs.replace(two, curve_minutes=30, hourly=False, tariffs=0),
    )
    area = msgspec.structs.replace(
        area, terminal=(msgspec.structs.replace(terminal, meter=meters),)
    )
    store = open_store(path, msgspec.structs.replace(full, area=(area,)))
    hours = [shanghai(3) + 3600 * n for n in range(25)]
    rows: list[Row] = [(ONE, ENERGY, 3600, at, energy(ONE, at)) for at in hours]
    rows += [(ONE, code, 3600, at, 5) for code in ("1-0:16.7.0", "1-0:32.7.0") for at in hours[:24]]
    rows += [(ONE, code, 3600, at, 5) for code in ("1-0:31.7.0", "1-0:13.7.0") for at in hours[:24]]
    halves = [shanghai(3) + 1800 * n for n in range(48)]
    rows += [(TWO, ENERGY, 1800, at, energy(TWO, at)) for at in halves]
    rows += [(TWO, ENERGY, 86_400, at, energy(TWO, at)) for at in (shanghai(3), shanghai(4))]
    store.append([batch(rows)])
    store.append([batch(full_day(SUPPLY, 2) + full_day(SUPPLY, 3))])
    items = {row.id: row for row in asked_at(store).meters(1, day=DAY).items}
    assert (items[ONE].expected, items[ONE].got) == (5 * 24, 5 * 24)
    assert (items[TWO].expected, items[TWO].got) == (49, 49)
    assert items[ONE].day_kwh == Decimal("6.72")
    (today,) = asked_at(store).areas(DAY)
    assert today.loss_percent == Decimal("10.00")
    noon = dt.datetime.fromtimestamp(shanghai(3, 12), dt.UTC)
    (so_far,) = asked_at(store, noon).areas(DAY)
    assert so_far.loss_percent is not None
    store.close()


def test_what_is_drawn_is_the_curve_as_floats(store):
    rows = [row for row in full_day(ONE) if row[3] != shanghai(3, 1)]
    store.append(
        [batch([*rows, (ONE, ENERGY, 900, shanghai(3, 5), 7)])]
    )  # it went down and up again
    queries = asked_at(store)
    holes = 0
    for hours in (0, 2, 30):
        span = DAYS.start(DAY), DAYS.start(DAY) + dt.timedelta(hours=hours)
        curve, drawn = queries.curve(ONE, ENERGY, *span), queries.drawn(ONE, ENERGY, *span)
        assert [dt.datetime.fromtimestamp(at, dt.UTC) for at in drawn.times] == curve.times
        assert drawn.values == [None if each is None else float(each) for each in curve.values]
        holes += drawn.values.count(None)
        used, shown = (
            queries.interval_consumption(ONE, *span),
            queries.drawn_consumption(ONE, *span),
        )
        assert [dt.datetime.fromtimestamp(at, dt.UTC) for at in shown.times] == [
            each.start for each in used
        ]
        assert shown.values == [None if each.kwh is None else float(each.kwh) for each in used]
    assert holes > 1


def test_a_table_of_many_meters_says_what_their_series_say(store):
    """Packed days, the journal and edits, each of another meter and all of one."""
    fill(store, 2, 3)
    store.append([batch([(TWO, ENERGY, 86_400, shanghai(5), 123_000_000)])])
    store.pack()
    store.append([batch([(TWO, ENERGY, 86_400, shanghai(2), 100_000_000)])])
    edits = [Edit(ONE, ENERGY, 86_400, shanghai(5), 99, None)]
    with store.database.write() as connection:
        write_edits(connection, edits, by="ann", method="hand", reason="test", at=LATER)
    first, last = dt.date(2026, 3, 1), dt.date(2026, 3, 5)
    moments = np.array([DAYS.start_s(first + dt.timedelta(days=n)) for n in range(1, 7)])
    meters = [TWO, SUPPLY, 77, ONE]
    with store.database.read() as connection:
        reader = Reader(connection, DAYS)
        values, known = reader.table(meters, ENERGY, 86_400, (first, last), moments)
        series = reader.series(meters, [ENERGY], 86_400, (first, last))
    told = [
        [value if there else None for value, there in zip(*row, strict=True)]
        for row in zip(values.tolist(), known.tolist(), strict=True)
    ]
    assert told == [on_grid(series.get((each, ENERGY), EMPTY), moments) for each in meters]
    assert sum(each is not None for row in told for each in row) == 9
    assert told[2] == [None] * 6


def test_energy_day_by_day_is_that_of_each_span(store):
    fill(store, 2, 3, 4)
    edges = [dt.date(2026, 3, day) for day in range(1, 7)]
    with store.database.read() as connection:
        spans = Spans(connection, DAYS, edges)
        used, known = spans.daily()
        spans_of = [spans.energies(each, each) for each in edges[:-1]]
    for day, energies in enumerate(spans_of):
        for row, each in enumerate(energies):
            (kwh, _), *_ = each.parts or ((None, None),)
            assert (Decimal(int(used[row, day])) / 10**6 if known[row, day] else None) == kwh
    assert known.any()
    assert not known.all()

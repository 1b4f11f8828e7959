"""Curves in bulk: the same readings as value by value, and whatever is not plain is left to the ordinary way."""

import datetime as dt
import random
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.headend.world import DAYS, NOON, open_store, shanghai

from kwhub.headend.ingest import decode as module
from kwhub.headend.ingest.bulk import FEW, Shape, read_curves, runs
from kwhub.headend.ingest.decode import decode
from kwhub.headend.store.days import Days
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.units import Unit

WALL = dt.datetime(2026, 3, 2)
PLAIN = sorted(number for number, kind in CURVES.items() if kind.width == 1)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    store = open_store(tmp_path_factory.mktemp("bulk") / "headend.sqlite")
    yield store.archive.terminals["4101", 2082]
    store.close()


def unit_of(function, chance, count=96):
    form = CURVES[function].form
    signed = form.notation.startswith("±")
    whole, _, fraction = form.notation.lstrip("±").partition(".")
    top = 10 ** (len(whole) + len(fraction)) - 1
    top -= 2 * 10 ** (len(whole) + len(fraction) - 1) if signed else 0  # the sign takes a bit
    values = tuple(
        None
        if chance.random() < 0.1
        else Decimal(chance.randint(-top if signed else 0, top)).scaleb(-len(fraction))
        for _ in range(count)
    )
    return CurveUnit(2, function, WALL, values).to_unit()


def columns(terminal, units):
    batch = decode(terminal, 0x0D, units, DAYS, NOON)
    found = batch.columns
    names = [found.registers[number] for number in found.register]
    arrays = (found.meter, found.interval, found.at, found.value, found.quality)
    return names, [array.tolist() for array in arrays], batch.strays


@pytest.mark.parametrize("function", PLAIN)
def test_the_same_as_value_by_value(terminal, function, monkeypatch):
    chance = random.Random(function)
    freeze = DayFreezeUnit(2, 161, WALL.date(), WALL, (Decimal("10.1234"), None)).to_unit()
    units = [unit_of(function, chance), freeze, unit_of(function, chance, FEW)]
    quick = columns(terminal, units)
    monkeypatch.setattr(module, "read_curves", lambda *_: None)
    assert quick == columns(terminal, units)


def test_bytes_of_any_kind_give_the_same_as_well(terminal, monkeypatch):
    chance = random.Random(4)
    units = []
    for _ in range(200):
        unit = unit_of(chance.choice(PLAIN), chance, chance.randint(0, 20))
        data = bytearray(unit.data)
        for _ in range(chance.randint(0, 3)):
            data[chance.randrange(len(data))] = chance.choice((0x0A, 0xA0, 0xEE, 0xFF, 0x99, 0))
        units.append(Unit(unit.points, unit.functions, bytes(data)))
    quick = [columns(terminal, [unit]) for unit in units]
    together = columns(terminal, units)
    monkeypatch.setattr(module, "read_curves", lambda *_: None)
    assert quick == [columns(terminal, [unit]) for unit in units]
    assert together == columns(terminal, units)
    assert len(together[0]) == sum(len(names) for names, _, _ in quick) > 500


def test_plain_curves_go_the_quick_way_together():
    units = [CurveUnit(point, 101, WALL, (Decimal("1.25"), None) * 8).to_unit() for point in (2, 3)]
    few = CurveUnit(2, 101, WALL, (Decimal(1),) * (FEW - 1)).to_unit()
    (shape, alike), (none, rest) = runs([*units, few])
    assert (shape, alike) == (Shape(101, 900, 16), units)
    assert (none, rest) == (None, [few])
    curves = read_curves(Shape(101, 900, 16), units, DAYS)
    assert curves is not None
    assert curves.points == [2, 3]
    assert curves.value.tolist() == [[1_250_000, 0] * 8] * 2
    assert np.count_nonzero(curves.quality) == 16
    assert curves.at[1, 1] == shanghai(2, 0, 15)


def test_one_bad_curve_among_good_ones_spoils_only_itself(terminal):
    good = [CurveUnit(2, 101, WALL, (Decimal(n),) * 16).to_unit() for n in range(3)]
    bad = bytearray(good[1].data)
    bad[9] = 0x0A
    names, (_, _, _, value, _), strays = columns(
        terminal, [good[0], Unit((2,), (101,), bytes(bad)), good[2]]
    )
    assert len(strays) == 1
    assert value == [0] * 16 + [2_000_000] * 16
    assert len(names) == 32


def test_a_curve_over_the_change_of_the_clocks_goes_the_slow_way(terminal):
    berlin = Days(ZoneInfo("Europe/Berlin"))
    night = dt.datetime(2026, 3, 29, 1)
    unit = CurveUnit(2, 101, night, (Decimal(1),) * 12).to_unit()
    assert read_curves(Shape(101, 900, 12), [unit], berlin) is None
    found = decode(terminal, 0x0D, [unit], berlin, dt.datetime(2026, 4, 1, tzinfo=dt.UTC)).columns
    assert found.at.tolist() == [
        berlin.utc_s(night + dt.timedelta(minutes=15 * n)) for n in range(12)
    ]

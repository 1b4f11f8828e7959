"""Readings become data units, as few as their order allows, and come back the same."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.concentrator.station import readings

from kwhub.concentrator.outbox import Entry, to_scaled
from kwhub.concentrator.report import pack
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376.typed import read_unit

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = int(datetime(2026, 3, 2, tzinfo=SHANGHAI).timestamp())


def entries(register, interval_s, texts, *, start=MIDNIGHT, point=1, first=1):
    return [
        Entry(
            first + index,
            point,
            Register(register),
            interval_s,
            start + index * interval_s,
            *to_scaled(Decimal(text) if text else None),
            MIDNIGHT + 60,
        )
        for index, text in enumerate(texts)
    ]


def said(packed) -> list[Any]:
    return [
        typed
        for parcel in packed.parcels
        for unit in parcel.units
        for typed in read_unit(0x0D, unit, up=True)
    ]


def come_back(packed):
    return {key: value for typed in said(packed) for key, value in readings(typed)}


def test_a_run_of_a_curve_is_one_unit_and_a_hole_ends_it():
    run = entries("1-0:1.8.0", 900, ["1.00", "1.25", None, "1.75"])
    run += entries("1-0:1.8.0", 900, ["9.00"], start=MIDNIGHT + 7_200, first=5)
    packed = pack(run, SHANGHAI)
    (parcel,) = packed.parcels
    assert len(parcel.units) == 2
    assert parcel.ids == (1, 2, 3, 4, 5)
    assert come_back(packed) == {
        (entry.point, entry.register, 900, entry.at): entry.decimal for entry in run
    }


def test_every_kind_of_hourly_register_comes_back_in_its_own_unit():
    values = {"16.7.0": "1.2345", "32.7.0": "230.1", "31.7.0": "5.432", "13.7.0": "0.985"}
    sent = [
        entry
        for index, (code, text) in enumerate(values.items())
        for entry in entries(f"1-0:{code}", 3_600, [text], first=index + 1)
    ]
    found = come_back(pack(sent, SHANGHAI))
    assert {key[1][4:]: value for key, value in found.items() if key[1] != "1-0:13.7.0"} == {
        code: Decimal(text) for code, text in values.items() if code != "13.7.0"
    }
    assert found[1, "1-0:13.7.0", 3_600, MIDNIGHT] == Decimal("98.5")  # the wire says percent


def test_a_day_freeze_with_its_tariffs_is_one_unit_of_the_day_that_ended():
    freeze = [
        entry
        for tariff, text in enumerate(["10.00", "1.00", None, "3.00"])
        for entry in entries(f"1-0:1.8.{tariff}", 86_400, [text], first=tariff + 1)
    ]
    packed = pack(freeze, SHANGHAI)
    (typed,) = said(packed)
    assert typed.day.isoformat() == "2026-03-01"
    assert come_back(packed)[1, "1-0:1.8.2", 86_400, MIDNIGHT] is None


def test_reports_are_filled_up_to_their_limit_and_keep_the_order():
    many = [
        entry
        for point in range(1, 41)
        for entry in entries("1-0:1.8.0", 900, ["1.00"] * 4, point=point, first=point * 10)
    ]
    packed = pack(many, SHANGHAI, user_bytes_max=300)
    sizes = [sum(len(unit.to_bytes()) for unit in parcel.units) for parcel in packed.parcels]
    assert max(sizes) <= 300 - 8
    assert min(sizes[:-1]) > 300 - 8 - 27
    ids = [place for parcel in packed.parcels for place in parcel.ids]
    assert ids == sorted(ids)
    assert len(come_back(packed)) == 160


def test_what_does_not_fit_its_field_is_named_and_the_rest_goes():
    run = entries("1-0:16.7.0", 3_600, ["1.0000", "123.0000", "2.0000"])
    run += entries("1-0:96.1.0", 3_600, ["1"], first=9)
    run += entries("1-0:1.8.0", 86_400, ["12345678.00"], first=10)
    run += entries("1-0:16.8.0", 86_400, ["1.00"], first=11)
    packed = pack(run, SHANGHAI)
    assert [place for place, _ in packed.unsayable] == [2, 9, 10, 11]
    assert len(come_back(packed)) == 2


def test_a_run_is_cut_where_the_clocks_change():
    berlin = ZoneInfo("Europe/Berlin")
    start = int(datetime(2026, 3, 29, 1, 30, tzinfo=berlin).timestamp())
    run = entries("1-0:1.8.0", 900, ["1.00", "2.00", "3.00"], start=start)
    assert [typed.start.hour for typed in said(pack(run, berlin))] == [1, 3]

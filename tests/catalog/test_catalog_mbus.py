"""M-Bus records as registers: which one, in which unit, of which storage, when."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.mbus.corpusmbus import corpus

from kwhub.catalog.mbus import REGISTER_STEMS, UNITS, in_register_unit
from kwhub.catalog.mbus_readings import readings_of
from kwhub.catalog.media_rows import MEDIA_ROWS
from kwhub.catalog.registers import describe
from kwhub.domain.readings import Register
from kwhub.protocols.mbus.frames import FrameMbus, parse
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.telegrams import read_telegram

ELECTRICITY, GAS, HEAT, WARM, WATER, COST, COOLING, BOTH = 2, 3, 4, 6, 7, 8, 10, 13


def read(records, medium=HEAT, maker="KAM"):
    identity = Identity.parse(f"12345678-{maker}-01-{medium:02X}")
    data = identity.to_bytes() + bytes(4) + bytes.fromhex(records)
    return readings_of([read_telegram(FrameMbus.long(0x08, 1, 0x72, data))])


@pytest.mark.parametrize(
    ("medium", "records", "register", "value", "unit"),
    [
        (HEAT, "0406 40e20100", "6-0:1.0.0", "123456", "kWh"),
        (HEAT, "0403 40e20100", "6-0:1.0.0", "123.456", "kWh"),
        (HEAT, "040e 01000000", "6-0:1.0.0", "0.277778", "kWh"),  # 1 MJ
        (HEAT, "04fb01 01000000", "6-0:1.0.0", "1000", "kWh"),
        (HEAT, "0c14 56341200", "6-0:2.0.0", "1234.56", "m3"),
        (HEAT, "042d 0a000000", "6-0:8.0.0", "1.0", "kW"),
        (HEAT, "043b 0a000000", "6-0:9.0.0", "0.010", "m3/h"),
        (HEAT, "0443 0a000000", "6-0:9.0.0", "0.0600", "m3/h"),  # 0.001 m3/min
        (HEAT, "025a 1c02", "6-0:10.0.0", "54.0", "degC"),
        (HEAT, "025e 1c02", "6-0:11.0.0", "54.0", "degC"),
        (HEAT, "0261 1c02", "6-0:12.0.0", "5.40", "K"),
        (BOTH, "04863c 01000000", "5-0:1.0.0", "1", "kWh"),
        (COOLING, "0406 01000000", "5-0:1.0.0", "1", "kWh"),
        (WATER, "8c4013 01000000", "8-1:1.0.0", "0.001", "m3"),
        (WARM, "0c13 01000000", "9-0:1.0.0", "0.001", "m3"),
        (GAS, "0c13 01000000", "7-0:3.0.0", "0.001", "m3"),
        (COST, "026e 0500", "4-0:1.0.0", "5", ""),
        (ELECTRICITY, "8c2004 01000000", "1-0:1.8.2", "0.010", "kWh"),
        (ELECTRICITY, "04843c 01000000", "1-0:2.8.0", "0.010", "kWh"),
        (ELECTRICITY, "048300 01000000", "1-0:1.8.0", "0.001", "kWh"),
        (ELECTRICITY, "02fd48 0709", "1-0:12.7.0", "231.1", "V"),
        (ELECTRICITY, "02fdc8fc03 0709", "1-0:72.7.0", "231.1", "V"),
        (ELECTRICITY, "042b 01000000", "1-0:16.7.0", "0.001", "kW"),
        (ELECTRICITY, "04ab3b 01000000", "1-0:1.7.0", "0.001", "kW"),
        (ELECTRICITY, "142b 01000000", "1-0:1.6.0", "0.001", "kW"),
        (HEAT, "0c06 ddb4ebdd", "6-0:1.0.0", None, "kWh"),
    ],
)
def test_a_record_is_a_register_in_its_unit(medium, records, register, value, unit):
    (found,) = read(records, medium)
    assert (found.register, found.unit) == (register, unit)
    assert found.value == (None if value is None else Decimal(value))
    assert describe(found.register).unit == unit
    assert found.source == f"mbus:{records.split()[0].upper()}"


@pytest.mark.parametrize(
    ("medium", "records"),
    [
        (HEAT, "1406 01000000"),  # a maximum of a counter
        (HEAT, "3406 01000000"),  # during an error
        (WATER, "04937f 01000000"),  # the maker's own
        (0x1F, "0413 01000000"),  # no such medium
        (HEAT, "0c78 78563412"),
        (ELECTRICITY, "02fdc8ff01 0709"),  # a phase by a maker who is not known
    ],
)
def test_what_is_no_register(medium, records):
    assert read(records, medium) == ()


def test_makers_that_mark_phases_in_their_own_way():
    records = "02fdc9ff01 0709 02fdc9ff02 0809 02fdc9ff03 0909 02acff00 0a00 8240acff00 0b00"
    found = read(records, ELECTRICITY, "SBC")
    codes = ["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0", "1-0:16.7.0"]
    assert [each.register for each in found] == codes


def test_storage_and_its_time():
    stamp, due = "046d 1e0c 6d13", "426c 5f1c"  # 2011-03-13 12:30 (type F), end of 2010 (type G)
    found = read(f"0406 05000000 4406 04000000 {stamp} {due} 8c0106 03000000")
    assert [(each.storage, each.value) for each in found] == [(0, 5), (1, 4), (2, 3)]
    assert isinstance(found[0].at, datetime)
    assert found[0].at.tzinfo is None
    assert type(found[1].at) is date
    assert found[2].at is None


def test_a_clock_that_is_wrong_dates_nothing():
    (found,) = read("0406 05000000 046d 9e0c 6d13")
    assert found.at is None


def test_a_register_that_stands_twice_is_given_once():
    assert [each.value for each in read("0406 05000000 0406 06000000")] == [5]


def test_units_of_the_table_are_those_of_the_registers():
    for (group, _quantity), stem in REGISTER_STEMS.items():
        describe(Register(f"{group}-0:{stem}.0"))
    assert {row.unit for row in MEDIA_ROWS.values()} <= {unit for unit, *_ in UNITS.values()}


@given(st.integers(0, 10**12))
def test_joules_can_be_had_again(megajoules):
    value, unit = in_register_unit(Decimal(megajoules) * 10**6, "J")
    assert unit == "kWh"
    assert value is not None
    assert round(value * 3_600_000 / 10**6) == megajoules


def test_every_published_telegram_gives_readings_in_the_units_of_the_catalogue():
    count = 0
    for vector in corpus("given.jsonl"):
        for found in readings_of([read_telegram(parse(bytes.fromhex(vector["hex"])))]):
            assert describe(found.register).unit == found.unit, vector["id"]
            count += 1
    assert count >= 300

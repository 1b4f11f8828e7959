"""The catalogue: codes, aliases, texts that people write, and the names in each protocol."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.catalog import (
    REGISTERS,
    describe,
    from_dlt645,
    from_gdw_curve,
    from_gdw_day_freeze,
    parse_register,
    to_dlt645,
    to_gdw_curve,
    to_gdw_day_freeze,
)
from kwhub.catalog.media_rows import MEDIA_ROWS
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645 import Edition
from kwhub.protocols.dlt645.items import find, register_identifiers
from kwhub.protocols.dlt645.load_record import CLASSES
from kwhub.protocols.dlt645.notation import field_codec
from kwhub.protocols.gdw1376.registers import CURVES, DAY_FREEZES

PHASES = {"a": "l1", "b": "l2", "c": "l3", "zero": "neutral", "total": "total"}


def test_codes_and_aliases_are_unique_and_well_formed():
    aliases = [info.alias for info in REGISTERS.values()]
    assert len(set(aliases)) == len(aliases)
    for code, info in REGISTERS.items():
        assert re.fullmatch(r"\d-0:\d+\.\d+\.\d+", code)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", info.alias)
        assert info.code == code
        assert info.name_en
        assert info.name_zh
        assert "{" not in info.name_zh


@pytest.mark.parametrize(
    ("code", "alias", "unit", "decimals", "cumulative"),
    [
        ("1-0:1.8.0", "energy_active_import_total", "kWh", 2, True),
        ("1-0:1.8.3", "energy_active_import_tariff3", "kWh", 2, True),
        ("1-0:1.8.17", "energy_active_import_tariff17", "kWh", 2, True),
        ("1-0:2.8.0", "energy_active_export_total", "kWh", 2, True),
        ("1-0:41.8.0", "energy_active_import_l2", "kWh", 2, True),
        ("1-0:15.8.0", "energy_active_combined_total", "kWh", 2, False),
        ("1-0:1.6.0", "demand_active_import_max_total", "kW", 4, False),
        ("1-0:32.7.0", "voltage_l1", "V", 1, False),
        ("1-0:71.7.0", "current_l3", "A", 3, False),
        ("1-0:16.7.0", "power_active_total", "kW", 4, False),
        ("1-0:13.7.0", "power_factor_total", "", 3, False),
        ("1-0:14.7.0", "frequency", "Hz", 2, False),
        ("6-0:1.0.0", "heat_energy", "kWh", 3, True),
        ("6-1:1.0.2", "heat_energy_channel1_tariff2", "kWh", 3, True),
        ("8-0:1.0.0", "cold_water_volume", "m3", 3, True),
        ("9-0:2.0.0", "hot_water_flow", "m3/h", 3, False),
        ("7-0:3.0.0", "gas_volume", "m3", 3, True),
    ],
)
def test_what_is_known_of_a_register(code, alias, unit, decimals, cumulative):
    info = describe(Register(code))
    assert (info.code, info.alias, info.unit) == (code, alias, unit)
    assert (info.decimals, info.cumulative) == (decimals, cumulative)


@pytest.mark.parametrize(
    "code",
    [
        "1-0:1.8.64",
        "8-65:1.0.0",
        "8-0:1.0.64",
        "8-0:1.1.0",
        "1-0:99.9.9",
        "",
        "1-0:1.8.x",
        "rubbish",
    ],
)
def test_what_is_no_register(code):
    with pytest.raises(KwhubError):
        describe(Register(code))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1-0:1.8.0", "1-0:1.8.0"),
        (" 1.8.0 ", "1-0:1.8.0"),
        ("1-0:1.8.0*255", "1-0:1.8.0"),
        ("1-0:1.8.0.255", "1-0:1.8.0"),
        ("1.8.0&255", "1-0:1.8.0"),
        ("1.8.63", "1-0:1.8.63"),
        ("0.9.1", "0-0:0.9.1"),
        ("0-0:96.1.0", "0-0:96.1.0"),
        ("voltage_l1", "1-0:32.7.0"),
        ("Voltage-L1", "1-0:32.7.0"),
        ("energy_active_import_tariff9", "1-0:1.8.9"),
        ("00010000", "1-0:1.8.0"),
        ("00-01-00-00", "1-0:1.8.0"),
        ("02-01-02-00", "1-0:52.7.0"),
        ("9010", "1-0:1.8.0"),
        ("b6 30", "1-0:16.7.0"),
        ("gas_volume", "7-0:3.0.0"),
        ("heat_energy_tariff2", "6-0:1.0.2"),
        ("heat_volume_channel2", "6-2:2.0.0"),
        ("6-1:2.0.3", "6-1:2.0.3"),
    ],
)
def test_registers_as_people_write_them(text, code):
    assert parse_register(text) == code


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("voltag_l1", "voltage_l1"),
        ("energy_activ_import", "energy_active_import"),
        ("1-0:1.8.99", "1-0:1.8"),
        ("1-0:1.8.0*1", "did you mean"),
        ("energy_active_import_tariff64", "did you mean"),
        ("no such thing at all", "1-0:1.8.0"),
        ("", "1-0:1.8.0"),
        ("0001FF00", "1-0:1.8.0"),
    ],
)
def test_an_error_says_what_was_near(text, hint):
    with pytest.raises(KwhubError) as caught:
        parse_register(text)
    assert repr(text) in str(caught.value) or text in str(caught.value)
    assert hint in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_register_or_an_error(text):
    try:
        code = parse_register(text)
    except KwhubError:
        return
    assert describe(code).code == code


@pytest.mark.parametrize("code", REGISTERS)
def test_every_code_and_alias_is_read_back(code):
    assert parse_register(code) == code
    assert parse_register(REGISTERS[code].alias) == code


@pytest.mark.parametrize("edition", Edition, ids=lambda edition: edition.value)
def test_identifiers_and_registers_are_the_reverse_of_each_other(edition):
    identifiers = register_identifiers(edition)
    assert len(identifiers) > 200
    for register, identifier in identifiers.items():
        item = find(identifier, edition)
        assert item is not None
        assert to_dlt645(register, edition) == identifier
        assert from_dlt645(identifier, edition) == register
        assert item.unit == describe(register).unit


def test_units_and_decimals_are_those_of_the_meter():
    other_media = {f"{group}.0" for group in MEDIA_ROWS}
    for register, info in REGISTERS.items():
        if register in other_media:
            continue
        item = find(to_dlt645(register))
        assert item is not None
        notation = item.format.partition("+")[0]
        if set(notation) <= set("XN."):
            assert len(notation.partition(".")[2]) == info.decimals


def test_load_records_hold_registers_of_the_catalogue():
    for fields in CLASSES.values():
        for field in fields:
            info = describe(Register(field.register))
            assert info.unit == field.unit
            item = find(to_dlt645(Register(field.register)))
            assert item is not None
            assert field.codec is not None
            wanted = field_codec(item.format, signed=item.signed, unit=item.unit)
            assert wanted.size == field.codec.size
            assert item.signed == field.codec.signed


@pytest.mark.parametrize(
    ("register", "edition", "identifier"),
    [
        ("1-0:1.8.0", Edition.E2007, 0x00010000),
        ("1-0:1.8.4", Edition.E2007, 0x00010400),
        ("1-0:1.8.4", Edition.E1997, 0x9014),
        ("1-0:1.8.0", Edition.E1997, 0x9010),
        ("1-0:8.8.0", Edition.E1997, 0x9140),
        ("1-0:52.7.0", Edition.E2007, 0x02010200),
        ("1-0:52.7.0", Edition.E1997, 0xB612),
        ("1-0:131.7.0", Edition.E2007, 0x02040000),
        ("1-0:1.6.0", Edition.E2007, 0x01010000),
        ("1-0:61.8.0", Edition.E2007, 0x003D0000),
        ("0-0:0.9.2", Edition.E2007, 0x04000101),
    ],
)
def test_identifiers_of_registers(register, edition, identifier):
    assert to_dlt645(Register(register), edition) == identifier


def test_registers_that_an_edition_does_not_have():
    with pytest.raises(KwhubError, match="energy_active_combined_total"):
        to_dlt645(Register("1-0:15.8.0"), Edition.E1997)


@pytest.mark.parametrize("identifier", [0x0001FF00, 0x00010001, 0x04000501, 0x00FF0000])
def test_identifiers_without_a_register(identifier):
    assert from_dlt645(identifier) is None


POWERS = {"active_power": "power_active", "reactive_power": "power_reactive"}


def _of_function(quantity, phase):
    return f"{POWERS.get(quantity, quantity)}_{PHASES[phase]}"


def test_curve_functions_carry_what_their_table_says():
    for function, kind in CURVES.items():
        register = from_gdw_curve(function)
        if register is None:
            assert kind.quantity.endswith(("_increment", "_angle")), kind
            continue
        assert to_gdw_curve(register) == function
        assert describe(register).alias == _of_function(kind.quantity, kind.phase)


def test_day_freeze_functions_carry_total_and_tariffs():
    for function, kind in DAY_FREEZES.items():
        registers = from_gdw_day_freeze(function, 5)
        assert [describe(register).alias for register in registers] == [
            f"{kind.quantity}_total",
            *(f"{kind.quantity}_tariff{tariff}" for tariff in range(1, 5)),
        ]
        assert {to_gdw_day_freeze(register) for register in registers} == {function}


def test_functions_that_are_none_of_ours():
    assert from_gdw_curve(97) is None
    assert to_gdw_curve(Register("1-0:9.7.0")) is None
    assert from_gdw_day_freeze(185, 5) == ()
    assert to_gdw_day_freeze(Register("1-0:32.7.0")) is None

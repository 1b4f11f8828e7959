"""Registers: what is measured, by OBIS code, with its alias, unit and names.

Source: IEC 62056-61 (OBIS, value groups A to E); value group F is 255 everywhere and left out. Combined
reactive energy 1 and 2 of DL/T 645 stand as reactive import (3.8) and export (4.8).

>>> describe(parse_register("energy_active_import_total")).name_zh
'正向有功总电能'
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import NamedTuple

from kwhub.catalog.media_rows import CHANNELS_MAX, MEDIA_ROWS
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import find

__all__ = ["REGISTERS", "TARIFFS_MAX", "RegisterInfo", "describe", "parse_register"]

TARIFFS_LISTED = 4
"""Tariffs that every list shows; more are described when they are asked for."""

TARIFFS_MAX = 63
"""Most tariffs of a meter (DL/T 645-2007, table A.1)."""

SUGGESTIONS_MAX = 3


@dataclass(frozen=True, slots=True)
class RegisterInfo:
    """What is known of a register.

    Attributes:
        code: OBIS code in the short form ``1-0:1.8.0``.
        alias: stable name in lower snake case, the same in every language.
        unit: of the values, empty for numbers without one and for texts.
        decimals: digits after the point as meters give them.
        cumulative: only grows, so that a difference is a consumption.
    """

    code: Register
    alias: str
    unit: str
    name_en: str
    name_zh: str
    decimals: int
    cumulative: bool = False


class _Quantity(NamedTuple):
    """A quantity that is kept in total and by tariff."""

    group: str  #: value groups A to D
    stem: str
    unit: str
    name_en: str
    name_zh: str  #: with a hole for the tariff


_ENERGY_DECIMALS = 2
_POWER_DECIMALS = 4

# fmt: off
_ENERGIES = (
    _Quantity("1-0:1.8", "energy_active_import", "kWh", "Active energy import", "正向有功{}电能"),
    _Quantity("1-0:2.8", "energy_active_export", "kWh", "Active energy export", "反向有功{}电能"),
    _Quantity("1-0:3.8", "energy_reactive_import", "kvarh", "Reactive energy import (combined reactive 1)", "组合无功1{}电能"),
    _Quantity("1-0:4.8", "energy_reactive_export", "kvarh", "Reactive energy export (combined reactive 2)", "组合无功2{}电能"),
    _Quantity("1-0:5.8", "energy_reactive_q1", "kvarh", "Reactive energy, quadrant 1", "第一象限无功{}电能"),
    _Quantity("1-0:6.8", "energy_reactive_q2", "kvarh", "Reactive energy, quadrant 2", "第二象限无功{}电能"),
    _Quantity("1-0:7.8", "energy_reactive_q3", "kvarh", "Reactive energy, quadrant 3", "第三象限无功{}电能"),
    _Quantity("1-0:8.8", "energy_reactive_q4", "kvarh", "Reactive energy, quadrant 4", "第四象限无功{}电能"),
    _Quantity("1-0:9.8", "energy_apparent_import", "kVAh", "Apparent energy import", "正向视在{}电能"),
    _Quantity("1-0:10.8", "energy_apparent_export", "kVAh", "Apparent energy export", "反向视在{}电能"),
    _Quantity("1-0:15.8", "energy_active_combined", "kWh", "Active energy, combined", "组合有功{}电能"),
)
_NET = frozenset({"energy_active_combined", "energy_reactive_import", "energy_reactive_export"})
"""Sums of directions or quadrants, which the meter's combination word can make fall."""

_DEMANDS = (
    _Quantity("1-0:1.6", "demand_active_import_max", "kW", "Maximum demand, active import", "正向有功{}最大需量"),
    _Quantity("1-0:2.6", "demand_active_export_max", "kW", "Maximum demand, active export", "反向有功{}最大需量"),
    _Quantity("1-0:3.6", "demand_reactive_import_max", "kvar", "Maximum demand, reactive import", "组合无功1{}最大需量"),
    _Quantity("1-0:4.6", "demand_reactive_export_max", "kvar", "Maximum demand, reactive export", "组合无功2{}最大需量"),
    _Quantity("1-0:5.6", "demand_reactive_q1_max", "kvar", "Maximum demand, quadrant 1", "第一象限无功{}最大需量"),
    _Quantity("1-0:6.6", "demand_reactive_q2_max", "kvar", "Maximum demand, quadrant 2", "第二象限无功{}最大需量"),
    _Quantity("1-0:7.6", "demand_reactive_q3_max", "kvar", "Maximum demand, quadrant 3", "第三象限无功{}最大需量"),
    _Quantity("1-0:8.6", "demand_reactive_q4_max", "kvar", "Maximum demand, quadrant 4", "第四象限无功{}最大需量"),
    _Quantity("1-0:9.6", "demand_apparent_import_max", "kVA", "Maximum demand, apparent import", "正向视在{}最大需量"),
    _Quantity("1-0:10.6", "demand_apparent_export_max", "kVA", "Maximum demand, apparent export", "反向视在{}最大需量"),
)
_BY_GROUP: Mapping[str, _Quantity] = MappingProxyType(
    {quantity.group: quantity for quantity in (*_ENERGIES, *_DEMANDS)}
)


def _info(code: str, alias: str, unit: str, name_en: str, name_zh: str, decimals: int = 0) -> RegisterInfo:
    return RegisterInfo(Register(code), alias, unit, name_en, name_zh, decimals)


_SINGLE = (
    _info("1-0:32.7.0", "voltage_l1", "V", "Voltage, phase A", "A相电压", 1),
    _info("1-0:52.7.0", "voltage_l2", "V", "Voltage, phase B", "B相电压", 1),
    _info("1-0:72.7.0", "voltage_l3", "V", "Voltage, phase C", "C相电压", 1),
    _info("1-0:31.7.0", "current_l1", "A", "Current, phase A", "A相电流", 3),
    _info("1-0:51.7.0", "current_l2", "A", "Current, phase B", "B相电流", 3),
    _info("1-0:71.7.0", "current_l3", "A", "Current, phase C", "C相电流", 3),
    _info("1-0:91.7.0", "current_neutral", "A", "Neutral current", "零线电流", 3),
    _info("1-0:16.7.0", "power_active_total", "kW", "Active power, total", "总有功功率", 4),
    _info("1-0:36.7.0", "power_active_l1", "kW", "Active power, phase A", "A相有功功率", 4),
    _info("1-0:56.7.0", "power_active_l2", "kW", "Active power, phase B", "B相有功功率", 4),
    _info("1-0:76.7.0", "power_active_l3", "kW", "Active power, phase C", "C相有功功率", 4),
    _info("1-0:131.7.0", "power_reactive_total", "kvar", "Reactive power, total", "总无功功率", 4),
    _info("1-0:151.7.0", "power_reactive_l1", "kvar", "Reactive power, phase A", "A相无功功率", 4),
    _info("1-0:171.7.0", "power_reactive_l2", "kvar", "Reactive power, phase B", "B相无功功率", 4),
    _info("1-0:191.7.0", "power_reactive_l3", "kvar", "Reactive power, phase C", "C相无功功率", 4),
    _info("1-0:9.7.0", "power_apparent_total", "kVA", "Apparent power, total", "总视在功率", 4),
    _info("1-0:29.7.0", "power_apparent_l1", "kVA", "Apparent power, phase A", "A相视在功率", 4),
    _info("1-0:49.7.0", "power_apparent_l2", "kVA", "Apparent power, phase B", "B相视在功率", 4),
    _info("1-0:69.7.0", "power_apparent_l3", "kVA", "Apparent power, phase C", "C相视在功率", 4),
    _info("1-0:13.7.0", "power_factor_total", "", "Power factor, total", "总功率因数", 3),
    _info("1-0:33.7.0", "power_factor_l1", "", "Power factor, phase A", "A相功率因数", 3),
    _info("1-0:53.7.0", "power_factor_l2", "", "Power factor, phase B", "B相功率因数", 3),
    _info("1-0:73.7.0", "power_factor_l3", "", "Power factor, phase C", "C相功率因数", 3),
    _info("1-0:14.7.0", "frequency", "Hz", "Grid frequency", "电网频率", 2),
    _info("1-0:1.4.0", "demand_active_present", "kW", "Present active demand", "当前有功需量", 4),
    _info("1-0:3.4.0", "demand_reactive_present", "kvar", "Present reactive demand", "当前无功需量", 4),
    _info("1-0:9.4.0", "demand_apparent_present", "kVA", "Present apparent demand", "当前视在需量", 4),
    _info("0-0:96.9.0", "temperature", "degC", "Temperature inside the meter", "表内温度", 1),
    _info("0-0:96.6.0", "battery_time", "min", "Working time of the clock battery", "内部电池工作时间"),
    _info("0-0:96.6.3", "battery_voltage", "V", "Voltage of the clock battery", "时钟电池电压", 2),
    _info("0-0:0.9.1", "clock_time", "", "Time of the meter's clock", "时间"),
    _info("0-0:0.9.2", "clock_date", "", "Date of the meter's clock", "日期"),
    _info("0-0:1.0.0", "clock", "", "Date and time of the meter's clock", "日期及时间"),
    _info("0-0:96.1.0", "meter_number", "", "Meter number", "表号"),
    _info("0-0:96.1.1", "meter_address", "", "Communication address", "通信地址"),
    _info("1-0:0.3.0", "constant_active", "imp/kWh", "Meter constant, active", "电表有功常数"),
    _info("1-0:0.3.1", "constant_reactive", "imp/kvarh", "Meter constant, reactive", "电表无功常数"),
    _info("1-0:0.4.2", "ratio_current", "", "Current transformer ratio", "电流互感器变比"),
    _info("1-0:0.4.3", "ratio_voltage", "", "Voltage transformer ratio", "电压互感器变比"),
)
# fmt: on

_PHASES = ((20, "l1", "A"), (40, "l2", "B"), (60, "l3", "C"))


def _tariff_info(quantity: _Quantity, tariff: int) -> RegisterInfo:
    """A quantity in total (tariff 0) or in one tariff."""
    energy = quantity.group.endswith(".8")
    return RegisterInfo(
        Register(f"{quantity.group}.{tariff}"),
        f"{quantity.stem}_tariff{tariff}" if tariff else f"{quantity.stem}_total",
        quantity.unit,
        f"{quantity.name_en}, tariff {tariff}" if tariff else f"{quantity.name_en}, total",
        quantity.name_zh.format(f"费率{tariff}" if tariff else "总"),
        _ENERGY_DECIMALS if energy else _POWER_DECIMALS,
        cumulative=energy and quantity.stem not in _NET,
    )


def _phase_info(quantity: _Quantity, offset: int, suffix: str, phase: str) -> RegisterInfo:
    """A quantity of one phase: value group C is 20, 40 or 60 higher."""
    medium, _, code = quantity.group.partition(":")
    group_c, _, group_d = code.partition(".")
    total = _tariff_info(quantity, 0)
    return RegisterInfo(
        Register(f"{medium}:{int(group_c) + offset}.{group_d}.0"),
        f"{quantity.stem}_{suffix}",
        quantity.unit,
        f"{quantity.name_en}, phase {phase}",
        f"{phase}相{quantity.name_zh.format('')}",
        total.decimals,
        cumulative=total.cumulative,
    )


def _media_info(group: str, channel: int = 0, tariff: int = 0) -> RegisterInfo:
    """A register of another medium, or of electricity over M-Bus."""
    row = MEDIA_ROWS[group]
    alias, name_en, name_zh = row.alias, row.name_en, row.name_zh
    if channel:
        alias, name_en = f"{alias}_channel{channel}", f"{name_en}, channel {channel}"
        name_zh = f"{name_zh}（通道{channel}）"
    if tariff:
        alias, name_en = f"{alias}_tariff{tariff}", f"{name_en}, tariff {tariff}"
        name_zh = f"{name_zh}（费率{tariff}）"
    medium, _, stem = group.partition("-0:")
    code = Register(f"{medium}-{channel}:{stem}.{tariff}")
    return RegisterInfo(code, alias, row.unit, name_en, name_zh, row.decimals, row.cumulative)


def _from_media(code: str) -> RegisterInfo | None:
    match = _OBIS.fullmatch(code)
    if match is None or match["medium"] is None or match["period"]:
        return None
    stem, _, tariff = match["code"].rpartition(".")
    group = f"{int(match['medium'])}-0:{stem}"
    channel = int(match["channel"])
    if group not in MEDIA_ROWS or channel > CHANNELS_MAX or int(tariff) > TARIFFS_MAX:
        return None
    return _media_info(group, channel, int(tariff))


def _every_info() -> Iterator[RegisterInfo]:
    for quantity in (*_ENERGIES, *_DEMANDS):
        for tariff in range(TARIFFS_LISTED + 1):
            yield _tariff_info(quantity, tariff)
    yield from _SINGLE
    for quantity in (*_ENERGIES[:-1], *_DEMANDS):
        for offset, suffix, phase in _PHASES:
            yield _phase_info(quantity, offset, suffix, phase)
    for group in MEDIA_ROWS:
        yield _media_info(group)


REGISTERS: Mapping[Register, RegisterInfo] = MappingProxyType(
    {info.code: info for info in _every_info()}
)
"""Every register that lists show, in the order in which people expect them."""

_ALIASES: Mapping[str, Register] = MappingProxyType(
    {info.alias: info.code for info in REGISTERS.values()}
)

_MEDIA_GROUPS: Mapping[str, str] = MappingProxyType(
    {row.alias: group for group, row in MEDIA_ROWS.items()}
)

_OBIS = re.compile(
    r"(?:(?P<medium>\d{1,3})-(?P<channel>\d{1,3}):)?"
    r"(?P<code>\d{1,3}\.\d{1,3}\.\d{1,3})(?:[*.&](?P<period>\d{1,3}))?"
)
_WHOLE_PERIOD = 255
_MEDIA_ALIAS = re.compile(
    r"(?P<stem>.+?)(?:_channel(?P<channel>[1-9]\d?))?(?:_tariff(?P<tariff>[1-9]\d?))?"
)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")


def describe(code: Register) -> RegisterInfo:
    """What is known of a register. Raises KwhubError for a code that the catalogue does not have."""
    known = REGISTERS.get(code)
    if known is not None:
        return known
    other = _from_media(code)
    if other is not None:
        return other
    group, _, tariff = code.rpartition(".")
    quantity = _BY_GROUP.get(group)
    if quantity is None or not tariff.isdecimal() or not 0 <= int(tariff) <= TARIFFS_MAX:
        raise KwhubError(f"{code} is no register of the catalogue{_suggest(code)}")
    return _tariff_info(quantity, int(tariff))


def parse_register(text: str) -> Register:
    """A register as people write it.

    Takes an OBIS code with or without value groups A, B and F (``1-0:1.8.0*255``, ``1.8.0``), an alias,
    or an identifier of DL/T 645 in the order in which people write it (``00010000``, ``00-01-00-00``,
    and ``9010`` of the 1997 edition).

    Raises:
        KwhubError: it is none of them; says what is near.

    >>> parse_register("1.8.0"), parse_register("00-01-00-00"), parse_register("voltage_l1")
    ('1-0:1.8.0', '1-0:1.8.0', '1-0:32.7.0')
    """
    plain = text.strip()
    alias = plain.lower().replace("-", "_").replace(" ", "_")
    found = _ALIASES.get(alias) or _alias_of_tariff(alias) or _from_identifier(plain)
    if found is not None:
        return found
    match = _OBIS.fullmatch(plain)
    if match is None or int(match["period"] or _WHOLE_PERIOD) != _WHOLE_PERIOD:
        raise KwhubError(f"{text!r} is no register{_suggest(plain)}")
    return _known_code(match, plain)


def _known_code(match: re.Match[str], plain: str) -> Register:
    """The register of an OBIS code; without value groups A and B the first that has the rest."""
    code = match["code"]
    if match["medium"]:
        return describe(Register(f"{match['medium']}-{match['channel']}:{code}")).code
    for prefix in ("1-0:", "0-0:"):
        try:
            return describe(Register(prefix + code)).code
        except KwhubError:
            continue
    raise KwhubError(f"{plain} is no register of the catalogue{_suggest(plain)}")


def _alias_of_tariff(alias: str) -> Register | None:
    """An alias of a tariff that the lists leave out."""
    parts = _MEDIA_ALIAS.fullmatch(alias)
    if parts is not None and parts["stem"] in _MEDIA_GROUPS:
        channel, tariff = int(parts["channel"] or 0), int(parts["tariff"] or 0)
        if channel <= CHANNELS_MAX and tariff <= TARIFFS_MAX:
            return _media_info(_MEDIA_GROUPS[parts["stem"]], channel, tariff).code
    stem, found, number = alias.rpartition("_tariff")
    if not found or not number.isdecimal() or not 0 < int(number) <= TARIFFS_MAX:
        return None
    total = _ALIASES.get(f"{stem}_total")
    return None if total is None else Register(f"{total.rpartition('.')[0]}.{int(number)}")


def _from_identifier(text: str) -> Register | None:
    digits = text.replace("-", "").replace(" ", "")
    edition = {8: Edition.E2007, 4: Edition.E1997}.get(len(digits))
    if edition is None or not _HEXADECIMAL.fullmatch(digits):
        return None
    item = find(int(digits, 16), edition)
    return item.register if item else None


def _suggest(text: str) -> str:
    """The end of an error message: what may have been meant."""
    wanted = text.lower()
    near = get_close_matches(wanted, [*_ALIASES, *REGISTERS], n=SUGGESTIONS_MAX, cutoff=0.6)
    return f"; did you mean {', '.join(near)}?" if near else "; try an OBIS code such as 1-0:1.8.0"

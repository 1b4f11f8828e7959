"""Registers that M-Bus meters have: heat, cooling, gas, water, heat cost units, and some of electricity.

Source: IEC 62056-61, value groups A (4 heat cost allocator, 5 cooling, 6 heat, 7 gas, 8 cold water, 9 hot
water) and C, D of each medium; EN 13757-1 names the same codes. Value group B is the subunit, E the tariff.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["CHANNELS_MAX", "MEDIA_ROWS", "MediaRow"]

CHANNELS_MAX = 64
"""Most channels of a meter (IEC 62056-61, value group B)."""


class MediaRow(NamedTuple):
    """A register; see ``kwhub.catalog.registers.RegisterInfo``."""

    alias: str
    unit: str
    name_en: str
    name_zh: str
    decimals: int
    cumulative: bool = False


# fmt: off
MEDIA_ROWS: Mapping[str, MediaRow] = MappingProxyType({
    "1-0:1.7": MediaRow("power_active_import", "kW", "Active power import", "正向有功功率", 4),
    "1-0:2.7": MediaRow("power_active_export", "kW", "Active power export", "反向有功功率", 4),
    "1-0:11.7": MediaRow("current_any", "A", "Current, any phase", "电流（任一相）", 3),
    "1-0:12.7": MediaRow("voltage_any", "V", "Voltage, any phase", "电压（任一相）", 1),
    "4-0:1.0": MediaRow("heat_cost_units", "", "Heat cost units", "热分配单位", 0, cumulative=True),
    "5-0:1.0": MediaRow("cooling_energy", "kWh", "Cooling energy", "冷量", 3, cumulative=True),
    "5-0:2.0": MediaRow("cooling_volume", "m3", "Volume of the cooling circuit", "冷量表累积流量", 3, cumulative=True),
    "5-0:8.0": MediaRow("cooling_power", "kW", "Cooling power", "冷功率", 3),
    "5-0:9.0": MediaRow("cooling_flow", "m3/h", "Flow of the cooling circuit", "冷量表瞬时流量", 3),
    "5-0:10.0": MediaRow("cooling_flow_temperature", "degC", "Flow temperature, cooling", "供冷供水温度", 2),
    "5-0:11.0": MediaRow("cooling_return_temperature", "degC", "Return temperature, cooling", "供冷回水温度", 2),
    "5-0:12.0": MediaRow("cooling_temperature_difference", "K", "Temperature difference, cooling", "供冷温差", 2),
    "6-0:1.0": MediaRow("heat_energy", "kWh", "Heat energy", "热量", 3, cumulative=True),
    "6-0:2.0": MediaRow("heat_volume", "m3", "Volume of the heating circuit", "热量表累积流量", 3, cumulative=True),
    "6-0:8.0": MediaRow("heat_power", "kW", "Heat power", "热功率", 3),
    "6-0:9.0": MediaRow("heat_flow", "m3/h", "Flow of the heating circuit", "热量表瞬时流量", 3),
    "6-0:10.0": MediaRow("heat_flow_temperature", "degC", "Flow temperature, heating", "供热供水温度", 2),
    "6-0:11.0": MediaRow("heat_return_temperature", "degC", "Return temperature, heating", "供热回水温度", 2),
    "6-0:12.0": MediaRow("heat_temperature_difference", "K", "Temperature difference, heating", "供热温差", 2),
    "7-0:3.0": MediaRow("gas_volume", "m3", "Gas volume, as measured", "燃气累积体积（工况）", 3, cumulative=True),
    "7-0:43.0": MediaRow("gas_flow", "m3/h", "Gas flow, as measured", "燃气瞬时流量（工况）", 3),
    "8-0:1.0": MediaRow("cold_water_volume", "m3", "Cold water volume", "冷水累积流量", 3, cumulative=True),
    "8-0:2.0": MediaRow("cold_water_flow", "m3/h", "Cold water flow", "冷水瞬时流量", 3),
    "9-0:1.0": MediaRow("hot_water_volume", "m3", "Hot water volume", "热水累积流量", 3, cumulative=True),
    "9-0:2.0": MediaRow("hot_water_flow", "m3/h", "Hot water flow", "热水瞬时流量", 3),
})
# fmt: on
"""Value groups A to D with B 0, and what is known of them."""

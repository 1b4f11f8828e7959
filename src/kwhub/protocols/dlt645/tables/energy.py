"""Energy, money and use counters of the whole meter.

Source: DL/T 645-2007, annex A, table A.1; rows marked as single source come from the filings.
"""

from kwhub.protocols.dlt645.families import TIME, Family, Part, rows

__all__ = ["FAMILIES"]

ENERGY = "XXXXXX.XX"

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.1",
        Family("0000{tariff}{settlement}", ENERGY, "kWh", "combined active energy, {tariff}{settlement}", "({settlement})组合有功{tariff}电能", "1-0:15.8.{tariff}", signed=True),
        Family("0001{tariff}{settlement}", ENERGY, "kWh", "forward active energy, {tariff}{settlement}", "({settlement})正向有功{tariff}电能", "1-0:1.8.{tariff}"),
        Family("0002{tariff}{settlement}", ENERGY, "kWh", "reverse active energy, {tariff}{settlement}", "({settlement})反向有功{tariff}电能", "1-0:2.8.{tariff}"),
        Family("0003{tariff}{settlement}", ENERGY, "kvarh", "combined reactive 1 energy, {tariff}{settlement}", "({settlement})组合无功1{tariff}电能", "1-0:3.8.{tariff}", signed=True),
        Family("0004{tariff}{settlement}", ENERGY, "kvarh", "combined reactive 2 energy, {tariff}{settlement}", "({settlement})组合无功2{tariff}电能", "1-0:4.8.{tariff}", signed=True),
        Family("0005{tariff}{settlement}", ENERGY, "kvarh", "quadrant 1 reactive energy, {tariff}{settlement}", "({settlement})第一象限无功{tariff}电能", "1-0:5.8.{tariff}"),
        Family("0006{tariff}{settlement}", ENERGY, "kvarh", "quadrant 2 reactive energy, {tariff}{settlement}", "({settlement})第二象限无功{tariff}电能", "1-0:6.8.{tariff}"),
        Family("0007{tariff}{settlement}", ENERGY, "kvarh", "quadrant 3 reactive energy, {tariff}{settlement}", "({settlement})第三象限无功{tariff}电能", "1-0:7.8.{tariff}"),
        Family("0008{tariff}{settlement}", ENERGY, "kvarh", "quadrant 4 reactive energy, {tariff}{settlement}", "({settlement})第四象限无功{tariff}电能", "1-0:8.8.{tariff}"),
        Family("0009{tariff}{settlement}", ENERGY, "kVAh", "forward apparent energy, {tariff}{settlement}", "({settlement})正向视在{tariff}电能", "1-0:9.8.{tariff}"),
        Family("000A{tariff}{settlement}", ENERGY, "kVAh", "reverse apparent energy, {tariff}{settlement}", "({settlement})反向视在{tariff}电能", "1-0:10.8.{tariff}"),
        Family("00900100", ENERGY, "kWh", "remaining energy (prepaid)", "(当前)剩余电量"),
        Family("00900200", ENERGY, "yuan", "remaining money (prepaid)", "(当前)剩余金额"),
        Family("00900201", ENERGY, "yuan", "overdraft money", "(当前)透支金额"),
   ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.1",
        Family("000B0000", ENERGY, "kWh", "combined active use, current settlement period", "当前结算周期组合有功总累计用电量"),
        Family("000B0001", ENERGY, "kWh", "combined active use, last settlement period", "上1结算周期组合有功总累计用电量"),
        Family("000C0000", ENERGY, "kWh", "combined active use, current month", "当前月度组合有功总累计用电量"),
        Family("000C0001", ENERGY, "kWh", "combined active use, last month", "上1月度组合有功总累计用电量"),
        Family("000D0000", "YYMMDDhh+XXXXXX.XX", "kWh", "combined active use of the current year period", "当前年结算周期组合有功用电量", parts=(TIME, Part("", "", None))),
        Family("000D00{year:01-04}", "YYMMDDhh+XXXXXX.XX", "kWh", "combined active use, year period {year} ago", "上{year}年结算周期组合有功用电量", parts=(TIME, Part("", "", None))),
        Family("0060{tariff}00", "XXXXXX.XXXX", "kWh", "forward active energy, high resolution, {tariff}", "正向有功{tariff}精确电能"),
        Family("0061{tariff}00", "XXXXXX.XXXX", "kWh", "reverse active energy, high resolution, {tariff}", "反向有功{tariff}精确电能"),
        Family("00900101", ENERGY, "kWh", "overdraft energy", "(当前)透支电量"),
        Family("00FE00{settlement_day:01-0C|FF}", "YYMMDDhh", "", "time of settlement day {settlement_day} ago", "上{settlement_day}结算日结算时间"),
        single_source=True,
   ),
)

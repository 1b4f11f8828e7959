"""Maximum demand and, under identifiers of their own, the times at which it occurred.

Source: DL/T 645-1997, annex A, classes A0 to A9 and B0 to B9.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = rows(
    "DL/T 645-1997, annex A",
    Family("{month:A0|A4|A8}1{tariff:0-E|F}", "XX.XXXX", "kW", "forward active maximum demand, {tariff}{month}", "({month})正向有功{tariff}最大需量", "1-0:1.6.{tariff}"),
    Family("{month:B0|B4|B8}1{tariff:0-E|F}", "MMDDhhmm", "", "time of forward active maximum demand, {tariff}{month}", "({month})正向有功{tariff}最大需量发生时间"),
    Family("{month:A0|A4|A8}2{tariff:0-E|F}", "XX.XXXX", "kW", "reverse active maximum demand, {tariff}{month}", "({month})反向有功{tariff}最大需量", "1-0:2.6.{tariff}"),
    Family("{month:B0|B4|B8}2{tariff:0-E|F}", "MMDDhhmm", "", "time of reverse active maximum demand, {tariff}{month}", "({month})反向有功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}1{tariff:0-E|F}", "XX.XXXX", "kvar", "forward reactive maximum demand, {tariff}{month}", "({month})正向无功{tariff}最大需量", "1-0:3.6.{tariff}"),
    Family("{month:B1|B5|B9}1{tariff:0-E|F}", "MMDDhhmm", "", "time of forward reactive maximum demand, {tariff}{month}", "({month})正向无功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}2{tariff:0-E|F}", "XX.XXXX", "kvar", "reverse reactive maximum demand, {tariff}{month}", "({month})反向无功{tariff}最大需量", "1-0:4.6.{tariff}"),
    Family("{month:B1|B5|B9}2{tariff:0-E|F}", "MMDDhhmm", "", "time of reverse reactive maximum demand, {tariff}{month}", "({month})反向无功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}3{tariff:0-E|F}", "XX.XXXX", "kvar", "quadrant 1 reactive maximum demand, {tariff}{month}", "({month})一象限无功{tariff}最大需量", "1-0:5.6.{tariff}"),
    Family("{month:B1|B5|B9}3{tariff:0-E|F}", "MMDDhhmm", "", "time of quadrant 1 reactive maximum demand, {tariff}{month}", "({month})一象限无功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}4{tariff:0-E|F}", "XX.XXXX", "kvar", "quadrant 4 reactive maximum demand, {tariff}{month}", "({month})四象限无功{tariff}最大需量", "1-0:8.6.{tariff}"),
    Family("{month:B1|B5|B9}4{tariff:0-E|F}", "MMDDhhmm", "", "time of quadrant 4 reactive maximum demand, {tariff}{month}", "({month})四象限无功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}5{tariff:0-E|F}", "XX.XXXX", "kvar", "quadrant 2 reactive maximum demand, {tariff}{month}", "({month})二象限无功{tariff}最大需量", "1-0:6.6.{tariff}"),
    Family("{month:B1|B5|B9}5{tariff:0-E|F}", "MMDDhhmm", "", "time of quadrant 2 reactive maximum demand, {tariff}{month}", "({month})二象限无功{tariff}最大需量发生时间"),
    Family("{month:A1|A5|A9}6{tariff:0-E|F}", "XX.XXXX", "kvar", "quadrant 3 reactive maximum demand, {tariff}{month}", "({month})三象限无功{tariff}最大需量", "1-0:7.6.{tariff}"),
    Family("{month:B1|B5|B9}6{tariff:0-E|F}", "MMDDhhmm", "", "time of quadrant 3 reactive maximum demand, {tariff}{month}", "({month})三象限无功{tariff}最大需量发生时间"),
)

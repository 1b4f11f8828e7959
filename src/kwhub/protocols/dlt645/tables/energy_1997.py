"""Energy: total, tariffs and blocks, now and for the two months before.

Source: DL/T 645-1997, annex A, classes 90 to 9B.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-1997, annex A",
        Family("{month:90|94|98}1{tariff:0-E|F}", "XXXXXX.XX", "kWh", "forward active energy, {tariff}{month}", "({month})正向有功{tariff}电能", "1-0:1.8.{tariff}"),
        Family("{month:90|94|98}2{tariff:0-E|F}", "XXXXXX.XX", "kWh", "reverse active energy, {tariff}{month}", "({month})反向有功{tariff}电能", "1-0:2.8.{tariff}"),
        Family("{month:91|95|99}1{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "forward reactive energy, {tariff}{month}", "({month})正向无功{tariff}电能", "1-0:3.8.{tariff}"),
        Family("{month:91|95|99}2{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "reverse reactive energy, {tariff}{month}", "({month})反向无功{tariff}电能", "1-0:4.8.{tariff}"),
        Family("{month:91|95|99}3{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "quadrant 1 reactive energy, {tariff}{month}", "({month})一象限无功{tariff}电能", "1-0:5.8.{tariff}"),
        Family("{month:91|95|99}4{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "quadrant 4 reactive energy, {tariff}{month}", "({month})四象限无功{tariff}电能", "1-0:8.8.{tariff}"),
        Family("{month:91|95|99}5{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "quadrant 2 reactive energy, {tariff}{month}", "({month})二象限无功{tariff}电能", "1-0:6.8.{tariff}"),
        Family("{month:91|95|99}6{tariff:0-E|F}", "XXXXXX.XX", "kvarh", "quadrant 3 reactive energy, {tariff}{month}", "({month})三象限无功{tariff}电能", "1-0:7.8.{tariff}"),
    ),
    *rows(
        "observed on one 1997 meter, which answers with the forward active total",
        Family("9000", "XXXXXX.XX", "kWh", "forward active energy, total (asked as 9000)", "(当前)正向有功总电能(9000)", "1-0:1.8.0"),
        single_source=True,
    ),
)

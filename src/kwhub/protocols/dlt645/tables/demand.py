"""Maximum demand with the time at which it occurred.

Source: DL/T 645-2007, annex A, table A.2.
"""

from kwhub.protocols.dlt645.families import TIME, Family, Part, rows

__all__ = ["FAMILIES"]

DEMAND = "XX.XXXX+YYMMDDhhmm"
PARTS = (Part("", "", None), TIME)

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.2",
        Family("0101{tariff}{settlement}", DEMAND, "kW", "forward active maximum demand, {tariff}{settlement}", "({settlement})正向有功{tariff}最大需量", "1-0:1.6.{tariff}", parts=PARTS),
        Family("0102{tariff}{settlement}", DEMAND, "kW", "reverse active maximum demand, {tariff}{settlement}", "({settlement})反向有功{tariff}最大需量", "1-0:2.6.{tariff}", parts=PARTS),
        Family("0103{tariff}{settlement}", DEMAND, "kvar", "combined reactive 1 maximum demand, {tariff}{settlement}", "({settlement})组合无功1{tariff}最大需量", "1-0:3.6.{tariff}", parts=PARTS),
        Family("0104{tariff}{settlement}", DEMAND, "kvar", "combined reactive 2 maximum demand, {tariff}{settlement}", "({settlement})组合无功2{tariff}最大需量", "1-0:4.6.{tariff}", parts=PARTS),
        Family("0105{tariff}{settlement}", DEMAND, "kvar", "quadrant 1 reactive maximum demand, {tariff}{settlement}", "({settlement})第一象限无功{tariff}最大需量", "1-0:5.6.{tariff}", parts=PARTS),
        Family("0106{tariff}{settlement}", DEMAND, "kvar", "quadrant 2 reactive maximum demand, {tariff}{settlement}", "({settlement})第二象限无功{tariff}最大需量", "1-0:6.6.{tariff}", parts=PARTS),
        Family("0107{tariff}{settlement}", DEMAND, "kvar", "quadrant 3 reactive maximum demand, {tariff}{settlement}", "({settlement})第三象限无功{tariff}最大需量", "1-0:7.6.{tariff}", parts=PARTS),
        Family("0108{tariff}{settlement}", DEMAND, "kvar", "quadrant 4 reactive maximum demand, {tariff}{settlement}", "({settlement})第四象限无功{tariff}最大需量", "1-0:8.6.{tariff}", parts=PARTS),
        Family("0109{tariff}{settlement}", DEMAND, "kVA", "forward apparent maximum demand, {tariff}{settlement}", "({settlement})正向视在{tariff}最大需量", "1-0:9.6.{tariff}", parts=PARTS),
        Family("010A{tariff}{settlement}", DEMAND, "kVA", "reverse apparent maximum demand, {tariff}{settlement}", "({settlement})反向视在{tariff}最大需量", "1-0:10.6.{tariff}", parts=PARTS),
        Family("01{phase:15|29|3D}00{settlement}", DEMAND, "kW", "forward active maximum demand, phase {phase}{settlement}", "({settlement}){phase}正向有功最大需量", ("1-0:21.6.0", "1-0:41.6.0", "1-0:61.6.0"), parts=PARTS),
        Family("01{phase:16|2A|3E}00{settlement}", DEMAND, "kW", "reverse active maximum demand, phase {phase}{settlement}", "({settlement}){phase}反向有功最大需量", ("1-0:22.6.0", "1-0:42.6.0", "1-0:62.6.0"), parts=PARTS),
        Family("01{phase:17|2B|3F}00{settlement}", DEMAND, "kvar", "combined reactive 1 maximum demand, phase {phase}{settlement}", "({settlement}){phase}组合无功1最大需量", ("1-0:23.6.0", "1-0:43.6.0", "1-0:63.6.0"), parts=PARTS),
        Family("01{phase:18|2C|40}00{settlement}", DEMAND, "kvar", "combined reactive 2 maximum demand, phase {phase}{settlement}", "({settlement}){phase}组合无功2最大需量", ("1-0:24.6.0", "1-0:44.6.0", "1-0:64.6.0"), parts=PARTS),
        Family("01{phase:19|2D|41}00{settlement}", DEMAND, "kvar", "quadrant 1 reactive maximum demand, phase {phase}{settlement}", "({settlement}){phase}第一象限无功最大需量", ("1-0:25.6.0", "1-0:45.6.0", "1-0:65.6.0"), parts=PARTS),
        Family("01{phase:1A|2E|42}00{settlement}", DEMAND, "kvar", "quadrant 2 reactive maximum demand, phase {phase}{settlement}", "({settlement}){phase}第二象限无功最大需量", ("1-0:26.6.0", "1-0:46.6.0", "1-0:66.6.0"), parts=PARTS),
        Family("01{phase:1B|2F|43}00{settlement}", DEMAND, "kvar", "quadrant 3 reactive maximum demand, phase {phase}{settlement}", "({settlement}){phase}第三象限无功最大需量", ("1-0:27.6.0", "1-0:47.6.0", "1-0:67.6.0"), parts=PARTS),
        Family("01{phase:1C|30|44}00{settlement}", DEMAND, "kvar", "quadrant 4 reactive maximum demand, phase {phase}{settlement}", "({settlement}){phase}第四象限无功最大需量", ("1-0:28.6.0", "1-0:48.6.0", "1-0:68.6.0"), parts=PARTS),
        Family("01{phase:1D|31|45}00{settlement}", DEMAND, "kVA", "forward apparent maximum demand, phase {phase}{settlement}", "({settlement}){phase}正向视在最大需量", ("1-0:29.6.0", "1-0:49.6.0", "1-0:69.6.0"), parts=PARTS),
        Family("01{phase:1E|32|46}00{settlement}", DEMAND, "kVA", "reverse apparent maximum demand, phase {phase}{settlement}", "({settlement}){phase}反向视在最大需量", ("1-0:30.6.0", "1-0:50.6.0", "1-0:70.6.0"), parts=PARTS),
   ),
)

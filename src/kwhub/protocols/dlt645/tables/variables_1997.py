"""Values of this moment, and counters of the meter.

Source: DL/T 645-1997, annex A, classes B2, B3 and B6; B66x to B68x are extensions of several makers.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

VOLTAGE = ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
CURRENT = ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0")
ACTIVE = ("1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0")
REACTIVE = ("1-0:131.7.0", "1-0:151.7.0", "1-0:171.7.0", "1-0:191.7.0")
APPARENT = ("1-0:9.7.0", "1-0:29.7.0", "1-0:49.7.0", "1-0:69.7.0")
FACTOR = ("1-0:13.7.0", "1-0:33.7.0", "1-0:53.7.0", "1-0:73.7.0")

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-1997, annex A",
        Family("B210", "MMDDhhmm", "", "last programming time", "最近一次编程时间"),
        Family("B211", "MMDDhhmm", "", "last demand clear time", "最近一次最大需量清零时间"),
        Family("B212", "NNNN", "times", "programming count", "编程次数"),
        Family("B213", "NNNN", "times", "demand clear count", "最大需量清零次数"),
        Family("B214", "NNNNNN", "min", "battery working time", "电池工作时间"),
        Family("B31{total_phase:0-3}", "NNNN", "times", "phase failure count, {total_phase}", "{total_phase}断相次数"),
        Family("B32{total_phase:0-3}", "NNNNNN", "min", "phase failure total time, {total_phase}", "{total_phase}断相时间累计值"),
        Family("B33{total_phase:0-3}", "MMDDhhmm", "", "start of the last phase failure, {total_phase}", "{total_phase}最近断相起始时刻"),
        Family("B34{total_phase:0-3}", "MMDDhhmm", "", "end of the last phase failure, {total_phase}", "{total_phase}最近断相结束时刻"),
        Family("B61{phase:1-3|F}", "XXX", "V", "voltage {phase}", "{phase}电压", VOLTAGE),
        Family("B62{phase:1-3|F}", "XX.XX", "A", "current {phase}", "{phase}电流", CURRENT),
        Family("B63{total_phase:0-3|F}", "XX.XXXX", "kW", "active power {total_phase}", "瞬时{total_phase}有功功率", ACTIVE),
        Family("B634", "NN.NN", "kW", "forward active power limit", "正向有功功率上限值", access="RW"),
        Family("B635", "NN.NN", "kW", "reverse active power limit", "反向有功功率上限值", access="RW"),
        Family("B64{total_phase:0-3|F}", "XX.XX", "kvar", "reactive power {total_phase}", "瞬时{total_phase}无功功率", REACTIVE),
        Family("B65{total_phase:0-3|F}", "X.XXX", "", "power factor {total_phase}", "{total_phase}功率因数", FACTOR),
        Family("B660", "XX.XX", "Hz", "frequency", "频率", "1-0:14.7.0"),
        Family("B67{total_phase:0-3|F}", "XXX.X", "deg", "phase angle {total_phase}", "{total_phase}相角"),
        Family("B68{total_phase:0-3|F}", "XX.XXXX", "kVA", "apparent power {total_phase}", "瞬时{total_phase}视在功率", APPARENT),
    ),
)

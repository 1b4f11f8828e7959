"""Load records and load curves.

Source: DL/T 645-2007, annex A, table A.7, and annex B; curves 0610 are supplement 4 to the State Grid
filings (about 2018), whose layout has one public source.
"""

from kwhub.protocols.dlt645.families import Family, Kind, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.7 and annex B",
        Family("06{load_class:00-06}0000", "load record", "", "load record, class {load_class}: earliest blocks", "第{load_class}类负荷最早记录块", kind=Kind.LOAD_RECORD),
        Family("06{load_class:00-06}0001", "load record", "", "load record, class {load_class}: blocks from a given time", "第{load_class}类负荷给定时间记录块", kind=Kind.LOAD_RECORD),
        Family("06{load_class:00-06}0002", "load record", "", "load record, class {load_class}: latest block", "第{load_class}类负荷最近一个记录块", kind=Kind.LOAD_RECORD),
    ),
    *rows(
        "State Grid supplement to DL/T 645-2007, load curves",
        Family("061001{phase:01-03|FF}", "XXX.X", "V", "voltage curve {phase}", "{phase}电压曲线", ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"), kind=Kind.CURVE),
        Family("061002{phase:01-03|FF}", "XXX.XXX", "A", "current curve {phase}", "{phase}电流曲线", ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"), signed=True, kind=Kind.CURVE),
    ),
    *rows(
        "State Grid supplement to DL/T 645-2007, load curves",
        Family("061003{total_phase:00-03|FF}", "XX.XXXX", "kW", "active power curve {total_phase}", "{total_phase}有功功率曲线", ("1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0"), signed=True, kind=Kind.CURVE),
        Family("061004{total_phase:00-03|FF}", "XX.XXXX", "kvar", "reactive power curve {total_phase}", "{total_phase}无功功率曲线", ("1-0:131.7.0", "1-0:151.7.0", "1-0:171.7.0", "1-0:191.7.0"), signed=True, kind=Kind.CURVE),
        Family("061005{total_phase:00-03|FF}", "X.XXX", "", "power factor curve {total_phase}", "{total_phase}功率因数曲线", ("1-0:13.7.0", "1-0:33.7.0", "1-0:53.7.0", "1-0:73.7.0"), signed=True, kind=Kind.CURVE),
        Family("06100601", "XXXXXX.XX", "kWh", "forward active energy curve", "正向有功总电能曲线", "1-0:1.8.0", kind=Kind.CURVE),
        Family("06100602", "XXXXXX.XX", "kWh", "reverse active energy curve", "反向有功总电能曲线", "1-0:2.8.0", kind=Kind.CURVE),
        Family("06100603", "XXXXXX.XX", "kvarh", "combined reactive 1 energy curve", "组合无功1总电能曲线", "1-0:3.8.0", signed=True, kind=Kind.CURVE),
        Family("06100604", "XXXXXX.XX", "kvarh", "combined reactive 2 energy curve", "组合无功2总电能曲线", "1-0:4.8.0", signed=True, kind=Kind.CURVE),
        Family("061006FF", "XXXXXX.XX", "kWh,kvarh", "energy curves", "有功、无功总电能曲线", kind=Kind.CURVE, members=(1, 2, 3, 4)),
        Family("06100701", "XXXXXX.XX", "kvarh", "quadrant 1 reactive energy curve", "第一象限无功总电能曲线", "1-0:5.8.0", kind=Kind.CURVE),
        Family("06100702", "XXXXXX.XX", "kvarh", "quadrant 2 reactive energy curve", "第二象限无功总电能曲线", "1-0:6.8.0", kind=Kind.CURVE),
        Family("06100703", "XXXXXX.XX", "kvarh", "quadrant 3 reactive energy curve", "第三象限无功总电能曲线", "1-0:7.8.0", kind=Kind.CURVE),
        Family("06100704", "XXXXXX.XX", "kvarh", "quadrant 4 reactive energy curve", "第四象限无功总电能曲线", "1-0:8.8.0", kind=Kind.CURVE),
        Family("061007FF", "XXXXXX.XX", "kvarh", "quadrant reactive energy curves", "四象限无功总电能曲线", kind=Kind.CURVE, members=(1, 2, 3, 4)),
        Family("06100801", "XX.XXXX", "kW", "present active demand curve", "当前有功需量曲线", "1-0:1.4.0", signed=True, kind=Kind.CURVE),
        Family("06100802", "XX.XXXX", "kvar", "present reactive demand curve", "当前无功需量曲线", "1-0:3.4.0", signed=True, kind=Kind.CURVE),
        Family("061008FF", "XX.XXXX", "kW,kvar", "present demand curves", "当前需量曲线", kind=Kind.CURVE, members=(1, 2)),
        Family("06100901", "XXXXXX.XXXX", "kWh", "forward active energy curve, high resolution", "正向有功总电能曲线(高精度)", "1-0:1.8.0", kind=Kind.CURVE),
        single_source=True,
    ),
)

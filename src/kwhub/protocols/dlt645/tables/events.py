"""Events: counters, and records of the last ten.

Source: DL/T 645-2007, annex A, table A.4; rows marked as single source come from the filings. The layout
inside the larger records has no second source, so they stay bytes; classes 10 to 20 give every field of
the same events an identifier of its own.
"""

from typing import NamedTuple

from kwhub.protocols.dlt645.families import Family, Kind, Part, numbered, rows

__all__ = ["FAMILIES"]


class _Event(NamedTuple):
    """One kind of event with one counter and one record a phase, or one for all."""

    di2: str
    name_en: str
    name_zh: str
    record_bytes: int


# fmt: off
_OF_EACH_PHASE = (
    _Event("01", "voltage loss", "失压", 131),
    _Event("02", "undervoltage", "欠压", 131),
    _Event("03", "overvoltage", "过压", 131),
    _Event("04", "phase failure", "断相", 131),
    _Event("0B", "current loss", "失流", 115),
    _Event("0C", "overcurrent", "过流", 115),
    _Event("0D", "current interruption", "断流", 115),
    _Event("0E", "power reversal", "潮流反向", 76),
    _Event("0F", "overload", "过载", 76),
)
_OF_THE_METER = (
    _Event("07", "voltage phase sequence reversed", "电压逆相序", 76),
    _Event("08", "current phase sequence reversed", "电流逆相序", 76),
    _Event("09", "voltage unbalance", "电压不平衡", 78),
    _Event("0A", "current unbalance", "电流不平衡", 78),
)

START = Part("start", "发生时刻")
END = Part("end", "结束时刻")
COUNT = Part("count", "总次数", "times")
TOTAL_TIME = Part("total time", "总累计时间", "min")
COUNTERS = (COUNT, TOTAL_TIME)
COUNTERS_OF_PHASES = tuple(
    Part(f"{part.name_en}, phase {phase}", f"{phase}相{part.name_zh}", part.unit)
    for phase in "ABC"
    for part in COUNTERS
)
ENERGIES = (
    ("forward active energy", "正向有功电能", "kWh"),
    ("reverse active energy", "反向有功电能", "kWh"),
    ("quadrant 1 reactive energy", "第一象限无功电能", "kvarh"),
    ("quadrant 2 reactive energy", "第二象限无功电能", "kvarh"),
    ("quadrant 3 reactive energy", "第三象限无功电能", "kvarh"),
    ("quadrant 4 reactive energy", "第四象限无功电能", "kvarh"),
)
BEFORE_AND_AFTER = tuple(
    Part(f"{english} {when}", f"{moment}{chinese}", unit)
    for when, moment in (("before", "前"), ("after", "后"))
    for english, chinese, unit in ENERGIES
)
QUALIFICATION = (
    Part("monitored time", "电压监测时间", "min"),
    Part("qualified rate", "电压合格率", "%"),
    Part("out-of-limit rate", "电压超限率", "%"),
    Part("time above the upper limit", "电压超上限时间", "min"),
    Part("time below the lower limit", "电压超下限时间", "min"),
    Part("highest voltage", "最高电压", "V"),
    Part("time of the highest voltage", "最高电压出现时间"),
    Part("lowest voltage", "最低电压", "V"),
    Part("time of the lowest voltage", "最低电压出现时间"),
)
QUALIFICATION_FORMAT = "XXXXXX+XXXX.XX+XXXX.XX+XXXXXX+XXXXXX+XXX.X+MMDDhhmm+XXX.X+MMDDhhmm"
DEMAND_KINDS = (
    Part("forward", "正向", "times"), Part("reverse", "反向", "times"), *numbered("quadrant", "象限", 4, "times"),
)

FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.4",
        *(
            row
            for event in _OF_EACH_PHASE
            for row in (
                Family(f"03{event.di2}0000", "(XXXXXX,XXXXXX)x3", "times,min", event.name_en, event.name_zh, parts=COUNTERS_OF_PHASES),
                Family(f"03{event.di2}{{phase:01-03}}{{last}}", "record", "mixed", f"{event.name_en} record, phase {{phase}}, {{last}}", f"({{last}}){{phase}}{event.name_zh}记录", kind=Kind.OPAQUE, size=event.record_bytes),
            )
        ),
        *(
            row
            for event in _OF_THE_METER
            for row in (
                Family(f"03{event.di2}0000", "XXXXXX,XXXXXX", "times,min", event.name_en, event.name_zh, parts=COUNTERS),
                Family(f"03{event.di2}00{{last}}", "record", "mixed", f"{event.name_en} record, {{last}}", f"({{last}}){event.name_zh}记录", kind=Kind.OPAQUE, size=event.record_bytes),
            )
        ),
        Family("03050000", "XXXXXX,XXXXXX", "times,min", "all-phase voltage loss", "全失压", parts=COUNTERS),
        Family("030500{last}", "YYMMDDhhmmss+XXX.XXX+YYMMDDhhmmss", "mixed", "all-phase voltage loss record, {last}", "({last})全失压", parts=(START, Part("current", "电流", "A"), END)),
        Family("03060000", "XXXXXX,XXXXXX", "times,min", "auxiliary supply failure", "辅助电源失电", parts=COUNTERS),
        Family("030600{last}", "YYMMDDhhmmss+YYMMDDhhmmss", "mixed", "auxiliary supply failure record, {last}", "({last})辅助电源失电", parts=(START, END)),
        Family("03100000", QUALIFICATION_FORMAT, "min,%,%,min,min,V,time,V,time", "voltage qualification, this month, total", "本月电压合格率统计数据(总)", parts=QUALIFICATION),
        Family("031000{months:01-0C}", QUALIFICATION_FORMAT, "mixed", "voltage qualification, {months} months ago, total", "(上{months}月)电压合格率统计数据(总)", parts=QUALIFICATION),
        Family("0310{phase:01-03}{months:00-0C}", QUALIFICATION_FORMAT, "mixed", "voltage qualification, phase {phase}, {months} months ago", "(上{months}月){phase}电压合格率统计数据", parts=QUALIFICATION),
        Family("03110000", "XXXXXX", "times", "power-down count", "掉电总次数"),
        Family("031100{last}", "YYMMDDhhmmss+YYMMDDhhmmss", "", "power-down, {last}", "({last})掉电", parts=(START, END)),
        Family("03120000", "XXXXXXx6", "times", "demand over limit count", "需量超限总次数", parts=DEMAND_KINDS),
        Family("0312{demand:01-06}{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XX.XXXX+YYMMDDhhmm", "kW or kvar", "demand over limit record, kind {demand}, {last}", "({last})需量超限记录,种类{demand}", parts=(START, END, Part("maximum demand", "最大需量", "kW or kvar"), Part("time of the maximum demand", "最大需量发生时间"))),
        Family("03300D00", "XXXXXX", "times", "cover opening count", "开表盖总次数"),
        Family("03300D{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XXXXXX.XXx12", "mixed", "cover opening record, {last}", "({last})开表盖", parts=(START, END, *BEFORE_AND_AFTER)),
        Family("03300E00", "XXXXXX", "times", "terminal cover opening count", "开端钮盒总次数"),
        Family("03300E{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XXXXXX.XXx12", "mixed", "terminal cover opening record, {last}", "({last})开端钮盒", parts=(START, END, *BEFORE_AND_AFTER)),
    ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.4",
        Family("03350000", "XXXXXX", "times", "steady magnetic field count", "恒定磁场干扰总次数"),
        Family("033500{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XXXXXX.XXx4", "mixed", "steady magnetic field record, {last}", "({last})恒定磁场干扰", parts=(START, END, *numbered("energy", "电能", 4, "kWh"))),
        Family("03360000", "XXXXXX", "times", "load switch malfunction count", "负荷开关误动作总次数"),
        Family("033600{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XX+XXXXXX.XXx4", "mixed", "load switch malfunction record, {last}", "({last})负荷开关误动作", parts=(START, END, Part("state", "状态"), *numbered("energy", "电能", 4, "kWh"))),
        Family("03370000", "XXXXXX", "times", "supply abnormal count", "电源异常总次数"),
        Family("033700{last}", "YYMMDDhhmmss+YYMMDDhhmmss+XXXXXX.XXx2", "mixed", "supply abnormal record, {last}", "({last})电源异常", parts=(START, END, *numbered("energy", "电能", 2, "kWh"))),
        single_source=True,
    ),
)

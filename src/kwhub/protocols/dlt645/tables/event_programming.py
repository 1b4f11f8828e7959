"""Events that people cause: programming, clearing, setting the time, keys and cards.

Source: DL/T 645-2007, annex A, table A.4; rows marked as single source come from the filings.
"""

from kwhub.protocols.dlt645.families import Family, Kind, Part, numbered, rows

__all__ = ["FAMILIES"]

# fmt: off
MOMENT = Part("time", "发生时刻")
OPERATOR = Part("operator code", "操作者代码")
HEAD = (MOMENT, OPERATOR)
RECORD = "YYMMDDhhmmss+C0C1C2C3"

ENERGIES = (
    ("forward active", "正向有功", "kWh"),
    ("reverse active", "反向有功", "kWh"),
    ("quadrant 1 reactive", "第一象限无功", "kvarh"),
    ("quadrant 2 reactive", "第二象限无功", "kvarh"),
    ("quadrant 3 reactive", "第三象限无功", "kvarh"),
    ("quadrant 4 reactive", "第四象限无功", "kvarh"),
)
PHASES = (("total", "总"), ("phase A", "A相"), ("phase B", "B相"), ("phase C", "C相"))
CLEARED_ENERGIES = tuple(
    Part(f"{english} energy, {phase}", f"{phase_zh}{chinese}电能", unit)
    for phase, phase_zh in PHASES
    for english, chinese, unit in ENERGIES
)
CLEARED_DEMANDS = tuple(
    part
    for phase, phase_zh in PHASES
    for english, chinese, unit in ENERGIES
    for part in (
        Part(f"{english} maximum demand, {phase}", f"{phase_zh}{chinese}最大需量", unit.removesuffix("h")),
        Part(f"{english} maximum demand, {phase}, time", f"{phase_zh}{chinese}最大需量发生时间"),
    )
)
SLOT_TABLES = tuple(
    Part(f"set {number}, day {day}, slot {slot}", f"第{number}套第{day}日时段表时段{slot}")
    for number in (1, 2) for day in range(1, 9) for slot in range(1, 15)
)

FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.4",
        Family("03300000", "XXXXXX", "times", "programming count", "编程总次数"),
        Family("033000{last}", RECORD + "+XXXXXXXXx10", "mixed", "programming record, {last}", "({last})编程", parts=(*HEAD, *numbered("identifier", "数据标识", 10))),
        Family("03300100", "XXXXXX", "times", "meter clear count", "电表清零总次数"),
        Family("033001{last}", RECORD + "+XXXXXX.XXx24", "mixed", "meter clear record, {last}", "({last})电表清零", parts=(*HEAD, *CLEARED_ENERGIES)),
        Family("03300200", "XXXXXX", "times", "demand clear count", "需量清零总次数"),
        Family("033002{last}", RECORD + "+(XX.XXXX+YYMMDDhhmm)x24", "mixed", "demand clear record, {last}", "({last})需量清零", parts=(*HEAD, *CLEARED_DEMANDS)),
        Family("03300300", "XXXXXX", "times", "event clear count", "事件清零总次数"),
        Family("033003{last}", RECORD + "+XXXXXXXX", "mixed", "event clear record, {last}", "({last})事件清零", parts=(*HEAD, Part("identifier", "数据标识"))),
        Family("03300400", "XXXXXX", "times", "time set count", "校时总次数"),
        Family("033004{last}", "C0C1C2C3+YYMMDDhhmmss+YYMMDDhhmmss", "mixed", "time set record, {last}", "({last})校时", parts=(OPERATOR, Part("time before", "校时前时间"), Part("time after", "校时后时间"))),
        Family("03300500", "XXXXXX", "times", "day slot table programming count", "时段表编程总次数"),
        Family("033005{last}", RECORD + "+hhmmNNx14x16", "mixed", "day slot table programming record, {last}", "({last})时段表编程", parts=(*HEAD, *SLOT_TABLES)),
        Family("03300600", "XXXXXX", "times", "year zone table programming count", "时区表编程总次数"),
        Family("033006{last}", RECORD + "+MMDDNNx28", "mixed", "year zone table programming record, {last}", "({last})时区表编程", parts=(*HEAD, *numbered("set 1, zone", "第1套时区", 14), *numbered("set 2, zone", "第2套时区", 14))),
        Family("03300700", "XXXXXX", "times", "weekend programming count", "周休日编程总次数"),
        Family("033007{last}", RECORD + "+XX", "mixed", "weekend programming record, {last}", "({last})周休日编程", parts=(*HEAD, Part("day-slot table before", "编程前时段表号"))),
        Family("03300800", "XXXXXX", "times", "holiday programming count", "节假日编程总次数"),
        Family("033008{last}", RECORD + "+YYMMDDNNx254", "mixed", "holiday programming record, {last}", "({last})节假日编程", parts=(*HEAD, *numbered("holiday", "公共假日", 254))),
        Family("03300900", "XXXXXX", "times", "active combination word programming count", "有功组合方式编程总次数"),
        Family("033009{last}", RECORD + "+XX", "mixed", "active combination word programming record, {last}", "({last})有功组合方式编程", parts=(*HEAD, Part("word before", "编程前特征字"))),
        Family("03300A00", "XXXXXX", "times", "reactive combination 1 programming count", "无功组合方式1编程总次数"),
        Family("03300A{last}", RECORD + "+XX", "mixed", "reactive combination 1 programming record, {last}", "({last})无功组合方式1编程", parts=(*HEAD, Part("word before", "编程前特征字"))),
        Family("03300B00", "XXXXXX", "times", "reactive combination 2 programming count", "无功组合方式2编程总次数"),
        Family("03300B{last}", RECORD + "+XX", "mixed", "reactive combination 2 programming record, {last}", "({last})无功组合方式2编程", parts=(*HEAD, Part("word before", "编程前特征字"))),
        Family("03300C00", "XXXXXX", "times", "settlement day programming count", "结算日编程总次数"),
        Family("03300C{last}", RECORD + "+DDhhx3", "mixed", "settlement day programming record, {last}", "({last})结算日编程", parts=(*HEAD, *numbered("settlement day before", "编程前结算日", 3))),
    ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.4",
        Family("03300F00", "XXXXXX", "times", "tariff price table programming count", "费率参数表编程总次数"),
        Family("03300F{last}", RECORD + "+NNNN.NNNNxn", "mixed", "tariff price table programming record, {last}", "({last})费率参数表编程", parts=(*HEAD, Part("price before", "编程前费率电价", "yuan/kWh"))),
        Family("03301000", "XXXXXX", "times", "tier table programming count", "阶梯表编程总次数"),
        Family("033010{last}", "record", "mixed", "tier table programming record, {last}", "({last})阶梯表编程记录", kind=Kind.OPAQUE),
        Family("03301200", "XXXXXX", "times", "key update count", "密钥更新总次数"),
        Family("033012{last:01-02}", RECORD + "+HH+XXXXXXXX", "mixed", "key update record, {last}", "({last})密钥更新", parts=(*HEAD, Part("number of keys", "密钥条数"), Part("identifier", "数据标识"))),
        Family("03301300", "XXXXXX", "times", "abnormal card insertion count", "异常插卡总次数"),
        Family("033013{last}", "record", "mixed", "abnormal card insertion record, {last}", "({last})异常插卡记录", kind=Kind.OPAQUE, size=36),
        Family("03301400", "XXXXXX", "times", "illegal card insertion count", "非法插卡总次数"),
        single_source=True,
    ),
)

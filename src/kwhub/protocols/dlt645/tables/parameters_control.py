"""Parameters of control and billing: limits, freezes, time tables, prices, tiers, maker data.

Source: DL/T 645-2007, annex A, table A.5; rows marked as single source come from the filings.
"""

from kwhub.protocols.dlt645.families import Family, Part, numbered, rows

__all__ = ["FAMILIES"]

DISPLAY = (Part("identifier", "数据标识"), Part("index", "序号"))
TIER_SET = (
    *numbered("threshold", "阶梯值", 6, "kWh"),
    *numbered("price", "电价", 7, "yuan/kWh"),
    *numbered("yearly settlement day", "年结算日", 4),
)

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.5",
        Family("04000E01", "NN.NNNN", "kW", "forward active power limit", "正向有功功率上限值", access="RW"),
        Family("04000E02", "NN.NNNN", "kW", "reverse active power limit", "反向有功功率上限值", access="RW"),
        Family("04000E03", "NNN.N", "V", "upper voltage limit", "电压上限值", access="RW"),
        Family("04000E04", "NNN.N", "V", "lower voltage limit", "电压下限值", access="RW"),
        Family("04001104", "bits", "", "active-report mode word", "主动上报模式字", size=8, access="RW"),
        Family("04001501", "bits+XXxn", "", "active-report status word", "主动上报状态字", size=12, parts=(Part("", ""), Part("new events", "新增次数"))),
        Family("04010000", "MMDDNNx14", "", "year zones, set 1", "第一套时区表数据", access="RW", parts=numbered("zone", "时区", 14)),
        Family("040100{table:01-08}", "hhmmNNx14", "", "day-slot table {table}, set 1", "第一套第{table}日时段表数据", access="RW", parts=numbered("slot", "时段", 14)),
        Family("04020000", "MMDDNNx14", "", "year zones, set 2", "第二套时区表数据", access="RW", parts=numbered("zone", "时区", 14)),
        Family("040200{table:01-08}", "hhmmNNx14", "", "day-slot table {table}, set 2", "第二套第{table}日时段表数据", access="RW", parts=numbered("slot", "时段", 14)),
        Family("040300{day:01-FE}", "YYMMDDNN", "", "public holiday {day}: date and day-slot table", "第{day}公共假日日期及日时段表号", access="RW"),
        Family("040401{screen:01-63}", "NNNNNNNN,NN", "", "automatic display, screen {screen}", "自动循环显示第{screen}屏显示数据项", access="RW", parts=DISPLAY),
        Family("040402{screen:01-63}", "NNNNNNNN,NN", "", "key display, screen {screen}", "按键循环显示第{screen}屏显示数据项", access="RW", parts=DISPLAY),
        Family("04000D{phase:01|05|09}", "N.NNN", "", "conductance coefficient of the transformer loss, phase {phase}", "{phase}电导系数", access="RW"),
        Family("04000D{phase:02|06|0A}", "N.NNN", "", "susceptance coefficient of the transformer loss, phase {phase}", "{phase}电纳系数", access="RW"),
        Family("04000D{phase:03|07|0B}", "N.NNN", "", "resistance coefficient of the transformer loss, phase {phase}", "{phase}电阻系数", access="RW"),
        Family("04000D{phase:04|08|0C}", "N.NNN", "", "reactance coefficient of the transformer loss, phase {phase}", "{phase}电抗系数", access="RW"),
        Family("04800001", "ASCII", "", "maker software version (ASCII)", "厂家软件版本号", size=32),
        Family("04800002", "ASCII", "", "maker hardware version (ASCII)", "厂家硬件版本号", size=32),
        Family("04800003", "ASCII", "", "maker code (ASCII)", "厂家编号", size=32),
    ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.5",
        Family("04000F01", "XXXXXX.XX", "kWh", "alarm energy 1", "报警电量1限值", access="RW"),
        Family("04000F02", "XXXXXX.XX", "kWh", "alarm energy 2", "报警电量2限值", access="RW"),
        Family("04000F03", "XXXXXX.XX", "kWh", "hoarding energy limit", "囤积电量限值", access="RW"),
        Family("04000F04", "XXXXXX.XX", "kWh", "overdraft energy limit", "透支电量限值", access="RW"),
        Family("04001001", "XXXXXX.XX", "yuan", "alarm money 1", "报警金额1限值", access="RW"),
        Family("04001002", "XXXXXX.XX", "yuan", "alarm money 2", "报警金额2限值", access="RW"),
        Family("04001003", "XXXXXX.XX", "yuan", "overdraft money limit", "透支金额限值", access="RW"),
        Family("04001004", "NNNNNN.NN", "yuan", "hoarding money limit", "囤积金额限值", access="RW"),
        Family("04001005", "NNNNNN.NN", "yuan", "money needed to permit closing", "合闸允许金额限值", access="RW"),
        Family("04001006", "XXXXXX.XX", "yuan", "refund amount", "退费金额", access="W"),
        Family("04001101", "bits", "", "run feature word 1", "电表运行特征字1", size=1, access="RW"),
        Family("04001201", "YYMMDDhhmm", "", "hourly freeze start time", "整点冻结起始时间", access="RW"),
        Family("04001202", "NN", "min", "hourly freeze interval", "整点冻结时间间隔", access="RW"),
        Family("04001203", "hhmm", "", "daily freeze time", "日冻结时间", access="RW"),
        Family("04001204", "MMDDhhmm", "", "timed freeze time", "定时冻结时间"),
        Family("04001301", "NN", "", "radio link: online flag and signal strength", "无线通信在线及信号强弱指示", access="RW"),
        Family("04001401", "NNNN", "min", "trip delay (warning time before tripping)", "跳闸延时时间", access="RW"),
        Family("04001402", "NNN.NNN", "A", "current limit above which the relay is not opened", "继电器拉闸控制电流门限值", access="RW"),
        Family("04001403", "NNNN", "min", "protection delay for 04001402", "超拉闸控制电流门限保护延时时间", access="RW"),
        Family("04001404", "NN", "min", "infrared authentication validity", "红外认证时效", access="?"),
        Family("04001405", "NN", "min", "auto-reset delay of the active-report status word", "主动上报状态字自动复位延时时间", access="?"),
        Family("04001502", "bits", "", "card insertion status word", "插卡状态字", size=2),
        Family("04001503", "bits", "", "reset the active-report status word", "复位主动上报状态字", size=12, access="W"),
        Family("04040300", "NNNNNNNN,NN", "", "show an item on the display now", "液晶查看", access="RW", parts=DISPLAY),
        Family("040501{price:01-20|FF}", "NNNN.NNNN", "yuan/kWh", "price of tariff {price}, current set", "当前套费率{price}电价"),
        Family("040502{price:01-20|FF}", "NNNN.NNNN", "yuan/kWh", "price of tariff {price}, standby set", "备用套费率{price}电价", access="RW"),
        Family("040600{tier:01-3F}", "NNNNNN.NN", "kWh", "tier {tier} threshold, set 1", "第一套第{tier}阶梯值", access="RW"),
        Family("040601{tier:01-3F}", "NNNN.NNNN", "yuan/kWh", "tier {tier} price, set 1", "第一套阶梯电价{tier}", access="RW"),
        Family("040602{tier:01-3F}", "NNNNNN.NN", "kWh", "tier {tier} threshold, set 2", "第二套第{tier}阶梯值", access="RW"),
        Family("040603{tier:01-3F}", "NNNN.NNNN", "yuan/kWh", "tier {tier} price, set 2", "第二套阶梯电价{tier}", access="RW"),
        Family("040604FF", "NNNNNN.NNx6+NNNN.NNNNx7+MMDDhhx4", "mixed", "current tier set", "当前套阶梯参数数据块", parts=TIER_SET),
        Family("040605FF", "NNNNNN.NNx6+NNNN.NNNNx7+MMDDhhx4", "mixed", "standby tier set", "备用套阶梯参数数据块", access="RW", parts=TIER_SET),
        Family("04800004", "NNNNNNNNNNNNNNNN", "", "software filing number", "软件备案号"),
        single_source=True,
    ),
)

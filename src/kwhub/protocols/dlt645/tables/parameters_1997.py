"""Parameters of the meter.

Source: DL/T 645-1997, annex A, classes C0 to C5; C028 is an extension of one maker.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-1997, annex A",
        Family("C010", "YYMMDDWW", "", "date and weekday", "日期及周次", "0-0:0.9.2", access="RW"),
        Family("C011", "hhmmss", "", "time", "时间", "0-0:0.9.1", access="RW"),
        Family("C020", "bits", "", "meter status word", "电表运行状态字", size=1),
        Family("C022", "bits", "", "weekend status word", "周休日状态字", size=1, access="RW"),
        Family("C030", "NNNNNN", "imp/kWh", "meter constant, active", "电表常数(有功)", "1-0:0.3.0", access="RW"),
        Family("C031", "NNNNNN", "imp/kvarh", "meter constant, reactive", "电表常数(无功)", "1-0:0.3.1", access="RW"),
        Family("C032", "NNNNNNNNNNNN", "", "meter number", "表号", "0-0:96.1.0", access="RW"),
        Family("C033", "NNNNNNNNNNNN", "", "user number", "用户号", access="RW"),
        Family("C034", "NNNNNNNNNNNN", "", "device code", "设备码", access="RW"),
        Family("C111", "NN", "min", "maximum demand period", "最大需量周期", access="RW"),
        Family("C112", "NN", "min", "sliding step", "滑差时间", access="RW"),
        Family("C113", "NN", "s", "display cycle time", "循显时间", access="RW"),
        Family("C114", "NN", "s", "display stop time", "停显时间", access="RW"),
        Family("C115", "NN", "", "energy decimals shown", "显示电能小数位数", access="RW"),
        Family("C116", "NN", "", "power/demand decimals shown", "显示功率(最大需量)小数位数", access="RW"),
        Family("C117", "DDhh", "", "automatic reading day", "自动抄表日期", access="RW"),
        Family("C118", "NN", "", "load representative day", "负荷代表日", access="RW"),
        Family("C119", "NNNNNN.N", "kWh", "active energy start value", "有功电能起始读数", access="RW"),
        Family("C11A", "NNNNNN.N", "kvarh", "reactive energy start value", "无功电能起始读数", access="RW"),
        Family("C211", "NNNN", "ms", "output pulse width", "输出脉冲宽度", access="RW"),
        Family("C310", "NN", "", "number of year zones P", "年时区数", access="RW"),
        Family("C311", "NN", "", "number of day-slot tables q", "日时段表数", access="RW"),
        Family("C312", "NN", "", "number of day slots m (<=10)", "日时段数", access="RW"),
        Family("C313", "NN", "", "number of tariffs k (<=14)", "费率数", access="RW"),
        Family("C314", "NN", "", "number of public holidays n", "公共假日数", access="RW"),
        Family("C32{zone:1-E|F}", "MMDDNN", "", "year zone {zone}: start date and day-slot table", "第{zone}时区起始日期及日时段表号", access="RW"),
        Family("C3{table:3|4|5|6|7|8|9|A}{slot:1-A|F}", "hhmmNN", "", "day-slot table {table}, slot {slot}: start time and tariff", "第{table}日时段表第{slot}时段起始时间及费率号", access="RW"),
        Family("C41{holiday:1-D|F}", "MMDDNN", "", "public holiday {holiday}: date and day-slot table", "第{holiday}公共假日日期及日时段表号", access="RW"),
        Family("C41E", "NN", "", "day-slot table used at weekends", "周休日采用的日时段表号", access="RW"),
        Family("C510", "MMDDhhmm", "", "load record start time", "负荷记录起始时间", access="RW"),
        Family("C511", "NNNN", "min", "load record interval", "负荷记录间隔时间", access="RW"),
    ),
    *rows(
        "DL/T 645-1997, annex A (one source)",
        Family("C021", "bits", "", "grid status word", "电网状态字", size=1),
        Family("C212", "NNNNNNNN", "", "password level and password", "密码权限及密码", access="W"),
        Family("C028", "XXXX", "", "relay: 3355 trips, 9966 closes (vendor item)", "继电器控制(厂家扩展)", access="W"),
        single_source=True,
    ),
)

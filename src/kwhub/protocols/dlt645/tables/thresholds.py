"""Thresholds and delays of the event records.

Source: DL/T 645-2007, annex A, table A.5, in the State Grid filings.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "State Grid filing to DL/T 645-2007, table A.5",
        Family("04090501", "NN.NN", "%", "voltage unbalance limit", "电压不平衡率限值", access="RW"),
        Family("04090502", "NN", "s", "voltage unbalance: delay", "电压不平衡率判定延时时间", access="RW"),
        Family("04090601", "NN.NN", "%", "current unbalance limit", "电流不平衡率限值", access="RW"),
        Family("04090602", "NN", "s", "current unbalance: delay", "电流不平衡率判定延时时间", access="RW"),
    ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.5",
        Family("04090101", "NNN.N", "V", "voltage loss: voltage below", "失压事件电压触发上限", access="RW"),
        Family("04090102", "NNN.N", "V", "voltage loss: voltage recovered above", "失压事件电压恢复下限", access="RW"),
        Family("04090103", "NN.NNNN", "A", "voltage loss: current above", "失压事件电流触发下限", access="RW"),
        Family("04090104", "NN", "s", "voltage loss: delay", "失压事件判定延时时间", access="RW"),
        Family("04090201", "NNN.N", "V", "undervoltage: voltage below", "欠压事件电压触发上限", access="RW"),
        Family("04090202", "NN", "s", "undervoltage: delay", "欠压事件判定延时时间", access="RW"),
        Family("04090301", "NNN.N", "V", "overvoltage: voltage above", "过压事件电压触发下限", access="RW"),
        Family("04090302", "NN", "s", "overvoltage: delay", "过压事件判定延时时间", access="RW"),
        Family("04090401", "NNN.N", "V", "phase failure: voltage below", "断相事件电压触发上限", access="RW"),
        Family("04090402", "NN.NNNN", "A", "phase failure: current below", "断相事件电流触发上限", access="RW"),
        Family("04090403", "NN", "s", "phase failure: delay", "断相事件判定延时时间", access="RW"),
        Family("04090701", "NNN.N", "V", "current loss: voltage above", "失流事件电压触发下限", access="RW"),
        Family("04090702", "NN.NNNN", "A", "current loss: current below", "失流事件电流触发上限", access="RW"),
        Family("04090703", "NN.NNNN", "A", "current loss: other phase current above", "失流事件电流触发下限", access="RW"),
        Family("04090704", "NN", "s", "current loss: delay", "失流事件判定延时时间", access="RW"),
        Family("04090801", "NNN.N", "A", "overcurrent: current above", "过流事件电流触发下限", access="RW"),
        Family("04090802", "NN", "s", "overcurrent: delay", "过流事件判定延时时间", access="RW"),
        Family("04090901", "NNN.N", "V", "current interruption: voltage above", "断流事件电压触发下限", access="RW"),
        Family("04090902", "NN.NNNN", "A", "current interruption: current below", "断流事件电流触发上限", access="RW"),
        Family("04090903", "NN", "s", "current interruption: delay", "断流事件判定延时时间", access="RW"),
        Family("04090A01", "NN.NNNN", "kW", "flow reversal: active power above", "潮流反向事件有功功率触发下限", access="RW"),
        Family("04090A02", "NN", "s", "flow reversal: delay", "潮流反向事件判定延时时间", access="RW"),
        Family("04090B01", "NN.NNNN", "kW", "overload: active power above", "过载事件有功功率触发下限", access="RW"),
        Family("04090B02", "NN", "s", "overload: delay", "过载事件判定延时时间", access="RW"),
        Family("04090C01", "NNN.N", "V", "voltage assessment upper limit", "电压考核上限", access="RW"),
        Family("04090C02", "NNN.N", "V", "voltage assessment lower limit", "电压考核下限", access="RW"),
        Family("04090D01", "NN.NNNN", "kW", "active demand limit", "有功需量超限触发下限", access="RW"),
        Family("04090D02", "NN.NNNN", "kvar", "reactive demand limit", "无功需量超限触发下限", access="RW"),
        Family("04090D03", "NN", "s", "demand over limit: delay", "需量超限判定延时时间", access="RW"),
        Family("04090E01", "N.NNN", "", "power factor lower limit", "功率因数超下限阀值", access="RW"),
        Family("04090E02", "NN", "s", "power factor below limit: delay", "功率因数超下限判定延时时间", access="RW"),
        Family("04090F01", "NN.NN", "%", "severe current unbalance limit", "电流严重不平衡限值", access="RW"),
        Family("04090F02", "NN", "s", "severe current unbalance: delay", "电流严重不平衡触发延时时间", access="RW"),
        Family("04091001", "NN.NNNN", "kW", "power reversed: active power above", "功率反向事件有功功率触发下限", access="RW"),
        Family("04091002", "NN", "s", "power reversed: delay", "功率反向事件判定延时时间", access="RW"),
        single_source=True,
    ),
)

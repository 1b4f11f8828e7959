"""Identifiers of the collecting terminal: sixteen pulse channels behind one address.

They begin with 0F, which neither the standard nor a maker that we know of uses, and follow its habits: DI0
is the channel (01 to 10 hexadecimal, FF for all of them in order), BCD low byte first. What meters also have
(clock, passwords, freeze orders) is asked of a terminal under the identifiers of the standard.

Source: kwhub, profile of the collecting terminal, edition 1; the notation is that of DL/T 645-2007, annex A.
"""

from kwhub.protocols.dlt645.families import TIME, Family, Kind, Part, numbered, rows

__all__ = ["FAMILIES"]

_FROZEN = (TIME, Part("register", "示数", "kWh"))
_NOW = (
    Part("pulses", "脉冲数", "imp"),
    Part("register", "示数", "kWh"),
    Part("power", "功率", "kW"),
    Part("status", "状态"),
)
_SETTINGS = (
    Part("kind", "类型"),
    Part("constant", "脉冲常数", "imp/kWh"),
    Part("largest current", "最大电流", "A"),
    Part("voltage", "电压", "V"),
    Part("phases", "相数"),
    Part("debounce", "去抖时间", "ms"),
)
_EVENT = (Part("number", "序号"), TIME, Part("kind", "类型"), Part("channel", "通道"))
_ROUND = (
    Part("number", "序号"),
    Part("begun", "开始时间"),
    Part("state", "状态"),
    Part("channels read", "已采通道"),
)
_ON_PORT = (Part("address", "表地址"), Part("edition", "规约版本"), Part("speed", "速率", "bit/s"))

# fmt: off
FAMILIES = rows(
    "kwhub, profile of the collecting terminal, edition 1",
    Family("0F000000", "NN+NN", "", "terminal profile", "终端规约", parts=(Part("edition", "版本"), Part("channels", "通道数"))),
    Family("0F000100", "bits", "", "terminal status word", "终端状态字", size=2),
    Family("0F000200", "MMDDhhmmx8", "", "freeze times", "冻结时间", access="RW", parts=numbered("freeze time", "冻结时间", 8)),
    Family("0F000300", "XXXXXX+YYMMDDhhmmss+NN+HHHH", "", "last collection round", "最近一次采集", parts=_ROUND),
    Family("0F0100{channel:01-10|FF}", "XXXXXXXX", "imp", "pulses of channel {channel}", "通道{channel}脉冲数"),
    Family("0F0101{channel:01-10|FF}", "XXXXXX.XX", "kWh", "register of channel {channel}", "通道{channel}示数"),
    Family("0F0102{channel:01-10|FF}", "XXXXXXXX+XXXXXX.XX+XX.XXXX+HH", "mixed", "channel {channel} now", "通道{channel}当前", parts=_NOW),
    Family("0F0103{channel:01-10|FF}", "XXXXXXXX+XXXXXXXX", "imp", "left out on channel {channel}", "通道{channel}剔除", parts=(Part("implausible pulses", "不可信脉冲", "imp"), Part("bounces", "抖动", "imp"))),
    Family("0F0200{channel:01-10|FF}", "NN+NNNNNN+NNN.N+NNN.N+NN+NNNN", "mixed", "settings of channel {channel}", "通道{channel}参数", access="RW", parts=_SETTINGS),
    Family("0F0201{channel:01-10|FF}", "NNNNNN.NN", "kWh", "initial reading of channel {channel}", "通道{channel}初始示数", access="RW"),
    Family("0F0202{channel:01-10|FF}", "NNNNNNNNNNNN", "", "measuring point address of channel {channel}", "通道{channel}测量点地址", access="RW"),
    Family("0F020310", "NNNNNNNNNNNN+NNNN+NNNNNN", "", "meter on the RS-485 port", "RS-485电能表", access="RW", parts=_ON_PORT),
    Family("0F0600{channel:01-10}", "XXXXXX.XX", "kWh", "register curve of channel {channel}", "通道{channel}示数曲线", kind=Kind.CURVE),
    Family("0F070001", "(XXXXXXXX+YYMMDDhhmmss+NN+NN)xn", "", "events from a given time", "给定时间起事件", parts=_EVENT),
    Family("0F070002", "(XXXXXXXX+YYMMDDhhmmss+NN+NN)xn", "", "latest events", "最近事件", parts=_EVENT),
    Family("0F10{last:01-3C}{channel:01-10|FF}", "YYMMDDhhmm+XXXXXX.XX", "mixed", "{last} timed freeze of channel {channel}", "{last}定时冻结通道{channel}", parts=_FROZEN),
    Family("0F11{last:01-03}{channel:01-10|FF}", "YYMMDDhhmm+XXXXXX.XX", "mixed", "{last} instant freeze of channel {channel}", "{last}瞬时冻结通道{channel}", parts=_FROZEN),
    Family("0F16{last:01-3E}{channel:01-10|FF}", "YYMMDDhhmm+XXXXXX.XX", "mixed", "{last} daily freeze of channel {channel}", "{last}日冻结通道{channel}", parts=_FROZEN),
)

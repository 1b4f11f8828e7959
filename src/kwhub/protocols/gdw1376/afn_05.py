"""AFN 05: control, down with PW, answered by AFN 00.

Source: Q/GDW 1376.1-2013, clause 5.6. F1 is one byte: the declaration of two bytes in a public codec
contradicts the control loop of a firmware in production.
"""

from datetime import datetime

from kwhub.protocols.gdw1376.formats import A1, BIN1, bytes_format
from kwhub.protocols.gdw1376.layouts import Blob, Field, Row
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["AFN", "ROWS", "SET_CLOCK", "clock_unit"]

AFN = 0x05
SET_CLOCK = 31

_SLOT_CONTROL = (
    Field("slots", "时段功控投入标志", bytes_format(1)),
    Field("scheme", "时段功控定值方案号", BIN1),
)
_LOWERING = Field("power lowering", "功率下浮控参数", bytes_format(8))
_PORT = (Field("port", "终端通信端口号", BIN1),)
_TEXT = (
    Field("kind and number", "信息种类及编号", BIN1),
    Field("length", "汉字信息长度", BIN1, "byte", key="length"),
    Blob("text (GB 2312)", "汉字信息", "length"),
)

ROWS = (
    Row(
        1,
        "remote trip",
        "遥控跳闸",
        (Field("alarm delay and limit time", "告警延时及限电时间", BIN1),),
        None,
    ),
    Row(2, "allow close", "允许合闸", (), None),
    Row(9, "slot control on", "时段功控投入", _SLOT_CONTROL, None),
    Row(10, "days-off control on", "厂休功控投入", (), None),
    Row(11, "out-of-business control on", "营业报停功控投入", (), None),
    Row(12, "power lowering on", "当前功率下浮控投入", (_LOWERING,), None),
    *(
        Row(number, f"{name} {state}", f"{name_zh}{state_zh}", (), None)
        for first, state, state_zh in ((15, "on", "投入"), (23, "off", "解除"))
        for number, name, name_zh in (
            (first, "monthly energy control", "月电控"),
            (first + 1, "purchase control", "购电控"),
        )
    ),
    *(
        Row(number, f"{name} off", f"{name_zh}解除", (), None)
        for number, name, name_zh in (
            (17, "slot control", "时段功控"),
            (18, "days-off control", "厂休功控"),
            (19, "out-of-business control", "营业报停功控"),
            (20, "power lowering", "当前功率下浮控"),
        )
    ),
    Row(
        41,
        "capacitors on",
        "电容器控制投入",
        (Field("capacitors", "电容器组", bytes_format(2)),),
        None,
    ),
    Row(
        42,
        "capacitors off",
        "电容器控制切除",
        (Field("capacitors", "电容器组", bytes_format(2)),),
        None,
    ),
    Row(57, "delete event records", "删除指定事件记录", None, None, single_source=True),
    Row(
        25,
        "protection on",
        "终端保电投入",
        (Field("duration", "保电持续时间", BIN1, "0.5 h"),),
        None,
    ),
    Row(26, "arrears alarm on", "催费告警投入", (), None),
    Row(27, "talk allowed", "允许终端与主站通话", (), None),
    Row(28, "excluded from control", "终端剔除投入", (), None),
    Row(29, "unsolicited reports allowed", "允许终端主动上报", (), None),
    Row(
        30,
        "terminal corrects meter clocks",
        "终端对电能表对时功能的开启与关闭",
        (Field("on", "开启", BIN1),),
        None,
        single_source=True,
    ),
    Row(SET_CLOCK, "set clock", "对时命令", (Field("clock", "终端时钟", A1),), None),
    Row(32, "Chinese text", "中文信息", _TEXT, None),
    Row(33, "protection off", "终端保电解除", (), None),
    Row(34, "arrears alarm off", "催费告警解除", (), None),
    Row(35, "talk forbidden", "禁止终端与主站通话", (), None),
    Row(36, "no longer excluded", "终端剔除解除", (), None),
    Row(37, "unsolicited reports forbidden", "禁止终端主动上报", (), None),
    Row(38, "connect", "激活终端连接主站", (), None),
    Row(39, "disconnect", "命令终端断开连接", (), None),
    Row(49, "pause reading", "命令指定通信端口暂停抄表", _PORT, None),
    Row(50, "resume reading", "命令指定通信端口恢复抄表", _PORT, None),
    Row(51, "read again", "命令指定通信端口重新抄表", _PORT, None),
    Row(52, "clear routes", "初始化指定通信端口下的全部中继路由信息", _PORT, None),
    Row(53, "delete all meters", "删除指定通信端口下的全部电表", _PORT, None),
)


def clock_unit(clock: datetime) -> Unit:
    """F31 with a naive wall time of the site."""
    return Unit((0,), (SET_CLOCK,), A1.encode(WallClock.of(clock)))

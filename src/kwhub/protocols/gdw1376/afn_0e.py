"""AFN 0E: class 3 data, events.

Source: Q/GDW 1376.1-2013, clause 5.13. The body of a record depends on ERC and stays as bytes here.
"""

from kwhub.protocols.gdw1376.formats import BIN1
from kwhub.protocols.gdw1376.layouts import Blob, Field, Repeat, Row

__all__ = ["AFN", "ERC_NAMES", "ROWS"]

AFN = 0x0E

ERC_NAMES: dict[int, tuple[str, str]] = {
    1: ("initialised or version changed", "数据初始化和版本变更记录"),
    2: ("parameter loss", "参数丢失记录"),
    3: ("parameter changed", "参数变更记录"),
    4: ("status input changed", "状态量变位记录"),
    5: ("remote trip", "遥控跳闸记录"),
    6: ("power control trip", "功控跳闸记录"),
    7: ("energy control trip", "电控跳闸记录"),
    8: ("meter parameter changed", "电能表参数变更"),
    9: ("current circuit fault", "电流回路异常"),
    10: ("voltage circuit fault", "电压回路异常"),
    11: ("phase order", "相序异常"),
    12: ("meter clock off", "电能表时间超差"),
    13: ("meter fault", "电表故障信息"),
    14: ("terminal power off or on", "终端停/上电事件"),
    20: ("authentication error", "消息认证错误记录"),
    21: ("terminal fault", "终端故障记录"),
    24: ("voltage over limit", "电压越限记录"),
    25: ("current over limit", "电流越限记录"),
    26: ("load over limit", "视在功率越限记录"),
    27: ("reading went down", "电能表示度下降记录"),
    28: ("energy over tolerance", "电能量超差记录"),
    29: ("meter runs away", "电能表飞走记录"),
    30: ("meter stopped", "电能表停走记录"),
    31: ("reading failed", "终端485抄表失败事件记录"),
    32: ("traffic over limit", "终端与主站通信流量超门限事件记录"),
    33: ("meter status words changed", "电能表运行状态字变位事件记录"),
    34: ("current transformer anomaly", "CT异常事件记录"),
    35: ("unknown meter found", "发现未知电表事件记录"),
    60: ("Bluetooth device in trouble (extension)", "蓝牙设备异常（扩展）"),
}
"""English and Chinese name of an event code."""


def _erc_words(code: int) -> tuple[str, str]:
    name, name_zh = ERC_NAMES.get(code, ("reserved or of the province", "备用或地方扩展"))
    return f"ERC{code} {name}", f"ERC{code}{name_zh}"


_RANGE = (
    Field("first record", "事件记录起始指针Pm", BIN1, key="first"),
    Field("end of records", "事件记录结束指针Pn", BIN1, key="end"),
)
_RECORD = (
    Field("event code ERC", "事件代码ERC", BIN1, tell=_erc_words),
    Field("length", "事件记录长度Le", BIN1, "byte", key="length"),
    Blob("record", "事件记录内容", "length"),
)
_RECORDS = (
    Field("important events", "当前重要事件计数器EC1", BIN1),
    Field("normal events", "当前一般事件计数器EC2", BIN1),
    *_RANGE,
    Repeat(lambda seen: (seen["end"] - seen["first"]) % 256, _RECORD),
)

ROWS = (
    Row(1, "important events", "请求重要事件", _RANGE, _RECORDS),
    Row(2, "normal events", "请求一般事件", _RANGE, _RECORDS),
)

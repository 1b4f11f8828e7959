"""AFN 04: set parameters, down with PW, answered by AFN 00.

Source: Q/GDW 1376.1-2013, clause 5.5; the layouts of F10, F33 and F34 as in field frames.
"""

from dataclasses import dataclass
from typing import Annotated

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import (
    A5,
    A7,
    A12,
    A18,
    A19,
    A22,
    A23,
    BIN1,
    BIN2,
    BIN4,
    bytes_format,
    text_format,
)
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat, Row
from kwhub.protocols.gdw1376.parameter_rows import ROWS as OTHER_ROWS
from kwhub.protocols.gdw1376.units import Unit
from kwhub.wire.codecs import U8, U16LE, bcd_text, raw_bytes
from kwhub.wire.frame import Frame, frame_size

__all__ = [
    "AFN",
    "ARCHIVE",
    "BAUD_CODES",
    "MBUS",
    "METER_PROTOCOLS",
    "ROWS",
    "MeterArchive",
    "archive_unit",
    "read_archive",
]

AFN = 0x04
ARCHIVE = 10

BAUD_CODES = (0, 600, 1200, 2400, 4800, 7200, 9600, 19_200)
"""Baud by the code in F10 byte 4, D7-D5; 0 is the default of the port."""

MBUS = 200
"""Protocol of an M-Bus meter in F10; an extension of this package."""

METER_PROTOCOLS: dict[int, tuple[str, str]] = {
    0: ("do not read", "不抄表"),
    1: ("DL/T 645-1997", "DL/T 645-1997"),
    2: ("AC sampling", "交流采样装置"),
    30: ("DL/T 645-2007", "DL/T 645-2007"),
    31: ("narrow-band PLC module", "窄带低压载波通信"),
    MBUS: ("M-Bus (extension)", "M-Bus（扩展）"),
}
"""Protocol of a meter by the code in F10 byte 5; provinces add their own, and so does this package."""


def _line_words(byte: int) -> tuple[str, str]:
    port, baud = byte & 0x1F, BAUD_CODES[byte >> 5]
    if not baud:
        return f"port {port}, default speed", f"端口{port}，默认速率"
    return f"port {port}, {baud} bit/s", f"端口{port}，{baud} bit/s"


def _protocol_words(code: int) -> tuple[str, str]:
    name, name_zh = METER_PROTOCOLS.get(code, ("of the province", "地方扩展"))
    return f"{code}: {name}", f"{code}：{name_zh}"


_UPLINK = (
    Field("RTS", "RTS", BIN1, "20 ms"),
    Field("permitted delay", "作为启动站允许发送传输延时时间", BIN1, "min"),
    Field("response timeout and resends", "等待从动站响应的超时时间和重发次数", BIN2),
    Field("classes that want a confirm", "需要主站确认的通信服务标志", BIN1),
    Field("heartbeat period", "心跳周期", BIN1, "min"),
)
_STATION = (
    Field("main IP", "主用IP地址", bytes_format(4)),
    Field("main port", "主用端口", BIN2),
    Field("backup IP", "备用IP地址", bytes_format(4)),
    Field("backup port", "备用端口", BIN2),
    Field("APN", "APN", text_format(16)),
)
_ARCHIVE_RECORD = (
    Field("index", "装置序号", BIN2),
    Field("measuring point", "测量点号", BIN2),
    Field("baud code and port", "通信速率及端口号", BIN1, tell=_line_words),
    Field("protocol", "通信协议类型", BIN1, tell=_protocol_words),
    Field("meter address", "通信地址", A12),
    Field("meter password", "通信密码", bytes_format(6)),
    Field("tariff count", "电能费率个数", BIN1),
    Field("digits", "整数位及小数位个数", BIN1),
    Field("collector address", "所属采集器通信地址", A12),
    Field("user class", "用户大类号及小类号", BIN1),
)
_READING = (
    Field("port", "终端通信端口号", BIN1),
    Field("control word", "抄表运行控制字", BIN2),
    Field("reading days", "抄表日", bytes_format(4)),
    Field("reading time", "抄表时间", A19),
    Field("reading interval", "抄表间隔时间", BIN1, "min"),
    Field("broadcast time", "对电能表广播校时定时时间", A18),
    Field("slots", "允许抄表时段数m", BIN1, key="m"),
    Repeat(
        "m",
        (
            Field("slot start", "允许抄表时段开始时间", A19),
            Field("slot end", "允许抄表时段结束时间", A19),
        ),
    ),
)
_LOCAL_PORT = (
    Field("port", "终端通信端口号", BIN1),
    Field("line control", "与终端接口对应端的通信控制字", BIN1),
    Field("baud", "通信速率", BIN4, "bit/s"),
)
_POINT_BASICS = (
    Field("voltage transformer ratio", "电压互感器倍率", BIN2),
    Field("current transformer ratio", "电流互感器倍率", BIN2),
    Field("rated voltage", "额定电压", A7, "V"),
    Field("rated current", "额定电流", A22, "A"),
    Field("rated load", "额定负荷", A23, "kVA"),
    Field("wiring", "电源接线方式", BIN1),
)
_DATA_SETS = (
    Field("big user class", "用户大类号", BIN1),
    Field("sets", "设置组数m", BIN1, key="m"),
    Repeat(
        "m",
        (
            Field("small user class", "用户小类号", BIN1),
            Field("information groups", "信息类组数n", BIN1, key="n"),
            Repeat("n", (Field("functions", "信息类元", bytes_format(1)),)),
        ),
    ),
)
_REPORT_TASK = (
    Field("period", "定时上报周期及单位", BIN1),
    Field("base time", "上报基准时间", bytes_format(6)),
    Field("curve factor", "曲线数据抽取倍率R", BIN1),
    Field("units", "数据单元标识个数n", BIN1, key="n"),
    Repeat("n", (Field("unit", "数据单元标识", bytes_format(4)),)),
)


def _list_of(form: Field, body: Layout) -> Layout:
    return (form, Repeat(form.key, body))


_COUNT1 = Field("count", "本次设置数量n", BIN1, key="count")
_COUNT2 = Field("count", "本次设置数量n", BIN2, key="count")

ROWS = (
    Row(1, "uplink port", "终端上行通信口通信参数", _UPLINK, None),
    Row(3, "head-end address", "主站IP地址和端口", _STATION, None),
    Row(
        5,
        "message authentication",
        "终端上行通信消息认证参数",
        (Field("scheme", "消息认证方案号", BIN1), Field("parameter", "消息认证方案参数", BIN2)),
        None,
    ),
    Row(
        6,
        "group addresses",
        "终端组地址",
        tuple(Field(f"group {n}", f"组地址{n}", BIN2) for n in range(1, 9)),
        None,
    ),
    Row(
        9,
        "event settings",
        "终端事件记录配置",
        (
            Field("valid", "事件记录有效标志位", bytes_format(8)),
            Field("important", "事件重要性等级标志位", bytes_format(8)),
        ),
        None,
    ),
    Row(
        ARCHIVE,
        "meter archive",
        "终端电能表/交流采样装置配置参数",
        _list_of(_COUNT2, _ARCHIVE_RECORD),
        None,
    ),
    Row(
        12,
        "status inputs",
        "终端状态量输入参数",
        (Field("enabled", "状态量接入标志位", BIN1), Field("attribute", "状态量属性标志位", BIN1)),
        None,
    ),
    Row(
        16,
        "virtual private network",
        "虚拟专网用户名、密码",
        (Field("user", "用户名", text_format(32)), Field("password", "密码", bytes_format(32))),
        None,
    ),
    Row(
        24,
        "reading interval",
        "抄表间隔设置",
        (Field("interval", "抄表间隔", BIN1, "min"),),
        None,
        single_source=True,
    ),
    Row(25, "measuring point basics", "测量点基本参数", _POINT_BASICS, None),
    Row(
        28,
        "power factor segments",
        "测量点功率因数分段限值",
        (Field("limit 1", "限值1", A5, "%"), Field("limit 2", "限值2", A5, "%")),
        None,
    ),
    Row(
        29,
        "local display number",
        "终端当地电能表显示号",
        (Field("number", "显示号", text_format(12)),),
        None,
    ),
    Row(30, "stop reading", "台区集中抄表停抄/投抄设置", (Field("stop", "停抄/投抄", BIN1),), None),
    Row(
        31,
        "sub-node addresses",
        "载波从节点附属节点地址",
        _list_of(_COUNT1, (Field("address", "地址", A12),)),
        None,
    ),
    Row(33, "reading parameters", "终端抄表运行参数设置", _list_of(_COUNT1, _READING), None),
    Row(
        34,
        "local module port",
        "集中器下行通信模块的参数设置",
        _list_of(_COUNT1, _LOCAL_PORT),
        None,
    ),
    Row(
        35,
        "key customers",
        "台区集中抄表重点户设置",
        _list_of(_COUNT1, (Field("meter index", "装置序号", BIN2),)),
        None,
    ),
    Row(
        36,
        "monthly traffic limit",
        "终端上行通信流量门限设置",
        (Field("limit", "月通信流量门限", BIN4, "byte"),),
        None,
    ),
    Row(38, "class 1 data sets", "1类数据配置设置", _DATA_SETS, None),
    Row(39, "class 2 data sets", "2类数据配置设置", _DATA_SETS, None),
    Row(65, "report task, class 1", "定时上报1类数据任务设置", _REPORT_TASK, None),
    Row(66, "report task, class 2", "定时上报2类数据任务设置", _REPORT_TASK, None),
    Row(
        67,
        "switch of report task, class 1",
        "定时上报1类数据任务启动/停止设置",
        (Field("switch", "启动/停止", BIN1),),
        None,
    ),
    Row(
        68,
        "switch of report task, class 2",
        "定时上报2类数据任务启动/停止设置",
        (Field("switch", "启动/停止", BIN1),),
        None,
    ),
    *OTHER_ROWS,
)


@dataclass(frozen=True, slots=True)
class MeterArchive(Frame):
    """One meter in the terminal's archive, 27 bytes.  Source: clause 5.5, F10."""

    index: Annotated[int, U16LE]  #: 1 to 2040
    point: Annotated[int, U16LE]  #: measuring point 1 to 2040; 0 deletes the entry
    line: Annotated[int, U8]  #: D7-D5 baud code, D4-D0 port
    protocol: Annotated[int, U8]  #: 1 DL/T 645-1997, 2 AC sampling, 30 DL/T 645-2007, 31 PLC module
    address: Annotated[str, bcd_text(6)]
    password: Annotated[bytes, raw_bytes(6)]
    tariffs: Annotated[int, U8]
    digits: Annotated[int, U8]  #: D3-D2 whole digits less 4, D1-D0 decimals less 1
    collector: Annotated[str, bcd_text(6)]  #: 000000000000 when there is none
    user_class: Annotated[int, U8]  #: high nibble big class, low nibble small class

    @property
    def port(self) -> int:
        """1 AC sampling, 2 to 4 RS-485, 31 PLC or radio module."""
        return self.line & 0x1F

    @property
    def baud(self) -> int:
        """Bits a second; 0 when the port's default is meant."""
        return BAUD_CODES[self.line >> 5]


def archive_unit(records: tuple[MeterArchive, ...]) -> Unit:
    """The unit of F10 with a count of two bytes. Raises LocalError."""
    if len(records) >= 1 << 16:
        raise LocalError(f"{len(records)} records do not fit the count")
    count = len(records).to_bytes(2, "little")
    return Unit((0,), (ARCHIVE,), count + b"".join(record.to_bytes() for record in records))


def read_archive(unit: Unit) -> tuple[MeterArchive, ...]:
    """The records of F10, down (04) or up (0A). Raises DecodeError."""
    size = frame_size(MeterArchive)
    count = int.from_bytes(unit.data[:2], "little")
    if len(unit.data) != 2 + count * size:
        raise DecodeError("length", f"{len(unit.data)} bytes for {count} records of {size}")
    starts = range(2, len(unit.data), size)
    return tuple(MeterArchive.from_bytes(unit.data[at : at + size]) for at in starts)

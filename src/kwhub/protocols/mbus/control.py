"""Control, address and control information fields, medium, status and error words.

Source: EN 13757-2 (C and A field), EN 13757-3 (CI field, header, application errors).
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "ADDRESS_ALL",
    "ADDRESS_ANY",
    "ADDRESS_MAX",
    "ADDRESS_SELECTED",
    "APPLICATION_ERRORS",
    "BAUD_BY_CI",
    "CI_ALARM",
    "CI_BY_BAUD",
    "CI_ERROR",
    "CI_FIXED",
    "CI_NAMES",
    "CI_NO_HEADER",
    "CI_RESET",
    "CI_SELECT",
    "CI_SEND",
    "CI_SHORT_HEADER",
    "CI_VARIABLE",
    "FCB",
    "FCV",
    "FROM_MASTER",
    "MEDIA",
    "REQ_UD1",
    "REQ_UD2",
    "RESET_SCOPES",
    "RSP_UD",
    "SERVICES",
    "SND_NKE",
    "SND_UD",
    "service_of",
]

SND_NKE, SND_UD, REQ_UD1, REQ_UD2, RSP_UD = 0x40, 0x53, 0x5A, 0x5B, 0x08
FROM_MASTER, FCB, FCV = 0x40, 0x20, 0x10
ADDRESS_MAX, ADDRESS_SELECTED, ADDRESS_ANY, ADDRESS_ALL = 250, 253, 254, 255

CI_RESET, CI_SEND, CI_SELECT = 0x50, 0x51, 0x52
CI_ERROR, CI_ALARM, CI_VARIABLE, CI_FIXED = 0x70, 0x71, 0x72, 0x73
CI_NO_HEADER, CI_SHORT_HEADER = 0x78, 0x7A

SERVICES: Mapping[int, str] = MappingProxyType(
    {SND_NKE: "SND_NKE", SND_UD: "SND_UD", REQ_UD1: "REQ_UD1", REQ_UD2: "REQ_UD2", RSP_UD: "RSP_UD"}
)

CI_NAMES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        0x50: ("application reset", "应用层复位"),
        0x51: ("data to the slave", "发送数据"),
        0x52: ("select by secondary address", "二级地址选择"),
        0x54: ("synchronise", "同步"),
        0x55: ("data to the slave, high byte first", "发送数据（高字节在前）"),
        0x56: ("select, high byte first", "选择（高字节在前）"),
        0x70: ("application error", "应用层错误"),
        0x71: ("alarm status", "报警状态"),
        0x72: ("variable data", "可变数据"),
        0x73: ("fixed data", "固定数据"),
        0x76: ("variable data, high byte first", "可变数据（高字节在前）"),
        0x77: ("fixed data, high byte first", "固定数据（高字节在前）"),
        0x78: ("variable data without header", "可变数据（无报头）"),
        0x7A: ("variable data with short header", "可变数据（短报头）"),
    }
)

BAUD_BY_CI: Mapping[int, int] = MappingProxyType(
    {
        0xB8: 300,
        0xB9: 600,
        0xBA: 1200,
        0xBB: 2400,
        0xBC: 4800,
        0xBD: 9600,
        0xBE: 19200,
        0xBF: 38400,
    }
)
CI_BY_BAUD: Mapping[int, int] = MappingProxyType({baud: ci for ci, baud in BAUD_BY_CI.items()})

APPLICATION_ERRORS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        0: ("unspecified error", "未指明的错误"),
        1: ("control information field not implemented", "不支持该 CI"),
        2: ("buffer too long", "缓冲区过长"),
        3: ("too many records", "记录过多"),
        4: ("premature end of record", "记录提前结束"),
        5: ("more than 10 DIFE", "DIFE 超过 10 个"),
        6: ("more than 10 VIFE", "VIFE 超过 10 个"),
        8: ("busy", "忙"),
        9: ("too many readouts", "抄读次数过多"),
    }
)

RESET_SCOPES: Mapping[int, str] = MappingProxyType(
    {
        0x00: "all",
        0x10: "user data",
        0x20: "simple billing",
        0x30: "enhanced billing",
        0x40: "multi-tariff billing",
        0x50: "instantaneous values",
        0x60: "load management",
        0x80: "installation and start-up",
        0x90: "test",
    }
)

MEDIA: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        0x00: ("other", "其他"),
        0x01: ("oil", "油"),
        0x02: ("electricity", "电"),
        0x03: ("gas", "燃气"),
        0x04: ("heat (outlet)", "热量（出口）"),
        0x05: ("steam", "蒸汽"),
        0x06: ("warm water", "温水"),
        0x07: ("water", "水"),
        0x08: ("heat cost allocator", "热分配表"),
        0x09: ("compressed air", "压缩空气"),
        0x0A: ("cooling (outlet)", "冷量（出口）"),
        0x0B: ("cooling (inlet)", "冷量（进口）"),
        0x0C: ("heat (inlet)", "热量（进口）"),
        0x0D: ("heat and cooling", "冷热量"),
        0x0E: ("bus or system", "总线或系统"),
        0x0F: ("unknown", "未知"),
        0x14: ("calorific value", "热值"),
        0x15: ("hot water", "热水"),
        0x16: ("cold water", "冷水"),
        0x17: ("dual water", "双路水"),
        0x18: ("pressure", "压力"),
        0x19: ("A/D converter", "模数转换器"),
        0x20: ("breaker", "断路器"),
        0x21: ("valve", "阀门"),
        0x25: ("customer unit", "用户单元"),
        0x31: ("communication controller", "通信控制器"),
        0x36: ("radio converter", "无线转换器"),
    }
)


def service_of(control: int) -> str | None:
    """Name of the link service; None for a control field that is none.

    The frame count bits are left out of a master's, access demand and flow control of a slave's.
    """
    if control == SND_NKE:
        return SERVICES[SND_NKE]
    if control & 0x80:
        return None
    if control & FROM_MASTER:
        return SERVICES.get(control & ~FCB) if control & FCV else None
    return SERVICES.get(control & ~(FCB | FCV))

"""AFN 06: authentication and key negotiation, at the level of frames.

Source: Q/GDW 376.1-2009, clause 5.7 (F1 to F4: 16 bytes); Q/GDW 1376.1-2013 with a security module (F11 to
F21, single source). What the bytes prove needs a key centre: they stay bytes.
"""

from kwhub.protocols.gdw1376.formats import bytes_format
from kwhub.protocols.gdw1376.layouts import Field, Row

__all__ = ["AFN", "ROWS"]

AFN = 0x06

_SIXTEEN = (Field("authentication data", "身份认证数据", bytes_format(16)),)
_RANDOM = (Field("random number", "随机数", bytes_format(16)),)
_TERMINAL = (
    Field("chip serial number", "芯片序列号", bytes_format(8)),
    Field("certificate serial number", "证书序列号", bytes_format(16)),
    Field("counter", "离线计数器", bytes_format(4)),
    Field("chip state", "芯片状态", bytes_format(1)),
    Field("key version", "密钥版本", bytes_format(8)),
)
_NAMED = (
    (12, "session start or resume", "会话初始化/恢复"),
    (13, "key negotiation", "会话协商"),
    (14, "symmetric key update", "对称密钥更新"),
    (15, "terminal certificate", "终端证书更新"),
    (16, "authority certificate", "CA证书更新"),
    (17, "internal authentication", "内部认证"),
    (18, "external authentication", "外部认证"),
    (19, "state switch", "状态切换"),
    (20, "offline counter", "置离线计数器"),
    (21, "transcryption permission", "转加密授权"),
)

ROWS = (
    Row(1, "authentication request", "身份认证请求", _SIXTEEN, _SIXTEEN),
    Row(2, "authentication answer", "身份认证响应", _SIXTEEN, _SIXTEEN),
    Row(3, "random number request", "取随机数请求", _RANDOM, _RANDOM),
    Row(4, "random number", "取随机数响应", _RANDOM, _RANDOM),
    Row(11, "security module", "终端安全芯片信息", (), _TERMINAL, single_source=True),
    *(Row(number, name, zh, None, None, single_source=True) for number, name, zh in _NAMED),
)

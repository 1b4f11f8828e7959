"""Error words: what a meter means when it says no, in English and in Chinese.

Source: DL/T 645-2007, clause 7 (ERR) and the filings on security authentication (SERR) and on
relay control (error word of DC, single source); DL/T 645-1997, clause 6 (ERR).
"""

from enum import IntFlag
from typing import Final

from kwhub.protocols.dlt645.control import AUTHENTICATE, CONTROL_RELAY
from kwhub.protocols.dlt645.editions import Edition

__all__ = [
    "ERR_1997",
    "ERR_2007",
    "RELAY_ERR",
    "SERR",
    "Error1997",
    "Error2007",
    "Words",
    "reasons",
    "reasons_zh",
    "words_for",
]

Words = tuple[tuple[str, str], ...]
"""English and Chinese word for each bit, from bit 0 upwards."""


class Error2007(IntFlag):
    """Bits of ERR in 2007."""

    OTHER = 1
    NO_SUCH_DATA = 2
    NOT_AUTHORISED = 4
    RATE_FIXED = 8
    TOO_MANY_YEAR_ZONES = 16
    TOO_MANY_DAY_SLOTS = 32
    TOO_MANY_TARIFFS = 64


class Error1997(IntFlag):
    """Bits of ERR in 1997."""

    ILLEGAL_DATA = 1
    IDENTIFIER = 2
    PASSWORD = 4
    TOO_MANY_YEAR_ZONES = 16
    TOO_MANY_DAY_SLOTS = 32
    TOO_MANY_TARIFFS = 64


ERR_2007: Final[Words] = (
    ("other error", "其他错误"),
    ("no such data", "无请求数据"),
    ("password wrong or not authorised", "密码错或未授权"),
    ("baud rate cannot be changed", "通信速率不能更改"),
    ("too many year zones", "年时区数超"),
    ("too many day slots", "日时段数超"),
    ("too many tariffs", "费率数超"),
    ("reserved bit 7", "保留位7"),
)

ERR_1997: Final[Words] = (
    ("illegal data", "非法数据"),
    ("identifier error", "数据标识错"),
    ("password wrong", "密码错"),
    ("reserved bit 3", "保留位3"),
    ("too many year zones", "年时区数超"),
    ("too many day slots", "日时段数超"),
    ("too many tariffs", "费率数超"),
    ("reserved bit 7", "保留位7"),
)

SERR: Final[Words] = (
    ("other error", "其他错误"),
    ("recharge repeated", "重复充值"),
    ("ESAM check failed", "ESAM验证失败"),
    ("identity authentication failed", "身份认证失败"),
    ("customer number does not match", "客户编号不匹配"),
    ("recharge count wrong", "充值次数错误"),
    ("hoarding limit exceeded", "购电超囤积"),
    ("address abnormal", "地址异常"),
    ("meter suspended", "电能表挂起"),
)

RELAY_ERR: Final[Words] = (
    ("meter suspended", "电能表挂起"),
    ("MAC wrong", "MAC校验错"),
    ("password wrong or not authorised", "密码错或未授权"),
    ("authentication timed out", "身份认证超时"),
    ("expiry of the order passed", "命令有效时间已过"),
    ("trip refused: supply protected", "保电状态，拒绝跳闸"),
    ("automatic restore refused: supply protected", "保电状态，拒绝自动恢复"),
    ("restore time is zero", "恢复时间为零"),
    ("automatic restore refused: already tripped", "已跳闸，拒绝自动恢复"),
)

_NO_BIT: Final = ("no reason given", "未说明原因")

_ONE_BYTE: Final = {Edition.E2007: ERR_2007, Edition.E1997: ERR_1997}
_TWO_BYTES: Final = {
    (Edition.E2007, AUTHENTICATE): SERR,
    (Edition.E2007, CONTROL_RELAY): RELAY_ERR,
}


def words_for(edition: Edition, function: int, size: int) -> Words:
    """The table that explains an error field of ``size`` bytes.

    A security answer with one byte only was seen from a real meter: it is an ordinary ERR.
    """
    if size == 2:
        return _TWO_BYTES.get((edition, function), _ONE_BYTE[edition])
    return _ONE_BYTE[edition]


def _named(error: int, words: Words, language: int) -> tuple[str, ...]:
    named = [
        words[bit][language]
        if bit < len(words)
        else ("reserved bit ", "保留位")[language] + str(bit)
        for bit in range(error.bit_length())
        if error >> bit & 1
    ]
    return tuple(named) or (_NO_BIT[language],)


def reasons(error: int, words: Words = ERR_2007) -> tuple[str, ...]:
    """The words of the bits that are set, in bit order; never empty.

    >>> reasons(0x06)
    ('no such data', 'password wrong or not authorised')
    """
    return _named(error, words, 0)


def reasons_zh(error: int, words: Words = ERR_2007) -> tuple[str, ...]:
    """The same in Chinese."""
    return _named(error, words, 1)

"""Status and feature words of a meter: what their bits say.

Source: DL/T 645-2007, annex C, with the State Grid filings; single source but for the combination words,
the weekend word and the mode words. The base text has fewer bits in word 3: bits that a meter does not
use are 0.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["WORDS", "BitField", "Words", "read_word"]


class Words(NamedTuple):
    """The same in both languages."""

    english: str
    chinese: str


class BitField(NamedTuple):
    """Some bits of a word and what their values say; a value without words goes without saying."""

    bit: int
    words: tuple[Words | None, ...]  #: by value; two of them for one bit, four for two bits

    @property
    def width(self) -> int:
        """Number of bits."""
        return (len(self.words) - 1).bit_length()


def _set(bit: int, english: str, chinese: str) -> BitField:
    """A bit that says something only when it is set."""
    return BitField(bit, (None, Words(english, chinese)))


def _either(bit: int, clear: Words, is_set: Words) -> BitField:
    return BitField(bit, (clear, is_set))


def _phase_faults() -> tuple[BitField, ...]:
    """Words 4 to 6 are alike."""
    return (
        _set(0, "voltage loss", "失压"),
        _set(1, "undervoltage", "欠压"),
        _set(2, "overvoltage", "过压"),
        _set(3, "current loss", "失流"),
        _set(4, "overcurrent", "过流"),
        _set(5, "overload", "过载"),
        _set(6, "power reversed", "潮流反向"),
        _set(7, "phase failure", "断相"),
        _set(8, "current interruption", "断流"),
    )


def _combination(*names: tuple[str, str]) -> tuple[BitField, ...]:
    """Pairs of bits: add, subtract."""
    return tuple(
        field
        for number, (english, chinese) in enumerate(names)
        for field in (
            _set(2 * number, f"add {english}", f"加{chinese}"),
            _set(2 * number + 1, f"subtract {english}", f"减{chinese}"),
        )
    )


_QUADRANTS = (
    ("quadrant 1", "I象限"),
    ("quadrant 2", "II象限"),
    ("quadrant 3", "III象限"),
    ("quadrant 4", "IV象限"),
)

_BAUD = tuple(
    _set(bit, f"{rate} bit/s", f"{rate} bit/s")
    for bit, rate in enumerate((600, 1200, 2400, 4800, 9600, 19200), 1)
)

_FREEZE_MODE = (
    _set(0, "forward active energy", "正向有功电能"),
    _set(1, "reverse active energy", "反向有功电能"),
    _set(2, "combined reactive 1 energy", "组合无功1电能"),
    _set(3, "combined reactive 2 energy", "组合无功2电能"),
    _set(4, "quadrant energies", "四象限无功电能"),
    _set(5, "forward active maximum demand", "正向有功最大需量"),
    _set(6, "reverse active maximum demand", "反向有功最大需量"),
    _set(7, "variables", "变量"),
)

WORDS: Mapping[int, tuple[BitField, ...]] = MappingProxyType(
    {
        0x0400_0501: (
            _either(1, Words("sliding demand", "滑差需量"), Words("block demand", "区间需量")),
            _set(2, "clock battery low", "时钟电池欠压"),
            _set(3, "power-off reading battery low", "停电抄表电池欠压"),
            _set(4, "active power reversed", "有功功率方向反向"),
            _set(5, "reactive power reversed", "无功功率方向反向"),
            _set(8, "control loop error", "控制回路错误"),
            _set(9, "secure element error", "ESAM错误"),
            _set(12, "program error", "内部程序错误"),
            _set(13, "memory error", "存储器故障"),
            _set(14, "overdraft", "透支状态"),
            _set(15, "clock fault", "时钟故障"),
        ),
        0x0400_0502: (
            _set(0, "active power of phase A reversed", "A相有功功率反向"),
            _set(1, "active power of phase B reversed", "B相有功功率反向"),
            _set(2, "active power of phase C reversed", "C相有功功率反向"),
            _set(4, "reactive power of phase A reversed", "A相无功功率反向"),
            _set(5, "reactive power of phase B reversed", "B相无功功率反向"),
            _set(6, "reactive power of phase C reversed", "C相无功功率反向"),
        ),
        0x0400_0503: (
            _either(
                0, Words("first slot table", "第一套时段"), Words("second slot table", "第二套时段")
            ),
            BitField(
                1,
                (
                    Words("main supply", "主电源供电"),
                    Words("auxiliary supply", "辅助电源供电"),
                    Words("battery supply", "电池供电"),
                    None,
                ),
            ),
            _set(3, "programming allowed", "编程允许"),
            _either(4, Words("relay closed", "继电器通"), Words("relay open", "继电器断")),
            _either(
                5, Words("first zone table", "第一套时区"), Words("second zone table", "第二套时区")
            ),
            _either(
                6,
                Words("ordered to close", "继电器命令通"),
                Words("ordered to open", "继电器命令断"),
            ),
            _set(7, "warning before tripping", "预跳闸报警"),
            BitField(
                8,
                (
                    Words("not prepaid", "非预付费表"),
                    Words("prepaid energy", "电量型预付费表"),
                    Words("prepaid money", "电费型预付费表"),
                    None,
                ),
            ),
            _set(12, "supply protected", "保电"),
            _set(13, "authentication valid", "身份认证有效"),
            _set(14, "local account not open", "本地未开户"),
            _set(15, "remote account not open", "远程未开户"),
        ),
        0x0400_0504: _phase_faults(),
        0x0400_0505: _phase_faults(),
        0x0400_0506: _phase_faults(),
        0x0400_0507: (
            _set(0, "voltage phase sequence reversed", "电压逆相序"),
            _set(1, "current phase sequence reversed", "电流逆相序"),
            _set(2, "voltage unbalance", "电压不平衡"),
            _set(3, "current unbalance", "电流不平衡"),
            _set(4, "auxiliary supply lost", "辅助电源失电"),
            _set(5, "power down", "掉电"),
            _set(6, "demand over limit", "需量超限"),
            _set(7, "power factor below limit", "总功率因数超下限"),
            _set(8, "severe current unbalance", "电流严重不平衡"),
            _set(9, "cover opened", "开表盖"),
            _set(10, "terminal cover opened", "开端钮盖"),
        ),
        0x0400_0601: _combination(("forward active", "正向有功"), ("reverse active", "反向有功")),
        0x0400_0602: _combination(*_QUADRANTS),
        0x0400_0603: _combination(*_QUADRANTS),
        0x0400_0701: _BAUD,
        0x0400_0702: _BAUD,
        0x0400_0703: _BAUD,
        0x0400_0704: _BAUD,
        0x0400_0705: _BAUD,
        0x0400_0801: tuple(
            _either(
                bit,
                Words(f"{english} rest", f"{chinese}休息"),
                Words(f"{english} work", f"{chinese}工作"),
            )
            for bit, (english, chinese) in enumerate(
                (
                    ("Sunday", "周日"),
                    ("Monday", "周一"),
                    ("Tuesday", "周二"),
                    ("Wednesday", "周三"),
                    ("Thursday", "周四"),
                    ("Friday", "周五"),
                    ("Saturday", "周六"),
                )
            )
        ),
        0x0400_0901: (
            _set(0, "voltage, current, frequency", "电压、电流、频率"),
            _set(1, "active and reactive power", "有、无功功率"),
            _set(2, "power factor", "功率因数"),
            _set(3, "active and reactive energy", "有、无功总电能"),
            _set(4, "quadrant energies", "四象限无功总电能"),
            _set(5, "present demand", "当前需量"),
        ),
        0x0400_0902: _FREEZE_MODE,
        0x0400_0903: _FREEZE_MODE,
        0x0400_0904: _FREEZE_MODE,
        0x0400_0905: _FREEZE_MODE[:2],
        0x0400_0906: _FREEZE_MODE,
    }
)
"""Words by the identifier under which they are read (2007)."""


def read_word(identifier: int, value: str) -> tuple[Words, ...]:
    """What a word says.

    Args:
        identifier: under which it was read.
        value: its hexadecimal digits, high byte first, as the item tables give it.

    Returns:
        In the order of the bits, set bits that no table knows last, by their number; nothing for items
        that are no words.

    >>> [words.english for words in read_word(0x04000501, "8005")]
    ['sliding demand', 'clock battery low', 'clock fault', 'bit 0']
    """
    fields = WORDS.get(identifier)
    return () if fields is None else tuple(_said(fields, int(value, 16)))


def _said(fields: tuple[BitField, ...], word: int) -> Iterator[Words]:
    known = 0
    for field in fields:
        mask = (1 << field.width) - 1
        known |= mask << field.bit
        words = field.words[word >> field.bit & mask]
        if words is not None:
            yield words
    for bit in range((word & ~known).bit_length()):
        if word & ~known & 1 << bit:
            yield Words(f"bit {bit}", f"第{bit}位")

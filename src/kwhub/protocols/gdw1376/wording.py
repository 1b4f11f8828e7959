"""Words for the bits of a frame, in English and Chinese.

Source: Q/GDW 1376.1-2013, clauses 4.3.3 and 4.3.4.
"""

from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from kwhub.protocols.gdw1376.frames import Control, Sequence, TerminalAddress, TimeTag
from kwhub.protocols.gdw1376.layouts import Cell
from kwhub.protocols.gdw1376.points import ALL_POINTS
from kwhub.protocols.gdw1376.tables import AFN_NAMES

__all__ = [
    "FUNCTION_NAMES",
    "Words",
    "address_words",
    "afn_words",
    "cell_words",
    "control_words",
    "plain_value",
    "points_words",
    "sequence_words",
    "tag_words",
]

Words = tuple[str, str]
"""English and Chinese."""

FUNCTION_NAMES: MappingProxyType[tuple[bool, int], Words] = MappingProxyType(
    {
        (True, 1): ("reset", "复位命令"),
        (True, 4): ("user data, no answer wanted", "用户数据，无回答"),
        (True, 9): ("link test", "链路测试"),
        (True, 10): ("request of class 1 data", "请求1级数据"),
        (True, 11): ("request of class 2 data", "请求2级数据"),
        (False, 0): ("confirmed", "认可"),
        (False, 8): ("user data", "用户数据"),
        (False, 9): ("denied: no data", "否认：无所召唤的数据"),
        (False, 11): ("link state", "链路状态"),
    }
)
"""By PRM and function code of C.  Source: clause 4.3.3.1, tables of function codes."""

_UNKNOWN: Words = ("reserved", "备用")


def control_words(control: Control) -> Words:
    """Direction, who started, function and the two bits that depend on the direction."""
    way = ("up", "上行") if control.up else ("down", "下行")
    who = ("started by the sender", "来自启动站") if control.primary else ("answer", "来自从动站")
    name = FUNCTION_NAMES.get((control.primary, control.function), _UNKNOWN)
    down_bits = f"FCB={control.bit5:d} FCV={control.bit4:d}"
    bits = f"ACD={control.bit5:d}" if control.up else down_bits
    code = control.function
    return (
        f"{way[0]}, {who[0]}, {bits}, function {code} ({name[0]})",
        f"{way[1]}，{who[1]}，{bits}，功能码{code}（{name[1]}）",
    )


def address_words(address: TerminalAddress) -> Words:
    """A2: the terminal."""
    if address.broadcast:
        return f"{address.terminal}: all terminals", f"{address.terminal}：广播地址"
    return str(address.terminal), str(address.terminal)


def afn_words(afn: int) -> Words:
    """Name of an AFN, also of a reserved one."""
    return AFN_NAMES.get(afn, _UNKNOWN)


def sequence_words(sequence: Sequence) -> Words:
    """The bits of SEQ."""
    frames = {
        (True, True): ("single frame", "单帧"),
        (True, False): ("first of several frames", "多帧：第一帧"),
        (False, False): ("middle of several frames", "多帧：中间帧"),
        (False, True): ("last of several frames", "多帧：结束帧"),
    }[sequence.first, sequence.last]
    confirm = ("confirm wanted", "需要确认") if sequence.confirm else ("no confirm", "不需要确认")
    tag = ("with time tag", "有时间标签") if sequence.tagged else ("no time tag", "无时间标签")
    number = sequence.number
    return (
        f"{frames[0]}, {confirm[0]}, {tag[0]}, number {number}",
        f"{frames[1]}，{confirm[1]}，{tag[1]}，序号{number}",
    )


def points_words(points: tuple[int, ...]) -> Words:
    """DA: the measuring points."""
    if not points:
        return "no point: groups count from 1", "无测量点：信息点组从1开始"
    if points == (0,):
        return "p0, the terminal", "p0，终端"
    if points == (ALL_POINTS,):
        return "all valid points", "所有有效测量点"
    names = ", ".join(f"p{point}" for point in points)
    return names, names


def tag_words(tag: TimeTag) -> Words:
    """Tp: frame counter, time of sending, permitted delay."""
    sent = tag.sent or f"not a time ({tag.raw_time.hex(' ').upper()})"
    return (
        f"frame counter {tag.counter}, sent on day {sent}, permitted delay {tag.delay_min} min",
        f"启动帧帧序号计数器{tag.counter}，发送时标 {sent}，允许传输延时{tag.delay_min}分钟",
    )


def plain_value(value: object) -> Decimal | str | None:
    """A value of a cell as a number or as text that programs read again."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}"
    return value.isoformat() if isinstance(value, date) else str(value)


def cell_words(cell: Cell) -> Words:
    """The value of a cell with its unit."""
    if cell.problem:
        return cell.problem, f"无法解析：{cell.problem}"
    if cell.value is None:
        return "no value", "无值"
    if cell.told:
        return cell.told
    value = plain_value(cell.value)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    both = f"{text} {cell.unit}".rstrip()
    return both, both

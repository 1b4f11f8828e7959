"""The fields of every data field, as a table: what stands where in requests, answers and refusals.

Source: DL/T 645-2007, clause 7 and annex; DL/T 645-1997, clause 6.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645 import contents
from kwhub.protocols.dlt645 import control as codes
from kwhub.protocols.dlt645.contents import Meaning
from kwhub.protocols.dlt645.control import edition_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER, Frame645
from kwhub.protocols.dlt645.items import Value, decode, find, identifier_text
from kwhub.protocols.dlt645.refusals import reasons, reasons_zh, words_for
from kwhub.protocols.dlt645.status_words import read_word

__all__ = ["Piece", "pieces"]

_LOAD_RECORD: Final = 0x06
"""DI3 of load records; they may be answered by the identifier alone: nothing matches."""


class Piece(NamedTuple):
    """A run of bytes of the data field in words. ``problem`` is empty when nothing is wrong."""

    start: int
    stop: int
    name: str
    name_zh: str
    meaning: str
    meaning_zh: str
    problem: str = ""


class _Field(NamedTuple):
    """A field of a fixed size; 0 stands for all that is left but for ``tail`` bytes."""

    size: int
    name: str
    name_zh: str
    read: Callable[[bytes], Meaning]
    tail: int = 0


_IDENTIFIER: Final = _Field(0, "identifier", "数据标识", contents.plain_hex)  # size by edition
_VALUES: Final = _Field(0, "values", "数据", contents.plain_hex)  # read by the item tables
_REST: Final = _Field(0, "data", "数据", contents.plain_hex)
_PART: Final = _Field(0, "part of the values", "部分数据", contents.plain_hex)
_NUMBERED_PART: Final = _PART._replace(tail=1)
_OPERATOR: Final = _Field(4, "operator code", "操作者代码", contents.plain_hex)
_SEQUENCE: Final = _Field(1, "frame sequence", "帧序号", contents.number)
_LEVEL: Final = _Field(1, "permission level", "密码权限", contents.level)
_PASSWORD: Final = _Field(3, "password", "密码", contents.password)
_TIME: Final = _Field(6, "time", "时间", contents.time)
_ADDRESS: Final = _Field(6, "meter address", "通信地址", contents.address)
_RATE: Final = _Field(1, "baud-rate word", "速率特征字", contents.rate_2007)
_RATE_1997: Final = _Field(1, "baud-rate word", "速率特征字", contents.plain_hex)
_OUTPUT: Final = _Field(1, "output signal", "输出信号", contents.output)
_STATUS: Final = _Field(2, "status word", "状态字", contents.relay_status)
_LOGIN: Final = (_LEVEL, _PASSWORD, _OPERATOR)

_07: Final = Edition.E2007
_97: Final = Edition.E1997

_LAYOUTS: Final[dict[tuple[Edition, int], tuple[_Field, ...]]] = {
    (_07, codes.BROADCAST_TIME): (_TIME,),
    (_07, codes.READ): (_IDENTIFIER, _Field(0, "argument", "参数", contents.plain_hex)),
    (_07, codes.READ_FOLLOW_UP): (_IDENTIFIER, _SEQUENCE),
    (_07, codes.WRITE): (_IDENTIFIER, *_LOGIN, _VALUES),
    (_07, codes.WRITE_ADDRESS): (_ADDRESS,),
    (_07, codes.FREEZE): (_Field(4, "freeze time", "冻结时间", contents.freeze_time),),
    (_07, codes.CHANGE_RATE): (_RATE,),
    (_07, codes.CHANGE_PASSWORD): (_IDENTIFIER, _LEVEL, _PASSWORD, _LEVEL, _PASSWORD),
    (_07, codes.CLEAR_DEMAND): (*_LOGIN, _REST),
    (_07, codes.CLEAR_METER): (*_LOGIN, _REST),
    (_07, codes.CLEAR_EVENTS): (
        *_LOGIN,
        _Field(4, "events", "事件", contents.event_kind),
        _REST,
    ),
    (_07, codes.CONTROL_RELAY): (
        *_LOGIN,
        _Field(2, "order", "控制命令", contents.relay_order),
        _Field(6, "valid until", "命令有效截止时间", contents.expiry),
        _REST,
    ),
    (_07, codes.SET_OUTPUT): (_OUTPUT,),
    (_07, codes.AUTHENTICATE): (_IDENTIFIER, _OPERATOR, _REST),
    (_07, codes.READ | ANSWER): (_IDENTIFIER, _VALUES),
    (_07, codes.READ_FOLLOW_UP | ANSWER): (_IDENTIFIER, _NUMBERED_PART, _SEQUENCE),
    (_07, codes.READ_ADDRESS | ANSWER): (_ADDRESS,),
    (_07, codes.CHANGE_RATE | ANSWER): (_RATE,),
    (_07, codes.CHANGE_PASSWORD | ANSWER): (_LEVEL, _PASSWORD),
    (_07, codes.CONTROL_RELAY | ANSWER): (_STATUS,),
    (_07, codes.SET_OUTPUT | ANSWER): (_OUTPUT,),
    (_07, codes.AUTHENTICATE | ANSWER): (_IDENTIFIER, _REST),
    (_97, codes.READ_1997): (_IDENTIFIER,),
    (_97, codes.READ_FOLLOW_UP_1997): (_IDENTIFIER,),
    (_97, codes.WRITE_1997): (_IDENTIFIER, _LEVEL, _PASSWORD, _VALUES),
    (_97, codes.WRITE_ADDRESS_1997): (_ADDRESS,),
    (_97, codes.CHANGE_RATE_1997): (_RATE_1997,),
    (_97, codes.CHANGE_PASSWORD_1997): (_LEVEL, _PASSWORD, _LEVEL, _PASSWORD),
    (_97, codes.CLEAR_DEMAND_1997): (_LEVEL, _PASSWORD),
    (_97, codes.READ_1997 | ANSWER): (_IDENTIFIER, _VALUES),
    (_97, codes.READ_FOLLOW_UP_1997 | ANSWER): (_IDENTIFIER, _PART),
    (_97, codes.CHANGE_RATE_1997 | ANSWER): (_RATE_1997,),
    (_97, codes.CHANGE_PASSWORD_1997 | ANSWER): (_LEVEL, _PASSWORD),
}
"""Fields by edition and function code, with bit 7 for answers."""


def pieces(frame: Frame645) -> list[Piece]:
    """The data field in words, without gaps. Never raises, whatever the frame holds."""
    edition = edition_of(frame.control)
    if frame.is_answer and frame.control & ABNORMAL:
        return list(_error(frame, edition))
    layout = _LAYOUTS.get((edition, frame.function | frame.control & ANSWER), ())
    found: list[Piece] = []
    at = 0
    for field in layout:
        if at < len(frame.data):
            found += _read(frame, edition, field, at)
            at = found[-1].stop if found else at
    if layout[1:] == (_VALUES,) and len(found) == 1 and not found[0].problem:
        found = [_without_value(found[0], frame.data)]
    if at < len(frame.data):
        rest = contents.plain_hex(frame.data[at:])
        names = ("more data", "其余数据") if layout else ("data", "数据")
        found.append(Piece(at, len(frame.data), *names, *rest))
    return found


def _without_value(piece: Piece, data: bytes) -> Piece:
    """An answer that is the identifier alone: no load record matches; an error for all else."""
    if len(data) == Edition.E2007.identifier_bytes and data[-1] == _LOAD_RECORD:
        meaning, meaning_zh = f"{piece.meaning}: no record matches", f"{piece.meaning_zh}：无记录"
        return piece._replace(meaning=meaning, meaning_zh=meaning_zh)
    return piece._replace(
        meaning=f"{piece.meaning}: no value follows",
        meaning_zh=f"{piece.meaning_zh}：无数据",
        problem="answer_without_value",
    )


def _error(frame: Frame645, edition: Edition) -> Iterator[Piece]:
    row = codes.function_of(frame.control)
    most = 1 if row is None or row.abnormal is None else row.abnormal[1]
    field = frame.data[:most]
    if field:
        words = words_for(edition, frame.function, len(field))
        error = int.from_bytes(field, "little")
        english, chinese = ", ".join(reasons(error, words)), "，".join(reasons_zh(error, words))
        yield Piece(0, len(field), "error word", "错误信息字", english, chinese)
    if len(frame.data) > most:
        rest = contents.plain_hex(frame.data[most:])
        yield Piece(most, len(frame.data), "more data", "其余数据", *rest)


def _read(frame: Frame645, edition: Edition, field: _Field, at: int) -> list[Piece]:
    """One field of the layout; no piece when no byte of it is there."""
    data = frame.data
    if field is _VALUES:
        return _values(frame, edition, at)
    size = edition.identifier_bytes if field is _IDENTIFIER else field.size
    stop = at + size if size else max(len(data) - field.tail, at)
    if stop > len(data):
        missing = stop - len(data)
        shown = data[at:].hex(" ").upper()
        words = (f"{shown}: {missing} bytes are missing", f"{shown}：缺少 {missing} 字节")
        return [Piece(at, len(data), field.name, field.name_zh, *words, "bad_length_for_function")]
    if stop == at:
        return []
    raw = data[at:stop]
    meaning = _identifier(raw, edition) if field is _IDENTIFIER else field.read(raw)
    return [Piece(at, stop, field.name, field.name_zh, *meaning)]


def _identifier(raw: bytes, edition: Edition) -> Meaning:
    identifier = int.from_bytes(raw, "little")
    text = identifier_text(identifier, edition)
    item = find(identifier, edition)
    if item is None:
        return Meaning(f"{text}, not in the tables", f"{text}，表中没有")
    return Meaning(f"{text} {item.name_en}", f"{text} {item.name_zh}")


def _values(frame: Frame645, edition: Edition, at: int) -> list[Piece]:
    """The values of an item, each with its own bytes where their sizes are known."""
    payload = frame.data[at:]
    identifier = int.from_bytes(frame.data[: edition.identifier_bytes], "little")
    if frame.has_more:
        meaning = contents.plain_hex(payload)
        return [Piece(at, len(frame.data), "part of the values", "部分数据", *meaning)]
    try:
        values = decode(identifier, payload, edition)
    except DecodeError as error:
        unknown = error.kind == "unknown_identifier"
        shown = contents.plain_hex(payload) if unknown else Meaning(error.detail, error.detail)
        problem = "" if unknown else error.kind
        return [Piece(at, len(frame.data), "value", "数据", *shown[:2], problem)]
    return list(_split(values, payload, at, edition))


def _split(values: list[Value], payload: bytes, at: int, edition: Edition) -> Iterator[Piece]:
    groups = [list(group) for _, group in groupby(values, key=lambda value: value.identifier)]
    sizes = [_size(group[0].identifier, edition) for group in groups]
    if sum(sizes) not in (len(payload), len(payload) - 1) or 0 in sizes:
        groups, sizes = [values], [len(payload)]
    for group, size in zip(groups, sizes, strict=True):
        english = "; ".join(_value(value, 0, named=len(group) > 1) for value in group)
        chinese = "；".join(_value(value, 1, named=len(group) > 1) for value in group)
        first = group[0]
        names = (first.name_en, first.name_zh) if len(group) == 1 else ("values", "数据")
        yield Piece(at, at + size, *names, english, chinese)
        at += size
    if sum(sizes) < len(payload):
        yield Piece(at, at + 1, "block end", "数据块结束符", "AA", "AA")


def _size(identifier: str, edition: Edition) -> int:
    item = find(int(identifier, 16), edition)
    return (item.size or 0) if item is not None else 0


def _value(value: Value, language: int, *, named: bool) -> str:
    text = ("no value", "无数据")[language] if value.value is None else str(value.value)
    if value.unit and value.value is not None:
        text += f" {value.unit}"
    said = read_word(int(value.identifier, 16), text) if isinstance(value.value, str) else ()
    if said:
        text += ("; ", "；")[language] + (", ", "、")[language].join(
            each[language] for each in said
        )
    return f"{(value.name_en, value.name_zh)[language]} {text}" if named else text

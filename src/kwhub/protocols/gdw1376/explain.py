"""Any bytes beside their meaning, in English and Chinese.

Source: Q/GDW 1376.1-2013, clauses 4.3 and 5.

A frame that cannot be parsed is still shown field by field as far as its bytes go; what is wrong is marked.
"""

from collections.abc import Iterator
from dataclasses import replace

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376 import afn_0e, afn_00
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.protocols.gdw1376.frames import (
    COUNTER_BYTES,
    END,
    HEAD_BYTES,
    STANDARD,
    START,
    TAG_BYTES,
    Control,
    Frame1376,
    Profile,
    Sequence,
    TerminalAddress,
    header_problem,
    parse_user_data,
)
from kwhub.protocols.gdw1376.layouts import Cell, Row, cells
from kwhub.protocols.gdw1376.tables import AFN_NAMES, find, layout_of
from kwhub.protocols.gdw1376.units import MARK_BYTES, Item, Unit, items
from kwhub.protocols.gdw1376.wording import (
    Words,
    address_words,
    afn_words,
    cell_words,
    control_words,
    points_words,
    sequence_words,
    tag_words,
)
from kwhub.wire.checksums import sum8
from kwhub.wire.explain import Explanation, Part

__all__ = ["explain"]

_WIDE = Profile(terminal_bytes=4)
_NOISE: Words = ("noise", "干扰")


def explain(raw: bytes, profile: Profile = STANDARD) -> Explanation:
    """Tell what every byte is; several frames may follow one another. Never raises."""
    parts: list[Part] = []
    at = 0
    while at < len(raw):
        start = raw.find(START, at)
        if start < 0:
            start = len(raw)
        if start > at:
            parts.append(
                _part(at, start, _NOISE, ("no frame starts here", "不是帧的开始"), ok=False)
            )
        stop = start + _frame_bytes(raw[start:])
        parts += (_moved(part, start) for part in _frame_parts(raw[start:stop], profile))
        at = stop
    return Explanation(raw, tuple(parts))


def _part(start: int, stop: int, name: Words, meaning: Words, *, ok: bool = True) -> Part:
    return Part(start, stop, *name, *meaning, ok)


def _moved(part: Part, by: int) -> Part:
    return replace(part, start=part.start + by, stop=part.stop + by)


def _stated(raw: bytes) -> int:
    return HEAD_BYTES + (int.from_bytes(raw[1:3], "little") >> 2) + 2


def _frame_bytes(raw: bytes) -> int:
    """How many bytes to show as one frame: what its head states if it ends there, else all."""
    stated = _stated(raw)
    whole = header_problem(raw[:HEAD_BYTES]) is None and HEAD_BYTES < stated <= len(raw)
    return stated if whole and raw[stated - 1] == END else len(raw)


def _frame_parts(raw: bytes, profile: Profile) -> Iterator[Part]:
    if not raw:
        return
    yield from _head_parts(raw, profile)
    if len(raw) <= HEAD_BYTES:
        return
    ends = raw[-1] == END and len(raw) >= HEAD_BYTES + profile.user_bytes_min + 2
    user = raw[HEAD_BYTES:-2] if ends else raw[HEAD_BYTES:]
    yield from (_moved(part, HEAD_BYTES) for part in _user_parts(user, profile))
    if ends:
        yield from _tail_parts(raw, user)


def _head_parts(raw: bytes, profile: Profile) -> Iterator[Part]:
    stated = int.from_bytes(raw[1:3], "little") >> 2
    found = len(raw) - HEAD_BYTES - 2
    problem = header_problem(raw[:HEAD_BYTES], profile)
    yield _part(0, 1, ("start", "起始字符"), ("68", "68"))
    if len(raw) >= 3:
        word = f"L1 = {stated}, protocol id {raw[1] & 3}"
        word_zh = f"用户数据长度{stated}，协议标识{raw[1] & 3}"
        kind = problem[0] if problem else ""
        fits = stated == found and kind not in {"protocol_id", "length_too_small"}
        if stated != found:
            word += f", but {max(found, 0)} user bytes follow"
            word_zh += f"，实际{max(found, 0)}字节"
        yield _part(1, 3, ("length", "长度L"), (word, word_zh), ok=fits)
    if len(raw) >= 5:
        same = raw[1:3] == raw[3:5]
        words = (
            ("the same again", "重复长度") if same else ("differs from the first", "两个长度不一致")
        )
        yield _part(3, 5, ("length", "长度L"), words, ok=same)
    if len(raw) >= HEAD_BYTES:
        right = raw[5] == START
        words = ("68", "68") if right else ("68 belongs here", "应为68")
        yield _part(5, 6, ("start", "起始字符"), words, ok=right)
    rest = {1: 1, 2: 1, 4: 3}.get(len(raw), len(raw))
    if rest < len(raw):
        yield _part(rest, len(raw), ("length", "长度L"), ("cut off", "不完整"), ok=False)


def _tail_parts(raw: bytes, user: bytes) -> Iterator[Part]:
    right = sum8(user)
    ok = raw[-2] == right
    words = ("right", "正确") if ok else (f"computed {right:02X}", f"计算值{right:02X}")
    yield _part(len(raw) - 2, len(raw) - 1, ("checksum", "校验和CS"), words, ok=ok)
    yield _part(len(raw) - 1, len(raw), ("end", "结束字符"), ("16", "16"))


def _user_parts(user: bytes, profile: Profile) -> Iterator[Part]:
    if len(user) < profile.user_bytes_min:
        words = ("cut off before AFN and SEQ", "不完整")
        yield _part(0, len(user), ("user data", "用户数据"), words, ok=False)
        return
    at = profile.user_bytes_min
    try:
        frame = parse_user_data(user, profile)
    except DecodeError as error:
        yield from _fixed_parts(user, profile, str(error))
        if len(user) > at:
            yield _part(at, len(user), ("data", "数据"), ("cannot be split", "无法划分"), ok=False)
        return
    yield from _fixed_parts(user, profile)
    for unit in frame.units:
        yield from (_moved(part, at) for part in _unit_parts(frame, unit, profile))
        at += len(unit.to_bytes())
    yield from _aux_parts(frame, at)


def _fixed_parts(user: bytes, profile: Profile, problem: str = "") -> Iterator[Part]:
    last = profile.address_bytes
    address = TerminalAddress.from_bytes(user[1 : last + 1])
    yield _part(0, 1, ("control C", "控制域C"), control_words(Control.from_byte(user[0])))
    yield _part(1, 3, ("region A1", "行政区划码A1"), (address.region, address.region))
    yield _part(3, last, ("terminal A2", "终端地址A2"), address_words(address))
    station = (
        f"MSA {address.msa}{', group address' if address.group else ''}",
        f"主站地址{address.msa}{'，组地址' if address.group else ''}",
    )
    yield _part(last, last + 1, ("station A3", "主站地址和组地址标志A3"), station)
    afn, sequence = user[last + 1], Sequence.from_byte(user[last + 2])
    name, name_zh = afn_words(afn)
    known = afn in AFN_NAMES
    hint = "" if known else _address_hint(user, profile)
    yield _part(last + 1, last + 2, ("AFN", "应用层功能码AFN"), (name + hint, name_zh), ok=known)
    words, words_zh = sequence_words(sequence)
    if problem:
        words, words_zh = f"{words}: {problem}", f"{words_zh}：附加信息不完整"
    yield _part(last + 2, last + 3, ("SEQ", "帧序列域SEQ"), (words, words_zh), ok=not problem)


def _address_hint(user: bytes, profile: Profile) -> str:
    """Jilin's address is two bytes longer: say so when its AFN would make sense."""
    place = _WIDE.address_bytes + 1
    if profile == _WIDE or len(user) < _WIDE.user_bytes_min or user[place] not in AFN_NAMES:
        return ""
    return "; with a terminal address of 4 bytes AFN would be " + f"{user[place]:02X}"


def _unit_parts(frame: Frame1376, unit: Unit, profile: Profile) -> Iterator[Part]:
    head = unit.mark_bytes()
    if len(head) < MARK_BYTES:
        words = ("too short for a data unit", "数据单元标识不完整")
        yield _part(0, len(head), ("data", "数据"), words, ok=False)
        return
    yield _part(0, 2, ("points DA", "信息点DA"), points_words(unit.points), ok=bool(unit.points))
    yield _functions_part(frame.afn, unit, profile)
    at = MARK_BYTES
    layouts = layout_of(frame.afn, up=frame.up, edition=profile.edition)
    for item in items(unit, layouts):
        layout = layouts(item.function) or ()
        found = _with_records(frame.afn, cells(layout, item.data))
        yield from (_cell_part(item, cell, len(unit.points) > 1) for cell in found)
        done = found[-1].stop if found else 0
        at = MARK_BYTES + item.start + done
        if done < len(item.data):
            break
    end = MARK_BYTES + len(unit.data)
    if at < end:
        words = ("bytes that the tables do not know", "表中未定义的内容")
        yield _part(at, end, ("data", "数据"), words)


def _row_words(function: int, row: Row | None) -> Words:
    if row is None:
        return f"F{function}", f"F{function}"
    english, chinese = f"F{function} {row.name}", f"F{function}{row.name_zh}"
    if row.single_source:
        return f"{english} (single source)", f"{chinese}（仅一处来源）"
    return english, chinese


def _functions_part(afn: int, unit: Unit, profile: Profile) -> Part:
    rows = [(function, find(afn, function, profile.edition)) for function in unit.functions]
    names = [_row_words(number, row) for number, row in rows]
    english, chinese = ", ".join(name for name, _ in names), "、".join(name for _, name in names)
    right = len(rows) == 1 if afn == afn_00.AFN else bool(rows)
    if rows and not right:
        english += ": contradicts itself; item by item is F3, DT1 = 04"
        chinese += "：自相矛盾；按数据单元标识确认为F3（DT1=04）"
    words = (english or "no function", chinese or "无信息类")
    return _part(2, 4, ("functions DT", "信息类DT"), words, ok=right)


def _with_records(afn: int, found: list[Cell]) -> list[Cell]:
    """Cells with what event records say in words; the code stands two cells before each."""
    if afn != afn_0e.AFN:
        return found
    return [
        replace(cell, told=EventRecord(found[n - 2].value, cell.value).words())
        if isinstance(cell.value, bytes) and cell.name.startswith("record [")
        else cell
        for n, cell in enumerate(found)
    ]


def _cell_part(item: Item, cell: Cell, many: bool) -> Part:  # noqa: FBT001  # one word of a name
    start = MARK_BYTES + item.start
    prefix = f"p{item.point} " if many else ""
    name = (prefix + cell.name, prefix + cell.name_zh)
    return _part(start + cell.start, start + cell.stop, name, cell_words(cell), ok=not cell.problem)


def _aux_parts(frame: Frame1376, at: int) -> Iterator[Part]:
    if frame.password is not None:
        stop = at + len(frame.password)
        yield _part(
            at,
            stop,
            ("password PW", "消息认证码PW"),
            (f"{len(frame.password)} bytes", f"{len(frame.password)}字节"),
        )
        at = stop
    if frame.event_counters is not None:
        important, normal = frame.event_counters
        words = (
            f"{important} important, {normal} normal",
            f"重要事件{important}，一般事件{normal}",
        )
        yield _part(at, at + COUNTER_BYTES, ("event counters EC", "事件计数器EC"), words)
        at += COUNTER_BYTES
    if frame.time_tag is not None:
        words = tag_words(frame.time_tag)
        yield _part(at, at + TAG_BYTES, ("time tag Tp", "时间标签Tp"), words)

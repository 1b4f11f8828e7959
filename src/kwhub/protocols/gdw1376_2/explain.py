"""Any bytes beside their meaning, in English and Chinese.

Source: Q/GDW 1376.2-2013, clauses 4.3 and 5.

A frame that cannot be parsed is still shown as far as its bytes go; what is wrong is marked.
"""

from collections.abc import Iterator

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376_2.frames import START, Frame13762, parse, parse_body
from kwhub.protocols.gdw1376_2.layouts import Cell, Words, cells
from kwhub.protocols.gdw1376_2.receiver import Received, Receiver
from kwhub.protocols.gdw1376_2.routes import DownRoute, UpRoute
from kwhub.protocols.gdw1376_2.summary import UNKNOWN, plain
from kwhub.protocols.gdw1376_2.tables import AFN_NAMES, find, layout_of
from kwhub.wire.explain import Explanation, Part

__all__ = ["explain"]

_MODES: dict[int, Words] = {
    1: ("centralised narrow-band PLC", "集中式窄带载波"),
    2: ("distributed narrow-band PLC", "分布式窄带载波"),
    3: ("HPLC", "宽带载波"),
    10: ("micro-power radio", "微功率无线"),
    20: ("Ethernet", "以太网"),
}


def explain(raw: bytes) -> Explanation:
    """Tell what every byte is; several frames may follow one another. Never raises."""
    found = Receiver().feed(raw)
    whole = all(isinstance(one, Received) for one in found)
    if not whole or sum(len(one.raw) for one in found) != len(raw):
        return Explanation(raw, tuple(_frame_parts(raw, 0)))
    parts: list[Part] = []
    at = 0
    for one in found:
        parts += _frame_parts(one.raw, at)
        at += len(one.raw)
    return Explanation(raw, tuple(parts))


def _frame_parts(raw: bytes, base: int) -> Iterator[Part]:
    if not raw:
        return
    problem: DecodeError | None = None
    try:
        frame: Frame13762 | None = parse(raw)
    except DecodeError as error:
        problem, frame = error, _as_far_as_possible(raw)
    kind = problem.kind if problem else ""
    if frame is None:
        words = (f"no frame: {problem}", f"不是完整的帧：{kind}")
        yield Part(base, base + len(raw), "bytes", "字节", *words, ok=False)
        return
    yield from _head(raw, frame, base, kind)
    at = base + 10
    if frame.addresses is not None:
        yield from _address_parts(frame, at)
        at += 6 * (2 + len(frame.addresses.relays))
    yield from _content_parts(frame, at)
    yield from _tail(raw, base, problem)


def _as_far_as_possible(raw: bytes) -> Frame13762 | None:
    if len(raw) < 15 or raw[0] != START:
        return None
    try:
        return parse_body(raw)
    except DecodeError:
        return None


def _head(raw: bytes, frame: Frame13762, base: int, kind: str) -> Iterator[Part]:
    yield Part(base, base + 1, "start", "起始字符", "68", "68")
    size = int.from_bytes(raw[1:3], "little")
    right = size == len(raw)
    english = f"{size} bytes" if right else f"{size} bytes stated, there are {len(raw)} ({kind})"
    chinese = f"{size}字节" if right else f"标称{size}字节，实有{len(raw)}字节"
    yield Part(base + 1, base + 3, "length L", "长度L", english, chinese, ok=right)
    control = frame.control
    mode, mode_zh = _MODES.get(control.mode, (f"mode {control.mode}", f"方式{control.mode}"))
    way = ("up", "上行") if control.up else ("down", "下行")
    who = ("started by the sender", "来自启动站") if control.primary else ("answer", "来自从动站")
    meaning = (f"{way[0]}, {who[0]}, {mode}", f"{way[1]}，{who[1]}，{mode_zh}")
    yield Part(base + 3, base + 4, "control C", "控制域C", *meaning)
    yield Part(base + 4, base + 10, "information R", "信息域R", *_route_words(frame.route))


def _route_words(route: DownRoute | UpRoute) -> Words:
    number = (f"sequence {route.sequence}", f"序列号{route.sequence}")
    path = ("bypass", "旁路") if route.bypass else ("routed", "带路由")
    level = (f"relay level {route.relay_level}", f"中继级别{route.relay_level}")
    if isinstance(route, DownRoute):
        unit = "kbit/s" if route.rate_in_kbps else "bit/s"
        where = ("to a slave", "对从节点") if route.to_slave else ("to the module", "对主节点")
        wait = (f"{route.answer_bytes} answer bytes", f"预计应答{route.answer_bytes}字节")
        speed = (f"rate {route.rate} {unit}", f"速率{route.rate}{unit}")
        words = [path, where, level, wait, speed, number]
    else:
        where = (
            ("from a slave", "来自从节点")
            if route.from_slave
            else ("from the module", "来自主节点")
        )
        phase = (f"phase {route.phase}", f"相位{route.phase}")
        quality = (
            f"quality {route.command_quality}/{route.answer_quality}",
            f"信号品质{route.command_quality}/{route.answer_quality}",
        )
        events = (
            ("events wait", "有从节点事件") if route.events_wait else ("no events", "无从节点事件")
        )
        words = [path, where, level, phase, quality, events, number]
    return ", ".join(one for one, _ in words), "，".join(zh for _, zh in words)


def _address_parts(frame: Frame13762, at: int) -> Iterator[Part]:
    found = frame.addresses
    if found is None:
        return
    names = [("source A1", "源地址A1"), *(("relay A2", "中继地址A2") for _ in found.relays)]
    names.append(("target A3", "目的地址A3"))
    for name, where in zip(names, (found.source, *found.relays, found.target), strict=True):
        yield Part(at, at + 6, *name, where, where)
        at += 6


def _content_parts(frame: Frame13762, at: int) -> Iterator[Part]:
    known = frame.afn in AFN_NAMES
    yield Part(at, at + 1, "AFN", "应用功能码AFN", *AFN_NAMES.get(frame.afn, UNKNOWN), ok=known)
    rows = [(number, find(frame.afn, number)) for number in frame.functions]
    english = ", ".join(f"F{number} {row.name if row else ''}".rstrip() for number, row in rows)
    chinese = "、".join(f"F{number}{row.name_zh if row else ''}" for number, row in rows)
    one = len(rows) == 1
    hint = "" if one else "; exactly one function belongs here"
    hint_zh = "" if one else "；应恰有一个信息类"
    words = ((english or "no function") + hint, (chinese or "无信息类") + hint_zh)
    yield Part(at + 1, at + 3, "function DT", "信息类DT", *words, ok=one)
    at += 3
    found = cells(layout_of(frame.afn, frame.function, up=frame.up) or (), frame.data)
    for cell in found:
        yield Part(at + cell.start, at + cell.stop, cell.name, cell.name_zh, *_cell_words(cell))
    done = found[-1].stop if found else 0
    if done < len(frame.data):
        words = ("bytes that the tables do not know", "表中未定义的内容")
        yield Part(at + done, at + len(frame.data), "data", "数据", *words)


def _cell_words(cell: Cell) -> Words:
    if cell.told:
        return cell.told
    both = f"{plain(cell.value)} {cell.unit}".rstrip()
    return both, both


def _tail(raw: bytes, base: int, problem: DecodeError | None) -> Iterator[Part]:
    kind = problem.kind if problem else ""
    size, sound = len(raw) + base, kind not in {"checksum_mismatch", "truncated", "length_mismatch"}
    words = ("right", "正确") if sound else (str(problem), f"错误：{kind}")
    yield Part(size - 2, size - 1, "checksum CS", "校验和CS", *words, ok=sound)
    ended = raw[-1] == 0x16
    words = ("16", "16") if ended else (f"{raw[-1]:02X} where 16 belongs", "应为16")
    yield Part(size - 1, size, "end", "结束字符", *words, ok=ended)

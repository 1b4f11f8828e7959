"""A frame of the thermometer module byte by byte, and as fields.

Source: published protocol of the infrared module, clauses 2 to 4 (single source).
"""

from decimal import Decimal
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.protocols.irmodule.frames import READ, WRITE, ModuleFrame, parse
from kwhub.protocols.irmodule.items import ITEMS, Item, decode, item_of
from kwhub.protocols.irmodule.receiver import Received, Receiver
from kwhub.wire.explain import Explanation, Part

__all__ = ["explain", "is_whole", "summarise", "values"]

_FUNCTIONS = {READ: ("read", "读"), WRITE: ("write", "写")}


def is_whole(raw: bytes) -> bool:
    """Whether bytes are exactly one frame with a right sum."""
    found = Receiver().feed(raw)
    return len(found) == 1 and isinstance(found[0], Received)


def summarise(frame: ModuleFrame) -> dict[str, Any]:
    """Return the fields of a frame."""
    return {
        "address": frame.address,
        "control": f"{frame.control:02X}",
        "function": _FUNCTIONS.get(frame.function, ("unknown", ""))[0],
        "answer": frame.is_answer,
        "refused": frame.is_error,
        "item": frame.data[0] if frame.data else None,
    }


def _item(frame: ModuleFrame) -> Item | None:
    return ITEMS.get(frame.data[0]) if frame.data else None


def values(frame: ModuleFrame) -> list[tuple[Item, str, Decimal]]:
    """Return the numbers that a frame carries: item, name of the number, number.

    Raises:
        DecodeError: an item that is not known, or numbers that do not fit it.
    """
    if frame.is_error or len(frame.data) < 2:
        return []
    item = item_of(frame.data[0])
    return [(item, name, number) for name, number in decode(item, frame.data[1:]).items()]


def explain(raw: bytes) -> Explanation:
    """Every byte beside its meaning. Never fails."""
    try:
        frame = parse(raw)
    except DecodeError as error:
        part = Part(0, len(raw), "bytes", "字节", str(error), str(error), ok=False)
        return Explanation(raw, (part,))
    at, end = frame.preamble, len(raw) - 2
    parts = [Part(0, at, "preamble", "前导", "wakes the module", "唤醒")] if at else []
    english, chinese = _FUNCTIONS.get(frame.function, ("unknown", "未知"))
    role, role_zh = ("answer", "应答") if frame.is_answer else ("request", "请求")
    address = str(frame.address)
    parts += [
        Part(at, at + 1, "address", "地址", address, address),
        Part(at + 1, at + 2, "control", "控制码", f"{role}, {english}", f"{role_zh}，{chinese}"),
        Part(at + 2, at + 3, "length", "长度", str(len(frame.data)), str(len(frame.data))),
    ]
    item = _item(frame)
    if frame.data:
        names = (item.name_en, item.name_zh) if item else ("not known", "未知")
        parts.append(Part(at + 3, at + 4, "item", "数据项", *names, ok=item is not None))
    if len(frame.data) > 1:
        parts.append(_data_part(frame, at + 4, end))
    parts.append(Part(end, len(raw), "check sum", "校验", "right", "正确"))
    return Explanation(raw, tuple(parts))


def _data_part(frame: ModuleFrame, start: int, stop: int) -> Part:
    try:
        told = ", ".join(f"{name} {number}{item.unit}" for item, name, number in values(frame))
    except DecodeError as error:
        return Part(start, stop, "data", "数据", error.detail, error.detail, ok=False)
    return Part(start, stop, "data", "数据", told, told)

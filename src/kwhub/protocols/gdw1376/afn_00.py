"""AFN 00: confirm and deny.

Source: Q/GDW 1376.1-2013, clause 5.1; F4 is single source.
"""

from dataclasses import dataclass
from enum import Enum, auto

from kwhub.protocols.gdw1376.formats import BIN1, bytes_format
from kwhub.protocols.gdw1376.layouts import Field, Repeat, Row
from kwhub.protocols.gdw1376.units import MARK_BYTES, Unit

__all__ = [
    "AFN",
    "ALL_CONFIRMED",
    "ALL_DENIED",
    "ROWS",
    "ItemResult",
    "Verdict",
    "read_results",
    "read_verdict",
    "results_unit",
]

AFN = 0x00
_ITEM_BYTES = MARK_BYTES + 1


def _item_words(mark: bytes) -> tuple[str, str]:
    item = Unit.from_mark(mark, b"")
    points = ", ".join(f"p{point}" for point in item.points)
    functions = ", ".join(f"F{function}" for function in item.functions)
    return f"{points} {functions}", f"{points} {functions}"


def _error_words(error: int) -> tuple[str, str]:
    return {0: ("ok", "正确")}.get(error, (f"error {error}", f"错误{error}"))


_PER_ITEM = (
    Field("AFN of the request", "要确认的报文AFN", BIN1),
    Repeat(
        lambda seen: seen["left"] // _ITEM_BYTES,
        (
            Field("item", "数据单元标识", bytes_format(MARK_BYTES), tell=_item_words),
            Field("error", "错误码", BIN1, tell=_error_words),
        ),
    ),
)
_AUTHENTICATION = (
    Field("error type", "错误类型", BIN1),
    Field("random and chip serial", "随机数与芯片序列号", bytes_format(16)),
)

ROWS = (
    Row(1, "all confirmed", "全部确认", (), (), "clause 5.1.1"),
    Row(2, "all denied", "全部否认", (), (), "clause 5.1.2"),
    Row(3, "confirmed item by item", "按数据单元标识确认", _PER_ITEM, _PER_ITEM, "clause 5.1.3"),
    Row(
        4,
        "authentication failed",
        "硬件安全认证错误应答",
        (),
        _AUTHENTICATION,
        "clause 5.1",
        single_source=True,
    ),
)

ALL_CONFIRMED = Unit((0,), (1,))
ALL_DENIED = Unit((0,), (2,))


class Verdict(Enum):
    """What an AFN 00 frame says."""

    CONFIRMED = auto()
    DENIED = auto()
    UNCLEAR = auto()  #: F1 and F2 at once, or nothing of the sort


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item of F3."""

    points: tuple[int, ...]
    functions: tuple[int, ...]
    error: int  #: 0 ok, 1 error


def read_results(unit: Unit) -> tuple[ItemResult, ...]:
    """Items of a per-item confirmation (F3)."""
    rows = unit.data[1:]
    found = []
    for at in range(0, len(rows) - MARK_BYTES, _ITEM_BYTES):
        mark = Unit.from_mark(rows[at : at + MARK_BYTES], b"")
        found.append(ItemResult(mark.points, mark.functions, rows[at + MARK_BYTES]))
    return tuple(found)


def results_unit(afn: int, results: tuple[ItemResult, ...]) -> Unit:
    """F3 for a request of an AFN. Raises LocalError."""
    rows = (
        Unit(result.points, result.functions).mark_bytes() + bytes([result.error])
        for result in results
    )
    return Unit((0,), (3,), bytes([afn]) + b"".join(rows))


def read_verdict(units: tuple[Unit, ...]) -> tuple[Verdict, tuple[ItemResult, ...]]:
    """What the units of an AFN 00 frame say, with the items of F3.

    F1 with bytes behind it (seen in the field) is a confirmation; F1 and F2 in one unit is neither
    (DT1 = 03 where F3 = 04 was meant).
    """
    unit = units[0] if units else Unit((), ())
    if unit.functions == (1,):
        return Verdict.CONFIRMED, ()
    if unit.functions in {(2,), (4,)}:
        return Verdict.DENIED, ()
    if unit.functions != (3,):
        return Verdict.UNCLEAR, ()
    results = read_results(unit)
    refused = any(result.error for result in results)
    return Verdict.DENIED if refused else Verdict.CONFIRMED, results

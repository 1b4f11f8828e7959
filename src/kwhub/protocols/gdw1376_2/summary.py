"""A frame in a few words, and the values in it, for people and programs.

Source: Q/GDW 1376.2-2013, clauses 4.3 and 5.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kwhub.protocols.gdw1376_2.frames import Frame13762
from kwhub.protocols.gdw1376_2.layouts import cells
from kwhub.protocols.gdw1376_2.routes import DownRoute
from kwhub.protocols.gdw1376_2.tables import AFN_NAMES, carried, find, layout_of
from kwhub.wire.checksums import sum8

__all__ = ["UNKNOWN", "FrameValue", "inner_frame", "plain", "summarise", "values"]

UNKNOWN = ("reserved", "备用")


@dataclass(frozen=True, slots=True)
class FrameValue:
    """One field of the data."""

    function: int
    name: str
    name_zh: str
    value: Decimal | str
    unit: str


def inner_frame(frame: Frame13762) -> tuple[int, bytes] | None:
    """Protocol type and bytes of the frame carried inside; None when none is."""
    return carried(frame.afn, frame.function, frame.data, up=frame.up)


def summarise(frame: Frame13762) -> dict[str, Any]:
    """The fields that people and programs ask for first. Never raises for a frame that was parsed.

    Fields of the other direction, and those of the address field when there is none, are left out.
    """
    raw = frame.to_bytes()
    name, name_zh = AFN_NAMES.get(frame.afn, UNKNOWN)
    fields: dict[str, Any] = {
        "len": len(raw),
        "control": f"{frame.control.to_byte():02X}",
        "direction": "up" if frame.up else "down",
        "primary": frame.control.primary,
        "comm_mode": frame.control.mode,
        "R": frame.info.hex().upper(),
    }
    fields |= _route_fields(frame)
    fields["msg_seq"] = frame.sequence
    if frame.addresses is not None:
        fields["src"] = frame.addresses.source
        fields["relays"] = list(frame.addresses.relays)
        fields["dst"] = frame.addresses.target
    rows = [find(frame.afn, function) for function in frame.functions]
    fields |= {
        "afn": f"{frame.afn:02X}",
        "afn_name": name,
        "afn_name_zh": name_zh,
        "functions": list(frame.functions),
        "names": [row.name if row else "" for row in rows],
        "names_zh": [row.name_zh if row else "" for row in rows],
        "data": frame.data.hex().upper(),
        "cs": f"{sum8(raw[3:-2]):02X}",
    }
    return fields


def _route_fields(frame: Frame13762) -> dict[str, Any]:
    route = frame.route
    common = {
        "route_flag": int(route.bypass),
        "relay_level": route.relay_level,
        "channel": route.channel,
    }
    if isinstance(route, DownRoute):
        return common | {
            "sub_node": int(route.sub_node),
            "comm_module": int(route.to_slave),
            "conflict": int(route.conflict),
            "ecc": route.coding,
            "expected_reply_len": route.answer_bytes,
            "rate": route.rate,
            "rate_unit": "kbps" if route.rate_in_kbps else "bps",
        }
    return common | {
        "comm_module": int(route.from_slave),
        "phase": route.phase,
        "channel_feature": route.feature,
        "cmd_quality": route.command_quality,
        "reply_quality": route.answer_quality,
        "event_flag": int(route.events_wait),
    }


def values(frame: Frame13762) -> list[FrameValue]:
    """Every field of the data that the tables know, in wire order. Never raises."""
    layout = layout_of(frame.afn, frame.function, up=frame.up)
    return [
        FrameValue(frame.function, cell.name, cell.name_zh, plain(cell.value), cell.unit)
        for cell in cells(layout or (), frame.data)
    ]


def plain(value: Any) -> Decimal | str:
    """A value of a cell as a number or as text that programs read again."""
    if isinstance(value, int):
        return Decimal(value)
    return value.hex().upper() if isinstance(value, bytes) else str(value)

"""What the infrared thermometer module can be asked and told.

Source: published protocol of the infrared module, clause 3 d (single source): emissivity as
thousandths in two bytes is inferred from its printed default 0.950; temperatures are ten times the
value, with a sign by two's complement (inferred).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError

__all__ = ["BAUDS", "ITEMS", "STATUS_WORDS", "Item", "decode", "encode", "item_of"]

BAUDS: Final = (1200, 2400, 4800, 9600, 19200)
"""By number; 3 (9600) is the default."""

STATUS_WORDS: Final = (
    ("target temperature low", "目标温度低"),
    ("target temperature high", "目标温度高"),
    ("ambient temperature low", "环境温度低"),
)
"""Of bits 0 to 2 of the system information."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the table."""

    number: int
    key: str
    name_en: str
    name_zh: str
    fields: tuple[str, ...]  #: names of its numbers, in order
    field_bytes: int
    decimals: int = 0
    unit: str = ""
    signed: bool = False
    writable: bool = False


ITEMS: Final[Mapping[int, Item]] = MappingProxyType(
    {
        item.number: item
        for item in (
            Item(0, "address", "address", "地址", ("address",), 1, writable=True),
            Item(1, "baud", "baud rate", "通信速率", ("baud",), 1, unit="Bd", writable=True),
            Item(2, "emissivity", "emissivity", "辐射率", ("emissivity",), 2, 3, writable=True),
            Item(
                3, "target", "target temperature", "目标温度", ("target",), 2, 1, "°C", signed=True
            ),
            Item(
                4,
                "temperatures",
                "target and ambient temperature",
                "目标温度和环境温度",
                ("target", "ambient"),
                2,
                1,
                "°C",
                signed=True,
            ),
            Item(5, "status", "system information", "系统信息", ("status",), 1),
        )
    }
)


def item_of(number: int) -> Item:
    """The row of a number. Raises DecodeError ``unknown_item``."""
    if number not in ITEMS:
        raise DecodeError("unknown_item", f"there is no item {number}", field="data")
    return ITEMS[number]


def decode(item: Item, payload: bytes) -> dict[str, Decimal]:
    """The numbers of an item.

    Raises:
        DecodeError: kinds ``payload_size`` and ``value_range``.

    >>> decode(ITEMS[3], bytes.fromhex("2C01"))
    {'target': Decimal('30.0')}
    """
    size = item.field_bytes
    if len(payload) != size * len(item.fields):
        raise DecodeError(
            "payload_size",
            f"{item.name_en} has {size * len(item.fields)} bytes, not {len(payload)}",
            field="data",
        )
    found = {}
    for place, name in enumerate(item.fields):
        raw = payload[place * size : (place + 1) * size]
        number = int.from_bytes(raw, "little", signed=item.signed)
        if name == "baud":
            if number >= len(BAUDS):
                raise DecodeError("value_range", f"{number} is no baud rate", field="data")
            number = BAUDS[number]
        found[name] = Decimal(number).scaleb(-item.decimals)
    return found


def encode(item: Item, values: Mapping[str, Decimal]) -> bytes:
    """The bytes of an item. Raises LocalError when a number is missing or does not fit."""
    raw = b""
    for name in item.fields:
        if name not in values:
            raise LocalError(f"{item.name_en} needs {name}")
        value = values[name]
        if name == "baud":
            if value not in BAUDS:
                raise LocalError(f"baud is one of {', '.join(map(str, BAUDS))}, not {value}")
            value = Decimal(BAUDS.index(int(value)))
        scaled = value.scaleb(item.decimals)
        if scaled != int(scaled):
            raise LocalError(f"{name} has at most {item.decimals} decimals, not {value}")
        try:
            raw += int(scaled).to_bytes(item.field_bytes, "little", signed=item.signed)
        except OverflowError as error:
            raise LocalError(f"{name} {value} does not fit {item.field_bytes} bytes") from error
    return raw

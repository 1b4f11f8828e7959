"""AFN 09: what this concentrator is and what it serves, told from the tables by which it serves it.

Source: Q/GDW 1376.1-2013, clause 5.9. F6 and F7 need layouts that no source gives, and are denied.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from types import MappingProxyType

from kwhub.concentrator.config import Config
from kwhub.protocols.gdw1376 import afn_04
from kwhub.protocols.gdw1376.event_records import RECORDS
from kwhub.protocols.gdw1376.formats import A20, BIN1, BIN2, BIN4, text_format

__all__ = ["Capabilities"]

MAKER, SOFTWARE, PROTOCOL, HARDWARE, CAPACITY = "KWHB", "V1.0", "2013", "SOFT", "2040"
RELEASED = date(2026, 1, 1)
BUFFER_BYTES = 1_024
METERS_MAX = 2_040
_BITS = 8


class Capabilities:
    """Answers to AFN 09."""

    def __init__(self, config: Config, controls: Iterable[int]) -> None:
        self._config = config
        self._controls = frozenset(controls)
        self._makers: Mapping[int, Callable[[], bytes]] = MappingProxyType(
            {
                1: self._version,
                2: self._ports,
                4: lambda: _groups(row.function for row in afn_04.ROWS if row.down is not None),
                5: lambda: _groups(self._controls),
                8: lambda: sum(1 << (code - 1) for code in RECORDS).to_bytes(_BITS, "little"),
            }
        )

    def of(self, function: int) -> bytes | None:
        """The data of one item, None when there is none."""
        make = self._makers.get(function)
        return make() if make else None

    def _version(self) -> bytes:
        identity = self._config.concentrator
        number = f"{identity.terminal:08d}"
        texts = (
            (4, MAKER),
            (8, number),
            (4, SOFTWARE),
        )
        more = ((11, CAPACITY), (4, PROTOCOL), (4, HARDWARE))
        released = A20.encode(RELEASED)
        return (
            b"".join(text_format(size).encode(text) for size, text in texts)
            + released
            + b"".join(text_format(size).encode(text) for size, text in more)
            + released
        )

    def _ports(self) -> bytes:
        buffers = BIN2.encode(BUFFER_BYTES) * 2
        head = bytes(4) + BIN2.encode(METERS_MAX) + buffers + bytes(6)
        rows = (
            BIN2.encode(bus.port) + BIN4.encode(bus.baud) + BIN2.encode(METERS_MAX) + buffers
            for bus in self._config.downlinks.values()
        )
        return head + BIN1.encode(len(self._config.downlinks)) + b"".join(rows)


def _groups(functions: Iterable[int]) -> bytes:
    """The number of groups of eight, and one bit for each function."""
    numbers = sorted(functions)
    count = (max(numbers) - 1) // _BITS + 1
    mask = sum(1 << (number - 1) for number in numbers)
    return bytes([count]) + mask.to_bytes(count, "little")

"""AFN 0A: query parameters; the answer has the layout in which AFN 04 sets them.

Source: Q/GDW 1376.1-2013, clause 5.10.
"""

from dataclasses import replace

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376 import afn_04
from kwhub.protocols.gdw1376.formats import BIN1, BIN2
from kwhub.protocols.gdw1376.layouts import Field, Repeat
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["AFN", "ROWS", "archive_query"]

AFN = 0x0A

_INDEXES = (
    Field("count", "本次查询数量n", BIN2, key="n"),
    Repeat("n", (Field("index", "装置序号", BIN2),)),
)
_PORTS = (
    Field("count", "本次查询数量n", BIN1, key="n"),
    Repeat("n", (Field("port", "终端通信端口号", BIN1),)),
)
_CLASS = (
    Field("big user class", "用户大类号", BIN1),
    Field("count", "本次查询数量n", BIN1, key="n"),
    Repeat("n", (Field("small user class", "用户小类号", BIN1),)),
)
_REQUESTS = {afn_04.ARCHIVE: _INDEXES, 33: _PORTS, 34: _PORTS, 38: _CLASS, 39: _CLASS}

ROWS = tuple(replace(row, down=_REQUESTS.get(row.function, ()), up=row.down) for row in afn_04.ROWS)


def archive_query(indexes: tuple[int, ...]) -> Unit:
    """A request for archive records by index (F10). Raises LocalError."""
    if not all(0 < index < 1 << 16 for index in indexes):
        raise LocalError(f"indexes {indexes} are not between 1 and 65535")
    words = (len(indexes), *indexes)
    data = b"".join(word.to_bytes(2, "little") for word in words)
    return Unit((0,), (afn_04.ARCHIVE,), data)

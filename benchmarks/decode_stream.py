"""A capture of 64 KiB, from bytes to numbers, against the two packages on PyPI.

Ours twice: as columns, which is our way for captures, and frame by frame in the pieces that a socket gives,
which is how a line is read that is still talking; each value comes with names, unit and exact decimals.

Peers: ``dlt645`` with the loop that its own transports run over their buffer, and ``python-dlt645`` with
the byte generator of its documentation. The formats of the identifiers are handed to the peers, which look
none up in this use.
"""

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from io import BytesIO
from typing import Any

from benchmarks._capture import FORMATS, capture
from benchmarks._peers import (
    DLT645,
    PYTHON_DLT645,
    against_peers,
    load_dlt645,
    load_python_dlt645,
    rates_in_turn,
)
from benchmarks.result import Result
from kwhub.protocols.dlt645.bulk import decode_capture
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.receiver import Received, Receiver

__all__ = ["run"]

STREAM_BYTES = 64 * 1024
PIECE_BYTES = 1024
ROUNDS = 11
COLUMNS_RATIO = 5.0
LEAST_RATIO = 3.0

STREAM, VALUES = capture(STREAM_BYTES)
PIECES = [STREAM[at : at + PIECE_BYTES] for at in range(0, len(STREAM), PIECE_BYTES)]


def _columns() -> list[Any]:
    return decode_capture(STREAM).quantities()


def _frame_by_frame() -> list[Any]:
    receiver = Receiver()
    found = []
    for piece in PIECES:
        for item in receiver.feed(piece):
            if isinstance(item, Received):
                data = item.frame.data
                found.append(decode(int.from_bytes(data[:4], "little"), data[4:])[0].value)
    return found


def _dlt645() -> Callable[[], list[Any]]:
    protocol = load_dlt645().DLT645Protocol
    to_float: Any = import_module("dlt645.common.transform").bcd_to_float

    def call() -> list[Any]:
        buffer = b""
        found = []
        for piece in PIECES:
            buffer += piece
            while buffer:
                buffer, frame = protocol.deserialize_with_remaining(buffer)
                if frame is None:
                    break
                notation, _ = FORMATS[int.from_bytes(frame.data[:4], "little")]
                found.append(to_float(frame.data[4:], notation, "little"))
        return found

    return call


def _python_dlt645() -> Callable[[], list[Any]]:
    package = load_python_dlt645()
    decimals = {
        f"{identifier:08x}": 10 ** len(notation.partition(".")[2])
        for identifier, (notation, _) in FORMATS.items()
    }

    def call() -> list[Any]:
        found = []
        line = package.iogen(BytesIO(STREAM))
        while (frame := package.read_frame(line)) is not None:
            found.append(int(frame.data[:-8]) / decimals[frame.data[-8:]])
        return found

    return call


def _check(found: list[Any]) -> None:
    if len(found) != len(VALUES):
        raise SystemExit(f"{len(found)} values were found where {len(VALUES)} are")
    for number, value in zip(found, VALUES, strict=True):
        if abs(Decimal(number) - value) > Decimal("1e-6"):
            raise SystemExit(f"{number} was found where {value} stands: nothing to compare")


def run() -> list[Result]:
    """Frames a second: ours in both ways, and both peers'."""
    calls = (_columns, _frame_by_frame, _dlt645(), _python_dlt645())
    for call in calls:
        _check(call())
    rates = [each * len(VALUES) for each in rates_in_turn(calls, ROUNDS)]
    columns, singly, *theirs = rates
    peers = dict(zip((DLT645, PYTHON_DLT645), theirs, strict=True))
    return [
        *against_peers("64 KiB of a line, as columns", "frames/s", columns, peers, COLUMNS_RATIO),
        *against_peers("64 KiB of a line, frame by frame", "frames/s", singly, peers, LEAST_RATIO),
    ]

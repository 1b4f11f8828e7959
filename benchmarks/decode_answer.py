"""One read answer, from bytes to a number with its unit, against the two packages on PyPI.

The bytes are an answer as it comes from a line, wake-up bytes and all, and each package reads it the way
its documentation shows. A peer is given less to do than we are: it neither looks the identifier up nor
keeps decimals.
"""

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from io import BytesIO
from typing import Any

from benchmarks._peers import (
    DLT645,
    PYTHON_DLT645,
    against_peers,
    load_dlt645,
    load_python_dlt645,
    rate,
)
from benchmarks.result import Result
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.dlt645.items import decode

__all__ = ["run"]

FRAME = bytes.fromhex("FE FE FE 68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 72 16")
VALUE = Decimal("0.38")
CALLS = 4_000
LEAST_RATIO = 3.0


def _ours() -> Decimal:
    frame = parse(FRAME)
    data = frame.data
    value = decode(int.from_bytes(data[:4], "little"), data[4:])[0].value
    if not isinstance(value, Decimal):
        raise TypeError(value)
    return value


def _dlt645() -> Callable[[], float]:
    protocol = load_dlt645().DLT645Protocol
    transform: Any = import_module("dlt645.common.transform")

    def call() -> float:
        data = protocol.deserialize(FRAME).data
        return float(transform.bcd_to_float(data[4:], "XXXXXX.XX", "little"))

    return call


def _python_dlt645() -> Callable[[], float]:
    package = load_python_dlt645()

    def call() -> float:
        frame = package.read_frame(package.iogen(BytesIO(FRAME)))
        return int(frame.data[:8]) / 100

    return call


def run() -> list[Result]:
    """Frames a second: ours and both peers'; the promise is three times the faster of them."""
    ours, first, second = _ours, _dlt645(), _python_dlt645()
    for call in (ours, first, second):
        found = call()
        if abs(float(found) - float(VALUE)) > 1e-9:
            raise SystemExit(f"{call} reads {found} where {VALUE} stands: nothing to compare")
    return against_peers(
        "decode one read answer",
        "frames/s",
        rate(ours, CALLS),
        {DLT645: rate(first, CALLS), PYTHON_DLT645: rate(second, CALLS)},
        LEAST_RATIO,
    )

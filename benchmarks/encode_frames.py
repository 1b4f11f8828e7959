"""A read request, from address and identifier to the bytes of the line, against the two packages on PyPI."""

from collections.abc import Callable

from benchmarks._peers import (
    DLT645,
    PYTHON_DLT645,
    against_peers,
    load_dlt645,
    load_python_dlt645,
    rate,
)
from benchmarks.result import Result
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import ReadData

__all__ = ["run"]

METER = "123456789012"
ENERGY = 0x0001_0000
WAKE_UP = 4
REQUEST = bytes.fromhex("FE FE FE FE 68 12 90 78 56 34 12 68 11 04 33 33 34 33 68 16")
CALLS = 4_000


def _ours() -> bytes:
    request = ReadData(METER, ENERGY)
    return Frame645(METER, request.function, request.data(), WAKE_UP).to_bytes()


def _dlt645() -> Callable[[], bytes]:
    package = load_dlt645()
    address = bytes.fromhex(METER)[::-1]  # it wants the order of the wire

    def call() -> bytes:
        return bytes(
            package.DLT645Protocol.build_frame(address, 0x11, ENERGY.to_bytes(4, "little"), WAKE_UP)
        )

    return call


def _python_dlt645() -> Callable[[], bytes]:
    package = load_python_dlt645()
    wake_up = WAKE_UP * package.b_awaken

    def call() -> bytes:
        frame = package.Frame(METER)
        frame.data = f"{ENERGY:08X}"
        return bytes(wake_up + frame.dump())

    return call


def run() -> list[Result]:
    """Frames a second: ours and both peers'."""
    ours, first, second = _ours, _dlt645(), _python_dlt645()
    for call in (ours, first, second):
        if call() != REQUEST:
            raise SystemExit(f"{call} writes {call().hex(' ')}: nothing to compare")
    return against_peers(
        "encode one read request",
        "frames/s",
        rate(ours, CALLS),
        {DLT645: rate(first, CALLS), PYTHON_DLT645: rate(second, CALLS)},
    )

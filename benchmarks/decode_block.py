"""An answer with a block (0001FF00: total and four tariffs), from bytes to five numbers with units.

Peer: ``dlt645``, which knows blocks by their frame only: the digits of each tariff are cut out here and
scaled with its own function, as it does itself for a single value. ``python-dlt645`` cannot read a block
at all: FF becomes 32 on the line, and it takes 33H off without wrapping round.
"""

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import Any

from benchmarks._peers import DLT645, against_peers, load_dlt645, rate
from benchmarks.result import Result
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.dlt645.items import decode, encode

__all__ = ["run"]

BLOCK = 0x0001_FF00
ENERGIES = [Decimal(text) for text in ("1234.56", "400.10", "500.20", "300.03", "34.23")]
FRAME = Frame645(
    "000000000038", 0x91, BLOCK.to_bytes(4, "little") + encode(BLOCK, ENERGIES), 4
).to_bytes()
CALLS = 2_000
LEAST_RATIO = 3.0


def _ours() -> list[Any]:
    data = parse(FRAME).data
    return [value.value for value in decode(int.from_bytes(data[:4], "little"), data[4:])]


def _dlt645() -> Callable[[], list[Any]]:
    protocol = load_dlt645().DLT645Protocol
    to_float: Any = import_module("dlt645.common.transform").bcd_to_float

    def call() -> list[Any]:
        data = protocol.deserialize(FRAME).data
        return [to_float(data[at : at + 4], "XXXXXX.XX", "little") for at in range(4, len(data), 4)]

    return call


def run() -> list[Result]:
    """Frames a second: ours and the peer's; the promise is three times as many."""
    ours, theirs = _ours, _dlt645()
    for call in (ours, theirs):
        found = call()
        if [round(float(number), 2) for number in found] != [float(each) for each in ENERGIES]:
            raise SystemExit(f"{call} reads {found}: nothing to compare")
    return against_peers(
        "decode a block of five energies",
        "frames/s",
        rate(ours, CALLS),
        {DLT645: rate(theirs, CALLS)},
        LEAST_RATIO,
    )

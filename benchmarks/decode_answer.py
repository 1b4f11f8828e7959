"""One read answer, from bytes to a number with its unit, against the two packages on PyPI.

Peers: ``dlt645`` (its log switched off) and ``python-dlt645``. Both use the import name ``dlt645``; the
second stands in ``.venv/peers`` and is loaded after the first has been put aside. The bytes are an answer as
it comes from a line, wake-up bytes and all, and each package reads it the way its documentation shows. A peer
is given less to do than we are: it neither looks the identifier up nor keeps decimals.
"""

import importlib
import sys
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.result import Result
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.dlt645.items import decode

__all__ = ["run"]

FRAME = bytes.fromhex("FE FE FE 68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 72 16")
VALUE = Decimal("0.38")
PEERS = Path(__file__).parent.parent / ".venv" / "peers"
ROUNDS = 7
CALLS = 4_000


def _rate(call: Callable[[], object]) -> float:
    """Calls a second: the best of some rounds, which is what the machine can do undisturbed."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, perf_counter() - began)
    return CALLS / best


def _ours() -> Decimal:
    frame = parse(FRAME)
    data = frame.data
    value = decode(int.from_bytes(data[:4], "little"), data[4:])[0].value
    if not isinstance(value, Decimal):
        raise TypeError(value)
    return value


def _dlt645() -> Callable[[], float]:
    package: Any = importlib.import_module("dlt645")
    package.disable_logging()
    transform: Any = importlib.import_module("dlt645.common.transform")
    protocol = package.DLT645Protocol

    def call() -> float:
        data = protocol.deserialize(FRAME).data
        return float(transform.bcd_to_float(data[4:], "XXXXXX.XX", "little"))

    return call


def _python_dlt645() -> Callable[[], float]:
    if not (PEERS / "dlt645").is_dir():
        raise SystemExit("the second peer is missing: run 'make bench', which fetches it")
    aside = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "dlt645"
    }
    sys.path.insert(0, str(PEERS))
    try:
        importlib.invalidate_caches()
        package: Any = importlib.import_module("dlt645")
    finally:
        sys.path.remove(str(PEERS))
        for name in [name for name in sys.modules if name.split(".")[0] == "dlt645"]:
            del sys.modules[name]
        sys.modules.update(aside)

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
    rates = {
        f"dlt645 {version('dlt645')}": _rate(first),
        "python-dlt645 0.1.4": _rate(second),
    }
    mine = _rate(ours)
    faster = max(rates.values())
    return [
        Result(
            "decode one read answer",
            mine,
            rate,
            "frames/s",
            name,
            least_ratio=3.0 if rate == faster else None,
        )
        for name, rate in rates.items()
    ]

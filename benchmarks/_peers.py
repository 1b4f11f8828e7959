"""The two packages on PyPI that speak DL/T 645, each used the way its documentation shows.

Both use the import name ``dlt645``: ``python-dlt645`` stands in ``.venv/peers`` and is loaded after the
other has been put aside. The log of ``dlt645`` is switched off, which its documentation shows too.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.result import Result

__all__ = [
    "DLT645",
    "PYTHON_DLT645",
    "against_peers",
    "load_dlt645",
    "load_python_dlt645",
    "rate",
    "rates_in_turn",
]

PEERS = Path(__file__).parent.parent / ".venv" / "peers"
DLT645 = f"dlt645 {version('dlt645')}"
PYTHON_DLT645 = "python-dlt645 0.1.4"


def load_dlt645() -> Any:
    """The package ``dlt645``, silent."""
    package: Any = importlib.import_module("dlt645")
    package.disable_logging()
    return package


def load_python_dlt645() -> Any:
    """The package ``python-dlt645``."""
    if not (PEERS / "dlt645").is_dir():
        raise SystemExit("the second peer is missing: run 'make bench', which fetches it")
    aside = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "dlt645"
    }
    sys.path.insert(0, str(PEERS))
    try:
        importlib.invalidate_caches()
        return importlib.import_module("dlt645")
    finally:
        sys.path.remove(str(PEERS))
        for name in [name for name in sys.modules if name.split(".")[0] == "dlt645"]:
            del sys.modules[name]
        sys.modules.update(aside)


def rate(call: Callable[[], object], calls: int, rounds: int = 7) -> float:
    """Calls a second: the best of some rounds, which is what the machine can do undisturbed."""
    best = float("inf")
    for _ in range(rounds):
        began = perf_counter()
        for _ in range(calls):
            call()
        best = min(best, perf_counter() - began)
    return calls / best


def rates_in_turn(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Calls a second of several that are to be compared: each has its turn in every round.

    So a neighbour who takes the machine for a while takes it from all of them.
    """
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for place, call in enumerate(calls):
            began = perf_counter()
            call()
            best[place] = min(best[place], perf_counter() - began)
    return [1 / seconds for seconds in best]


def against_peers(
    name: str, unit: str, ours: float, peers: dict[str, float], least_ratio: float | None = None
) -> list[Result]:
    """A result for each peer; the promise holds against the faster of them."""
    faster = max(peers.values())
    return [
        Result(
            name, ours, theirs, unit, peer, least_ratio=least_ratio if theirs == faster else None
        )
        for peer, theirs in peers.items()
    ]

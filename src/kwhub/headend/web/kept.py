"""Figures that are costly to compute and the same for every reader: kept for a short while."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from kwhub.runtime.clock import Clock

__all__ = ["KEPT_MAX", "Kept"]

T = TypeVar("T")

KEPT_MAX = 256
"""Figures that are kept at one time; beyond, all are forgotten."""


class Kept:
    """Remembers what functions returned. Safe in any thread; one figure is computed by one thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._values: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, seconds: float, compute: Callable[[], T]) -> T:
        """The remembered value of a key, computed anew when it is older than ``seconds``."""
        with self._guard:
            if len(self._locks) >= KEPT_MAX:
                self._locks.clear()
                self._values.clear()
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            now = self._clock.monotonic()
            found = self._values.get(key)
            if found is not None and now - found[0] < seconds:
                value: T = found[1]
                return value
            value = compute()
            self._values[key] = (now, value)
            return value

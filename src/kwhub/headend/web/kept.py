"""Figures that are costly to compute and the same for every reader: kept for a short while."""

import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar

import structlog

from kwhub.domain.errors import KwhubError
from kwhub.runtime.clock import Clock

__all__ = ["KEPT_MAX", "Kept"]

T = TypeVar("T")

_log = structlog.get_logger("kwhub.headend.web")

KEPT_MAX = 256
"""Figures that are kept at one time; beyond, all are forgotten."""


class Kept:
    """Remembers what functions returned. Safe in any thread; one figure is computed by one thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._values: dict[Hashable, tuple[float, Any]] = {}
        self._begun: set[Hashable] = set()
        self._turn = threading.Lock()

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

    def soon(self, key: Hashable, seconds: float, compute: Callable[[], T]) -> T | None:
        """The newest value that is known, without waiting for a newer one, which another thread computes.

        None until it was computed for the first time. What ``compute`` raises is told to the log; the old value stays.
        """
        found = self._values.get(key)
        if found is None or self._clock.monotonic() - found[0] >= seconds:
            self._begin(key, partial(self.get, key, seconds, compute))
        return None if found is None else found[1]

    def _begin(self, key: Hashable, work: Callable[[], Any]) -> None:
        with self._guard:
            if key in self._begun:
                return
            self._begun.add(key)

        def run() -> None:
            try:
                with self._turn:  # one at a time: pages come first
                    work()
            except KwhubError as error:
                _log.warning("figure_not_computed", key=str(key), error=str(error))
            finally:
                with self._guard:
                    self._begun.discard(key)

        threading.Thread(target=run, name="figures", daemon=True).start()

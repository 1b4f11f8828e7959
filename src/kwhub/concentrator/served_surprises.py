"""Errors that nobody expects while a request of the head-end is served: one bad frame must not end the buses."""

from traceback import extract_tb

import structlog

from kwhub.concentrator.counters import UplinkCounters

__all__ = ["Surprises"]

PLACES_MAX = 64
"""Places in the program that are told in the log, each once."""


class Surprises:
    """Counts every one of them, and logs each place where one came from once."""

    def __init__(self, counters: UplinkCounters) -> None:
        self._counters = counters
        self._places: set[tuple[str, str, int | None]] = set()

    def note(self, error: Exception) -> None:
        """A request is denied because of a bug."""
        self._counters.requests_failed += 1
        trace = extract_tb(error.__traceback__)
        at = (trace[-1].filename, trace[-1].lineno) if trace else ("", None)
        place = (type(error).__name__, *at)
        if place not in self._places and len(self._places) < PLACES_MAX:
            self._places.add(place)
            log = structlog.get_logger("kwhub.concentrator")
            log.error("a request met a bug and is denied", exc_info=error)

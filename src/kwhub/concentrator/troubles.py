"""Trouble that comes again and again, told when it begins, when it is another, once an hour, and when it is over."""

from typing import NamedTuple

import structlog

from kwhub.runtime.clock import Clock

__all__ = ["AGAIN_S", "Troubles"]

AGAIN_S = 3_600.0
"""Trouble that goes on unchanged is told again after this time."""


class _Known(NamedTuple):
    """Trouble that was met."""

    error: str
    told_at: float  #: monotonic
    unsaid: int  #: how often it has come since
    is_open: bool  #: its begin stands in the log, and its end does not


class Troubles:
    """Keeps in mind what stands in the log already; a restart tells it anew.

    The same trouble that comes and goes fills no log either: within the hour its return is only counted.
    """

    def __init__(self, log: structlog.BoundLogger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def met(self, event: str, error: Exception, **facts: object) -> None:
        """An event has failed; ``facts`` are of the line in the log and part of its name."""
        name, text = _name(event, facts), str(error)
        now = self._clock.monotonic()
        known = self._known.get(name)
        if known and known.error == text and now - known.told_at < AGAIN_S:
            self._known[name] = known._replace(unsaid=known.unsaid + 1)
            return
        again = {"again": known.unsaid} if known and known.unsaid else {}
        self._known[name] = _Known(text, now, 0, is_open=True)
        self._log.warning(event, error=text, **facts, **again)

    def over(self, event: str, words: str, **facts: object) -> None:
        """What could fail has worked: told in these words, if the log says that it was in trouble."""
        name = _name(event, facts)
        known = self._known.get(name)
        if known is not None and known.is_open:
            self._known[name] = known._replace(is_open=False)
            self._log.warning(words, **facts)


def _name(event: str, facts: dict[str, object]) -> str:
    return f"{event} {sorted(facts.items())}"

"""Two log-ins of one terminal: the one that lives keeps its place, whoever logs in beside it is refused and shown.

The log-in of Q/GDW 1376.1 proves nothing, so an address is no reason to throw anybody out. A modem that lost its network
calls again long before its old connection is found dead, so an old connection is no reason to keep somebody out either.
What decides is whether the old one answers: it is asked for its clock at once, and has a few seconds.
"""

from collections import Counter, defaultdict, deque

import structlog

from kwhub.headend.front.connection import ANSWER_TIMEOUT_S, Connection
from kwhub.headend.store.archive import KnownTerminal
from kwhub.protocols.gdw1376 import afn_0c
from kwhub.protocols.gdw1376.messages import Request
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.clock import Clock

__all__ = ["FLAPS", "FLAP_S", "HEARD_S", "PROBE_S", "Doubles"]

HEARD_S = 10.0
"""A terminal that was heard so lately lives: it is not asked, whoever calls how often."""

PROBE_S = 5.0
"""So long it has to answer, in seconds; while it is at work for somebody else, as long as that may take besides."""

FLAP_S = 600.0
FLAPS = 3
"""So many second log-ins within ``FLAP_S`` seconds are an alarm: two devices have one address, or somebody pretends."""

NOTED_S = 60.0
"""Refused log-ins of one terminal are written down once in so many seconds."""

_CLOCK = Unit((0,), (afn_0c.CLOCK,))

_log = structlog.get_logger("kwhub.headend")


class Doubles:
    """Who is logged in twice.

    Counters: ``doubled`` (refused beside a terminal that lives), ``flapping`` (alarms).
    """

    def __init__(self, counters: Counter[str], clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._seen: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=FLAPS))
        self._noted: dict[int, float] = {}

    async def lives(self, older: Connection, password: bytes | None) -> bool:
        """Whether a terminal that is logged in is still there; asked when it was not heard lately."""
        if older.silent_s < HEARD_S:
            return True
        patience = PROBE_S + (ANSWER_TIMEOUT_S if older.is_asked else 0.0)
        return await older.lives(Request(afn_0c.AFN, (_CLOCK,), password), patience)

    def refused(self, terminal: KnownTerminal, peer: str, other: str) -> bool:
        """Count a log-in that was refused; whether it is to be written down."""
        self._counters["doubled"] += 1
        self._note(terminal, peer, other)
        now = self._clock.monotonic()
        if now - self._noted.get(terminal.id, -NOTED_S) < NOTED_S:
            return False
        self._noted[terminal.id] = now
        return True

    def replaced(self, terminal: KnownTerminal, peer: str, other: str) -> None:
        """Count a log-in that took the place of another."""
        self._counters["replaced"] += 1
        self._note(terminal, peer, other)

    def _note(self, terminal: KnownTerminal, peer: str, other: str) -> None:
        """Raise the alarm when it happens again and again; then it is counted anew."""
        now, seen = self._clock.monotonic(), self._seen[terminal.id]
        seen.append(now)
        if len(seen) < FLAPS or now - seen[0] > FLAP_S:
            return
        seen.clear()
        self._counters["flapping"] += 1
        _log.error(
            "terminal_logged_in_twice",
            terminal=f"{terminal.region}-{terminal.number:05}",
            peers=sorted({peer, other}),
            times=FLAPS,
            within_s=FLAP_S,
            remedy="two devices have one address, somebody pretends, or its line is bad: see its connections",
        )

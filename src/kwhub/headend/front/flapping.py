"""Terminals that log in again and again: one alarm each with what was seen, which ends by itself.

A line that comes and goes many times an hour loses reports and eats the data volume of its card, though at every
moment the terminal seems to be there. It is counted here, and kept as an event of the head-end's own beside those that
terminals report.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec
import structlog

from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.event_rows import FLAPPING, Evidence, Happening
from kwhub.runtime.clock import Clock

__all__ = ["FLAPS_MAX", "STEADY", "STEADY_FOR", "WITHIN", "Flapping"]

WITHIN = timedelta(hours=1)
"""The time in which log-ins are counted."""

FLAPS_MAX = 6
"""So many log-ins of one terminal within it are an alarm; a head-end that starts anew makes one, a lost network two."""

STEADY = 1
"""At most so many of them end the alarm,"""

STEADY_FOR = timedelta(minutes=30)
"""when the last one is so long ago."""

PEERS_MAX = 5
"""Addresses that are named as evidence."""

_log = structlog.get_logger("kwhub.headend")


class Flapping:
    """Counts log-ins. Counter: ``flaps``, the alarms."""

    def __init__(self, counters: Counter[str], clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        # Of the tens of thousands that log in once, there is one number each.
        self._logins: dict[int, tuple[float, ...]] = {}
        self._peers: dict[int, tuple[str, ...]] = {}
        self._alarmed: dict[int, datetime] = {}

    @property
    def terminals(self) -> int:
        """Terminals with an alarm."""
        return len(self._alarmed)

    def take_over(self, alarmed: Iterable[int]) -> None:
        """Go on with alarms that were raised before the head-end was started."""
        now = self._clock.now()
        self._alarmed |= {each: now for each in alarmed if each not in self._alarmed}

    def came(self, terminal: KnownTerminal, peer: str) -> Happening | None:
        """Count a log-in; the alarm when it is one too many."""
        now = self._clock.now()
        before = self._lately(terminal.id, now)
        logins = self._logins[terminal.id] = (*before, now.timestamp())[-FLAPS_MAX:]
        if before:
            known = (*self._peers.get(terminal.id, ()), _host(peer))
            self._peers[terminal.id] = tuple(dict.fromkeys(known))[-PEERS_MAX:]
        if terminal.id in self._alarmed:
            self._alarmed[terminal.id] = now
            return None
        if len(logins) < FLAPS_MAX:
            return None
        self._alarmed[terminal.id] = now
        self._counters["flaps"] += 1
        evidence = Evidence(len(logins), int(logins[-1] - logins[0]), self._peers[terminal.id])
        _log.error(
            "terminal_flaps",
            terminal=f"{terminal.region}-{terminal.number:05}",
            logins=evidence.logins,
            within_s=evidence.within_s,
            peers=list(evidence.peers),
            remedy="see its connections: bad reception, a power supply that drops, or two devices with one address",
        )
        return _happening(terminal.id, now, evidence, begins=True)

    def ended(self) -> Iterator[Happening]:
        """The ends of alarms of terminals that are steady again; what was long ago is forgotten."""
        now = self._clock.now()
        for terminal_id, last in list(self._alarmed.items()):
            lately = len(self._lately(terminal_id, now))
            if lately <= STEADY and now - last >= STEADY_FOR:
                del self._alarmed[terminal_id]
                told = Evidence(lately, int((now - last).total_seconds()), ())
                yield _happening(terminal_id, now, told, begins=False)
        for terminal_id in list(self._logins):
            if not self._lately(terminal_id, now):
                del self._logins[terminal_id]
                self._peers.pop(terminal_id, None)

    def _lately(self, terminal_id: int, now: datetime) -> tuple[float, ...]:
        """When a terminal has logged in within the time that counts, seconds since 1970."""
        since = (now - WITHIN).timestamp()
        return tuple(each for each in self._logins.get(terminal_id, ()) if each > since)


def _happening(terminal_id: int, at: datetime, evidence: Evidence, *, begins: bool) -> Happening:
    at_s = int(at.timestamp())
    body = msgspec.json.encode({"at": at_s, **msgspec.structs.asdict(evidence)})
    return Happening(terminal_id, 0, FLAPPING, True, 0, begins, at_s, at, body)  # noqa: FBT003


def _host(peer: str) -> str:
    """The address of a caller without its port: every call has another one."""
    return peer.rpartition(":")[0] or peer

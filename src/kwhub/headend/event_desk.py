"""Brings the event records that terminals keep and do not report by themselves.

Terminals report important events at once; of the others they only count. Every hour the head-end asks each connected
terminal for its two counters (0C-F7), and for the records that it does not have yet (0E-F1, 0E-F2). A record that comes
twice is kept once.

Source: Q/GDW 1376.1-2013, clauses 5.11 (F7) and 5.13: EC1 counts the important events, EC2 the others, modulo 256; a
request names the first record Pm and the one after the last Pn.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from functools import partial

import structlog
from sqlalchemy import and_, func, select

from kwhub.domain.errors import KwhubError, LinkDown, RemoteError
from kwhub.headend.front.front import Front
from kwhub.headend.ingest.decode import decode
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store import schema
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.store import Store
from kwhub.protocols.gdw1376 import afn_0c, afn_0e
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.clock import Clock

__all__ = ["EVENTS_EVERY_S", "RECORDS_AT_ONCE", "EventDesk"]

EVENTS_EVERY_S = 3_600.0
"""Pause between two looks at the counters of the terminals, in seconds."""

RECORDS_AT_ONCE = 16
"""Records of one request: about half a kilobyte, which slow lines carry in the time of an answer."""

TERMINALS_AT_ONCE = 16
"""Terminals that are asked at the same time."""

COUNTERS = 7
"""Function of AFN 0C that gives both counters."""

_NUMBERS = 256
_COUNTERS_BYTES = 2
_CLASSES = (1, 2)  # functions of AFN 0E: important events, and the others

_log = structlog.get_logger("kwhub.headend.events")


class EventDesk:
    """Asks for event records while ``run`` is running.

    Attributes:
        counters: looks, asked (records), failed (terminals that could not be asked).
    """

    def __init__(
        self, store: Store, front: Front, intake: Intake, clock: Clock, offload: Offload
    ) -> None:
        """Make a desk; it stores what comes by ``intake``."""
        self.counters: Counter[str] = Counter()
        self._store = store
        self._front = front
        self._intake = intake
        self._clock = clock
        self._offload = offload
        self._places = asyncio.Semaphore(TERMINALS_AT_ONCE)
        self._had: dict[tuple[int, int], int] = {}  # counter up to which all records are here

    async def run(self) -> None:
        """Look now and then, until cancelled; a store in trouble puts it off."""
        while True:
            await self._clock.sleep(EVENTS_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Ask every connected terminal once. A terminal that does not answer is asked the next time."""
        self.counters["looks"] += 1
        known = list(self._store.archive.terminals.values())
        async with asyncio.TaskGroup() as tasks:
            for terminal in known:
                if self._front.is_online(terminal.id):
                    tasks.create_task(self._look_at(terminal))

    async def _look_at(self, terminal: KnownTerminal) -> None:
        async with self._places:
            try:
                ends = await self._ends(terminal)
                for function, end in zip(_CLASSES, ends, strict=True):
                    await self._fetch(terminal, function, end)
            except LinkDown:
                return  # it will call again
            except StoreError as error:
                _log.error("events_not_stored", terminal=terminal.id, error=str(error))
            except KwhubError as error:
                self.counters["failed"] += 1
                _log.debug("events_not_read", terminal=terminal.id, error=str(error))

    async def _ends(self, terminal: KnownTerminal) -> tuple[int, int]:
        """EC1 and EC2. Raises LinkDown, NoAnswer, Refusal, RemoteError."""
        answer = await self._front.ask(terminal.id, afn_0c.AFN, (Unit((0,), (COUNTERS,)),))
        for unit in answer:
            if unit.functions == (COUNTERS,) and len(unit.data) >= _COUNTERS_BYTES:
                return unit.data[0], unit.data[1]
        raise RemoteError("the terminal answered something else than its event counters")

    async def _fetch(self, terminal: KnownTerminal, function: int, end: int) -> None:
        """Bring the records of one class up to a counter. Raises as ``_ends``, and StoreError."""
        place = (terminal.id, function)
        first = self._had.get(place)
        if first is None:
            there = await self._offload(partial(self._numbers, terminal.id, function))
            first = _first_missing(there, end)
        while first != end:
            stop = (first + min(RECORDS_AT_ONCE, (end - first) % _NUMBERS)) % _NUMBERS
            wanted = Unit((0,), (function,), bytes((first, stop)))
            answer = await self._front.ask(terminal.id, afn_0e.AFN, (wanted,))
            now = self._clock.now()
            batch = decode(terminal, afn_0e.AFN, answer, self._store.days, now)
            await self._intake.take(batch)
            self.counters["asked"] += len(batch.happenings)
            if batch.happenings:
                self._front.lookout.tell("events")
            first = self._had[place] = stop
        self._had[place] = end

    def _numbers(self, terminal_id: int, function: int) -> set[int]:
        """Numbers of the records of a class that came last, together."""
        table = schema.terminal_event
        own = and_(table.c.terminal_id == terminal_id, table.c.important == (function == 1))
        received = table.c.received_at
        newest = select(func.max(received, type_=received.type)).where(own).scalar_subquery()
        query = select(table.c.number).where(own, received == newest)
        with self._store.database.read() as connection:
            return set(connection.execute(query).scalars())


def _first_missing(there: Collection[int], end: int) -> int:
    """Where to begin: after the newest record that came last; of an unknown terminal where its counter began.

    >>> _first_missing({3, 4}, 7), _first_missing((), 5), _first_missing({0, 254, 255}, 3), _first_missing({6}, 7)
    (5, 0, 1, 7)
    """
    ends = {each for each in there if (each + 1) % _NUMBERS not in there}
    for back in range(1, _NUMBERS + 1):
        if (end - back) % _NUMBERS in ends:
            return (end - back + 1) % _NUMBERS
    return 0

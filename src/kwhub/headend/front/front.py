"""All connections of the head-end: who is logged in, who is turned away, and the way to a meter."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from kwhub.domain.errors import LinkDown, NoAnswer, RemoteError
from kwhub.headend.front.connection import Connection, Finished
from kwhub.headend.ingest.decode import decode
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store import sessions
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError, StoreFull
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.store import Store
from kwhub.headend.store.unplaced import UNPLACED_BYTES_MAX
from kwhub.links.base import Link
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer, LineControl
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Answered, Denied, Reported, Request
from kwhub.runtime.clock import Clock

__all__ = ["HEARTBEATS_MISSED_MAX", "SEEN_INTERVAL_S", "Front"]

HEARTBEATS_MISSED_MAX = 3
"""Heartbeats that a terminal may miss before it is taken for dead."""

SEEN_INTERVAL_S = 600
"""The moment a terminal was last heard is written at most this often, in seconds; reports write it too."""


class Front:
    """The connections of all terminals.

    A second log-in of the same terminal **replaces** the first: a modem that lost its network calls
    again long before its old connection is found dead. The old one is closed with that reason.

    Attributes:
        counters: reports, readings, denied, replaced, discarded, foreign, not_stored ...
    """

    def __init__(
        self, store: Store, intake: Intake, clock: Clock, offload: Offload, *, heartbeat_s: float
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._store = store
        self._intake = intake
        self._clock = clock
        self._offload = offload
        self._idle_s = HEARTBEATS_MISSED_MAX * heartbeat_s
        self._online: dict[int, Connection] = {}
        self._seen: dict[int, datetime] = {}

    def is_online(self, terminal_id: int) -> bool:
        """Whether a terminal is logged in."""
        return terminal_id in self._online

    async def attend(self, link: Link) -> None:
        """Serve one terminal until its link is down. Raises StoreError when the store fails at log-in."""
        connection = Connection(link, self._clock, self, idle_s=self._idle_s)
        try:
            await connection.run()
        finally:
            await self._part(connection)

    async def close(self) -> None:
        """Send every terminal away."""
        for connection in list(self._online.values()):
            await connection.close("the head-end stops")

    async def forward(
        self, terminal_id: int, port: int, frame: bytes, timeout_s: float, *, baud: int = 2400
    ) -> bytes:
        """Have a terminal put a frame on a port and bring the answer (10-F1).

        Returns:
            The answer; empty when the meter was silent.

        Raises:
            LinkDown: the terminal is not connected, or went away meanwhile.
            NoAnswer: the terminal did not answer.
            Refusal: the terminal denied.
            RemoteError: it answered something that makes no sense.
        """
        connection = self._online.get(terminal_id)
        if connection is None:
            raise LinkDown("the terminal is not connected")
        order = Forward(port, frame, LineControl(baud=baud), message_timeout_s=timeout_s)
        return _forwarded(await connection.ask(Request(afn_10.AFN, (order.to_unit(),))))

    async def admit(self, connection: Connection, address: TerminalAddress) -> KnownTerminal | None:
        """See Office; replaces an older connection of the same terminal."""
        terminal = self._store.archive.terminals.get((address.region, address.terminal))
        begun = asyncio.ensure_future(
            self._offload(partial(self._begin, connection, address, terminal))
        )
        try:
            await asyncio.shield(begun)
        finally:  # a row that is being written must be known to ``_part``, which ends it
            await begun
        if terminal is None:
            return None
        connection.terminal = terminal  # before it counts as online, so that ``_part`` finds it
        older = self._online.get(terminal.id)
        self._online[terminal.id] = connection
        if older is not None:
            self.counters["replaced"] += 1
            await older.close("replaced by a new log-in")
        await self.seen(terminal)
        return terminal

    async def store(self, terminal: KnownTerminal, report: Reported) -> None:
        """See Office."""
        now = self._clock.now()
        batch = decode(terminal, report.frame.afn, report.units, self._store.days, now)
        if batch.unplaced:
            await self._make_sure_of_room(terminal, batch)
        await self._intake.take(batch)
        self._seen[terminal.id] = now
        self.counters["reports"] += 1
        self.counters["readings"] += len(batch.columns)
        self.counters["strays"] += len(batch.strays)

    async def seen(self, terminal: KnownTerminal) -> None:
        """See Office."""
        now = self._clock.now()
        before = self._seen.get(terminal.id)
        if before is None or now - before >= timedelta(seconds=SEEN_INTERVAL_S):
            try:
                await self._offload(partial(self._store.see, {terminal.id: now}))
            except StoreError:  # the terminal is alive all the same
                self.counters["not_stored"] += 1
            else:
                self._seen[terminal.id] = now

    async def _make_sure_of_room(self, terminal: KnownTerminal, batch: Batch) -> None:
        """Raises StoreFull when what has no place in the archive has none beside it either."""
        kept = await self._offload(partial(self._store.unplaced_bytes, terminal.id))
        if kept + sum(len(each.unit) for each in batch.unplaced) > UNPLACED_BYTES_MAX:
            raise StoreFull(f"{kept} bytes are kept for points that are not in the settings")

    def _begin(
        self, begun: Connection, address: TerminalAddress, terminal: KnownTerminal | None
    ) -> None:
        with self._store.database.write() as connection:
            session_id = sessions.begin(
                connection,
                address.region,
                address.terminal,
                begun.link.facts.address,
                terminal_id=terminal.id if terminal else None,
                at=self._clock.now(),
                denied="" if terminal else "denied: unknown terminal",
            )
            if terminal:  # noted here, so that it can be ended even if nobody waits any more
                begun.session_id = session_id

    async def _part(self, connection: Connection) -> None:
        """Forget a connection that ended, and write down why."""
        terminal = connection.terminal
        if terminal is not None and self._online.get(terminal.id) is connection:
            del self._online[terminal.id]
        if connection.session_id is None:
            return
        try:
            await self._offload(partial(self._end, connection))
        except StoreError:
            self.counters["not_stored"] += 1

    def _end(self, ended: Connection) -> None:
        with self._store.database.write() as connection:
            if ended.session_id is not None:
                sessions.end(connection, ended.session_id, self._clock.now(), ended.end_reason)


def _forwarded(event: Finished) -> bytes:
    if isinstance(event, Answered):
        for unit in event.units:
            if unit.functions == (afn_10.TRANSPARENT,):
                return ForwardAnswer.from_unit(unit).payload
        raise RemoteError("the terminal answered without the forwarded data")
    if isinstance(event, Denied):
        raise event.refusal
    raise NoAnswer("the terminal did not answer")

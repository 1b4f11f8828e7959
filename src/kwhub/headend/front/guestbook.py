"""Connections of terminals as rows of the store; those that come or go together are written together."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection as Database

from kwhub.headend.front.connection import Connection
from kwhub.headend.ingest.groups import Groups
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store import event_rows, journal, sessions
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.event_rows import Happening
from kwhub.headend.store.store import Store
from kwhub.links.base import Link
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.runtime.clock import Clock

__all__ = ["Guestbook"]


@dataclass(slots=True)
class _Entry:
    """Something to be written once."""

    write: Callable[[Database], None]
    written: bool = field(default=False)


class Guestbook:
    """Writes who came and who went. All calls raise StoreError."""

    def __init__(self, store: Store, clock: Clock, offload: Offload) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._groups = Groups(self._commit)

    async def begin(
        self, begun: Connection, address: TerminalAddress, terminal: KnownTerminal | None
    ) -> None:
        """Write down a log-in, and that the terminal lives; of a stranger, that it was turned away."""
        writing = asyncio.ensure_future(
            self._groups.take(_Entry(partial(self._begin, begun, address, terminal)))
        )
        try:
            await asyncio.shield(writing)
        finally:  # a row that is being written must be known to whoever ends it
            await writing

    async def turn_away(self, link: Link, reason: str) -> None:
        """Write down somebody who is no terminal at all."""
        await self._groups.take(_Entry(partial(self._turn_away, link.facts.address, reason)))

    async def refuse(
        self, link: Link, address: TerminalAddress, terminal: KnownTerminal, reason: str
    ) -> None:
        """Write down a log-in as a terminal that was not believed."""
        peer = link.facts.address
        await self._groups.take(_Entry(partial(self._refuse, address, terminal, peer, reason)))

    async def seen(self, connection: Connection) -> None:
        """Write down that a terminal is alive."""
        await self._groups.take(_Entry(partial(self._seen, connection)))

    async def happened(self, happening: Happening) -> None:
        """Write down an event of the head-end's own."""
        await self._groups.take(_Entry(lambda connection: event_rows.keep(connection, [happening])))

    async def end(self, ended: Connection) -> None:
        """Write down that a connection is over, and why; nothing when its log-in was never written."""
        if ended.session_id is not None:
            await self._groups.take(_Entry(partial(self._end, ended)))

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        await self._offload(partial(self._write, entries))

    def _write(self, entries: Sequence[_Entry]) -> None:
        todo = [entry for entry in entries if not entry.written]
        with self._store.database.write() as connection:
            for entry in todo:
                entry.write(connection)
        for entry in todo:
            entry.written = True

    def _begin(
        self,
        begun: Connection,
        address: TerminalAddress,
        terminal: KnownTerminal | None,
        connection: Database,
    ) -> None:
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

    def _turn_away(self, peer: str, reason: str, connection: Database) -> None:
        now = self._clock.now()
        sessions.begin(connection, "", 0, peer, terminal_id=None, at=now, denied=reason)

    def _refuse(
        self,
        address: TerminalAddress,
        terminal: KnownTerminal,
        peer: str,
        reason: str,
        connection: Database,
    ) -> None:
        sessions.begin(
            connection,
            address.region,
            address.terminal,
            peer,
            terminal_id=terminal.id,
            at=self._clock.now(),
            denied=reason[:200],
        )

    def _seen(self, seen: Connection, connection: Database) -> None:
        if seen.terminal is not None:
            journal.see(connection, {seen.terminal.id: self._clock.now()})

    def _end(self, ended: Connection, connection: Database) -> None:
        if ended.session_id is not None:
            sessions.end(connection, ended.session_id, self._clock.now(), ended.end_reason)

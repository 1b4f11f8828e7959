"""All connections of the head-end: who is logged in, who is turned away, and the way to a meter."""

from collections import Counter
from datetime import date, timedelta
from functools import partial

import structlog

from kwhub.domain.errors import KwhubError, LinkDown, NoAnswer, RemoteError
from kwhub.headend.config import Limits
from kwhub.headend.front.connection import Connection, Finished
from kwhub.headend.front.doubles import Doubles
from kwhub.headend.front.flapping import Flapping
from kwhub.headend.front.guestbook import Guestbook
from kwhub.headend.front.line import Line
from kwhub.headend.front.lookout import Lookout, Tapped
from kwhub.headend.ingest.decode import decode
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError, StoreFull
from kwhub.headend.store.event_rows import FLAPPING, Happening, open_of
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.store import Store
from kwhub.headend.store.unplaced import UNPLACED_BYTES_MAX
from kwhub.links.base import Link
from kwhub.protocols.gdw1376 import afn_0d, afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer, LineControl
from kwhub.protocols.gdw1376.formats import A20
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Answered, Confirmed, Denied, Reported, Request
from kwhub.protocols.gdw1376.missing_values import FUNCTION as MISSING
from kwhub.protocols.gdw1376.missing_values import MissingUnit, MissingValue
from kwhub.protocols.gdw1376.profiles import DEFAULT, other_profile, profile_named
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.gdw1376.units import HasUnit, Unit
from kwhub.runtime.clock import Clock

__all__ = ["HEARTBEATS_MISSED_MAX", "SEEN_INTERVAL_S", "Front"]

HEARTBEATS_MISSED_MAX = 3
"""Heartbeats that a terminal may miss before it is taken for dead."""

SEEN_INTERVAL_S = 600
"""The moment a terminal was last heard is written at most this often, in seconds; reports write it too."""

WATCH_S = 60.0
"""Time between two looks at alarms that may have ended, in seconds."""

UNKNOWN, LOGGED_IN_ALREADY = "unknown terminal", "logged in already"
"""Why somebody is not let in."""

OTHERS_TOLD_MAX = 1_000
"""So many terminals at most are told of that speak another profile."""

_log = structlog.get_logger("kwhub.headend")


class Front:
    """The connections of all terminals.

    A second log-in of the same terminal is refused and shown while the first one lives, and **replaces** it
    otherwise: a modem that lost its network calls again long before its old connection is found dead. The
    old one is closed with that reason. See `kwhub.headend.front.doubles`.

    Attributes:
        counters: reports, readings, denied, replaced, doubled, flapping, flaps, discarded, foreign, not_stored ...
        lookout: where frames and news are noted.
        password: PW of the terminals; None: zeros.
        limits: what a terminal may take.
        flapping: who logs in again and again.
        profile: see Office.
        login_s: see Office.
        idle_s: see Office.
    """

    def __init__(  # noqa: PLR0913  what it works with
        self,
        store: Store,
        intake: Intake,
        clock: Clock,
        offload: Offload,
        *,
        heartbeat_s: float,
        limits: Limits | None = None,
        lookout: Lookout | None = None,
        profile: str = DEFAULT,
    ) -> None:
        self.limits = limits or Limits()
        self.lookout = lookout or Lookout()
        self.counters: Counter[str] = Counter()
        self.password: bytes | None = None
        self.profile = profile_named(profile)
        self._profile_name = profile
        self._told: set[str] = set()  # who speaks another profile, and stands in the log
        self.login_s = float(self.limits.login_s)
        self.idle_s = HEARTBEATS_MISSED_MAX * heartbeat_s
        self._store = store
        self._intake = intake
        self._clock = clock
        self._offload = offload
        self._guestbook = Guestbook(store, clock, offload)
        self._doubles = Doubles(self.counters, clock)
        self.flapping = Flapping(self.counters, clock)
        self._online: dict[int, Connection] = {}

    @property
    def online(self) -> int:
        """How many terminals are logged in."""
        return len(self._online)

    def is_online(self, terminal_id: int) -> bool:
        """Whether a terminal is logged in, and can be asked."""
        connection = self._online.get(terminal_id)
        return connection is not None and connection.takes_requests

    async def attend(self, link: Link) -> None:
        """Serve one terminal until its link is down. Raises StoreError when the store fails at log-in."""
        connection = self.connect(link)
        try:
            await connection.run()
        finally:
            await self.part(connection)

    def connect(self, link: Link) -> Connection:
        """A connection on a link, for one who attends to it and then calls ``part``."""
        return Connection(Tapped(link, self._clock, self.lookout), self._clock, self)

    async def part(self, connection: Connection) -> None:
        """Forget a connection that ended, and write down why."""
        terminal = connection.terminal
        if terminal is None and isinstance(connection.link, Tapped):
            connection.link.name(None)
        if terminal is not None and self._online.get(terminal.id) is connection:
            del self._online[terminal.id]
        self.lookout.tell("terminals")
        try:
            await self._guestbook.end(connection)
        except StoreError:
            self.counters["not_stored"] += 1

    async def turn_away(self, link: Link, reason: str) -> None:
        """Show that somebody called who is no terminal."""
        try:
            await self._guestbook.turn_away(link, reason)
        except StoreError:
            self.counters["not_stored"] += 1

    async def close(self) -> None:
        """Send every terminal away."""
        for connection in list(self._online.values()):
            await connection.close("the head-end stops")

    async def renew(self) -> None:
        """Give every connection what the archive knows of its terminal now; send away who has left it."""
        known = self._store.archive.terminals
        for connection in list(self._online.values()):
            before = connection.terminal
            if before is None:
                continue
            after = known.get((before.region, before.number))
            if after is None:
                await connection.close("the terminal is not in the archive any more")
            else:
                connection.terminal = after

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
        order = Forward(port, frame, LineControl(baud=baud), message_timeout_s=timeout_s)
        for unit in await self.ask(terminal_id, afn_10.AFN, (order,)):
            if unit.functions == (afn_10.TRANSPARENT,):
                return ForwardAnswer.from_unit(unit).payload
        raise RemoteError("the terminal answered without the forwarded data")

    async def ask(
        self, terminal_id: int, afn: int, units: tuple[Unit | HasUnit, ...]
    ) -> tuple[Unit, ...]:
        """Ask or order anything of a terminal; what it answers, nothing when it just confirms.

        Raises:
            LinkDown: the terminal is not connected, or went away meanwhile.
            NoAnswer: the terminal did not answer.
            Refusal: the terminal denied.
        """
        connection = self._online.get(terminal_id)
        if connection is None or not connection.takes_requests:
            raise LinkDown("the terminal is not connected")
        event = await connection.ask(Request(afn, units, self.password))
        if isinstance(event, Answered):
            return event.units
        if isinstance(event, Confirmed):
            return ()
        raise _no_data(event)

    async def missing_values(self, terminal_id: int, point: int, day: date) -> list[MissingValue]:
        """Ask a terminal which values of a point and day it lacks, and why (0D-F239, an extension).

        Raises:
            LinkDown: the terminal is not connected, or went away meanwhile.
            NoAnswer: the terminal did not answer.
            Refusal: the terminal has no such point, or does not know the extension.
            RemoteError: it answered something that makes no sense.
        """
        unit = Unit((point,), (MISSING,), A20.encode(day))
        units = await self.ask(terminal_id, afn_0d.AFN, (unit,))
        if not units:
            raise NoAnswer("the terminal did not answer")
        found = [typed for each in units for typed in read_unit(afn_0d.AFN, each, up=True)]
        told = [each for each in found if isinstance(each, MissingUnit) and each.day == day]
        if len(told) < len(found) or any(each.point != point for each in told):
            raise RemoteError("the terminal answered something else than its missing values")
        return [value for each in told for value in each.values]

    async def admit(self, connection: Connection, address: TerminalAddress) -> KnownTerminal | str:
        """See Office; replaces an older connection of the same terminal that does not live any more."""
        terminal = self._store.archive.terminals.get((address.region, address.terminal))
        older = None if terminal is None else self._online.get(terminal.id)
        if terminal is not None and older is not None:
            if await self._doubles.lives(older, self.password):
                return await self._refuse(connection, address, terminal, older)
            if self._online.get(terminal.id) not in {older, None}:  # another one was quicker
                return await self._refuse(connection, address, terminal, older)
        await self._guestbook.begin(connection, address, terminal)
        if terminal is None:
            return UNKNOWN
        if self._online.get(terminal.id) not in {older, None}:
            return LOGGED_IN_ALREADY  # while it was written down
        connection.terminal = terminal  # before it counts as online, so that ``_part`` finds it
        if isinstance(connection.link, Tapped):
            connection.link.name(terminal.id)
        older = self._online.get(terminal.id)
        self._online[terminal.id] = connection
        self.lookout.tell("terminals")
        if older is not None:
            self._doubles.replaced(terminal, *_peers(connection, older))
            await older.close("replaced by a new log-in")
        await self.seen(connection)
        await self._tell(self.flapping.came(terminal, connection.link.facts.address))
        return terminal

    async def watch(self) -> None:
        """End the alarms of terminals that are steady again, until cancelled."""
        taken_over = False
        while True:
            try:
                if not taken_over:
                    self.flapping.take_over(await self._offload(self._flapping_before))
                    taken_over = True
            except StoreError:
                self.counters["not_stored"] += 1
            for each in self.flapping.ended():
                await self._tell(each)
            await self._clock.sleep(WATCH_S)

    def _flapping_before(self) -> set[int]:
        with self._store.database.read() as connection:
            return open_of(connection, FLAPPING)

    async def _tell(self, happening: Happening | None) -> None:
        """Keep an event of the head-end's own; a store that does not take it ends no log-in."""
        if happening is None:
            return
        try:
            await self._guestbook.happened(happening)
        except StoreError:
            self.counters["not_stored"] += 1
        self.lookout.tell("events")

    async def _refuse(
        self,
        connection: Connection,
        address: TerminalAddress,
        terminal: KnownTerminal,
        older: Connection,
    ) -> str:
        """Show that somebody logged in beside a terminal that lives."""
        peer, other = _peers(connection, older)
        if self._doubles.refused(terminal, peer, other):
            reason = f"denied: {LOGGED_IN_ALREADY}, from {other}"
            try:
                await self._guestbook.refuse(connection.link, address, terminal, reason)
            except StoreError:
                self.counters["not_stored"] += 1
            self.lookout.tell("terminals")
        return LOGGED_IN_ALREADY

    async def store(self, connection: Connection, report: Reported) -> None:
        """See Office."""
        terminal = connection.terminal
        if terminal is None:
            raise StoreError("nobody has logged in")
        now = self._clock.now()
        # The archive may have changed since the log-in.
        terminal = self._store.archive.terminals.get((terminal.region, terminal.number), terminal)
        batch = decode(terminal, report.frame.afn, report.units, self._store.days, now)
        if batch.unplaced:
            await self._make_sure_of_room(terminal, batch)
        await self._intake.take(batch)
        connection.seen_at = now
        self.counters["reports"] += 1
        self.counters["readings"] += len(batch.columns)
        self.counters["strays"] += len(batch.strays)
        if batch.happenings:
            self.lookout.tell("events")

    async def seen(self, connection: Connection) -> None:
        """See Office."""
        now = self._clock.now()
        before = connection.seen_at
        if before is None or now - before >= timedelta(seconds=SEEN_INTERVAL_S):
            try:
                await self._guestbook.seen(connection)
            except StoreError:  # the terminal is alive all the same
                self.counters["not_stored"] += 1
            else:
                connection.seen_at = now

    async def speaks_other(self, connection: Connection, raw: bytes) -> str:
        """See Office; of each terminal it is told once."""
        found = other_profile(raw, self.profile)
        if found is None:
            return ""
        spoken, address = found
        self.counters["other_profile"] += 1
        if str(address) not in self._told and len(self._told) < OTHERS_TOLD_MAX:
            self._told.add(str(address))
            _log.warning(
                "other_profile",
                terminal=str(address),
                peer=connection.link.facts.address,
                speaks=spoken,
                expected=self._profile_name,
                remedy="set profile of [headend] and of the terminal to the same name",
            )
            reason = f"denied: speaks profile {spoken}, not {self._profile_name}"
            await self.turn_away(connection.link, reason)
        return spoken

    async def pace(self, connection: Connection) -> None:
        """See Office."""
        now, each_s = self._clock.monotonic(), 1 / self.limits.frames_per_s
        connection.paced_to = max(connection.paced_to, now) + each_s
        ahead_s = connection.paced_to - now - self.limits.frames_burst * each_s
        if ahead_s > 0:
            self.counters["throttled"] += 1
            await self._clock.sleep(ahead_s)

    def wake(self, connection: Connection) -> None:
        """See Office; the door has a way to do it, and a link by itself is attended to all the time."""
        line = connection.link.inner if isinstance(connection.link, Tapped) else connection.link
        if isinstance(line, Line):
            line.call()

    async def _make_sure_of_room(self, terminal: KnownTerminal, batch: Batch) -> None:
        """Raises StoreFull when what has no place in the archive has none beside it either."""
        kept = await self._offload(partial(self._store.unplaced_bytes, terminal.id))
        if kept + sum(len(each.unit) for each in batch.unplaced) > UNPLACED_BYTES_MAX:
            raise StoreFull(f"{kept} bytes are kept for points that are not in the settings")


def _peers(newer: Connection, older: Connection) -> tuple[str, str]:
    return newer.link.facts.address, older.link.facts.address


def _no_data(event: Finished) -> KwhubError:
    """The error of a request that was not answered with data."""
    if isinstance(event, Denied):
        return event.refusal
    return NoAnswer("the terminal did not answer")

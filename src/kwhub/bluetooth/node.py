"""A node: several masters above, several slaves or a bus below, one frame at a time through it.

Answers go to the asker alone (and to whoever has subscribed to readings). A master whose request is
being worked on is not read any further, which holds him back. Links to slaves are made again by
themselves; so is the offer to masters after each link that ends.
"""

import asyncio
from functools import partial
from pathlib import Path

from kwhub.bluetooth import node_settings
from kwhub.bluetooth.askers import Askers
from kwhub.bluetooth.background import until_enough
from kwhub.bluetooth.gatt_links import MasterLink
from kwhub.bluetooth.happenings import Happened, What
from kwhub.bluetooth.inspection import Inspection, InspectionMode, Violation
from kwhub.bluetooth.node_settings import NodeSettings, Role, SlaveSettings
from kwhub.bluetooth.notices import Notices
from kwhub.bluetooth.plain import PLAIN
from kwhub.bluetooth.port import Answer, Give, Port, sign_of_life
from kwhub.bluetooth.registry import NodeRegistry
from kwhub.bluetooth.routing import Routes
from kwhub.bluetooth.stack import BondLost, NotPaired
from kwhub.bluetooth.station import Station
from kwhub.domain.errors import KwhubError, LinkDown, LinkError
from kwhub.links.base import Link
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock
from kwhub.runtime.tasks import Backoff, supervise
from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Passing

__all__ = ["Node"]

RECONNECT = Backoff(first_s=1.0, most_s=60.0)
HEARTBEATS_MISSED_MAX = 3
"""A slave that has not answered so many signs of life in a row is connected to afresh."""

CHECK_S = 5.0
"""The registry looks for silence at least so often."""


class Node:
    """A node that is switched on; ``run`` lets it work.

    Attributes:
        settings: as they are now; changed by `apply`.
        registry: the slaves and how they are.
        inspection: what passed and what was wrong.
        notices: what is logged of it.
        forwarded: requests that went on.
        unrouted: requests for which nobody was there.
    """

    def __init__(  # noqa: PLR0913 - its doors to the world
        self,
        station: Station,
        settings: NodeSettings,
        dialect: Dialect,
        clock: Clock,
        chance: Random,
        *,
        bus: Link | None = None,
        kept: Path | None = None,
    ) -> None:
        """Make a node on a station.

        Args:
            station: its Bluetooth; its events are taken over.
            settings: what it shall be; what was changed at run time and kept is laid over it, see
                `kwhub.bluetooth.node_settings.load`.
            dialect: protocol of what passes, for addresses and for inspection.
            clock: gives the time.
            chance: for the pauses before a link is made again.
            bus: what lies behind it by wire.
            kept: file for changes at run time.
        """
        self.settings = settings if kept is None else node_settings.load(kept, settings)
        self.registry = NodeRegistry(clock, self.settings.limits)
        self.notices = Notices(clock)
        self.inspection = Inspection(dialect, self.settings.rules, self._on_violation)
        self.forwarded = 0
        self.unrouted = 0
        self._station = station
        self._dialect = dialect
        self._clock = clock
        self._chance = chance
        self._kept = kept
        self._written = settings  # in the settings file
        self._ports: dict[str, Port] = {}
        self._routes = Routes(dialect, self.registry)
        if bus is not None:
            self._ports["bus"] = Port("bus", bus, clock, answer_s=self.settings.patience_s)
        self._askers = Askers(clock)
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        station.told = self._on_happened

    @property
    def dialect(self) -> Dialect:
        """What frames are looked for: none at all when nothing is inspected."""
        return PLAIN if self.settings.inspection is InspectionMode.OFF else self._dialect

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each port by its name: a slave keeps its own while its link is down."""
        names = ["bus"] if "bus" in self._ports else []
        names += [slave.address for slave in self.settings.slaves]
        return {name: number for number, name in enumerate(names)}

    @property
    def ports(self) -> tuple[Port, ...]:
        """What can be asked now, in the order of the settings."""
        return tuple(self._ports[name] for name in self.numbers if name in self._ports)

    @property
    def masters(self) -> tuple[str, ...]:
        """Masters that are being attended to."""
        return self._askers.names

    @property
    def copies(self) -> int:
        """Readings that subscribers got."""
        return self._askers.copies

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self.watch())
                await self._take_up(self.settings)
        finally:
            for port in tuple(self._ports.values()):
                await port.end()
            await self._askers.aclose()

    async def apply(self, settings: NodeSettings) -> None:
        """Be otherwise from now on, and after a restart.

        Raises:
            LinkDown: the adapter is gone.
            OSError: it cannot be kept.
        """
        if self._kept is not None:
            node_settings.save(self._kept, settings, self._written)
        self.settings = settings
        self.inspection.rules = settings.rules
        self.registry.limits = settings.limits
        if self._tasks is not None:
            await self._take_up(settings)

    async def attend(self, master: Link, name: str = "") -> None:
        """Serve one master, above or at the serial face, until it leaves."""
        name = name or master.facts.address.removeprefix("ble:")
        self._askers.comes(name, master)
        try:
            await self._serve(master, name)
        finally:
            self._askers.leaves(name, master)

    async def publish(self, data: bytes) -> None:
        """Give something to all masters that are there."""
        await self._askers.tell(data)

    async def ask(
        self, request: Passing, asker: str, give: Give, *, only: str | None = None
    ) -> None:
        """Put a request to whom it is for, and give back what each answers.

        Several are asked one soon after the other: the first may be the one that is meant, and one
        that is silent holds up nobody.

        Args:
            request: a whole frame.
            asker: who asks.
            give: takes each answer as it comes, with the name of its port.
            only: name of the one port that is meant; otherwise its address decides.
        """
        there = {port.name: port for port in self.ports}
        ports = self._routes.find(request, there, self.settings.slaves)
        asked = [port for port in ports if only in (None, port.name)]
        if not asked:
            self.unrouted += 1
        elif len(asked) == 1:
            await self._ask_one(asked[0], request, asker, give)
        else:
            step_s = self.settings.patience_s / 4 / len(asked) if request.wants_answer else 0.0
            works = [partial(self._ask_one, each, request, asker, give) for each in asked]
            await until_enough(works, self._clock, step_s)

    async def _ask_one(self, port: Port, request: Passing, asker: str, give: Give) -> bool:
        """Ask one port; whether the very device has answered that was meant."""
        last = self._askers.last(asker)

        async def take(found: Passing | Discarded, name: str) -> None:
            if self._askers.last(asker) is last:  # else it is for nobody any more
                await self._pass_on(found, request, name, give)

        try:
            answer = await port.ask(request, asker, self.dialect, take)
        except LinkError:
            return False
        self.forwarded += 1
        found = answer.found
        is_silent = found is None and request.wants_answer
        is_owed = is_silent and self._routes.owes(port, request.address)
        self._note(port, answer, is_owed=is_owed)
        if found is None or not await self._pass_on(found, request, port.name, give):
            return False
        if isinstance(found, Discarded) or request.is_for_many:
            return False
        return bool(found.address) and found.address == request.address

    async def _pass_on(
        self, found: Passing | Discarded, request: Passing, port: str, give: Give
    ) -> bool:
        """Give on what has come, unless inspection is against it; whether it was given.

        Damage is what several say at once: whoever looks for meters has to know of it.
        """
        is_several = isinstance(found, Discarded) and request.is_for_many
        if not is_several and not self.inspection.lets_pass(found, port, from_master=False):
            return False
        if isinstance(found, Discarded):
            await give(Passing(found.raw, is_answer=True, trouble=found.kind), port)
        else:
            self._routes.answered(found.address, port)
            await give(found, port)
        return True

    async def _serve(self, master: Link, name: str) -> None:
        framer, dialect = self.dialect.framer(), self.dialect
        is_inside = False
        while True:
            try:
                async with asyncio.timeout(dialect.gap_s if is_inside else None):
                    found = framer.feed(await master.read())
                is_inside = True
            except TimeoutError:
                found, is_inside = framer.flush(), False
            for each in found:
                request = each if isinstance(each, Passing) else Passing(each.raw)
                give = partial(self._give, master, name, request)
                if not self.inspection.lets_pass(each, name, from_master=True):
                    if refusal := self.inspection.refusal(each):
                        await give(refusal, "")
                    continue
                last = self._askers.begins(name, request.raw)
                await self.ask(request, name, give)
                self._askers.ends(last)
            if dialect is not self.dialect:
                framer, dialect = self.dialect.framer(), self.dialect

    async def _give(
        self, master: Link, name: str, request: Passing, answer: Passing, port: str
    ) -> None:
        """An answer goes to its asker, and to whoever wants a copy."""
        await master.write(answer.raw)
        self.share(request, answer, port, name)

    def share(self, request: Passing, answer: Passing, port: str, asker: str) -> None:
        """Give copies of a reading that somebody got."""
        if request.is_shareable and not answer.trouble:
            self._askers.share(answer, port, asker, self.settings.subscribers)

    def _note(self, port: Port, answer: Answer, *, is_owed: bool) -> None:
        for each in answer.wrong:
            self.inspection.lets_pass(each, port.name, from_master=False)
        if answer.is_repeat:
            self.registry.repeated(port.name)
        if answer.found is not None:
            self.registry.heard(port.name)
        elif is_owed:
            self.registry.unanswered(port.name)

    async def _take_up(self, settings: NodeSettings) -> None:
        """Be what the settings say: offers to masters, links to slaves."""
        wanted = settings.slaves if settings.role in (Role.MASTER, Role.BOTH) else ()
        for address in set(self._keeping) - {slave.address for slave in wanted}:
            self._keeping.pop(address).cancel()
            self.registry.leave(address)
        for port in tuple(self._ports.values()):
            port.answer_s = settings.patience_s
            await port.end()
        for slave in wanted:
            if slave.address in self._keeping:
                self._know(slave)
            elif self._tasks is not None:
                bonded = self._station.keys.is_bonded(slave.address)
                paired = bonded or not self._station.pairing.enforced
                self.registry.enter(slave.address, meter=slave.first, paired=paired)
                self._keeping[slave.address] = self._tasks.create_task(self._keep(slave))
        if settings.role in (Role.SLAVE, Role.BOTH):
            self._station.listen(
                self.attend,
                profile=settings.profile,
                masters_max=settings.masters_max,
                name=settings.name,
            )
        elif settings.role is Role.BEACON:
            await self._station.beacon(settings.beacon)
        else:
            await self._station.be_quiet()

    def _know(self, slave: SlaveSettings) -> None:
        """What is behind a slave that has its link already."""
        self.registry.known_as(slave.address, slave.first)
        if port := self._ports.get(slave.address):
            port.meters = frozenset(slave.meters)

    async def _keep(self, slave: SlaveSettings) -> None:
        """Keep a link with a slave, making it again whenever it ends."""

        async def once() -> None:
            link = await self._station.connect(slave.address)
            try:
                await self._hold(self.settings.slave(slave.address), link)
            finally:
                self._ports.pop(slave.address, None)
                self.registry.connected(slave.address, is_connected=False)
                await link.aclose()

        await supervise(
            once,
            clock=self._clock,
            chance=self._chance,
            backoff=RECONNECT,
            told=lambda error: self._on_failed(slave.address, error),
        )

    async def _hold(self, slave: SlaveSettings, link: MasterLink) -> None:
        """Ask for a sign of life now and then; a slave that gives none loses its link.

        A meter that is silent does not speak for the others behind the same slave: the next of them is asked.
        """
        port = Port(
            slave.address, link, self._clock, frozenset(slave.meters), self.settings.patience_s
        )
        self._ports[slave.address] = port
        self.registry.paired(slave.address)
        self.registry.connected(slave.address, is_connected=True)
        missed = turn = 0
        while link.is_up and missed < HEARTBEATS_MISSED_MAX:
            answer = await self._beat(port, link, turn)
            if answer is not None:
                self._note(port, answer, is_owed=True)
                if answer.found is not None:
                    missed = 0
                else:
                    missed, turn = missed + 1, turn + 1
                signal = await self._station.rssi_dbm(link)
                self.registry.signal(slave.address, signal)
            await self._pause(link, missed)
        raise LinkDown(f"{slave.address}: the link has ended, or the slave is silent")

    async def _beat(self, port: Port, link: MasterLink, turn: int) -> Answer | None:
        """Ask a meter for a sign of life, or where nothing is known of meters, the slave; None: neither."""
        if self.dialect is PLAIN:
            return Answer(Passing(b"") if await link.answers(self.settings.patience_s) else None)
        beat = sign_of_life(self._dialect, self.settings.slave(port.name).meters, turn)
        return None if beat is None else await port.ask(beat, "heartbeat", self._dialect)

    async def _pause(self, link: MasterLink, missed: int) -> None:
        """Wait for the next sign of life, by the settings of the moment."""
        began = self._clock.monotonic()
        while link.is_up:
            pause = self.settings.heartbeat_s if missed == 0 else self.settings.patience_s
            left = began + pause - self._clock.monotonic()
            if left <= 0:
                return
            await link.wait_down(min(left, CHECK_S))

    def _on_failed(self, address: str, error: Exception) -> None:
        if isinstance(error, BondLost):
            self.registry.replaced(address)
        elif isinstance(error, NotPaired):
            self.registry.unpaired(address)
        elif not isinstance(error, KwhubError):
            self.registry.unanswered(address)

    def _on_happened(self, happened: Happened) -> None:
        if happened.what is What.PAIRED:
            self.registry.paired(happened.address)
        self.notices.happened(happened)

    def _on_violation(self, violation: Violation) -> None:
        if not violation.from_master:
            self.registry.wrong(violation.peer)
        self.notices.violated(violation)

    async def watch(self) -> None:
        """Notice who has fallen silent, until cancelled; part of ``run``."""
        while True:
            await self._clock.sleep(min(CHECK_S, self.settings.gone_s / 2))
            self.registry.check()

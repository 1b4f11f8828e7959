"""A simulated local module: the answering end of Q/GDW 1376.2 with a network of meters behind it.

Being a machine, it runs on a link, in the event heap or by hand in a test; chance comes from its seed.

Source: Q/GDW 1376.2-2013, clause 5 and annex A.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.gdw1376_2 import afn_01, afn_03, afn_05, afn_10, afn_12
from kwhub.protocols.gdw1376_2.afn_03 import BroadcastDelay, MasterAddress, RunMode
from kwhub.protocols.gdw1376_2.afn_05 import Broadcast, SetMaster
from kwhub.protocols.gdw1376_2.afn_10 import Counts, Node, NodePage, NodeQuery, RunState
from kwhub.protocols.gdw1376_2.afn_11 import (
    AddNodes,
    DeleteNodes,
    StartRegistration,
    StopRegistration,
)
from kwhub.protocols.gdw1376_2.afn_13 import Monitor, Monitored
from kwhub.protocols.gdw1376_2.afn_f1 import ParallelAnswer, ParallelRead
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.frames import HPLC, Frame13762
from kwhub.protocols.gdw1376_2.messages import (
    Initiate,
    order_of,
)
from kwhub.protocols.gdw1376_2.tables import find, read_unit
from kwhub.runtime.clock import Clock
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.plc_core import forget
from kwhub.sim.plc_duties import ModuleDuties
from kwhub.sim.plc_network import PlcNetwork, PlcSettings

__all__ = ["PlcModule", "serve_module"]

_Action: TypeAlias = Callable[[Frame13762, Any, float], None]

_LENGTH, _NO_FUNCTION, _DUPLICATE, _UNKNOWN, _BUSY, _UNSUPPORTED, _SILENT = 2, 4, 6, 7, 9, 10, 11
_TOO_MANY, _BEING_READ = 109, 111
_MODE_WORD = bytes([0x03 | 0x20 | 0xC0, 0x07, 0, 0, 0, 0])
"""HPLC, wants the archive, periods led by either side."""


class PlcModule(ModuleDuties):
    """A ``kwhub.domain.machine.Machine`` that needs no handler.

    Args:
        network: what is behind it.
        mode: communication mode in its frames.
        started_at: ``now`` at which it gets power; it reports 03-F10 a while later.

    Attributes:
        archive: protocol type by address, as the concentrator set it.
        master: its address, as the concentrator set it.
        asked: how many requests it got.
        denied: how many of them it denied, by reason in words.
        broadcasts: how many frames it has told to all meters.
    """

    def __init__(self, network: PlcNetwork, *, mode: int = HPLC, started_at: float = 0.0) -> None:
        super().__init__(network, mode)
        self.reading: set[str] = set()
        self.broadcasts = 0
        self._monitoring = False
        self._by_type: Mapping[type, _Action] = {
            SetMaster: self._set_master,
            NodeQuery: self._page,
            AddNodes: self._add,
            DeleteNodes: self._delete,
            Broadcast: self._broadcast,
            Monitor: self._monitor,
            ParallelRead: self._parallel,
            StartRegistration: self._register,
            StopRegistration: self._stop_registration,
        }
        self._by_number: Mapping[tuple[int, int], _Action] = {
            **{(afn_01.AFN, number): self._initialise for number in (1, 2, 3)},
            **{(afn_03.AFN, number): self._about for number in (4, 9, 10)},
            **{(afn_10.AFN, number): self._about for number in (1, 4)},
            **{(afn_12.AFN, number): self._route for number in (1, 2, 3)},
            **{(afn_05.AFN, number): self._obey for number in (2, 4)},
        }
        self._at(started_at + network.settings.boot_s, self._report_mode)

    @property
    def master(self) -> str:
        """Address of the master node."""
        return self.session.master

    def serve(self, frame: Frame13762, now: float) -> None:
        """Answer, obey or deny."""
        if find(frame.afn, frame.function) is None:
            self.deny(frame, _NO_FUNCTION, now)
            return
        unit = read_unit(frame.afn, frame.function, frame.data, up=False)
        action = self._by_type.get(type(unit)) or self._by_number.get((frame.afn, frame.function))
        if action is None:
            unreadable = unit is None and (frame.afn, frame.function) in _TYPED
            self.deny(frame, _LENGTH if unreadable else _UNSUPPORTED, now)
        else:
            action(frame, unit, now)

    def run_mode(self) -> RunMode:
        """03-F10."""
        settings, known = self.network.settings, len(self.archive)
        return RunMode(
            self.master,
            _MODE_WORD,
            settings.slave_timeout_s,
            self._broadcast_s(),
            nodes_max=settings.capacity,
            nodes=known,
        )

    def _broadcast_s(self) -> int:
        settings = self.network.settings
        return 1 + int(self.network.depth * settings.tries * (settings.hop_s + 0.02))

    def _report_mode(self, now: float) -> None:
        self._initiate(Initiate(order_of(self.run_mode())), forget, now)

    def _about(self, frame: Frame13762, _unit: Unit | None, now: float) -> None:
        answers: Mapping[tuple[int, int], Callable[[], Unit]] = {
            (afn_03.AFN, afn_03.RUN_MODE): self.run_mode,
            (afn_03.AFN, 4): lambda: MasterAddress(self.master),
            (afn_03.AFN, 9): lambda: BroadcastDelay(self._broadcast_s(), frame.data),
            (afn_10.AFN, 1): lambda: Counts(len(self.archive), self.network.settings.capacity),
            (afn_10.AFN, 4): self._state,
        }
        self._answer(frame, answers[frame.afn, frame.function](), now)

    def _state(self) -> RunState:
        known, left = len(self.archive), len(self.unread)
        switches = self.registering << 1
        return RunState(working=not self.paused, nodes=known, read=known - left, switches=switches)

    def _page(self, frame: Frame13762, unit: NodeQuery, now: float) -> None:
        rows = list(self.archive.items())
        found = []
        for address, protocol in rows[max(0, unit.start - 1) :][: unit.count]:
            node = self.network.nodes.get(address)
            if node is None:
                found.append(Node(address, protocol))
            else:
                level, phases = node.hops - 1, 1 << node.phase - 1
                found.append(Node(address, protocol, phases, node.quality, level))
        self._answer(frame, NodePage(len(rows), tuple(found)), now)

    # --- orders

    def _initialise(self, frame: Frame13762, _unit: Unit | None, now: float) -> None:
        self._confirm(frame, now)
        self.paused, self.unread = True, deque()
        if frame.function == afn_01.HARDWARE:
            self._at(now + self.network.settings.boot_s, self._report_mode)
        elif frame.function == afn_01.CLEAR_PARAMETERS:
            self.archive.clear()

    def _set_master(self, frame: Frame13762, unit: SetMaster, now: float) -> None:
        self.session.master = unit.address
        self._confirm(frame, now)

    def _obey(self, frame: Frame13762, _unit: Unit | None, now: float) -> None:
        self._confirm(frame, now)

    def _add(self, frame: Frame13762, unit: AddNodes, now: float) -> None:
        if any(address in self.archive for address, _protocol in unit.nodes):
            self.deny(frame, _DUPLICATE, now)
        else:
            self.archive |= dict(unit.nodes)
            self._confirm(frame, now)

    def _delete(self, frame: Frame13762, unit: DeleteNodes, now: float) -> None:
        if any(address not in self.archive for address in unit.addresses):
            self.deny(frame, _UNKNOWN, now)
            return
        for address in unit.addresses:
            del self.archive[address]
        self._confirm(frame, now)

    def _broadcast(self, frame: Frame13762, unit: Broadcast, now: float) -> None:
        wait_s = self._broadcast_s()
        self._confirm(frame, now, wait_s)
        self._at(now + wait_s, partial(self._tell_all, unit.frame))

    def _tell_all(self, raw: bytes, now: float) -> None:
        self.broadcasts += 1
        for address in self.network.nodes:
            if self.network.trip(address, len(raw))[1]:
                self.network.tell(address, raw, now)

    # --- reading

    def _monitor(self, frame: Frame13762, unit: Monitor, now: float) -> None:
        slave = frame.addresses.target if frame.addresses else ""
        if slave not in self.archive:
            self.deny(frame, _UNKNOWN, now)
        elif self._monitoring or not self.paused:
            self.deny(frame, _BUSY, now)
        elif slave in self.reading:
            self.deny(frame, _BEING_READ, now)
        else:
            self._monitoring = True
            spent, said = self._read(slave, unit.frame, now)
            self._at(now + spent, partial(self._monitored, frame, slave, said, unit.protocol))

    def _monitored(
        self, frame: Frame13762, slave: str, said: bytes, protocol: int, now: float
    ) -> None:
        self._monitoring = False
        if said:
            self._answer(frame, Monitored(said, protocol), now, slave)
        else:
            self.deny(frame, _SILENT, now)

    def _parallel(self, frame: Frame13762, unit: ParallelRead, now: float) -> None:
        slave = frame.addresses.target if frame.addresses else ""
        if slave not in self.archive:
            self.deny(frame, _UNKNOWN, now)
        elif slave in self.reading:
            self.deny(frame, _BEING_READ, now)
        elif len(self.reading) >= self.network.settings.parallel_max:
            self.deny(frame, _TOO_MANY, now)
        elif not self.paused:
            self.deny(frame, _BUSY, now)
        else:
            self.reading.add(slave)
            spent, said = self._read(slave, unit.frames, now)
            answer = ParallelAnswer(said, unit.protocol)
            self._at(now + spent, partial(self._parallel_read, frame, slave, answer))

    def _parallel_read(
        self, frame: Frame13762, slave: str, answer: ParallelAnswer, now: float
    ) -> None:
        self.reading.discard(slave)
        self._answer(frame, answer, now, slave)


_TYPED = frozenset(
    (kind.AFN, kind.FUNCTION)
    for kind in (
        *(SetMaster, NodeQuery, AddNodes, DeleteNodes, Broadcast),
        *(Monitor, ParallelRead, StartRegistration, StopRegistration),
    )
)
"""Functions whose data can be wrong."""


async def serve_module(
    link: Link,
    meters: Sequence[SimulatedMeter],
    clock: Clock,
    *,
    seed: int = 1,
    settings: PlcSettings | None = None,
) -> None:
    """Have a module answer on a link until it goes down. See PlcModule and PlcNetwork."""
    epoch_s = clock.now().timestamp() - clock.monotonic()
    network = PlcNetwork(meters, seed=seed, epoch_s=epoch_s, settings=settings or PlcSettings())
    module = PlcModule(network, started_at=clock.monotonic())
    await attend(link, module, clock, lambda _event: None)

"""What a simulated module does by itself: a period of reading that it leads, registration of slaves.

Source: Q/GDW 1376.2-2013, clauses 5.7, 5.9, 5.10, 5.12 and annex A.
"""

from collections import deque
from functools import partial
from typing import Any

from kwhub.protocols.gdw1376_2 import afn_12, afn_14
from kwhub.protocols.gdw1376_2.afn_06 import ReadReport, RouteReport, SlaveReport
from kwhub.protocols.gdw1376_2.afn_11 import StartRegistration
from kwhub.protocols.gdw1376_2.afn_14 import READ, ReadOrder, ReadQuestion
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.frames import Frame13762
from kwhub.protocols.gdw1376_2.messages import Answered, Initiate, order_of
from kwhub.protocols.gdw1376_2.tables import read_unit
from kwhub.sim.plc_core import ModuleCore, forget
from kwhub.sim.plc_network import PlcNetwork

__all__ = ["ModuleDuties"]

_REGISTER_GROUP = 8
_REGISTER_STEP_S = 2.0
_PERIOD_STEP_S = 0.1


class ModuleDuties(ModuleCore):
    """A module with an archive that it works through.

    Attributes:
        archive: protocol type by address, as the concentrator set it.
        paused: whether it leaves the line to the concentrator.
        unread: slaves of the present period that are still to be read.
        registering: whether slaves may register themselves.
    """

    def __init__(self, network: PlcNetwork, mode: int) -> None:
        super().__init__(network, mode)
        self.archive: dict[str, int] = {}
        self.paused = True
        self.unread: deque[str] = deque()
        self.registering = False
        self._period_busy = False

    # --- the period that the module leads

    def _route(self, frame: Frame13762, _unit: Unit | None, now: float) -> None:
        self._confirm(frame, now)
        self.paused = frame.function == afn_12.PAUSE
        if frame.function == afn_12.RESTART:
            self.unread = deque(self.archive)
        if not self.paused and self.unread and not self._period_busy:
            self._period_busy = True
            self._at(now + _PERIOD_STEP_S, self._period)

    def _period(self, now: float) -> None:
        """Ask what to read of the next meter; the answer decides how it goes on."""
        if self.paused or not self.unread:
            self._period_busy = False
            if not self.paused:
                self._initiate(Initiate(order_of(RouteReport(1))), forget, now)
            return
        slave = self.unread[0]
        node = self.network.nodes.get(slave)
        index = 1 + list(self.archive).index(slave) if slave in self.archive else 0
        question = ReadQuestion(slave, index, node.phase if node else 0)
        self._initiate(Initiate(order_of(question)), partial(self._ordered, slave, index), now)

    def _ordered(self, slave: str, index: int, event: Any, now: float) -> None:
        order = event.frame if isinstance(event, Answered) else None
        unit = None
        if order is not None:
            unit = read_unit(afn_14.AFN, 1, order.data, up=False)
        if not isinstance(unit, ReadOrder) or unit.flag != READ:
            if self.unread and self.unread[0] == slave:
                self.unread.popleft()  # done, given up, or the concentrator does not say
            self._at(now + _PERIOD_STEP_S, self._period)
            return
        spent, said = self._read(slave, unit.frame, now)
        if said:
            report = ReadReport(index, int(spent), said)
            self._at(now + spent, partial(self._report_read, report))
        else:
            self.unread.rotate(-1)
            self._at(now + spent, self._period)

    def _report_read(self, report: ReadReport, now: float) -> None:
        self._initiate(Initiate(order_of(report)), self._reported, now)

    def _reported(self, _event: Any, now: float) -> None:
        self._at(now + _PERIOD_STEP_S, self._period)

    # --- registration

    def _register(self, frame: Frame13762, _unit: StartRegistration, now: float) -> None:
        self._confirm(frame, now)
        self.registering = True
        found = list(self.network.nodes)
        groups = [found[at : at + _REGISTER_GROUP] for at in range(0, len(found), _REGISTER_GROUP)]
        for number, group in enumerate(groups):
            slaves = tuple(
                (address, 2, number * _REGISTER_GROUP + place + 1)
                for place, address in enumerate(group)
            )
            when = now + (number + 1) * _REGISTER_STEP_S
            self._at(when, partial(self._report_slaves, SlaveReport(slaves)))
        self._at(now + (len(groups) + 1) * _REGISTER_STEP_S, self._registered)

    def _report_slaves(self, report: SlaveReport, now: float) -> None:
        if self.registering:
            self._initiate(Initiate(order_of(report)), forget, now)

    def _registered(self, now: float) -> None:
        if self.registering:
            self.registering = False
            self._initiate(Initiate(order_of(RouteReport(2))), forget, now)

    def _stop_registration(self, frame: Frame13762, _unit: Unit | None, now: float) -> None:
        self.registering = False
        self._confirm(frame, now)

    def _read(self, slave: str, raw: bytes, now: float) -> tuple[float, bytes]:
        if slave not in self.network.nodes:
            return self.network.settings.give_up_s, b""
        return self.network.read(slave, raw, now)

"""What a module says by itself: kept until somebody heeds it. A report that comes twice counts once.

Source: Q/GDW 1376.2-2013, clause 5.7; outages: Q/GDW 10376.2-2019.
"""

from kwhub.protocols.gdw1376_2.afn_03 import RunMode
from kwhub.protocols.gdw1376_2.afn_06 import (
    DeviceReport,
    EventReport,
    ReadReport,
    RouteReport,
    SlaveReport,
)
from kwhub.protocols.gdw1376_2.afn_14 import ReadQuestion
from kwhub.protocols.gdw1376_2.messages import Reported

__all__ = ["Reports"]


class Reports:
    """Collects the reports of one module.

    Attributes:
        restarted: it said what it is (03-F10): its archive may be lost.
        route_state: the last that it said of its route (06-F3), 0: nothing yet.
        unknown: meters that it has found and that are not ours: address, and when (seconds since 1970 UTC).
        outages: meters whose power it said was lost, and not yet that it is back.
        heard: reports and questions by AFN and function.
        questions: questions that wait for their answer.
        readings: what meters have answered while the module leads.
    """

    def __init__(self) -> None:
        self.restarted = False
        self.route_state = 0
        self.unknown: dict[str, int] = {}
        self.outages: set[str] = set()
        self.heard: dict[tuple[int, int], int] = {}
        self.questions: list[Reported] = []
        self.readings: list[ReadReport] = []
        self._found: dict[str, int] = {}
        self._returned: list[str] = []

    def take(self, reported: Reported) -> None:
        """Hear one."""
        if reported.repeated and not reported.wants_answer:
            return
        frame, unit = reported.frame, reported.unit
        key = (frame.afn, frame.function)
        self.heard[key] = self.heard.get(key, 0) + 1
        if isinstance(unit, RunMode):
            self.restarted = True
        elif isinstance(unit, SlaveReport | DeviceReport):
            self._found |= unit.meters
        elif isinstance(unit, RouteReport):
            self.route_state = unit.state
        elif isinstance(unit, EventReport):
            self._event(unit)
        elif isinstance(unit, ReadReport):
            self.readings.append(unit)
        elif isinstance(unit, ReadQuestion):
            self.questions.append(reported)

    def _event(self, unit: EventReport) -> None:
        outage = unit.outage
        if outage is None:
            return
        if outage.lost:
            self.outages.update(outage.meters)
        else:
            self.outages.difference_update(outage.meters)
            self._returned += outage.meters

    def take_found(self) -> dict[str, int]:
        """Slaves that have registered since the last call: protocol by address."""
        found, self._found = self._found, {}
        return found

    def take_questions(self) -> list[Reported]:
        """Questions of the module that nobody has answered."""
        questions, self.questions = self.questions, []
        return questions

    def take_returned(self) -> list[str]:
        """Meters whose power has come back since the last call."""
        returned, self._returned = self._returned, []
        return returned

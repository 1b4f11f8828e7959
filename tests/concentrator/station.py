"""A head-end in a box for tests: a real station session that keeps what it has confirmed."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kwhub.catalog.names import from_gdw_curve, from_gdw_day_freeze
from kwhub.domain.errors import LinkDown
from kwhub.links.drive import Attendant
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.messages import (
    Answered,
    Beat,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    LoggedIn,
    Reported,
    Request,
    TimedOut,
)
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.session import Role, Session
from kwhub.protocols.gdw1376.typed import read_unit

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Station:
    """Keeps each value once by (point, register, interval, time), and counts how often it came."""

    def __init__(self, clock, *, knows=True):
        self._reported: Any = self._taken  # tests put their own in its place
        self.clock = clock
        self.knows = knows
        self.changed = asyncio.Event()  # a report has come
        self.up = True  # whether a connection can be made
        self.confirming = True  # whether reports are stored and confirmed
        self.denying = False
        self.denied: Any = ()  # points whose reports are denied as a whole
        self.offered = 0  # reports that came, whatever became of them
        self.values: dict[Any, Any] = {}
        self.arrivals: Counter[Any] = Counter()
        self.frames: list[set[Any]] = []  # what stood in each report
        self.beats = self.reports = self.events = 0
        self.online: Any = None
        self._ended: dict[int, Any] = {}
        self._links: list[Any] = []
        self._tasks: set[Any] = set()

    async def open_link(self):
        """The concentrator's end of a new connection."""
        if not self.up:
            raise LinkDown("connection refused")
        near, far = pair()
        self._links.append(far)
        task = asyncio.get_running_loop().create_task(self._serve(far))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return near

    async def hang_up(self):
        """Close every connection."""
        while self._links:
            await self._links.pop().aclose()

    async def ask(self, afn, *units):
        """Ask the concentrator; the event that ends it."""
        request = Request(afn, units)
        ended = self._ended[id(request)] = asyncio.get_running_loop().create_future()
        await self.online.send(request)
        return await ended

    async def _serve(self, link):
        session = Session(Role.STATION)
        attendant = Attendant(link, session, self.clock, self._heard)
        self.online = attendant
        await attendant.run()

    def _heard(self, event):
        if isinstance(event, LoggedIn):
            return [Confirm(event.frame) if self.knows else Deny(event.frame)]
        if isinstance(event, Beat):
            self.beats += 1
            return [Confirm(event.frame)]
        if isinstance(event, Reported):
            return self._reported(event)
        if isinstance(event, Answered | Confirmed | Denied | TimedOut):
            self._ended.pop(id(event.request)).set_result(event)
        return []

    def _taken(self, event):
        self.offered += 1
        if self.denying or any(self._denies(unit) for unit in event.units):
            return [Deny(event.frame)]
        if not self.confirming:
            return []
        if event.frame.afn == afn_0e.AFN:
            self.events += len(event.units)
            return [Confirm(event.frame)]
        self.reports += 1
        self.changed.set()
        self.frames.append(set())
        for unit in event.units:
            for typed in read_unit(event.frame.afn, unit, up=True):
                for key, value in readings(typed):
                    self.arrivals[key] += 1
                    self.frames[-1].add(key)
                    assert self.values.setdefault(key, value) == value
        return [Confirm(event.frame)]

    def _denies(self, unit):
        return not {*unit.points}.isdisjoint(self.denied)

    @property
    def repeated(self):
        """Values that came more than once."""
        return [key for key, count in self.arrivals.items() if count > 1]


def readings(typed):
    """(point, register, interval, seconds since 1970) and value of everything in a unit."""
    if isinstance(typed, CurveUnit):
        register = from_gdw_curve(typed.function)
        for time, value in zip(typed.times(), typed.values, strict=True):
            yield (typed.point, register, typed.interval_s, _moment(time)), value
    elif isinstance(typed, DayFreezeUnit):
        ended = datetime(typed.day.year, typed.day.month, typed.day.day) + timedelta(days=1)
        registers = from_gdw_day_freeze(typed.function, len(typed.values))
        for register, value in zip(registers, typed.values, strict=True):
            yield (typed.point, register, 86_400, _moment(ended)), value
    elif isinstance(typed, RegisterUnit):
        for time, value in zip(typed.times(), typed.values, strict=True):
            yield (typed.point, typed.register, typed.interval_s, _moment(time)), value
    else:
        pytest.fail(f"not expected in a report: {typed}")


def _moment(wall):
    return int(wall.replace(tzinfo=SHANGHAI).timestamp())

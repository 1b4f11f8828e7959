"""A concentrator between simulated meters and a station, on virtual time, with every part real."""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from msgspec import structs
from tests.concentrator.station import SHANGHAI, Station

from kwhub.catalog.names import to_dlt645
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import (
    BusSettings,
    Config,
    Identity,
    MeterSettings,
    PlanSettings,
    UplinkSettings,
)
from kwhub.concentrator.database import open_file
from kwhub.concentrator.outbox import Slot
from kwhub.concentrator.plan import Plan
from kwhub.domain.errors import LinkDown
from kwhub.domain.readings import HOUR_INTERVAL_S, Register
from kwhub.links.layers import Faulty
from kwhub.links.layers.faulty import FaultRates
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

START = datetime(2026, 3, 2, tzinfo=SHANGHAI)
ZONE_OFFSET_S = 8 * 3_600
"""Of the wall time of the site in which the story plays."""
BAUD: Final = 9_600
QUIET = FaultRates()
DEAF = FaultRates(loss=1.0)


ENERGY = "1-0:1.8"
POWER_FACTORS = (":13", ":33", ":53", ":73")  # in percent on the uplink


@cache
def shown(meter, register, at):
    """What a meter shows under a register at a moment (seconds since 1970)."""
    return meter.readout.values(to_dlt645(Register(register)), at)[0]


def is_recorded(slot):
    """Whether the meter itself keeps the value of the moment; others are read at present."""
    return slot.register.startswith(ENERGY) and slot.interval_s != HOUR_INTERVAL_S


@cache
def area(seed, meters, buses):
    """The meters; a function of the seed, so they can be shared between runs."""
    return TransformerArea(seed, start=START, meters=meters, concentrators=1, buses=buses)


class World:
    """The station and the meters live on; the concentrator may die and come again.

    Args:
        path: of the concentrator's store.
        meters: of the area, over ``buses`` buses.
        rates: what is wrong with the buses.
    """

    def __init__(self, clock, path, *, meters=4, buses=1, seed=1, rates=QUIET, **plan: Any) -> None:
        self.clock = clock
        self.seed = seed
        self.rates = rates
        self.station = Station(clock)
        self.area = TransformerArea(seed, start=START, meters=meters, concentrators=1, buses=buses)
        self.buses_up = True
        self.concentrator: Any = None
        self.lines: list[Faulty] = []
        self.replaced: dict[str, Any] = {}  # other meters, by the address of the one in the area
        self._tasks: set[Any] = set()
        self._task: Any = None
        self.config = Config(
            Identity("4101", 2082, store=str(path)),
            UplinkSettings("station:"),
            tuple(self._bus(number) for number in range(1, buses + 1)),
            PlanSettings(**{"history_days": 0, **plan}),
        )

    def _bus(self, number):
        return BusSettings(
            f"bus-{number}",
            f"memory:{number}",
            number + 1,
            BAUD,
            meter=tuple(
                MeterSettings(place.meter.address, place.point, 3 if place.meter.phases == 3 else 1)
                for place in self.area.places
                if place.bus == number
            ),
        )

    def start(self, opener=open_file, *, clock=None):
        """Start the concentrator as a fresh process would, perhaps with a clock of its own."""
        self.concentrator = Concentrator(
            self.config,
            clock or self.clock,
            chance=seeded(self.seed, "concentrator"),
            open_link=self._open_link,
            opener=opener,
        )
        self._task = self._spawn(self.concentrator.run())
        return self._task

    async def stop(self):
        """Stop it in good order. Raises what has ended it before, if anything has."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self.concentrator.close()
        await self.station.hang_up()
        if not self._task.cancelled():
            self._task.result()

    def move_store(self, path):
        """Let the next start use another file."""
        identity = structs.replace(self.config.concentrator, store=str(path))
        self.config = structs.replace(self.config, concentrator=identity)

    async def until(self, **delta):
        """Let time pass until so long after the start."""
        await self.clock.sleep_until(START + timedelta(**delta))

    def be_deaf(self, deaf):
        """Cut the wires between concentrator and meters, or mend them."""
        for line in self.lines:
            line.rates = DEAF if deaf else self.rates

    def planned(self, until):
        """Every value that the plan wants from the start up to a moment."""
        plan = Plan(self.config.plan, SHANGHAI)
        begin = int(START.timestamp()) - 1
        return {
            slot
            for bus in self.config.bus
            for settings in bus.meter
            for series in plan.meter(settings).series
            for slot in plan.slots(series, settings.point, begin, int(until.timestamp()))
        }

    def delivered(self):
        """Every value that the station has confirmed, when it is what the meter counts."""
        return {slot for slot, value in self._at_station() if self._is_true(slot, value)}

    def invented(self):
        """Values at the station that no meter has shown at their moment."""
        false = [each for each in self._at_station() if not self._is_true(*each)]
        present: defaultdict[tuple[int, int], dict[Slot, Any]] = defaultdict(dict)
        for slot, value in self._at_station():
            if value is not None and not is_recorded(slot):
                present[slot.point, slot.at][slot] = value
        unseen = (each for place, values in present.items() for each in self._unseen(place, values))
        return [*false, *unseen]

    def _at_station(self):
        return [(Slot(*key), value) for key, value in self.station.values.items()]

    def _meters(self, point):
        """The meters that are or were at a point."""
        meter = next(place.meter for place in self.area.places if place.point == point)
        return {meter, self.replaced.get(meter.address, meter)}

    def _is_true(self, slot, value):
        """Whether an energy is the register's at the moment; of anything else, whether it is there."""
        if value is None or not is_recorded(slot):
            return value is not None
        wall_s = slot.at + ZONE_OFFSET_S
        return any(
            value == shown(meter, slot.register, meter.clock.moment(wall_s))
            for meter in self._meters(slot.point)
        )

    def _unseen(self, place, values):
        """Those of one point and hour that no meter showed then or when a present value may stand for it."""
        point, at = place
        moments = range(at, at + self.config.plan.hourly_window_s + 1)
        for meter in self._meters(point):
            stamped = meter.clock.moment(at + ZONE_OFFSET_S)  # a record is stamped by the meter
            for moment in (stamped, *moments):
                seen = [
                    slot
                    for slot in values
                    if values[slot] == _unit(slot) * shown(meter, slot.register, moment)
                ]
                values = {slot: value for slot, value in values.items() if slot not in seen}
                if not values:
                    return []
        return list(values.items())

    async def _open_link(self, address):
        if address == "station:":
            return await self.station.open_link()
        if not self.buses_up:
            raise LinkDown("the converter is off")
        number = int(address.partition(":")[2])
        near, far = pair(baud=BAUD)
        meters = [self.replaced.get(each.address, each) for each in self.area.bus(number)]
        self._spawn(serve_meters(far, meters, self.clock))
        line = Faulty(near, seeded(self.seed, "line", len(self.lines)), self.rates)
        self.lines.append(line)
        return line

    def _spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _unit(slot):
    return 100 if slot.register.split(".")[0].endswith(POWER_FACTORS) else 1


def play(story, path, **settings):
    """Run ``story(world)`` on virtual time; what it returns."""

    async def main(clock):
        return await story(World(clock, path, **settings))

    return run_virtual(main, start=START)

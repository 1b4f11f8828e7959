"""A transformer area: customers, their meters on buses and concentrators, and the meter that sums them up.

Everything is a function of the seed: the same addresses, names, sizes and loads on every machine.
The supply meter counts what the customers truly draw and what the wires lose; the meter of the
thief counts less than that customer draws. The line loss that a head-end works out from the
registers is therefore the technical loss at first and grows on the day of the theft.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.sim.climate import DAY_S, Climate
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.load import JOULES_PER_KWH, BypassedLoad, CustomerLoad, Load, SupplyLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.noise import mix, unit_permille
from kwhub.sim.shapes import Kind

__all__ = [
    "BYPASSED_PERMILLE",
    "HISTORY_DAYS",
    "THEFT_AFTER_DAYS",
    "Outfit",
    "Place",
    "TransformerArea",
]

HISTORY_DAYS = 75
"""Days that the meters have counted when the story starts; more than a meter keeps freezes for."""
THEFT_AFTER_DAYS = 3
"""Days from the start of the story until the thief sets to work."""
BYPASSED_PERMILLE = 550
"""Share of the thief's current that goes around the meter from then on."""

_THIEF_KWH = 60  #: a full day of the customer who steals: a shop of a good size
_IRON_PERMILLE = 10  #: constant loss, against the mean of a working day
_COPPER_PERMILLE = 22  #: quadratic loss at that mean
_CLOCK_OFFSET_S = 5
_CLOCK_DRIFT_PPM = 2
_RATIOS = (1, 10, 15, 20, 30, 40, 60, 80, 100, 120, 160, 200, 300, 400, 600, 800, 1000, 2000, 4000)
_SECONDARY_A = 5
_PEAK_PER_MEAN = 3
_INITIAL_SHARES = (12, 28, 32, 28)  #: percent of an old register by tariff
_INITIAL_TICKS_MAX = 900_000

_SHOPS = (
    ("Bakery", "面包店"),
    ("Pharmacy", "药店"),
    ("Noodle house", "面馆"),
    ("Hairdresser", "理发店"),
    ("Grocery", "便利店"),
    ("Tea shop", "茶叶店"),
    ("Clinic", "诊所"),
    ("Tailor", "裁缝店"),
)
_WORKSHOPS = (("Joinery", "木工坊"), ("Metal works", "五金加工厂"), ("Printing house", "印刷厂"))


def _nowhere(_number: int) -> Path | None:
    return None


class Outfit(NamedTuple):
    """How the meters of an area are made."""

    has_programming_key: bool = False  #: nobody is there to press it
    deviations: Deviations = STANDARD
    state: Callable[[int], Path | None] = _nowhere  #: file of the n-th meter; 0 is the supply meter


@dataclass(frozen=True, slots=True)
class Place:
    """A meter and where it hangs. All numbers count from 1."""

    meter: SimulatedMeter
    name: str
    name_zh: str
    kind: str  #: ``household``, ``shop``, ``workshop`` or ``supply``
    concentrator: int
    bus: int  #: within the area, over all concentrators
    point: int  #: measuring point within the concentrator


@dataclass(frozen=True, slots=True)
class _Customer:
    kind: Kind
    load: CustomerLoad
    name: str
    name_zh: str


class TransformerArea:
    """One area.

    Args:
        seed: of everything in it.
        start: aware moment at which the story starts; the meters have counted for
            ``HISTORY_DAYS`` by then.
        meters: all meters, the supply meter among them; at least 3.
        concentrators: they share the meters evenly; the supply meter hangs on the first.
        buses: RS-485 buses of each concentrator.
        thief: whether somebody steals.
        outfit: of every meter.

    Attributes:
        places: every meter, concentrator by concentrator, in the order of the measuring points.
        supply: the place of the supply meter.
        thief: the place of the meter that counts too little; None when nobody steals.
        theft_from: moment at which the theft starts.
    """

    def __init__(  # noqa: PLR0913 - the knobs of an area, all but the seed by name
        self,
        seed: int,
        *,
        start: datetime,
        meters: int = 60,
        concentrators: int = 2,
        buses: int = 2,
        thief: bool = True,
        utc_offset_s: int = 28_800,
        outfit: Outfit = Outfit(),  # noqa: B008 - a tuple
    ) -> None:
        if meters < 3 or not 0 < concentrators * buses <= meters:
            raise ValueError(
                f"{meters} meters do not make an area of {concentrators} x {buses} buses"
            )
        self.seed = seed
        self.utc_offset_s = utc_offset_s
        self.concentrators = concentrators
        self._outfit = outfit
        self._buses = buses
        first_day = (_seconds(start) + utc_offset_s) // DAY_S
        self._climate = Climate(mix(seed, 1), first_day - HISTORY_DAYS)
        theft_s = (first_day + THEFT_AFTER_DAYS) * DAY_S - utc_offset_s
        self.theft_from = datetime.fromtimestamp(theft_s, UTC)
        self._customers = self._make_customers(meters - 1)
        self._true_supply = self._make_supply()
        self.places = tuple(self._make_places(theft_s if thief else None))
        self.supply = next(place for place in self.places if place.kind == "supply")
        self.thief = next(
            (place for place in self.places if isinstance(place.meter.load, BypassedLoad)), None
        )

    def bus(self, number: int) -> tuple[SimulatedMeter, ...]:
        """The meters of a bus, 1 to ``concentrators`` x ``buses``."""
        return tuple(place.meter for place in self.places if place.bus == number)

    @property
    def bus_count(self) -> int:
        """Buses of all concentrators."""
        return self.concentrators * self._buses

    def of_concentrator(self, number: int) -> tuple[Place, ...]:
        """The places of a concentrator, by measuring point."""
        return tuple(place for place in self.places if place.concentrator == number)

    def loss_permille(self, start: datetime, stop: datetime) -> int:
        """Line loss between two moments, as perfect reading of perfect clocks would show it."""
        begin, end = _seconds(start), _seconds(stop)
        supplied = self._true_supply.joules(end) - self._true_supply.joules(begin)
        sold = sum(
            place.meter.load.joules(end) - place.meter.load.joules(begin)
            for place in self.places
            if place.kind != "supply"
        )
        return (supplied - sold) * 1000 // supplied

    def _make_customers(self, count: int) -> list[_Customer]:
        workshops = max(1, count // 25) if count > 4 else 0
        shops = max(1, count // 6)
        customers = []
        for number in range(count):
            if number < shops:
                kind, (name, name_zh) = Kind.SHOP, _business(_SHOPS, number)
            elif number < shops + workshops:
                kind, (name, name_zh) = Kind.WORKSHOP, _business(_WORKSHOPS, number - shops)
            else:
                kind, (name, name_zh) = Kind.HOUSEHOLD, _flat(number - shops - workshops)
            load = self._load(kind, number)
            customers.append(_Customer(kind, load, name, name_zh))
        return customers

    def _load(self, kind: Kind, number: int) -> CustomerLoad:
        """The load of a customer; the first shop is made as large as a thief has to be to be seen."""
        seed = mix(self.seed, 2, number)
        load = CustomerLoad(kind, seed, self._climate, utc_offset_s=self.utc_offset_s)
        if number:
            return load
        scale = _THIEF_KWH * JOULES_PER_KWH * 1000 // load.base_j
        return CustomerLoad(
            kind, seed, self._climate, utc_offset_s=self.utc_offset_s, scale_permille=scale
        )

    def _make_supply(self) -> SupplyLoad:
        loads = [customer.load for customer in self._customers]
        mean_w = sum(load.base_j for load in loads) // DAY_S
        return SupplyLoad(
            loads,
            constant_w=mean_w * _IRON_PERMILLE // 1000,
            copper_permille=_COPPER_PERMILLE,
            utc_offset_s=self.utc_offset_s,
        )

    def _make_places(self, theft_s: int | None) -> Iterator[Place]:
        """Deal the customers out evenly; neighbours hang on the same bus."""
        mean_w = sum(customer.load.base_j for customer in self._customers) // DAY_S
        peak_a = mean_w * _PEAK_PER_MEAN // 690
        ratio = next((each for each in _RATIOS if each * _SECONDARY_A >= peak_a), _RATIOS[-1])
        total = len(self._customers) + 1
        point = 0
        before = 0
        for number in range(total):
            bus = number * self.bus_count // total + 1
            concentrator = (bus - 1) // self._buses + 1
            point = point + 1 if concentrator == before else 1
            before = concentrator
            if number == 0:
                meter = self._meter(0, self._true_supply, phases=3, ratio=ratio)
                yield Place(meter, "Supply meter", "台区总表", "supply", concentrator, bus, point)
                continue
            customer = self._customers[self._dealt(number - 1)]
            load: Load = customer.load
            if theft_s is not None and customer is self._customers[0]:
                load = BypassedLoad(
                    customer.load, from_s=theft_s, bypassed_permille=BYPASSED_PERMILLE
                )
            phases = 1 if customer.kind is Kind.HOUSEHOLD else 3
            meter = self._meter(number, load, phases=phases, ratio=1)
            yield Place(
                meter,
                customer.name,
                customer.name_zh,
                customer.kind.value,
                concentrator,
                bus,
                point,
            )

    def _dealt(self, number: int) -> int:
        """Which customer comes at a place: shops and workshops are spread between the households."""
        count = len(self._customers)
        step = next(step for step in (7, 11, 13, 17, 1) if count % step)
        return number * step % count

    def _meter(self, number: int, load: Load, *, phases: int, ratio: int) -> SimulatedMeter:
        seed = mix(self.seed, 3, number)
        old = unit_permille(seed, 1) * _INITIAL_TICKS_MAX // (1000 * ratio)
        clock = MeterClock(
            utc_offset_s=self.utc_offset_s,
            set_s=load.first_s,
            offset_s=unit_permille(seed, 2) % (2 * _CLOCK_OFFSET_S + 1) - _CLOCK_OFFSET_S,
            drift_ppm=unit_permille(seed, 3) % (2 * _CLOCK_DRIFT_PPM + 1) - _CLOCK_DRIFT_PPM,
        )
        batch = mix(self.seed, 4) % 100_000
        return SimulatedMeter(
            f"26{batch:05d}{number + 1:05d}",
            load,
            seed=seed,
            phases=phases,
            ratio=ratio,
            clock=clock,
            initial=tuple(old * share // 100 for share in _INITIAL_SHARES),
            has_programming_key=self._outfit.has_programming_key,
            deviations=self._outfit.deviations,
            state=self._outfit.state(number),
        )


def _business(names: Sequence[tuple[str, str]], number: int) -> tuple[str, str]:
    name, name_zh = names[number % len(names)]
    again = number // len(names) + 1
    return (name, name_zh) if again == 1 else (f"{name} {again}", f"{name_zh}{again}号")


def _flat(number: int) -> tuple[str, str]:
    """Six floors of four flats a house."""
    house, flat = divmod(number, 24)
    floor, door = divmod(flat, 4)
    room = f"{floor + 1}0{door + 1}"
    return f"House {house + 1}, flat {room}", f"{house + 1}号楼{room}室"


def _seconds(moment: datetime) -> int:
    """Whole seconds since 1970-01-01 UTC of an aware moment."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)

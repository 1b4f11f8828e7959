"""What the API and the pages are given of the head-end, and what both ask of it in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from litestar.exceptions import NotFoundException, ValidationException

from kwhub.domain.readings import Register
from kwhub.headend.archive.desk import ArchiveDesk
from kwhub.headend.archive.jobs import Imports
from kwhub.headend.billing.desk import Billing
from kwhub.headend.choices import Choices
from kwhub.headend.config import Config
from kwhub.headend.front.front import Front
from kwhub.headend.front.lookout import Lookout
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.live import Broadcaster
from kwhub.headend.orders.desk import Orders
from kwhub.headend.people.people import People
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.store import Store
from kwhub.headend.store.views import AreaSummary, MeterDetail, Order
from kwhub.headend.tasks.desk import Tasks
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.ledger import Ledger
from kwhub.headend.vending_service import VendingService
from kwhub.protocols.gdw1376.frames import Profile
from kwhub.protocols.gdw1376.profiles import PROFILES
from kwhub.runtime.clock import Clock

__all__ = [
    "FIRST_DAY",
    "LAST_DAY",
    "NUMBER_MAX",
    "REGISTERS_MAX",
    "SEARCH_MAX",
    "Serves",
    "Site",
    "readable",
]

SEARCH_MAX = 64
"""Longest text that is searched for, in characters."""

REGISTERS_MAX = 24
"""Most registers that one order may read."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)
"""Days of which anything can be asked: the years that meters' clocks have."""

NUMBER_MAX = 2**31 - 1
"""Largest number of a row that any database takes."""

_ENERGY = ("1.8.0", "1.8.1", "1.8.2", "1.8.3", "1.8.4", "2.8.0", "3.8.0", "4.8.0")
_INSTANT = ("16.7.0", "131.7.0", "13.7.0", "14.7.0")
_DEMAND = ("1.6.0",)
_PHASE_REGISTERS = (("32.7.0", "52.7.0", "72.7.0"), ("31.7.0", "51.7.0", "71.7.0"))


class Serves(Protocol):
    """The part of a head-end that pages and API stand on."""

    config: Config
    clock: Clock
    queries: Queries
    orders: Orders
    tasks: Tasks
    front: Front
    archive: ArchiveDesk
    imports: Imports
    choices: Choices
    live: Broadcaster
    lookout: Lookout
    people: People
    store: Store
    quality: QualityDesk
    ledger: Ledger
    billing: Billing
    vending: VendingService | None
    devices: DeviceService | None


@dataclass(frozen=True, slots=True)
class Site:
    """The head-end as its readers see it: its clock, its zone, its questions and its orders."""

    queries: Queries
    orders: Orders
    tasks: Tasks
    front: Front
    archive: ArchiveDesk
    imports: Imports
    clock: Clock
    zone: ZoneInfo
    config: Config
    choices: Choices
    live: Broadcaster
    lookout: Lookout
    people: People
    store: Store
    quality: QualityDesk
    ledger: Ledger
    billing: Billing
    vending: VendingService | None
    devices: DeviceService | None

    @classmethod
    def of(cls, headend: Serves) -> "Site":
        """Take what is needed from a head-end."""
        return cls(
            headend.queries,
            headend.orders,
            headend.tasks,
            headend.front,
            headend.archive,
            headend.imports,
            headend.clock,
            ZoneInfo(headend.config.headend.zone),
            headend.config,
            headend.choices,
            headend.live,
            headend.lookout,
            headend.people,
            headend.store,
            headend.quality,
            headend.ledger,
            headend.billing,
            headend.vending,
            headend.devices,
        )

    @property
    def profile(self) -> Profile:
        """What the terminals speak."""
        return PROFILES[self.config.headend.profile]

    def now(self) -> datetime:
        """The present moment in the zone of the site."""
        return self.clock.now().astimezone(self.zone)

    def today(self) -> date:
        """The present day in the zone of the site."""
        return self.now().date()

    def day(self, asked: date | None) -> date:
        """The day that is asked for, today when none is; raises ValidationException."""
        day = asked or self.today()
        if not FIRST_DAY < day < LAST_DAY:
            raise ValidationException(f"day: between {FIRST_DAY} and {LAST_DAY}")
        return day

    def area_days(self, area_id: int, first: date, last: date) -> list[AreaSummary]:
        """One area on every day of a span; raises NotFoundException."""
        found = self.queries.area_days(_number(area_id), first, last)
        if not found:
            raise NotFoundException(f"area {area_id}")
        return found

    def area(self, area_id: int, day: date) -> AreaSummary:
        """One area on one day; raises NotFoundException."""
        return self.area_days(area_id, day, day)[0]

    def meter(self, meter_id: int) -> MeterDetail:
        """One meter; raises NotFoundException."""
        meter = self.queries.meter(_number(meter_id))
        if meter is None:
            raise NotFoundException(f"meter {meter_id}")
        return meter

    def order(self, order_id: int) -> Order:
        """One order; raises NotFoundException."""
        order = self.orders.get(_number(order_id))
        if order is None:
            raise NotFoundException(f"order {order_id}")
        return order


def _number(asked: int) -> int:
    """The number of a row; raises NotFoundException for one that no row can have."""
    if not 0 < asked <= NUMBER_MAX:
        raise NotFoundException(f"number {asked}")
    return asked


def readable(phases: int) -> dict[str, Sequence[Register]]:
    """The registers that an order can read from a meter, by group; ``common`` repeats some of them.

    >>> readable(1)["common"]
    ('1-0:1.8.0', '1-0:16.7.0', '1-0:32.7.0', '1-0:31.7.0')
    """
    by_phase = tuple(code for codes in _PHASE_REGISTERS for code in codes[:phases])
    groups = {
        "common": ("1.8.0", "16.7.0", *by_phase),
        "energy": _ENERGY,
        "instant": (*_INSTANT, *by_phase),
        "demand": _DEMAND,
    }
    return {
        name: tuple(Register(f"1-0:{code}") for code in codes) for name, codes in groups.items()
    }

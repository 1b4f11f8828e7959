"""What the API and the pages are given of the head-end, and what both ask of it in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from litestar.exceptions import NotFoundException

from kwhub.domain.readings import Register
from kwhub.headend.config import Config
from kwhub.headend.orders import Orders
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.views import AreaSummary, MeterDetail, Order
from kwhub.runtime.clock import Clock

__all__ = ["REGISTERS_MAX", "SEARCH_MAX", "Serves", "Site", "readable"]

SEARCH_MAX = 64
"""Longest text that is searched for, in characters."""

REGISTERS_MAX = 24
"""Most registers that one order may read."""

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


@dataclass(frozen=True, slots=True)
class Site:
    """The head-end as its readers see it: its clock, its zone, its questions and its orders."""

    queries: Queries
    orders: Orders
    clock: Clock
    zone: ZoneInfo

    @classmethod
    def of(cls, headend: Serves) -> "Site":
        """Take what is needed from a head-end."""
        return cls(
            headend.queries, headend.orders, headend.clock, ZoneInfo(headend.config.headend.zone)
        )

    def now(self) -> datetime:
        """The present moment in the zone of the site."""
        return self.clock.now().astimezone(self.zone)

    def today(self) -> date:
        """The present day in the zone of the site."""
        return self.now().date()

    def area(self, area_id: int, day: date) -> AreaSummary:
        """One area on one day; raises NotFoundException."""
        found = self.queries.area_days(area_id, day, day)
        if not found:
            raise NotFoundException(f"area {area_id}")
        return found[0]

    def meter(self, meter_id: int) -> MeterDetail:
        """One meter; raises NotFoundException."""
        meter = self.queries.meter(meter_id)
        if meter is None:
            raise NotFoundException(f"meter {meter_id}")
        return meter

    def order(self, order_id: int) -> Order:
        """One order; raises NotFoundException."""
        order = self.orders.get(order_id)
        if order is None:
            raise NotFoundException(f"order {order_id}")
        return order


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

"""What a request asks of a meter that the store does not keep: read from the meter before the answer is made.

Source: Q/GDW 1376.1-2013, clauses 5.11 and 5.12 (class 1 and class 2 data).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

from kwhub.concentrator.served_demand import ORDERS, demand_data, read_demands
from kwhub.concentrator.served_shelf import Shelf
from kwhub.domain.errors import KwhubError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.exchange.read import read_clock
from kwhub.protocols.gdw1376 import afn_0c
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.times import WallClock

__all__ = ["BEGIN_WITHIN_S", "READS_MAX", "Live", "Talks", "Told", "Wanted"]

READS_MAX = 16
"""Readings from meters for one request: the head-end does not wait for ever, nor does the bus."""

BEGIN_WITHIN_S = 4.0
"""After this time no further reading is begun for a request: whoever asks gives up after ten seconds or more."""

_METER_CLOCK = (afn_0c.AFN, 162)


class Wanted(NamedTuple):
    """One item of a request."""

    afn: int
    point: int
    function: int
    tag: bytes = b""  #: what the request says behind DA and DT


Told: TypeAlias = Mapping[Wanted, bytes | None]
"""What meters said: the data behind DA and DT, None when they said nothing."""


class Talks(Protocol):
    """Whoever leads to the meters."""

    async def talk(self, point: int, make: Callable[[str], Conversation[Any]]) -> Any:
        """See `kwhub.concentrator.served_controls.Site`."""


class Live:
    """Reads from meters of DL/T 645; one that is silent is asked once for each request."""

    def __init__(self, shelf: Shelf, site: Talks) -> None:
        self._shelf = shelf
        self._site = site

    def lacking(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        """What is to be read from meters, no more than may be."""
        found = [each for each in wanted if self._is_live(each)]
        return list(dict.fromkeys(found))[:READS_MAX]

    async def read(self, wanted: Iterable[Wanted], clock: datetime) -> Told:
        """Read; what cannot be had is told as nothing.

        Args:
            wanted: items of a request.
            clock: naive wall time of the site.
        """
        told: dict[Wanted, bytes | None] = {}
        silent: set[int] = set()
        loop = asyncio.get_running_loop()
        end = loop.time() + BEGIN_WITHIN_S
        for each in wanted:
            told[each] = None
            if each.point in silent or loop.time() > end:
                continue
            try:
                told[each] = await self._read(each, clock)
            except NoAnswer:
                silent.add(each.point)
            except (KwhubError, OSError):
                continue  # an item that cannot be had is left out
        return told

    def _is_live(self, wanted: Wanted) -> bool:
        known = (wanted.afn, wanted.function)
        return self._shelf.edition(wanted.point) is not None and (
            known in ORDERS or known == _METER_CLOCK
        )

    async def _read(self, wanted: Wanted, clock: datetime) -> bytes | None:
        edition = self._shelf.edition(wanted.point)
        if edition is None:
            return None
        order = ORDERS.get((wanted.afn, wanted.function))
        if order is None:
            ask = partial(read_clock, edition=edition)
            shown = await self._site.talk(wanted.point, ask)
            return A1.encode(WallClock.of(clock)) + A1.encode(WallClock.of(shown))
        read = partial(read_demands, edition=edition, order=order, tag=wanted.tag, now=clock)
        return demand_data(order, wanted.tag, clock, await self._site.talk(wanted.point, read))

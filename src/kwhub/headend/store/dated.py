"""What was true when: ratios in their time, and registers that go on across an exchange of the meter."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from kwhub.headend.store.schema_archive import exchange_reading, meter_exchange, placement
from kwhub.headend.store.vectors import Series

__all__ = ["Dated", "Piece", "Swap"]

PORTION = 500
"""Values in one IN list; of more meters everything is read, for few ever change."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange: the register of the old meter ended at ``final``, that of the new one began at ``first``."""

    at_s: int
    final: int  #: millionths
    first: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Energy of the meter's register during which one ratio was true."""

    ratio: Decimal | None  #: None: the one that stands in the meter's row, which has no history
    micro: int


@dataclass(frozen=True, slots=True)
class Dated:
    """The history of some meters; of a meter without one, what stands in its row has always been true."""

    _swaps: Mapping[tuple[int, str], Sequence[Swap]] = field(default_factory=dict)
    _ratios: Mapping[int, Sequence[tuple[int, Decimal]]] = field(default_factory=dict)
    _changed: frozenset[int] = frozenset()  #: meters that are in one of them

    @classmethod
    def load(cls, connection: Connection, meters: Collection[int]) -> "Dated":
        """Read the history of some meters."""
        swaps: dict[tuple[int, str], list[Swap]] = defaultdict(list)
        query = (
            select(meter_exchange.c.meter_id, meter_exchange.c.at, exchange_reading)
            .join(exchange_reading, exchange_reading.c.exchange_id == meter_exchange.c.id)
            .order_by(meter_exchange.c.at)
        )
        ratios: dict[int, list[tuple[int, Decimal]]] = defaultdict(list)
        places = select(placement).order_by(placement.c.valid_from.nulls_first())
        if len(meters) <= PORTION:
            query = query.where(meter_exchange.c.meter_id.in_(meters))
            places = places.where(placement.c.meter_id.in_(meters))
        for row in connection.execute(query):
            swap = Swap(_seconds(row.at), row.final, row.first)
            swaps[row.meter_id, row.register].append(swap)
        for row in connection.execute(places):
            ratios[row.meter_id].append((_seconds(row.valid_from), Decimal(row.ratio)))
        changed = frozenset(ratios) | {meter_id for meter_id, _ in swaps}
        return cls(dict(swaps), dict(ratios), changed)

    def swaps(self, meter_id: int, register: str) -> Sequence[Swap]:
        """Exchanges of a meter that have readings of a register, oldest first."""
        return self._swaps.get((meter_id, register), ())

    def changed(self, meter_id: int) -> bool:
        """Whether a meter has a history at all."""
        return meter_id in self._changed

    def histories(self) -> dict[int, list[tuple[object, ...]]]:
        """All that is known, by meter, in a form that is equal when it says the same."""
        found: dict[int, list[tuple[object, ...]]] = defaultdict(list)
        for (meter_id, register), swaps in sorted(self._swaps.items()):
            found[meter_id] += [(register, *map(astuple, swaps))]
        for meter_id, ratios in self._ratios.items():
            found[meter_id] += ratios
        return found

    def continued(self, meter_id: int, register: str, series: Series) -> Series:
        """A register as if one meter had counted from the first to the last: no step at an exchange.

        What a reading from the moment of an exchange on shows more or less than the old meter would
        have is added to it. The difference of any two values is what was used between them.
        """
        swaps = self.swaps(meter_id, register)
        if not swaps or not len(series):
            return series
        value = series.value.copy()
        for swap in swaps:
            value[series.at >= swap.at_s] += swap.final - swap.first
        return Series(series.at, value, series.quality)

    def ratio(self, meter_id: int, at_s: int) -> Decimal | None:
        """The ratio at a moment (seconds since 1970); None for a meter without a history."""
        found = None
        for since_s, ratio in self._ratios.get(meter_id, ()):
            if found is None or since_s <= at_s:
                found = ratio
        return found

    def pieces(
        self, meter_id: int, register: str, limits: tuple[int, int], values: tuple[int, int]
    ) -> tuple[Piece, ...]:
        """Energy of a span cut where the meter was exchanged, for the ratio may have changed with it.

        Args:
            meter_id: number of the meter.
            register: a register that grows.
            limits: first and last moment of the span, seconds since 1970.
            values: the continued register at both (millionths), see ``continued``.
        """
        start_s, stop_s = limits
        before, last = values
        found: list[Piece] = []
        shift = 0
        ratio = self.ratio(meter_id, start_s)
        for swap in self.swaps(meter_id, register):
            if start_s < swap.at_s <= stop_s:
                now = swap.final + shift
                found.append(Piece(ratio, now - before))
                before = now
                ratio = self.ratio(meter_id, swap.at_s)
            shift += swap.final - swap.first
        return (*found, Piece(ratio, last - before))


def _seconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())

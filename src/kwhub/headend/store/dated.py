"""What was true when: ratios and places in their time, and registers that go on across an exchange of the meter."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from decimal import Decimal

from sqlalchemy import Connection, select

from kwhub.headend.analysis.consumption import difference
from kwhub.headend.store.chain import Chain, Swap, chained
from kwhub.headend.store.schema_archive import exchange_reading, meter_exchange
from kwhub.headend.store.stays import PORTION, Stay, seconds, stays_of
from kwhub.headend.store.vectors import Series

__all__ = ["Dated", "Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Energy of the meter's register during which one ratio was true and the meter was in one area."""

    ratio: Decimal | None  #: None: the one that stands in the meter's row, which has no history
    micro: int | None  #: None: not known
    area_id: int | None = (
        None  #: None for a meter without a history, and while it was out of service
    )
    served: bool = True  #: it was in service
    lack: str = ""  #: why it is not known: start, end, change (no reading at a change) or fell


@dataclass(frozen=True, slots=True)
class Dated:
    """The history of some meters; of a meter without one, what stands in its row has always been true."""

    _swaps: Mapping[tuple[int, str], Sequence[Swap]] = field(default_factory=dict)
    _exchanged: Mapping[int, Sequence[int]] = field(default_factory=dict)
    _stays: Mapping[int, Sequence[Stay]] = field(default_factory=dict)

    @classmethod
    def load(cls, connection: Connection, meters: Collection[int]) -> "Dated":
        """Read the history of some meters."""
        swaps: dict[tuple[int, str], list[Swap]] = defaultdict(list)
        exchanged: dict[int, list[int]] = defaultdict(list)
        query = (
            select(meter_exchange.c.meter_id, meter_exchange.c.at, exchange_reading)
            .join(exchange_reading, exchange_reading.c.exchange_id == meter_exchange.c.id)
            .order_by(meter_exchange.c.at)
        )
        if len(meters) <= PORTION:
            query = query.where(meter_exchange.c.meter_id.in_(meters))
        for row in connection.execute(query):
            swap = Swap(seconds(row.at), row.final, row.first)
            swaps[row.meter_id, row.register].append(swap)
            if swap.at_s not in exchanged[row.meter_id][-1:]:
                exchanged[row.meter_id].append(swap.at_s)
        return cls(dict(swaps), dict(exchanged), stays_of(connection, meters))

    def begun(self, begins: Mapping[int, Stay]) -> "Dated":
        """The same with meters that were not always there: nothing of them is known before their first stay."""
        if not begins:
            return self
        stays = dict(self._stays)
        for meter_id, first in begins.items():
            own = stays.get(meter_id, (first,))
            stays[meter_id] = [
                replace(each, since_s=max(each.since_s, first.since_s))
                for each in own
                if each.until_s is None or each.until_s > first.since_s
            ]
        return replace(self, _stays=stays)

    def swaps(self, meter_id: int, register: str) -> Sequence[Swap]:
        """Exchanges of a meter that have readings of a register, oldest first."""
        return self._swaps.get((meter_id, register), ())

    def exchanges(self, meter_id: int) -> Sequence[int]:
        """Moments of all exchanges of a meter, whatever registers have readings, oldest first."""
        return self._exchanged.get(meter_id, ())

    def changed(self, meter_id: int) -> bool:
        """Whether a meter has a history at all."""
        return meter_id in self._stays or meter_id in self._exchanged

    def histories(self) -> dict[int, list[tuple[object, ...]]]:
        """All that is known, by meter, in a form that is equal when it says the same."""
        found: dict[int, list[tuple[object, ...]]] = defaultdict(list)
        for (meter_id, register), swaps in sorted(self._swaps.items()):
            found[meter_id] += [(register, *map(astuple, swaps))]
        for meter_id, stays in self._stays.items():
            found[meter_id] += map(astuple, stays)
        return found

    def areas(self, meter_id: int) -> set[int]:
        """Every area that a meter with a history was ever in."""
        return {each.area_id for each in self._stays.get(meter_id, ())}

    def area(self, meter_id: int, at_s: int, present: int) -> int | None:
        """The area of a meter at a moment; None when it was out of service.

        Args:
            meter_id: number of the meter.
            at_s: seconds since 1970.
            present: its area as its row says, which is that of a meter without a history.
        """
        if meter_id not in self._stays:
            return present
        stay = self._stay(meter_id, at_s)
        return stay.area_id if stay is not None and _covers(stay, at_s) else None

    def chain(self, meter_id: int, register: str, series: Series) -> Chain:
        """A register as if one meter had counted from the first to the last, and never begun at nought again."""
        return chained(series, self.swaps(meter_id, register))

    def continued(self, meter_id: int, register: str, series: Series) -> Series:
        """The chain of a meter that was exchanged; of any other the series as it is."""
        if not self.swaps(meter_id, register) or not len(series):
            return series
        return self.chain(meter_id, register, series).series

    def ratio(self, meter_id: int, at_s: int) -> Decimal | None:
        """The ratio at a moment (seconds since 1970); None for a meter without a history."""
        stay = self._stay(meter_id, at_s)
        return None if stay is None else stay.ratio

    def changes(self, meter_id: int, limits: tuple[int, int], *, places: bool = True) -> list[int]:
        """Moments inside a span at which another ratio, or with ``places`` another area, became true.

        Those of an exchange are not among them: its own readings tell what was used before and after.
        """
        start_s, stop_s = limits
        stays = self._stays.get(meter_id, ())
        moments = {each.since_s for each in stays} | {each.until_s or 0 for each in stays}
        moments -= set(self.exchanges(meter_id))
        found = []
        for at_s in sorted(each for each in moments if start_s < each < stop_s):
            old, new = (self._state(meter_id, each, places=places) for each in (at_s - 1, at_s))
            if old != new:
                found.append(at_s)
        return found

    def pieces(
        self,
        meter_id: int,
        register: str,
        limits: tuple[int, int],
        values: tuple[int | None, int | None],
        readings: Mapping[int, int] | None = None,
        *,
        places: bool = True,
    ) -> tuple[Piece, ...]:
        """Energy of a span, cut where the meter was exchanged and where its ratio or its area changed.

        Args:
            meter_id: number of the meter.
            register: a register that grows.
            limits: first and last moment of the span, seconds since 1970.
            values: what the meters of the time showed at both, millionths; None where there is no reading.
            readings: what they showed at the ``changes`` in between, by moment.
            places: also cut where only the area changed.
        """
        begin, last = values
        known = readings or {}
        found: list[Piece] = []
        at_s, why = limits[0], "start"
        cuts = [
            (each, *self._at_exchange(meter_id, register, each))
            for each in self._swapped(meter_id, limits)
        ]
        cuts += [
            (each, known.get(each), known.get(each))
            for each in self.changes(meter_id, limits, places=places)
        ]
        for cut_s, end, first in sorted(cuts, key=lambda each: each[0]):
            found.append(self._piece(meter_id, at_s, (begin, end), (why, "change")))
            at_s, begin, why = cut_s, first, "change"
        return (*found, self._piece(meter_id, at_s, (begin, last), (why, "end")))

    def _swapped(self, meter_id: int, limits: tuple[int, int]) -> Iterator[int]:
        start_s, stop_s = limits
        return (each for each in self.exchanges(meter_id) if start_s < each <= stop_s)

    def _at_exchange(
        self, meter_id: int, register: str, at_s: int
    ) -> tuple[int | None, int | None]:
        """Final and first reading; nothing when nobody wrote down those of the register."""
        for swap in self.swaps(meter_id, register):
            if swap.at_s == at_s:
                return swap.final, swap.first
        return None, None

    def _piece(
        self,
        meter_id: int,
        at_s: int,
        values: tuple[int | None, int | None],
        lacks: tuple[str, str],
    ) -> Piece:
        stay = self._stay(meter_id, at_s)
        micro = difference(*values)
        lack = ""
        if micro is None:
            lack = next(
                (why for why, each in zip(lacks, values, strict=True) if each is None), "fell"
            )
        if stay is None:
            return Piece(None, micro, lack=lack)
        served = _covers(stay, at_s)
        return Piece(stay.ratio, micro, stay.area_id if served else None, served, lack)

    def _state(self, meter_id: int, at_s: int, *, places: bool) -> tuple[object, ...]:
        stay = self._stay(meter_id, at_s)
        if stay is None:
            return ()
        return (stay.ratio, places and _covers(stay, at_s) and stay.area_id)

    def _stay(self, meter_id: int, at_s: int) -> Stay | None:
        """The stay at a moment, or the last one before; before the first one that one."""
        found = None
        for stay in self._stays.get(meter_id, ()):
            if found is None or stay.since_s <= at_s:
                found = stay
        return found


def _covers(stay: Stay, at_s: int) -> bool:
    return stay.since_s <= at_s and (stay.until_s is None or at_s < stay.until_s)

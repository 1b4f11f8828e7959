"""Energy of meters between midnights, and the line loss of areas over days and months, from few readings each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import Connection

from kwhub.catalog.registers import describe
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.analysis.consumption import difference
from kwhub.headend.analysis.loss import Contribution, Loss, line_loss
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import archive_rows
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.bundles import Flags, table_of
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro
from kwhub.headend.store.vectors import EMPTY

__all__ = ["LACKS", "MeterSpan", "Spans", "loss_of"]

LACKS = ("start", "end", "fell")
"""Why the energy of a span is not known: the reading at its start, at its end, or the register went down."""

_DAY = timedelta(days=1)

_PLACES = describe(ENERGY).decimals


@dataclass(frozen=True, slots=True)
class MeterSpan:
    """Energy of one meter over a span."""

    meter: ArchiveMeter
    kwh: Decimal | None  #: on the primary side; None when not known
    lack: str  #: one of LACKS, empty when it is known
    parts: tuple[
        tuple[Decimal, Decimal], ...
    ]  #: energy of the register and its ratio, piece by piece


class Spans:
    """Registers of some meters at the midnights of some days, in one snapshot."""

    def __init__(
        self,
        connection: Connection,
        days: Days,
        edges: Sequence[date],
        areas: Collection[int] | None = None,
    ) -> None:
        """Read them.

        Args:
            connection: of a snapshot.
            days: the zone's days.
            edges: days at whose beginning the registers are wanted.
            areas: numbers of areas; None for all.
        """
        self.meters = archive_rows.meters(connection, areas=areas)
        self._days = days
        self._reader = Reader(connection, days)
        self._ids = [each.id for each in self.meters]
        self._dated: Dated = self._reader.dated(self._ids)
        self._edges = sorted(set(edges))
        self._values, self._known = self._frozen()
        for column in range(len(self._edges)):
            self._from_curves(column)

    def energies(self, first: date, last: date) -> list[MeterSpan]:
        """Energy from the beginning of one day to the end of another; both must be edges."""
        stop = last + _DAY
        limits = (self._days.start_s(first), self._days.start_s(stop))
        start, end = (self._edges.index(each) for each in (first, stop))
        used, found = self._used(start, end)
        lacks = self._lacks(start, end, found)
        before = self._values[:, start].tolist()
        rows = zip(self.meters, before, used.tolist(), lacks, strict=True)
        return [self._energy(meter, limits, *each) for meter, *each in rows]

    def daily(self) -> tuple[Ints, Flags]:
        """Energy between each edge and the next, for a row of any number of days.

        Returns:
            millionths of a kWh of the meter's register, a row for each of ``meters``; whether it is known.
        """
        columns = [self._used(n, n + 1) for n in range(len(self._edges) - 1)]
        if not columns:
            nothing = np.zeros((len(self.meters), 0), "<i8")
            return nothing, nothing > 0
        return (
            np.stack([used for used, _ in columns], axis=1),
            np.stack([found for _, found in columns], axis=1),
        )

    def _used(self, start: int, end: int) -> tuple[Ints, Flags]:
        """Energy of every meter between two edges, and whether it is known."""
        before, after = self._values[:, start], self._values[:, end]
        known = self._known[:, start] & self._known[:, end]
        used = np.where(known, after - before, 0)
        for meter in np.flatnonzero(used < 0).tolist():  # rolled over, reset or exchanged
            energy = difference(int(before[meter]), int(after[meter]))
            known[meter], used[meter] = energy is not None, energy or 0
        return used, known

    def _lacks(self, start: int, end: int, found: Flags) -> list[str]:
        lacks = np.where(self._known[:, end], "fell", "end")
        lacks = np.where(self._known[:, start], lacks, "start")
        lacking: list[str] = np.where(found, "", lacks).tolist()
        return lacking

    def _energy(
        self, meter: ArchiveMeter, limits: tuple[int, int], before: int, used: int, lack: str
    ) -> MeterSpan:
        if lack:
            return MeterSpan(meter, None, lack, ())
        if not self._dated.changed(meter.id):
            energy = from_micro(used, _PLACES)
            return MeterSpan(meter, energy * meter.ratio, "", ((energy, meter.ratio),))
        pieces = self._dated.pieces(meter.id, ENERGY, limits, (before, before + used))
        parts = tuple(
            (from_micro(each.micro, _PLACES), each.ratio or meter.ratio) for each in pieces
        )
        whole = sum((energy * ratio for energy, ratio in parts), Decimal(0))
        return MeterSpan(meter, whole, "", parts)

    def _frozen(self) -> tuple[Ints, Flags]:
        """From day freezes; a freeze stands at the end of its day."""
        edges = self._edges
        values = np.zeros((len(self.meters), len(edges)), "<i8")
        known = np.zeros(values.shape, bool)
        near = len(edges) > 1 and (edges[-1] - edges[0]).days < 2 * len(edges)
        runs = [(0, len(edges))] if near else [(n, n + 1) for n in range(len(edges))]
        for begin, end in runs:
            span = (edges[begin] - _DAY, edges[end - 1] - _DAY)
            part = slice(begin, end)
            values[:, part], known[:, part] = self._read(self._ids, DAY_INTERVAL_S, span, part)
        return values, known

    def _from_curves(self, column: int) -> None:
        """What no freeze tells, the curve at midnight does."""
        edge, part = self._edges[column], slice(column, column + 1)
        lacking: dict[int, list[int]] = {}
        for row in np.flatnonzero(~self._known[:, column]).tolist():
            lacking.setdefault(self.meters[row].duty.energy_interval_s, []).append(row)
        for interval_s, rows in lacking.items():
            ids = [self._ids[row] for row in rows]
            values, known = self._read(ids, interval_s, (edge, edge), part)
            self._values[rows, column], self._known[rows, column] = values[:, 0], known[:, 0]

    def _read(
        self, ids: Sequence[int], interval_s: int, span: tuple[date, date], edges: slice
    ) -> tuple[Ints, Flags]:
        """The registers of some meters at some edges."""
        moments = np.array([self._days.start_s(each) for each in self._edges[edges]], "<i8")
        values, known = self._reader.table(ids, ENERGY, interval_s, span, moments)
        changed = [row for row, each in enumerate(ids) if self._dated.changed(each)]
        if changed:
            some = [ids[row] for row in changed]
            series = self._reader.series(some, [ENERGY], interval_s, span)
            whole = [
                self._dated.continued(each, ENERGY, series.get((each, ENERGY), EMPTY))
                for each in some
            ]
            values[changed], known[changed] = table_of(whole, moments)
        return values, known


def loss_of(energies: Sequence[MeterSpan]) -> Loss:
    """Line loss of the meters of one area."""
    found = []
    for each in energies:
        supplies = each.meter.kind == "supply"
        if each.kwh is None:
            found.append(Contribution(each.meter.id, supplies, each.meter.ratio, None))
        found += [Contribution(each.meter.id, supplies, ratio, kwh) for kwh, ratio in each.parts]
    return line_loss(found)

"""Energy of meters between midnights, and the line loss of areas over days and months, from few readings each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import Connection

from kwhub.catalog.registers import describe
from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.analysis.consumption import difference
from kwhub.headend.analysis.loss import Contribution, Loss, line_loss
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import archive_rows
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.bundles import Flags
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.dated import Dated, Piece
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro, local_date
from kwhub.headend.store.stays import Stay
from kwhub.headend.store.vectors import EMPTY

__all__ = ["LACKS", "MeterSpan", "Spans", "loss_of"]

LACKS = ("start", "end", "change", "fell")
"""Why the energy of a span is not known: the reading at its start, at its end or at a change of ratio or place in
between, or the register went down."""

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
        self._days = days
        self._edges = sorted(set(edges))
        self._areas = areas
        self._reader = Reader(connection, days)
        self.meters = archive_rows.served(connection, days.start(self._edges[0]), areas)
        self._ids = [each.id for each in self.meters]
        self._begun = {
            each.id: days.start_s(local_date(each.since_day))
            for each in self.meters
            if each.since_day is not None and each.since_day >= days.number(self._edges[0])
        }
        self._dated: Dated = self._reader.dated(self._ids).begun(
            {
                each.id: Stay(self._begun[each.id], None, each.area_id, each.ratio)
                for each in self.meters
                if each.id in self._begun
            }
        )
        self._first_values = self._begin_values()
        self._values, self._known = self._frozen()
        for column in range(len(self._edges)):
            self._from_curves(column)
        self._from_beginnings()
        self._changed = {
            row: self._at_changes(meter)
            for row, meter in enumerate(self.meters)
            if self._dated.changed(meter.id)
        }

    def energies(self, first: date, last: date) -> list[MeterSpan]:
        """Energy from the beginning of one day to the end of another; both must be edges.

        A meter that was moved in between stands once for each area, with the energy that was used there.
        """
        start, end = (self._edges.index(each) for each in (first, last + _DAY))
        used, found = self._used(start, end)
        lacks = self._lacks(start, end, found)
        spans: list[MeterSpan] = []
        for row, (meter, micro, lack) in enumerate(
            zip(self.meters, used.tolist(), lacks, strict=True)
        ):
            if row in self._changed:
                spans += self._divided(row, self._pieces(row, start, end))
            else:
                spans.append(_whole(meter, micro, lack))
        return spans

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
        for row in self._changed:
            parts = [each.micro for each in self._pieces(row, start, end) if each.served]
            known[row] = bool(parts) and None not in parts
            used[row] = sum(each or 0 for each in parts) if known[row] else 0
        return used, known

    def _lacks(self, start: int, end: int, found: Flags) -> list[str]:
        lacks = np.where(self._known[:, end], "fell", "end")
        lacks = np.where(self._known[:, start], lacks, "start")
        lacking: list[str] = np.where(found, "", lacks).tolist()
        return lacking

    def _pieces(self, row: int, start: int, end: int) -> tuple[Piece, ...]:
        """What a meter with a history used between two edges, piece by piece."""
        limits = (self._days.start_s(self._edges[start]), self._days.start_s(self._edges[end]))
        values = [
            int(self._values[row, edge]) if self._known[row, edge] else None
            for edge in (start, end)
        ]
        return self._dated.pieces(
            self._ids[row], ENERGY, limits, (values[0], values[1]), self._changed[row]
        )

    def _divided(self, row: int, pieces: Sequence[Piece]) -> list[MeterSpan]:
        """The pieces of a meter by area, of those areas that are asked for."""
        meter = self.meters[row]
        by_area: dict[int, list[Piece]] = {}
        for each in pieces:
            area = meter.area_id if each.ratio is None else each.area_id
            if area is not None and (self._areas is None or area in self._areas):
                by_area.setdefault(area, []).append(each)
        found = []
        for area, own in by_area.items():
            there = meter if area == meter.area_id else replace(meter, area_id=area)
            lack = next((each.lack for each in own if each.micro is None), "")
            if lack:
                found.append(MeterSpan(there, None, lack, ()))
                continue
            parts = tuple(
                (from_micro(each.micro or 0, _PLACES), each.ratio or meter.ratio) for each in own
            )
            whole = sum((energy * ratio for energy, ratio in parts), Decimal(0))
            found.append(MeterSpan(there, whole, "", parts))
        return found

    def _at_changes(self, meter: ArchiveMeter) -> dict[int, int]:
        """What a meter showed when its ratio or its place changed, by moment."""
        limits = tuple(self._days.start_s(self._edges[each]) for each in (0, -1))
        moments = np.array(self._dated.changes(meter.id, (limits[0], limits[1])), "<i8")
        begun = self._begun.get(meter.id)
        if moments.tolist() == [begun]:
            first = self._first_values.get(meter.id)
            return {} if begun is None or first is None else {begun: first}
        if not len(moments):
            return {}
        days = [self._days.of(datetime.fromtimestamp(each, UTC)) for each in moments.tolist()]
        found: dict[int, int] = {}
        for interval_s in (meter.duty.energy_interval_s, DAY_INTERVAL_S):  # a freeze is preferred
            span = (days[0] - _DAY, days[-1])
            series = self._reader.series([meter.id], [ENERGY], interval_s, span)
            values = on_grid(series.get((meter.id, ENERGY), EMPTY), moments)
            found |= {
                int(at): value
                for at, value in zip(moments, values, strict=True)
                if value is not None
            }
        if begun is not None and begun not in found and meter.id in self._first_values:
            found[begun] = self._first_values[meter.id]
        return found

    def _begin_values(self) -> dict[int, int]:
        """What new meters showed when their first day began, or first on it: they were put in after midnight.

        A new fleet has as many of them as meters, and few days.
        """
        found: dict[int, int] = {}
        by_day: dict[int, list[ArchiveMeter]] = {}
        for meter in self.meters:
            if meter.id in self._begun:
                by_day.setdefault(meter.since_day or 0, []).append(meter)
        for number, own in by_day.items():
            found |= self._begin_of(number, own)
        return found

    def _begin_of(self, number: int, own: Sequence[ArchiveMeter]) -> dict[int, int]:
        """The same of the meters whose first day is ``number``."""
        day, ids = local_date(number), [each.id for each in own]
        moments = np.array([self._days.number_start_s(number)], "<i8")
        span = (day - _DAY, day - _DAY)
        values, known = self._reader.table(ids, ENERGY, DAY_INTERVAL_S, span, moments)
        found = {ids[row]: int(values[row, 0]) for row in np.flatnonzero(known[:, 0]).tolist()}
        lacking: dict[int, list[int]] = {}
        for each in own:
            if each.id not in found:
                lacking.setdefault(each.duty.energy_interval_s, []).append(each.id)
        for interval_s, rest in lacking.items():
            read = self._reader.series(rest, [ENERGY], interval_s, (day, day))
            shown = (
                (meter_id, series.value[series.quality != int(Quality.NULL)])
                for (meter_id, _), series in read.items()
            )
            found |= {meter_id: int(each[0]) for meter_id, each in shown if len(each)}
        return found

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

    def _from_beginnings(self) -> None:
        """Of a meter that was put in on the day of an edge, what it showed first."""
        columns = {self._days.start_s(edge): column for column, edge in enumerate(self._edges)}
        for row, meter_id in enumerate(self._ids):
            column = columns.get(self._begun.get(meter_id, -1))
            value = self._first_values.get(meter_id)
            if column is not None and value is not None and not self._known[row, column]:
                self._values[row, column], self._known[row, column] = value, True

    def _read(
        self, ids: Sequence[int], interval_s: int, span: tuple[date, date], edges: slice
    ) -> tuple[Ints, Flags]:
        """The registers of some meters at some edges."""
        moments = np.array([self._days.start_s(each) for each in self._edges[edges]], "<i8")
        return self._reader.table(ids, ENERGY, interval_s, span, moments)


def _whole(meter: ArchiveMeter, used: int, lack: str) -> MeterSpan:
    """A meter of which nothing has ever changed."""
    if lack:
        return MeterSpan(meter, None, lack, ())
    energy = from_micro(used, _PLACES)
    return MeterSpan(meter, energy * meter.ratio, "", ((energy, meter.ratio),))


def loss_of(energies: Sequence[MeterSpan]) -> Loss:
    """Line loss of the meters of one area."""
    found = []
    for each in energies:
        supplies = each.meter.kind == "supply"
        if each.kwh is None:
            found.append(Contribution(each.meter.id, supplies, each.meter.ratio, None))
        found += [Contribution(each.meter.id, supplies, ratio, kwh) for kwh, ratio in each.parts]
    return line_loss(found)

"""The line loss of an area on one day, from the figures of its meters and the ratios of their time."""

from collections.abc import Sequence

import numpy as np

from kwhub.catalog.registers import describe
from kwhub.headend.analysis.loss import Contribution, Loss, line_loss
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.dated import Dated, Piece
from kwhub.headend.store.figures import MeterFigures, energy_so_far, on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro, local_date
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["loss_of_day", "loss_so_far"]


def loss_of_day(meters: Sequence[ArchiveMeter], figures: Sequence[MeterFigures]) -> Loss:
    """Loss of a day that is over; the figures are those of the meters, in their order."""
    return _loss(meters, [one.pieces for one in figures])


def loss_so_far(
    reader: Reader, meters: Sequence[ArchiveMeter], day: int, start_s: int
) -> tuple[int | None, Loss]:
    """Loss of a day that is not over.

    Args:
        reader: of one snapshot.
        meters: of the area.
        day: number of the day.
        start_s: its beginning, seconds since 1970.

    Returns:
        the newest moment that every meter has reached, None when there is none; the loss up to it.
    """
    numbers = [meter.id for meter in meters]
    dated = reader.dated(numbers)
    span = (local_date(day), local_date(day))
    found = {
        interval_s: reader.series(numbers, [ENERGY], interval_s, span)
        for interval_s in {meter.duty.energy_interval_s for meter in meters}
    }
    read = [found[meter.duty.energy_interval_s].get((meter.id, ENERGY), EMPTY) for meter in meters]
    curves = [
        dated.continued(meter.id, ENERGY, curve) for meter, curve in zip(meters, read, strict=True)
    ]
    until, energies = energy_so_far(curves, start_s)
    pieces = [
        _pieces(dated, meter.id, (start_s, until), curve, micro)
        for meter, curve, micro in zip(meters, read, energies, strict=True)
    ]
    return until, _loss(meters, pieces)


def _pieces(
    dated: Dated, meter_id: int, span_s: tuple[int, int | None], curve: Series, micro: int | None
) -> tuple[Piece, ...]:
    start_s, until = span_s
    if until is None or micro is None:
        return ()
    if not dated.changed(meter_id):
        return (Piece(None, micro),)
    begin, last = on_grid(curve, np.array([start_s, until], "<i8"))
    return dated.pieces(meter_id, ENERGY, (start_s, until), (begin, last))


def _loss(meters: Sequence[ArchiveMeter], pieces: Sequence[Sequence[Piece]]) -> Loss:
    """A meter without a piece is missing."""
    found = []
    for meter, own in zip(meters, pieces, strict=True):
        supplies = meter.kind == "supply"
        if not own:
            found.append(Contribution(meter.id, supplies, meter.ratio, None))
        for each in own:
            places = describe(ENERGY).decimals
            kwh = None if each.micro is None else from_micro(each.micro, places)
            found.append(Contribution(meter.id, supplies, each.ratio or meter.ratio, kwh))
    return line_loss(found)

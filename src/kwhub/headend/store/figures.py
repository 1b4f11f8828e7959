"""Figures of meters over one local day: what was owed and came, and what was used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.analysis.consumption import DayEnergy, day_energy, difference
from kwhub.headend.quality.expect import ENERGY, Duty, Moments, due, intervals, owed
from kwhub.headend.store.dated import Piece
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader, SeriesKey
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["MeterFigures", "day_figures", "energy_so_far", "on_grid"]

# Looking up a member of an enumeration takes as long as a small array, and here it is done for every meter.
_NULL, _SUBSTITUTED = int(Quality.NULL), int(Quality.SUBSTITUTED)

SO_FAR = "so_far"
"""Source of the energy of a day that is not over."""


@dataclass(frozen=True, slots=True)
class MeterFigures:
    """One meter on one day."""

    expected: int
    got: int
    energy: DayEnergy
    pieces: tuple[Piece, ...] = ()  #: of the energy of a day that is over, by ratio


def day_figures(
    reader: Reader, days: Days, meters: Mapping[int, Duty], span: tuple[date, date], now: datetime
) -> dict[tuple[int, date], MeterFigures]:
    """Figures of some meters on each day of a span.

    Args:
        reader: of one snapshot.
        days: the zone's days.
        meters: what is read of each, by number of meter.
        span: first and last day, both inclusive.
        now: the present; what is not due yet is not expected.
    """
    first, last = span
    one_day = timedelta(days=1)
    # A day's energy needs the freeze of the day before and the curve's first point of the day after.
    series = {
        interval: reader.series(meters, registers, interval, (first - one_day, last + one_day))
        for interval, registers in intervals(meters.values()).items()
    }
    dated = reader.dated(meters)
    found = {}
    for number in range((last - first).days + 1):
        day = first + number * one_day
        limits = days.span_s(day, day)
        moments = {each: due(each, limits, int(now.timestamp())) for each in series}
        for meter_id, duty in meters.items():
            expected, got = _counts(meter_id, duty, series, moments)
            curve, freeze = (
                series.get(each, {}).get((meter_id, ENERGY), EMPTY)
                for each in (duty.energy_interval_s, DAY_INTERVAL_S)
            )
            read = {"freeze": freeze, "curve": curve}
            if dated.changed(meter_id):
                curve, freeze = (
                    dated.continued(meter_id, ENERGY, each) for each in (curve, freeze)
                )
            over = now.timestamp() >= limits[1]
            energy = _energy(curve, freeze, limits, duty.energy_interval_s, over=over)
            pieces: tuple[Piece, ...] = ()
            if energy.micro is not None and energy.source in read:
                pieces = (Piece(None, energy.micro),)
                if dated.changed(meter_id):
                    first_read, last_read = on_grid(read[energy.source], np.array(limits, "<i8"))
                    pieces = dated.pieces(meter_id, ENERGY, limits, (first_read, last_read))
            found[meter_id, day] = MeterFigures(expected, got, energy, pieces)
    return found


def on_grid(series: Series, moments: Moments) -> list[int | None]:
    """The values at some moments, None where there is none."""
    if not len(series):
        return [None] * len(moments)
    places, there = _places(series, moments)
    values: list[int | None] = series.value[places].tolist()
    if np.all(there):
        return values
    return [value if known else None for value, known in zip(values, there, strict=True)]


def energy_so_far(curves: Iterable[Series], start_s: int) -> tuple[int | None, list[int | None]]:
    """Energy of several meters since ``start_s``, all up to the same moment.

    Returns:
        the newest moment that all meters with a curve have reached, None when there is none; the
        energy of each up to it in millionths, None for a meter without a reading at either end.
    """
    known = [_present(each) for each in curves]
    ends = [int(each.at[-1]) for each in known if len(each) and each.at[-1] > start_s]
    if not ends:
        return None, [None] * len(known)
    stop_s = min(ends)
    grid = np.array([start_s, stop_s], "<i8")
    return stop_s, [difference(*on_grid(each, grid)) for each in known]


def _counts(
    meter_id: int,
    duty: Duty,
    series: Mapping[int, Mapping[SeriesKey, Series]],
    moments: Mapping[int, Moments],
) -> tuple[int, int]:
    expected = got = 0
    for one in owed(duty):
        at = moments[one.interval_s]
        expected += len(at)
        found = series[one.interval_s].get((meter_id, one.register))
        if found is not None:
            places, there = _places(found, at)
            measured = found.quality[places] >= _SUBSTITUTED if len(found) else there
            got += int(
                np.count_nonzero(np.logical_and(there, measured))
            )  # an estimate did not come
    return expected, got


def _energy(
    curve: Series, freeze: Series, limits: tuple[int, int], interval_s: int, *, over: bool
) -> DayEnergy:
    start_s, stop_s = limits
    if not over:
        _, (micro,) = energy_so_far([curve.between(start_s, stop_s)], start_s)
        return DayEnergy(micro, "" if micro is None else SO_FAR, None)
    before, after = on_grid(freeze, np.array(limits, "<i8"))
    grid = np.arange(start_s, stop_s + 1, interval_s, dtype="<i8")
    return day_energy((before, after), on_grid(curve, grid))


def _places(series: Series, moments: Moments) -> tuple[Moments, Sequence[bool]]:
    """Where each moment is in the series, and whether it is there with a value."""
    if not len(series):
        return np.zeros(len(moments), "<i8"), [False] * len(moments)
    places = np.minimum(np.searchsorted(series.at, moments), len(series) - 1)
    there = (series.at[places] == moments) & (series.quality[places] != _NULL)
    return places, there


def _present(series: Series) -> Series:
    kept = series.quality != _NULL
    return Series(series.at[kept], series.value[kept], series.quality[kept])

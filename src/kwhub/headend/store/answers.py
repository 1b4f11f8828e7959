"""Rows of the store as the views that pages and API get."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from kwhub.catalog.registers import describe
from kwhub.domain.readings import Quality, Register
from kwhub.headend.quality.expect import ENERGY, Moments
from kwhub.headend.store import archive_rows
from kwhub.headend.store.bundles import Flags
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.figures import MeterFigures
from kwhub.headend.store.read import Latest
from kwhub.headend.store.schema import MICRO, from_micro
from kwhub.headend.store.views import Drawn, LatestRow, MeterRow

__all__ = ["drawn", "kwh", "latest_row", "meter_row"]


def meter_row(
    meter: archive_rows.ArchiveMeter, figures: MeterFigures, latest: Sequence[Latest]
) -> MeterRow:
    """A row of the list of meters."""
    energies = [one for one in latest if one.register == ENERGY]
    newest = max(energies, key=lambda one: one.captured_at, default=None)
    return MeterRow(
        id=meter.id,
        address=meter.address,
        name=meter.name,
        point=meter.point,
        terminal=meter.terminal,
        kind=meter.kind,
        phases=meter.phases,
        expected=figures.expected,
        got=figures.got,
        last_energy=kwh(newest.value) if newest else None,
        last_energy_at=datetime.fromtimestamp(newest.captured_at, UTC) if newest else None,
        day_kwh=kwh(figures.energy.micro),
    )


def latest_row(one: Latest) -> LatestRow:
    """A row of the newest values."""
    info = describe(Register(one.register))
    return LatestRow(
        register=Register(one.register),
        name_en=info.name_en,
        name_zh=info.name_zh,
        value=from_micro(one.value, info.decimals) if one.quality != Quality.NULL else None,
        unit=info.unit,
        captured_at=datetime.fromtimestamp(one.captured_at, UTC),
        received_at=one.received_at,
        interval_s=one.interval_s,
        quality=one.quality,
        source=one.source,
    )


def drawn(moments: Moments, values: Ints, known: Flags) -> Drawn:
    """A series for a chart, from millionths and whether each is known."""
    numbers: list[float | None] = (values / MICRO).tolist()
    if not known.all():
        numbers = [
            value if there else None for value, there in zip(numbers, known.tolist(), strict=True)
        ]
    return Drawn(moments.tolist(), numbers)


def kwh(micro: int | None) -> Decimal | None:
    """Millionths of a kWh as kWh."""
    return None if micro is None else from_micro(micro, describe(ENERGY).decimals)

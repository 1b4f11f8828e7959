"""How often a meter was read today: every readout costs a battery meter some of its life."""

from datetime import date

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.config_downlinks import MbusMeterSettings
from kwhub.concentrator.plan import PlannedMeter

__all__ = ["Readouts"]

_COUNTS = 100_000  # a day's number and its count share one number of the store


class Readouts:
    """Counts that survive a restart. Methods may raise StoreError."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def allowed(self, meter: PlannedMeter, today: date) -> bool:
        """Whether one more is within the limit of the meter's settings."""
        settings = meter.settings
        limit = settings.readouts_a_day if isinstance(settings, MbusMeterSettings) else 0
        return not limit or self.made(meter.point, today) < limit

    def made(self, point: int, today: date) -> int:
        """How many were made today."""
        day, count = divmod(self._archive.state(_name(point)), _COUNTS)
        return count if day == today.toordinal() else 0

    def count(self, point: int, today: date) -> None:
        """One more was made."""
        made = min(self.made(point, today) + 1, _COUNTS - 1)
        self._archive.set_state(_name(point), today.toordinal() * _COUNTS + made)


def _name(point: int) -> str:
    return f"readouts of point {point}"

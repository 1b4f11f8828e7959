"""The pages about measuring points: the archive, one of them, and the live look at its meter."""

from collections.abc import Mapping
from typing import Any

from kwhub.concentrator.display.layout import WIDE, Look, ends, facts, fit, table
from kwhub.concentrator.display.pages import FactsPage, Key, ListPage, Open, Page, Step
from kwhub.concentrator.panel_views import (
    AskArchive,
    AskMeter,
    LiveValue,
    MeterDetail,
    MeterRow,
    Query,
    ReadNow,
    Snapshot,
)

__all__ = ["ArchivePage", "LivePage", "LocalPage", "MeterPage"]

LIVE_PAUSE_S = 5.0
"""Between two live looks, so that the plan has the bus most of the time."""

_TABLE_CELLS = 32
"""Narrower glass has no room for three phases beside each other."""
_LABEL_CELLS = 8
_PHASED = (
    12,
    11,
    16,
    13,
)  # voltage, current, power, power factor: value group C of phase A is 20 more
_LINES = (20, 40, 60)


class ArchivePage(ListPage):
    """All measuring points."""

    title = "archive"

    def query(self, height: int) -> Query[Any]:
        """See Page."""
        return AskArchive(*self.window(height))

    def line(self, item: MeterRow, look: Look) -> str:
        """See ListPage."""
        mark = "!" if item.silent_since is not None else " "
        left = f"{mark}{item.point:>4} {item.address}"
        value = "" if item.value is None else f"{item.value} {item.unit}"
        if look.width < WIDE // 2:
            return left
        if look.width < WIDE:
            return ends(left, value, look.width)
        at = look.moment(item.at) if item.at is not None else ""
        left = f"{left}  {fit(item.bus or look.texts('meter.no_bus'), 12)}{item.name}"
        return ends(left, f"{value}  {at:<19}", look.width)

    def opened(self, item: MeterRow) -> Page:
        """See ListPage."""
        return MeterPage(item.point)


class LocalPage(ArchivePage):
    """The same list, for reading at once."""

    title = "local"

    def opened(self, item: MeterRow) -> Page:
        """See ListPage."""
        return LivePage(item.point)


class MeterPage(FactsPage):
    """One measuring point as the store knows it."""

    title = "meter"
    hint = "meter"

    def __init__(self, point: int) -> None:
        super().__init__()
        self._point = point

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return AskMeter(self._point)

    def heading(self, look: Look) -> str:
        """See Page."""
        return f"{super().heading(look)} {self._point}"

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        meter: MeterDetail = self.view
        row, told = meter.row, look.texts
        error_s = meter.clock_error_s
        pairs = [
            ("address", row.address),
            ("bus", row.bus or told("meter.no_bus")),
            ("protocol", meter.protocol),
            ("phases", str(meter.phases)),
            ("contact", look.moment(meter.last_contact)),
            ("clock", told("word.unknown") if error_s is None else f"{error_s:+.0f} s"),
            ("open", str(meter.gaps_open)),
            ("lost", str(meter.gaps_lost)),
        ]
        if row.name:
            pairs.insert(0, ("name", row.name))
        if row.silent_since is not None:
            pairs.append(("silent", look.moment(row.silent_since)))
            pairs.append(("attempts", str(meter.attempts)))
        for each in meter.abnormal:
            pairs.append(("abnormal", told.either(each.text_en, each.text_zh)))
            pairs.append(("since", f"{look.moment(each.since)} {each.detail}".rstrip()))
        named = [(told(f"meter.{key}"), value) for key, value in pairs]
        for reading in meter.readings:
            value = told("word.none") if reading.value is None else reading.value
            shown = f"{value} {reading.unit}".rstrip()
            if look.width >= WIDE:
                shown = f"{shown:<18} {look.moment(reading.at)}"
            named.append((told.register(reading.register), shown))
        return facts(named, look.width)

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        if key is Key.ENTER:
            return Open(page=LivePage(self._point))
        return super().press(key, look)


class LivePage(FactsPage):
    """One meter as it is now; read again and again while the page is open, unless a battery pays for it."""

    title = "live"
    hint = "meter"
    refresh_s = LIVE_PAUSE_S

    def __init__(self, point: int) -> None:
        super().__init__()
        self._point = point

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return ReadNow(self._point)

    def heading(self, look: Look) -> str:
        """See Page."""
        return f"{super().heading(look)} {self._point}"

    def take(self, view: Snapshot) -> None:
        """See Page."""
        super().take(view)
        self.refresh_s = LIVE_PAUSE_S if view.is_free else 0.0

    def press(self, key: Key, look: Look) -> Step:
        """See Page; Enter reads at once."""
        return Step(asks=True) if key is Key.ENTER else super().press(key, look)

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        snapshot: Snapshot = self.view
        told = look.texts
        time = look.moment(snapshot.at).rpartition(" ")[2]
        took = f"{snapshot.took_s:.1f}"
        values = {value.register: value for value in snapshot.values}
        phases = _phases(values, look)
        rest = [value for value in snapshot.values if not (phases and _is_phased(value.register))]
        named = [(told("meter.address"), snapshot.address)]
        named += [(told.register(value.register), _shown(value, look)) for value in rest]
        named.append((told("live.clock"), snapshot.meter_clock or told("word.unknown")))
        lines = facts(named, look.width)
        return [*lines[:1], *phases, *lines[1:], told("live.took", time=time, seconds=took)]

    def rows(self, look: Look) -> list[Any]:
        """See Page."""
        rows = super().rows(look)
        if self.view is None and self.trouble is None:
            return [rows[0]._replace(text=look.texts("live.asking"))]
        return rows


def _shown(value: LiveValue, look: Look) -> str:
    if value.error:
        return look.texts("live.refused")
    return (
        look.texts("word.none") if value.value is None else f"{value.value} {value.unit}".rstrip()
    )


def _is_phased(register: str) -> bool:
    return register in {_phase_register(group, line) for group in _PHASED for line in _LINES}


def _phase_register(group: int, line: int) -> str:
    return f"1-0:{group + line}.7.0"


def _phases(values: Mapping[str, LiveValue], look: Look) -> list[str]:
    """The phases beside each other, of a three-phase meter and where there is room."""
    if look.width < _TABLE_CELLS or _phase_register(_PHASED[0], _LINES[1]) not in values:
        return []
    rows = [[look.texts("live.phase"), "A", "B", "C"]]
    for group, label in zip(_PHASED, ("V", "A", "kW", "cos φ"), strict=True):
        found = [values.get(_phase_register(group, line)) for line in _LINES]
        rows.append(
            [label, *("-" if each is None or each.value is None else each.value for each in found)]
        )
    return table(rows, _LABEL_CELLS, min(look.width, WIDE))

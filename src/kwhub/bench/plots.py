"""Pictures of the reports as SVG with letters as outlines, so that they look the same everywhere.

Source: our own drawing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from kwhub.bench.evidence import Evidence
from kwhub.bench.response import Probe
from kwhub.bench.results import BAD, Limit, MeterResult
from kwhub.bench.waveform import marks_of
from kwhub.bench.words import LABELS, NAMES, Language, number
from kwhub.domain.errors import DecodeError

__all__ = ["device_plots", "failure_plot", "histogram", "style"]

GOOD: Final = "#15803d"
BAD_COLOR: Final = "#b91c1c"
INK: Final = "#1f2937"
GREY: Final = "#6b7280"
BLUE: Final = "#1d4ed8"
BAND: Final = "#dcfce7"
FAMILIES: Final = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "SimHei",
)
SIZE: Final = (4.6, 2.5)


class _Sheet:
    """A figure with one pair of axes and the words of a language."""

    def __init__(self, title: str, language: Language, size: tuple[float, float] = SIZE) -> None:
        self.language = language
        self.figure = Figure(figsize=size, layout="constrained")
        self.axes: Any = self.figure.add_subplot()
        self.axes.set_title(title, loc="left", fontsize=9, color=INK, fontweight="bold")
        self.axes.tick_params(labelsize=7, colors=GREY, length=2)
        for name, spine in self.axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color("#d1d5db")

    def label(self, across: str, up: str = "") -> None:
        """Name the axes."""
        self.axes.set_xlabel(_say(across, self.language), fontsize=7.5, color=GREY)
        if up:
            self.axes.set_ylabel(_say(up, self.language), fontsize=7.5, color=GREY)

    def limits(self, limit: Limit | None, scale: float = 1.0) -> None:
        """Show the bounds as lines and what is allowed as a light band within the view."""
        if limit is None:
            return
        low, high = self.axes.get_xlim()
        bounds = [bound * scale for bound in (limit.least, limit.most) if bound is not None]
        margin = 0.04 * (high - low)
        low, high = (
            min([low, *(b - margin for b in bounds)]),
            max([high, *(b + margin for b in bounds)]),
        )
        self.axes.set_xlim(low, high)
        left = low if limit.least is None else limit.least * scale
        right = high if limit.most is None else limit.most * scale
        self.axes.axvspan(left, right, color=BAND, zorder=0, linewidth=0)
        for bound in bounds:
            self.axes.axvline(bound, color=GOOD, linewidth=0.9, linestyle="--", zorder=1)

    def svg(self) -> bytes:
        """The bytes of the file; the same for the same numbers."""
        file = BytesIO()
        self.figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()


def _say(key: str, language: Language) -> str:
    return LABELS[key][language == "zh"]


@contextmanager
def style() -> Iterator[None]:
    """Fonts and settings of all pictures."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415 - reads the list of fonts

    installed = {font.name for font in fontManager.ttflist}
    families = [name for name in FAMILIES if name in installed]
    settings: Any = {
        "font.family": families,
        "svg.fonttype": "path",
        "svg.hashsalt": "kwhub",
        "axes.unicode_minus": False,
    }
    with mpl.rc_context(settings):
        yield


def device_plots(result: MeterResult, evidence: Evidence, language: Language) -> list[bytes]:
    """The pictures of one device that its raw data allow."""
    drawers: tuple[Callable[[MeterResult, Evidence, Language], bytes | None], ...] = (
        _spectrum,
        _periods,
        _timing,
        _distance,
        _angle,
        _immunity,
    )
    with style():
        drawn = [drawer(result, evidence, language) for drawer in drawers]
    return [picture for picture in drawn if picture is not None]


def _spectrum(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    if evidence.spectrum is None:
        return None
    sheet = _Sheet(_say("spectrum", language), language)
    nm = np.asarray(evidence.spectrum.wavelengths_nm)
    power = np.asarray(evidence.spectrum.powers)
    top = float(power.max()) or 1.0
    sheet.axes.plot(nm, power / top, color=BLUE, linewidth=1)
    sheet.axes.set_xlim(nm[0], nm[-1])
    peak = result.of("wavelength_peak")
    sheet.limits(peak.limit)
    width = result.of("wavelength_width").value
    if peak.value is not None and width is not None:
        sheet.axes.axvline(peak.value, color=INK, linewidth=0.8)
        sheet.axes.annotate(f" {number(peak.value)} nm", (peak.value, 1.05), fontsize=7, color=INK)
        sheet.axes.hlines(
            0.5, peak.value - width / 2, peak.value + width / 2, color=INK, linewidth=0.8
        )
    sheet.axes.set_ylim(0, 1.15)
    sheet.label("wavelength_axis", "power_axis")
    return sheet.svg()


def _periods(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    carrier = result.of("carrier")
    if evidence.capture is None or carrier.value is None:
        return None
    sheet = _Sheet(_say("periods", language), language)
    periods = np.diff(evidence.capture.answer[::2]) / evidence.capture.rate_hz
    rates = 1e-3 / periods
    near = rates[np.abs(rates - carrier.value / 1000) < 3]
    middle = float(np.median(near))
    reach = max(0.4, 5 * float(near.std()))
    sheet.axes.hist(near, bins=np.linspace(middle - reach, middle + reach, 41), color=BLUE)
    sheet.limits(carrier.limit, 1e-3)
    sheet.axes.axvline(carrier.value / 1000, color=INK, linewidth=0.8)
    sheet.label("frequency_axis", "count_axis")
    return sheet.svg()


def _timing(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    capture = evidence.capture
    if capture is None:
        return None
    sheet = _Sheet(_say("timing", language), language)
    ends = []
    for row, (name, edges, color) in enumerate(
        (("answer_light", capture.answer, "#c2410c"), ("request", capture.request, GREY))
    ):
        try:
            begin_us, train = marks_of(edges, capture.rate_hz, name)
        except DecodeError:
            continue
        bounds = begin_us + np.concatenate(([0.0], np.cumsum(train.durations_us)))
        marks = [
            (a / 1000, (b - a) / 1000) for a, b in zip(bounds[::2], bounds[1::2], strict=False)
        ]
        sheet.axes.broken_barh(marks, (row + 0.1, 0.8), facecolors=color, linewidth=0)
        ends.append((bounds[0] / 1000, bounds[-1] / 1000))
    sheet.axes.set_yticks([0.5, 1.5], [_say("answer_light", language), _say("request", language)])
    turn = result.of("turn_round")
    if turn.value is not None and len(ends) == 2:
        begin = ends[0][0]
        sheet.axes.annotate(
            "",
            (begin, 1.0),
            (begin - turn.value, 1.0),
            arrowprops={
                "arrowstyle": "<->",
                "color": INK,
                "linewidth": 0.8,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        sheet.axes.annotate(
            f"{number(turn.value)} ms", (begin, 1.06), fontsize=7, color=INK, ha="left"
        )
    sheet.axes.set_ylim(0, 2)
    sheet.label("time_axis")
    return sheet.svg()


def _distance(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    probes = [probe for probe in evidence.probes if probe.what == "distance"]
    if not probes:
        return None
    sheet = _Sheet(_say("reach", language), language)
    _dots(sheet, [(probe.distance_m, probe) for probe in probes])
    found = result.of("distance")
    sheet.axes.set_xlim(0, max(probe.distance_m for probe in probes) * 1.05)
    sheet.limits(found.limit)
    _mark(sheet, found.value, f"{'≥ ' if found.at_bound else ''}{number(found.value)} m")
    sheet.label("distance_axis", "share_axis")
    return sheet.svg()


def _angle(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    probes = [probe for probe in evidence.probes if probe.what == "angle"]
    if not probes:
        return None
    sheet = _Sheet(_say("angles", language), language)
    _dots(sheet, [(probe.angle_deg, probe) for probe in probes])
    found = result.of("angle")
    reach = max(abs(probe.angle_deg) for probe in probes) * 1.08 or 1.0
    sheet.axes.set_xlim(-reach, reach)
    if found.limit is not None and found.limit.least is not None:
        sheet.axes.axvspan(-found.limit.least, found.limit.least, color=BAND, zorder=0, linewidth=0)
    for sign in (-1, 1):
        value = None if found.value is None else sign * found.value
        _mark(sheet, value, f"{number(value)}°")
    sheet.label("angle_axis", "share_axis")
    return sheet.svg()


def _dots(sheet: _Sheet, places: Sequence[tuple[float, Probe]]) -> None:
    colors = [GOOD if probe.most else BAD_COLOR for _, probe in places]
    shares = [100 * probe.answered / probe.asked for _, probe in places]
    sheet.axes.scatter([at for at, _ in places], shares, c=colors, s=16, zorder=3, linewidths=0)
    sheet.axes.set_ylim(-8, 118)
    sheet.axes.set_yticks([0, 50, 100])


def _mark(sheet: _Sheet, value: float | None, text: str) -> None:
    if value is None:
        return
    sheet.axes.axvline(value, color=INK, linewidth=0.8)
    low, high = sheet.axes.get_xlim()
    right = value > (low + high) / 2
    place = (value + (-0.01 if right else 0.01) * (high - low), 107)
    sheet.axes.annotate(text, place, fontsize=7, color=INK, ha="right" if right else "left")


def _immunity(result: MeterResult, evidence: Evidence, language: Language) -> bytes | None:
    kinds = {
        "sunlight": "daylight",
        "lamp_100hz": "lamp",
        "ballast_45khz": "ballast",
        "second_transmitter": "second",
    }
    probes = [probe for probe in evidence.probes if probe.what in kinds]
    if not probes:
        return None
    sheet = _Sheet(_say("immunity", language), language)
    names = []
    for probe in probes:
        name = _say(kinds[probe.what], language)
        names.append(f"{name} {probe.daylight_lux / 1000:g} klx" if probe.daylight_lux else name)
    shares = [100 * probe.answered / probe.asked for probe in probes]
    colors = [
        GOOD if result.of(probe.what).verdict not in BAD and probe.most else BAD_COLOR
        for probe in probes
    ]
    places = np.arange(len(probes))[::-1]
    sheet.axes.barh(places, [max(share, 1) for share in shares], color=colors, height=0.6)
    sheet.axes.set_yticks(places, names)
    sheet.axes.set_xlim(0, 105)
    sheet.label("share_axis")
    return sheet.svg()


def histogram(
    key: str, unit: str, values: Sequence[float], limit: Limit | None, language: Language
) -> bytes:
    """How often which value was measured, with the limits."""
    with style():
        name = NAMES[key][language == "zh"]
        sheet = _Sheet(f"{name}, {unit}" if unit else name, language, (4.6, 2.2))
        spread = max(values) - min(values)
        bins: Any = min(max(8, len(values) // 4), 40) if spread > 0 else 1
        found = np.asarray(values)
        counts, edges = np.histogram(found, bins=bins)
        centres = (edges[:-1] + edges[1:]) / 2
        colors = [BLUE if limit is None or limit.holds(float(at)) else BAD_COLOR for at in centres]
        sheet.axes.bar(centres, counts, width=np.diff(edges) * 0.92, color=colors)
        sheet.limits(limit)
        sheet.label("value", "count_axis")
        return sheet.svg()


def failure_plot(counts: Sequence[tuple[str, int]], language: Language) -> bytes:
    """Failures by quantity, most first."""
    with style():
        sheet = _Sheet(_say("failures", language), language, (9.4, 0.8 + 0.26 * len(counts)))
        places = np.arange(len(counts))[::-1]
        sheet.axes.barh(places, [count for _, count in counts], color=BAD_COLOR, height=0.6)
        sheet.axes.set_yticks(places, [NAMES[key][language == "zh"] for key, _ in counts])
        for place, (_, count) in zip(places, counts, strict=True):
            sheet.axes.annotate(f" {count}", (count, place), fontsize=7, va="center", color=INK)
        sheet.axes.xaxis.get_major_locator().set_params(integer=True)
        sheet.label("devices")
        return sheet.svg()

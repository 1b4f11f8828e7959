"""A picture of a pulse train with what it says under it, as PNG or SVG.

Source: our own drawing.
"""

from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate
from typing import Any, Final, Literal

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from kwhub.infrared.codes import Decoded
from kwhub.infrared.plot_notes import Note, Row, notes_of, rows_of, unit_of
from kwhub.infrared.pulses import Pulses

__all__ = ["draw"]

Language = Literal["en", "zh"]

UNITS_IN_ROW: Final = 64
ROWS_MAX: Final = 30
WIDTH_INCHES: Final = 12.0
ROW_INCHES: Final = 1.25
HEAD_INCHES: Final = 0.75
LIGHT: Final = "#c2410c"
INK: Final = "#1f2937"
GREY: Final = "#6b7280"
GOOD: Final = "#dbeafe"
BAD: Final = "#fecaca"
FRAME: Final = "#e5e7eb"
LAYERS: Final = {"bit": (-0.42, 0.34), "byte": (-0.86, 0.40), "frame": (-1.34, 0.42)}
"""Bottom and height of each layer; the light reaches from 0 to 1."""
FAMILIES: Final = [
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "SimHei",
]
WORDS: Final = {
    "en": {
        "carrier": "carrier {:.2f} kHz",
        "duty": "duty {:.0f} %",
        "length": "{:.1f} ms",
        "more": "the rest is not shown",
        "time": "time in ms; filled: light, 0 of a UART",
        "empty": "no pulses",
    },
    "zh": {
        "carrier": "载波 {:.2f} kHz",
        "duty": "占空比 {:.0f} %",
        "length": "{:.1f} ms",
        "more": "其余部分未显示",
        "time": "时间（ms）；填充部分有光，即 UART 的 0",
        "empty": "无脉冲",
    },
}


def draw(
    pulses: Pulses,
    answers: Sequence[Decoded] = (),
    *,
    kind: Literal["png", "svg"] = "png",
    title: str = "",
    language: Language = "en",
) -> bytes:
    """The picture as the bytes of a file; at most ``ROWS_MAX`` rows, and it says what is left out."""
    notes = notes_of(pulses, answers)
    span = UNITS_IN_ROW * unit_of(pulses)
    rows = rows_of(pulses, notes, span, most=ROWS_MAX + 1)
    shown = rows[:ROWS_MAX]
    height = HEAD_INCHES + ROW_INCHES * max(len(shown), 1) + 0.4
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=120)
    figure.text(
        0.02,
        1 - 0.3 / height,
        _headline(pulses, title, language, left_out=len(rows) > ROWS_MAX),
        fontproperties=_font(11, "bold"),
        color=INK,
        va="center",
    )
    widest = max((row.end_us - row.begin_us for row in shown), default=span)
    edges = list(accumulate(pulses.durations_us, initial=0.0))
    for place, row in enumerate(shown):
        bottom = (height - HEAD_INCHES - ROW_INCHES * (place + 1) + 0.25) / height
        axes = figure.add_axes((0.02, bottom, 0.96, (ROW_INCHES - 0.25) / height))
        _draw_row(axes, row, widest, edges, notes)
    words = WORDS[language]["time"]
    figure.text(0.02, 0.1 / height, words, fontproperties=_font(8), color=GREY)
    file = BytesIO()
    figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _font(size: float, weight: str = "normal") -> FontProperties:
    return FontProperties(family=_families(), size=size, weight=weight)


def _families() -> list[str]:
    """Those of our families that are installed, so that none is asked for in vain."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415 - reads the list of fonts

    installed = {font.name for font in fontManager.ttflist}
    return [name for name in FAMILIES if name in installed]


def _headline(pulses: Pulses, title: str, language: Language, *, left_out: bool) -> str:
    words = WORDS[language]
    parts = [title] if title else []
    if pulses.carrier_hz is not None:
        parts.append(words["carrier"].format(pulses.carrier_hz / 1000))
    if pulses.duty is not None:
        parts.append(words["duty"].format(pulses.duty * 100))
    length = words["length"].format(pulses.length_us / 1000)
    parts.append(length if pulses.durations_us else words["empty"])
    if left_out:
        parts.append(words["more"])
    return "  ·  ".join(parts)


def _draw_row(
    axes: Any, row: Row, widest_us: float, edges: Sequence[float], notes: Sequence[Note]
) -> None:
    """One row: the light above, the notes below, the time in milliseconds at the bottom."""
    begin, end = row.begin_us, row.end_us
    axes.set_xlim(begin - widest_us * 0.005, begin + widest_us * 1.005)
    axes.set_ylim(-1.42, 1.12)
    marks = [
        (max(start, begin), min(stop, end) - max(start, begin))
        for start, stop in zip(edges[::2], edges[1::2], strict=False)
        if stop > begin and start < end
    ]
    axes.broken_barh(marks, (0, 1), facecolors=LIGHT, linewidth=0)
    axes.plot([begin, end], [0, 0], color=LIGHT, linewidth=1, solid_capstyle="butt")
    for note in notes:
        if note.end_us > begin + 1 and note.begin_us < end - 1:
            _draw_note(axes, note, row, widest_us)
    axes.set_yticks([])
    ticks = axes.get_xticks()
    axes.set_xticks([tick for tick in ticks if begin <= tick <= end + 1])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    axes.tick_params(axis="x", labelsize=7, length=2, pad=1, colors=GREY)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(FRAME)


def _draw_note(axes: Any, note: Note, row: Row, widest_us: float) -> None:
    left, right = max(note.begin_us, row.begin_us), min(note.end_us, row.end_us)
    bottom, height = LAYERS[note.layer]
    if note.layer == "bit":
        axes.plot([left, left], [bottom, 0], color=FRAME, linewidth=0.6)
    else:
        color = BAD if not note.good else GOOD if note.layer == "byte" else FRAME
        axes.broken_barh(
            [(left, right - left)], (bottom, height), facecolors=color, edgecolor="white"
        )
    text = _fitting(note, (right - left) / widest_us)
    centre = note.layer != "frame"
    axes.text(
        (left + right) / 2 if centre else left + widest_us * 0.004,
        bottom + height / 2,
        text,
        fontproperties=_font(7 if note.layer == "bit" else 8),
        color=INK if note.good else "#991b1b",
        ha="center" if centre else "left",
        va="center",
        clip_on=True,
    )


def _fitting(note: Note, share: float) -> str:
    """As much of the text as there is room for; share is that of the width of a row."""
    room = int(share * 190)
    if note.layer == "frame" and len(note.text) > room:
        return note.text[: max(room - 1, 0)] + "…" if room > 3 else ""
    return note.text

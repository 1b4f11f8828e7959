"""The report of a performance test of Bluetooth links: table, pictures, limits, as HTML and PDF."""

import base64
from io import BytesIO
from typing import Any, Final

from matplotlib.figure import Figure

from kwhub.bench.bluetooth import BluetoothResult, Cell, Judged
from kwhub.bench.bluetooth_limits_file import BLUETOOTH_KEYS, BluetoothLimits
from kwhub.bench.plots import style
from kwhub.bench.report import TEMPLATES
from kwhub.bench.words import LABELS, Language, bounds, number

__all__ = ["BLUETOOTH_NAMES", "bluetooth_html", "figure_text"]

BLUETOOTH_NAMES: Final[dict[str, tuple[str, str]]] = {
    "rate": ("readings/s and link", "每链路读数/秒"),
    "p50": ("latency p50, ms", "时延 p50，ms"),
    "p95": ("latency p95, ms", "时延 p95，ms"),
    "p99": ("latency p99, ms", "时延 p99，ms"),
    "loss": ("lost, %", "丢失率，%"),
    "throughput": ("throughput, kB/s", "吞吐量，kB/s"),
    "reconnect": ("back after, s", "重连时间，s"),
}

SAYINGS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Bluetooth links: performance", "蓝牙链路通信性能检测报告"),
    "simulated": (
        "Simulated radio: this report says nothing about a real aerial.",
        "无线信道为仿真，本报告不代表任何实物。",
    ),
    "interval": ("connection interval", "连接间隔"),
    "supervision": ("supervision time-out", "监督超时"),
    "interference": ("interference", "干扰丢包率"),
    "exponent": ("path loss exponent", "路径损耗指数"),
    "size": ("masters × slaves", "主机 × 从机"),
    "links": ("links", "链路数"),
    "colours": (
        "Green: within a limit; red: beyond it; no colour: none. Dashed: limit. All links read at once.",
        "绿色合格，红色不合格，无色为无限值；虚线为限值。所有链路同时读数。",
    ),
    "distance": ("distance, m", "距离，m"),
}

PERCENT, KILO = 100.0, 1_000.0
SCALES: Final = {"loss": PERCENT, "throughput": 1 / KILO}
COLOURS: Final = ("#1d4ed8", "#15803d", "#b45309", "#7c3aed", "#b91c1c", "#0e7490")
SMALLEST: Final = {"p95": 100.0}
"""The axis reaches so far at least, and 1 for others: where nothing came through, it still has numbers."""
PLOTTED: Final = ("rate", "p95", "throughput", "reconnect")


def figure_text(one: Judged) -> str:
    """A figure in the unit of its heading."""
    return "–" if one.value is None else number(round(one.value * SCALES.get(one.key, 1.0), 3))


def bluetooth_html(result: BluetoothResult, limits: BluetoothLimits, language: Language) -> str:
    """The report as one page that needs nothing from outside."""
    zh = language == "zh"
    with style():
        plots = [_plot(key, result, limits, zh=zh) for key in PLOTTED]
    found = ((key, limits.of(key)) for key in BLUETOOTH_KEYS)
    return TEMPLATES.get_template("bluetooth.html").render(
        zh=zh,
        say=lambda key: (SAYINGS.get(key) or LABELS[key])[zh],
        name=lambda key: BLUETOOTH_NAMES[key][zh],
        number=number,
        bounds_of=bounds,
        figure=figure_text,
        keys=BLUETOOTH_KEYS,
        rows=list(zip(result.cells, result.judged, strict=True)),
        bounds=[(key, limit) for key, limit in found if limit is not None],
        plots=plots,
        result=result,
        limits=limits,
        limits_title=limits.title_zh if zh else limits.title,
        footer=f"kwhub · {result.limits} · {result.seed}",
    )


def _plot(key: str, result: BluetoothResult, limits: BluetoothLimits, *, zh: bool) -> str:
    """One figure over the distance, a line for each size; with one distance, a bar for each."""
    figure = Figure(figsize=(4.6, 2.6), layout="constrained")
    axes: Any = figure.add_subplot()
    scale = SCALES.get(key, 1.0)
    across = sorted({cell.distance_m for cell in result.cells})
    if len(across) > 1:
        _lines(axes, key, scale, result)
        axes.set_xlim(0, 1.05 * across[-1])
    else:
        _bars(axes, key, scale, result)
    limit = limits.of(key)
    for bound in () if limit is None else (limit.least, limit.most):
        if bound is not None:
            axes.axhline(bound * scale, color="#b91c1c", lw=0.9, ls="--")
    axes.set_ylim(0, max(axes.get_ylim()[1], SMALLEST.get(key, 1.0)))
    axes.set_title(BLUETOOTH_NAMES[key][zh], loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel(
        SAYINGS["distance" if len(across) > 1 else "size"][zh], fontsize=7.5, color="#6b7280"
    )
    axes.tick_params(labelsize=7, colors="#6b7280", length=2)
    if len(across) > 1:
        axes.legend(fontsize=6.5, frameon=False, ncols=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _sizes(result: BluetoothResult) -> dict[str, list[Cell]]:
    """The cells of each size, with its name."""
    sizes: dict[str, list[Cell]] = {}
    for cell in result.cells:
        sizes.setdefault(f"{cell.masters} × {cell.slaves}", []).append(cell)
    return sizes


def _lines(axes: Any, key: str, scale: float, result: BluetoothResult) -> None:
    """Each line is thinner than the one below it, so that equal ones are all seen."""
    sizes = _sizes(result)
    for place, (name, cells) in enumerate(sizes.items()):
        below = len(sizes) - 1 - place
        found = [(cell.distance_m, getattr(cell, key)) for cell in cells]
        known = [(at, up * scale) for at, up in found if up is not None]
        look = {"color": COLOURS[place % len(COLOURS)], "lw": 1.2 + 0.8 * below}
        axes.plot(
            [at for at, _ in known],
            [up for _, up in known],
            "o-",
            ms=3 + 1.2 * below,
            label=name,
            **look,
        )


def _bars(axes: Any, key: str, scale: float, result: BluetoothResult) -> None:
    """What has no value says so in place of a bar."""
    sizes = _sizes(result)
    for place, (cell,) in enumerate(sizes.values()):
        value = getattr(cell, key)
        if value is None:
            axes.annotate("–", (place, 0), ha="center", va="bottom", fontsize=9, color="#6b7280")
        else:
            axes.bar(place, value * scale, width=0.5, color=COLOURS[place % len(COLOURS)])
    axes.set_xticks(range(len(sizes)), list(sizes))
    axes.set_xlim(-0.6, len(sizes) - 0.4)

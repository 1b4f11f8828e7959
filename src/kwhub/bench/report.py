"""Reports as HTML that needs nothing from outside, and as PDF."""

import base64
import logging
import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kwhub.bench.evidence import Evidence
from kwhub.bench.limits import LimitFile
from kwhub.bench.plots import device_plots, failure_plot, histogram
from kwhub.bench.results import BAD, KEYS, Limit, MeterResult
from kwhub.bench.words import LABELS, NAMES, PLACES, VERDICTS, Language, bounds, number, plus_minus

__all__ = ["Row", "batch_html", "device_html", "statistics_of", "write_report"]

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity over many devices."""

    key: str
    unit: str
    count: int
    mean: float
    deviation: float
    least: float
    most: float
    limit: Limit | None
    failed: int


def device_html(
    result: MeterResult, evidence: Evidence, limits: LimitFile, language: Language
) -> str:
    """The report of one device."""
    plots = [_inline(plot) for plot in device_plots(result, evidence, language)]
    return _render(
        "device.html", language, limits, result.configuration, result=result, plots=plots
    )


def batch_html(
    results: Sequence[MeterResult],
    limits: LimitFile,
    language: Language,
    linked: Collection[str] = (),
) -> str:
    """The report of many, with links to ``devices/SERIAL.html``; raises ``ValueError`` for none."""
    if not results:
        raise ValueError("a report of a batch needs results")
    failing = Counter(
        one.key for result in results for one in result.measurements if one.verdict in BAD
    )
    rows = statistics_of(results)
    plots = [
        _inline(histogram(row.key, row.unit, _values(results, row.key), row.limit, language))
        for row in rows
        if row.least < row.most or row.failed  # what is the same everywhere needs no picture
    ]
    return _render(
        "batch.html",
        language,
        limits,
        results[0].configuration,
        results=results,
        linked=frozenset(linked),
        first=results[0],
        passed=sum(result.verdict == "pass" for result in results),
        failures=_inline(failure_plot(failing.most_common(), language)) if failing else "",
        statistics=rows,
        plots=plots,
        pallets=_pallets(results),
    )


def statistics_of(results: Sequence[MeterResult]) -> list[Row]:
    """A row for each quantity that was measured on some device."""
    rows = []
    for key in KEYS:
        measured = [one for result in results for one in result.measurements if one.key == key]
        values = [one.value for one in measured if one.value is not None]
        if not values:
            continue
        rows.append(
            Row(
                key,
                measured[0].unit,
                len(values),
                statistics.fmean(values),
                statistics.stdev(values) if len(values) > 1 else 0.0,
                min(values),
                max(values),
                measured[0].limit,
                sum(one.verdict in BAD for one in measured),
            )
        )
    return rows


def write_report(html: str, path: Path) -> tuple[Path, Path]:
    """Write ``path`` with the endings .html and .pdf; returns both names."""
    from weasyprint import HTML  # noqa: PLC0415 - takes a second to load
    from weasyprint.urls import URLFetcher  # noqa: PLC0415 - as above

    # It tells of every rule that is for screens only; nobody who wants a report can do anything about it.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    page, paper = (path.parent / (path.name + ending) for ending in (".html", ".pdf"))
    page.write_text(html, encoding="utf-8")
    HTML(string=html, url_fetcher=URLFetcher(allowed_protocols={"data"})).write_pdf(paper)
    return page, paper


def _render(
    template: str, language: Language, limits: LimitFile, configuration: str, **values: Any
) -> str:
    zh = language == "zh"
    return TEMPLATES.get_template(template).render(
        zh=zh,
        say=lambda key: LABELS[key][zh],
        name=lambda key: NAMES[key][zh],
        place=lambda key: PLACES[key][zh],
        verdict=lambda key: VERDICTS[key][zh],
        number=number,
        bounds=bounds,
        plus_minus=plus_minus,
        limits_title=limits.title_zh if zh else limits.title,
        footer=f"kwhub · {configuration}",
        **values,
    )


def _values(results: Sequence[MeterResult], key: str) -> list[float]:
    found = (one for result in results for one in result.measurements if one.key == key)
    return [one.value for one in found if one.value is not None]


def _pallets(results: Sequence[MeterResult]) -> list[tuple[str, int, int]]:
    names = sorted({result.pallet for result in results})
    return [
        (
            name,
            sum(result.pallet == name for result in results),
            sum(result.pallet == name and result.verdict == "pass" for result in results),
        )
        for name in names
    ]


def _inline(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()

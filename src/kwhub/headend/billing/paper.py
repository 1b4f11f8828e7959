"""A statement on paper: one page of A4 as HTML and PDF, in English or Chinese, with the readings behind it."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined

from kwhub.catalog.registers import describe
from kwhub.domain.readings import Register
from kwhub.headend.billing.energies import Trace
from kwhub.headend.billing.paper_words import WORDS
from kwhub.headend.billing.shapes import Correction, Draft, Issued
from kwhub.headend.config import Bills

__all__ = ["CSV_COLUMNS", "csv_rows", "html_of", "line_words", "pdf_of"]

CSV_COLUMNS = (
    *("statement", "account", "customer", "meter", "first_day", "last_day", "what", "period"),
    *("register", "from", "to", "first_reading", "last_reading", "quantity", "price", "amount"),
    *("currency", "corrects", "above_kwh", "first_quality", "last_quality", "steps"),
)
"""Columns of a statement as a file; their names never change. ``steps`` is energy on the meter's side x ratio."""


def html_of(
    draft: Draft,
    zone: ZoneInfo,
    language: str,
    issued: Issued | None = None,
    seller: Bills | None = None,
) -> str:
    """A statement, or the draft of one, as a document that stands alone.

    Args:
        draft: what it says.
        zone: of the site; moments are shown in it.
        language: ``en`` or ``zh``.
        issued: the statement; None for a draft, which says so.
        seller: who stands at its head and foot.
    """
    words = WORDS[language]
    made: str = _template().render(
        w=words,
        tag="zh-Hans" if language == "zh" else "en",
        draft=draft,
        issued=issued,
        seller=seller or Bills(),
        lines=[(line_words(line, language), line) for line in draft.lines],
        traces=[(_register(each.register, language), each) for each in draft.traces],
        corrections=[
            (each, [(_register(one.register, language), was, one) for was, one in _pairs(each)])
            for each in draft.corrections
        ],
        moment=lambda when: f"{_local(when, zone):%Y-%m-%d %H:%M}",
        number=_number,
    )
    return made


def pdf_of(html: str) -> bytes:
    """The document as PDF. Nothing is fetched from anywhere."""
    from weasyprint import HTML  # noqa: PLC0415  slow to load, and seldom needed

    made: bytes = HTML(string=html, url_fetcher=_nothing).write_pdf()
    return made


def csv_rows(draft: Draft, number: int | None) -> list[tuple[object, ...]]:
    """Rows of CSV_COLUMNS: a row for each line, then a row for each reading behind them."""
    own = draft.account
    head = (number, own.number, own.customer, own.address, draft.first, draft.last)
    rows: list[tuple[object, ...]] = [
        (
            *head,
            line.kind.value,
            None if line.period is None else line.period.value,
            *(None, line.first, line.last, None, None),
            *(line.quantity, line.price, line.amount, draft.currency, line.corrects),
            *(line.above_kwh, None, None, None),
        )
        for line in draft.lines
    ]
    rows += [_reading(head, "reading", each, None) for each in draft.traces]
    for each in draft.corrections:
        rows += [_reading(head, "billed reading", one, each.statement) for one in each.billed]
        rows += [_reading(head, "right reading", one, each.statement) for one in each.now]
    total = (draft.kwh, None, draft.total, draft.currency)
    rows.append((*head, "total", *(None,) * 6, *total, *(None,) * 5))
    return rows


def _reading(
    head: tuple[object, ...], what: str, each: Trace, corrects: int | None
) -> tuple[object, ...]:
    return (
        *(*head, what, each.period, each.register),
        *(each.start.isoformat(), each.end.isoformat(), each.first, each.last, each.kwh),
        *(None, None, None, corrects, None, *each.qualities),
        "; ".join(f"{energy:f} x {ratio:f}" for energy, ratio in each.steps),
    )


def line_words(line: Any, language: str) -> str:
    """What a line is for, in words."""
    words = WORDS[language]
    if line.corrects is not None:
        what = line_words(replace(line, corrects=None), language)
        return words["correction"].format(number=line.corrects, what=what)
    if line.period is not None:
        return words["energy"].format(period=words[f"period_{line.period.value}"])
    if line.above_kwh is not None:
        return words["tier"].format(above=_number(line.above_kwh))
    return words["fee"]


def _pairs(correction: Correction) -> list[tuple[Trace | None, Trace]]:
    """What was billed with beside what is right; a piece that was cut otherwise has nothing beside it."""
    billed = {(one.register, one.start, one.end): one for one in correction.billed}
    return [(billed.get((one.register, one.start, one.end)), one) for one in correction.now]


def _register(code: str, language: str) -> str:
    info = describe(Register(code))
    return info.name_zh if language == "zh" else info.name_en


def _number(value: Decimal) -> str:
    return f"{value:,f}"


def _local(when: datetime, zone: ZoneInfo) -> datetime:
    return when.astimezone(zone)


def _nothing(url: str, *_args: object, **_named: object) -> dict[str, object]:
    raise ValueError(f"a statement refers to nothing outside itself: {url}")


@cache
def _template() -> Any:
    source = files("kwhub.headend.billing") / "paper.html"
    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.from_string(source.read_text("utf-8"))

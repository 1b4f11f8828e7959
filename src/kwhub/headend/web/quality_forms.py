"""What the pages of quality, money and archive share: fields of forms, and names of series."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from litestar.exceptions import HTTPException

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import (
    CURVE_INTERVAL_S,
    DAY_INTERVAL_S,
    HOUR_INTERVAL_S,
    INSTANT,
    Register,
)
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import Page

__all__ = ["day_of", "form_of", "known_day", "register_name", "series_name", "whole_number"]

FIELD_MAX = 400
"""Longest text of one field, in characters."""

_SERIES = {
    INSTANT: "instant",
    CURVE_INTERVAL_S: "curve",
    HOUR_INTERVAL_S: "hour",
    DAY_INTERVAL_S: "day",
}


async def form_of(page: Page) -> dict[str, str]:
    """The fields of the form that was sent, stripped; a field that is too long is cut."""
    form = await page.request.form()
    return {
        name: str(value).strip()[:FIELD_MAX]
        for name, value in form.items()
        if isinstance(value, str)
    }


def known_day(page: Page, text: str, otherwise: date) -> date:
    """The day that a field names, another one for an empty field and for no day."""
    try:
        return page.site.day(date.fromisoformat(text)) if text else otherwise
    except (ValueError, HTTPException):
        return otherwise


def day_of(page: Page, form: Mapping[str, str], name: str) -> date:
    """The day that a field names, for what is written down. Raises LocalError: it names none."""
    text = form.get(name, "")
    try:
        return page.site.day(date.fromisoformat(text))
    except (ValueError, HTTPException):
        raise LocalError(page.t("keeping.no_day", text=text)) from None


def whole_number(form: Mapping[str, str], name: str) -> int:
    """A field as the number of a row; 0 for anything else."""
    text = form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def register_name(t: Texts, register: str) -> str:
    """What a register counts."""
    info: Any = describe(Register(register))
    return t.either(info.name_en, info.name_zh)


def series_name(t: Texts, interval_s: int) -> str:
    """Which series of a register."""
    name = _SERIES.get(interval_s)
    return t(f"series.{name}") if name else t("series.other", seconds=interval_s)

"""Tariffs: their dated versions, and the form that makes the next one."""

from collections.abc import Mapping, Sequence

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.headend.billing.tariffs import Period, Tariff, tariff_from
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_forms import form_of
from kwhub.headend.web.refusals import told
from kwhub.headend.web.sheets import table_file

__all__ = ["COLUMNS", "ROUTES", "TIERS", "put_tariff", "tariffs_file", "tariffs_page"]

COLUMNS = (
    *("code", "name", "valid_from", "currency", *(each.value for each in Period), "schedule"),
    *("tiers", "tier_span", "monthly_fee"),
)
"""Columns of the file; their names never change."""

TIERS = 3
"""Tiers that the form has fields for; a tariff with more is written over the API."""

_FIELDS = ("code", "name", "name_zh", "currency", "valid_from", "tier_span", "monthly_fee")


@get("/bills/tariffs", sync_to_thread=True, opt=needs(Right.BILL))
def tariffs_page(page: NamedDependency[Page], code: FromQuery[str] = "") -> Template:
    """Every tariff with its versions; with a code, the form begins as its newest version."""
    known = page.site.billing.tariffs()
    newest = known.get(code, [])[-1:]
    return _tariffs(page, _form_of(newest[0]) if newest else {})


@get(["/bills/tariffs.csv", "/bills/tariffs.xlsx"], opt=needs(Right.BILL))
async def tariffs_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every version as a file."""

    def made() -> Response[str] | Response[bytes]:
        rows = (
            (
                *(one.code, page.t.either(one.name, one.name_zh), one.valid_from, one.currency),
                *(one.prices.get(period) for period in Period),
                " ".join(f"{slot.start:%H:%M}={slot.period.value}" for slot in one.schedule),
                " ".join(f"{tier.above_kwh}:{tier.adder}" for tier in one.tiers),
                *(one.tier_span, one.monthly_fee),
            )
            for versions in page.site.billing.tariffs().values()
            for one in versions
        )
        return table_file(page.request, "tariffs", COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/bills/tariffs", status_code=200, opt=needs(Right.BILL))
async def put_tariff(page: NamedDependency[Page]) -> Redirect | Template:
    """Write a version of a tariff; refused when statements stand on what held until now."""
    if page.caller.scope(Right.BILL) is not None:
        raise PermissionDeniedException("tariffs are for all organisations")
    form = await form_of(page)

    def work() -> Redirect | Template:
        try:
            page.site.billing.put_tariff(tariff_from(_values(form)), by=page.who)
        except KwhubError as error:
            return _tariffs(page, form, wrong=told(page.t, error))
        return Redirect("/bills/tariffs", status_code=303)

    return await page.site.people.offload(work)


def _values(form: Mapping[str, str]) -> dict[str, object]:
    """A form as the plain values of a tariff; an empty field is not there."""
    values: dict[str, object] = {name: text for name in _FIELDS if (text := form.get(name, ""))}
    values["prices"] = {
        each.value: text for each in Period if (text := form.get(f"price-{each.value}", ""))
    }
    values["tiers"] = [
        {"above_kwh": above, "adder": form.get(f"adder-{number}", "") or "0"}
        for number in range(TIERS)
        if (above := form.get(f"above-{number}", ""))
    ]
    values["schedule"] = [
        {"start": f"{start}:00" if start.count(":") == 1 else start, "period": period}
        for start, _, period in (slot.partition("=") for slot in form.get("schedule", "").split())
    ]
    return values


def _form_of(one: Tariff) -> dict[str, str]:
    """A version as the fields of the form."""
    found = {name: str(getattr(one, name)) for name in _FIELDS}
    found |= {f"price-{period.value}": f"{price:f}" for period, price in one.prices.items()}
    found["schedule"] = " ".join(f"{slot.start:%H:%M}={slot.period.value}" for slot in one.schedule)
    for number, tier in enumerate(one.tiers):
        found |= {f"above-{number}": f"{tier.above_kwh:f}", f"adder-{number}": f"{tier.adder:f}"}
    return found


def _tariffs(page: Page, form: Mapping[str, str], *, wrong: str = "") -> Template:
    versions: Sequence[Tariff] = [
        one for own in page.site.billing.tariffs().values() for one in reversed(own)
    ]
    context: dict[str, object] = {
        "versions": versions,
        "periods": [each.value for each in Period],
        "tiers": range(TIERS),
        "form": form,
        "may": page.caller.scope(Right.BILL) is None,
        "wrong": wrong,
        "tab": "tariffs",
    }
    return page.show("money_tariffs.html", context, status_code=400 if wrong else 200)


ROUTES = (tariffs_page, tariffs_file, put_tariff)

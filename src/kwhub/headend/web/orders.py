"""Read now: the form that orders it, the card that tells how far it has come, the list of past ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.api.routes import asked_registers
from kwhub.headend.api.site import readable
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.views import Order, OrderItem, OrderState
from kwhub.headend.web.frames import FramePart, frame_parts
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import Page
from kwhub.headend.web.problems import declined
from kwhub.headend.web.refusals import said, told
from kwhub.protocols.gdw1376.frames import Profile

__all__ = [
    "ORDERS_SHOWN",
    "Choice",
    "Exchange",
    "Group",
    "ItemLine",
    "choices",
    "meter_orders",
    "order_card",
    "order_page",
    "place_order",
]

ORDERS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """A register that can be ticked."""

    code: Register
    name: str
    common: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Registers that stand together in the form."""

    name: str
    registers: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One register of an order with its name, and why it has no value, in the reader's language."""

    item: OrderItem
    name: str
    why: str

    @classmethod
    def of(cls, t: Texts, order: Order, item: OrderItem) -> "ItemLine":
        """Put it into words; what only the protocol can say stays as it was written down."""
        if not item.error:
            return cls(item, _name(t, item.register), "")
        if order.state is OrderState.OFFLINE:
            why = t("item_why.offline")
        elif not item.answer_raw:
            why = t("item_why.silent") if item.request_raw else t("item_why.not_asked")
        else:
            why = t("item_why.unusable", error=said(t, item.error))
        return cls(item, _name(t, item.register), why)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request frame and its answer, explained, with the registers that were read by it."""

    title: str
    request: list[FramePart]
    answer: list[FramePart]


def choices(t: Texts, phases: int) -> list[Group]:
    """The registers of the form, by group; the common set is ticked."""
    groups = readable(phases)
    common = set(groups.pop("common"))
    return [
        Group(name, [Choice(code, _name(t, code), code in common) for code in codes])
        for name, codes in groups.items()
    ]


@post("/meters/{meter_id:int}/orders", status_code=200, opt=needs(Right.ORDER))
async def place_order(
    page: NamedDependency[Page], meter_id: FromPath[int]
) -> Template | Redirect | Response[str]:
    """Order a reading; answers with the card of the order, or leads to its page without JavaScript."""
    meter = page.site.meter(meter_id)
    form = await page.request.form()
    names = [str(each) for each in form.getall("register", [])]
    if not names:
        return _notice(page, page.t("order.nothing_chosen"))
    try:
        registers = asked_registers(meter, names)
    except ValidationException as error:
        return _notice(page, said(page.t, error.detail))
    try:
        order_id = await page.site.orders.read_now(meter_id, registers, by=page.who)
    except LocalError as error:
        return _notice(page, told(page.t, error))
    if page.swaps:
        return page.show("order_card.html", _card(page, page.site.order(order_id)))
    return Redirect(f"/orders/{order_id}", status_code=303)


@get("/orders/{order_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def order_page(page: NamedDependency[Page], order_id: FromPath[int]) -> Template:
    """One order on a page of its own."""
    order = page.site.order(order_id)
    meter = None if order.meter_id is None else page.site.meter(order.meter_id)
    return page.show("order.html", {**_card(page, order), "meter": meter})


@get("/orders/{order_id:int}/card", sync_to_thread=True, opt=needs(Right.SEE))
def order_card(page: NamedDependency[Page], order_id: FromPath[int]) -> Template:
    """How far an order has come; a card that is final asks no more."""
    return page.show("order_card.html", _card(page, page.site.order(order_id)))


@get("/meters/{meter_id:int}/orders", sync_to_thread=True, opt=needs(Right.SEE))
def meter_orders(page: NamedDependency[Page], meter_id: FromPath[int]) -> Template:
    """The newest orders of a meter alone, for the page that renews them."""
    meter = page.site.meter(meter_id)
    orders = page.site.orders.of_meter(meter_id, limit=ORDERS_SHOWN)
    return page.show("order_history.html", {"meter": meter, "orders": orders})


def _relay_of(wanted: str) -> str:
    """What an order asks a relay to do."""
    return str(msgspec.json.decode(wanted).get("command", ""))


def _card(page: Page, order: Order) -> dict[str, object]:
    """What the card of an order shows."""
    return {
        "order": order,
        "relay_of": _relay_of,
        "running": not order.state.final,
        "may_approve": Right.APPROVE in page.rights,
        "may_cancel": Right.ORDER in page.rights,
        "goes_in": _goes_in(order, page.site.clock.now()),
        "took": _seconds(order),
        "items": [ItemLine.of(page.t, order, each) for each in order.items],
        "exchanges": _exchanges(page.t, order.items, page.site.profile),
    }


def _goes_in(order: Order, now: datetime) -> int:
    """Seconds for which an approved order can still be taken back; 0 when it may go any moment."""
    if order.state is not OrderState.NEW or not order.approved_by or order.next_at is None:
        return 0
    return max(0, ceil((order.next_at - now).total_seconds()))


def _exchanges(t: Texts, items: Sequence[OrderItem], profile: Profile) -> list[Exchange]:
    """The frames of an order, each pair once: registers that came in one block share it."""
    pairs: dict[tuple[bytes, bytes], list[str]] = {}
    for each in items:
        if each.request_raw or each.answer_raw:
            pairs.setdefault((each.request_raw, each.answer_raw), []).append(
                _name(t, each.register)
            )
    return [
        Exchange(
            t("order.comma").join(names),
            frame_parts(request, t, profile),
            frame_parts(answer, t, profile),
        )
        for (request, answer), names in pairs.items()
    ]


def _seconds(order: Order) -> str:
    """How long a final order took."""
    if order.finished_at is None:
        return ""
    took = Decimal((order.finished_at - order.created_at).total_seconds())
    return f"{took:.1f}"


def _name(t: Texts, register: Register) -> str:
    known = describe(register)
    return t.either(known.name_en, known.name_zh)


def _notice(page: Page, message: str) -> Template:
    """Say what is wrong with the form: in its place on the page, or on a page of its own."""
    if page.swaps:
        return page.show("notice.html", {"message": message}, status_code=400)
    return declined(page, message)

"""``kwhub headend device work``: give a handheld something to do at meters of the archive."""

import getpass
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.device import device_service
from kwhub.cli.output import ZH, Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import Operation
from kwhub.headend import config as headend_config
from kwhub.headend.identity.listing import UNAPPROVED
from kwhub.headend.identity.makers import OPERATIONS
from kwhub.headend.identity.orders import ORDER_MINUTES
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS
from kwhub.headend.identity.visits import meters_to_visit
from kwhub.headend.identity.work import NewWork
from kwhub.headend.vending_store import VendingStore
from kwhub.headend.vending_views import customers

__all__ = ["approve_order", "give_order", "give_work", "recall_order", "recall_work"]


async def give_work(
    config: Path,
    device: str,
    *,
    area: Annotated[str, Parameter(help="All meters of the area with this code.")] = "",
    meter: Annotated[
        tuple[str, ...], Parameter(help="Address; may be repeated.", negative_iterable="")
    ] = (),
    register: Annotated[
        tuple[str, ...],
        Parameter(help="OBIS code to be read; may be repeated.", negative_iterable=""),
    ] = (),
    kind: Annotated[str, Parameter(help="collect, read, set-time ...")] = "collect",
    allow: Annotated[
        tuple[Operation, ...],
        Parameter(help="What the device may do by itself.", negative_iterable=""),
    ] = ("read",),
    uses: Annotated[int, Parameter(validator=Number(gte=1), help="How often, each.")] = 3,
    hours: Annotated[
        int | None, Parameter(validator=Number(gte=1), help="Until when; by default offline_hours.")
    ] = None,
    note: Annotated[str, Parameter(help="For the technician.")] = "",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Give a handheld a work order; it hears of it at its next contact.

    Customer and balance come from the archive. The device may do what --allow says without the head-end, so
    often and so long. Example:

        kwhub headend device work headend.toml device-000001 --area A1 --note "before the holidays"

    Parameters
    ----------
    config
        The settings of the head-end.
    device
        Its name, as the list shows it.
    """
    if not area and not meter:
        raise LocalError("name an --area, or at least one --meter")
    with device_service(config) as service:
        with service.registry.database.read() as connection:
            meters = meters_to_visit(connection, area, meter, register, _prepaid(config))
        work = NewWork(kind, meters, allow, uses, hours, note)
        number = service.work.give(device, work, getpass.getuser())
    _tell(device, number, len(meters), json=json, chinese=pick_language(language) == ZH)
    return Exit.OK


def _prepaid(config: Path) -> frozenset[str]:
    """Addresses of the meters that the counter of the settings sells to; none where there is no counter yet."""
    vending = headend_config.load(config).vending
    if vending is None or not Path(vending.ledger).exists():
        return frozenset()
    with closing(VendingStore(Path(vending.ledger))) as store:
        return frozenset(each.meter for each in customers(store))


async def give_order(
    config: Path,
    device: str,
    meter: str,
    operation: Annotated[str, Parameter(help=", ".join((*OPERATIONS, *TERMINAL_OPERATIONS)))],
    detail: str = "",
    *,
    minutes: Annotated[
        int, Parameter(validator=Number(gte=1), help="Until when it must be done.")
    ] = ORDER_MINUTES,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Have a handheld carry an order to one cost-control meter or collecting terminal.

    It waits until a second person agrees ('kwhub headend device approve', or on the page of the devices). The running
    head-end makes every frame with its root keys (root_key in [devices]); the device has none and can use nothing
    twice. Trips count in the budget of the table [orders]. Example:

        kwhub headend device order headend.toml device-000001 202611200001 relay-trip

    Parameters
    ----------
    config
        The settings of the head-end.
    device
        Its name, as the list shows it.
    meter
        Address of the meter, or of the collecting terminal.
    detail
        Of a parameter: its identifier and its value in hexadecimal. Of keys: their version. Of terminal-channel: channel,
        imp/kWh, largest current, voltage, phases, debounce in ms; of terminal-reading: channel and kWh; of
        terminal-freeze: times as MMDDhhmm.
    """
    with device_service(config) as service:
        wanted = (meter, operation, detail)
        number = service.order(device, wanted, getpass.getuser(), minutes)
    if json:
        print_json({"order": number, "device": device, "state": UNAPPROVED})
    elif pick_language(language) == ZH:
        say(f"{device}：命令 {number} 待另一人审批。")
    else:
        say(f"{device}: order {number} waits for a second person.")
    return Exit.OK


def approve_order(
    config: Path, order: int, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Agree to an order that another person has given to a handheld.

    Who has ordered it cannot agree to it. Its deadline stays what it was. Example:

        kwhub headend device approve headend.toml 7

    Parameters
    ----------
    config
        The settings of the head-end.
    order
        Number of the order.
    """
    with device_service(config) as service:
        work = service.approve(order, getpass.getuser())
    if json:
        print_json({"order": order, "work": work})
    elif pick_language(language) == ZH:
        say(f"命令 {order} 已批准：工单 {work}。")
    else:
        say(f"Order {order} is approved: work {work}.")
    return Exit.OK


def recall_order(
    config: Path, order: int, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Take back an order to a handheld that is not over.

    One that was begun may have been obeyed: look at the meter. Example:

        kwhub headend device withdraw headend.toml 7

    Parameters
    ----------
    config
        The settings of the head-end.
    order
        Number of the order.
    """
    with device_service(config) as service:
        service.orders.recall(order, getpass.getuser())
    return _recalled({"order": order}, json=json, language=language)


def recall_work(
    config: Path, work: int, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Take back work that a handheld was given.

    It hears of that at its next contact; until then its grants hold. Example:

        kwhub headend device recall headend.toml 3

    Parameters
    ----------
    config
        The settings of the head-end.
    work
        Number of the work order.
    """
    with device_service(config) as service:
        orders = service.work.recall(work, getpass.getuser())
    return _recalled({"work": work, "orders": list(orders)}, json=json, language=language)


def _recalled(told: dict[str, object], *, json: bool, language: LanguageOption) -> int:
    if json:
        print_json(told)
    else:
        say("已撤回。" if pick_language(language) == ZH else "Recalled.")
    return Exit.OK


def _tell(device: str, number: int, meters: int, *, json: bool, chinese: bool) -> None:
    if json:
        print_json({"work": number, "device": device, "meters": meters})
    elif chinese:
        say(f"{device}：工单 {number}，共 {meters} 块表。")
    else:
        say(f"{device}: work {number} with {meters} meters.")

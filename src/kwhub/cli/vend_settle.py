"""``kwhub vend cancel``, ``settle`` and ``readmit``: sales that are taken back, or whose end a person must find out."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kwhub.cli.counter import KeyOption
from kwhub.cli.output import JsonFlag
from kwhub.cli.vend import BookOption, StoreOption, opened_desk, tell_purchase
from kwhub.cli.vend_place import HeadendOption, Place, place_alone, place_of_headend
from kwhub.domain.errors import ConfigError
from kwhub.headend.vending_ledger import SITE_ZONE

__all__ = ["cancel_purchase", "readmit_purchase", "settle_purchase"]

OperatorOption = Annotated[
    str, Parameter(name="--operator", help="With --headend: which of its users does it.")
]

_STORE = Path("vending.sqlite")


def cancel_purchase(
    payment: str,
    *,
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    headend: HeadendOption = None,
    operator: OperatorOption = "",
    json: JsonFlag = False,
) -> int:
    """Cancel a purchase that the meter has not got; its usage must have been collected since.

    Its number stays bound to its amount. The books of a head-end are changed with --headend only. Example:

        kwhub vend cancel R-1 --root-key root.key
    """
    place = _place(store, book, root_key, headend, (operator, payment, "", "vending_cancel"))
    with opened_desk(place.store, place.book, place.root_key, place.limits, place.zone) as desk:
        _check(place, claimed=desk.store.is_claimed)
        purchase = desk.cancel(payment)
    return tell_purchase(purchase, json=json)


def settle_purchase(
    payment: str,
    *,
    arrived: Annotated[
        bool,
        Parameter(
            negative="--not-arrived",
            help="The money is in the meter; --not-arrived cancels the sale instead.",
        ),
    ],
    operator: Annotated[str, Parameter(help="Who has looked into it: not who has sold it.")],
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    headend: HeadendOption = None,
    json: JsonFlag = False,
) -> int:
    """End a sale that no reading can prove: the meter has its number, but whose purchase is it?

    A second person looks at the meter's records of purchases and says so; the ledger keeps the name. Example:

        kwhub vend settle R-1 --arrived --operator bob --root-key root.key
    """
    detail = "arrived" if arrived else "cancelled"
    place = _place(store, book, root_key, headend, (operator, payment, detail, "vending_settle"))
    with opened_desk(place.store, place.book, place.root_key, place.limits, place.zone) as desk:
        _check(place, claimed=desk.store.is_claimed)
        purchase = desk.settle(payment, operator, arrived=arrived)
    return tell_purchase(purchase, json=json)


def readmit_purchase(
    payment: str,
    *,
    meter: Annotated[str, Parameter(help="Number of the meter, 12 digits.")],
    number: Annotated[int, Parameter(help="Of the purchase, as 'kwhub vend reconcile' tells it.")],
    operator: Annotated[str, Parameter(help="Who says so.")],
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    headend: HeadendOption = None,
    json: JsonFlag = False,
) -> int:
    """Enter a sale again that an old ledger has forgotten; its amount comes from the book of signatures.

    It is open then: collect the medium or bring the sale again, and settle what no reading proves. Example:

        kwhub vend readmit R-7 --meter 202611200001 --number 3 --operator bob --root-key root.key
    """
    told = (operator, f"meter {meter}", f"{payment}: number {number}", "vending_readmit")
    place = _place(store, book, root_key, headend, told)
    with opened_desk(place.store, place.book, place.root_key, place.limits, place.zone) as desk:
        _check(place, claimed=desk.store.is_claimed)
        purchase = desk.readmit(meter, number, payment, operator)
    return tell_purchase(purchase, json=json)


def _place(
    store: Path,
    book: Path | None,
    root_key: str | None,
    headend: Path | None,
    told: tuple[str, str, str, str],
) -> Place:
    if headend is None:
        return place_alone(store, book, root_key, (None, None, None), str(SITE_ZONE))
    return place_of_headend(headend, *told)


def _check(place: Place, *, claimed: bool) -> None:
    if claimed and not place.is_of_headend:
        raise ConfigError(
            "these are the books of a head-end: work with --headend, as one of its users",
            file=str(place.store),
        )

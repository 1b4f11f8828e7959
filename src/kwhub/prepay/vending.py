"""Rules of vending: what may be sold, a ledger that shows its gaps, and the comparison of three books.

The number of a purchase is its identity: one meter, one number, one amount, for ever. Three books are kept by
different hands: the sales ledger (counter), the signatures (master crypto) and the purchase counts (meters). Whoever changes
one of them is found by the other two.

Source: kwhub; hourly matching of payments, signatures and meters answers the theft of vending credentials
that utilities have published.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import LocalError, Refusal

__all__ = [
    "COUNT_MAX",
    "GENESIS",
    "IDENTIFIER_MAX",
    "Entry",
    "Finding",
    "HeadRoom",
    "Limits",
    "Purchase",
    "Signature",
    "State",
    "Totals",
    "against_payments",
    "check_limits",
    "check_payment",
    "check_sale",
    "first_bad",
    "fits",
    "head_room",
    "linked",
    "reconcile",
]

COUNT_MAX: Final = 0xFFFF_FFFF
"""The last purchase number of a meter."""
IDENTIFIER_MAX: Final = 0xFF_FFFF
"""The last token identifier of a base date."""
GENESIS: Final = "0" * 64
"""What the first entry of a ledger follows."""
_WARNING_PERCENT = 90


class State(StrEnum):
    """Where a purchase is."""

    RESERVED = "reserved"  #: paid; its number is taken; nothing was signed, or that is not known
    ISSUED = "issued"  #: signed and handed out
    CONFIRMED = "confirmed"  #: the meter has signed that it has it
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Purchase:
    """One sale.

    Attributes:
        meter: 12 digits.
        amount: hundredths.
        customer: 12 digits.
        payment: reference of the payment; unique.
        signed: whether the number may have been signed: then it stays bound to its amount.
    """

    meter: str
    count: int
    amount: int
    customer: str
    operator: str
    payment: str
    state: State
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One entry in the book of the master crypto.

    Attributes:
        head: hash at the end of the sales ledger when it was signed.
    """

    meter: str
    count: int
    amount: int
    head: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a ledger: text, and two hashes in hexadecimal."""

    number: int
    at: str
    kind: str
    content: str
    previous: str
    digest: str


def linked(
    number: int, at: str, kind: str, content: str, previous: str, *, key: bytes = b""
) -> Entry:
    """Make the entry that follows; with a key only its owner can."""
    fields = (str(number), at, kind, content, previous)
    message = b"".join(len(raw).to_bytes(4) + raw for raw in map(str.encode, fields))
    digest = hmac.digest(key, message, "sha256") if key else hashlib.sha256(message).digest()
    return Entry(number, at, kind, content, previous, digest.hex())


def first_bad(entries: Iterable[Entry], *, key: bytes = b"") -> int | None:
    """Return the number of the first entry that was changed, removed or put in; None when all is well.

    What was cut off at the end is not seen here, but by ``reconcile``.
    """
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        wanted = linked(number, entry.at, entry.kind, entry.content, previous, key=key)
        if entry != wanted:
            return number
        previous = entry.digest
    return None


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is sold, hundredths."""

    sale: int = 100_000
    customer_day: int = 200_000
    operator_day: int = 5_000_000


@dataclass(frozen=True, slots=True)
class Totals:
    """What was sold today, hundredths."""

    customer: int
    operator: int


def fits(purchase: Purchase, count: int, money: int | None, before: int | None) -> bool | None:
    """Whether what a meter tells is the arrival of a purchase: money is only spent in between.

    Args:
        purchase: not confirmed yet.
        count: what the meter tells.
        money: hundredths left; None when it does not tell, which shows nothing.
        before: what was left at the number before; None when that was not told.

    Returns:
        False when it is another purchase; None when it cannot be known.
    """
    if count != purchase.count or money is None:
        return False
    return None if before is None else money <= before + purchase.amount


class HeadRoom(StrEnum):
    """How much is left of numbers that only grow."""

    ENOUGH = "enough"
    LITTLE = "little"  #: a tenth or less: plan the exchange now
    NONE = "none"


def head_room(used: int, last: int) -> HeadRoom:
    """Judge a counter.

    Args:
        used: the number that was used last.
        last: the last one there is, such as ``COUNT_MAX``.
    """
    if used >= last:
        return HeadRoom.NONE
    return HeadRoom.LITTLE if used * 100 >= last * _WARNING_PERCENT else HeadRoom.ENOUGH


def check_sale(
    limits: Limits, totals: Totals, amount: int, known: Sequence[Purchase], meter_count: int
) -> int:
    """Say which number a sale gets.

    Args:
        limits: of this counter.
        totals: of today, without this sale.
        amount: hundredths.
        known: at least the meter's purchases that are open, and those of its next number.
        meter_count: the highest number that the meter is known to have.

    Raises:
        LocalError: the amount is not above zero.
        Refusal: a limit, an open purchase, a number that is bound to another amount, or no number is left.
    """
    check_limits(limits, totals, amount)
    pending = [each for each in known if each.state in (State.RESERVED, State.ISSUED)]
    if pending:
        raise Refusal((f"purchase {pending[0].count} is not collected yet",))
    if head_room(meter_count, COUNT_MAX) is HeadRoom.NONE:
        raise Refusal(("the meter has used its last purchase number: exchange it",))
    count = meter_count + 1
    bound = [each for each in known if each.count == count and each.signed]
    if bound and bound[0].amount != amount:
        raise Refusal(
            (f"number {count} was signed for {bound[0].amount} hundredths and for nothing else",)
        )
    return count


def check_payment(payment: str) -> None:
    """Hold the reference of a payment to what makes it one; blanks around it would make the same payment another one.

    Raises:
        LocalError: it is none.
    """
    if not payment.strip():
        raise LocalError("a sale needs the reference of its payment")
    if payment != payment.strip() or not payment.isprintable():
        raise LocalError(
            "the reference of a payment has blanks around it, or signs that nobody sees"
        )


def check_limits(limits: Limits, totals: Totals, amount: int) -> None:
    """Hold a sale to the limits of a counter.

    Args:
        limits: of this counter.
        totals: of today, without this sale.
        amount: hundredths.

    Raises:
        LocalError: the amount is not above zero.
        Refusal: a limit.
    """
    if amount <= 0:
        raise LocalError("an amount is above zero")
    sums = (
        ("sale", amount, limits.sale),
        ("customer and day", totals.customer + amount, limits.customer_day),
        ("operator and day", totals.operator + amount, limits.operator_day),
    )
    for name, total, most in sums:
        if total > most:
            raise Refusal((f"above the limit of {most} hundredths for one {name}",))


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between the books: a stable key, the meter and number, and a sentence."""

    kind: str
    meter: str
    count: int
    detail: str


def reconcile(
    purchases: Sequence[Purchase],
    signatures: Sequence[Signature],
    counts: Mapping[str, int],
    payments: Mapping[str, int] | None = None,
    heads: Iterable[str] | None = None,
    baselines: Mapping[str, int] = MappingProxyType({}),
) -> list[Finding]:
    """Compare the books.

    Args:
        purchases: the counter's.
        signatures: the master crypto's.
        counts: purchase number of each meter, as its element has signed it.
        payments: hundredths by reference, from whoever takes the money; None to leave them out.
        heads: every hash of the sales ledger; None to leave them out.
        baselines: purchase number of meters that had some before the first sale.
    """
    known_heads = None if heads is None else {GENESIS, *heads}
    return [
        *_against_signatures(purchases, signatures, known_heads),
        *_against_meters(purchases, signatures, counts, baselines),
        *(
            []
            if payments is None
            else against_payments(
                {each.payment: each for each in purchases if each.state is not State.CANCELLED},
                payments,
            )
        ),
    ]


def _against_signatures(
    purchases: Sequence[Purchase], signatures: Sequence[Signature], heads: set[str] | None
) -> Iterable[Finding]:
    sold = {(each.meter, each.count): each for each in purchases if each.signed}
    live = [each for each in purchases if not each.signed and each.state is not State.CANCELLED]
    open_sales = {(each.meter, each.count): each for each in live}
    signed = {(each.meter, each.count): each for each in signatures}
    for place, signature in signed.items():
        sale = sold.get(place) or open_sales.get(place)
        if sale is None:
            yield Finding("signed-not-sold", *place, "the crypto has signed what nobody has sold")
        elif sale.amount != signature.amount:
            yield Finding(
                "amounts-differ", *place, f"sold {sale.amount}, signed {signature.amount}"
            )
        if heads is not None and signature.head not in heads:
            yield Finding("ledger-rolled-back", *place, "the ledger of that moment is not this one")
    for place in sold.keys() - signed.keys():
        yield Finding("sold-not-signed", *place, "the crypto has never signed this sale")


def _against_meters(
    purchases: Sequence[Purchase],
    signatures: Sequence[Signature],
    counts: Mapping[str, int],
    baselines: Mapping[str, int],
) -> Iterable[Finding]:
    for meter, count in sorted(counts.items()):
        signed = (each.count for each in signatures if each.meter == meter)
        highest = max(signed, default=0)
        highest = max(highest, baselines.get(meter, 0))
        if count > highest:
            yield Finding("loaded-not-signed", meter, count, f"signed up to {highest} only")
    for sale in purchases:
        arrived = sale.count <= counts.get(sale.meter, 0)
        if sale.state is State.CANCELLED and sale.signed and arrived:
            yield Finding("cancelled-but-loaded", sale.meter, sale.count, "the meter has it")
        elif sale.state is State.CONFIRMED and not arrived:
            yield Finding("confirmed-not-loaded", sale.meter, sale.count, "the meter has it not")


def against_payments(
    live: Mapping[str, Purchase], payments: Mapping[str, int]
) -> Iterable[Finding]:
    """Compare what was sold and not cancelled, by payment, with what was paid."""
    for reference, sale in live.items():
        paid = payments.get(reference)
        if paid is None:
            yield Finding("not-paid", sale.meter, sale.count, f"no payment {reference}")
        elif paid != sale.amount:
            yield Finding("paid-differs", sale.meter, sale.count, f"paid {paid}")
    for reference in sorted(payments.keys() - live.keys()):
        yield Finding("paid-not-sold", "", 0, f"payment {reference} bought nothing")

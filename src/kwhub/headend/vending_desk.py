"""The counter: sells onto a medium, takes usage back, cancels, compares the books.

Every step may be done again after a power cut; the reference of the payment makes it the same sale.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_evidence import Source
from kwhub.headend.vending_store import VendingStore, forgotten
from kwhub.headend.vending_tokens import TokenBooks
from kwhub.prepay.keys import factor_of
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.medium_load import (
    NEVER,
    NOT_TOLD,
    NOTHING,
    OPENS,
    RECHARGES,
    Load,
    Usage,
    parameters_for,
)
from kwhub.prepay.medium_master import MediumMaster
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.vending import (
    COUNT_MAX,
    Finding,
    HeadRoom,
    Purchase,
    State,
    against_payments,
    head_room,
    reconcile,
)

__all__ = ["Collected", "Desk"]


@dataclass(frozen=True, slots=True)
class Collected:
    """What a medium has brought back."""

    told: RunInformation
    confirmed: list[Purchase]
    room: HeadRoom  #: of the meter's purchase numbers


class Desk:
    """One counter.

    Args:
        store: its books.
        crypto: signs.
        now: the present moment, UTC.
    """

    def __init__(
        self, store: VendingStore, crypto: CountingMaster, now: Callable[[], datetime]
    ) -> None:
        self.store, self.crypto, self._now = store, crypto, now

    def issue(self, medium: Medium, meter: str, serial: bytes) -> None:
        """Pair a blank medium with a meter and its customer, and let it read; an issued one gets newer keys. Raises as its parts."""
        customer = bytes.fromhex(self.store.customer_of(meter).number)
        number = bytes.fromhex(meter)
        MediumMaster(self.crypto).pair(medium, serial, number, customer)
        if medium.load is None:
            nonce = _nonce(serial.hex())
            self._put(medium, Load(NOTHING, 0, 0, nonce, parameters_for(number, customer)))

    def sell(
        self,
        medium: Medium,
        amount: int,
        operator: str,
        payment: str,
        until: bytes = NEVER,
    ) -> Purchase:
        """Sell to whom the medium belongs; the same payment again loads the same purchase again.

        Args:
            medium: issued.
            amount: hundredths.
            operator: who sells.
            payment: its reference.
            until: the medium may permit closing until then, see ``Load.until``.

        Raises:
            LocalError, Refusal: as ``VendingStore.reserve``; or the purchase was cancelled or is in.
        """
        meter = medium.meter.hex()
        self.store.check_whole(meter, self.crypto.signed_for(meter), payment, amount)
        purchase = self.store.reserve(meter, amount, operator, payment, self._now())
        if purchase.state not in (State.RESERVED, State.ISSUED):
            raise Refusal((f"the purchase is {purchase.state}",))
        kind = OPENS if purchase.count == 1 else RECHARGES
        parameters = parameters_for(medium.meter, bytes.fromhex(purchase.customer))
        load = Load(kind, amount, purchase.count, _nonce(payment), parameters, until)
        if purchase.state is State.ISSUED:  # once more: what was read before shows nothing
            self.store.issued(purchase, self._now())
        self._put(medium, load)
        return self.store.issued(purchase, self._now())

    def _put(self, medium: Medium, load: Load) -> None:
        factor, serial = bytes(2) + medium.meter, medium.serial
        MediumMaster(self.crypto).pair(medium, serial, medium.meter, medium.customer)
        challenge = medium.challenge()
        counter, version = MediumMaster(self.crypto), medium.versions[0]
        given = counter.sign(factor, serial, challenge, load, version)
        receipt = medium.take(load.to_bytes(), given)
        if not counter.has_taken(factor, serial, challenge, load, receipt, version):
            raise Refusal(("the medium has not signed for its load",))

    def collect(self, medium: Medium) -> Collected:
        """Take the usage that a medium has brought back.

        Raises:
            Refusal: it has none, or one that the meter has not signed, or an old one; or the ledger has forgotten the sale.
        """
        usage, load, meter = medium.usage, medium.load, medium.meter.hex()
        if usage is None or load is None:
            raise Refusal(("the medium was not at its meter since it was loaded",))
        payment = self.store.payment_of(meter, load.count)
        if payment is None and load.kind != NOTHING:
            raise forgotten(meter, load.count)
        nonce = _nonce(payment or medium.serial.hex())
        factor = factor_of(meter)
        counter, before = MediumMaster(self.crypto), medium.before
        is_told = before is not None and before.run_information != NOT_TOLD
        for each in (usage, before) if is_told else (usage,):
            if each and not counter.is_genuine(factor, medium.serial, nonce, each):
                raise Refusal(("the meter has not signed this usage",))
        told = _told(usage)
        confirmed = self.store.saw_count(
            meter,
            told.count,
            self._now(),
            money=_left(told),
            source=Source(
                payment or "",
                max(0, _left(_told(before))) if before and is_told else None,
                before is not None and not is_told,
                None if told.moment is None else told.moment.replace(tzinfo=self.store.zone),
                keys=told.key_state,
            ),
        )
        return Collected(told, confirmed, head_room(told.count, COUNT_MAX))

    def cancel(self, payment: str) -> Purchase:
        """Take back what is not in the meter. Raises as ``VendingStore.cancel``; Refusal for a token."""
        if TokenBooks(self.store, _nobody).find(payment) is not None:
            raise Refusal(("a token that was shown cannot be taken back",))
        purchase = self.store.purchase(payment)
        with self.crypto.held():
            signed = self.crypto.has_signed(purchase.meter, purchase.count)
            return self.store.cancel(payment, self._now(), is_signed=signed)

    def readmit(self, meter: str, count: int, payment: str, person: str) -> Purchase:
        """Enter a forgotten sale again. Raises as ``VendingStore.readmit``; Refusal: it was never signed."""
        amount = self.crypto.signed_for(meter).get(count)
        if amount is None:
            raise Refusal((f"the crypto has never signed number {count} of meter {meter}",))
        return self.store.readmit((meter, count, amount), payment, person, self._now())

    def settle(self, payment: str, person: str, *, arrived: bool) -> Purchase:
        """End a sale that no reading can prove, by a second person's word. Raises as ``VendingStore.settle``."""
        with self.crypto.held():
            return self.store.settle(payment, person, self._now(), arrived=arrived)

    def reconcile(self, payments: Mapping[str, int] | None = None) -> list[Finding]:
        """Check every chain, then compare the books; empty when all is well.

        Args:
            payments: hundredths by reference, from whoever takes the money.
        """
        broken = [
            Finding("changed", "", 0, f"{row} was changed, removed or put in")
            for row in (self.store.verify(), self.crypto.verify())
            if row is not None
        ]
        heads = [entry.digest for entry in self.store.ledger]
        purchases, misfits = self.store.purchases, self.store.misfits
        found = reconcile(
            purchases,
            self.crypto.signatures,
            self.store.counts,
            None,
            heads,
            self.store.baselines,
        )
        counts = self.store.counts
        strange = [
            Finding("meter-does-not-fit", each.meter, each.count, "the meter has another purchase")
            if each.payment in misfits
            else Finding("arrival-not-proven", each.meter, each.count, "whose purchase is in?")
            for each in purchases
            if each.state is State.ISSUED
            and (each.payment in misfits or each.count <= counts.get(each.meter, 0))
        ]
        paid = [] if payments is None else list(against_payments(self._live(), payments))
        foreign = misfits | self.store.settled  # whose number it is was found out
        places = {(each.meter, each.count) for each in purchases if each.payment in foreign}
        found = [
            each
            for each in found
            if each.kind != "cancelled-but-loaded" or (each.meter, each.count) not in places
        ]
        return broken + found + paid + strange

    def _live(self) -> dict[str, Purchase]:
        """Whatever was sold and not cancelled, by its payment; tokens are among it."""
        sold = [each for each in self.store.purchases if each.state is not State.CANCELLED]
        tokens = [
            Purchase(
                *(one.meter, one.identifier, one.amount),
                *(one.customer, one.operator),
                *(one.payment, State.ISSUED),
            )
            for one in TokenBooks(self.store, _nobody).sales
        ]
        return {each.payment: each for each in sold + tokens}


def _nobody(_most: int) -> int:
    """Nothing is drawn by who only reads."""
    raise LocalError("nothing is sold here")


def _told(usage: Usage) -> RunInformation:
    return RunInformation.from_bytes(usage.run_information)


def _left(told: RunInformation) -> int:
    """Hundredths, below zero when owed."""
    return told.money - told.overdraft


def _nonce(reference: str) -> bytes:
    """Four bytes that tell the usage of one load from that of any other."""
    return hashlib.sha256(b"kwhub usage " + reference.encode()).digest()[:4]

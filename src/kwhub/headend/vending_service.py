"""The counter inside the head-end: sells over the line, cancels, and compares the books every hour.

Each piece of work opens the books for itself, so that the commands of ``kwhub vend`` may work on the same ones; what must not
happen twice is refused by the database.
"""

import asyncio
import csv
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from kwhub.domain.errors import ConfigError, KwhubError, LocalError
from kwhub.headend.config import Vending
from kwhub.headend.front.relay import Relay
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.orders.carrier import Carrier
from kwhub.headend.people import trail
from kwhub.headend.people.person import user_name
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_desk import Desk
from kwhub.headend.vending_keys import SharedKeys
from kwhub.headend.vending_ledger import SITE_ZONE
from kwhub.headend.vending_remote import Bought, RemoteDesk
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.headend.vending_token_keys import read_token_keys
from kwhub.headend.vending_tokens import TokenBooks, TokenSale, Wanted
from kwhub.headend.vending_views import Prepaid, prepaid
from kwhub.prepay.sessions import Target
from kwhub.prepay.sts.meter import roll_over_in
from kwhub.prepay.sts.tokens import identifier_at
from kwhub.prepay.vending import (
    IDENTIFIER_MAX,
    Finding,
    HeadRoom,
    Limits,
    Purchase,
    check_payment,
    head_room,
)

__all__ = ["COMPARE_EVERY_S", "Compared", "VendingService", "hundredths", "read_payments"]

COMPARE_EVERY_S: Final = 3_600.0
"""Between two comparisons of the books, in seconds."""

_CENT = Decimal("0.01")
_CENTS_MAX = 10**12
_OPERATOR = "00000001"
"""Of the head-end, in the records of meters."""

_log = structlog.get_logger("kwhub.headend")


def hundredths(text: str) -> int:
    """An amount with at most two decimals. Raises LocalError: it is none."""
    try:
        value = Decimal(text)
        cents = value / _CENT
    except (ArithmeticError, ValueError):
        raise LocalError(f"{text!r} is not an amount") from None
    if (
        not value.is_finite()
        or cents > _CENTS_MAX
        or cents != cents.to_integral_value()
        or cents < 0
    ):
        raise LocalError(f"{text!r} is not an amount with at most two decimals")
    return int(cents)


def read_payments(path: Path) -> dict[str, int]:
    """Payments from a CSV file of references and amounts: hundredths by reference.

    Raises:
        ConfigError: a line says something else, or names a payment again.
    """
    try:
        return _payments(path)
    except UnicodeDecodeError:
        raise ConfigError("is not text in UTF-8", file=str(path)) from None


def _payments(path: Path) -> dict[str, int]:
    paid: dict[str, int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.reader(file), 1):
            if len(row) != 2 or row[0] in paid:
                raise ConfigError(
                    "is not a reference of its own and an amount", file=str(path), line=line
                )
            try:
                paid[row[0]] = hundredths(row[1])
            except LocalError as error:
                raise ConfigError(str(error), file=str(path), line=line) from None
    return paid


@dataclass(frozen=True, slots=True)
class Compared:
    """The last comparison of the books.

    Attributes:
        findings: empty when they agree.
        warnings: what runs out.
        trouble: why it could not be made; empty when it was.
    """

    at: datetime
    findings: list[Finding]
    warnings: list[Finding]
    trouble: str = ""


class VendingService:
    """One counter of a head-end.

    Args:
        settings: where its books and keys are, and its limits.
        carrier: the way to meters; its store has the archive and the trail.
        offload: where blocking work runs.
        zone: of the site, whose days the limits count.

    Raises:
        ConfigError, LocalError: keys or books cannot be opened.

    Attributes:
        compared: the last comparison; None before the first.
    """

    def __init__(
        self, settings: Vending, carrier: Carrier, offload: Offload, zone: tzinfo = SITE_ZONE
    ) -> None:
        self.settings = settings
        self.compared: Compared | None = None
        self._carrier = carrier
        self._offload = offload
        self._zone = zone
        self._selling: dict[str, asyncio.Lock] = {}
        self._keys = SharedKeys(settings.root_key)
        with self._desk():
            pass  # what is wrong with the books is told at the start

    def close(self) -> None:
        """Let go of the keys."""
        self._keys.close()

    # Books

    @contextmanager
    def books(self) -> Iterator[VendingStore]:
        """The books, for reading and for what needs no key. Raises LocalError: the database fails."""
        limits = (self.settings.limit_sale, self.settings.limit_customer)
        made = Limits(*(100 * each for each in (*limits, self.settings.limit_operator)))
        try:
            store = VendingStore(Path(self.settings.ledger), made, self._zone)
            try:
                store.claim()
                yield store
            finally:
                store.close()
        except sqlite3.Error as error:  # locked for too long, a full disk, no database
            raise LocalError(f"the books fail: {self.settings.ledger}: {error}") from error

    @contextmanager
    def _desk(self) -> Iterator[Desk]:
        with self.books() as store:
            book, now = Path(self.settings.book), self._carrier.clock.now
            crypto = CountingMaster(
                book, self._keys, self._keys.draw, now, lambda: store.head, store.check_signing
            )
            try:
                yield Desk(store, crypto, now)
            finally:
                crypto.close()

    # Work

    def add_customer(self, customer: Customer, by: str) -> None:
        """Take a customer in. Raises as ``VendingStore.add_customer``."""
        self._record(by, "vending_customer", customer.meter, customer.number)
        with self.books() as store:
            store.add_customer(customer, self._carrier.clock.now())

    async def sell(self, meter: KnownMeter, amount: int, payment: str, by: str) -> Bought:
        """Sell for a meter and bring it there; the same payment again is the same purchase.

        Args:
            meter: of the archive.
            amount: hundredths.
            payment: its reference.
            by: who sells.

        Raises:
            LocalError: the terminal is not there to carry it, and nothing was sold; or as ``VendingStore.reserve``.
            Refusal: as ``VendingStore.reserve``.
        """
        check_payment(payment)
        if not self._carrier.front.is_online(meter.terminal_id):
            raise LocalError("the terminal of this meter is not online: sell by a medium, or later")
        detail = f"{payment}: {amount}"
        record = partial(self._record, by, "vending_sale", meter.address, detail)
        operator = await self._offload(partial(self._record_sale, record, by))
        async with self._line(meter) as (desk, line, target):
            return await desk.sell(line, target, amount, operator, payment)

    def sell_token(self, wanted: Wanted, by: str) -> TokenSale:
        """Sell a token; the same payment again is the same token. Raises LocalError, Refusal: as ``TokenBooks.sell``, or no key."""
        check_payment(wanted.payment)
        detail = f"{wanted.payment}: {wanted.amount}"
        record = partial(self._record, by, "vending_token", wanted.meter, detail)
        operator = self._record_sale(record, by)
        keys = read_token_keys(Path(self.settings.token_keys)) if self.settings.token_keys else {}
        if wanted.meter not in keys:
            raise LocalError(f"there is no token key of meter {wanted.meter}")
        found = keys[wanted.meter]
        with self.books() as store:
            tokens = TokenBooks(store, secrets.randbelow)
            now = self._carrier.clock.now()
            return tokens.sell(replace(wanted, operator=operator), found.key, found.base_year, now)

    async def bring_pending(self) -> list[Bought]:
        """Carry what was sold and has not arrived, to meters that can be reached. Raises LocalError: the books fail."""
        with self.books() as store:
            now = self._carrier.clock.now()
            waiting = [x for x in store.pending if not store.is_beyond_the_line(x, now)]
        reached = {each.address: each for each in self._carrier.store.archive.meters.values()}
        done: list[Bought] = []
        for purchase in waiting:
            meter = reached.get(purchase.meter)
            if meter is None or not self._carrier.front.is_online(meter.terminal_id):
                continue
            try:
                done.append(await self._bring(meter, purchase))
            except KwhubError as error:  # one meter in trouble keeps nobody else waiting
                _log.warning("vending_not_brought", payment=purchase.payment, error=str(error))
        return done

    async def _bring(self, meter: KnownMeter, purchase: Purchase) -> Bought:
        async with self._line(meter) as (desk, line, target):
            return await desk.bring(line, target, purchase)

    @asynccontextmanager
    async def _line(self, meter: KnownMeter) -> AsyncIterator[tuple[RemoteDesk, Relay, Target]]:
        """Books, keys and the way to a meter; one sale of a meter at a time."""
        async with self._selling.setdefault(meter.address, asyncio.Lock()):
            with self._desk() as desk:
                remote = RemoteDesk(desk.store, desk.crypto, self._carrier.clock.now)
                target = Target(meter.address, meter.address, _OPERATOR)
                yield remote, self._carrier.relay_to(meter), target

    async def cancel(self, payment: str, by: str) -> Purchase:
        """Take back what is not in the meter, while nothing is sold for it. Raises as ``Desk.cancel``."""
        await self._offload(partial(self._record, by, "vending_cancel", payment, ""))
        with self.books() as store:
            meter = store.purchase(payment).meter
        async with self._selling.setdefault(meter, asyncio.Lock()):
            return await self._offload(partial(self._cancel, payment))

    async def settle(self, payment: str, by: str, *, arrived: bool) -> Purchase:
        """Let a second person say whether a sale has arrived that no reading can prove. Raises as ``Desk.settle``."""
        detail = "arrived" if arrived else "cancelled"
        record = partial(self._record, by, "vending_settle", payment, detail)
        person = await self._offload(partial(self._record_sale, record, by))
        with self.books() as store:
            meter = store.purchase(payment).meter
        async with self._selling.setdefault(meter, asyncio.Lock()):
            return await self._offload(partial(self._settle, payment, person, arrived))

    def _settle(self, payment: str, person: str, arrived: bool) -> Purchase:  # noqa: FBT001
        with self._desk() as desk:
            return desk.settle(payment, person, arrived=arrived)

    def _cancel(self, payment: str) -> Purchase:
        with self._desk() as desk:
            return desk.cancel(payment)

    def compare(self) -> Compared:
        """Compare the books now, and look for what runs out. Raises nothing: trouble is in the result."""
        now = self._carrier.clock.now()
        try:
            paid = read_payments(Path(self.settings.payments)) if self.settings.payments else None
            with self._desk() as desk:
                findings = desk.reconcile(paid)
                warnings = self._warnings(desk.store, now)
        except (KwhubError, OSError) as error:
            self.compared = Compared(now, [], [], str(error))
            _log.error("vending_not_compared", error=str(error))
            return self.compared
        self.compared = Compared(now, findings, warnings)
        if findings:
            kinds = sorted({each.kind for each in findings})
            _log.error("vending_books_differ", findings=len(findings), kinds=kinds)
        if warnings:
            _log.warning("vending_runs_out", warnings=[each.kind for each in warnings])
        return self.compared

    def customers(self, meters: Collection[str] | None = None) -> list[Prepaid]:
        """Every customer with the forecast of his meter, the most urgent first."""
        settings = self.settings
        with self.books() as store:
            return prepaid(
                store,
                self._carrier.clock.now(),
                low=100 * settings.low_balance,
                low_days=settings.low_days,
                meters=meters,
            )

    async def run(self) -> None:
        """Bring what waits and compare the books, at the start and every hour, until cancelled."""
        while True:
            try:
                await self.bring_pending()
            except (KwhubError, OSError) as error:
                _log.error("vending_not_brought", error=str(error))
            await self._offload(self.compare)
            await self._carrier.clock.sleep(COMPARE_EVERY_S)

    def _warnings(self, store: VendingStore, now: datetime) -> list[Finding]:
        """Numbers of meters, and identifiers of tokens, of which a tenth or less is left."""
        found = [
            Finding("numbers-run-out", each.customer.meter, store.count_of(each.customer.meter), "")
            for each in prepaid(store, now, low=0, low_days=0)
            if each.room is not HeadRoom.ENOUGH
        ]
        base = self.settings.token_base
        if base is None:
            return found
        try:
            identifier = identifier_at(now.replace(tzinfo=None), base)
        except LocalError:
            return [*found, Finding("tokens-ended", "", 0, f"base date {base} has ended")]
        if head_room(identifier, IDENTIFIER_MAX) is not HeadRoom.ENOUGH:
            left = roll_over_in(identifier).days
            detail = f"base date {base} ends in {left} days: meters need a key of the next one"
            found.append(Finding("tokens-run-out", "", identifier, detail))
        return found

    def _record_sale(self, record: Callable[[], None], by: str) -> str:
        """Who sells, by the user's name: all keys of a person share the limit of one operator."""
        record()
        with self._carrier.store.database.read() as connection:
            return user_name(connection, by)

    def _record(self, by: str, action: str, subject: str, detail: str) -> None:
        """In the trail before anything happens."""
        with self._carrier.store.database.write() as connection:
            trail.record(connection, by, action, subject, detail, self._carrier.clock.now())

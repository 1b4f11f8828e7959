"""Purchases, opening an account, initialising the wallet, refunds: the order of checks and of writes.

Source: State Grid filings on security as two public meter firmwares implement them, identical in both;
refund: single source.
"""

from typing import Final

from kwhub.prepay.element.files import CUSTOMER_OFFSET, PARAMETERS
from kwhub.prepay.element.interface import Status
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.tariff import MICRO
from kwhub.prepay.wire.requests import InitialiseWallet, OpenAccount, Purchase, Refund
from kwhub.sim.prepay_consumption import Consumption
from kwhub.sim.prepay_core import Core, WindowKind, refused
from kwhub.sim.prepay_store import Intent, Kind

__all__ = ["HOARDING_MAX", "Wallet"]

HOARDING_MAX: Final = 99_999_999
"""The most that the display can show, hundredths; holds where no limit is written."""

_TEST_KEYS: Final = 0


class Wallet:
    """The account of one meter, as the line sees it."""

    def __init__(self, core: Core, consumption: Consumption) -> None:
        self._core = core
        self._store = core.store
        self._consumption = consumption

    def recharge(self, request: Purchase) -> bytes:
        """070102. Raises Denied."""
        self._core.require(WindowKind.REMOTE)
        self.check_purchase(request.amount, request.count, request.customer)
        self.take_purchase(request)
        return b""

    def open_account(self, request: OpenAccount) -> bytes:
        """070101. Raises Denied."""
        self._core.require(WindowKind.REMOTE)
        self.check_opening(request.amount, request.count, request.customer)
        self.take_opening(request)
        return b""

    def check_purchase(self, amount: int, count: int, customer: bytes) -> None:
        """Everything that does not need the element. Raises Denied."""
        self._require_money()
        account = self._store.account
        if not account.is_open:
            raise refused(SecurityError.OTHER, "no account is open")
        if customer != account.customer:
            raise refused(SecurityError.CUSTOMER, "another customer")
        present = self._core.driver.wallet[1]
        if count == present and self._core.window.spent:
            raise refused(SecurityError.REPEATED, "this purchase is in")
        if count not in (present, present + 1):
            raise refused(SecurityError.COUNT, f"purchase {count} after {present}")
        if count == present + 1:
            self._check_hoarding(amount)

    def take_purchase(self, request: Purchase) -> None:
        """What needs the element. Raises Denied."""
        self._write_customer(request)
        if request.count == self._core.driver.wallet[1]:
            raise refused(SecurityError.REPEATED, "this purchase is in")
        self._credit(request, Kind.CREDIT)

    def check_opening(self, amount: int, count: int, customer: bytes) -> None:
        """Everything that does not need the element. Raises Denied."""
        self._require_money()
        account, present = self._store.account, self._core.driver.wallet[1]
        if account.is_open and customer != account.customer:
            raise refused(SecurityError.CUSTOMER, "the account of another customer is open")
        if count not in (0, 1) or count not in (present, present + 1):
            raise refused(SecurityError.COUNT, f"opening with {count} after {present}")
        if count != present:
            self._check_hoarding(amount)

    def take_opening(self, request: Purchase) -> None:
        """What needs the element. An opening that is in already is good. Raises Denied."""
        account, present = self._store.account, self._core.driver.wallet[1]
        if account.is_open and request.count == present and self._core.window.spent:
            return
        self._write_customer(request)
        if request.count != present:
            self._credit(request, Kind.OPEN)
            return
        self._consumption.settle(self._core.now_s)
        self._store.follow(
            Intent(Kind.OPEN, 0, self._store.account.count, customer=request.customer)
        )

    def initialise(self, request: InitialiseWallet) -> bytes:
        """070103: only while every key is a test key. Raises Denied."""
        core = self._core
        core.require(WindowKind.REMOTE)
        core.require_working()
        self._require_local()
        if core.driver.key_state != _TEST_KEYS:
            raise refused(SecurityError.OTHER, "the keys are formal")
        if request.count:
            raise refused(SecurityError.COUNT, "a wallet begins with purchase 0")
        intent = Intent(Kind.INITIALISE, request.amount, 0, core.driver.wallet[0], core.now_s)
        self._store.intend(intent)
        status = core.driver.initialise(request.amount, request.money_mac, request.count_mac)
        self._carry_out(intent, status)
        return b""

    def refund(self, request: Refund) -> bytes:
        """070108, where the profile has it. Raises Denied."""
        core = self._core
        if not core.profile.has_refund:
            raise refused(SecurityError.OTHER, "this meter knows no refund")
        core.require(WindowKind.REMOTE)
        self._require_money()
        account = self._consumption.settle(core.now_s)
        if request.customer != account.customer:
            raise refused(SecurityError.CUSTOMER, "another customer")
        if request.order == account.refunded:
            raise refused(SecurityError.REPEATED, "this refund was made")
        money, count = core.driver.wallet
        if request.count != count:
            raise refused(SecurityError.COUNT, f"refund at purchase {request.count}, not {count}")
        if request.amount > min(money, account.cents):
            raise refused(SecurityError.OTHER, "there is not so much money")
        self._write_customer(request)
        intent = Intent(
            Kind.REFUND, request.amount, count, money, core.now_s, request.order, request.customer
        )
        self._store.intend(intent)
        self._carry_out(intent, core.driver.refund(request.amount, request.money_mac))
        core.window.spent = True
        return b""

    def _require_money(self) -> None:
        self._core.require_working()
        self._require_local()
        if not self._core.is_formal:
            raise refused(SecurityError.OTHER, "a test key is left")

    def _require_local(self) -> None:
        if not self._store.account.is_local:
            raise refused(SecurityError.OTHER, "the head-end handles the money of this meter")

    def _check_hoarding(self, amount: int) -> None:
        account = self._consumption.settle(self._core.now_s)
        most = self._store.limits.hoarding or HOARDING_MAX
        if account.balance + amount * MICRO > most * MICRO:
            raise refused(SecurityError.HOARDING, f"more than {most} hundredths")

    def _write_customer(self, request: Purchase | Refund) -> None:
        driver = self._core.driver
        status = driver.update(PARAMETERS, CUSTOMER_OFFSET, request.customer, request.customer_mac)
        if status != Status.OK:
            raise refused(SecurityError.ELEMENT, f"customer number: {status:04X}")

    def _credit(self, request: Purchase, kind: Kind) -> None:
        core = self._core
        self._consumption.settle(core.now_s)
        money = core.driver.wallet[0]
        intent = Intent(kind, request.amount, request.count, money, core.now_s, 0, request.customer)
        self._store.intend(intent)
        self._carry_out(
            intent, core.driver.credit(request.amount, request.count, request.money_mac)
        )
        core.window.spent = True
        self._consumption.act(core.now_s)

    def _carry_out(self, intent: Intent, status: int) -> None:
        """What the element has done, the account does; else nothing was intended."""
        if status != Status.OK:
            self._store.intend(Intent())
            raise refused(SecurityError.ELEMENT, f"wallet: {status:04X}")
        self._store.follow(intent)
        self._consumption.copy(self._core.now_s)

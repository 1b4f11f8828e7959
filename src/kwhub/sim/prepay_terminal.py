"""What an interactive terminal, the medium, may do at the meter: 07A001 to 07A006.

Source: identifiers and purposes from one public firmware (single source); what it leaves open: kwhub (see
``kwhub.prepay.wire.terminal``).
"""

from dataclasses import replace
from typing import Final

from kwhub.domain.errors import DecodeError
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import CUSTOMER_OFFSET, METER_OFFSET, PARAMETERS, RUN_INFORMATION
from kwhub.prepay.element.interface import Status
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.run_information import MODE, RUN_INFORMATION_BYTES, UPDATE_FLAGS
from kwhub.prepay.tariff import TARIFF_NOW, TARIFF_STANDBY
from kwhub.prepay.wire.answers import Returned, TerminalOpened
from kwhub.prepay.wire.requests import OpenAccount, Purchase
from kwhub.prepay.wire.terminal import (
    CloseAndRestore,
    SwitchMode,
    TerminalLogin,
    TerminalPurchase,
    WriteStandbyTariff,
    WriteTariff,
)
from kwhub.sim.prepay_consumption import Consumption
from kwhub.sim.prepay_control import Control
from kwhub.sim.prepay_core import TERMINAL_S, Core, Window, WindowKind, refused
from kwhub.sim.prepay_parameters import Parameters
from kwhub.sim.prepay_wallet import Wallet

__all__ = ["Terminal"]

_OPENS: Final = 0x01
_RECHARGES: Final = 0x02
_VALUES: Final = slice(0x04, CUSTOMER_OFFSET)
_ENDING: Final = slice(0x2A, 0x2D)
_CLOSING: Final = frozenset({0x1B, 0x1C})
_OPERATOR: Final = "FFFFFFFE"
"""Operator in the records of what a terminal closes."""


class Terminal:
    """The medium's side of one meter."""

    def __init__(
        self,
        core: Core,
        consumption: Consumption,
        wallet: Wallet,
        parameters: Parameters,
        control: Control,
    ) -> None:
        self._core = core
        self._consumption = consumption
        self._wallet = wallet
        self._parameters = parameters
        self._control = control

    def log_in(self, request: TerminalLogin) -> bytes:
        """07A001. Raises Denied."""
        core = self._core
        if core.is_open(WindowKind.REMOTE):
            raise refused(SecurityError.OTHER, "the head-end is in session")
        core.end_window()
        expected = core.driver.meet_medium(request.serial, request.first_random) or b""
        if not ciphers.same(expected, request.cipher):
            core.driver.reset()
            core.count_failure()
            raise refused(SecurityError.IDENTITY, "no medium of this meter")
        core.window = Window(
            WindowKind.TERMINAL,
            core.now_s + TERMINAL_S,
            core.window.infrared_until_s,
            request.first_random,
            request.serial,
        )
        self._consumption.settle(core.now_s)
        self._consumption.copy(core.now_s)
        money, count = core.driver.wallet
        mode = int(core.store.account.is_local)
        nonce = core.driver.challenge(4)
        return TerminalOpened(nonce, core.driver.serial, mode, money, count).payload()

    def purchase(self, request: TerminalPurchase) -> bytes:
        """07A002. Raises Denied."""
        core, wallet = self._core, self._wallet
        self._require()
        customer = request.parameters[CUSTOMER_OFFSET:][:6]
        if request.serial != core.window.serial:
            raise refused(SecurityError.IDENTITY, "the session is that of another medium")
        if request.parameters[METER_OFFSET:CUSTOMER_OFFSET] != core.meter_number:
            raise refused(SecurityError.CUSTOMER, "a purchase for another meter")
        row = (request.amount, request.count, request.money_mac, customer, request.customer_mac)
        if request.card_type == _OPENS:
            wallet.check_opening(request.amount, request.count, customer)
            self._write_values(request)
            wallet.take_opening(OpenAccount(*row))
        elif request.card_type == _RECHARGES:
            wallet.check_purchase(request.amount, request.count, customer)
            if request.count != core.driver.wallet[1]:
                self._write_values(request)
            wallet.take_purchase(Purchase(*row))
        else:
            raise refused(SecurityError.OTHER, f"no purchase of type {request.card_type:02X}")
        self._consumption.permit(core.now_s)
        self._consumption.copy(core.now_s)
        signed = core.driver.read_signed(RUN_INFORMATION, 0, RUN_INFORMATION_BYTES, request.nonce)
        if signed is None:
            raise refused(SecurityError.ELEMENT, "the run information cannot be read")
        return Returned(signed[:RUN_INFORMATION_BYTES], signed[RUN_INFORMATION_BYTES:]).payload()

    def write_tariff(self, request: WriteTariff) -> bytes:
        """07A003 and 07A004. Raises Denied."""
        self._require()
        file = TARIFF_STANDBY if isinstance(request, WriteStandbyTariff) else TARIFF_NOW
        try:
            taken = self._parameters.write_file(file, request.offset, request.data, request.mac)
        except DecodeError as error:
            raise refused(SecurityError.OTHER, error.detail) from None
        if not taken:
            raise refused(SecurityError.ELEMENT, "the element refuses the tariff")
        return b""

    def close(self, request: CloseAndRestore) -> bytes:
        """07A005: close or permit closing, never trip. Raises Denied."""
        core = self._core
        self._require()
        account = self._consumption.settle(core.now_s)
        floor = -core.store.limits.overdraft * 10_000
        if self._consumption.runs and account.balance <= floor:
            raise refused(SecurityError.CLOSING, "there is no money left")
        plain = core.driver.open_order(request.sealed)
        core.window.spent = True
        if plain is None:
            raise refused(SecurityError.ELEMENT, "the element refuses the order")
        if plain[0] not in _CLOSING or self._control.carry_out(plain, _OPERATOR):
            raise refused(SecurityError.CLOSING, "the order cannot be carried out")
        return b""

    def switch_mode(self, request: SwitchMode) -> bytes:
        """07A006. Going remote clears the wallet; the way back is closed with formal keys. Raises Denied."""
        core = self._core
        self._require()
        is_local = bool(request.mode)
        account = self._consumption.settle(core.now_s)
        if request.mode > 1 or (is_local and not account.is_local and core.is_formal):
            raise refused(SecurityError.OTHER, "this mode cannot be chosen")
        if core.driver.update(PARAMETERS, MODE, bytes((request.mode,)), request.mac) != Status.OK:
            raise refused(SecurityError.ELEMENT, "the element refuses the mode")
        if account.is_local and not is_local:
            core.store.keep(replace(account, is_local=False, balance=0, cut_off=False))
            core.driver.consume(core.driver.wallet[0])
        else:
            core.store.keep(replace(account, is_local=is_local))
        self._consumption.replan()
        return b""

    def _require(self) -> None:
        self._core.require(WindowKind.TERMINAL)
        self._core.require_working()

    def _write_values(self, request: TerminalPurchase) -> None:
        """Alarm limits, ratios and the like, when the medium wants them written."""
        content = request.parameters
        if not content[UPDATE_FLAGS]:
            return
        for part, mac in ((_VALUES, request.values_mac), (_ENDING, request.ending_mac)):
            status = self._core.driver.update(PARAMETERS, part.start, content[part], mac)
            if status != Status.OK:
                raise refused(SecurityError.ELEMENT, f"parameters: {status:04X}")
        self._consumption.replan()

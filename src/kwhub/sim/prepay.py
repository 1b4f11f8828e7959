"""A cost-control meter: the secure element, a memory of its own, and every command that needs them.

Built into a ``SimulatedMeter`` it takes over control code 03, sealed relay orders (1C), parameters with MAC or
cipher (14 with 98 and 99), and what only such a meter can tell. It refuses relay orders and most writes
that show nothing but a password.

Source: State Grid filings on security as two public meter firmwares implement them (see the parts).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from kwhub.domain.errors import DecodeError
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import FILES, PARAMETERS
from kwhub.prepay.element.interface import SecureElement, Status
from kwhub.prepay.element.sessions import COMPARE_BYTES
from kwhub.prepay.memory import Memory
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.run_information import MINUTES
from kwhub.prepay.tariff import TARIFF_NOW, TARIFF_STANDBY
from kwhub.prepay.wire import answers as told
from kwhub.prepay.wire import canonical, decode_request
from kwhub.prepay.wire import requests as asked
from kwhub.prepay.wire import terminal as by_terminal
from kwhub.protocols.dlt645.addresses import is_plain
from kwhub.protocols.dlt645.authority import CIPHER_LEVEL
from kwhub.protocols.dlt645.messages import Data, ReadAddress, ReadAgain, ReadData, ReadFollowUp
from kwhub.protocols.dlt645.obedience import Done
from kwhub.protocols.dlt645.orders import Authenticate, ClearMeter, ControlRelay
from kwhub.protocols.dlt645.times import wall_time_bytes
from kwhub.protocols.dlt645.writing import WriteData
from kwhub.sim.body import Body
from kwhub.sim.clockwork import wall_datetime
from kwhub.sim.denial import not_authorised
from kwhub.sim.eventbook import KEY_UPDATE
from kwhub.sim.prepay_consumption import Consumption
from kwhub.sim.prepay_control import Control
from kwhub.sim.prepay_core import (
    INFRARED_S,
    Core,
    Profile,
    Window,
    WindowKind,
    refused,
)
from kwhub.sim.prepay_display import SHOW, Display
from kwhub.sim.prepay_keys import KeyUpdate
from kwhub.sim.prepay_parameters import CheckedWrite, Parameters
from kwhub.sim.prepay_terminal import Terminal
from kwhub.sim.prepay_wallet import Wallet

__all__ = ["INFRARED_READS", "PrepaymentUnit"]

INFRARED_READS: Final = frozenset({0x0400_0101, 0x0400_0102, 0x0400_010C, 0x0400_0401, 0x0400_0402})
"""What the infrared port tells before it was opened, besides energies and money (class 00)."""

_INFRARED_COMMANDS: Final = frozenset(
    {0x0700_00FF, 0x0700_03FF, 0x0780_03FF, *range(0x07A0_01FF, 0x07A0_07FF, 0x100)}
)
_GUARDED: Final = (Authenticate, ControlRelay, WriteData, ClearMeter)
_WALLET_FILE: Final = 0x01
_DIRECTORY: Final = 0xDF01
_READ_MAX: Final = 180
_VALUES: Final = range(0x04, 0x1E)
_SEALED: Final = frozenset({0x09, 0x10, 0x11, 0x12, 0x13})
_LENGTH_MAX: Final = 0xFF


class PrepaymentUnit:
    """Cost control for one meter. Build it, then give it to ``SimulatedMeter(prepayment=...)``.

    Building it is switching it on: an intent that a power cut has left is carried to its end.

    Args:
        element: personalised with the number of the meter.
        memory: the meter's own, ``kwhub.sim.prepay_store.MEMORY_BYTES`` long.
        profile: what its maker does.
    """

    def __init__(
        self,
        element: SecureElement,
        memory: Memory,
        profile: Profile | None = None,
        core: type[Core] = Core,
    ) -> None:
        self.core = core(element, memory, profile or Profile())
        self.consumption = Consumption(self.core)
        self.wallet = Wallet(self.core, self.consumption)
        self.parameters = Parameters(self.core, self.consumption)
        self._control = Control(self.core, self.consumption)
        self._keys = KeyUpdate(self.core)
        self._terminal = Terminal(
            self.core, self.consumption, self.wallet, self.parameters, self._control
        )
        self.display = Display()
        self._checked: CheckedWrite | None = None

    def build_in(self, body: Body, checked: CheckedWrite) -> None:
        """Connect it with its meter.

        Args:
            body: of the meter.
            checked: writes a parameter that may be written.
        """
        self.core.body = body
        self._checked = checked
        body.duties.append(self)

    # As a duty of the body

    def next_s(self) -> int | None:
        """When there is something to do."""
        return self.consumption.next_s()

    def advance(self, at_s: int) -> None:
        """Do what is due."""
        self.core.now_s = at_s
        self.consumption.advance(at_s)

    def power_returned(self, at_s: int) -> None:
        """The power is back after a cut."""
        self.core.now_s = at_s
        self.core.boot()
        self.display = Display()

    # As an end of the line

    def answer(self, request: Any, at_s: int, *, infrared: bool = False) -> Any:
        """Answer what is the unit's business.

        Returns:
            None when it is not; the meter answers as any other.

        Raises:
            Denied: the refusal.
        """
        self.core.now_s = at_s
        if infrared:
            self._guard(request)
        if isinstance(request, ReadData):
            return self._read(request)
        if isinstance(request, _GUARDED) and not is_plain(request.address):
            raise not_authorised("such an order goes to one meter")
        match request:
            case Authenticate():
                return self._secure(request, infrared=infrared)
            case ControlRelay():
                self._require_seal(request.authority.key.level)
                self._control.order(request)
            case WriteData() if self._checked is not None:
                self._write(request, self._checked)
            case ClearMeter():
                raise not_authorised("a password does not clear a meter that holds money")
            case _:
                return None
        return Done(self.core.body.memory.address, request.function, None)

    def _write(self, request: WriteData, checked: CheckedWrite) -> None:
        if self._turns_page(request):
            self.display.show(request.payload)
        else:
            self.parameters.write(request, checked)

    def _read(self, request: ReadData) -> Data | None:
        payload = self.display.read(request.identifier)
        if payload is None:
            payload = self.parameters.read(request.identifier)
        address = self.core.body.memory.address
        return None if payload is None else Data(address, request.identifier, payload)

    def _guard(self, request: Any) -> None:
        """The infrared port before somebody has shown a key at it."""
        if self.core.now_s < self.core.window.infrared_until_s:
            return
        if isinstance(request, Authenticate):
            if canonical(request.identifier) not in _INFRARED_COMMANDS and not self.core.is_open(
                WindowKind.TERMINAL
            ):
                raise refused(SecurityError.IDENTITY, "the infrared port is closed")
            return
        if isinstance(request, ReadAddress | ReadFollowUp | ReadAgain) or self._turns_page(request):
            return
        is_open = isinstance(request, ReadData) and (
            not request.identifier >> 24
            or request.identifier in INFRARED_READS
            or self.display.read(request.identifier) is not None
        )
        if not is_open:
            raise not_authorised("the infrared port is closed")

    def _turns_page(self, request: Any) -> bool:
        """A medium in session presses the key of the display."""
        is_page = isinstance(request, WriteData) and request.identifier == SHOW
        return is_page and self.core.is_open(WindowKind.TERMINAL)

    @staticmethod
    def _require_seal(level: int) -> None:
        if level != CIPHER_LEVEL:
            raise not_authorised("a password does not move the relay of this meter")

    def _secure(self, request: Authenticate, *, infrared: bool) -> Data:
        """Control code 03."""
        identifier = canonical(request.identifier)
        try:
            data = decode_request(request.identifier, request.payload)
        except DecodeError as error:
            raise refused(SecurityError.OTHER, error.detail) from None
        if isinstance(data, asked.UpdateKeys | asked.UpdateKey2009):
            payload = self._update_keys(data, identifier, request.operator)
        elif isinstance(data, asked.RequestInfrared | asked.AuthenticateInfrared):
            payload = self._open_port(data, infrared=infrared)
        else:
            payload = self._HANDLERS[type(data)](self, data)
        return Data(self.core.body.memory.address, request.identifier, payload)

    # Sessions

    def _identify(self, request: asked.AuthenticateIdentity) -> bytes:
        core = self.core
        if core.is_open(WindowKind.TERMINAL):
            raise refused(SecurityError.OTHER, "a terminal is in session")
        if request.factor != bytes(2) + core.meter_number:
            raise refused(SecurityError.IDENTITY, "the factor is that of another meter")
        core.end_window()
        expected = core.driver.identify(request.factor, request.first_random) or b""
        if not ciphers.same(expected, request.cipher):
            core.driver.reset()
            core.count_failure()
            raise refused(SecurityError.IDENTITY, "the cipher is wrong")
        core.window = Window(
            WindowKind.REMOTE,
            core.now_s + core.validity_s,
            core.window.infrared_until_s,
            request.first_random,
        )
        return told.IdentityShown(core.driver.challenge(4), core.driver.serial).payload()

    def _set_validity(self, request: asked.SetValidity) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE)
        core.require_working()
        if not request.minutes:
            raise refused(SecurityError.OTHER, "no validity of 0 minutes")
        data = bytes.fromhex(f"{request.minutes:04d}")
        if core.driver.update(PARAMETERS, MINUTES, data, request.mac) != Status.OK:
            raise refused(SecurityError.ELEMENT, "the element refuses the validity")
        return b""

    def _end(self, _request: asked.EndAuthentication) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE, WindowKind.TERMINAL)
        money, count = core.driver.wallet
        customer, keys = core.store.account.customer, core.driver.key_state
        core.end_window()
        return told.Ended(customer, money, count, keys).payload()

    def _open_port(
        self, request: asked.RequestInfrared | asked.AuthenticateInfrared, *, infrared: bool
    ) -> bytes:
        core = self.core
        if not infrared:
            raise refused(SecurityError.OTHER, "this is not the infrared port")
        if isinstance(request, asked.RequestInfrared):
            number = core.meter_number
            cipher = core.driver.show_infrared(bytes(2) + number, request.first_random)
            challenge = core.driver.challenge(8)
            return told.InfraredShown(number, core.driver.serial, cipher, challenge).payload()
        if core.driver.check_infrared(request.cipher) != Status.OK:
            raise refused(SecurityError.IDENTITY, "the cipher is wrong")
        core.window.infrared_until_s = core.now_s + INFRARED_S
        return b""

    # Reading

    def _status(self, _request: asked.QueryStatus) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE, WindowKind.TERMINAL)
        self.consumption.settle(core.now_s)
        self.consumption.copy(core.now_s)
        signed = core.driver.money_signed(core.window.random[-4:])
        if signed is None:
            raise refused(SecurityError.ELEMENT, "the wallet cannot be read")
        money, count = signed
        return told.Status(
            int.from_bytes(money[:4]),
            money[4:],
            int.from_bytes(count[:4]),
            count[4:],
            core.store.account.customer,
            core.driver.key_state,
        ).payload()

    def _read_back(self, request: asked.ReadBack) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE, WindowKind.TERMINAL)
        place = (request.length, request.start, request.file, request.directory)
        known = request.file == _WALLET_FILE or request.file in FILES
        fits = 0 < request.length <= _READ_MAX and request.start <= _LENGTH_MAX
        if not (known and fits and request.directory == _DIRECTORY):
            raise refused(SecurityError.OTHER, f"no such part of a file: {place}")
        self.consumption.settle(core.now_s)
        self.consumption.copy(core.now_s)
        nonce = core.window.random[-4:]
        if request.file == _WALLET_FILE:
            signed = core.driver.money_signed(nonce)
            if signed is not None:
                (money, count), first = signed, int.from_bytes(signed[0][:4])
                row = (first, money[4:], int.from_bytes(count[:4]), count[4:])
                return told.WalletReadBack(*place, *row).payload()
        found = core.driver.read_signed(request.file, request.start, request.length, nonce)
        if found is None:
            raise refused(SecurityError.ELEMENT, "the element does not read it")
        return told.ReadBackData(*place, found[:-4], found[-4:]).payload()

    def _compare(self, request: asked.CompareFirmware) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE)
        firmware, start = core.profile.firmware, request.data_address
        ends = (start + COMPARE_BYTES, request.factor_address + 8)
        if request.processor != 1 or max(ends) > len(firmware):
            raise refused(SecurityError.ADDRESS, "there is no program at this address")
        cipher = core.driver.compare(firmware[start : start + COMPARE_BYTES])
        if cipher is None:
            raise refused(SecurityError.ELEMENT, "the element does not encipher it")
        return told.Compared(cipher).payload()

    # Writing

    def _write_file(self, request: asked.WriteFilePlain) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE)
        core.require_working()
        end = request.offset + len(request.data)
        in_values = request.file == PARAMETERS and request.offset in _VALUES and end in _VALUES
        if not (in_values or request.file in (TARIFF_NOW, TARIFF_STANDBY)):
            raise refused(SecurityError.OTHER, "this part of a file has a command of its own")
        try:
            taken = end <= _LENGTH_MAX and self.parameters.write_file(
                request.file, request.offset, request.data, request.mac
            )
        except DecodeError as error:
            raise refused(SecurityError.OTHER, error.detail) from None
        if not taken:
            raise refused(SecurityError.ELEMENT, "the element refuses the write")
        return b""

    def _write_sealed_file(self, request: asked.WriteFileSealed) -> bytes:
        core = self.core
        core.require(WindowKind.REMOTE)
        core.require_working()
        if request.file not in _SEALED or request.offset > _LENGTH_MAX:
            raise refused(SecurityError.OTHER, "no file for enciphered data")
        sealed = request.sealed
        status = core.driver.update(request.file, request.offset, sealed[:-4], sealed[-4:])
        if status != Status.OK:
            raise refused(SecurityError.ELEMENT, f"the element refuses the write: {status:04X}")
        return b""

    def _update_keys(
        self, request: asked.UpdateKeys | asked.UpdateKey2009, identifier: int, operator: str
    ) -> bytes:
        if isinstance(request, asked.UpdateKeys):
            written = self._keys.take(request)
        else:
            written = self._keys.take_one(request, identifier)
        if written:
            wall = wall_datetime(self.core.body.wall(self.core.now_s))
            record = wall_time_bytes(wall) + bytes.fromhex(operator)[::-1] + bytes((written,))
            self.core.body.book.add(KEY_UPDATE, record + identifier.to_bytes(4, "little"))
        return b""

    _HANDLERS: Final[Mapping[type, Callable[["PrepaymentUnit", Any], bytes]]] = MappingProxyType(
        {
            asked.AuthenticateIdentity: _identify,
            asked.SetValidity: _set_validity,
            asked.EndAuthentication: _end,
            asked.QueryStatus: _status,
            asked.ReadBack: _read_back,
            asked.CompareFirmware: _compare,
            asked.WriteFilePlain: _write_file,
            asked.WriteFileSealed: _write_sealed_file,
            asked.Purchase: lambda self, data: self.wallet.recharge(data),
            asked.OpenAccount: lambda self, data: self.wallet.open_account(data),
            asked.InitialiseWallet: lambda self, data: self.wallet.initialise(data),
            asked.Refund: lambda self, data: self.wallet.refund(data),
            by_terminal.TerminalLogin: lambda self, data: self._terminal.log_in(data),
            by_terminal.TerminalPurchase: lambda self, data: self._terminal.purchase(data),
            by_terminal.WriteTariff: lambda self, data: self._terminal.write_tariff(data),
            by_terminal.WriteStandbyTariff: lambda self, data: self._terminal.write_tariff(data),
            by_terminal.CloseAndRestore: lambda self, data: self._terminal.close(data),
            by_terminal.SwitchMode: lambda self, data: self._terminal.switch_mode(data),
        }
    )

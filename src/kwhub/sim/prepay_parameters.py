"""Parameters of a cost-control meter: written through the element, read like any other.

With an element built in, a plain password writes next to nothing: what it guards can be heard on the line.

Source: State Grid filings on security (code 14 with 99 and 98) as implemented by two public meter firmwares;
which items a plain password may still write: the same.
"""

from collections.abc import Callable
from typing import Final, Protocol

from kwhub.domain.errors import DecodeError
from kwhub.prepay.ciphers import BLOCK_BYTES, MAC_BYTES
from kwhub.prepay.element.files import PARAMETERS
from kwhub.prepay.element.interface import Status
from kwhub.prepay.tariff import TARIFF_BYTES, TARIFF_NOW, TARIFF_STANDBY, TariffSet
from kwhub.prepay.wire import (
    PLAIN_FILES,
    FilePlace,
    file_bytes,
    open_parameter,
    sealed_file,
    value_bytes,
)
from kwhub.protocols.dlt645.authority import CIPHER_LEVEL
from kwhub.protocols.dlt645.writing import WriteData
from kwhub.sim.denial import NoSuchData, not_authorised, other_error
from kwhub.sim.prepay_consumption import Consumption
from kwhub.sim.prepay_core import Core, WindowKind
from kwhub.sim.prepay_store import Limits

__all__ = ["MAC_LEVEL", "CheckedWrite", "Parameters"]

MAC_LEVEL: Final = CIPHER_LEVEL + 1
"""Level 99: in clear, with a MAC."""

_PLAIN: Final = frozenset({0x0400_1301, 0x0400_1503})
_METER_NUMBER, _CUSTOMER = 0x0400_0402, 0x0400_040E
_LIMITS: Final = {0x0400_1003: "overdraft", 0x0400_1004: "hoarding", 0x0400_1005: "closing"}
_LEFT, _OWED = 0x0090_0200, 0x0090_0201
_ILLEGAL: Final = 0x0330_1400
_PURCHASES: Final = 0x0333
_TICKS_DIGITS: Final = 8


class CheckedWrite(Protocol):
    """Writes a parameter of which it is known that it may be written."""

    def __call__(self, request: WriteData, at_s: int) -> None:
        """Write it. Raises Denied."""


def _money(cents: int) -> bytes:
    return bytes.fromhex(f"{min(cents, 99_999_999):08d}")[::-1]


class Parameters:
    """Writes and reads of one meter."""

    def __init__(self, core: Core, consumption: Consumption) -> None:
        self._core = core
        self._store = core.store
        self._consumption = consumption

    # Writing

    def write(self, request: WriteData, checked: CheckedWrite) -> None:
        """Code 14. Raises Denied."""
        level = request.authority.key.level
        if level not in (CIPHER_LEVEL, MAC_LEVEL):
            if request.identifier not in _PLAIN:
                raise not_authorised("a password is not enough for this parameter")
            checked(request, self._core.now_s)
            return
        if not self._core.is_open(WindowKind.REMOTE):
            raise not_authorised("nobody is authenticated")
        if self._core.is_suspended:
            raise not_authorised("suspended until midnight")
        try:
            if level == MAC_LEVEL:
                self._write_plain(request)
            else:
                self._write_sealed(request, checked)
        except DecodeError as error:
            raise other_error(error.detail) from None

    def write_file(self, file: int, offset: int, data: bytes, mac: bytes) -> bool:
        """Write a part of a file of the element, in clear with MAC, with all that follows from it.

        Returns:
            Whether the element took it.

        Raises:
            DecodeError: no tariff set comes out of it.
        """
        core = self._core
        content = b""
        if file in (TARIFF_NOW, TARIFF_STANDBY):
            old = core.driver.read(file, 0, TARIFF_BYTES)
            content = (old[:offset] + data + old[offset + len(data) :])[:TARIFF_BYTES]
            TariffSet.from_bytes(content)
        self._consumption.settle(core.now_s)
        if core.driver.update(file, offset, data, mac) != Status.OK:
            return False
        if content:
            self._store.keep_tariff(file, content)
        self._consumption.replan()
        return True

    def _write_plain(self, request: WriteData) -> None:
        """Level 99."""
        core, identifier = self._core, request.identifier
        place = PLAIN_FILES.get(identifier)
        if place is None:
            raise not_authorised("this parameter is written enciphered")
        if identifier == _METER_NUMBER and core.driver.key_state:
            raise not_authorised("the meter number changes only while every key is a test key")
        if identifier == _CUSTOMER and self._store.account.is_local:
            raise not_authorised("the customer changes by opening an account")
        value, mac = request.payload[:-MAC_BYTES], request.payload[: -MAC_BYTES - 1 : -1]
        content = file_bytes(place, value)
        if not content.hex().isdecimal():
            raise other_error("not decimal")
        if not self.write_file(place.file, place.offset, content, mac):
            raise not_authorised("the element refuses it")
        core.body.happenings.programmed(identifier, request.authority.operator, core.now_s)

    def _write_sealed(self, request: WriteData, checked: CheckedWrite) -> None:
        """Level 98."""
        core, identifier = self._core, request.identifier
        sealed = request.payload[::-1]
        cipher, mac = sealed[:-MAC_BYTES], sealed[-MAC_BYTES:]
        if not cipher or len(cipher) % BLOCK_BYTES:
            raise other_error("no whole blocks")
        file = sealed_file(identifier)
        if core.driver.update(file, 0, cipher, mac) != Status.OK:
            raise not_authorised("the element refuses it")
        value = open_parameter(identifier, core.driver.read(file, 0, len(cipher)))
        if identifier in PLAIN_FILES:
            raise not_authorised("this parameter is written in clear with a MAC")
        if identifier in _LIMITS:
            self._write_limit(identifier, value, request.authority.operator)
            return
        checked(
            WriteData(request.address, identifier, value, request.authority, request.edition),
            core.now_s,
        )
        self._consumption.replan()

    def _write_limit(self, identifier: int, value: bytes, operator: str) -> None:
        digits = value[::-1].hex()
        if len(digits) != _TICKS_DIGITS or not digits.isdecimal():
            raise other_error("an amount has four bytes of digits")
        core = self._core
        self._consumption.settle(core.now_s)
        limits: Limits = self._store.limits._replace(**{_LIMITS[identifier]: int(digits)})
        self._store.keep_limits(limits)
        core.body.happenings.programmed(identifier, operator, core.now_s)
        self._consumption.replan()
        self._consumption.act(core.now_s)

    # Reading

    def read(self, identifier: int) -> bytes | None:
        """Value bytes of an item that only such a meter has; None for all others. Raises NoSuchData."""
        place = PLAIN_FILES.get(identifier)
        if place is not None:
            return self._file_value(place)
        if identifier >> 16 == _PURCHASES:
            return self._purchase(identifier >> 8 & 0xFF, identifier & 0xFF)
        reader = self._READERS.get(identifier)
        return None if reader is None else reader(self)

    def _left(self) -> bytes:
        return _money(self._consumption.settle(self._core.now_s).cents)

    def _owed(self) -> bytes:
        return _money(self._consumption.settle(self._core.now_s).owed)

    def _illegal(self) -> bytes:
        return bytes.fromhex(f"{self._core.failures.ever % 10**6:06d}")[::-1]

    def _limit(self, name: str) -> bytes:
        return _money(getattr(self._store.limits, name))

    _READERS: Final[dict[int, Callable[["Parameters"], bytes]]] = {
        _LEFT: _left,
        _OWED: _owed,
        _ILLEGAL: _illegal,
        0x0400_1003: lambda self: self._limit("overdraft"),
        0x0400_1004: lambda self: self._limit("hoarding"),
        0x0400_1005: lambda self: self._limit("closing"),
    }

    def _file_value(self, place: FilePlace) -> bytes:
        if (place.file, place.offset) == (PARAMETERS, PLAIN_FILES[_CUSTOMER].offset):
            return self._store.account.customer[::-1]
        if place.file in (TARIFF_NOW, TARIFF_STANDBY):
            content = self._store.tariff_bytes(place.file)[place.offset :][: place.size_max]
        else:
            content = self._core.driver.read(place.file, place.offset, place.size_max)
        return value_bytes(place, content)

    def _purchase(self, field: int, last: int) -> bytes:
        """One field of a purchase of money: date, count, amount, money before and after, all paid."""
        bought = self._store.purchase(last)
        if bought is None:
            raise NoSuchData(f"purchase {last}")
        wall = self._core.body.readout.stamp(bought.at_s)
        fields = (
            bytes.fromhex("".join(each for each in wall[2:] if each.isdigit()))[::-1],
            bytes.fromhex(f"{bought.number % 10**4:04d}")[::-1],
            *map(_money, (bought.amount, bought.before, bought.after, bought.paid)),
        )
        if not 1 <= field <= len(fields):
            raise NoSuchData(f"field {field} of a purchase")
        return fields[field - 1]

"""Orders over the line: who may give them, what becomes of them, and which bit says no.

Source: DL/T 645-2007, clause 7 (codes 03, 08, 14 to 1D); DL/T 645-1997, clause 6 (codes 04, 08, 0A, 0C,
0F, 10). Ten minutes and one calendar day for the broadcast time of 1997: from one maker's firmware.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.addresses import address_bytes, is_plain, is_wildcard
from kwhub.protocols.dlt645.authority import CIPHER_LEVEL, Authority, RelayOrder
from kwhub.protocols.dlt645.contents import OUTPUTS
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.obedience import Done
from kwhub.protocols.dlt645.orders import (
    Authenticate,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Freeze,
    SetOutput,
    SetTime,
)
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.protocols.dlt645.writing import ChangePassword, ChangeRate, WriteAddress, WriteData
from kwhub.sim.body import Body
from kwhub.sim.climate import DAY_S
from kwhub.sim.clockwork import wall_datetime, wall_seconds
from kwhub.sim.denial import Denied, not_authorised, other_error
from kwhub.sim.passwords import CLEARING_LEVEL, WRITING_LEVEL

__all__ = ["BROADCAST_S_MAX", "Commands"]

BROADCAST_S_MAX: Final = MappingProxyType({Edition.E2007: 300, Edition.E1997: 600})
"""Most that the clock may be wrong for a broadcast time to be taken, s."""

_ESAM_CHECK_FAILED: Final = 4  #: bit of SERR: there is no secure element here
_DATE: Final = frozenset({0x0400_0101, 0xC010})
_TIME: Final = frozenset({0x0400_0102, 0xC011})
_DATE_TIME: Final = 0x0400_010C
_ADDRESS: Final = 0x0400_0401
_RELAY_1997: Final = 0xC028
_RATE: Final = 0x0400_0703
_FIRST_PASSWORD: Final = 0x0400_0C01
_PASSWORD_1997: Final = 0xC212
_PASSWORDS: Final = frozenset({*range(_FIRST_PASSWORD, _FIRST_PASSWORD + 10), _PASSWORD_1997})
_RELAY_WORDS_1997: Final = {b"\x55\x33": 0x1A, b"\x66\x99": 0x1C}
_RELAY_ERROR_OTHER: Final = 4  #: of the two-byte error word: not authorised, and everything else


@dataclass(frozen=True, slots=True)
class _Rule:
    """One order: how it is carried out, the weakest level, whether the programming key is needed."""

    act: Callable[["Commands", Any, int], bytes | None]
    level: int | None = None
    needs_key: bool = False


class Commands:
    """Carries out the orders of one meter."""

    def __init__(self, body: Body, *, has_programming_key: bool) -> None:
        self._body = body
        self.has_programming_key = has_programming_key

    def obey(self, request: Any, at_s: int) -> Done | None:
        """Carry out an order.

        Returns:
            The answer; None when the order is one that meets with silence.

        Raises:
            Denied: the bits of the refusal.
        """
        rule = self._RULES.get(type(request))
        if rule is None:
            raise not_authorised(f"{request} is no order for this meter")
        address = self._body.memory.address
        is_2007 = request.edition is Edition.E2007
        silent = isinstance(request, SetTime) or (isinstance(request, WriteAddress) and is_2007)
        if is_wildcard(request.address) and not isinstance(request, WriteAddress):
            return None  # only reading may be asked by wildcard
        try:
            data = self._carry_out(rule, request, at_s)
        except Denied:
            if silent:
                return None  # there is no abnormal answer
            raise
        finally:
            self._body.refresh()
        if isinstance(request, WriteAddress):
            address = request.new_address  # the answer comes from the new address
        return Done(address, request.function, data)

    def write_checked(self, request: WriteData, at_s: int) -> None:
        """Write a parameter of which it is known that it may be written. Raises Denied."""
        self._write(request, at_s)

    def _carry_out(self, rule: _Rule, request: Any, at_s: int) -> bytes | None:
        if rule.needs_key and self.has_programming_key and not self._body.passwords.has_key(at_s):
            raise not_authorised("the programming key is not pressed")
        if rule.level is not None:
            self._check(request, request.authority, rule.level, at_s)
        return rule.act(self, request, at_s)

    def _check(self, request: Any, authority: Authority, level: int, at_s: int) -> None:
        try:
            self._body.passwords.check(authority.key, level, at_s)
        except Denied as denied:
            wants_word = isinstance(request, ControlRelay) and authority.key.level == CIPHER_LEVEL
            if wants_word and authority.key.password.startswith("01"):
                raise Denied(_RELAY_ERROR_OTHER, str(denied), size=2) from None
            raise

    def _write(self, request: WriteData, at_s: int) -> None:
        identifier, payload = request.identifier, request.payload
        operator = request.authority.operator
        if identifier in _PASSWORDS:
            raise not_authorised("passwords have a function of their own")
        if identifier in _DATE or identifier in _TIME or identifier == _DATE_TIME:
            self._set_clock(request, at_s)
        elif identifier == _ADDRESS:
            self._check_address(payload[::-1].hex().upper())
            self._body.write(identifier, payload, operator, at_s)
            self._body.memory.address = payload[::-1].hex()
        elif identifier == _RELAY_1997 and request.edition is Edition.E1997:
            self._switch_1997(payload, operator, at_s)
        else:
            self._body.write(identifier, payload, operator, at_s)

    def _set_clock(self, request: WriteData, at_s: int) -> None:
        """The date, the time, or both; the part that is not written goes on."""
        body, identifier = self._body, request.identifier
        before_s = body.wall(at_s)
        now = wall_datetime(before_s)
        try:
            text = str(decode(identifier, request.payload, request.edition)[0].value)
            if identifier in _DATE:
                text = f"{text} {now:%H:%M:%S}"
            elif identifier in _TIME:
                text = f"{now:%Y-%m-%d} {text}"
            wall = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - a meter's wall time
        except (DecodeError, ValueError) as error:
            raise other_error(str(error)) from None
        body.set_clock(wall_seconds(wall), at_s)
        body.happenings.time_set(request.authority.operator, before_s, wall_seconds(wall))

    def _switch_1997(self, payload: bytes, operator: str, at_s: int) -> None:
        if payload not in _RELAY_WORDS_1997:
            raise other_error(f"{payload.hex()} is no relay word")
        self._body.relay.order(_RELAY_WORDS_1997[payload], 0, operator, at_s)

    def _write_address(self, request: WriteAddress, _at_s: int) -> None:
        self._check_address(request.new_address)
        self._body.memory.address = request.new_address
        self._body.settings.put(_ADDRESS, address_bytes(request.new_address))

    @staticmethod
    def _check_address(address: str) -> None:
        if not is_plain(address):
            raise other_error(f"{address} is no address of a meter")

    def _set_time(self, request: SetTime, at_s: int) -> None:
        """Once a day by the meter's clock, and only when that is not far off."""
        body = self._body
        now_s, told_s = body.wall(at_s), wall_seconds(request.time)
        if abs(told_s - now_s) > BROADCAST_S_MAX[request.edition]:
            raise other_error("the clock is too far off")
        today = now_s // DAY_S
        if body.memory.broadcast_day == today:
            raise other_error("one broadcast a day")
        if request.edition is Edition.E1997 and told_s // DAY_S != today:
            raise other_error("another day")
        body.memory.broadcast_day = today
        body.set_clock(told_s, at_s)

    def _freeze(self, request: Freeze, at_s: int) -> None:
        self._body.freezes.order(request.pattern, at_s)

    def _change_rate(self, request: ChangeRate, _at_s: int) -> bytes | None:
        try:
            self._body.settings.check_rate(bytes([request.word]))
        except Denied as denied:
            if request.edition is Edition.E2007:
                raise
            raise other_error(str(denied)) from None  # 1997 has no bit for it
        self._body.settings.put(_RATE, bytes([request.word]))
        return None

    def _change_password(self, request: ChangePassword, at_s: int) -> None:
        if request.edition is Edition.E2007:
            if request.identifier not in _PASSWORDS:
                raise Denied(Error2007.NO_SUCH_DATA, f"{request.identifier:08X} is no password")
            if request.new.level != request.identifier - _FIRST_PASSWORD:
                raise other_error(f"{request.identifier:08X} is not level {request.new.level}")
        if not request.new.password.isdecimal():
            raise other_error("a password is made of digits")
        self._body.passwords.change(request.old, request.new, at_s)

    def _clear_demand(self, request: ClearDemand, at_s: int) -> None:
        self._body.clear_demand(request.authority.operator, at_s)

    def _clear_meter(self, request: ClearMeter, at_s: int) -> None:
        self._body.clear(request.authority.operator, at_s)

    def _clear_events(self, request: ClearEvents, at_s: int) -> None:
        if request.cipher:
            raise other_error("neither all events nor one kind")
        self._body.book.clear(request.events)
        self._body.happenings.events_cleared(request.authority.operator, request.events, at_s)

    def _control_relay(self, request: ControlRelay, at_s: int) -> None:
        try:
            order = RelayOrder.from_bytes(request.order)
        except DecodeError as error:
            raise other_error(error.detail) from None
        now = wall_datetime(self._body.wall(at_s))
        if order.valid_until is not None and order.valid_until < now:
            raise other_error(f"the order was valid until {order.valid_until}")
        operator = request.authority.operator
        self._body.relay.order(order.command, order.restore_steps, operator, at_s)

    def _set_output(self, request: SetOutput, _at_s: int) -> None:
        if request.output not in OUTPUTS:
            raise other_error(f"no output {request.output:02X}")
        self._body.memory.output = request.output

    def _authenticate(self, request: Authenticate, _at_s: int) -> bytes | None:
        detail = f"{request.identifier:08X} needs a secure element"
        raise Denied(_ESAM_CHECK_FAILED, detail, size=2)

    _RULES: ClassVar[Mapping[type, _Rule]] = MappingProxyType(
        {
            WriteData: _Rule(_write, WRITING_LEVEL, needs_key=True),
            WriteAddress: _Rule(_write_address, needs_key=True),
            SetTime: _Rule(_set_time),
            Freeze: _Rule(_freeze),
            ChangeRate: _Rule(_change_rate),
            ChangePassword: _Rule(_change_password),
            ClearDemand: _Rule(_clear_demand, WRITING_LEVEL),
            ClearMeter: _Rule(_clear_meter, CLEARING_LEVEL),
            ClearEvents: _Rule(_clear_events, CLEARING_LEVEL),
            ControlRelay: _Rule(_control_relay, WRITING_LEVEL),
            SetOutput: _Rule(_set_output),
            Authenticate: _Rule(_authenticate),
        }
    )

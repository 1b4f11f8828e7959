"""What the counter puts onto a medium, and how both know that it was the other.

A load names meter, customer, purchase number and amount; the medium holds nothing else that could be spent, so a
copy of it is worth nothing once the meter has that number. Between counter and medium no short MAC of the wire is used but a
full HMAC, over a challenge of the medium's element.

Source: kwhub; the parameter file within is that of 07A002 (``wire.terminal``).
"""

from dataclasses import dataclass
from typing import Final, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import CUSTOMER_OFFSET, METER_OFFSET
from kwhub.prepay.run_information import RUN_INFORMATION_BYTES

__all__ = [
    "LOAD_BYTES",
    "NEVER",
    "NOTHING",
    "NOT_TOLD",
    "OPENS",
    "RECHARGES",
    "USAGE_BYTES",
    "Load",
    "Usage",
    "parameters_for",
]

NOTHING: Final = 0  #: only read the meter
OPENS: Final = 1
RECHARGES: Final = 2
"""Kinds of load; the latter two are the card types of 07A002."""

NEVER: Final = bytes(6)
"""In place of a deadline: the medium may not permit closing."""

LOAD_BYTES: Final = 64
NOT_TOLD: Final = bytes(RUN_INFORMATION_BYTES)
"""In place of run information: the meter was not asked yet."""

USAGE_BYTES: Final = 4 + RUN_INFORMATION_BYTES + ciphers.MAC_BYTES
_PARAMETERS_BYTES = 45
_AMOUNT_MAX = 0xFFFF_FFFF


def parameters_for(meter: bytes, customer: bytes) -> bytes:
    """The parameter file of a load that changes no value of the meter."""
    file = bytearray(_PARAMETERS_BYTES)
    file[METER_OFFSET:CUSTOMER_OFFSET] = meter
    file[CUSTOMER_OFFSET : CUSTOMER_OFFSET + 6] = customer
    return bytes(file)


@dataclass(frozen=True, slots=True)
class Load:
    """One journey of a medium.

    Attributes:
        kind: ``NOTHING``, ``OPENS`` or ``RECHARGES``.
        amount: hundredths.
        count: number of the purchase.
        nonce: four bytes, new for every load: the meter signs its usage over it.
        parameters: 45 bytes, see ``wire.terminal.TerminalPurchase``.
        until: the medium may permit closing until then by the meter's clock: year to second, BCD.
    """

    kind: int
    amount: int
    count: int
    nonce: bytes
    parameters: bytes
    until: bytes = NEVER

    def __post_init__(self) -> None:
        """Raises LocalError when a field does not fit."""
        lengths = (len(self.nonce), len(self.parameters), len(self.until))
        fits = 0 <= self.amount <= _AMOUNT_MAX and 0 <= self.count <= _AMOUNT_MAX
        if lengths != (4, _PARAMETERS_BYTES, 6) or not fits:
            raise LocalError("a field of the load does not fit")
        if self.kind not in (NOTHING, OPENS, RECHARGES):
            raise LocalError(f"there is no load of kind {self.kind}")
        if self.kind != NOTHING and not (self.amount and self.count):
            raise LocalError("a purchase has an amount and a number above zero")

    @property
    def meter(self) -> bytes:
        """Six bytes."""
        return self.parameters[METER_OFFSET:CUSTOMER_OFFSET]

    @property
    def customer(self) -> bytes:
        """Six bytes."""
        return self.parameters[CUSTOMER_OFFSET : CUSTOMER_OFFSET + 6]

    def to_bytes(self) -> bytes:
        """``LOAD_BYTES``."""
        head = bytes((self.kind,)) + self.amount.to_bytes(4) + self.count.to_bytes(4)
        return head + self.nonce + self.parameters + self.until

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises DecodeError: ``value_length_mismatch``, ``bad_value``."""
        if len(raw) != LOAD_BYTES:
            raise DecodeError(
                "value_length_mismatch", f"a load has {LOAD_BYTES} bytes, not {len(raw)}"
            )
        amount, count = int.from_bytes(raw[1:5]), int.from_bytes(raw[5:9])
        try:
            return cls(raw[0], amount, count, raw[9:13], raw[13:58], raw[58:])
        except LocalError as error:
            raise DecodeError("bad_value", str(error)) from None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a meter gave to a medium: run information with the MAC of the meter's element.

    Attributes:
        nonce: of the load that was carried then.
    """

    nonce: bytes
    run_information: bytes
    mac: bytes

    def to_bytes(self) -> bytes:
        """``USAGE_BYTES``."""
        return self.nonce + self.run_information + self.mac

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises DecodeError: ``value_length_mismatch``."""
        if len(raw) != USAGE_BYTES:
            raise DecodeError(
                "value_length_mismatch", f"a usage has {USAGE_BYTES} bytes, not {len(raw)}"
            )
        return cls(raw[:4], raw[4 : -ciphers.MAC_BYTES], raw[-ciphers.MAC_BYTES :])

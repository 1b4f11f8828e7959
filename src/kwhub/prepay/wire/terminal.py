"""What an interactive terminal (交互终端), the medium, sends: 07A001 to 07A006.

Source: identifiers, purposes and the fields of 07A002 from one public firmware (single source). What it
leaves open is ours: the factor of 07A001 is the serial of the medium; MAC3 covers the parameter file from 04 to
23, MAC4 from 2A to 2C; tariffs come in parts with an offset.
"""

from dataclasses import dataclass
from typing import ClassVar

from kwhub.prepay.wire.layout import Layout, number, raw, rest

__all__ = [
    "CloseAndRestore",
    "SwitchMode",
    "TerminalLogin",
    "TerminalPurchase",
    "WriteStandbyTariff",
    "WriteTariff",
]


@dataclass(frozen=True, slots=True)
class TerminalLogin(Layout):
    """A medium shows the key that it shares with this meter."""

    IDENTIFIER: ClassVar[int] = 0x07A0_01FF
    cipher: bytes = raw(8)
    first_random: bytes = raw(8)
    serial: bytes = raw(8)


@dataclass(frozen=True, slots=True)
class TerminalPurchase(Layout):
    """A purchase, or the opening of an account (card type 01), out of a medium.

    Attributes:
        nonce: the run information is signed over it.
        card_type: 01 opens an account, 02 recharges.
        parameters: the first 45 bytes of the parameter file: the customer number, and values that are
            taken when the update flags (05) are not zero.
    """

    IDENTIFIER: ClassVar[int] = 0x07A0_02FF
    serial: bytes = raw(8)
    nonce: bytes = raw(4)
    card_type: int = number(1)
    amount: int = number(4)
    count: int = number(4)
    money_mac: bytes = raw(4)
    customer_mac: bytes = raw(4)
    parameters: bytes = raw(45)
    values_mac: bytes = raw(4)
    ending_mac: bytes = raw(4)


@dataclass(frozen=True, slots=True)
class WriteTariff(Layout):
    """A part of the tariff set in use."""

    IDENTIFIER: ClassVar[int] = 0x07A0_03FF
    offset: int = number(1)
    data: bytes = rest()
    mac: bytes = raw(4)


@dataclass(frozen=True, slots=True)
class WriteStandbyTariff(WriteTariff):
    """A part of the tariff set to come."""

    IDENTIFIER: ClassVar[int] = 0x07A0_04FF


@dataclass(frozen=True, slots=True)
class CloseAndRestore(Layout):
    """Close, or permit closing, after a trip: 16 enciphered bytes and a MAC, one item."""

    IDENTIFIER: ClassVar[int] = 0x07A0_05FF
    sealed: bytes = raw(20)


@dataclass(frozen=True, slots=True)
class SwitchMode(Layout):
    """Local (1) or remote (0) cost control."""

    IDENTIFIER: ClassVar[int] = 0x07A0_06FF
    mode: int = number(1)
    mac: bytes = raw(4)

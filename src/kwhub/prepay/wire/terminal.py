"""What an interactive terminal (交互终端), the medium, sends: 07A001 to 07A006.

Source: identifiers, purposes and the fields of 07A002 from one public firmware (single source). What it
leaves open is ours: the factor of 07A001 is the serial of the medium; MAC3 covers the parameter file from 04 to
23, MAC4 from 2A to 2C; tariffs come in parts with an offset.
"""

from kwhub.prepay.wire.layout import Layout, number, raw, rest

__all__ = [
    "CloseAndRestore",
    "SwitchMode",
    "TerminalLogin",
    "TerminalPurchase",
    "WriteStandbyTariff",
    "WriteTariff",
]


class TerminalLogin(Layout, identifier=0x07A0_01FF):
    """A medium shows the key that it shares with this meter."""

    cipher: bytes = raw(8)
    first_random: bytes = raw(8)
    serial: bytes = raw(8)


class TerminalPurchase(Layout, identifier=0x07A0_02FF):
    """A purchase, or the opening of an account (card type 01), out of a medium.

    Attributes:
        nonce: the run information is signed over it.
        card_type: 01 opens an account, 02 recharges.
        parameters: the first 45 bytes of the parameter file: the customer number, and values that are
            taken when the update flags (05) are not zero.
    """

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


class WriteTariff(Layout, identifier=0x07A0_03FF):
    """A part of the tariff set in use."""

    offset: int = number(1)
    data: bytes = rest()
    mac: bytes = raw(4)


class WriteStandbyTariff(WriteTariff, identifier=0x07A0_04FF):
    """A part of the tariff set to come."""


class CloseAndRestore(Layout, identifier=0x07A0_05FF):
    """Close, or permit closing, after a trip: 16 enciphered bytes and a MAC, one item."""

    sealed: bytes = raw(20)


class SwitchMode(Layout, identifier=0x07A0_06FF):
    """Local (1) or remote (0) cost control."""

    mode: int = number(1)
    mac: bytes = raw(4)

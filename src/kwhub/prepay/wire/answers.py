"""What a meter answers under control code 03.

Source: as in ``requests``.
"""

from kwhub.prepay.wire.layout import Layout, number, raw, rest
from kwhub.prepay.wire.requests import (
    AuthenticateIdentity,
    CompareFirmware,
    EndAuthentication,
    QueryStatus,
    ReadBack,
    RequestInfrared,
)
from kwhub.prepay.wire.terminal import TerminalLogin, TerminalPurchase

__all__ = [
    "Compared",
    "Ended",
    "IdentityShown",
    "InfraredShown",
    "ReadBackData",
    "Returned",
    "Status",
    "TerminalOpened",
    "WalletReadBack",
]


class IdentityShown(Layout, identifier=AuthenticateIdentity.IDENTIFIER):
    """The random that protected writes are made over, and the serial of the element."""

    nonce: bytes = raw(4)
    serial: bytes = raw(8)


class Ended(Layout, identifier=EndAuthentication.IDENTIFIER):
    """The account, without a MAC."""

    customer: bytes = raw(6)
    money: int = number(4)
    count: int = number(4)
    key_state: int = number(4)


class InfraredShown(Layout, identifier=RequestInfrared.IDENTIFIER):
    """The meter shows its key and asks for ours."""

    meter: bytes = raw(6)
    serial: bytes = raw(8)
    cipher: bytes = raw(8)
    challenge: bytes = raw(8)


class ReadBackData(ReadBack):
    """The place that was asked for, its content and the MAC."""

    data: bytes = rest()
    mac: bytes = raw(4)


class WalletReadBack(ReadBack):
    """The same of file 01: two records with a MAC each."""

    money: int = number(4)
    money_mac: bytes = raw(4)
    count: int = number(4)
    count_mac: bytes = raw(4)


class Compared(Layout, identifier=CompareFirmware.IDENTIFIER):
    """Enciphered bytes of the program."""

    cipher: bytes = raw(64)


class Status(Layout, identifier=QueryStatus.IDENTIFIER):
    """The account; money and count with a MAC each."""

    money: int = number(4)
    money_mac: bytes = raw(4)
    count: int = number(4)
    count_mac: bytes = raw(4)
    customer: bytes = raw(6)
    key_state: int = number(4)


class TerminalOpened(Layout, identifier=TerminalLogin.IDENTIFIER):
    """What a medium is told: the random, the element, local (1) or remote (0), the account."""

    nonce: bytes = raw(4)
    serial: bytes = raw(8)
    mode: int = number(1)
    money: int = number(4)
    count: int = number(4)


class Returned(Layout, identifier=TerminalPurchase.IDENTIFIER):
    """The run information that goes back to the counter."""

    run_information: bytes = raw(50)
    mac: bytes = raw(4)

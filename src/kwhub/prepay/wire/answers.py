"""What a meter answers under control code 03.

Source: as in ``requests``.
"""

from dataclasses import dataclass
from typing import ClassVar

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


@dataclass(frozen=True, slots=True)
class IdentityShown(Layout):
    """The random that protected writes are made over, and the serial of the element."""

    IDENTIFIER: ClassVar[int] = AuthenticateIdentity.IDENTIFIER
    nonce: bytes = raw(4)
    serial: bytes = raw(8)


@dataclass(frozen=True, slots=True)
class Ended(Layout):
    """The account, without a MAC."""

    IDENTIFIER: ClassVar[int] = EndAuthentication.IDENTIFIER
    customer: bytes = raw(6)
    money: int = number(4)
    count: int = number(4)
    key_state: int = number(4)


@dataclass(frozen=True, slots=True)
class InfraredShown(Layout):
    """The meter shows its key and asks for ours."""

    IDENTIFIER: ClassVar[int] = RequestInfrared.IDENTIFIER
    meter: bytes = raw(6)
    serial: bytes = raw(8)
    cipher: bytes = raw(8)
    challenge: bytes = raw(8)


@dataclass(frozen=True, slots=True)
class ReadBackData(Layout):
    """Content of a file and its MAC."""

    IDENTIFIER: ClassVar[int] = ReadBack.IDENTIFIER
    length: int = number(2)
    start: int = number(2)
    file: int = number(2)
    directory: int = number(2)
    data: bytes = rest()
    mac: bytes = raw(4)


@dataclass(frozen=True, slots=True)
class WalletReadBack(Layout):
    """The same of file 01: two records with a MAC each."""

    IDENTIFIER: ClassVar[int] = ReadBack.IDENTIFIER
    length: int = number(2)
    start: int = number(2)
    file: int = number(2)
    directory: int = number(2)
    money: int = number(4)
    money_mac: bytes = raw(4)
    count: int = number(4)
    count_mac: bytes = raw(4)


@dataclass(frozen=True, slots=True)
class Compared(Layout):
    """Enciphered bytes of the program."""

    IDENTIFIER: ClassVar[int] = CompareFirmware.IDENTIFIER
    cipher: bytes = raw(64)


@dataclass(frozen=True, slots=True)
class Status(Layout):
    """The account; money and count with a MAC each."""

    IDENTIFIER: ClassVar[int] = QueryStatus.IDENTIFIER
    money: int = number(4)
    money_mac: bytes = raw(4)
    count: int = number(4)
    count_mac: bytes = raw(4)
    customer: bytes = raw(6)
    key_state: int = number(4)


@dataclass(frozen=True, slots=True)
class TerminalOpened(Layout):
    """What a medium is told: the random, the element, local (1) or remote (0), the account."""

    IDENTIFIER: ClassVar[int] = TerminalLogin.IDENTIFIER
    nonce: bytes = raw(4)
    serial: bytes = raw(8)
    mode: int = number(1)
    money: int = number(4)
    count: int = number(4)


@dataclass(frozen=True, slots=True)
class Returned(Layout):
    """The run information that goes back to the counter."""

    IDENTIFIER: ClassVar[int] = TerminalPurchase.IDENTIFIER
    run_information: bytes = raw(50)
    mac: bytes = raw(4)

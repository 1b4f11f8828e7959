"""What changes the settings of a meter: parameters, address, speed, passwords.

Each request knows its bytes and its own answer, as in ``messages``; ``services`` says which function
code belongs to which class.

Source: DL/T 645-2007, clause 7 and annex (control codes 14, 15, 17, 18); DL/T 645-1997, clause 6
(codes 04, 0A, 0C, 0F). Answers to 17 and 18: single source.
"""

from dataclasses import dataclass
from typing import Self

from kwhub.protocols.dlt645 import control as codes
from kwhub.protocols.dlt645.addresses import WILDCARD, address_bytes, address_text
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import accepts_address
from kwhub.protocols.dlt645.obedience import Command, little_endian

__all__ = ["ChangePassword", "ChangeRate", "WriteAddress", "WriteData"]

_E2007 = Edition.E2007


@dataclass(frozen=True, slots=True)
class WriteData(Command):
    """Write a parameter. 2007: code 14; 1997: code 04."""

    address: str
    identifier: int
    payload: bytes
    authority: Authority
    edition: Edition = _E2007

    @property
    def function(self) -> int:
        """The function code."""
        return codes.WRITE if self.edition is _E2007 else codes.WRITE_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return (
            little_endian(self.identifier, self.edition.identifier_bytes)
            + self.authority.to_bytes(self.edition)
            + self.payload
        )

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        size = edition.identifier_bytes
        stop = size + Authority.size(edition)
        identifier = int.from_bytes(frame.data[:size], "little")
        authority = Authority.from_bytes(frame.data[size:stop])
        return cls(frame.address, identifier, frame.data[stop:], authority, edition)


@dataclass(frozen=True, slots=True)
class WriteAddress(Command):
    """Give the only meter on the line a new address. 2007: code 15; 1997: code 0A."""

    new_address: str
    address: str = WILDCARD
    edition: Edition = _E2007

    @property
    def function(self) -> int:
        """The function code."""
        return codes.WRITE_ADDRESS if self.edition is _E2007 else codes.WRITE_ADDRESS_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return address_bytes(self.new_address)

    def accepts(self, address: str) -> bool:
        """The answer comes from the new address already."""
        return address == self.new_address or accepts_address(self.address, address)

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(address_text(frame.data), frame.address, edition)


@dataclass(frozen=True, slots=True)
class ChangeRate(Command):
    """Go to another speed after the answer. 2007: code 17; 1997: code 0C.

    Attributes:
        word: the baud-rate word; in 2007 one of ``contents.RATES_2007``.
    """

    address: str
    word: int
    edition: Edition = _E2007

    @property
    def function(self) -> int:
        """The function code."""
        return codes.CHANGE_RATE if self.edition is _E2007 else codes.CHANGE_RATE_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return little_endian(self.word, 1)

    def acknowledgement(self) -> bytes:
        """The same word (some 1997 meters send none)."""
        return self.data()

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address, frame.data[0], edition)


@dataclass(frozen=True, slots=True)
class ChangePassword(Command):
    """Change the password of a level. 2007: code 18; 1997: code 0F.

    Attributes:
        identifier: that of the password, 04000C01 (level 0) to 04000C0A (level 9); unused in 1997.
        old: the password to be changed, or that of a stronger level.
    """

    address: str
    old: Key
    new: Key
    identifier: int = 0
    edition: Edition = _E2007

    @property
    def function(self) -> int:
        """The function code."""
        return codes.CHANGE_PASSWORD if self.edition is _E2007 else codes.CHANGE_PASSWORD_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        keys = self.old.to_bytes() + self.new.to_bytes()
        return keys if self.edition is Edition.E1997 else little_endian(self.identifier, 4) + keys

    def acknowledgement(self) -> bytes:
        """The new level and password."""
        return self.new.to_bytes()

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        keys = frame.data[-8:]
        identifier = int.from_bytes(frame.data[:-8], "little")
        old, new = Key.from_bytes(keys[:4]), Key.from_bytes(keys[4:])
        return cls(frame.address, old, new, identifier, edition)

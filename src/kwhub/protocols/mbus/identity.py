"""The secondary address: identification, manufacturer, version, medium.

Source: EN 13757-3, header of the variable data structure and selection of a slave.
"""

from dataclasses import dataclass
from typing import ClassVar

from kwhub.domain.errors import LocalError

__all__ = ["HEADER_BYTES", "Identity", "manufacturer_code", "manufacturer_letters"]

HEADER_BYTES = 12
_ID_DIGITS = 8
_ANY = 0xFF
_ANY_MANUFACTURER = 0xFFFF


def manufacturer_letters(code: int) -> str:
    """Three letters of five bits each; 0 gives ``@@@``, as what is no letter keeps its place."""
    return "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))


def manufacturer_code(letters: str) -> int:
    """The code of three letters, or of four hexadecimal digits. Raises LocalError."""
    if len(letters) == 3 and all("@" <= each <= "_" for each in letters):
        first, second, third = (ord(each) - 64 for each in letters)
        return first << 10 | second << 5 | third
    try:
        return int(letters, 16) if len(letters) == 4 else int("", 16)
    except ValueError:
        raise LocalError(f"{letters!r} is no manufacturer: three letters or four digits") from None


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A secondary address; F in the id and all ones elsewhere match everything.

    Attributes:
        number: eight digits, high first; a real meter may have A to F in it.
        manufacturer: code of two bytes.
    """

    BYTES: ClassVar[int] = 8

    number: str
    manufacturer: int = _ANY_MANUFACTURER
    version: int = _ANY
    medium: int = _ANY

    def __post_init__(self) -> None:
        """Raises LocalError when the number is none."""
        if len(self.number) != _ID_DIGITS or not set(self.number) <= set("0123456789ABCDEF"):
            raise LocalError(f"{self.number!r} is no identification of {_ID_DIGITS} digits")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Identity":
        """From eight bytes of the wire."""
        number = data[3::-1].hex().upper()
        return cls(number, int.from_bytes(data[4:6], "little"), data[6], data[7])

    @classmethod
    def parse(cls, text: str) -> "Identity":
        """From ``12345678``, or ``12345678-KAM-04-07``: version and medium hexadecimal. Raises LocalError."""
        parts = [*text.upper().split("-"), "", "", ""][:4]
        try:
            version, medium = (int(part or "FF", 16) for part in parts[2:])
        except ValueError:
            raise LocalError(f"{text!r} is no secondary address") from None
        maker = manufacturer_code(parts[1]) if parts[1] else _ANY_MANUFACTURER
        return cls(parts[0], maker, version, medium)

    def to_bytes(self) -> bytes:
        """Eight bytes for the wire."""
        maker = self.manufacturer.to_bytes(2, "little")
        return bytes.fromhex(self.number)[::-1] + maker + bytes([self.version, self.medium])

    def matches(self, other: "Identity") -> bool:
        """Whether this, perhaps with wildcards, selects the other."""
        digits = zip(self.number, other.number, strict=True)
        return (
            all(mine in ("F", theirs) for mine, theirs in digits)
            and self.manufacturer in (_ANY_MANUFACTURER, other.manufacturer)
            and self.version in (_ANY, other.version)
            and self.medium in (_ANY, other.medium)
        )

    def __str__(self) -> str:
        maker = manufacturer_letters(self.manufacturer)
        if not maker.isalpha():
            maker = f"{self.manufacturer:04X}"
        return f"{self.number}-{maker}-{self.version:02X}-{self.medium:02X}"

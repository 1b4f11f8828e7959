"""The key of one meter, derived from the vending key of its supply group.

Source: IEC 62055-41, decoder key generation algorithm 04 (HMAC-SHA-256); 32 known answers.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol

from kwhub.domain.errors import LocalError
from kwhub.prepay.sts.ea07 import KEY_BYTES as SHORT_BYTES
from kwhub.prepay.sts.ea07 import Ea07, Tables
from kwhub.prepay.sts.misty1 import KEY_BYTES as LONG_BYTES
from kwhub.prepay.sts.misty1 import Misty1

__all__ = ["BASE_YEARS", "BlockCipher", "DecoderKey", "MeterKeyFacts", "derive"]

BASE_YEARS = (1993, 2014, 2035)
"""Years on whose first of January the token identifiers begin to count."""

VENDING_KEY_BYTES = 20
REVISIONS = range(1, 10)
KEY_TYPES = range(4)
"""0 initialisation, 1 default, 2 unique, 3 common."""


@dataclass(frozen=True, slots=True)
class MeterKeyFacts:
    """What makes the key of a meter its own.

    Raises LocalError for anything outside the field's bounds.
    """

    pan: str  #: 18 digits: issuer, meter number and their check digits
    supply_group: str  #: six digits
    tariff_index: str  #: two digits
    key_type: int  #: 0 to 3
    key_revision: int  #: 1 to 9
    base_year: int  #: 1993, 2014 or 2035

    def __post_init__(self) -> None:
        """Check every bound."""
        for name, text, digits in (
            ("pan", self.pan, 18),
            ("supply group", self.supply_group, 6),
            ("tariff index", self.tariff_index, 2),
        ):
            if not (len(text) == digits and text.isascii() and text.isdigit()):
                raise LocalError(f"the {name} has {digits} digits, not {text!r}")
        if self.key_type not in KEY_TYPES:
            raise LocalError(f"the key type is 0 to 3, not {self.key_type}")
        if self.key_revision not in REVISIONS:
            raise LocalError(f"the key revision is 1 to 9, not {self.key_revision}")
        if self.base_year not in BASE_YEARS:
            raise LocalError(f"the base year is one of {BASE_YEARS}, not {self.base_year}")


class BlockCipher(Protocol):
    """What enciphers the 64 bits of a token."""

    def encrypt(self, block: int) -> int:
        """A block, as a number of 64 bits."""

    def decrypt(self, block: int) -> int:
        """Undo ``encrypt``."""


class DecoderKey:
    """The key of a meter, which no ``repr`` shows; its length says which algorithm it is for.

    Args:
        secret: 16 bytes for encryption algorithm 11 (MISTY1), 8 for 07.
        tables: of algorithm 07; needed for that one only.
    """

    __slots__ = ("cipher", "secret", "tables")

    cipher: BlockCipher

    def __init__(self, secret: bytes, tables: Tables | None = None) -> None:
        """Raises LocalError: another length, or the tables are missing."""
        if len(secret) == SHORT_BYTES:
            if tables is None:
                raise LocalError(
                    "a key of 8 bytes is for encryption algorithm 07, whose tables are licensed: "
                    "give the operator's file of them"
                )
            self.cipher = Ea07(secret, tables)
        elif len(secret) == LONG_BYTES:
            self.cipher = Misty1(secret)
        else:
            raise LocalError(
                f"a decoder key has {LONG_BYTES} bytes, or {SHORT_BYTES} for algorithm 07, not {len(secret)}"
            )
        self.secret, self.tables = secret, tables

    def __repr__(self) -> str:
        return "DecoderKey(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DecoderKey) and hmac.compare_digest(self.secret, other.secret)

    def __hash__(self) -> int:
        return hash(self.secret)


def derive(vending_key: bytes, facts: MeterKeyFacts, tables: Tables | None = None) -> DecoderKey:
    """Derive the key of a meter: for encryption algorithm 11, or with tables for 07.

    Keys for 07 are not checked against published answers, because those need the tables.

    Raises:
        LocalError: the vending key does not have 20 bytes.
    """
    if len(vending_key) != VENDING_KEY_BYTES:
        raise LocalError(f"a vending key has {VENDING_KEY_BYTES} bytes, not {len(vending_key)}")
    algorithm, length = ("11", LONG_BYTES) if tables is None else ("07", SHORT_BYTES)
    label = _fields("04", f"{facts.base_year % 100:02d}", algorithm, facts.tariff_index)
    context = _fields(facts.supply_group, str(facts.key_type), str(facts.key_revision), facts.pan)
    message = label + b"\x00" + context + (8 * length).to_bytes(4)
    digest = hmac.new(vending_key, message, hashlib.sha256).digest()
    return DecoderKey(digest[:length], tables)


def _fields(*texts: str) -> bytes:
    """Join texts: their number, then each with its length before it."""
    parts = [bytes([len(texts)])]
    parts += [bytes([len(text)]) + text.encode("ascii") for text in texts]
    return b"".join(parts)

"""Keys of a meter: one purpose each, a version each, never shown.

Source: kwhub, profile ``cn-soft``; the purposes follow the key numbers of public meter firmware.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

from kwhub.domain.errors import LocalError
from kwhub.prepay.ciphers import BLOCK_BYTES, child_key, encrypt_block

__all__ = ["FACTOR_BYTES", "KeySet", "KeySource", "MasterKeys", "Purpose", "factor_of"]

FACTOR_BYTES = 8
METER_DIGITS = 12
VERSIONS = range(1, 256)
_BOOK = b"kwhub book of signatures"


class Purpose(IntEnum):
    """What a key may be used for; the number stands in the key state word."""

    IDENTITY = 0
    CONTROL = 1
    PARAMETER = 2
    MONEY = 3
    INFRARED = 4
    CARD = 5
    READ_BACK = 6
    KEY_UPDATE = 7


def factor_of(meter_number: str) -> bytes:
    """Return the factor that disperses keys for a meter: two zero bytes and its number in BCD.

    Raises:
        LocalError: the number does not have twelve digits.
    """
    if not (
        len(meter_number) == METER_DIGITS and meter_number.isascii() and meter_number.isdigit()
    ):
        raise LocalError(f"a meter number has {METER_DIGITS} digits, not {meter_number!r}")
    return bytes(2) + bytes.fromhex(meter_number)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The dispersed keys of one meter, as its secure element holds them."""

    keys: Mapping[Purpose, bytes]
    formal: frozenset[Purpose] = frozenset()  #: those that are not test keys
    version: int = 1

    def __post_init__(self) -> None:
        """Check that every purpose has a key of 16 bytes."""
        missing = [purpose.name for purpose in Purpose if len(self.keys.get(purpose, b"")) != 16]
        if missing:
            raise LocalError(f"keys without 16 bytes: {', '.join(missing)}")

    def __repr__(self) -> str:
        return f"KeySet(version={self.version}, state={self.state_word:08x})"

    @property
    def state_word(self) -> int:
        """Bit n set: key n is formal."""
        return sum(1 << purpose for purpose in self.formal)

    @property
    def all_formal(self) -> bool:
        """Whether no test key is left; a meter with one takes no money."""
        return self.formal == frozenset(Purpose)


class KeySource(Protocol):
    """Where the keys of meters come from: root keys in memory, or in a token that never shows them."""

    @property
    def newest(self) -> int:
        """The version that new meters get."""

    @property
    def versions(self) -> list[int]:
        """Those that are there, in order."""

    def child(self, purpose: Purpose, factor: bytes, version: int | None = None) -> bytes:
        """Return the key of one meter for one purpose, 16 bytes, to be used at once and forgotten.

        Raises:
            LocalError: there is no root key of that version.
        """

    def book_key(self, version: int) -> bytes:
        """Return 32 bytes that keep the key of a book of signatures; no meter has them.

        Raises:
            LocalError: there is no root key of that version.
        """


class MasterKeys:
    """The keys of a master crypto: a root for each version, from it one master for each purpose."""

    __slots__ = ("_roots",)

    def __init__(self, roots: Mapping[int, bytes]) -> None:
        """Take root keys of 16 bytes by version; two versions are accepted while keys are changed.

        Raises:
            LocalError: no root, or one that is not 16 bytes.
        """
        if not roots or any(len(root) != BLOCK_BYTES for root in roots.values()):
            raise LocalError("at least one root key of 16 bytes is needed")
        if any(version not in VERSIONS for version in roots):
            raise LocalError("a key version is 1 to 255")
        self._roots = MappingProxyType(dict(roots))

    def __repr__(self) -> str:
        return f"MasterKeys(versions={sorted(self._roots)})"

    @property
    def newest(self) -> int:
        """The version that new meters get."""
        return max(self._roots)

    @property
    def versions(self) -> list[int]:
        """Those that are there, in order."""
        return sorted(self._roots)

    def child(self, purpose: Purpose, factor: bytes, version: int | None = None) -> bytes:
        """Return the key of one meter for one purpose.

        Raises:
            LocalError: there is no root of that version.
        """
        wanted = self.newest if version is None else version
        root = self._root(wanted)
        label = b"kwhub-master" + bytes([0, 0, wanted, purpose])
        return child_key(encrypt_block(root, label), factor)

    def book_key(self, version: int) -> bytes:
        """See ``KeySource``."""
        return hmac.digest(self._root(version), _BOOK, "sha256")

    def _root(self, version: int) -> bytes:
        root = self._roots.get(version)
        if root is None:
            raise LocalError(f"there is no root key of version {version}")
        return root

    def key_set(self, factor: bytes, version: int | None = None, *, formal: bool = True) -> KeySet:
        """Return every key of one meter."""
        keys = {purpose: self.child(purpose, factor, version) for purpose in Purpose}
        return KeySet(
            keys,
            frozenset(Purpose) if formal else frozenset(),
            self.newest if version is None else version,
        )

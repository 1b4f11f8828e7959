"""Root keys for whoever signs purchases: from a file, or in a PKCS#11 token."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kwhub.headend.vending_crypto import read_roots
from kwhub.headend.vending_token import SCHEME, opened
from kwhub.prepay.keys import KeySource, MasterKeys, Purpose

__all__ = ["Keys", "SharedKeys", "opened_keys"]


@dataclass(frozen=True, slots=True)
class Keys:
    """Where keys come from, and random bytes with them."""

    source: KeySource
    draw: Callable[[int], bytes]


@contextmanager
def opened_keys(place: str) -> Iterator[Keys]:
    """Root keys from a file (mode 0600), or from ``pkcs11:...``. Raises ConfigError, LocalError: as both."""
    if place.startswith(SCHEME):
        with opened(place) as token:
            yield Keys(token, token.random)
    else:
        yield Keys(MasterKeys(read_roots(Path(place))), secrets.token_bytes)


class SharedKeys:
    """Root keys that stay open for a service and are asked by one thread at a time: a token knows one log-in of a process.

    Args:
        place: as for ``opened_keys``, which says what is raised.
    """

    def __init__(self, place: str) -> None:
        self._open = ExitStack()
        self._keys = self._open.enter_context(opened_keys(place))
        self._lock = threading.Lock()

    def close(self) -> None:
        """Log out."""
        with self._lock:
            self._open.close()

    @property
    def newest(self) -> int:
        """See ``KeySource``."""
        with self._lock:
            return self._keys.source.newest

    @property
    def versions(self) -> list[int]:
        """See ``KeySource``."""
        with self._lock:
            return self._keys.source.versions

    def child(self, purpose: Purpose, factor: bytes, version: int | None = None) -> bytes:
        """See ``KeySource``."""
        with self._lock:
            return self._keys.source.child(purpose, factor, version)

    def book_key(self, version: int) -> bytes:
        """See ``KeySource``."""
        with self._lock:
            return self._keys.source.book_key(version)

    def draw(self, length: int) -> bytes:
        """Random bytes."""
        with self._lock:
            return self._keys.draw(length)

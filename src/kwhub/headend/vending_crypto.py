"""The master crypto of a counter in software, with a book of its own that it writes before it signs.

The book is not the counter's: it lies in another file, its entries carry a key that the counter does not have, and
each names the end of the sales ledger at that moment. So a sale that was removed, a ledger that was put back
and a signature that nobody has sold stand out (``kwhub.prepay.vending.reconcile``).
"""

import json
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kwhub.domain.errors import ConfigError, LocalError, Refusal
from kwhub.prepay.keys import KeySource, MasterKeys
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.master_crypto import Login, Recharge
from kwhub.prepay.medium_load import NOTHING, Load
from kwhub.prepay.vending import GENESIS, Entry, Signature, first_bad, linked

__all__ = ["CountingMaster", "read_roots"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS book (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    previous TEXT NOT NULL, digest TEXT NOT NULL) STRICT
"""
_KEPT: Final = """
CREATE TABLE IF NOT EXISTS chain_key (version INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT
"""
_INDEX: Final = """
CREATE INDEX IF NOT EXISTS by_number ON book (
    json_extract(content, '$.meter'), json_extract(content, '$.count'))
"""
_OF_NUMBER: Final = """
SELECT json_extract(content, '$.amount') FROM book
WHERE json_extract(content, '$.meter') = ? AND json_extract(content, '$.count') = ?
"""
_OF_METER: Final = """
SELECT json_extract(content, '$.count'), json_extract(content, '$.amount') FROM book
WHERE json_extract(content, '$.meter') = ?
"""
_LAST: Final = "SELECT number, digest FROM book ORDER BY number DESC LIMIT 1"
_CHAIN_BYTES = 32
_NONCE_BYTES = 12
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_roots(path: Path) -> dict[int, bytes]:
    """Read root keys: lines of a version and 32 hexadecimal digits, or the digits alone for version 1.

    Raises:
        ConfigError: others may read the file, or it says something else. No error shows what it says.
    """
    if path.stat().st_mode & _OTHERS:
        raise ConfigError("others may read it: give it mode 0600 (chmod 600)", file=str(path))
    roots: dict[int, bytes] = {}
    for line, text in enumerate(path.read_text("ascii", "replace").splitlines(), 1):
        words = text.split()
        if not words or words[0].startswith("#"):
            continue
        version, digits = words if len(words) == 2 else ("1", words[0])
        try:
            roots[int(version)] = bytes.fromhex(digits)
        except ValueError:
            raise ConfigError("is not a version and a key", file=str(path), line=line) from None
    try:
        MasterKeys(roots)
    except LocalError as error:
        raise ConfigError(str(error), file=str(path)) from None
    return roots


class CountingMaster(SoftwareMaster):
    """A master crypto that signs no purchase before it stands in its book, and no number for two amounts.

    Args:
        path: of the book.
        keys: where the keys of meters come from.
        draw: random bytes.
        now: the present moment, UTC.
        head: where the sales ledger ends.
        check: asked for meter, number and amount before each signature, while nothing can be cancelled;
            raises Refusal. None: everything is signed.
    """

    def __init__(
        self,
        path: Path | str,
        keys: KeySource,
        draw: Callable[[int], bytes],
        now: Callable[[], datetime],
        head: Callable[[], str],
        check: Callable[[str, int, int], None] | None = None,
    ) -> None:
        super().__init__(keys, draw)
        self._check = check
        self._now, self._head = now, head
        self._book = sqlite3.connect(path, isolation_level=None)
        self._book.execute("PRAGMA synchronous = EXTRA")
        for statement in (_SCHEMA, _INDEX, _KEPT):
            self._book.execute(statement)
        try:
            self._key = self._chain_key()
        except BaseException:
            self._book.close()
            raise

    def _chain_key(self) -> bytes:
        """The key of the book's chain: kept in the book under the root keys of every version that was ever there.

        So a version may be retired when the book was opened once with the next one. Raises ConfigError: no key fits.
        """
        _ = self._keys.newest  # says so when there is none
        versions, kept = self._keys.versions, self._kept()
        if set(versions) <= kept.keys():
            return self._opened(kept, versions)
        with self.held():
            kept = self._kept()
            if kept:
                key = self._opened(kept, versions)
            elif self._book.execute(_LAST).fetchone() is None:
                key = self._draw(_CHAIN_BYTES)
            else:  # a book from before its key was kept in it
                key = self._keys.book_key(versions[0])
            for version in set(versions) - kept.keys():
                nonce = self._draw(_NONCE_BYTES)
                sealed = nonce + AESGCM(self._keys.book_key(version)).encrypt(nonce, key, None)
                self._book.execute("INSERT INTO chain_key VALUES (?, ?)", (version, sealed))
        return key

    def _kept(self) -> dict[int, bytes]:
        return dict(self._book.execute("SELECT version, sealed FROM chain_key"))

    def _opened(self, kept: Mapping[int, bytes], versions: Sequence[int]) -> bytes:
        for version in versions:
            if version in kept:
                sealed, gcm = kept[version], AESGCM(self._keys.book_key(version))
                try:
                    return gcm.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
                except InvalidTag:
                    raise ConfigError("the book was made with other root keys") from None
        known = ", ".join(map(str, sorted(kept)))
        raise ConfigError(f"the book needs root keys of version {known}, beside the new ones, once")

    def close(self) -> None:
        """Let go of the book."""
        self._book.close()

    def recharge(
        self, login: Login, nonce: bytes, amount: int, count: int, customer: bytes
    ) -> Recharge:
        """Sign a purchase for a meter on the line; see ``MasterCrypto``.

        Raises:
            LocalError: as there.
            Refusal: the number was signed for another amount.
        """
        self._write(login.factor[2:].hex(), count, amount)
        return super().recharge(login, nonce, amount, count, customer)

    def sign_load(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: bytes,
        version: int | None = None,
    ) -> bytes:
        """Sign a load for a medium; see ``MasterCrypto``. Raises as ``recharge``."""
        given = super().sign_load(factor, serial, challenge, load, version)
        taken = Load.from_bytes(load)
        if taken.kind != NOTHING:
            self._write(factor[2:].hex(), taken.count, taken.amount)
        return given

    def _write(self, meter: str, count: int, amount: int) -> None:
        """Idempotent, so that whoever lost an answer may ask again."""
        with self.held():
            if self._check is not None:
                self._check(meter, count, amount)
            if not self._holds(meter, count, amount):
                self._append(meter, count, amount)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is signed meanwhile by anybody who has this book: whoever cancels asks and cancels within."""
        self._book.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._book.execute("COMMIT")
        except BaseException:
            if self._book.in_transaction:
                self._book.rollback()
            raise

    def _holds(self, meter: str, count: int, amount: int) -> bool:
        """Whether it was signed before. Raises Refusal: for another amount."""
        amounts = self._amounts(meter, count)
        if amounts - {amount}:
            raise Refusal((f"number {count} was signed for another amount",))
        return bool(amounts)

    def _append(self, meter: str, count: int, amount: int) -> None:
        last = self._book.execute(_LAST).fetchone()
        number, previous = last or (0, GENESIS)
        content = {"meter": meter, "count": count, "amount": amount, "head": self._head()}
        text, at = json.dumps(content, sort_keys=True), self._now().isoformat()
        entry = linked(number + 1, at, "purchase", text, previous, key=self._key)
        row = (entry.number, entry.at, entry.kind, entry.content, entry.previous, entry.digest)
        self._book.execute("INSERT INTO book VALUES (?, ?, ?, ?, ?, ?)", row)

    @property
    def _entries(self) -> list[Entry]:
        return [Entry(*row) for row in self._book.execute("SELECT * FROM book ORDER BY number")]

    @property
    def signatures(self) -> list[Signature]:
        """Everything that was signed."""
        return [Signature(**json.loads(entry.content)) for entry in self._entries]

    def has_signed(self, meter: str, count: int) -> bool:
        """Whether a number was ever signed."""
        return bool(self._amounts(meter, count))

    def signed_for(self, meter: str) -> dict[int, int]:
        """Amounts that were signed for a meter, hundredths by number."""
        return {
            int(count): int(amount) for count, amount in self._book.execute(_OF_METER, (meter,))
        }

    def _amounts(self, meter: str, count: int) -> set[int]:
        return {amount for (amount,) in self._book.execute(_OF_NUMBER, (meter, count))}

    def verify(self) -> str | None:
        """Name the first bad row of the book; None when there is none."""
        bad = first_bad(self._entries, key=self._key)
        return None if bad is None else f"signature {bad}"

"""What a device keeps, sealed by its key store and a PIN: without both, the files say nothing.

A vault is one folder with two files. ``lock.json`` tells how the PIN is tried and holds the vault's key, wrapped by what
scrypt makes of the PIN together with the secret of the key store. ``identity.sealed`` holds everything else. Each is
written whole or not at all. The count of wrong PINs is written before a PIN is tried, so that cutting the power wins no try;
the tenth wrong one in a row destroys the wrapped key.

The count stops whoever holds the device and uses its screens. It stops nobody who can write its files: who puts an older
``lock.json`` back has all tries again, here or on a copy of the disk, and with the key store in a file next to it a short PIN
then protects little. Nothing in a file can prevent that; only a key store in a chip (``KeyStore``) that counts the tries itself.

Source: RFC 7914 (scrypt), RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM).
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Meta

from kwhub.domain.errors import ConfigError, LocalError, Refusal

__all__ = [
    "COST",
    "PIN_TRIES_MAX",
    "FileKeyStore",
    "KeyStore",
    "OpenVault",
    "Vault",
    "Writer",
    "write_whole",
]

COST: Final = 2**15
"""Rounds of scrypt (N); 32 MiB and about a tenth of a second on a small computer."""

PIN_TRIES_MAX: Final = 10
PIN_TRIES_FREE: Final = 3
"""Wrong PINs before each further one costs a pause."""

PIN_PAUSE_S: Final = 30
"""The first pause; each further one is twice as long."""

PIN_LEAST: Final = 4

_DAMAGED: Final = "is damaged; enrol the device again"

_LOCK, _SEALED, _KEY_BYTES, _NONCE_BYTES = "lock.json", "identity.sealed", 32, 12

Writer = Callable[[Path, bytes], None]
"""Writes a file whole or not at all; it is on the disk when this returns."""


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the file, flush, and put it in its place."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class KeyStore(Protocol):
    """Where a device has a secret of its own: a chip, the system's key store, or a file."""

    def secret(self, *, make: bool = False) -> bytes:
        """32 bytes, the same every time.

        Args:
            make: for a new vault: where there is none yet, make it.

        Raises:
            LocalError: there is none, or it cannot be had.
        """

    def wipe(self) -> None:
        """Forget the secret for ever."""


class FileKeyStore:
    """The secret in a file that nobody else may read: for development, and the weakest of all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def secret(self, *, make: bool = False) -> bytes:
        """See KeyStore. Raises ConfigError: the file is damaged."""
        if not self._path.exists() and not make:
            raise LocalError(
                f"{self._path} is not there: without this secret of the device no PIN opens it"
            )
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._path, secrets.token_bytes(_KEY_BYTES))
        data = self._path.read_bytes()
        if len(data) != _KEY_BYTES:
            raise ConfigError("is not the secret of a device", file=str(self._path))
        return data

    def wipe(self) -> None:
        """See KeyStore."""
        self._path.unlink(missing_ok=True)


class _Lock(msgspec.Struct, frozen=True):
    """The file that is not sealed: it has to be read to try a PIN."""

    salt: bytes
    cost: Annotated[int, Meta(ge=2, le=2**20)]
    wrapped: bytes  #: nonce and the wrapped key; empty: destroyed
    wrong: int = 0
    wait_until: int = 0
    latest: int = (
        0  #: the latest moment that was ever seen, so that setting the clock back wins nothing
    )


class OpenVault:
    """A vault whose PIN was right. Made by ``Vault``.

    Its key stays in memory until the process ends or ``close`` is called.
    """

    def __init__(self, path: Path, key: bytes, write: Writer) -> None:
        self._path = path
        self._cipher: AESGCM | None = AESGCM(key)
        self._write = write

    def load(self) -> bytes | None:
        """What was saved last; None when nothing was. Raises LocalError: the file was changed."""
        path = self._path / _SEALED
        return self.unseal(_SEALED, path.read_bytes()) if path.exists() else None

    def save(self, data: bytes) -> None:
        """Keep this instead; it is on the disk when this returns."""
        self._write(self._path / _SEALED, self.seal(_SEALED, data))

    def seal(self, label: str, data: bytes) -> bytes:
        """Encipher something that lies elsewhere, such as a row of a local database.

        Args:
            label: what it is; the same must be said to unseal it.
            data: in clear.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._open_cipher.encrypt(nonce, data, label.encode())

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Return what was sealed. Raises LocalError: it was changed, or it is another device's."""
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._open_cipher.decrypt(nonce, body, label.encode())
        except (InvalidTag, ValueError):
            raise LocalError(f"{label} was changed, or was not sealed by this device") from None

    def close(self) -> None:
        """Forget the key; nothing can be sealed or unsealed any more."""
        self._cipher = None

    @property
    def _open_cipher(self) -> AESGCM:
        if self._cipher is None:
            raise LocalError("the vault is closed; the PIN opens it again")
        return self._cipher


class Vault:
    """The folder, before its PIN was given."""

    def __init__(self, path: Path, store: KeyStore, *, write: Writer = write_whole) -> None:
        """Take folder and key store; nothing is read yet."""
        self.path = path
        self._store = store
        self._write = write

    @property
    def exists(self) -> bool:
        """Whether there is a vault with a key in it."""
        lock = self._lock()
        return lock is not None and bool(lock.wrapped)

    def create(self, pin: str, *, cost: int = COST) -> OpenVault:
        """Make a new vault in place of what was there.

        Raises:
            LocalError: the PIN is too short.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.path / _SEALED).unlink(missing_ok=True)
        _check(pin)
        self._store.secret(make=True)
        key = secrets.token_bytes(_KEY_BYTES)
        self._wrap(key, pin, cost)
        return OpenVault(self.path, key, self._write)

    def open(self, pin: str, now: int) -> OpenVault:
        """Try a PIN.

        Args:
            pin: as the person typed it.
            now: seconds since 1970 UTC.

        Raises:
            Refusal: a wrong PIN, or too early after wrong ones; says how long to wait.
            LocalError: there is no vault, or its key was destroyed.
        """
        with self._alone():
            return self._open(pin, now)

    def _open(self, pin: str, now: int) -> OpenVault:
        lock = self._usable()
        self._store.secret()  # without it no PIN is right, and none is counted as wrong
        moment = max(now, lock.latest)
        if moment < lock.wait_until:
            raise Refusal((f"too many wrong PINs: wait {lock.wait_until - moment} s",))
        tried = msgspec.structs.replace(
            lock,
            wrong=lock.wrong + 1,
            latest=moment,
            wait_until=moment + _pause(lock.wrong + 1),
        )
        self._keep(tried)
        key = self._unwrap(tried, pin)
        if key is None:
            if tried.wrong >= PIN_TRIES_MAX:
                self.wipe()
                raise Refusal(("wrong PIN; it was the last try, all data on the device is gone",))
            raise Refusal((f"wrong PIN; {PIN_TRIES_MAX - tried.wrong} tries are left",))
        self._keep(msgspec.structs.replace(tried, wrong=0, wait_until=0))
        return OpenVault(self.path, key, self._write)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One try at a time, whoever opens the folder: tries side by side would be counted as one."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            yield  # there is nothing to be tried
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def change_pin(self, old: str, new: str, now: int) -> None:
        """Set another PIN. Raises as ``open``, and LocalError for one that is too short."""
        _check(new)
        self.open(old, now)
        lock = self._usable()
        key = self._unwrap(lock, old)
        if key is not None:
            self._wrap(key, new, lock.cost)

    def wipe(self) -> None:
        """Destroy the key: what it has sealed is lost for ever."""
        lock = self._lock()
        if lock is not None:
            self._keep(msgspec.structs.replace(lock, wrapped=b""))
        self._store.wipe()
        (self.path / _SEALED).unlink(missing_ok=True)

    def _wrap(self, key: bytes, pin: str, cost: int) -> None:
        _check(pin)
        salt, nonce = os.urandom(16), os.urandom(_NONCE_BYTES)
        wrapped = nonce + AESGCM(self._from_pin(pin, salt, cost)).encrypt(nonce, key, None)
        self._keep(_Lock(salt, cost, wrapped))

    def _unwrap(self, lock: _Lock, pin: str) -> bytes | None:
        cipher = AESGCM(self._from_pin(pin, lock.salt, lock.cost))
        with suppress(InvalidTag):
            return cipher.decrypt(lock.wrapped[:_NONCE_BYTES], lock.wrapped[_NONCE_BYTES:], None)
        return None

    def _from_pin(self, pin: str, salt: bytes, cost: int) -> bytes:
        stretched = Scrypt(salt=salt, length=_KEY_BYTES, n=cost, r=8, p=1).derive(pin.encode())
        mixed = HKDF(hashes.SHA256(), _KEY_BYTES, salt, b"kwhub vault")
        return mixed.derive(stretched + self._store.secret())

    def _lock(self) -> _Lock | None:
        path = self.path / _LOCK
        if not path.exists():
            return None
        try:
            lock = msgspec.json.decode(path.read_bytes(), type=_Lock)
        except msgspec.MsgspecError as error:
            raise ConfigError(_DAMAGED, file=str(path)) from error
        if lock.cost.bit_count() != 1:  # scrypt takes powers of two
            raise ConfigError(_DAMAGED, file=str(path))
        return lock

    def _usable(self) -> _Lock:
        lock = self._lock()
        if lock is None:
            raise LocalError(
                "this device has no identity; enrol it with the code of its allocation"
            )
        if not lock.wrapped:
            raise LocalError("this device was wiped; have it allocated again and enrol it")
        return lock

    def _keep(self, lock: _Lock) -> None:
        self._write(self.path / _LOCK, msgspec.json.encode(lock))


def _check(pin: str) -> None:
    if len(pin) < PIN_LEAST:
        raise LocalError(f"a PIN has at least {PIN_LEAST} characters")


def _pause(wrong: int) -> int:
    over = wrong - PIN_TRIES_FREE
    return PIN_PAUSE_S * 2 ** (over - 1) if over > 0 else 0

"""Keys of one node in one file: mode 0600, replaced as a whole, never half written.

A bond that the policy does not trust cannot get into it, whoever asks; nor can one take the place of
another device's. Several processes may share a file: each change is made to what stands there now.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from bumble.keys import KeyStore, PairingKeys

from kwhub.domain.errors import ConfigError

__all__ = ["KeyFile", "Peer", "StoredKeys", "is_trusted", "new_address", "write_private"]

Hex = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})*$")]
Own = Annotated[str, msgspec.Meta(pattern="^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}(/P)?$")]
FORBIDDEN_MODE = 0o077
IRK_BYTES = 16


class Peer(msgspec.Struct, frozen=True):
    """A device that this node is or was paired with."""

    keys: dict[str, Any] = msgspec.field(default_factory=dict)
    meter: str | None = None  #: number on its nameplate, when it is known
    retired: bool = False  #: replaced by another device; its keys are gone
    successor: str | None = None  #: address of the device that took its place


class StoredKeys(msgspec.Struct, frozen=True):
    """What stands in the file."""

    irk: Hex
    address: Own  #: of this node; bonds are between addresses, so it is kept with them
    peers: dict[str, Peer] = msgspec.field(default_factory=dict)
    version: int = 1


Peers: TypeAlias = dict[str, Peer]


def is_trusted(keys: PairingKeys) -> bool:
    """Whether a bond is one of LE Secure Connections with an authenticated key.

    A legacy bond has two keys (of the central and of the peripheral) in place of one.
    """
    return keys.ltk is not None and keys.ltk.authenticated


class KeyFile(KeyStore):
    """The key store of a node; in memory only when it has no path."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file, or begin a new one.

        Raises:
            ConfigError: the file is damaged, or others than its owner may read it.
        """
        self.path = path
        self.refused = 0  #: bonds that somebody tried to store and that may not be
        self._held: dict[str, Peer | None] = {}  # being tried; not in the file yet
        self._mark: tuple[int, ...] | None = None
        self._stored = self._load() or self._begin()

    @property
    def stored(self) -> StoredKeys:
        """What stands in the file, also when another process has changed it."""
        if self._mark != self._marked():
            with suppress(
                ConfigError
            ):  # a file that is damaged meanwhile is told at the next change
                self._stored = self._load() or self._stored
        return self._stored

    @property
    def address(self) -> str:
        """The address of this node, unless its settings give it another."""
        return self.stored.address

    @property
    def irk(self) -> bytes:
        """The identity resolving key of this node."""
        return bytes.fromhex(self.stored.irk)

    def peer(self, address: str) -> Peer | None:
        """What is known of a device; of one that is being tried, what it is tried with."""
        return self._held.get(address) or self.stored.peers.get(address)

    def is_bonded(self, address: str) -> bool:
        """Whether there are keys for a device."""
        peer = self.peer(address)
        return peer is not None and bool(peer.keys)

    def refuses(self, name: str, irk: bytes | None) -> bool:
        """Whether a new bond may not be stored, since another device has one under this address.

        Only who knows the identity resolving key of a bond may renew it; a device that takes the place
        of another is `tried` first.

        Args:
            name: identity address of the device.
            irk: the 16 bytes that it sent in pairing; None when it sent none.
        """
        known = self.stored.peers.get(name)
        if name in self._held or known is None or not known.keys:
            return False
        before = PairingKeys.from_dict(known.keys).irk
        return before is None or not any(before.value) or before.value != irk

    @contextmanager
    def tried(self, address: str) -> Iterator[None]:
        """Keep the new bond of a device out of the file until `keep`; otherwise it is forgotten."""
        self._held[address] = None
        try:
            yield
        finally:
            self._held.pop(address, None)

    def keep(self, address: str, meter: str, old: str) -> None:
        """Write down a bond that was `tried`: at this address is now a meter, in the place of ``old``.

        The keys of ``old`` are forgotten, and it is noted which device took its place.
        """
        kept = msgspec.structs.replace(self._known(address), meter=meter)

        def replaced(peers: Peers) -> Peers:
            gone = msgspec.structs.replace(
                peers.get(old, Peer()), keys={}, retired=True, successor=address
            )
            return {**peers, old: gone, address: kept}

        self._change(replaced)

    def check(self) -> None:
        """Write the file once more as it is, so that nobody is asked anything for a bond that cannot be kept.

        Raises:
            ConfigError: it cannot be written.
        """
        self._change(lambda peers: peers)

    async def put_back(self, address: str, peer: Peer | None) -> None:
        """Have a device as it was known before; None: not at all."""
        if peer is None:
            await self.delete(address)
        else:
            await self._put(address, peer)

    async def update(self, name: str, keys: PairingKeys) -> None:
        """Store a bond; one that is not trusted, or of another device, is counted and dropped."""
        if not is_trusted(keys) or self.refuses(name, keys.irk.value if keys.irk else None):
            self.refused += 1
            return
        bond = Peer(keys=keys.to_dict(), meter=self._known(name).meter)
        if name in self._held:
            self._held[name] = bond
        else:
            await self._put(name, bond)

    async def get(self, _name: str) -> PairingKeys | None:
        """The bond with a device."""
        peer = self.peer(_name)
        return PairingKeys.from_dict(peer.keys) if peer is not None and peer.keys else None

    async def get_all(self) -> list[tuple[str, PairingKeys]]:
        """All bonds."""
        return [
            (name, PairingKeys.from_dict(peer.keys))
            for name, peer in self.stored.peers.items()
            if peer.keys
        ]

    async def delete(self, name: str) -> None:
        """Forget a device altogether."""
        self._change(lambda peers: {key: peers[key] for key in peers if key != name})

    def _known(self, address: str) -> Peer:
        return self.peer(address) or Peer()

    async def _put(self, address: str, peer: Peer) -> None:
        self._change(lambda peers: {**peers, address: peer})

    def _change(self, change: Callable[[Peers], Peers]) -> None:
        """Change what stands in the file now; another process waits meanwhile."""
        with self._locked():
            stored = self._load() or self._stored
            self._stored = msgspec.structs.replace(stored, peers=change(stored.peers))
            self._write()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file, which only its owner can; not the folder, which whoever may read it can."""
        handle = self._held_file()
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _held_file(self) -> int | None:
        """The file that is in place now, locked; None when there is none."""
        while self.path is not None:
            with _told_of(self.path, "cannot be read"):
                try:
                    handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    return None
                fcntl.flock(handle, fcntl.LOCK_EX)
                if os.fstat(handle).st_ino == (self._marked() or (0,))[0]:
                    return handle
                os.close(handle)  # whoever had it has put another in its place
        return None

    def _marked(self) -> tuple[int, ...] | None:
        """What tells one version of the file from another."""
        try:
            facts = self.path.stat() if self.path is not None else None
        except OSError:  # it is not there, or its folder may not be looked into any more
            return None
        return None if facts is None else (facts.st_ino, facts.st_mtime_ns, facts.st_size)

    def _load(self) -> StoredKeys | None:
        if self.path is None:
            return None
        with _told_of(self.path, "cannot be read"):
            if not self.path.exists():
                return None
            mode = self.path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError("is no file; name one that can hold keys", file=str(self.path))
            if mode & FORBIDDEN_MODE:
                raise ConfigError(
                    "holds keys and may be read by others; do: chmod 600", file=str(self.path)
                )
            mark = self._marked()
            data = self.path.read_bytes()
        stored = _parsed(data, str(self.path))
        self._mark = mark
        return stored

    def _begin(self) -> StoredKeys:
        """A new file, unless another process begins one in the same moment."""
        fresh = StoredKeys(secrets.token_hex(IRK_BYTES), new_address())
        if self.path is None:
            return fresh
        with _told_of(self.path.parent, "cannot be used"):
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY))
        with _told_of(self.path, "cannot be written"), suppress(FileExistsError):
            write_private(self.path, _encoded(fresh), is_first=True)
            self._mark = self._marked()
            return fresh
        return self._load() or fresh

    def _write(self) -> None:
        if self.path is not None:
            with _told_of(self.path, "cannot be written"):
                write_private(self.path, _encoded(self._stored))
                self._mark = self._marked()


def _encoded(stored: StoredKeys) -> bytes:
    return msgspec.json.format(msgspec.json.encode(stored), indent=1)


def _parsed(data: bytes, file: str) -> StoredKeys:
    """What stands in a key file, each bond of it looked at.

    Raises:
        ConfigError: it is damaged.
    """
    entry = ""
    try:
        stored = msgspec.json.decode(data, type=StoredKeys)
        for name, peer in stored.peers.items():
            entry = name
            PairingKeys.from_dict(peer.keys)
    except msgspec.ValidationError as error:
        entry = str(error).partition("`$.")[2].rstrip("`")
        raise _damaged(file, f"{entry} is wrong" if entry else "keys are missing") from error
    except msgspec.DecodeError as error:
        raise _damaged(file, "it is no whole JSON") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # of the stack
        raise _damaged(file, f"{entry} is wrong") from error
    return stored


def _damaged(file: str, what: str) -> ConfigError:
    return ConfigError(f"is no key file ({what}); move it away and pair again", file=file)


@contextmanager
def _told_of(path: Path, what: str) -> Iterator[None]:
    """Tell trouble of the system with the path that its owner knows."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{what}: {error.strerror}", file=str(path)) from error


def new_address() -> str:
    """A static random address: the two highest bits are set.  Source: Core 5.4, Vol 6, Part B, 1.3.2."""
    raw = bytearray(secrets.token_bytes(6))
    raw[0] |= 0xC0
    return raw.hex(":").upper()


def write_private(path: Path, data: bytes, *, is_first: bool = False) -> None:
    """Replace a file as a whole; only its owner may read it, from its first byte on.

    Raises:
        FileExistsError: it was to be the first, and is not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            os.link(fresh, path)
            fresh.unlink()
        else:
            fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

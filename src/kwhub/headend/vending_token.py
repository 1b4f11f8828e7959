"""Root keys in a PKCS#11 token: a key for each purpose and version, which can sign and never be read.

A meter's key is the AES-CMAC that the token makes over version, purpose and factor. The dispersion is therefore done by
the token; what meters compute with it is SM4, which few tokens know, so the key of one meter and purpose is in this
process for the moment of its use. Roots never are. These children differ from those of ``MasterKeys``: a meter belongs to the
token that made its keys.

Source: PKCS#11 2.40 (C_Sign with CKM_AES_CMAC); AES-CMAC: NIST SP 800-38B, answers of its appendix D.3; addresses:
RFC 7512 with its attributes ``module-path`` and ``pin-source``.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from kwhub.domain.errors import ConfigError, LocalError
from kwhub.prepay.keys import Purpose

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SCHEME", "TokenAddress", "TokenKeys", "opened"]

SCHEME: Final = "pkcs11:"
VERSION_MAX = 255
_LABEL: Final = "kwhub"
_BOOK: Final = 0xFF  #: in place of a purpose: no meter has this key
_PLACES: Final = (*Purpose, _BOOK)
_CHILD, _CHAIN = b"kwhub child\x00", b"kwhub book\x00"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_KNOWN_KEY: Final = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
_KNOWN: Final = {
    b"": "bb1d6929e95937287fa37d129b756746",
    bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"): "070a16b46b4d4144f79bdd9dd04a287c",
}


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Where a token is: ``pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE``."""

    token: str
    module: Path
    pin_file: Path

    @classmethod
    def parse(cls, text: str) -> "TokenAddress":
        """From text. Raises ConfigError: an attribute is missing."""
        path, _, query = text.removeprefix(SCHEME).partition("?")
        wanted = dict(pair.partition("=")[::2] for pair in path.split(";"))
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        module, pin = asked.get("module-path", ""), asked.get("pin-source", "")
        if not (text.startswith(SCHEME) and wanted.get("token") and module and pin):
            raise ConfigError(
                "a token is named as pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE"
            )
        return cls(unquote(wanted["token"]), Path(module), Path(pin.removeprefix("file:")))


class TokenKeys:
    """A ``kwhub.prepay.keys.KeySource`` whose roots stay in a token.

    Args:
        session: of python-pkcs11, logged in.

    Raises:
        LocalError: the token computes wrong answers, or gives a key out.
    """

    def __init__(self, session: Any) -> None:
        self._session, self._names = session, _library()
        self._check_known_answers()
        self._keys: dict[tuple[int, int], Any] = {}
        for key in session.get_objects(self._wanted()):
            version, place = key.id
            self._check_kept(key, version)
            self._keys[version, place] = key

    @property
    def versions(self) -> list[int]:
        """Those that are there, whole, in order."""
        seen = {version for version, _ in self._keys}
        whole = (each for each in seen if all((each, place) in self._keys for place in _PLACES))
        return sorted(whole)

    @property
    def newest(self) -> int:
        """The version that new meters get. Raises LocalError when there is none."""
        versions = self.versions
        if not versions:
            raise LocalError("the token holds no root keys: make them with 'kwhub vend make-keys'")
        return versions[-1]

    def child(self, purpose: Purpose, factor: bytes, version: int | None = None) -> bytes:
        """Let the token disperse; see ``KeySource``."""
        wanted = self.newest if version is None else version
        return self._mac(wanted, purpose, _CHILD + bytes((wanted, purpose)) + factor)

    def book_key(self, version: int) -> bytes:
        """See ``KeySource``."""
        return b"".join(self._mac(version, _BOOK, _CHAIN + bytes((part,))) for part in (1, 2))

    def random(self, length: int) -> bytes:
        """So many bytes out of the token."""
        try:
            return bytes(self._session.generate_random(8 * length))
        except self._names.PKCS11Error as error:
            raise LocalError(f"the token fails: {error or type(error).__name__}") from error

    def make(self, version: int) -> None:
        """Draw the root keys of a version inside the token; what a cut left unfinished is finished.

        Raises:
            LocalError: they are there already, or that is no version.
        """
        if not 0 < version <= VERSION_MAX:
            raise LocalError(f"a key version is 1 to {VERSION_MAX}")
        if version in self.versions:
            raise LocalError(f"the token has root keys of version {version} already")
        for place in _PLACES:
            if (version, place) not in self._keys:
                self._keys[version, place] = self._session.generate_key(
                    self._names.KeyType.AES,
                    256,
                    label=_LABEL,
                    id=bytes((version, place)),
                    store=True,
                    capabilities=self._names.MechanismFlag.SIGN,
                )

    def _mac(self, version: int, place: int, message: bytes) -> bytes:
        key = self._keys.get((version, place))
        if key is None:
            raise LocalError(f"there is no root key of version {version} in the token")
        try:
            return bytes(key.sign(message, mechanism=self._names.Mechanism.AES_CMAC))
        except self._names.PKCS11Error as error:
            raise LocalError(f"the token fails: {error or type(error).__name__}") from error

    def _wanted(self) -> dict[Any, Any]:
        attribute = self._names.Attribute
        return {attribute.CLASS: self._names.ObjectClass.SECRET_KEY, attribute.LABEL: _LABEL}

    def _check_kept(self, key: Any, version: int) -> None:
        attribute = self._names.Attribute
        if key[attribute.EXTRACTABLE] or not key[attribute.SENSITIVE]:
            raise LocalError(f"a root key of version {version} can be read out of the token")

    def _check_known_answers(self) -> None:
        attribute = self._names.Attribute
        known = self._session.create_object(
            {
                attribute.CLASS: self._names.ObjectClass.SECRET_KEY,
                attribute.KEY_TYPE: self._names.KeyType.AES,
                attribute.VALUE: _KNOWN_KEY,
                attribute.SIGN: True,
                attribute.TOKEN: False,
            }
        )
        for message, answer in _KNOWN.items():
            if known.sign(message, mechanism=self._names.Mechanism.AES_CMAC).hex() != answer:
                raise LocalError("the token gives a wrong AES-CMAC answer: do not go on")
        known.destroy()


@contextmanager
def opened(text: str, *, writable: bool = False) -> Iterator[TokenKeys]:
    """Open the token of an address, and log out at the end.

    Raises:
        ConfigError: no such module, token or PIN; the PIN file is readable for others; the library is not installed.
        LocalError: as ``TokenKeys``.
    """
    address, names = TokenAddress.parse(text), _library()
    pin = _pin(address.pin_file)
    try:
        token = names.lib(str(address.module)).get_token(token_label=address.token)
        session = _session(names, token, pin, writable=writable)
    except names.PKCS11Error as error:
        what = str(error) or type(error).__name__
        raise ConfigError(f"token {address.token!r} cannot be opened: {what}") from None
    try:
        yield TokenKeys(session)
    except names.PKCS11Error as error:
        raise LocalError(f"the token fails: {error or type(error).__name__}") from error
    finally:
        session.close()


def _session(names: "ModuleType", token: Any, pin: str, *, writable: bool) -> Any:
    """Log in; where another part of this process has done so already, its log-in holds."""
    try:
        return token.open(rw=writable, user_pin=pin)
    except names.UserAlreadyLoggedIn:
        return token.open(rw=writable)


def _pin(path: Path) -> str:
    try:
        if path.stat().st_mode & _OTHERS:
            raise ConfigError("others may read it: give it mode 0600 (chmod 600)", file=str(path))
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None


def _library() -> "ModuleType":
    try:
        import pkcs11  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("python-pkcs11 is not installed: pip install 'kwhub[pkcs11]'") from None
    return pkcs11

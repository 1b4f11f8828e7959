"""What a counter and a medium show each other, and how the key of the pair travels when a medium is issued.

The key is sealed to the element of the medium: whoever sits between master crypto and medium sees it as little
as the program of the counter does. The master does not know the medium; that the right one lies in the reader
is for the person at the counter to see.

Source: kwhub; X25519 (RFC 7748), HKDF (RFC 5869) with SHA-256, AES-128-GCM (NIST SP 800-38D).
"""

import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay import ciphers

__all__ = ["PUBLIC_BYTES", "SEALED_BYTES", "Receiver", "proof", "seal"]

PUBLIC_BYTES = 32
SEALED_BYTES = PUBLIC_BYTES + 1 + ciphers.BLOCK_BYTES + 16
"""The sender's public key, the enciphered version and key, a tag."""

_LABEL = b"kwhub-counter-01"
_LOADS, _LOADED = b"kwhub load\x00", b"kwhub loaded\x00"
_PAIRS = b"kwhub pair key\x00"
_NONCE = bytes(12)  # each key seals one message

Draw = Callable[[int], bytes]


def proof(pair: bytes, serial: bytes, challenge: bytes, load: bytes, *, loaded: bool) -> bytes:
    """32 bytes: from the counter that it loads this, or from the medium that it has it.

    Args:
        pair: key of the medium with its meter.
        serial: of the medium, eight bytes.
        challenge: of its element, eight bytes.
        load: ``Load.to_bytes``.
        loaded: which of the two.
    """
    key = ciphers.encrypt_block(pair, _LABEL)
    message = (_LOADED if loaded else _LOADS) + serial + challenge + load
    return hmac.digest(key, message, "sha256")


def seal(public: bytes, version: int, pair: bytes, about: bytes, draw: Draw) -> bytes:
    """Seal the key of a pair to an element.

    Args:
        public: of the element, 32 bytes.
        version: of the keys that it comes from.
        pair: the key.
        about: what the key belongs to; both sides must say the same.
        draw: random bytes.

    Returns:
        ``SEALED_BYTES``.

    Raises:
        LocalError: that is no public key.
    """
    own = X25519PrivateKey.from_private_bytes(draw(PUBLIC_BYTES))
    sender = own.public_key().public_bytes_raw()
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise LocalError("that is no public key of a medium") from None
    return sender + _gcm(shared, sender, public).encrypt(_NONCE, bytes((version,)) + pair, about)


class Receiver:
    """The element's half; lives until its key has come."""

    def __init__(self, draw: Draw) -> None:
        self._own = X25519PrivateKey.from_private_bytes(draw(PUBLIC_BYTES))
        self.public = self._own.public_key().public_bytes_raw()

    def open(self, sealed: bytes, about: bytes) -> tuple[int, bytes]:
        """Return version and key. Raises Refusal when it was sealed to another, about another, or changed."""
        sender, rest = sealed[:PUBLIC_BYTES], sealed[PUBLIC_BYTES:]
        try:
            shared = self._own.exchange(X25519PublicKey.from_public_bytes(sender))
            opened = _gcm(shared, sender, self.public).decrypt(_NONCE, rest, about)
        except (InvalidTag, ValueError):
            raise Refusal(("the key is not for this medium",)) from None
        return opened[0], opened[1:]


def _gcm(shared: bytes, sender: bytes, receiver: bytes) -> AESGCM:
    spread = HKDF(SHA256(), ciphers.BLOCK_BYTES, salt=None, info=_PAIRS + sender + receiver)
    return AESGCM(spread.derive(shared))

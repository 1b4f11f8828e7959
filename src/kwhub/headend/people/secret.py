"""Secrets that are shown once: 256 random bits, of which the store keeps the SHA-256 only.

No salt and no slow hash: nobody can guess 256 random bits, so their digest gives nothing away.
"""

import hashlib
import hmac
import secrets

__all__ = ["csrf_of", "digest", "new", "same"]

SECRET_BYTES = 32


def new() -> str:
    """A fresh secret of 43 characters that may stand in an address."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> bytes:
    """What the store keeps of it."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def csrf_of(session: str) -> str:
    """The token that the forms of a session carry; from it nobody finds the session's id."""
    return hmac.new(session.encode("utf-8", "replace"), b"kwhub csrf", hashlib.sha256).hexdigest()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare in a time that does not tell how much of it is right."""
    return hmac.compare_digest(_raw(left), _raw(right))


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")

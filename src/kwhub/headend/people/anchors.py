"""Anchors of the audit trail: its head, signed now and then with a key that the database does not hold.

Who has the database alone can compute the whole chain anew, but cannot sign it: every anchor that was made before
then tells. Rows that came after the last anchor can still be cut off; hence one anchor a day, and a head
that is noted elsewhere.

Source: RFC 8032 (Ed25519).
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from kwhub.domain.errors import ConfigError
from kwhub.headend.people.trail import Finding, Head, head
from kwhub.headend.store import schema
from kwhub.headend.store.schema_people import audit_anchor

__all__ = ["ANCHOR_EVERY_S", "Anchors"]

ANCHOR_EVERY_S = 86_400.0
_KEY_BYTES = 32
_PURPOSE = b"kwhub audit trail "


class Anchors:
    """Signs heads of the trail and checks those that were signed."""

    def __init__(self, file: str) -> None:
        """Read the key, or make it when there is no such file. Raises ConfigError."""
        path = Path(file)
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(_key(path))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no key of 32 bytes can be read: {error}", key="trail_key"
            ) from error

    def set(self, connection: Connection, at: datetime) -> Head:
        """Sign the head of now, in a writing transaction, unless that was done already."""
        now = head(connection)
        table = audit_anchor
        known = connection.execute(select(table.c.at).where(table.c.audit_id == now.last_id))
        if now.last_id and known.first() is None:
            connection.execute(
                table.insert().values(
                    audit_id=now.last_id, digest=now.digest, at=at, signature=self._signed(now)
                )
            )
        return now

    def verify(self, connection: Connection) -> Iterator[Finding]:
        """Tell every anchor that was not signed with this key or does not fit its row."""
        query = select(audit_anchor, schema.audit.c.digest.label("there")).order_by(
            audit_anchor.c.audit_id
        )
        joined = query.outerjoin(schema.audit, schema.audit.c.id == audit_anchor.c.audit_id)
        for row in connection.execute(joined):
            try:
                self._key.public_key().verify(row.signature, _words(Head(row.audit_id, row.digest)))
            except InvalidSignature:
                yield Finding(row.audit_id, "signature")
            else:
                if row.there != row.digest:
                    yield Finding(row.audit_id, "anchor")

    def _signed(self, what: Head) -> bytes:
        return self._key.sign(_words(what))


def _words(what: Head) -> bytes:
    return _PURPOSE + str(what).encode()


def _key(path: Path) -> bytes:
    """The key of a file that only its owner reads."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(file, "wb") as out:
        out.write(os.urandom(_KEY_BYTES))
        out.flush()
        os.fsync(out.fileno())
    return path.read_bytes()

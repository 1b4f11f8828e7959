"""The register of devices: allocation, enrolment, admission, renewal by generation, lock, loss and retirement.

Every change is one transaction with its row of the audit trail, so a power cut leaves a device before a step or
behind it. Nothing here can lock out a device that has lost an answer: the same question gets the same
answer until the new generation is used, and its first use is what ends the old one.

Source: kwhub; reuse of a replaced generation as the sign of a copy follows RFC 9700, 4.14.2 (refresh tokens).
"""

import base64
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, update

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.device_messages import Certified, Denial, Denied
from kwhub.headend.identity.authority import Authority, Issued
from kwhub.headend.identity.listing import devices, exposure, heard, recall
from kwhub.headend.identity.records import (
    Allocation,
    Audit,
    Description,
    Device,
    DeviceState,
    Exposure,
    GenerationState,
    Rules,
    Visitor,
)
from kwhub.headend.store.database import Database
from kwhub.headend.store.schema import Moment
from kwhub.headend.store.schema_devices import device, device_generation

__all__ = ["Registry"]

WRONG_TOLD_MAX: Final = 20
"""Wrong secrets of one device that the audit trail tells of; all are counted."""

_SECRET_BYTES: Final = 16
_CLOSED: Final[dict[DeviceState, Denial]] = {
    DeviceState.LOCKED: "locked",
    DeviceState.LOST: "lost",
    DeviceState.RETIRED: "retired",
}
_FINAL = frozenset({DeviceState.RETIRED})


class Registry:
    """All devices of one head-end; safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        authority: Authority,
        rules: Rules,
        now: Callable[[], datetime],
        draw: Callable[[int], bytes],
        audit: Audit,
    ) -> None:
        """Take what it works with.

        Args:
            database: holds the tables.
            authority: certifies.
            rules: lives and limits.
            now: the present moment, aware.
            draw: secret random bytes.
            audit: hears of every change.
        """
        self.database = database
        self.authority = authority
        self.rules = rules
        self.now = now
        self._draw = draw
        self._audit = audit

    # By people

    def allocate(self, description: Description, by: str) -> Allocation:
        """Take a new device in, before it is handed out. Its secret is shown here and kept nowhere.

        Raises:
            StoreError: it was not written.
        """
        now, secret = self.now(), self._secret()
        with self.database.write() as connection:
            number = (connection.scalar(select(func.max(device.c.id))) or 0) + 1
            name = f"device-{number:06}"
            connection.execute(
                device.insert().values(
                    id=number,
                    name=name,
                    model=description.model,
                    serial=description.serial,
                    owner=description.owner,
                    area=description.area,
                    reason="",
                    wrong_secrets=0,
                    allocated_at=now,
                    **self._allocated(secret, now),
                )
            )
            told = f"{description.model} {description.serial} for {description.owner}".strip()
            self._audit(connection, by, "device_allocate", name, told, now)
        return Allocation(name, secret, self._until(now))

    def allocate_again(self, name: str, by: str) -> Allocation:
        """Give a device a new secret: after a lock, a loss, or when the first was not used in time.

        All its identities end; one that is used again later is refused and told.

        Raises:
            LocalError: there is no such device, or it was retired.
        """
        now, secret = self.now(), self._secret()
        with self.database.write() as connection:
            row = _known(connection, name)
            if row.state in _FINAL:
                raise LocalError(f"{name} was retired; allocate a new device")
            _end_generations(connection, row.id, now)
            recall(connection, row.id, now)
            connection.execute(
                update(device)
                .where(device.c.id == row.id)
                .values(reason="", **self._allocated(secret, now))
            )
            self._audit(connection, by, "device_allocate", name, "again", now)
        return Allocation(name, secret, self._until(now))

    def lock(self, name: str, by: str, reason: str) -> Exposure:
        """Keep a device out from its next request on, and recall what it holds. Raises LocalError."""
        return self._close(name, by, DeviceState.LOCKED, reason)

    def lose(self, name: str, by: str, reason: str) -> Exposure:
        """Lock a device that is gone; when it shows up again it is told to wipe itself. Raises LocalError."""
        return self._close(name, by, DeviceState.LOST, reason)

    def retire(self, name: str, by: str, reason: str) -> Exposure:
        """Take a device out of service for ever. Raises LocalError."""
        return self._close(name, by, DeviceState.RETIRED, reason)

    def devices(self) -> list[Device]:
        """All of them by name. Raises StoreError."""
        with self.database.read() as connection:
            return devices(connection)

    def exposure(self, name: str) -> Exposure:
        """What a device could still do if it is out of hand. Raises LocalError."""
        with self.database.read() as connection:
            return exposure(connection, _known(connection, name, hold=False), (), self.now())

    def record(
        self, connection: Connection, who: str, action: str, subject: str, detail: str
    ) -> None:
        """Add a row to the audit trail."""
        self._audit(connection, who, action, subject, detail, self.now())

    # By devices

    def enrol(self, name: str, secret: str, request: str) -> Certified | Denied:
        """Certify the first key of an allocated device, once; the same key again gets the same answer."""
        now = self.now()
        with self.database.write() as connection:
            row = connection.execute(_locked(device.c.name == name)).one_or_none()
            if row is None:
                return Denied("secret")
            if not self._fits(row, secret, now):
                wrong = device.c.wrong_secrets + 1
                connection.execute(
                    update(device).where(device.c.id == row.id).values(wrong_secrets=wrong)
                )
                if row.wrong_secrets < WRONG_TOLD_MAX:
                    self._audit(connection, name, "device_refused", name, "wrong secret", now)
                return Denied("secret")
            return self._certify(connection, row, request, first=True)

    def admit(self, connection: Connection, serial: str, opened_at: datetime) -> Visitor | Denied:
        """Decide on one request; the first use of a generation makes it current and ends the one before.

        Args:
            connection: of the writing transaction in which the request is carried out.
            serial: of the certificate that the connection was opened with.
            opened_at: when the connection was opened. A request that comes late on a connection from
                before its generation ended is refused, but it is no sign of a copy.
        """
        now, table = self.now(), device_generation
        owner = connection.scalar(select(table.c.device_id).where(table.c.serial == serial))
        if owner is None:
            return Denied("unknown")
        # The device's row first: its requests, and a lock by a person, come one after the other.
        row = connection.execute(_locked(device.c.id == owner)).one()
        generation = connection.execute(select(table).where(table.c.serial == serial)).one()
        if row.state in _CLOSED:
            if heard(connection, row, now):
                told = f"called while {row.state}"
                self._audit(connection, row.name, "device_refused", row.name, told, now)
            return Denied(_CLOSED[DeviceState(row.state)])
        if generation.state in {GenerationState.DEAD, GenerationState.VOID}:
            return self._copied(connection, row, generation, opened_at)
        if generation.state == GenerationState.PENDING:
            self._promote(connection, row, generation, now)
        connection.execute(update(device).where(device.c.id == row.id).values(seen_at=now))
        expired = generation.not_after <= now
        if expired and now > generation.not_after + timedelta(days=self.rules.renewal_grace_days):
            return Denied("expired")
        return Visitor(row.id, row.name, generation.number, generation.not_after, expired)

    def renew(self, connection: Connection, visitor: Visitor, request: str) -> Certified | Denied:
        """Certify the next generation; it must be a key that no device ever had."""
        row = connection.execute(select(device).where(device.c.id == visitor.device_id)).one()
        return self._certify(connection, row, request, first=False)

    # Within a transaction

    def _certify(
        self, connection: Connection, row: Row[Any], request: str, *, first: bool
    ) -> Certified | Denied:
        now = self.now()
        table = device_generation
        number = 1 + (
            connection.scalar(select(func.max(table.c.number)).where(table.c.device_id == row.id))
            or 0
        )
        try:
            issued = self.authority.certify_device(
                request, f"{row.name}#{number}", now, self.rules.certificate_days
            )
        except DecodeError as error:
            return Denied("request", str(error))
        before = connection.execute(
            select(table).where(table.c.key_digest == issued.key_digest)
        ).one_or_none()
        if before is not None:
            return _repeated(row, before)
        if first and row.secret_key is not None:
            return Denied("secret")  # it was used for another key
        self._keep(connection, row, number, issued, now)
        if first:
            connection.execute(
                update(device).where(device.c.id == row.id).values(secret_key=issued.key_digest)
            )
        action = "device_enrol" if first else "device_renew"
        self._audit(connection, row.name, action, row.name, f"generation {number}", now)
        return Certified(row.name, number, issued.chain)

    def _keep(
        self, connection: Connection, row: Row[Any], number: int, issued: Issued, now: datetime
    ) -> None:
        """The newest pending generation is the only one; an earlier one that is used is a copy's."""
        table = device_generation
        connection.execute(
            update(table)
            .where(table.c.device_id == row.id, table.c.state == GenerationState.PENDING)
            .values(state=GenerationState.DEAD, died_at=now)
        )
        connection.execute(
            table.insert().values(
                device_id=row.id,
                number=number,
                serial=issued.serial,
                key_digest=issued.key_digest,
                state=GenerationState.PENDING,
                chain=issued.chain,
                issued_at=now,
                not_after=issued.not_after,
            )
        )

    def _promote(
        self, connection: Connection, row: Row[Any], generation: Row[Any], now: datetime
    ) -> None:
        table = device_generation
        connection.execute(
            update(table)
            .where(table.c.device_id == row.id, table.c.state == GenerationState.CURRENT)
            .values(state=GenerationState.DEAD, died_at=now)
        )
        connection.execute(
            update(table)
            .where(table.c.serial == generation.serial)
            .values(state=GenerationState.CURRENT, used_at=now)
        )
        connection.execute(
            update(device)
            .where(device.c.id == row.id)
            .values(state=DeviceState.ACTIVE, secret_digest=None, secret_until=None)
        )
        told = f"generation {generation.number}"
        self._audit(connection, row.name, "device_generation", row.name, told, now)

    def _copied(
        self, connection: Connection, row: Row[Any], generation: Row[Any], opened_at: datetime
    ) -> Denied:
        if generation.died_at is not None and opened_at <= generation.died_at:
            return Denied("dead")
        now = self.now()
        told = f"generation {generation.number} was used again"
        self._audit(connection, row.name, "device_copied", row.name, told, now)
        if generation.state == GenerationState.DEAD:
            self._set_closed(connection, row, DeviceState.LOCKED, told)
        return Denied("dead")

    def _close(self, name: str, by: str, state: DeviceState, reason: str) -> Exposure:
        with self.database.write() as connection:
            row = _known(connection, name)
            if row.state in _FINAL and state is not DeviceState.RETIRED:
                raise LocalError(f"{name} was retired")
            if row.state == DeviceState.LOST and state is DeviceState.LOCKED:
                raise LocalError(
                    f"{name} was reported lost: it is kept out and told to wipe itself; allocate it again when it is found"
                )
            told = self._set_closed(connection, row, state, reason)
            self._audit(connection, by, f"device_{state}", name, reason, self.now())
        return told

    def _set_closed(
        self, connection: Connection, row: Row[Any], state: DeviceState, reason: str
    ) -> Exposure:
        now = self.now()
        orders = recall(connection, row.id, now)
        connection.execute(
            update(device)
            .where(device.c.id == row.id)
            .values(
                state=state,
                reason=reason,
                changed_at=now,
                secret_digest=None,
                secret_until=None,
            )
        )
        return exposure(connection, _known(connection, row.name), orders, now)

    def _fits(self, row: Row[Any], secret: str, now: datetime) -> bool:
        if row.secret_digest is None or row.state != DeviceState.ALLOCATED:
            return False
        return now < row.secret_until and hmac.compare_digest(row.secret_digest, _digest(secret))

    def _allocated(self, secret: str, now: datetime) -> dict[str, Any]:
        return {
            "state": DeviceState.ALLOCATED,
            "secret_digest": _digest(secret),
            "secret_until": self._until(now),
            "secret_key": None,
            "changed_at": now,
        }

    def _until(self, now: datetime) -> datetime:
        return now + timedelta(hours=self.rules.secret_hours)

    def _secret(self) -> str:
        return base64.b32encode(self._draw(_SECRET_BYTES)).decode().rstrip("=")


def _locked(which: ColumnElement[bool]) -> Select[Any]:
    """A device, held by this transaction until its end; SQLite has one writer anyway."""
    return select(device).where(which).with_for_update()


def _digest(secret: str) -> bytes:
    """Random with 128 bits, so that no slow hash is needed."""
    return sha256(secret.encode()).digest()


def _known(connection: Connection, name: str, *, hold: bool = True) -> Row[Any]:
    which = device.c.name == name
    query = _locked(which) if hold else select(device).where(which)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LocalError(f"there is no device {name}; 'kwhub headend device list' shows all")
    return row


def _repeated(row: Row[Any], before: Row[Any]) -> Certified | Denied:
    """The answer to a signing request that was answered before: its answer was lost."""
    if before.device_id == row.id and before.state == GenerationState.PENDING:
        return Certified(row.name, before.number, before.chain)
    return Denied("request", "this key was certified before; make a new one")


def _end_generations(connection: Connection, device_id: int, now: datetime) -> None:
    table = device_generation
    living = (GenerationState.PENDING, GenerationState.CURRENT, GenerationState.DEAD)
    connection.execute(
        update(table)
        .where(table.c.device_id == device_id, table.c.state.in_(living))
        .values(
            state=GenerationState.VOID,
            died_at=func.coalesce(table.c.died_at, literal(now, Moment())),
        )
    )

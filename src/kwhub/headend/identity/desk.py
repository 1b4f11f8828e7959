"""What the head-end answers to a device: one request, one transaction, after the device was let in."""

from datetime import datetime

from sqlalchemy import Connection

from kwhub.exchange.device_messages import (
    Answer,
    Authorities,
    Carry,
    Denied,
    Enrol,
    Envelope,
    FetchAuthorities,
    FetchWork,
    Greet,
    Propose,
    Query,
    Renew,
    Request,
    Upload,
    Welcome,
)
from kwhub.headend.identity.orders import FieldOrders
from kwhub.headend.identity.proposals import propose
from kwhub.headend.identity.records import Visitor
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.work import FieldWork

__all__ = ["Desk"]


class Desk:
    """Answers; every method may run in a thread of its own."""

    def __init__(self, registry: Registry, work: FieldWork, orders: FieldOrders) -> None:
        self.registry = registry
        self.work = work
        self.orders = orders

    def enrol(self, envelope: Envelope) -> Answer:
        """Answer somebody without an identity: enrolment is all that there is. Raises StoreError."""
        body = envelope.body
        if isinstance(body, FetchAuthorities):
            return Authorities(self.registry.authority.root)
        if isinstance(body, Enrol):
            return self.registry.enrol(body.device, body.secret, body.signing_request)
        return Denied("request", "enrol first")

    def answer(self, envelope: Envelope, serial: str, opened_at: datetime) -> Answer:
        """Answer a device.

        Args:
            envelope: the request.
            serial: of its certificate.
            opened_at: when the connection was opened.

        Raises:
            StoreError: nothing was done.
        """
        with self.registry.database.write() as connection:
            found = self.registry.admit(connection, serial, opened_at)
            if isinstance(found, Denied):
                return found
            visitor = Visitor(
                found.device_id,
                found.name,
                found.generation,
                found.not_after,
                found.is_expired,
                envelope.operator,
                envelope.lent_to,
            )
            if visitor.is_expired and not isinstance(envelope.body, Renew):
                return Denied("expired")
            return self._carry_out(connection, visitor, envelope.body)

    def _carry_out(self, connection: Connection, visitor: Visitor, body: Request) -> Answer:
        answer: Answer
        match body:
            case Greet():
                until = int(visitor.not_after.timestamp())
                answer = Welcome(visitor.name, visitor.generation, until)
            case Renew():
                answer = self.registry.renew(connection, visitor, body.signing_request)
            case FetchWork():
                answer = self.work.open_work(connection, visitor)
            case Upload():
                answer = self.work.take(connection, visitor, body)
            case Query():
                answer = self.work.find(connection, visitor, body)
            case Carry() | Propose():
                answer = self._ordered(connection, visitor, body)
            case FetchAuthorities() | Enrol():
                answer = Denied("request", "enrolment has a listener of its own")
        return answer

    def _ordered(self, connection: Connection, visitor: Visitor, body: Carry | Propose) -> Answer:
        if isinstance(body, Carry):
            return self.orders.step(connection, visitor, body)
        return propose(connection, self.registry, self.orders, visitor, body)

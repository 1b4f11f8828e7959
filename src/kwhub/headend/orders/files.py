"""A file in segments to a terminal: the store keeps how far it came, so that it goes on from there.

Source: Q/GDW 1376.1-2013, clause 5.14, F1.
"""

import hashlib
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, select

from kwhub.domain.errors import LocalError, RemoteError
from kwhub.headend.orders.carrier import Carrier, Work
from kwhub.headend.orders.outcome import Outcome
from kwhub.headend.orders.wanted import SendFile
from kwhub.headend.people import trail
from kwhub.headend.store.schema_tasks import order_file
from kwhub.headend.store.views import OrderState
from kwhub.protocols.gdw1376.afn_0f import AFN, FILE_ERROR, FileAnswer, FileSegment

__all__ = ["FILE_BYTES_MAX", "SEGMENT_BYTES", "body_of", "keep", "send"]

SEGMENT_BYTES = 512
"""Bytes of a segment: with its head well below the length at which receivers stop."""

FILE_BYTES_MAX = 16 * 1024 * 1024
"""Largest file; its segments have numbers of two bytes."""


def keep(connection: Connection, name: str, body: bytes, by: str, at: datetime) -> str:
    """Keep a file for orders to come; returns its SHA-256. Raises LocalError: it is empty or too long."""
    if not 0 < len(body) <= FILE_BYTES_MAX:
        raise LocalError(f"a file has 1 to {FILE_BYTES_MAX} bytes, not {len(body)}")
    digest = hashlib.sha256(body).hexdigest()
    table = order_file
    if connection.execute(select(table.c.digest).where(table.c.digest == digest)).first() is None:
        row = {"digest": digest, "name": name[:200], "size": len(body), "body": body}
        connection.execute(table.insert().values(**row, made_by=by[:100], made_at=at))
        trail.record(connection, by, "keep_file", digest[:12], f"{name}, {len(body)} bytes", at)
    return digest


def body_of(connection: Connection, digest: str) -> bytes:
    """The content of a file. Raises LocalError: there is none."""
    query = select(order_file.c.body).where(order_file.c.digest == digest)
    body = connection.execute(query).scalar_one_or_none()
    if body is None:
        raise LocalError(f"there is no file {digest[:12]}; send it to the head-end first")
    return bytes(body)


async def send(carrier: Carrier, work: Work, order: SendFile) -> Outcome:
    """Send what the terminal has not taken yet.

    Raises:
        LocalError: there is no such file.
        RemoteError: the terminal takes another segment than the one that was sent.
        LinkDown, NoAnswer, Refusal: as Front.ask; what was taken need not be sent again.
    """
    body = await carrier.offload(partial(_read, carrier, order.digest))
    parts = [body[at : at + SEGMENT_BYTES] for at in range(0, len(body), SEGMENT_BYTES)]
    for number in range(min(work.progress, len(parts)), len(parts)):
        last = number == len(parts) - 1
        segment = FileSegment(order.file, number, len(parts), parts[number], last)
        units = await carrier.ask(work, AFN, segment)
        taken = [FileAnswer.from_unit(each).segment for each in units]
        if taken == [FILE_ERROR]:
            raise RemoteError("the terminal refuses the file")
        if taken != [number]:
            raise RemoteError(f"the terminal tells of segment {taken}, not of {number}")
        work.tell(number + 1, len(parts))
    detail = f"{len(parts)} segments, {len(body)} bytes"
    return Outcome(OrderState.DONE, detail, result={"sha256": order.digest, "bytes": len(body)})


def _read(carrier: Carrier, digest: str) -> bytes:
    with carrier.store.database.read() as connection:
        return body_of(connection, digest)

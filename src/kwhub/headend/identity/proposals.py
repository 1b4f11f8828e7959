"""What a device proposes: an order to a collecting terminal of its work, which waits for a person at the head-end."""

from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import Denied, Propose, Proposed, WorkMeter
from kwhub.headend.identity.listing import OPEN, UNAPPROVED
from kwhub.headend.identity.orders import FieldOrders
from kwhub.headend.identity.records import Visitor
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS, check_terminal_order
from kwhub.headend.store.schema_devices import device_order, device_work

__all__ = ["PROPOSALS_MAX", "PROPOSAL_MINUTES", "propose"]

PROPOSALS_MAX: Final = 20
"""Of one device that wait at a time."""

PROPOSAL_MINUTES: Final = 24 * 60
"""How long a proposal, and what becomes of it, holds."""

NAME_MAX: Final = 100

_meters: Final = msgspec.json.Decoder(tuple[WorkMeter, ...])


def propose(
    connection: Connection,
    registry: Registry,
    orders: FieldOrders,
    visitor: Visitor,
    wanted: Propose,
) -> Proposed | Denied:
    """Write a proposal down. It is refused for what is no order, or is not of a terminal in open work of the device."""
    if wanted.operation not in TERMINAL_OPERATIONS:
        return Denied("request", "only orders to collecting terminals are proposed")
    try:
        check_terminal_order(wanted.operation, wanted.detail)
    except LocalError as error:
        return Denied("request", str(error))
    if not _is_at_work(connection, registry, visitor, wanted.terminal):
        return Denied("meter")
    waiting = select(func.count()).where(
        device_order.c.device_id == visitor.device_id,
        device_order.c.state == UNAPPROVED,
        device_order.c.not_after > registry.now(),
    )
    if (connection.scalar(waiting) or 0) >= PROPOSALS_MAX:
        return Denied("request", f"{PROPOSALS_MAX} proposals of this device are waiting")
    order = (wanted.terminal, wanted.operation, wanted.detail)
    by = visitor.who[:NAME_MAX]
    return Proposed(orders.order_in(connection, visitor.name, order, by, PROPOSAL_MINUTES))


def _is_at_work(
    connection: Connection, registry: Registry, visitor: Visitor, terminal: str
) -> bool:
    """Whether a meter of open work is behind a terminal."""
    works = select(device_work.c.body).where(
        device_work.c.device_id == visitor.device_id,
        device_work.c.state == OPEN,
        device_work.c.not_after > registry.now(),
    )
    return any(
        each.terminal == terminal
        for body in connection.scalars(works)
        for each in _meters.decode(body)
    )

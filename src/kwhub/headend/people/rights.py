"""What a person may do, as one table: rights, roles, and the mark that a route carries."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

__all__ = ["RIGHT_KEY", "ROLE_RIGHTS", "Right", "Role", "needs"]

RIGHT_KEY = "right"
"""Name under which a route's options hold the right that it needs."""


class Right(Enum):
    """One thing that may be allowed. Every route of pages and API names exactly one, or is open to all."""

    OPEN = "open"  #: log-in page, health, static files: nobody need be known
    SEE = "see"  #: readings, curves, loss, events, completeness of the own organisation
    ORDER = "order"  #: read meters and terminals now, re-read holes
    CONTROL = "control"  #: clock, parameters, relay, file transfer: what changes a device
    APPROVE = "approve"  #: a second person's word on dangerous orders
    ARCHIVE = "archive"  #: organisations, areas, terminals, meters, customers; import and undo
    QUALITY = "quality"  #: edit and estimate values, rules of validation
    BILL = "bill"  #: tariffs, statements, balances
    SELL = "sell"  #: vending, refunds
    DEVICES = "devices"  #: handhelds and their identities
    AUDIT = "audit"  #: the trail of everybody's actions
    PEOPLE = "people"  #: users, roles, API keys of others
    SETTINGS = "settings"  #: what the service itself does


class Role(Enum):
    """A job in an organisation."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    VENDOR = "vendor"
    AUDITOR = "auditor"
    ADMIN = "admin"


ROLE_RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Right.OPEN, Right.SEE}),
        Role.OPERATOR: frozenset({Right.OPEN, Right.SEE, Right.ORDER}),
        Role.ENGINEER: frozenset(
            {
                Right.OPEN,
                Right.SEE,
                Right.ORDER,
                Right.CONTROL,
                Right.APPROVE,
                Right.ARCHIVE,
                Right.QUALITY,
                Right.DEVICES,
            }
        ),
        Role.VENDOR: frozenset({Right.OPEN, Right.SEE, Right.BILL, Right.SELL}),
        Role.AUDITOR: frozenset({Right.OPEN, Right.SEE, Right.AUDIT}),
        Role.ADMIN: frozenset(Right),
    }
)
"""What each role may do; nothing else in the program says so."""


def needs(right: Right) -> dict[str, Any]:
    """The option of a route that needs a right: ``@get("/alarms", opt=needs(Right.SEE))``."""
    return {RIGHT_KEY: right}

"""What a device remembers of its work, each as one sealed row. Times are seconds since 1970 UTC."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from kwhub.exchange.device_messages import DeviceReading, Upload, WorkOrder

__all__ = [
    "KINDS",
    "Batch",
    "Contact",
    "Failure",
    "Group",
    "Heard",
    "Order",
    "Owner",
    "Place",
    "Queued",
    "Record",
    "Value",
    "Visit",
]


class Place(NamedTuple):
    """A meter as part of a work order."""

    work: int
    meter: str


class Owner(msgspec.Struct, frozen=True):
    """Whose book it is; the first row, so that a book opens with the identity that made it only."""

    device: str


class Order(msgspec.Struct, frozen=True):
    """A work order of the head-end."""

    order: WorkOrder
    closed: bool = False  #: a person has finished it, whatever is left


class Value(msgspec.Struct, frozen=True):
    """A register as it was read; ``value`` is None when the meter has none, for the reason in ``trouble``."""

    register: str
    value: str | None
    unit: str
    trouble: str = ""


class Heard(msgspec.Struct, frozen=True):
    """Bytes that went by: ``tx`` sent by the device, ``rx`` heard by it, its own echo included."""

    direction: Literal["rx", "tx"]
    at_ms: int
    data: bytes


class Failure(msgspec.Struct, frozen=True):
    """What went wrong, and every byte of it.

    Attributes:
        kind: name of the error's class; screens have words for it.
    """

    at: int
    kind: str
    detail: str
    pieces: tuple[Heard, ...] = ()


class Visit(msgspec.Struct, frozen=True):
    """What became of a meter of an order so far."""

    place: Place
    attempts: int = 0
    read_at: int | None = None
    values: tuple[Value, ...] = ()
    failure: Failure | None = None  #: of the last attempt


class Queued(msgspec.Struct, frozen=True):
    """A reading that the head-end does not have yet."""

    work: int
    reading: DeviceReading


class Batch(msgspec.Struct, frozen=True):
    """An upload as it will be sent, and sent again, word by word until it is taken."""

    upload: Upload
    readings: tuple[int, ...]  #: rows of ``Queued`` that are in it


class Group(msgspec.Struct, frozen=True):
    """Meters that a person has put together on the spot."""

    name: str
    places: tuple[Place, ...]


class Contact(msgspec.Struct, frozen=True):
    """The last contact with the head-end that brought everything across."""

    at: int
    delivered: int = 0
    refused: int = 0  #: readings that the head-end did not take, for reasons that will not go away


Record: TypeAlias = Owner | Order | Visit | Queued | Batch | Group | Contact

KINDS: Final[Mapping[str, type[Record]]] = MappingProxyType(
    {
        "owner": Owner,
        "order": Order,
        "visit": Visit,
        "reading": Queued,
        "batch": Batch,
        "group": Group,
        "contact": Contact,
    }
)
"""Kinds of rows by their names on the disk."""

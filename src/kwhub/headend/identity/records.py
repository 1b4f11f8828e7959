"""What the head-end knows of a device, as values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from sqlalchemy import Connection

__all__ = [
    "Allocation",
    "Audit",
    "Description",
    "Device",
    "DeviceState",
    "Exposure",
    "GenerationState",
    "GrantLeft",
    "Rules",
    "Visitor",
]


class DeviceState(StrEnum):
    """Where a device stands; only ``active`` and ``allocated`` ones are let in."""

    ALLOCATED = "allocated"  #: has its secret, or its first certificate that was not used yet
    ACTIVE = "active"
    LOCKED = "locked"
    LOST = "lost"
    RETIRED = "retired"


class GenerationState(StrEnum):
    """Where a generation of an identity stands; at most one of a device is current."""

    PENDING = "pending"  #: certified, not used yet
    CURRENT = "current"
    DEAD = "dead"  #: replaced: its use means that the key was copied
    VOID = "void"  #: ended by a new allocation or by retirement: its use is refused and told


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all devices."""

    certificate_days: int = 7
    secret_hours: int = 24
    renewal_grace_days: int = 30  #: an expired identity may still be renewed
    offline_hours: int = (
        72  #: that what is granted without the head-end holds, unless said otherwise
    )


@dataclass(frozen=True, slots=True)
class Description:
    """What a person says of a device."""

    model: str = ""
    serial: str = ""
    owner: str = ""
    area: str = ""


@dataclass(frozen=True, slots=True)
class Allocation:
    """What is handed out once."""

    device: str
    secret: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """One device, for lists.

    Attributes:
        generation: 0 before the first use.
        seen_at: when it called last, let in or not.
        changed_at: when it came into this state by people, or was locked as copied.
    """

    name: str
    description: Description
    state: DeviceState
    reason: str
    generation: int
    not_after: datetime | None
    seen_at: datetime | None
    allocated_at: datetime
    wrong_secrets: int
    changed_at: datetime

    @property
    def has_obeyed(self) -> bool:
        """Whether it has called since it was reported lost or retired, and was told to wipe itself."""
        wiped = self.state in {DeviceState.LOST, DeviceState.RETIRED}
        return wiped and self.seen_at is not None and self.seen_at >= self.changed_at


@dataclass(frozen=True, slots=True)
class GrantLeft:
    """What a device could still do at a meter without the head-end, as far as it has told."""

    meter: str
    operation: str
    uses: int
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a device that is out of hand could do at worst; orders need the head-end, so they are no danger.

    Attributes:
        grants: what it may hold, recalled or not: it has not heard of the recall.
        orders: numbers of orders that were open or begun and are recalled now.
        until: when the last grant ends by itself; None when there is none.
    """

    device: str
    state: DeviceState
    grants: tuple[GrantLeft, ...]
    orders: tuple[int, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A device that was let in, for one request."""

    device_id: int
    name: str
    generation: int
    not_after: datetime
    is_expired: bool  #: only renewal is left
    operator: str = ""
    lent_to: str = ""

    @property
    def who(self) -> str:
        """For the audit trail: device with generation, and the person."""
        person = f" ({self.operator})" if self.operator else ""
        lent = f" for {self.lent_to}" if self.lent_to else ""
        return f"{self.name}#{self.generation}{person}{lent}"


Audit: TypeAlias = Callable[[Connection, str, str, str, str, datetime], object]
"""Writes a row of the audit trail in the transaction of what it tells about: who, action, subject, detail, moment."""

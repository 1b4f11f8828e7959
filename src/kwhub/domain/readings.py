"""A reading, what else may become of a request for one, and how good it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import NewType, TypeAlias

from kwhub.domain.errors import NoAnswer, Refusal, RemoteError

__all__ = [
    "CURVE_INTERVAL_S",
    "DAY_INTERVAL_S",
    "HOUR_INTERVAL_S",
    "INSTANT",
    "Outcome",
    "Quality",
    "Reading",
    "Register",
]

Register = NewType("Register", str)
"""An OBIS code in the short form ``1-0:1.8.0`` (IEC 62056-61), value group F left out when it is 255."""

INSTANT = 0
CURVE_INTERVAL_S = 900
HOUR_INTERVAL_S = 3_600
DAY_INTERVAL_S = 86_400


class Quality(IntEnum):
    """How a value came to be; the order is the order of trust."""

    NULL = 0  #: the meter was asked and said that it has no value
    ESTIMATED = 1
    SUBSTITUTED = 2
    ACTUAL = 3  #: measured and transported unchanged


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one register of one meter at one moment."""

    meter: str  #: address as printed on the meter, 12 digits
    register: Register
    value: Decimal | None  #: in ``unit``; None when the meter says that there is no value
    unit: str
    captured_at: datetime  #: aware UTC; the moment the value belongs to. A freeze stamped 00:00 is the state at the end of the day before
    interval_s: int = INSTANT  #: spacing of the series it belongs to: 0 instant, 900 curve, 3600 hourly, 86400 day freeze
    quality: Quality = Quality.ACTUAL
    received_at: datetime | None = None  #: aware UTC, clock of whoever heard it first
    source: str = ""  #: identifier on the wire, such as ``dlt645:00010000``
    raw: bytes = b""  #: the frame that it came from


Outcome: TypeAlias = Reading | Refusal | NoAnswer | RemoteError

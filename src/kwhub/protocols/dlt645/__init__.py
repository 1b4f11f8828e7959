"""DL/T 645: the protocol of Chinese multi-function energy meters, editions 2007 and 1997.

Source: DL/T 645-2007 and DL/T 645-1997.
"""

from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.dlt645.messages import (
    AddressFound,
    Asked,
    Data,
    ReadAddress,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    Refused,
    Sent,
    TimedOut,
)
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import Role, Session

__all__ = [
    "AddressFound",
    "Asked",
    "Data",
    "Edition",
    "Frame645",
    "ReadAddress",
    "ReadAgain",
    "ReadData",
    "ReadFollowUp",
    "Received",
    "Receiver",
    "Refused",
    "Role",
    "Sent",
    "Session",
    "TimedOut",
    "parse",
]

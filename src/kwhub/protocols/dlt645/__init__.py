"""DL/T 645: the protocol of Chinese multi-function energy meters, editions 2007 and 1997.

Source: DL/T 645-2007 and DL/T 645-1997.
"""

from kwhub.protocols.dlt645.authority import Authority, Key, RelayOrder
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
from kwhub.protocols.dlt645.obedience import Done
from kwhub.protocols.dlt645.orders import (
    Authenticate,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Freeze,
    SetOutput,
    SetTime,
)
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.protocols.dlt645.writing import ChangePassword, ChangeRate, WriteAddress, WriteData

__all__ = [
    "AddressFound",
    "Asked",
    "Authenticate",
    "Authority",
    "ChangePassword",
    "ChangeRate",
    "ClearDemand",
    "ClearEvents",
    "ClearMeter",
    "ControlRelay",
    "Data",
    "Done",
    "Edition",
    "Frame645",
    "Freeze",
    "Key",
    "ReadAddress",
    "ReadAgain",
    "ReadData",
    "ReadFollowUp",
    "Received",
    "Receiver",
    "Refused",
    "RelayOrder",
    "Role",
    "Sent",
    "Session",
    "SetOutput",
    "SetTime",
    "TimedOut",
    "WriteAddress",
    "WriteData",
    "parse",
]

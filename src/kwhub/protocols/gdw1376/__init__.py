"""Q/GDW 1376.1-2013: the uplink between head-end and concentrator, both roles.

Source: Q/GDW 1376.1-2013 (with Q/GDW 376.1-2009 where the field still speaks it); facts from four
independent implementations, marked ``single source`` where only one of them has it.

Frames are envelopes (`frames`), their body is a row of data units (`units`) whose layouts are rows of
tables, one module an AFN (`afn_00` to `afn_10`); `session` plays both ends of a connection; `typed` turns
units into values; `explain` and `summary` tell any bytes to people.

    >>> from kwhub.protocols.gdw1376 import parse
    >>> frame = parse(bytes.fromhex("683200320068C97101220800027800000100E016"))
    >>> str(frame.address), frame.afn, frame.units[0].functions
    ('0171-02082', 2, (1,))
"""

from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit, InstantUnit
from kwhub.protocols.gdw1376.afn_0d import (
    CurveRequest,
    CurveUnit,
    DayFreezeRequest,
    DayFreezeUnit,
)
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer, LineControl
from kwhub.protocols.gdw1376.builders import build_report
from kwhub.protocols.gdw1376.frames import Frame1376, Profile, TerminalAddress, parse
from kwhub.protocols.gdw1376.messages import (
    Answer,
    Answered,
    Asked,
    Beat,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Heartbeat,
    HeartbeatDue,
    LoggedIn,
    LoggedOut,
    Login,
    Logout,
    Lost,
    Report,
    Reported,
    Request,
    TimedOut,
)
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.protocols.gdw1376.session import Role, Session, State
from kwhub.protocols.gdw1376.typed import ClockUnit, CurrentRequest, Unread, read_unit
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "Answer",
    "Answered",
    "Asked",
    "Beat",
    "ClockUnit",
    "Confirm",
    "Confirmed",
    "CurrentEnergyUnit",
    "CurrentRequest",
    "CurveRequest",
    "CurveUnit",
    "DayFreezeRequest",
    "DayFreezeUnit",
    "Denied",
    "Deny",
    "Forward",
    "ForwardAnswer",
    "Frame1376",
    "Heartbeat",
    "HeartbeatDue",
    "InstantUnit",
    "LineControl",
    "LoggedIn",
    "LoggedOut",
    "Login",
    "Logout",
    "Lost",
    "Profile",
    "Received",
    "Receiver",
    "Report",
    "Reported",
    "Request",
    "Role",
    "Session",
    "State",
    "TerminalAddress",
    "TimedOut",
    "Unit",
    "Unread",
    "build_report",
    "parse",
    "read_unit",
]

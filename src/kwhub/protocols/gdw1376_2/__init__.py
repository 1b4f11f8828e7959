"""Q/GDW 1376.2-2013: between a concentrator and its power line or micro-power wireless module, both roles.

Source: Q/GDW 10376.2-2019, whose preface says what it added to Q/GDW 1376.2-2013; the additions are marked
in the tables (``edition``). The print of 2013 itself was not seen.

    >>> from kwhub.protocols.gdw1376_2 import parse
    >>> frame = parse(bytes.fromhex("68120043000000802500100200000001FB16"))
    >>> frame.afn, frame.functions, frame.data.hex(), frame.route.rate
    (16, (2,), '000001', 9600)
"""

from kwhub.protocols.gdw1376_2.frames import HPLC, NARROW_BAND, RADIO, Frame13762, parse
from kwhub.protocols.gdw1376_2.messages import (
    Answer,
    Answered,
    Asked,
    Await,
    Batch,
    BatchEnded,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Initiate,
    Order,
    Reported,
    Request,
    Stop,
    TimedOut,
    Wait,
    Waited,
    order_of,
)
from kwhub.protocols.gdw1376_2.receiver import Received, Receiver
from kwhub.protocols.gdw1376_2.session import Role, Session, State

__all__ = [
    "HPLC",
    "NARROW_BAND",
    "RADIO",
    "Answer",
    "Answered",
    "Asked",
    "Await",
    "Batch",
    "BatchEnded",
    "Confirm",
    "Confirmed",
    "Denied",
    "Deny",
    "Frame13762",
    "Initiate",
    "Order",
    "Received",
    "Receiver",
    "Reported",
    "Request",
    "Role",
    "Session",
    "State",
    "Stop",
    "TimedOut",
    "Wait",
    "Waited",
    "order_of",
    "parse",
]

"""The protocol of an infrared thermometer module: frames, items, and both ends of a line.

Source: published protocol of the infrared module (single source).
"""

from kwhub.protocols.irmodule.frames import ModuleFrame, parse
from kwhub.protocols.irmodule.items import ITEMS, Item
from kwhub.protocols.irmodule.session import (
    Answered,
    Asked,
    Client,
    Module,
    Query,
    Refused,
    Reply,
    Sent,
    TimedOut,
)

__all__ = [
    "ITEMS",
    "Answered",
    "Asked",
    "Client",
    "Item",
    "Module",
    "ModuleFrame",
    "Query",
    "Refused",
    "Reply",
    "Sent",
    "TimedOut",
    "parse",
]

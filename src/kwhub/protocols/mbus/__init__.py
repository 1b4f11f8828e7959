"""Wired M-Bus: frames, records, sessions of both roles.

Source: EN 13757-2 (link layer, FT1.2) and EN 13757-3 (application layer), as public decoders and real
telegrams show them; the paid texts were not seen.

    >>> from kwhub.protocols.mbus import parse
    >>> frame = parse(bytes.fromhex("6806066853FE51017A082516"))
    >>> frame.service, frame.address, frame.ci
    ('SND_UD', 254, 81)
"""

from kwhub.protocols.mbus.frames import FrameMbus, Kind, parse
from kwhub.protocols.mbus.receiver import Received, Receiver
from kwhub.protocols.mbus.session import Role, Session
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram

__all__ = [
    "FrameMbus",
    "Kind",
    "Received",
    "Receiver",
    "Role",
    "Session",
    "Telegram",
    "parse",
    "read_telegram",
]

"""Events that a terminal has reported, for the tests of pages."""

import datetime as dt

from tests.headend.web_world import NOW

from kwhub.headend.app import HeadEnd
from kwhub.headend.store import event_rows
from kwhub.headend.store.event_rows import Happening

__all__ = ["reported"]

CHINA = dt.timezone(dt.timedelta(hours=8))
CIRCUIT = bytes.fromhex("01 2023 0023 9822 001200 001100 000900 4512340000")
"""Flags, voltages, currents and energy behind time and point of ERC 9."""

EVENTS = (
    (9, 2, True, 30, True),
    (14, 0, True, 20, True),
    (14, 0, True, 19, False),
    (37, 3, True, 5, True),
    (12, 5, False, 3, True),
    (31, 7, True, 2, True),
    (24, 1, False, 1, True),
)
"""Code, point, important, hours ago, begins."""


def reported(headend: HeadEnd, *, terminal_id: int = 1) -> None:
    """Six alarms of one terminal: one has ended, two are ordinary."""
    with headend.store.database.write() as connection:
        event_rows.keep(
            connection,
            [_happening(terminal_id, number, *each) for number, each in enumerate(EVENTS)],
        )


def _happening(  # noqa: PLR0917
    terminal_id: int, number: int, code: int, point: int, important: bool, hours: int, begins: bool
) -> Happening:
    at = (NOW - dt.timedelta(hours=hours)).astimezone(CHINA)
    clock = bytes(int(f"{part:02}", 16) for part in (at.minute, at.hour, at.day, at.month, 26))
    word = (point | (0x8000 if begins else 0)).to_bytes(2, "little")
    body = {9: clock + word + CIRCUIT, 14: clock + clock}.get(code, clock + word + b"\x01")
    seconds = int(at.timestamp())
    return Happening(terminal_id, point, code, important, number, begins, seconds, NOW, body)

"""AFN 12: control the route.

Source: Q/GDW 1376.2-2013, clause 5.10. Without pause and resume around single reads, module and concentrator
fight for the line.
"""

from kwhub.protocols.gdw1376_2.layouts import Row

__all__ = ["AFN", "PAUSE", "RESTART", "RESUME", "ROWS"]

AFN = 0x12
RESTART, PAUSE, RESUME = 1, 2, 3

ROWS = (
    Row(RESTART, "restart", "重启", confirmed=True),
    Row(PAUSE, "pause", "暂停", confirmed=True),
    Row(RESUME, "resume", "恢复", confirmed=True),
)

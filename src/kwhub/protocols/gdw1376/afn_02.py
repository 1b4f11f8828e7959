"""AFN 02: link test: login, logout, heartbeat.

Source: Q/GDW 1376.1-2013, clause 5.3. Since 2013 the heartbeat carries the terminal's clock (A.1, six
bytes, single source); the 2009 edition and most frames of the field have none. Both are read.
"""

from datetime import datetime

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.layouts import Field, Repeat, Row
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "AFN",
    "HEARTBEAT",
    "LOGIN",
    "LOGOUT",
    "ROWS",
    "heartbeat_unit",
    "login_unit",
    "logout_unit",
    "read_clock",
]

AFN = 0x02
LOGIN, LOGOUT, HEARTBEAT = 1, 2, 3

_CLOCK = (
    Repeat(lambda seen: int(seen["left"] >= A1.size), (Field("terminal clock", "终端时钟", A1),)),
)

ROWS = (
    Row(LOGIN, "login", "登录", (), (), "clause 5.3, F1"),
    Row(LOGOUT, "logout", "退出登录", (), (), "clause 5.3, F2"),
    Row(HEARTBEAT, "heartbeat", "心跳", (), _CLOCK, "clause 5.3, F3; the clock is single source"),
)


def login_unit() -> Unit:
    """F1."""
    return Unit((0,), (LOGIN,))


def logout_unit() -> Unit:
    """F2."""
    return Unit((0,), (LOGOUT,))


def heartbeat_unit(clock: datetime | None) -> Unit:
    """F3, with the terminal's naive wall time (2013) or without (2009)."""
    return Unit((0,), (HEARTBEAT,), A1.encode(WallClock.of(clock)) if clock else b"")


def read_clock(unit: Unit) -> datetime | None:
    """The clock of a heartbeat; None when it carries none or one that is no time."""
    try:
        found = A1.decode(unit.data[: A1.size])
    except DecodeError:
        return None
    return found.time if found else None

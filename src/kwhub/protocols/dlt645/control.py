"""Function codes of both editions as tables: names, lengths, who may be addressed how.

Source: DL/T 645-2007, clause 7 and annex (control codes, data field lengths); DL/T 645-1997,
clause 6. Answers to 16, 17, 18, 19, 1A, 1B, 1D and the status words of 1C: single source.
"""

from dataclasses import dataclass
from enum import Enum, Flag
from typing import Final

from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER, DATA_BYTES_MAX, MORE

__all__ = [
    "AUTHENTICATE",
    "BROADCAST_TIME",
    "CHANGE_PASSWORD",
    "CHANGE_PASSWORD_1997",
    "CHANGE_RATE",
    "CHANGE_RATE_1997",
    "CLEAR_DEMAND",
    "CLEAR_DEMAND_1997",
    "CLEAR_EVENTS",
    "CLEAR_METER",
    "CONTROL_RELAY",
    "FREEZE",
    "FUNCTIONS",
    "READ",
    "READ_1997",
    "READ_ADDRESS",
    "READ_AGAIN_1997",
    "READ_FOLLOW_UP",
    "READ_FOLLOW_UP_1997",
    "SET_OUTPUT",
    "WRITE",
    "WRITE_1997",
    "WRITE_ADDRESS",
    "WRITE_ADDRESS_1997",
    "Broadcast",
    "Carries",
    "Function",
    "edition_of",
    "function_of",
]

AUTHENTICATE: Final = 0x03
BROADCAST_TIME: Final = 0x08
READ: Final = 0x11
READ_FOLLOW_UP: Final = 0x12
READ_ADDRESS: Final = 0x13
WRITE: Final = 0x14
WRITE_ADDRESS: Final = 0x15
FREEZE: Final = 0x16
CHANGE_RATE: Final = 0x17
CHANGE_PASSWORD: Final = 0x18
CLEAR_DEMAND: Final = 0x19
CLEAR_METER: Final = 0x1A
CLEAR_EVENTS: Final = 0x1B
CONTROL_RELAY: Final = 0x1C
SET_OUTPUT: Final = 0x1D

READ_1997: Final = 0x01
READ_FOLLOW_UP_1997: Final = 0x02
READ_AGAIN_1997: Final = 0x03
WRITE_1997: Final = 0x04
WRITE_ADDRESS_1997: Final = 0x0A
CHANGE_RATE_1997: Final = 0x0C
CHANGE_PASSWORD_1997: Final = 0x0F
CLEAR_DEMAND_1997: Final = 0x10


class Broadcast(Enum):
    """What becomes of a request that goes to the broadcast address."""

    REFUSED = "refused"  #: meters ignore it
    SILENT = "silent"  #: meters obey and say nothing
    ANSWERED = "answered"  #: seen with reads of 1997 meters, which have no other way to be found


class Carries(Flag):
    """Which data fields of a function begin with a data identifier."""

    NOTHING = 0
    REQUEST = 1
    ANSWER = 2


@dataclass(frozen=True, slots=True)
class Function:
    """One function code of one edition. Lengths are numbers of data bytes, lowest and highest.

    Attributes:
        request: lengths of the request.
        answer: lengths of the normal answer; None when there is never an answer.
        abnormal: lengths of the refusal; None when there is no refusal.
        identifier: which of them begin with a data identifier.
    """

    edition: Edition
    code: int
    name: str
    name_zh: str
    request: tuple[int, int]
    answer: tuple[int, int] | None
    abnormal: tuple[int, int] | None
    broadcast: Broadcast = Broadcast.REFUSED
    identifier: Carries = Carries.NOTHING

    def lengths(self, control: int) -> tuple[int, int] | None:
        """Allowed data lengths for a control byte of this function; None: there is no such frame."""
        if not control & ANSWER:
            return None if control & (ABNORMAL | MORE) else self.request
        return self.abnormal if control & ABNORMAL else self.answer

    def has_identifier(self, control: int) -> bool:
        """Whether the data field under this control byte begins with a data identifier."""
        if control & ANSWER:
            return not control & ABNORMAL and Carries.ANSWER in self.identifier
        return Carries.REQUEST in self.identifier


_MAX: Final = DATA_BYTES_MAX
_07: Final = Edition.E2007
_97: Final = Edition.E1997
_NEVER: Final = Broadcast.REFUSED
_SILENT: Final = Broadcast.SILENT
_ANSWERED: Final = Broadcast.ANSWERED
_REQUEST: Final = Carries.REQUEST
_IN_ANSWER: Final = Carries.ANSWER
_BOTH: Final = Carries.REQUEST | Carries.ANSWER

# fmt: off
_ROWS: Final = (
    # edition, code, English, Chinese, request, answer, abnormal, broadcast, identifier in
    Function(_07, AUTHENTICATE, "security authentication", "安全认证", (8, _MAX), (4, _MAX), (1, 2), _NEVER, _BOTH),
    Function(_07, BROADCAST_TIME, "broadcast time", "广播校时", (6, 6), None, None, _SILENT),
    Function(_07, READ, "read data", "读数据", (4, _MAX), (4, _MAX), (1, 1), _NEVER, _BOTH),
    Function(_07, READ_FOLLOW_UP, "read follow-up", "读后续数据", (5, 5), (5, _MAX), (1, 1), _NEVER, _BOTH),
    Function(_07, READ_ADDRESS, "read address", "读通信地址", (0, 0), (6, 6), None),
    Function(_07, WRITE, "write data", "写数据", (12, _MAX), (0, 0), (1, 1), _NEVER, _REQUEST),
    Function(_07, WRITE_ADDRESS, "write address", "写通信地址", (6, 6), (0, 0), None),
    Function(_07, FREEZE, "freeze", "冻结命令", (4, 4), (0, 0), (1, 1), _SILENT),
    Function(_07, CHANGE_RATE, "change baud rate", "更改通信速率", (1, 1), (1, 1), (1, 1)),
    Function(_07, CHANGE_PASSWORD, "change password", "修改密码", (12, 12), (4, 4), (1, 1), _NEVER, _REQUEST),
    Function(_07, CLEAR_DEMAND, "clear maximum demand", "最大需量清零", (8, _MAX), (0, 0), (1, 1)),
    Function(_07, CLEAR_METER, "clear meter", "电表清零", (8, _MAX), (0, 0), (1, 1)),
    Function(_07, CLEAR_EVENTS, "clear events", "事件清零", (12, _MAX), (0, 0), (1, 1)),
    Function(_07, CONTROL_RELAY, "trip, close, alarm, protect", "跳合闸、报警、保电", (16, _MAX), (0, 2), (1, 2)),
    Function(_07, SET_OUTPUT, "multi-function terminal output", "多功能端子输出控制", (1, 1), (1, 1), (1, 1), _SILENT),
    Function(_97, READ_1997, "read data", "读数据", (2, 2), (2, _MAX), (1, 1), _ANSWERED, _BOTH),
    Function(_97, READ_FOLLOW_UP_1997, "read follow-up", "读后续数据", (2, 2), (2, _MAX), (1, 1), _ANSWERED, _BOTH),
    Function(_97, READ_AGAIN_1997, "read again", "重读数据", (0, 0), (2, _MAX), (1, 1), _ANSWERED, _IN_ANSWER),
    Function(_97, WRITE_1997, "write data", "写数据", (6, _MAX), (0, 0), (1, 1), _NEVER, _REQUEST),
    Function(_97, BROADCAST_TIME, "broadcast time", "广播校时", (6, 6), None, None, _SILENT),
    Function(_97, WRITE_ADDRESS_1997, "write address", "写设备地址", (6, 6), (0, 0), (1, 1), _ANSWERED),
    Function(_97, CHANGE_RATE_1997, "change baud rate", "更改通信速率", (1, 1), (0, 1), (1, 1)),
    Function(_97, CHANGE_PASSWORD_1997, "change password", "修改密码", (8, 8), (4, 4), (1, 1)),
    Function(_97, CLEAR_DEMAND_1997, "clear maximum demand", "最大需量清零", (4, 4), (0, 0), (1, 1)),
)
# fmt: on

FUNCTIONS: Final = {(row.edition, row.code): row for row in _ROWS}
"""Every function of both editions by edition and code."""

_RESERVED_2007: Final = 0x00
_MAKERS_1997: Final = frozenset({0x05, 0x06, 0x07, 0x09, 0x0B, 0x0D, 0x0E})
"""Codes that only makers of 1997 meters are known to use (calibrate, clear, freeze)."""


def edition_of(control: int) -> Edition:
    """The edition that a control byte points to; codes that both have count as 2007.

    Code 00 is reserved in 2007; as an answer (80) it is a maker's own and comes from 1997 meters.

    >>> edition_of(0x91).value, edition_of(0x81).value
    ('dlt645-2007', 'dlt645-1997')
    """
    code = control & 0x1F
    if (Edition.E2007, code) in FUNCTIONS:
        return Edition.E2007
    if code == _RESERVED_2007:
        return Edition.E1997 if control & ANSWER else Edition.E2007
    if (Edition.E1997, code) in FUNCTIONS or code in _MAKERS_1997:
        return Edition.E1997
    return Edition.E2007


def function_of(control: int, edition: Edition | None = None) -> Function | None:
    """The row for a control byte, in one edition or in the one it points to; None when unknown."""
    return FUNCTIONS.get((edition or edition_of(control), control & 0x1F))

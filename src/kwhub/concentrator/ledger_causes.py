"""Why a planned value is missing: one word for the store, and one line for people.

The words stand in the store and in JSON; they are never renamed.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["CAUSES", "CAUSE_OF", "Cause", "Miss", "Why"]


class Cause(StrEnum):
    """Every reason that the ledger knows."""

    SILENT = "silent"
    DAMAGED = "damaged"
    REFUSED = "refused"
    ABSENT = "absent"
    FAULTY = "faulty"
    CLOCK = "clock"
    TOO_OLD = "too_old"
    NO_RECORD = "no_record"
    GIVEN_UP = "given_up"
    READOUTS = "readouts"
    REPLACED = "replaced"
    TURN = "turn"
    ASKED = "asked"
    NOT_YET = "not_yet"
    UNKNOWN = "unknown"


CAUSES: Mapping[Cause, tuple[str, str]] = MappingProxyType(
    {
        Cause.SILENT: ("the meter did not answer", "电能表无应答"),
        Cause.DAMAGED: ("only damaged answers came", "应答损坏"),
        Cause.REFUSED: ("the meter refuses it", "电能表拒绝"),
        Cause.ABSENT: ("the meter has no such value", "电能表无此数据"),
        Cause.FAULTY: ("the meter marked its record as faulty", "电能表记录标为故障"),
        Cause.CLOCK: ("the meter's clock was wrong at the time", "当时电能表时钟错误"),
        Cause.TOO_OLD: ("older than the meter keeps", "超出电能表保存期限"),
        Cause.NO_RECORD: ("the hour has passed, and the meter keeps no record", "时刻已过且无记录"),
        Cause.GIVEN_UP: ("given up after many answers without it", "多次应答仍未得到"),
        Cause.READOUTS: ("the meter's readouts of the day are used up", "当日抄读次数已用完"),
        Cause.REPLACED: ("the meter was replaced", "电能表已更换"),
        Cause.TURN: ("waits for its turn", "等待抄读"),
        Cause.ASKED: ("asked for by the head-end, waits for its turn", "主站召测，等待抄读"),
        Cause.NOT_YET: ("not asked for yet", "尚未抄读"),
        Cause.UNKNOWN: ("noted by an earlier version", "旧版本记录，原因不明"),
    }
)
"""English and Chinese."""


class Why(Enum):
    """Why a value that was asked for did not come."""

    SILENT = auto()  #: nothing usable was heard in time
    DAMAGED = auto()  #: an answer that says nothing
    GONE = auto()  #: an answer that says that the meter does not have it
    REFUSED = auto()  #: an answer that refuses it
    FAULTY = auto()  #: the meter itself marked its record as faulty


CAUSE_OF = {
    Why.SILENT: Cause.SILENT,
    Why.DAMAGED: Cause.DAMAGED,
    Why.GONE: Cause.ABSENT,
    Why.REFUSED: Cause.REFUSED,
    Why.FAULTY: Cause.FAULTY,
}


class Miss(NamedTuple):
    """A value that did not come."""

    why: Why
    reason: str  #: for people

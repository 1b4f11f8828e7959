"""Events of terminals in the reader's words: what has happened, where, and with which figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from kwhub.headend.store.alarm_rows import Alarm
from kwhub.headend.store.event_rows import FLAPPING, Evidence
from kwhub.headend.web.language import Texts
from kwhub.protocols.gdw1376.afn_0e import ERC_NAMES
from kwhub.protocols.gdw1376.event_records import EventRecord, words_of

__all__ = ["ENDS", "MORE_NAMES", "AlarmLine", "code_words", "end_words"]

MORE_NAMES: Mapping[int, tuple[str, str]] = {
    37: ("meter cover opened", "电能表开盖"),
    38: ("meter terminal cover opened", "电能表开端钮盒"),
    39: ("reading failed repeatedly", "多次抄读失败"),
    40: ("magnetic field", "磁场异常"),
    41: ("clock set", "对时事件"),
    FLAPPING: ("terminal logs in again and again", "终端频繁登录"),
}
"""Event codes beyond the table of the standard's edition of 2013 that are met in the field."""


def code_words(code: int, t: Texts) -> str:
    """Name of an event code."""
    names = ERC_NAMES.get(code) or MORE_NAMES.get(code)
    if names is None:
        return t("alarms.other", code=code)
    name = t.either(*names).removesuffix("事件记录").removesuffix("记录")
    return name[:1].upper() + name[1:]


ENDS: Mapping[str, str] = {
    "logged out": "logged_out",
    "replaced by a new log-in": "replaced",
    "the terminal went away": "went_away",
    "closed by the peer": "went_away",
    "closed by this side": "closed",
    "the head-end stops": "stops",
    "the head-end stopped": "stops",
    "silent for # s": "silent",
    "no log-in in # s": "no_login",
    "unknown terminal": "unknown",
    "not in the archive": "unknown",
    "the terminal is not in the archive any more": "retired",
    "data before log-in": "before_login",
    "heartbeat before log-in": "before_login",
    "log-out before log-in": "before_login",
}
"""Texts by why a connection ended, as the front notes it; ``#`` stands for a number."""


def end_words(t: Texts, reason: str) -> str:
    """Why a connection ended, in the reader's words; as it was noted where there are none."""
    bare = reason.removeprefix("denied: ")
    numbers = _NUMBER.findall(bare)
    key = ENDS.get(_NUMBER.sub("#", bare))
    return t(f"terminals.end_{key}", seconds=numbers[0] if numbers else "") if key else reason


_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ELSEWHERE = frozenset({"time", "point"})


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """An alarm with its words."""

    alarm: Alarm
    name: str
    detail: str
    figures: tuple[tuple[str, str], ...]  #: its parts by name and value; a line ends between them

    @classmethod
    def of(cls, alarm: Alarm, t: Texts) -> "AlarmLine":
        """Put it into the reader's words."""
        name = code_words(alarm.code, t)
        if alarm.code == FLAPPING:
            seen = _evidence(alarm.body, t)
            return cls(alarm, name, seen, (("", seen),))
        parts, comma = _parts(EventRecord(alarm.code, alarm.body), t), t.either(", ", "，")
        ended = [*(part + comma for part in parts[:-1]), *parts[-1:]]
        return cls(alarm, name, comma.join(parts), tuple(_named(part) for part in ended))

    @property
    def state(self) -> str:
        """``open``, ``ended``, ``noted``, or ``record`` of what nobody has to take note of."""
        if self.alarm.noted_at is not None:
            return "noted"
        if self.alarm.ended_at is not None:
            return "ended"
        return "open" if self.alarm.open else "record"


def _evidence(body: bytes, t: Texts) -> str:
    """What was seen of a terminal that logs in again and again."""
    seen = msgspec.json.decode(body, type=Evidence)
    peers = ", ".join(seen.peers)
    return t("alarms.flapping", logins=seen.logins, minutes=-(-seen.within_s // 60), peers=peers)


def _parts(record: EventRecord, t: Texts) -> list[str]:
    """What a record says beyond its time and its point, which stand in columns of their own, and beside bare zeros."""
    cells = [cell for cell in record.cells() if cell.name not in _ELSEWHERE]
    saying = [cell for cell in cells if not isinstance(cell.value, bytes) or any(cell.value)]
    return [t.either(*words_of([cell])) for cell in saying or cells]


def _named(part: str) -> tuple[str, str]:
    """In Chinese a colon stands between the name and the value, which is not broken."""
    name, colon, value = part.partition("：")
    return (name + colon, value) if colon else ("", part)

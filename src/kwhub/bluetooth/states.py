"""How a device is and why, with the words for it in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

__all__ = ["FINE", "STATES", "Cause", "NodeState", "Why"]


class NodeState(Enum):
    """How a device is."""

    ONLINE = "online"
    DEGRADED = "degraded"  #: weak signal, or many requests without answer
    WRONG = "wrong"  #: says again and again what it must not say
    SILENT = "silent"
    UNPAIRED = "unpaired"
    REPLACED = "replaced"  #: another device stands under its address, or took its place


class Cause(Enum):
    """Why it is so: a short stable key."""

    NONE = ""  #: there is nothing to say
    NOT_HEARD_YET = "not_heard_yet"
    NO_LINK = "no_link"  #: for so many seconds
    NOTHING_HEARD = "nothing_heard"  #: for so many seconds
    UNANSWERED = "unanswered"  #: so many of so many requests
    SIGNAL = "signal"  #: in dBm
    WRONG_FRAMES = "wrong_frames"  #: so many lately
    NO_BOND = "no_bond"
    BOND_LOST = "bond_lost"


STATES: Mapping[NodeState, tuple[str, str]] = MappingProxyType(
    {
        NodeState.ONLINE: ("online", "在线"),
        NodeState.DEGRADED: ("degraded", "质量差"),
        NodeState.WRONG: ("speaks wrong", "报文异常"),
        NodeState.SILENT: ("silent", "无响应"),
        NodeState.UNPAIRED: ("unpaired", "未配对"),
        NodeState.REPLACED: ("replaced", "已更换"),
    }
)
"""States in English and Chinese."""

_CAUSES: Mapping[Cause, tuple[str, str]] = MappingProxyType(
    {
        Cause.NONE: ("", ""),
        Cause.NOT_HEARD_YET: ("not heard yet", "尚未收到应答"),
        Cause.NO_LINK: ("no link for {value} s", "已断开 {value} 秒"),
        Cause.NOTHING_HEARD: ("nothing heard for {value} s", "{value} 秒未收到应答"),
        Cause.UNANSWERED: ("{value} of {of} requests unanswered", "{of} 次请求中 {value} 次无应答"),
        Cause.SIGNAL: ("signal {value} dBm", "信号 {value} dBm"),
        Cause.WRONG_FRAMES: ("{value} wrong frames lately", "近期异常报文 {value} 条"),
        Cause.NO_BOND: ("nobody has paired with it", "尚未与其配对"),
        Cause.BOND_LOST: ("bond lost", "配对丢失"),
    }
)


@dataclass(frozen=True, slots=True)
class Why:
    """Why a device is as it is; as text it is English."""

    cause: Cause = Cause.NONE
    value: int = 0  #: see `Cause`
    of: int = 0

    @property
    def words(self) -> tuple[str, str]:
        """In English and Chinese."""
        english, chinese = _CAUSES[self.cause]
        numbers = {"value": self.value, "of": self.of}
        return english.format(**numbers), chinese.format(**numbers)

    def __str__(self) -> str:
        return self.words[0]


FINE = Why()
"""Nothing is the matter."""

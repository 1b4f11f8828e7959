"""What the status words of a meter say about trouble: which bits make it abnormal, and where the records are.

Source: DL/T 645-2007, annex C (status words 1 and 4 to 7) with the State Grid filings; single source.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["ABNORMAL", "BITS", "WORDS_BYTES", "Bit", "bits_of", "changed"]

WORDS_BYTES = 14
"""Seven words, low byte first."""

_PHASES = (4, 5, 6)


class Bit(NamedTuple):
    """What a bit means."""

    abnormal: str  #: a key of ``ABNORMAL``, or empty
    kinds: tuple[str, ...] = ()  #: events whose counters have moved when it rises


ABNORMAL: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "silent": ("silent", "无应答"),
        "clock": ("clock wrong by more than five minutes", "时钟超差"),
        "reversed_phase": ("phases in the wrong order", "逆相序"),
        "reversed_power": ("power flows backwards on a phase", "潮流反向"),
        "voltage_loss": ("voltage lost on a phase", "失压"),
        "phase_failure": ("phase failed", "断相"),
        "current_loss": ("current lost on a phase", "失流"),
        "undervoltage": ("voltage too low", "欠压"),
        "overvoltage": ("voltage too high", "过压"),
        "overcurrent": ("current too high", "过流"),
        "battery_low": ("battery low", "电池欠压"),
        "fault": ("fault inside the meter", "电能表故障"),
        "cover_open": ("cover open", "开表盖"),
        "device": ("Bluetooth device in trouble", "蓝牙设备异常"),
        "terminal_cover_open": ("terminal cover open", "开端钮盖"),
    }
)
"""What may be wrong with a meter: English and Chinese."""

_OF_PHASE = {
    0: Bit("voltage_loss", ("voltage_loss",)),
    1: Bit("undervoltage", ("undervoltage",)),
    2: Bit("overvoltage", ("overvoltage",)),
    3: Bit("current_loss", ("current_loss",)),
    4: Bit("overcurrent", ("overcurrent",)),
    6: Bit("reversed_power", ("power_reversal",)),
    7: Bit("phase_failure", ("phase_failure",)),
    8: Bit("current_loss", ("current_interruption",)),
}

BITS: Mapping[tuple[int, int], Bit] = MappingProxyType(
    {
        (1, 2): Bit("battery_low"),
        (1, 3): Bit("battery_low"),
        **dict.fromkeys(((1, bit) for bit in (8, 9, 12, 13, 15)), Bit("fault")),
        **{(word, bit): meaning for word in _PHASES for bit, meaning in _OF_PHASE.items()},
        (7, 0): Bit("reversed_phase"),
        (7, 1): Bit("reversed_phase"),
        (7, 5): Bit("", ("power_down",)),
        (7, 9): Bit("cover_open", ("cover_opening",)),
        (7, 10): Bit("terminal_cover_open", ("terminal_cover_opening",)),
    }
)
"""By word (1 to 7) and bit; words 2 and 3 tell of normal operation."""

_WATCHED = frozenset({1, 4, 5, 6, 7})


def bits_of(words: bytes) -> Iterator[tuple[int, int]]:
    """Word and bit of every bit that is set and has a meaning here."""
    for word, bit in BITS:
        if int.from_bytes(words[2 * word - 2 : 2 * word], "little") >> bit & 1:
            yield word, bit


def changed(old: bytes, new: bytes) -> bytes:
    """The bits that differ, 14 bytes; words 2 and 3 left out, as they change in normal operation."""
    return b"".join(
        (
            int.from_bytes(old[at : at + 2], "little") ^ int.from_bytes(new[at : at + 2], "little")
            if at // 2 + 1 in _WATCHED
            else 0
        ).to_bytes(2, "little")
        for at in range(0, WORDS_BYTES, 2)
    )

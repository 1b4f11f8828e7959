"""Which protocol a caller speaks, from its first bytes: one port serves several.

Source: Q/GDW 1376.1-2013, clause 4.3.2, for the head of its frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from kwhub.protocols.gdw1376.frames import HEAD_BYTES, START, header_problem
from kwhub.protocols.gdw1376.profiles import PROFILES

__all__ = ["DETECTORS", "GDW1376", "NOISE_BYTES_MAX", "Detector", "Verdict", "detect", "guess"]

NOISE_BYTES_MAX = 256
"""Bytes that may stand before the first frame: modems greet, or repeat what they were told."""

GDW1376 = "gdw1376.1"


class Verdict(Enum):
    """What some first bytes may be."""

    YES = auto()
    NO = auto()
    MORE = auto()  #: nothing is known yet


@dataclass(frozen=True, slots=True)
class Detector:
    """Knows one protocol by its first bytes."""

    protocol: str
    judge: Callable[[bytes], Verdict]


def _judge_gdw1376(first: bytes) -> Verdict:
    """A whole head somewhere in the bytes."""
    at = first.find(START)
    while at >= 0 and at <= NOISE_BYTES_MAX:
        head = first[at : at + HEAD_BYTES]
        if any(header_problem(head, profile) is None for profile in PROFILES.values()):
            return Verdict.YES if len(head) == HEAD_BYTES else Verdict.MORE
        at = first.find(START, at + 1)
    return Verdict.MORE if len(first) < NOISE_BYTES_MAX else Verdict.NO


DETECTORS: tuple[Detector, ...] = (Detector(GDW1376, _judge_gdw1376),)
"""Every protocol of concentrators, the most likely first."""

_STRANGERS = MappingProxyType(
    {
        b"GET ": "HTTP",
        b"POST ": "HTTP",
        b"HEAD ": "HTTP",
        b"OPTIONS ": "HTTP",
        b"SSH-": "SSH",
        b"\x16\x03": "TLS",
        b"PRI * HTTP/2": "HTTP/2",
    }
)
"""What comes to every open port sooner or later, by its first bytes."""


def guess(first: bytes) -> str:
    """The name of something that is no protocol of concentrators; empty when it is none of those known.

    >>> guess(b"GET / HTTP/1.1"), guess(bytes.fromhex("6832"))
    ('HTTP', '')
    """
    return next((name for start, name in _STRANGERS.items() if first.startswith(start)), "")


def detect(first: bytes, detectors: Sequence[Detector] = DETECTORS) -> str | None:
    """Which protocol begins with some bytes.

    Args:
        first: everything that has come so far.
        detectors: asked one after the other.

    Returns:
        the name of the protocol; empty when it is none of them; None when more bytes are needed.
    """
    if guess(first):
        return ""
    verdicts = []
    for detector in detectors:
        verdict = detector.judge(first)
        if verdict is Verdict.YES:
            return detector.protocol
        verdicts.append(verdict)
    return None if Verdict.MORE in verdicts else ""

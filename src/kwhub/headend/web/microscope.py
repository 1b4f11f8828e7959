"""The frame microscope: the bytes of a terminal cut into frames, told in words, filtered and explained."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from kwhub.domain.errors import DecodeError
from kwhub.headend.front.frame_log import Piece
from kwhub.headend.web.language import Texts
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.frames import Profile
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.protocols.gdw1376.summary import Summary, summarise
from kwhub.protocols.gdw1376.wording import afn_words

__all__ = ["FRAMES_SHOWN", "FrameLine", "FramesAsked", "afns_of", "chosen", "cut", "inner"]

FRAMES_SHOWN = 100
"""Frames of one page, the newest first."""

_HEX_SHOWN = 24


@dataclass(frozen=True, slots=True)
class FrameLine:
    """One frame, or bytes that are none.

    Attributes:
        number: names it within its terminal.
        summary: None for bytes that are no frame.
        trouble: why they are none; empty for a frame.
    """

    number: str
    at: datetime
    sent: bool
    raw: bytes
    summary: Summary | None
    trouble: str = ""

    @property
    def afn(self) -> str:
        """Two hex digits; empty for bytes that are no frame."""
        return self.summary.afn if self.summary else ""

    @property
    def points(self) -> tuple[int, ...]:
        """The measuring points that the frame is about."""
        return self.summary.points if self.summary else ()

    @property
    def short_hex(self) -> str:
        """The first bytes."""
        shown = self.raw[:_HEX_SHOWN].hex(" ").upper()
        return shown if len(self.raw) <= _HEX_SHOWN else f"{shown} …"

    def title(self, t: Texts) -> str:
        """What it is, in words."""
        if self.summary is None:
            return t("frames.no_frame")
        return t.either(self.summary.afn_name, self.summary.afn_name_zh)

    def units(self, t: Texts) -> str:
        """Points and functions of its data units: ``p1: F161 forward active energy``."""
        if self.summary is None:
            return self.trouble
        told = []
        for unit in self.summary.units:
            names = [t.either(*both) for both in zip(unit.names, unit.names_zh, strict=True)]
            functions = ", ".join(
                f"F{function} {name}".strip()
                for function, name in zip(unit.functions, names, strict=True)
            )
            points = ",".join(str(point) for point in unit.points)
            told.append(f"p{points}: {functions}")
        return "; ".join(told)

    def says(self, text: str, t: Texts) -> bool:
        """Whether a text stands in its words, or as digits in its bytes."""
        wanted = text.casefold()
        digits = "".join(wanted.split())
        if wanted in f"{self.title(t)} {self.units(t)}".casefold():
            return True
        return len(digits) > 1 and digits in self.raw.hex()


@dataclass(frozen=True, slots=True)
class FramesAsked:
    """Which frames the address of the page asks for."""

    afn: str = ""  #: two hex digits
    direction: str = ""  #: up or down
    point: int | None = None
    text: str = ""

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        return {
            "afn": self.afn,
            "direction": self.direction,
            "point": self.point,
            "text": self.text,
        }


def cut(pieces: Iterable[Piece], profile: Profile) -> list[FrameLine]:
    """Frames from the pieces of a line, each direction by itself, in the order in which they were whole."""
    receivers = {True: Receiver(profile), False: Receiver(profile)}
    found: list[FrameLine] = []
    for piece in pieces:
        for index, item in enumerate(receivers[piece.sent].feed(piece.raw)):
            number = f"{piece.number}-{index}"
            if isinstance(item, Received):
                told = summarise(item.frame, profile.edition)
                line = FrameLine(number, piece.at, piece.sent, item.raw, told)
            else:
                line = FrameLine(
                    number, piece.at, piece.sent, item.raw, None, item.detail or item.kind
                )
            found.append(line)
    return found


def inner(line: FrameLine, profile: Profile) -> bytes:
    """The frame of a meter that a terminal forwards (10-F1); empty where there is none."""
    for item in Receiver(profile).feed(line.raw):
        if not isinstance(item, Received) or item.frame.afn != afn_10.AFN:
            continue
        for unit in item.frame.units:
            if unit.functions == (afn_10.TRANSPARENT,):
                kind = Forward if line.sent else ForwardAnswer
                with suppress(DecodeError):
                    return kind.from_unit(unit).payload
    return b""


def chosen(lines: Sequence[FrameLine], asked: FramesAsked, t: Texts) -> list[FrameLine]:
    """Those that the filter asks for, the newest first."""
    return [line for line in reversed(lines) if _wanted(line, asked, t)]


def afns_of(lines: Iterable[FrameLine], t: Texts) -> list[tuple[str, str]]:
    """Code and name of every AFN that is there."""
    codes = sorted({line.afn for line in lines if line.afn})
    return [(code, t.either(*afn_words(int(code, 16)))) for code in codes]


def _wanted(line: FrameLine, asked: FramesAsked, t: Texts) -> bool:
    if asked.afn and line.afn != asked.afn:
        return False
    if asked.direction and line.sent != (asked.direction == "down"):
        return False
    if asked.point is not None and asked.point not in line.points:
        return False
    return not asked.text or line.says(asked.text, t)

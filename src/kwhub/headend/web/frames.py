"""A raw frame beside its meaning, ready for a page: each part with its bytes, name and meaning."""

from dataclasses import dataclass

from kwhub.catalog.decoding import explain
from kwhub.headend.web.language import Texts
from kwhub.protocols.gdw1376.frames import Profile

__all__ = ["FramePart", "frame_parts"]


@dataclass(frozen=True, slots=True)
class FramePart:
    """One part of a frame in the reader's language."""

    start: int
    hex: str
    name: str
    meaning: str
    ok: bool


def frame_parts(raw: bytes, t: Texts, profile: Profile) -> list[FramePart]:
    """The parts of a frame of any protocol, in order; an empty list for no bytes.

    Args:
        raw: the frame.
        t: texts in the reader's language.
        profile: that terminals speak, for frames of the uplink.
    """
    if not raw:
        return []
    parts = []
    for part in explain(raw, profile=profile).parts:
        name, meaning = part.words(t.code)
        chunk = raw[part.start : part.stop].hex(" ").upper()
        parts.append(FramePart(part.start, chunk, name, meaning, part.ok))
    return parts

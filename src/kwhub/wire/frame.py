"""Frames as frozen dataclasses whose annotations are the layout.

    @dataclass(frozen=True, slots=True)
    class Snapshot(Frame):
        energy: Annotated[Decimal | None, fmt("XXXXXX.XX")]

The offsets are planned once, when the class is first used.
"""

from dataclasses import fields
from typing import Annotated, Any, Self, get_args, get_origin, get_type_hints

from kwhub.domain.errors import DecodeError, LocalError

__all__ = ["Frame", "frame_size"]


_Plan = tuple[tuple[str, int, int, Any], ...]
_PLANS: dict[type, _Plan] = {}


def _plan(cls: type) -> _Plan:
    known = _PLANS.get(cls)
    if known is None:
        known = _PLANS[cls] = _make_plan(cls)
    return known


def _make_plan(cls: type) -> _Plan:
    hints = get_type_hints(cls, include_extras=True)
    plan: list[tuple[str, int, int, Any]] = []
    offset = 0
    for field in fields(cls):
        hint = hints[field.name]
        codec = get_args(hint)[1] if get_origin(hint) is Annotated else None
        if codec is None or not hasattr(codec, "decode"):
            raise LocalError(f"{cls.__name__}.{field.name} is not annotated with a codec")
        plan.append((field.name, offset, offset + codec.size, codec))
        offset += codec.size
    return tuple(plan)


def frame_size(cls: type["Frame"]) -> int:
    """Number of bytes of a frame class."""
    plan = _plan(cls)
    return plan[-1][2] if plan else 0


class Frame:
    """Base of frames of fixed size; subclasses are frozen dataclasses with annotated fields."""

    __slots__ = ()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Decode exactly one frame. Raises DecodeError with the field and the offset."""
        if len(raw) != frame_size(cls):
            raise DecodeError(
                "length", f"{len(raw)} bytes where {cls.__name__} has {frame_size(cls)}"
            )
        values: dict[str, Any] = {}
        for name, start, stop, codec in _plan(cls):
            try:
                values[name] = codec.decode(raw[start:stop])
            except DecodeError as error:
                raise DecodeError(error.kind, error.detail, field=name, offset=start) from None
        return cls(**values)

    def to_bytes(self) -> bytes:
        """Encode. Raises LocalError when a value does not fit its field."""
        return b"".join(
            codec.encode(getattr(self, name)) for name, _, _, codec in _plan(type(self))
        )

"""What every file format shares: named trains, levels into pulses, bounds, errors with a place.

Source: our own.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.infrared.pulses import EDGES_MAX, Pulses

__all__ = ["SEPARATORS", "TEXT_MAX", "Train", "bad", "from_edges", "from_runs", "number"]

SEPARATORS = re.compile(r"[\s,;{}\[\]()]+")
TEXT_MAX = 64_000_000
"""Longest file, in bytes."""


@dataclass(frozen=True, slots=True)
class Train:
    """One train of a file; when it could not be read there is an error instead of pulses."""

    pulses: Pulses
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  #: what else the file says of it
    error: DecodeError | None = None


def bad(what: str, line: int | None = None, *, kind: str = "pulse_file") -> DecodeError:
    """An error that says at which line of the file."""
    return DecodeError(kind, what if line is None else f"line {line}: {what}")


def number(text: Any, line: int | None = None) -> float:
    """A finite number; raises ``DecodeError``."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if isinstance(text, bool) or not math.isfinite(value):
        raise bad(f"{str(text)[:40]!r} is no number", line)
    return value


def from_runs(runs: Iterable[tuple[bool, float]]) -> tuple[float, ...]:
    """Durations beginning with a mark; runs of one level become one, dark before the first goes."""
    found: list[float] = []
    level = False
    for light, duration in runs:
        if duration <= 0 or (not found and not light):
            continue
        if found and light == level:
            found[-1] += duration
        else:
            found.append(duration)
            if len(found) > EDGES_MAX:
                raise bad(f"more than {EDGES_MAX} durations")
        level = light
    return tuple(found)


def from_edges(
    edges: Sequence[tuple[float, bool]], end_us: float, *, inverted: bool | None
) -> tuple[float, ...]:
    """Durations from the times at which a level began, in microseconds, the first one included.

    ``inverted`` says that low is light, as a receiver head gives it; with None the first level is
    taken for the dark before the signal. The dark that ends a recording has no
    length that means anything and goes.
    """
    if not edges:
        return ()
    light = (not edges[0][1]) if inverted is None else not inverted
    times = [*(at for at, _ in edges[1:]), end_us]
    runs = ((level == light, until - at) for (at, level), until in zip(edges, times, strict=True))
    found = from_runs(runs)
    return found[: len(found) - (len(found) + 1) % 2] if found else found

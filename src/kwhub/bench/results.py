"""What was measured, and what is thought of it, as records that outlive the process."""

import hashlib
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = [
    "BAD",
    "KEYS",
    "Limit",
    "Measurement",
    "MeterResult",
    "Verdict",
    "digest",
    "judge",
    "overall",
]

Verdict: TypeAlias = Literal["pass", "fail", "warn", "info", "missing", "skipped"]

BAD: Final = frozenset({"fail", "missing"})
"""Verdicts with which a device does not pass."""

KEYS: Final = (
    "carrier",
    "duty",
    "jitter",
    "wavelength_peak",
    "wavelength_centroid",
    "wavelength_width",
    "radiant_intensity",
    "turn_round",
    "byte_gap",
    "answer",
    "zero_bytes",
    "distance",
    "angle",
    "sunlight",
    "lamp_100hz",
    "ballast_45khz",
    "second_transmitter",
)
"""Measurements in the order of the report."""


class Limit(msgspec.Struct, frozen=True):
    """Bounds of one measurement and where they come from."""

    least: float | None = None
    most: float | None = None
    source: str = ""
    source_zh: str = ""
    verified: bool = False  #: whether the text of the source was read

    def holds(self, value: float) -> bool:
        """Whether a value is within the bounds, which belong to them."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def nearest(self, value: float) -> float | None:
        """Distance to the nearer bound."""
        gaps = [abs(value - bound) for bound in (self.least, self.most) if bound is not None]
        return min(gaps, default=None)


class Measurement(msgspec.Struct, frozen=True):
    """One number with its verdict."""

    key: str
    value: float | None
    uncertainty: float | None  #: expanded, k = 2, in the same unit
    unit: str
    verdict: Verdict
    limit: Limit | None = None
    close: bool = False  #: a bound lies within the uncertainty
    at_bound: bool = False  #: the bench could not go further: the true value may be larger
    note: str = ""
    note_zh: str = ""
    evidence: str = ""  #: file of the raw data, and the place in it


class MeterResult(msgspec.Struct, frozen=True):
    """Everything about one device."""

    serial: str
    pallet: str
    verdict: Verdict
    measurements: tuple[Measurement, ...]
    started: datetime
    finished: datetime
    instruments: dict[str, str]
    limits: str
    configuration: str  #: hash of limits, instruments and seed
    software: str
    simulated: bool
    seed: int | None = None
    evidence: dict[str, str] = msgspec.field(default_factory=dict)  #: file and its SHA-256

    def of(self, key: str) -> Measurement:
        """The measurement of that name; raises ``KeyError`` when there is none."""
        for one in self.measurements:
            if one.key == key:
                return one
        raise KeyError(key)


def judge(
    value: float | None, uncertainty: float | None, limit: Limit | None
) -> tuple[Verdict, bool]:
    """The verdict by the value itself, and whether a bound lies within its uncertainty.

    >>> judge(4.1, 0.2, Limit(least=4.0))
    ('pass', True)
    """
    if value is None:
        return "missing", False
    if limit is None:
        return "info", False
    gap = limit.nearest(value)
    close = gap is not None and uncertainty is not None and gap < uncertainty
    return ("pass" if limit.holds(value) else "fail"), close


def overall(measurements: tuple[Measurement, ...]) -> Verdict:
    """A device passes when no measurement failed or could not be made."""
    return "fail" if any(one.verdict in BAD for one in measurements) else "pass"


def digest(value: Any) -> str:
    """The first 16 digits of the SHA-256 of something as JSON with sorted keys."""
    text = msgspec.json.encode(value, order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]

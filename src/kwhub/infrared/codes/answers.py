"""What a pulse code says, and how sure that is.

Source: the measure of confidence is our own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kwhub.domain.errors import DecodeError

__all__ = ["TOLERANCE", "Decoded", "Miss", "confidence", "integer"]

TOLERANCE = 0.30
"""Share of its nominal length by which a pulse may be off, after speed and stretch are taken out."""
LEADER_CHECKS = 4
LENGTH_CHECKS = 2


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, or one stretch of a train that is no frame (``protocol`` is None).

    ``confidence`` is fit times proof. *Fit* is 1 less the mean square of how far each pulse is from
    its nominal length, in shares of what is tolerated: 1.0 when all are exact, about 0.67 when they
    are spread evenly over the whole window. *Proof* is 1 - 2**-n, where n counts the yes-or-no
    checks that chance would have had to pass: bits of a complement or a sum, parity and stop bits,
    biphase bits, four for a leader, two for the number of bits, one for two pulses that are whole
    bits of a rate. A frame whose check bits
    contradict it keeps a quarter at most.
    """

    protocol: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 0.0  #: 0 to 1
    bits: int = 0  #: without start bits and leader
    carrier_hz: float | None = None  #: Hz; of the train, else None
    error: DecodeError | None = None  #: why there is no protocol
    first: int = 0  #: place of the first duration in the train
    end: int = 0  #: place after the last


class Miss(Exception):
    """A code does not fit here; never leaves the package.

    Attributes:
        reached: place of the duration at which it stopped fitting.
    """

    def __init__(self, reason: str, reached: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reached = reached


def confidence(deviations: Iterable[float], checks: int) -> float:
    """Fit times proof; deviations are shares of the tolerance, 0 to 1.

    >>> confidence([0.0, 0.0], 4)
    0.9375
    """
    squares = [deviation * deviation for deviation in deviations]
    fit = 1.0 - sum(squares) / len(squares) if squares else 1.0
    return round(max(0.0, fit) * (1.0 - 2.0**-checks), 4)


def integer(fields: Mapping[str, Any], name: str, most: int, default: int | None = None) -> int:
    """A field as a number: 18, "18" or "0x12"; raises ``DecodeError`` when absent or too large."""
    value = fields.get(name, default)
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            value = None
    if not isinstance(value, int) or not 0 <= value <= most:
        detail = f"{name} must be a number from 0 to {most}, not {fields.get(name)!r}"
        raise DecodeError("field", detail, field=name)
    return int(value)

"""What a receiver says about bytes that are no frame."""

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Discarded"]


@dataclass(frozen=True, slots=True)
class Discarded:
    """Bytes that were passed over, and why. Noise is normal on a shared line and must be countable."""

    final: ClassVar[bool] = False
    raw: bytes
    kind: str  #: short stable key, such as ``noise``, ``checksum_mismatch``, ``echo``, ``foreign``
    detail: str = ""  #: one sentence for people

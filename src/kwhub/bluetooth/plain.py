"""True transparency: bytes without a protocol; a pause is the only end that they have."""

from kwhub.wire.events import Discarded
from kwhub.wire.passing import Framer, Passing

__all__ = ["PIECE_BYTES_MAX", "PLAIN", "Plain"]

PIECE_BYTES_MAX = 4_096
"""So many bytes without a pause are passed on before one comes."""


class _Framer:
    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Passing | Discarded]:
        self._held += data
        return self.flush() if len(self._held) >= PIECE_BYTES_MAX else []

    def flush(self) -> list[Passing | Discarded]:
        raw = bytes(self._held)
        self._held.clear()
        return [Passing(raw)] if raw else []


class Plain:
    """A `kwhub.wire.passing.Dialect` of no protocol."""

    name = "plain"
    gap_s = 0.05

    def framer(self) -> Framer:
        """See Dialect."""
        return _Framer()

    def matches(self, pattern: str, address: str) -> bool:
        """See Dialect; there are no addresses."""
        return pattern == address

    def heartbeat(self, address: str) -> bytes:
        """See Dialect; there is none."""
        del address
        return b""

    def refusal(self, request: Passing) -> bytes:
        """See Dialect; there is none."""
        del request
        return b""


PLAIN = Plain()

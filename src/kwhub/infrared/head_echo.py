"""Taking back what an infrared head says to itself: the reflection of what was just sent.

A head may echo all, some or a damaged part of what it sends, or nothing at all; its first bytes are
often lost.  An answer begins much like the request, so nothing is taken for an echo that does not
end like what was sent; in doubt bytes pass, and the protocol above finds its frames among them.

Source: our own rules; that a head hears its own light is common to half-duplex infrared.
"""

from difflib import SequenceMatcher

__all__ = ["ECHO_BYTES_MAX", "ECHO_BYTES_MIN", "HOLD_S", "EchoFilter"]

ECHO_BYTES_MIN = 4
"""Shorter writes are not looked for: too much looks like them."""

ECHO_BYTES_MAX = 512
"""Longer writes are no requests."""

EXTRA_BYTES_MAX = 2
"""Bytes that an echo may have more than what was sent."""

ALIKE_MIN = 0.8
"""Share of an echo that must agree with what was sent."""

HOLD_S = 0.05
"""How long bytes that may be an echo wait for the rest of it."""


class EchoFilter:
    """Bytes in, bytes without echoes out; never raises for any bytes.

    Attributes:
        echoes: how many were taken out.
        echoed_bytes: bytes that were taken out.
    """

    def __init__(self) -> None:
        self.echoes = 0
        self.echoed_bytes = 0
        self._sent = b""
        self._sent_until = 0.0
        self._held = b""
        self._held_at = 0.0

    @property
    def holds(self) -> bool:
        """Whether bytes wait for a decision."""
        return bool(self._held)

    def sent(self, data: bytes, until: float) -> None:
        """Bytes were written that will be on their way until a moment (monotonic seconds)."""
        joined = self._sent + data
        self._sent = joined if len(joined) <= ECHO_BYTES_MAX else b""
        self._sent_until = until

    def deadline(self) -> float | None:
        """When bytes that wait are let go; None when none wait."""
        return max(self._held_at, self._sent_until) + HOLD_S if self._held else None

    def feed(self, data: bytes, now: float) -> bytes:
        """Take received bytes; returns those that are no echo."""
        if len(self._sent) < ECHO_BYTES_MIN:
            return self.release() + data
        if self._is_cut_echo(now):
            self._take_out(len(self._held))
            self._held = b""
        self._held += data
        self._held_at = now
        size = _echo_size(self._held, self._sent)
        if size:
            rest = self._held[size:]
            self._take_out(size)
            self._sent = self._held = b""
            return rest
        if len(self._held) > len(self._sent) + EXTRA_BYTES_MAX:
            return self.release()
        return b""

    def release(self) -> bytes:
        """No echo comes any more: let go of what waits."""
        held, self._held, self._sent = self._held, b"", b""
        return held

    def _is_cut_echo(self, now: float) -> bool:
        """What waits is the beginning of what was sent, came while it was sent, and then nothing."""
        return (
            len(self._held) >= ECHO_BYTES_MIN
            and self._held_at < self._sent_until
            and now - self._held_at > HOLD_S / 2
            and now > self._sent_until
            and self._sent.startswith(self._held)
        )

    def _take_out(self, size: int) -> None:
        self.echoes += 1
        self.echoed_bytes += size


def _echo_size(held: bytes, sent: bytes) -> int:
    """How many of the first bytes are an echo: one that ends as what was sent ended."""
    tail = sent[-2:]
    at = held.find(tail)
    while at >= 0:
        size = at + len(tail)
        if (
            ECHO_BYTES_MIN <= size <= len(sent) + EXTRA_BYTES_MAX
            and _alike(held[:size], sent) >= ALIKE_MIN
        ):
            return size
        at = held.find(tail, at + 1)
    return 0


def _alike(piece: bytes, sent: bytes) -> float:
    """Share of a piece that agrees with the end of what was sent, bytes lost or not."""
    if len(piece) <= len(sent):
        end = sent[-len(piece) :]
        same = sum(one == other for one, other in zip(piece, end, strict=True))
        if same >= ALIKE_MIN * len(piece):
            return same / len(piece)
    return SequenceMatcher(None, piece, sent, autojunk=False).ratio()

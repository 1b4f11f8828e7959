"""A bus as a wire: bytes take time, and talkers who overlap in time garble each other.

Where the links of :mod:`kwhub.links.memory` mix whole writes, here bits meet: while one talker holds
the line low it is low for all, whatever others send. What comes out of a collision is what a real
receiver makes of the mixed bits: it starts at a falling edge, samples eight bits in their middle
and hands the byte on, as serial ports do that are not told to check parity.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Inbox, Link, LinkFacts
from kwhub.runtime.clock import Clock

__all__ = ["BITS_PER_BYTE", "SLICE_S", "WiredBus", "mixed"]

BITS_PER_BYTE = 11
"""Start bit, eight data bits, even parity, stop bit.  Source: DL/T 645-2007, clause 4."""

SLICE_S = 0.1
"""Longest stretch of wire time handed on in one piece."""

_SAMPLE = 0.5
"""Where in a bit a receiver looks, as a part of the bit."""


def _bits(data: bytes) -> list[bool]:
    """The line level of each bit time: low start bit, data low bit first, even parity, high stop."""
    levels: list[bool] = []
    for byte in data:
        data_bits = [bool(byte >> place & 1) for place in range(8)]
        levels += [False, *data_bits, sum(data_bits) % 2 == 1, True]
    return levels


def mixed(signals: Sequence[tuple[float, bytes]]) -> bytes:
    r"""What a receiver hears when talkers overlap.

    Args:
        signals: for each talker its start, in bit times from any origin, and its bytes.

    Returns:
        The bytes that the receiver makes of it, wrong parity and missing stop bits included.

    >>> mixed([(0.0, b"\x38"), (0.0, b"\x12")]).hex()
    '10'
    """
    waves = [(start, _bits(data)) for start, data in signals]

    def is_high(moment: float) -> bool:
        for start, levels in waves:
            place = int(moment - start) if moment >= start else -1
            if 0 <= place < len(levels) and not levels[place]:
                return False
        return True

    heard = bytearray()
    free_at = float("-inf")
    for edge in sorted(_low_starts(waves)):
        if edge < free_at or not is_high(edge - 2**-10):
            continue
        samples = [is_high(edge + _SAMPLE + bit) for bit in range(1, 9)]
        heard.append(sum(level << bit for bit, level in enumerate(samples)))
        free_at = edge + BITS_PER_BYTE - 1 + _SAMPLE
    return bytes(heard)


def _low_starts(waves: Sequence[tuple[float, list[bool]]]) -> Iterator[float]:
    """The moments at which some talker begins a low bit."""
    for start, levels in waves:
        yield from (start + place for place, level in enumerate(levels) if not level)


@dataclass(slots=True, eq=False)
class _Talk:
    """One write on its way."""

    tap: "_Tap"
    start_s: float
    data: bytes
    delivered: int = 0  #: bytes that the others have already, from before anybody interfered


class _Tap:
    """One talker's end of the wire. Made by :meth:`WiredBus.attach`."""

    def __init__(self, bus: "WiredBus") -> None:
        self._bus = bus
        self._open = True
        self.inbox = Inbox()

    @property
    def facts(self) -> LinkFacts:
        return self._bus.facts

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        if not self._open:
            raise LinkDown("closed by this side")
        if data:
            await self._bus.carry(self, bytes(data))

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self.inbox.close("closed by this side", drop=True)
            self._bus.detach(self)


class WiredBus:
    """A half-duplex bus without any arbiter.

    A transceiver that drives the line does not listen: who talks while others talk hears nothing
    of what they say. Others hear a lone talker in pieces as the bytes go by, and a collision in
    one piece when the line falls silent.

    Attributes:
        collisions: how often several talked at once.
        carried_bytes: bytes written by all talkers together.
    """

    def __init__(self, clock: Clock, *, baud: int = 2400, name: str = "wired") -> None:
        """Make a bus without talkers.

        Args:
            clock: gives the time.
            baud: bits a second, 11 for each byte.
            name: for the facts of its links.
        """
        self.facts = LinkFacts(
            f"memory:{name}", baud=baud, bits_per_byte=BITS_PER_BYTE, half_duplex=True
        )
        self.collisions = 0
        self.carried_bytes = 0
        self._clock = clock
        self._taps: list[_Tap] = []
        self._active: list[_Talk] = []
        self._burst: list[_Talk] = []  # all that have talked since the line was last silent

    def attach(self) -> Link:
        """Connect one more talker; its ``aclose`` takes it off the bus again."""
        tap = _Tap(self)
        self._taps.append(tap)
        return tap

    def detach(self, tap: _Tap) -> None:
        """Take a talker off; what it was just saying is said to its end."""
        self._taps.remove(tap)

    async def carry(self, tap: _Tap, data: bytes) -> None:
        """Put bytes on the wire; returns when the last bit is through."""
        talk = _Talk(tap, self._clock.monotonic(), data)
        self._active.append(talk)
        self._burst.append(talk)
        self.collisions += len(self._burst) == 2
        piece_bytes = max(1, int(SLICE_S / self.facts.wire_time_s(1)))
        sent = 0
        try:
            while sent < len(data):
                count = min(sent + piece_bytes, len(data))
                end_s = talk.start_s + self.facts.wire_time_s(count)
                await self._clock.sleep(end_s - self._clock.monotonic())
                sent = count
                self._pass_on(talk, sent)
        finally:
            talk.data = data[:sent]  # less than all when the writer was cancelled
            self.carried_bytes += sent
            self._active.remove(talk)
            if not self._active:
                self._fall_silent()

    def _pass_on(self, talk: _Talk, count: int) -> None:
        """Let the others hear a talker to whom nobody objects."""
        if self._burst == [talk]:
            self._hear(talk.data[talk.delivered : count])
            talk.delivered = count

    def _fall_silent(self) -> None:
        burst = self._burst
        if len(burst) > 1:
            bit_s = self.facts.wire_time_s(1) / BITS_PER_BYTE
            self._hear(
                mixed(
                    [
                        (talk.start_s / bit_s + talk.delivered * BITS_PER_BYTE, rest)
                        for talk in burst
                        if (rest := talk.data[talk.delivered :])
                    ]
                )
            )
        self._burst = []

    def _hear(self, data: bytes) -> None:
        talking = {talk.tap for talk in self._burst}
        for tap in self._taps:
            if tap not in talking:
                tap.inbox.put(data)

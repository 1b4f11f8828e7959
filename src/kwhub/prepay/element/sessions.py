"""Sessions of a software element: who has shown a key, and which keys and randoms are in force.

A session with the head-end is opened by its random (CIPHER); one with a medium by the serial of the
medium (INTERNAL SESSION), and then money, parameters and orders use the key that both share. What is read
with a MAC always uses the meter's own key, which a medium does not hold.

Source: instructions as in ``commands``; the algorithms are those of ``ciphers``.
"""

from collections.abc import Callable
from typing import TypeAlias

from kwhub.prepay import ciphers
from kwhub.prepay.element.commands import Command
from kwhub.prepay.element.interface import MORE, Status
from kwhub.prepay.keys import FACTOR_BYTES, Purpose

__all__ = ["COMPARE_BYTES", "Answer", "Draw", "Sessions"]

Draw: TypeAlias = Callable[[int], bytes]
"""Gives so many random bytes."""

Answer: TypeAlias = tuple[bytes, int]

COMPARE_BYTES = 64
"""Bytes of the firmware that are enciphered for a comparison."""

_OF_MEDIUM = frozenset({Purpose.MONEY, Purpose.PARAMETER, Purpose.CONTROL})


class Sessions:
    """What an element forgets at a reset.

    Args:
        key: the key of a purpose.
        meter_number: six bytes.
        draw: random bytes.

    Attributes:
        nonce: four bytes that the next protected write is made over; None when there are none.
    """

    def __init__(
        self, key: Callable[[Purpose], bytes], meter_number: Callable[[], bytes], draw: Draw
    ) -> None:
        self._key = key
        self._meter_number = meter_number
        self._draw = draw
        self.forget()

    def forget(self) -> None:
        """As after a reset."""
        self._disperses: Purpose | None = None
        self._random: bytes | None = None
        self._pair: bytes | None = None
        self._challenge: bytes | None = None
        self._response = b""
        self.nonce: bytes | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody has opened one."""
        return self._random is not None

    def key(self, purpose: Purpose) -> bytes | None:
        """The session key of a purpose; None without a session, or when the session may not do that."""
        if self._random is None:
            return None
        if self._pair is not None and purpose is not Purpose.READ_BACK:
            return self._pair if purpose in _OF_MEDIUM else None
        return ciphers.session_key(self._key(purpose), self._random)

    def get_challenge(self, command: Command) -> Answer:
        """Four bytes for writes, eight for whoever must show a key."""
        if command.length not in {4, 8}:
            return b"", Status.WRONG_LENGTH
        drawn = self._draw(command.length)
        if command.length == ciphers.MAC_BYTES:
            self.nonce = drawn
        else:
            self._challenge = drawn
        return drawn, Status.OK

    def cipher(self, command: Command) -> Answer:
        """Disperse a key by a factor (P2 03 or 04), encipher a random, or the bytes of a comparison."""
        if command.p1 == 1:
            return self._compare(command)
        if command.length != FACTOR_BYTES or len(command.data) != FACTOR_BYTES:
            return b"", Status.WRONG_LENGTH
        if command.p2 in {Purpose.MONEY, Purpose.INFRARED}:
            return self._disperse(command)
        if command.p2 != 0 or self._disperses is None:
            return b"", Status.WRONG_PLACE if command.p2 else Status.CONDITIONS
        if self._disperses is Purpose.IDENTITY:
            self._random, self._pair = command.data, None
        self._response = ciphers.authentication(self._key(self._disperses), command.data)
        return b"", MORE | len(self._response)

    def get_response(self, command: Command) -> Answer:
        """What the last command left to be fetched."""
        response, self._response = self._response, b""
        if not response:
            return b"", Status.CONDITIONS
        return response[: command.length], Status.OK

    def internal_session(self, command: Command) -> Answer:
        """Open a session with a medium: its serial and its random, eight bytes each."""
        if len(command.data) != 2 * FACTOR_BYTES:
            return b"", Status.WRONG_LENGTH
        serial, random = command.data[:FACTOR_BYTES], command.data[FACTOR_BYTES:]
        self.forget()
        pair = ciphers.session_key(self._key(Purpose.CARD), serial)
        self._random, self._pair = serial, ciphers.session_key(pair, random)
        self._challenge = self._draw(FACTOR_BYTES)
        self._response = ciphers.authentication(pair, random) + self._challenge
        return b"", MORE | len(self._response)

    def external_authenticate(self, command: Command) -> Answer:
        """Check the answer to a challenge of eight bytes; the challenge is used up."""
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            return b"", Status.CONDITIONS
        expected = ciphers.authentication(self._key(Purpose.INFRARED), challenge)
        good = ciphers.same(expected, command.data)
        return b"", Status.OK if good else Status.WRONG_MAC

    def _disperse(self, command: Command) -> Answer:
        """P2 03: for remote identification, which begins anew; P2 04: for the infrared port."""
        if command.p2 == Purpose.MONEY:
            self.forget()
        good = command.data == bytes(2) + self._meter_number()
        wanted = Purpose.IDENTITY if command.p2 == Purpose.MONEY else Purpose.INFRARED
        self._disperses = wanted if good else None
        return b"", Status.OK if good else Status.WRONG_DATA

    def _compare(self, command: Command) -> Answer:
        key = self.key(Purpose.READ_BACK)
        if len(command.data) != COMPARE_BYTES:
            return b"", Status.WRONG_LENGTH
        if key is None or self._random is None:
            return b"", Status.CONDITIONS
        nonce = self._random[-ciphers.MAC_BYTES :]
        sealed = ciphers.seal_order(key, nonce, command.header, command.data)
        self._response = sealed[:COMPARE_BYTES]
        return b"", MORE | len(self._response)

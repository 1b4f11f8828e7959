"""A secure element in software as a card in a virtual PC/SC reader: programs see a reader with a card in it.

Source: the protocol of vpcd, the virtual reader of the vsmartcard project: two bytes of length, high byte first, and so many
bytes; one byte is an order to the card (0 off, 1 on, 2 reset, 4 answer to reset), more are a command.
"""

import socket
from contextlib import suppress
from typing import Final

from kwhub.prepay.element.interface import SecureElement

__all__ = ["PORT", "VirtualCard"]

PORT: Final = 35_963
"""Where vpcd listens by default."""

_OFF, _ON, _RESET, _ATR = 0, 1, 2, 4
_LENGTH_BYTES = 2


class VirtualCard:
    """Puts an element into a virtual reader.

    Args:
        element: answers.
        host: of vpcd.
        port: of vpcd.

    Raises:
        OSError: there is no virtual reader.
    """

    def __init__(self, element: SecureElement, host: str = "127.0.0.1", port: int = PORT) -> None:
        self._element = element
        self._socket = socket.create_connection((host, port))
        self._atr = element.reset()

    def serve(self) -> None:
        """Answer until the reader, or ``close``, ends it."""
        with suppress(OSError):
            while (message := self._receive()) is not None:
                answer = self._answer(message)
                if answer is not None:
                    self._socket.sendall(len(answer).to_bytes(_LENGTH_BYTES) + answer)

    def close(self) -> None:
        """Take the card out."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) > 1:
            data, status = self._element.transmit(message)
            return data + status.to_bytes(2)
        if message[0] == _ATR:
            return self._atr
        if message[0] in (_OFF, _ON, _RESET):
            self._atr = self._element.reset()
        return None

    def _receive(self) -> bytes | None:
        head = self._exactly(_LENGTH_BYTES)
        return None if head is None else self._exactly(int.from_bytes(head))

    def _exactly(self, length: int) -> bytes | None:
        found = b""
        while len(found) < length:
            # Without this each answer waits for a delayed acknowledgement: 20 commands a second.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._socket.recv(length - len(found))
            if not part:
                return None
            found += part
        return found

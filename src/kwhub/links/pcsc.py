"""A card in a PC/SC reader: an answer to reset, and an exchange of command and answer.

Blocking, because the PC/SC library is; a card answers within milliseconds. What the commands mean is not known here.

Source: ISO/IEC 7816-3 and -4; PC/SC workgroup, part 5, through pyscard.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kwhub.domain.errors import ConfigError, LinkDown

__all__ = ["SCHEME", "Card", "open_card", "reader_names"]

SCHEME = "pcsc:"
_RESET = 1


class Card:
    """One card; ``kwhub.prepay.element.interface.SecureElement`` describes the same two methods.

    Args:
        connection: of pyscard.
        name: of the reader, for messages.
    """

    def __init__(self, connection: Any, name: str) -> None:
        self._connection, self._name = connection, name

    def reset(self) -> bytes:
        """Reset the card. Raises LinkDown: it is gone."""
        try:
            self._connection.reconnect(disposition=_RESET)
            return bytes(self._connection.getATR())
        except _exceptions() as error:
            raise LinkDown(f"{self._name}: {error}") from error

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """Carry out one command: data and status word. Raises LinkDown: the card is gone."""
        try:
            data, first, second = self._connection.transmit(list(apdu))
        except _exceptions() as error:
            raise LinkDown(f"{self._name}: {error}") from error
        return bytes(data), first << 8 | second


def reader_names() -> list[str]:
    """What readers there are. Raises ConfigError: no library; LinkDown: no service."""
    return [str(each) for each in _readers()]


@contextmanager
def open_card(name: str = "") -> Iterator[Card]:
    """The card in the reader whose name begins like this; in the first one that has a card without a name.

    Raises:
        ConfigError: no such reader, or no library.
        LinkDown: no service, or no card.
    """
    found = [each for each in _readers() if str(each).startswith(name)]
    if not found:
        names = ", ".join(reader_names()) or "none"
        raise ConfigError(f"there is no reader {name!r}; there are: {names}")
    trouble: Exception | None = None
    for reader in found:
        connection = reader.createConnection()
        try:
            connection.connect()
        except _exceptions() as error:
            connection.release()
            trouble = error
            continue
        try:
            yield Card(connection, str(reader))
        finally:
            connection.release()
        return
    raise LinkDown(f"no card in {found[0]}: {trouble}")


def _readers() -> list[Any]:
    try:
        from smartcard.System import readers  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("pyscard is not installed: pip install 'kwhub[pcsc]'") from None
    try:
        return list(readers())
    except _exceptions() as error:
        raise LinkDown(f"the PC/SC service does not answer: {error}") from error


def _exceptions() -> tuple[type[Exception], ...]:
    from smartcard.Exceptions import SmartcardException  # noqa: PLC0415 - an extra
    from smartcard.pcsc.PCSCExceptions import BaseSCardException  # noqa: PLC0415 - an extra

    return (SmartcardException, BaseSCardException)

"""What the commands of the counter share: where root keys and media are, and how they are opened."""

import asyncio
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kwhub.domain.errors import ConfigError
from kwhub.headend.vending_keys import Keys, opened_keys
from kwhub.keyring.port import ANSWER_S, Port
from kwhub.links import pcsc
from kwhub.links.address import open_link
from kwhub.prepay.medium_card import ATR, MediumReader
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.medium_interface import Medium
from kwhub.runtime.clock import SystemClock
from kwhub.sim.prepay_file import FileMemory

__all__ = [
    "KeyOption",
    "Keys",
    "MediumOption",
    "open_key_ring",
    "open_keys",
    "open_medium",
    "place_of_keys",
]

_LINK = "link:"
_OPEN_S = 10.0
_SMALLER_BYTES = 512  #: of media from before they kept two readings of the meter

KeyOption = Annotated[
    str | None,
    Parameter(
        name="--root-key",
        help="File with the root keys, mode 0600: lines of a version and 32 hexadecimal digits; or a token, "
        "pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE. "
        "Without it: what the environment variable KWHUB_ROOT_KEY names.",
    ),
]
MediumOption = Annotated[
    str,
    Parameter(
        name="--medium",
        help="Memory of the medium, a file; pcsc:READER for a card in the reader of that name, pcsc: for any; or "
        "link:ADDRESS for a key-ring on a line of its own, such as link:serial:/dev/ttyACM0 (USB).",
    ),
]


def place_of_keys(named: str | None) -> str:
    """What names the root keys. Raises ConfigError when nothing does."""
    found = named or os.environ.get("KWHUB_ROOT_KEY")
    if not found:
        raise ConfigError("give --root-key, or name the keys in KWHUB_ROOT_KEY")
    return found


@contextmanager
def open_keys(named: str | None) -> Iterator[Keys]:
    """Root keys from a file, or in a token. Raises ConfigError, LocalError: as both."""
    with opened_keys(place_of_keys(named)) as keys:
        yield keys


@contextmanager
def open_medium(place: str, *, blank: bool = False) -> Iterator[Medium]:
    """A medium in a file, as a card in a reader, or a key-ring on a link.

    Raises:
        ConfigError: there is none, unless it may be blank; or as ``open_card``.
        LinkDown: as ``open_card``, ``open_key_ring``.
    """
    if place.startswith(pcsc.SCHEME):
        with pcsc.open_card(place.removeprefix(pcsc.SCHEME)) as card:
            yield MediumReader(card)
        return
    if place.startswith(_LINK):
        with open_key_ring(place.removeprefix(_LINK)) as card:
            yield MediumReader(card)
        return
    if not (blank or Path(place).is_file()):
        raise ConfigError("there is no such medium: issue one first", file=place)
    memory = FileMemory(Path(place), MEDIUM_BYTES, _SMALLER_BYTES)
    try:
        yield MediumElement(memory, secrets.token_bytes)
    finally:
        memory.close()


class _KeyRingCard:
    """A key-ring as a ``SecureElement``: every command waits for its answer.

    The link lives on a loop of a thread of its own, so that it may be used from inside another loop, too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, port: Port) -> None:
        self._loop, self._port = loop, port

    def reset(self) -> bytes:
        """The same card goes on."""
        return ATR

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """See ``SecureElement``. Raises NoAnswer, LinkDown."""
        asked = asyncio.run_coroutine_threadsafe(self._port.transmit(apdu), self._loop)
        return asked.result(2 * ANSWER_S)


@contextmanager
def open_key_ring(address: str) -> Iterator[_KeyRingCard]:
    """The element of a key-ring on a link. Raises ConfigError, LinkDown: the link cannot be opened."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="key-ring", daemon=True)
    thread.start()
    try:
        opening = asyncio.run_coroutine_threadsafe(open_link(address, clock=SystemClock()), loop)
        link = opening.result(_OPEN_S)
        try:
            yield _KeyRingCard(loop, Port(link))
        finally:
            asyncio.run_coroutine_threadsafe(link.aclose(), loop).result(_OPEN_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

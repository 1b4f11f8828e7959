"""The stack's host behind the house's rules: its errors, its adapters, and what it lacks.

Mended here, because it is wrong with real controllers too: while a node connects outward, an incoming
link was taken for the outgoing one; a bonded slave that is away was waited for without end.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from bumble import hci
from bumble.att import ATT_Error
from bumble.core import BaseBumbleError, CommandTimeoutError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport import open_transport

from kwhub.bluetooth.air import air_named
from kwhub.bluetooth.hci_socket import SCHEME, open_hci_socket
from kwhub.bluetooth.words import ENDED, NO_ANSWER, TROUBLES, in_words
from kwhub.domain.errors import ConfigError, LinkDown, LinkError

__all__ = [
    "ADAPTERS",
    "EXAMPLES",
    "INCOMING",
    "IN_PROCESS",
    "Adapter",
    "BondLost",
    "NotPaired",
    "StationDevice",
    "as_link_errors",
    "canonical",
    "end",
    "make_device",
    "open_adapter",
    "peer_text",
    "to_address",
]

INCOMING = "incoming_connection"
"""Event of a `StationDevice`: a master has connected."""

logging.getLogger("bumble").setLevel(logging.CRITICAL)
# What matters is raised or told; the rest would be a traceback for each packet of an intruder.

IN_PROCESS = "air:"
HEX = frozenset("0123456789ABCDEF")
PUBLIC = "P"
ADAPTERS = ("usb:", "serial:", "hci-socket:", "tcp-client:", "unix-client:", "ws-client:", "pty:")
EXAMPLES = "usb:0; serial:/dev/ttyACM0,1000000; hci-socket:0; tcp-client:127.0.0.1:6402; air:lab"
OPEN_S = 10.0
ENDED_BY_US = hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR


class NotPaired(LinkError):
    """There is no bond with the device, and nothing may pass without one."""


class BondLost(LinkError):
    """The device at this address no longer knows us: it was reset, or is another one.

    Attributes:
        address: of the device.
    """

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} has lost its bond: it was reset or replaced; "
            "confirm its number and pair again (kwhub ble pair --replace)"
        )
        self.address = address


@contextmanager
def as_link_errors(what: str) -> Iterator[None]:
    """Turn the errors of the stack into LinkDown.

    The stack cancels whoever waits when a link ends; that is told apart from a true cancellation. And
    it waits in a way that forgets a true one when the answer comes in the same moment (Python 3.11,
    ``asyncio.wait_for``), so that one is looked for at the end.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        yield
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling() > before:
            raise
        raise LinkDown(f"{what}: {ENDED}") from error
    except (BaseBumbleError, ATT_Error, TimeoutError, AssertionError, OSError) as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise LinkDown(f"{what}: {_words(error)}") from error
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


def _words(error: Exception) -> str:
    """What is the matter, for people."""
    if isinstance(error, TimeoutError | BumbleTimeout | CommandTimeoutError):
        return NO_ANSWER
    name = str(getattr(error, "error_name", ""))
    return in_words(name) if name in TROUBLES else str(error) or type(error).__name__


class _StationHost(Host):
    """Outlives what its adapter and strangers do.

    Each of the transfers of a USB dongle says that it is gone; once is enough. What makes no sense to the
    stack ends nothing and is told, less and less often.
    """

    _is_lost = False
    _senseless = 0

    def on_packet(self, packet: bytes) -> None:
        """Take a packet of the adapter."""
        try:
            super().on_packet(packet)
        except Exception as error:  # noqa: BLE001 - whatever the stack stumbles over
            self._senseless += 1
            if self._senseless.bit_count() == 1:  # 1, 2, 4, 8...
                structlog.get_logger("kwhub.bluetooth").warning(
                    "a packet that makes no sense", error=repr(error), so_many=self._senseless
                )

    def on_transport_lost(self) -> None:
        """End all links."""
        if self._is_lost:
            return
        self._is_lost = True
        if self.pending_response is not None and self.pending_response.done():
            self.pending_response = None  # it was called off, and takes no answer
        super().on_transport_lost()  # type: ignore[no-untyped-call]


class StationDevice(Device):
    """A device of the stack whose incoming links are never taken for outgoing ones."""

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """Give incoming links an event of their own."""
        if event == self.EVENT_CONNECTION and args[0].role == hci.Role.PERIPHERAL:
            event = INCOMING
        return super().emit(event, *args, **kwargs)

    async def find_peer_by_identity_address(self, identity_address: hci.Address) -> hci.Address:
        """Slaves keep their address; the stack would look for a changing one, and for ever."""
        return identity_address

    @property
    def connect_own_address_type(self) -> hci.OwnAddressType:
        """Of outgoing links; always the same, so that a late one finds it too."""
        return hci.OwnAddressType.RANDOM

    @connect_own_address_type.setter
    def connect_own_address_type(self, _value: object) -> None:
        """The stack sets and forgets it."""


@dataclass(slots=True)
class Adapter:
    """A controller that was opened: real or virtual.

    Attributes:
        gone: resolves when the controller went away.
        transport: of the stack, where it has made one.
    """

    source: Any
    sink: Any
    _close: Callable[[], Any]
    gone: asyncio.Future[Any] | None = None
    transport: Any = None

    @property
    def is_gone(self) -> bool:
        """Whether it went away; it would answer nothing any more."""
        return self.gone is not None and self.gone.done()

    async def aclose(self) -> None:
        """Give the controller back."""
        try:
            closing = self._close()
            if closing is not None:
                await closing
        except Exception:  # each kind of transport has errors of its own
            if not self.is_gone:
                raise
            self._release()

    def _release(self) -> None:
        """What a dongle held that was pulled out: the stack stops at the first part that is not there."""
        for name in ("device", "context"):
            part = getattr(self.transport, name, None)
            if part is not None:
                part.close()


async def open_adapter(text: str) -> Adapter:
    """Open a controller.

    Args:
        text: ``air:NAME`` for a virtual one inside this process, or what the stack takes, such as
            ``usb:0``, ``serial:/dev/ttyACM0,1000000``, ``hci-socket:0``, ``tcp-client:HOST:PORT``.

    Raises:
        ConfigError: it is none of these.
        LinkDown: it cannot be opened now.
    """
    if text.startswith(IN_PROCESS):
        controller = air_named(text.removeprefix(IN_PROCESS)).controller()
        return Adapter(controller, controller, controller.unplug)
    if not text.startswith(ADAPTERS):
        raise ConfigError(f"is no Bluetooth adapter; such are: {EXAMPLES}", key=f"adapter {text!r}")
    if text.startswith(SCHEME):
        door = open_hci_socket(text)
        return Adapter(door, door, door.aclose, door.terminated)
    try:
        async with asyncio.timeout(OPEN_S):
            transport = await open_transport(text)
    except ValueError as error:
        raise ConfigError(
            f"is incomplete; such are: {EXAMPLES}", key=f"adapter {text!r}"
        ) from error
    except Exception as error:  # each kind of transport has errors of its own
        raise LinkDown(f"adapter {text}: {_words(error)}") from error
    gone = getattr(transport.source, "terminated", None)
    return Adapter(transport.source, transport.sink, transport.close, gone, transport)


def to_address(text: str) -> hci.Address:
    """An address as printed on a device.

    With ``/P`` behind it, it is a public one. Without, it is a static random one where it can be,
    which is to say where its two highest bits are set.

    Raises:
        ConfigError: it is none.
    """
    plain, slash, kind = text.upper().partition("/")
    parts = plain.split(":")
    is_hex = all(len(part) == 2 and not set(part) - HEX for part in parts)
    if len(parts) != 6 or not is_hex or (slash and kind != PUBLIC):
        raise ConfigError(
            "a Bluetooth address is six bytes, such as F0:12:34:56:78:9A, with /P when it is public",
            key=text,
        )
    is_random = not slash and int(parts[0], 16) >> 6 == 0b11
    return hci.Address(
        plain,
        hci.Address.RANDOM_DEVICE_ADDRESS if is_random else hci.Address.PUBLIC_DEVICE_ADDRESS,
    )


def canonical(text: str) -> str:
    """An address as it is compared and stored: capital letters, ``/P`` behind a public one.

    Raises:
        ConfigError: it is none.
    """
    return str(to_address(text))


def make_device(name: str, address: str, irk: bytes, adapter: Adapter) -> StationDevice:
    """A host for a controller; not switched on yet."""
    config = DeviceConfiguration(name=name, address=to_address(address), irk=irk)
    return StationDevice(config=config, host=_StationHost(adapter.source, adapter.sink))


def peer_text(connection: Connection) -> str:
    """The address of the other end of a link."""
    return str(connection.peer_address)


async def end(connection: Connection, reason: int = ENDED_BY_US) -> None:
    """End a connection if it is still there."""
    if connection.device.connections.get(connection.handle) is not connection:
        return
    try:
        with as_link_errors("ending a link"):
            await connection.disconnect(hci.HCI_ErrorCode(reason))
    except LinkDown:
        pass  # it ended by itself

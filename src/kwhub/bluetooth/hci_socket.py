"""``hci-socket:0``: a controller that the Linux kernel drives, taken for this process alone.

Made here, for the stack's own needs a Python that was built with the headers of BlueZ (most are not),
does not notice that the adapter was pulled out, and loses a packet when the kernel is busy.
"""

import asyncio
import ctypes
import errno
import os
import socket
import struct
import sys
from collections import deque

from bumble.transport.common import BaseSource

from kwhub.domain.errors import ConfigError, LinkDown

__all__ = ["SCHEME", "HciSocket", "open_hci_socket"]

SCHEME = "hci-socket:"

AF_BLUETOOTH, BTPROTO_HCI, USER_CHANNEL = 31, 1, 1
"""Source: Linux, include/linux/socket.h, include/net/bluetooth/bluetooth.h and hci_sock.h."""

NUMBER_MAX = 0xFFFE
"""The highest number of an adapter; one more stands for none."""

PACKET_BYTES_MAX = 4_096
TROUBLES = {
    errno.ENODEV: "there is no such adapter",
    errno.EBUSY: "it is in use; take it down (hciconfig hci{number} down) and end bluetoothd",
    errno.EALREADY: "it is in use by another process",
    errno.EPERM: "it needs the right CAP_NET_ADMIN",
    errno.EACCES: "it needs the right CAP_NET_ADMIN",
    errno.EAFNOSUPPORT: "this system has no Bluetooth (modprobe bluetooth)",
    errno.ERFKILL: "it is blocked (rfkill unblock bluetooth)",
}
"""What the kernel's refusals mean, for people."""


class HciSocket(BaseSource):
    """The kernel's door to one adapter: source and sink of packets for the stack's host."""

    def __init__(self, door: socket.socket) -> None:
        """Read from an open door from now on."""
        super().__init__()
        self._door = door
        self._waiting: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(door, self._come)

    def on_packet(self, packet: bytes) -> None:
        """Send a packet; in order, also when the kernel takes no more in this moment."""
        self._waiting.append(packet)
        if len(self._waiting) == 1:
            self._go()

    async def aclose(self) -> None:
        """Give the adapter back."""
        self._leave()
        self._door.close()

    def _come(self) -> None:
        try:
            packet = self._door.recv(PACKET_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:  # it was pulled out
            packet = b""
        if not packet:
            self._lose()
        elif self.sink is not None:
            self.sink.on_packet(packet)

    def _go(self) -> None:
        try:
            while self._waiting:
                self._door.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._door, self._go)
            return
        except OSError:  # the kernel tells it once only: to who reads or to who writes
            self._lose()
        else:
            self._loop.remove_writer(self._door)

    def _lose(self) -> None:
        self._waiting.clear()
        self._leave()
        if not self.terminated.done():
            self.on_transport_lost()

    def _leave(self) -> None:
        if self._door.fileno() >= 0:
            self._loop.remove_reader(self._door)
            self._loop.remove_writer(self._door)


def open_hci_socket(text: str) -> HciSocket:
    """Take an adapter from the kernel.

    Args:
        text: ``hci-socket:0``; without a number, the first.

    Raises:
        ConfigError: that is no number of an adapter.
        LinkDown: there is none, or it cannot be had.
    """
    wanted = text.removeprefix(SCHEME) or "0"
    if not wanted.isdecimal() or int(wanted) > NUMBER_MAX:
        raise ConfigError(
            "has no number of an adapter, as in hci-socket:0", key=f"adapter {text!r}"
        )
    if sys.platform != "linux":
        raise LinkDown(f"adapter {text}: only Linux has such adapters")
    number = int(wanted)
    door = None
    try:
        door = socket.socket(AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_NONBLOCK, BTPROTO_HCI)
        _bind(door, number)
    except OSError as error:
        if door is not None:
            door.close()
        words = TROUBLES.get(error.errno or 0, os.strerror(error.errno or 0))
        raise LinkDown(f"adapter {text}: {words.format(number=number)}") from error
    return HciSocket(door)


def _bind(door: socket.socket, number: int) -> None:
    """Python knows such an address only where it was built with the headers of BlueZ. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    address = struct.pack("=HHH", AF_BLUETOOTH, number, USER_CHANNEL)
    if library.bind(door.fileno(), address, len(address)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

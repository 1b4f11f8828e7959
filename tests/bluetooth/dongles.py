"""Controllers of an air behind the wires of this machine: plugged in, and pulled out again.

A TCP port and a serial line are there everywhere. The kernel's own driver (``hci-socket:``) needs its module
hci_vhci, USB its modules dummy_hcd and usb_f_fs, and both need root.
"""

import asyncio
import os
import tty
from contextlib import suppress
from pathlib import Path

from bumble.transport.common import StreamPacketSink, StreamPacketSource

from kwhub.bluetooth.air import AirServer

VHCI = Path("/dev/vhci")
VENDOR, PRIMARY = 0xFF, 0x00
"""What the kernel is told to make of whoever opens its door for virtual controllers.  Source: hci_vhci.c."""

PACKET_BYTES_MAX = 4_096


class TcpDongle:
    """A port of this machine."""

    def __init__(self, air, _folder):
        self._server, self._port = AirServer(air), 0

    async def plug(self):
        await self._server.open(self._port)
        self._port = int(self._server.adapter.rpartition(":")[2])
        self.adapter = self._server.adapter

    async def pull(self):
        await self._server.aclose()


class SerialDongle:
    """A controller with HCI over UART: what is written to it comes in at the other end of a pseudo terminal."""

    def __init__(self, air, folder):
        self._air, self._name = air, folder / "ttyACM0"
        self.adapter = f"serial:{self._name},1000000"

    async def plug(self):
        near, self._far = os.openpty()
        tty.setraw(self._far)
        self._name.symlink_to(os.ttyname(self._far))
        self._controller = self._air.controller()
        loop = asyncio.get_running_loop()
        source = StreamPacketSource()
        source.set_packet_sink(self._controller)
        reading = os.fdopen(near, "rb", buffering=0)
        self._reading, _ = await loop.connect_read_pipe(lambda: source, reading)
        writing = os.fdopen(os.dup(near), "wb", buffering=0)
        self._writing, _ = await loop.connect_write_pipe(asyncio.Protocol, writing)
        self._controller.host = StreamPacketSink(self._writing)

    async def pull(self):
        self._name.unlink()
        self._controller.unplug()
        self._reading.close()
        self._writing.abort()
        os.close(self._far)


class KernelDongle:
    """A controller that the kernel drives; ``hci-socket:`` takes it from there."""

    def __init__(self, air, _folder):
        self._air = air

    @staticmethod
    def is_possible():
        return os.access(VHCI, os.W_OK)

    async def plug(self):
        self._wire = os.open(VHCI, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._wire, bytes([VENDOR, PRIMARY]))
        self._controller = self._air.controller()
        self._controller.host = self
        number = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._wire, self._come, number)
        self.adapter = f"hci-socket:{await number}"

    def _come(self, number):
        with suppress(BlockingIOError):
            data = os.read(self._wire, PACKET_BYTES_MAX)
            if data[0] == VENDOR:
                number.set_result(int.from_bytes(data[2:4], "little"))
            else:
                self._controller.on_packet(data)

    def on_packet(self, packet):
        os.write(self._wire, packet)

    async def pull(self):
        asyncio.get_running_loop().remove_reader(self._wire)
        self._controller.unplug()
        os.close(self._wire)

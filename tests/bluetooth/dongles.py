"""Controllers of an air behind the wires of this machine: plugged in, and pulled out again.

A TCP port and a serial line are there everywhere. The kernel's own driver (``hci-socket:``) needs its module
hci_vhci, USB its modules dummy_hcd and usb_f_fs, and both need root.
"""

import asyncio
import os
import queue
import struct
import subprocess
import threading
import tty
from contextlib import suppress
from functools import partial
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


GADGETS = Path("/sys/kernel/config/usb_gadget")
UDC = "dummy_udc.0"
FLAGS = 0x01 | 0x02 | 0x40
"""Full and high speed, and requests to the device too: commands are such.  Source: linux/usb/functionfs.h."""

SETUP, COMMAND_TYPE = 4, 0x20
"""An event of FunctionFS; a class request to the device.  Source: Core 5.4, Vol 4, Part B, 2.2.1."""


def _endpoint(address, attributes, bytes_max, interval):
    return struct.pack("<BBBBHB", 7, 5, address, attributes, bytes_max, interval)


def _descriptors():
    """One interface of a primary controller: events, ACL in and out.  Source: Core 5.4, Vol 4, Part B, 2.1."""
    told = b""
    for bulk_bytes, interval in ((64, 1), (512, 4)):
        told += struct.pack("<9B", 9, 4, 0, 0, 3, 0xE0, 1, 1, 0)
        told += _endpoint(0x81, 3, 16, interval)
        told += _endpoint(0x82, 2, bulk_bytes, 0) + _endpoint(0x03, 2, bulk_bytes, 0)
    return struct.pack("<5I", 3, 20 + len(told), FLAGS, 4, 4) + told


class UsbDongle:
    """A dongle at the emulated port of the kernel; libusb finds it as any other."""

    adapter = "usb:0"

    def __init__(self, air, folder):
        self._air, self._mount = air, folder / "functions"
        self._gadget = GADGETS / "dongle"
        self._going: dict[int, queue.SimpleQueue[bytes]] = {}

    @staticmethod
    def is_possible():
        return os.access(GADGETS, os.W_OK) and Path("/sys/class/udc", UDC).exists()

    def _make(self):
        function = self._gadget / "functions" / "ffs.dongle"
        for each in (
            function,
            self._gadget / "configs" / "c.1",
            self._gadget / "strings" / "0x409",
        ):
            each.mkdir(parents=True)
        values = {"idVendor": 0x1D6B, "idProduct": 0x0246, "bDeviceClass": 0xE0}
        values |= {"bDeviceSubClass": 1, "bDeviceProtocol": 1}
        for name, value in values.items():
            (self._gadget / name).write_text(hex(value))
        (self._gadget / "configs" / "c.1" / "ffs.dongle").symlink_to(function)
        self._mount.mkdir()
        subprocess.run(["mount", "-t", "functionfs", "dongle", self._mount], check=True)

    async def plug(self):
        if not self._gadget.exists():
            self._make()
        loop = asyncio.get_running_loop()
        self._wires = [os.open(self._mount / "ep0", os.O_RDWR)]
        os.write(self._wires[0], _descriptors())
        os.write(self._wires[0], struct.pack("<4I", 2, 16, 0, 0))  # no strings
        self._wires += [os.open(self._mount / f"ep{number}", os.O_RDWR) for number in (1, 2, 3)]
        self._controller = self._air.controller()
        self._controller.host = self
        self._going = {4: queue.SimpleQueue(), 2: queue.SimpleQueue()}
        works = [partial(self._commands, loop), partial(self._data, loop)]
        works += [partial(self._give, 4, 1), partial(self._give, 2, 2)]
        for work in works:
            threading.Thread(target=work, daemon=True).start()
        (self._gadget / "UDC").write_text(UDC)

    def on_packet(self, packet):
        self._going[packet[0]].put(packet[1:])

    def _commands(self, loop):
        with suppress(OSError):
            while event := os.read(self._wires[0], 12):
                kind, length = event[0], int.from_bytes(event[6:8], "little")
                if event[8] == SETUP and kind == COMMAND_TYPE:
                    command = os.read(self._wires[0], length)
                    loop.call_soon_threadsafe(self._controller.on_packet, b"\x01" + command)

    def _data(self, loop):
        with suppress(OSError):
            while data := os.read(self._wires[3], PACKET_BYTES_MAX):
                loop.call_soon_threadsafe(self._controller.on_packet, b"\x02" + data)

    def _give(self, kind, number):
        with suppress(OSError):
            while packet := self._going[kind].get():
                os.write(self._wires[number], packet)

    async def pull(self):
        (self._gadget / "UDC").write_text("\n")
        self._controller.unplug()
        for going in self._going.values():
            going.put(b"")
        for wire in self._wires:
            os.close(wire)

"""The serial face of a node: foreign software sees a port, meters answer through it.

Lines that begin with ``AT`` at the start of a burst are commands; everything else is data. In addressed
transmission a burst begins with the number of the slave (FF for all), and so does each answer.

Source: Ebyte E104-BT5032A manual (addressed, there "format" transmission: at most 243 bytes after the
number; bursts to numbers that nobody has are dropped).
"""

import asyncio
import re

from kwhub.bluetooth.commands import COMMAND_BYTES_MAX, answer_command
from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import Transmission
from kwhub.bluetooth.station import Station
from kwhub.links.base import Inbox, Link, LinkFacts
from kwhub.wire.passing import Passing

__all__ = ["ALL", "BURST_BYTES_MAX", "GAP_S", "SerialFace"]

GAP_S = 0.05
"""A pause of so long ends a burst."""

ALL = 0xFF
BURST_BYTES_MAX = 243
NAME = "serial"
COMMAND = b"AT"
LINE_END = re.compile(rb"\r\n|\r|\n")


class _Data:
    """The data of the serial face as a master's link."""

    def __init__(self, link: Link) -> None:
        self.facts = LinkFacts(link.facts.address)
        self.inbox = Inbox(self._on_room)
        self._link = link
        self._room = asyncio.Event()
        self._room.set()

    def put(self, data: bytes) -> None:
        self.inbox.put(data)
        if self.inbox.full:
            self._room.clear()

    async def room(self) -> None:
        """Wait while there is too much that the node has not read."""
        await self._room.wait()

    def _on_room(self) -> None:
        self._room.set()

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        await self._link.write(data)

    async def aclose(self) -> None:
        self.inbox.close("closed by this side", drop=True)


class SerialFace:
    """Runs a serial link as the face of a node.

    Attributes:
        dropped: bursts to slaves that are not there, or too long.
    """

    def __init__(self, link: Link, node: Node, station: Station) -> None:
        """Make a face; ``link`` stays the caller's to close."""
        self.dropped = 0
        self._ended_by_return = False
        self._link = link
        self._node = node
        self._station = station
        self._data = _Data(link)

    async def run(self) -> None:
        """Work until the link is down.

        Raises:
            LinkDown: the link is down.
        """
        async with asyncio.TaskGroup() as tasks:
            attending = tasks.create_task(self._node.attend(self._data, NAME))
            try:
                await self._listen()
            finally:
                attending.cancel()

    async def _listen(self) -> None:
        held = b""
        while True:
            await self._data.room()
            try:
                async with asyncio.timeout(GAP_S if held else None):
                    held += self._without_end(await self._link.read())
            except TimeoutError:
                held = await self._on_pause(held)
                continue
            held = await self._commands(held)
            if self._is_data(held) and not self._is_addressed:
                self._data.put(held)
                held = b""

    @property
    def _is_addressed(self) -> bool:
        return self._node.settings.transmission is Transmission.ADDRESSED

    @staticmethod
    def _is_data(held: bytes) -> bool:
        return bool(held) and (held[:2].upper() != COMMAND[: len(held[:2])])

    def _without_end(self, heard: bytes) -> bytes:
        """What was heard, without the line feed of a command whose carriage return came before."""
        is_rest, self._ended_by_return = self._ended_by_return and heard[:1] == b"\n", False
        return heard[1:] if is_rest else heard

    async def _commands(self, held: bytes) -> bytes:
        """Carry out the whole command lines that stand in front; return what is left."""
        while held[:2].upper() == COMMAND:
            end = LINE_END.search(held)
            if end is None or end.start() > COMMAND_BYTES_MAX:
                break
            text, rest = held[: end.start()].decode("utf-8", errors="replace"), held[end.end() :]
            self._ended_by_return = end.group() == b"\r" and not rest
            answer = await answer_command(text, self._node, self._station)
            await self._link.write("".join(f"{each}\r\n" for each in answer).encode())
            held = rest
        return held

    async def _on_pause(self, held: bytes) -> bytes:
        """A burst is over: what was not a command is data after all.

        People type slowly, so the beginning of a command is waited for; but a node that is to be
        transparent holds nothing back.
        """
        is_transparent = self._node.settings.inspection is InspectionMode.OFF
        may_wait = self._is_addressed or not is_transparent
        if may_wait and not self._is_data(held) and len(held) <= COMMAND_BYTES_MAX:
            return await self._commands(held + await self._link.read())
        if self._is_addressed:
            await self._addressed(held)
        else:
            self._data.put(held)
        return b""

    async def _addressed(self, burst: bytes) -> None:
        number, data = burst[0], burst[1:]
        ports = self._node.ports
        if len(data) > BURST_BYTES_MAX or (number != ALL and number >= len(ports)):
            self.dropped += 1
            return
        framer = self._node.dialect.framer()
        for each in [*framer.feed(data), *framer.flush()]:
            if not self._node.inspection.lets_pass(each, NAME, from_master=True):
                continue
            request = each if isinstance(each, Passing) else Passing(each.raw)
            for place, port in enumerate(ports):
                if number in (ALL, place):
                    for answer in await self._node.ask(request, NAME, only=port.name):
                        await self._link.write(bytes([place]) + answer.raw)

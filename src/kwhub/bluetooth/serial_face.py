"""The serial face of a node: foreign software sees a port, meters answer through it.

Lines that begin with ``AT`` at the start of a burst are commands; everything else is data. In addressed
transmission a burst begins with the number of the slave (FF for all), and so does each answer.

Several programs may write to it: what one of them gives is not mixed with what another gives, nor are
answers; who writes faster than meters answer is held back.
"""

import asyncio
import re
from functools import partial

from kwhub.bluetooth.bursts import ALL, Bursts, Piece
from kwhub.bluetooth.commands import COMMAND_BYTES_MAX, answer_command
from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import Transmission
from kwhub.bluetooth.station import Station
from kwhub.links.base import Inbox, Link, LinkFacts
from kwhub.wire.passing import Passing

__all__ = ["GAP_S", "WAITING_MAX", "SerialFace"]

GAP_S = 0.05
"""A pause of so long ends a burst."""

WAITING_MAX = 64
"""So many addressed frames wait for their turn; then no more are read from the port."""

NAME = "serial"
COMMAND = b"AT"
LINE_END = re.compile(rb"\r\n|\r|\n")


class _Port:
    """The port itself: one writer at a time, whoever has something to say."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._writing = asyncio.Lock()

    async def write(self, data: bytes) -> None:
        async with self._writing:
            await self.link.write(data)


class _Data:
    """The data of the serial face as a master's link."""

    def __init__(self, port: _Port) -> None:
        self.facts = LinkFacts(port.link.facts.address)
        self.inbox = Inbox(self._on_room)
        self._port = port
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
        await self._port.write(data)

    async def aclose(self) -> None:
        self.inbox.close("closed by this side", drop=True)


class SerialFace:
    """Runs a serial link as the face of a node."""

    def __init__(self, link: Link, node: Node, station: Station) -> None:
        """Make a face; ``link`` stays the caller's to close."""
        self._ended_by_return = False
        self._link = link
        self._node = node
        self._station = station
        self._port = _Port(link)
        self._data = _Data(self._port)
        self._bursts = Bursts(node.dialect)
        self._dropped = 0  # by what cut before the dialect was another
        self._waiting: asyncio.Queue[Piece] = asyncio.Queue(WAITING_MAX)

    @property
    def dropped(self) -> int:
        """Addressed bursts to slaves that are not there, or too long."""
        return self._dropped + self._bursts.dropped

    async def run(self) -> None:
        """Work until the link is down.

        Raises:
            LinkDown: the link is down.
        """
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._node.attend(self._data, NAME)),
                tasks.create_task(self._ask_in_turn()),
            ]
            try:
                await self._listen()
            finally:
                for each in beside:
                    each.cancel()

    async def _listen(self) -> None:
        held = b""
        while True:
            await self._data.room()
            is_inside = bool(held) or self._bursts.is_inside
            try:
                async with asyncio.timeout(GAP_S if is_inside else None):
                    held += self._without_end(await self._link.read())
            except TimeoutError:
                held = await self._on_pause(held)
                continue
            if self._bursts.is_at_start:
                held = await self._commands(held)
            if not self._bursts.is_at_start or self._is_data(held):
                await self._take(held)
                held = b""

    async def _take(self, data: bytes) -> None:
        """Data have come: to be cut by their numbers, or to be passed on."""
        if not self._is_addressed and not self._bursts.is_inside:
            self._data.put(data)
            return
        if self._bursts.dialect is not self._node.dialect and not self._bursts.is_inside:
            self._dropped += self._bursts.dropped
            self._bursts = Bursts(self._node.dialect)
        for piece in self._bursts.feed(data, len(self._node.numbers)):
            await self._waiting.put(piece)

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
            await self._port.write("".join(f"{each}\r\n" for each in answer).encode())
            held = rest
        return held

    async def _on_pause(self, held: bytes) -> bytes:
        """A burst is over: what was not a command is data after all.

        People type slowly, so the beginning of a command is waited for; but a node that is to be
        transparent holds nothing back.
        """
        for piece in self._bursts.flush():
            await self._waiting.put(piece)
        if not held:
            return b""
        is_transparent = self._node.settings.inspection is InspectionMode.OFF
        may_wait = self._is_addressed or not is_transparent
        if may_wait and not self._is_data(held) and len(held) <= COMMAND_BYTES_MAX:
            return await self._commands(held + await self._link.read())
        await self._take(held)
        for piece in self._bursts.flush():
            await self._waiting.put(piece)
        return b""

    async def _ask_in_turn(self) -> None:
        """Put to slaves what was addressed to them, and say what they answer."""
        while True:
            number, found = await self._waiting.get()
            there = {port.name for port in self._node.ports}
            places = self._node.numbers
            only = next((name for name in there if places[name] == number), None)
            if only is None and number != ALL:
                self._dropped += 1
                continue
            if not self._node.inspection.lets_pass(found, NAME, from_master=True):
                refusal = self._node.inspection.refusal(found)
                if refusal is not None and only is not None:
                    await self._give(places, Passing(b""), refusal, only)
                continue
            request = found if isinstance(found, Passing) else Passing(found.raw)
            await self._node.ask(request, NAME, partial(self._give, places, request), only=only)

    async def _give(
        self, places: dict[str, int], request: Passing, answer: Passing, port: str
    ) -> None:
        await self._port.write(bytes([places[port]]) + answer.raw)
        self._node.share(request, answer, port, NAME)

"""``pty:``: a pseudo terminal, so that software which only knows serial ports can talk to us.

The far end is a device file whose path stands in ``path``; other programs open it as if it were a
serial port, may leave, and may come back. ``baud`` is only stated in the facts.
"""

import asyncio
import os
import termios
import tty
from dataclasses import replace

from kwhub.domain.errors import LinkBusy, LinkDown
from kwhub.links.address import LinkAddress
from kwhub.links.base import Inbox, LinkFacts
from kwhub.links.tcp import BAUD_RATES
from kwhub.runtime.clock import Clock

__all__ = ["PtyLink", "open_address"]

READ_BYTES = 65_536
SPEEDS = slice(4, 6)
"""Of the attributes of a terminal: input and output."""
SPEED_OF_NOBODY = termios.B134


class PtyLink:
    """The near end of a pseudo terminal.

    Attributes:
        path: the device file of the far end.
    """

    def __init__(self, facts: LinkFacts) -> None:
        """Make a pseudo terminal.

        Raises:
            LinkDown: the system gives no more of them.
        """
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise LinkDown(f"no pseudo terminal: {error}") from error
        # The far end stays open here too, so that this end lives on when a program closes it.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.facts = replace(facts, address=f"pty:{self.path}")
        self._inbox = Inbox(self._listen)
        self._loop = asyncio.get_running_loop()
        self._writable: asyncio.Future[None] | None = None
        self._open = True
        self._listen()

    async def read(self) -> bytes:
        """See Link."""
        return await self._inbox.read()

    async def write(self, data: bytes) -> None:
        """See Link; waits while the far end has too much unread."""
        rest = memoryview(data)
        while rest:
            if not self._open:
                raise LinkDown(f"{self.facts.address}: closed by this side")
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await self._wait_writable()
            except OSError as error:
                raise LinkDown(f"{self.facts.address}: {error}") from error

    async def aclose(self) -> None:
        """See Link; the far end hears of it as of a device that was unplugged."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._master)
            self._inbox.close(f"{self.facts.address}: closed by this side", drop=True)
            if self._writable is not None and not self._writable.done():
                self._writable.set_result(None)
            self._loop.remove_writer(self._master)
            os.close(self._slave)
            os.close(self._master)

    def _listen(self) -> None:
        self._loop.add_reader(self._master, self._take)

    def _take(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._loop.remove_reader(self._master)
            self._inbox.close(f"{self.facts.address}: {error}")
            return
        self._let_be_set()
        self._inbox.put(data)
        if self._inbox.full:
            self._loop.remove_reader(self._master)

    def _let_be_set(self) -> None:
        """Let the next program that opens the far end find something to set.

        A pseudo terminal has no parity, and the C library takes a wish for one as failed when nothing
        else was to be changed: a program with even parity could open the port only once.
        """
        attributes = termios.tcgetattr(self._slave)
        attributes[SPEEDS] = [SPEED_OF_NOBODY, SPEED_OF_NOBODY]
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)

    async def _wait_writable(self) -> None:
        if self._writable is not None:
            raise LinkBusy("another task is writing to this link")
        self._writable = self._loop.create_future()
        self._loop.add_writer(self._master, self._on_writable)
        try:
            await self._writable
        finally:
            self._writable = None
            if self._open:
                self._loop.remove_writer(self._master)

    def _on_writable(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)


async def open_address(address: LinkAddress, clock: Clock) -> PtyLink:
    """Make a pseudo terminal; ``path`` of the link is what to tell the other program.

    Raises:
        ConfigError: a target or an unknown option was given.
        LinkDown: the system gives no more pseudo terminals.
    """
    del clock
    address.allow("baud")
    if address.target:
        raise address.wrong("pty: takes no target; the system chooses the path")
    baud = address.integer("baud", None, BAUD_RATES)
    return PtyLink(LinkFacts(address.text, baud=baud, half_duplex=True))

"""The terminal as a service: looks at its inputs, keeps its counts, reads the meter on its port, answers handhelds."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from kwhub.catalog.terminal_profile import PORT_CHANNEL, ChannelKind, RoundState
from kwhub.domain.errors import ConfigError, KwhubError, LinkDown
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.links.layers.waking import Dozing
from kwhub.links.tcp_listen import serve
from kwhub.protocols.dlt645 import Asked, Role, Session
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock
from kwhub.runtime.tasks import supervise
from kwhub.terminal.box import Box
from kwhub.terminal.config import Config, LinkSettings, SimulatorSettings, maker, passwords
from kwhub.terminal.countlog import CountLog, FileMedium
from kwhub.terminal.desk import Desk
from kwhub.terminal.guard import Guard
from kwhub.terminal.inputs import Inputs, SimulatedInputs, SimulatedMeter
from kwhub.terminal.memory import TerminalMemory
from kwhub.terminal.port import read_port

__all__ = ["LOOK_S", "Terminal", "open_inputs"]

LOOK_S: Final = 0.1
"""How often the inputs are looked at; the edges carry their own moments."""

_SETTLE_US: Final = 5_000
"""An edge reaches the kernel's buffer a little after its moment; what is younger waits for the next look."""
_US_PER_S: Final = 1_000_000
_LISTENING: Final = ("tcp-listen:", "tls-listen:")
_ROUND_LOOK_S: Final = 1.0


def open_inputs(config: Config, clock: Clock) -> Inputs:
    """The inputs that the settings name.

    Raises:
        ConfigError: a package is missing.
        LinkDown: the lines cannot be had.
    """
    if isinstance(config.inputs, SimulatorSettings):
        load_kw = config.inputs.load_kw
        meters = {
            each.number: SimulatedMeter(each.constant, load_kw * (1 + 0.1 * (each.number - 1)))
            for each in config.channel
            if each.kind == "pulse"
        }
        start_us = int(clock.monotonic() * _US_PER_S)
        return SimulatedInputs(meters, config.inputs.seed, start_us)
    try:
        from kwhub.terminal.gpio import GpioInputs  # noqa: PLC0415 - only where there are such lines
    except ImportError:
        raise ConfigError(
            "'gpiod' needs the package gpiod: pip install 'kwhub[gpio]', or take 'simulator'",
            key="inputs.kind",
        ) from None
    settings = config.inputs
    return GpioInputs(
        settings.chip, settings.lines, active_low=settings.active_low, cover=settings.cover
    )


class Terminal:
    """One terminal with everything that it needs to run.

    Args:
        config: its settings.
        clock: gives the time.
        chance: for pauses before a lost link is opened again.
        inputs: in place of those of the settings.

    Raises:
        ConfigError, LinkDown, MemoryFault, OSError: something that it needs is missing.

    Attributes:
        box: the terminal as a thing.
        ready: told the address of each way that handhelds can call on, once it is open.
    """

    def __init__(
        self, config: Config, clock: Clock, *, chance: Random, inputs: Inputs | None = None
    ) -> None:
        self.config = config
        self.ready: Callable[[str], None] = lambda _address: None
        self._clock = clock
        self._chance = chance
        words = passwords(config)
        self._inputs = open_inputs(config, clock) if inputs is None else inputs
        folder = Path(config.terminal.folder)
        self._medium = FileMedium(folder, alone=True)
        memory = folder / "memory.sqlite"
        memory.touch(mode=0o600)
        self._memory = TerminalMemory(memory)
        true_us = self._true_us()
        box = Box(maker(config, clock.now()), self._memory, CountLog(self._medium), true_us)
        self.box = box
        self._desk = Desk(box, Guard(words, self._memory))
        self._commit_us = self._now_us()
        self._wired: tuple[str, Link] | None = None
        self._cover: bool | None = None
        self._looked_us = self._now_us()
        box.start(self._looked_us, self._inputs.levels(), true_us)

    async def run(self) -> None:
        """Run until cancelled; the counts are durable when it ends."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look())
                if self.config.port is not None:
                    group.create_task(self._port(self.config.port.link))
                for settings in self.config.link:
                    group.create_task(self._serve(settings))
        finally:
            self.power_fails()

    def close(self) -> None:
        """Let go of files and inputs."""
        self._inputs.close()
        self._memory.close()
        self._medium.close()

    def look(self) -> None:
        """Take the edges up to now and do what is due. Raises LinkDown: the inputs are gone."""
        now_us, true_us = max(self._now_us() - _SETTLE_US, self._looked_us), self._true_us()
        late = self._looked_us  # an edge that was told late counts from the look that missed it
        batches = {
            number: (np.maximum(times, late), levels)
            for number, (times, levels) in self._inputs.edges(now_us).items()
        }
        self._looked_us = now_us
        self.box.take(batches, now_us, true_us)
        self.box.missed(self._inputs.lost(), now_us, true_us)
        self._look_at_cover(true_us)
        self.box.tick(true_us)
        if now_us - self._commit_us >= self.config.terminal.commit_ms * 1_000:
            self._commit_us = (
                now_us  # monotonic: a clock that is set back must not stop the commits
            )
            self.box.commit(true_us)

    def _look_at_cover(self, true_us: int) -> None:
        """The cover counts as open, or closed, when two looks say the same: a contact bounces."""
        before, self._cover = self._cover, self._inputs.cover_open()
        if self._cover is not None and self._cover == before:
            self.box.cover(true_us, is_open=self._cover)

    def power_fails(self) -> None:
        """The supply warns, or the service ends: keep what is counted first, then count what has come since and keep it.

        The supply need not hold for more than the first commit: looking at the inputs comes after it.
        """
        self.box.commit(self._true_us())
        with suppress(LinkDown):
            self.look()
        self.box.power_fails(self._true_us())

    async def attend(self, link: Link) -> None:
        """Answer on a link until it is down."""
        session = Session(Role.METER, addresses=self._desk.knows)
        await attend(link, session, self._clock, self._answer)

    def _answer(self, event: Any) -> list[Any]:
        if not isinstance(event, Asked):
            return []
        self.look()
        answer = self._desk.answer(event.request, self._true_us(), self._now_us())
        return [] if answer is None or event.silent else [answer]

    async def _look(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    async def _serve(self, settings: LinkSettings) -> None:
        if settings.address.startswith(_LISTENING):
            server = await serve(
                settings.address,
                lambda link: self.attend(self._dozing(link, settings)),
                self._clock,
            )
            self.ready(server.call_address)
            try:
                await asyncio.Event().wait()
            finally:
                await server.aclose()
        await supervise(lambda: self._attend_one(settings), clock=self._clock, chance=self._chance)

    async def _attend_one(self, settings: LinkSettings) -> None:
        link = await open_link(settings.address, clock=self._clock)
        self.ready(link.facts.address)
        try:
            await self.attend(self._dozing(link, settings))
        finally:
            await link.aclose()
        raise LinkDown(f"{settings.address} went down")

    def _dozing(self, link: Link, settings: LinkSettings) -> Link:
        if not settings.sleeps:
            return link
        return Dozing(
            link,
            self._clock,
            wake_bytes=settings.wake_bytes,
            awake_s=settings.awake_s,
            wakes_an_hour=settings.wakes_an_hour,
        )

    async def _port(self, address: str) -> None:
        """Read the meter on the port at its times, and whenever a round waits for it."""
        due_s = 0.0
        try:
            while True:
                waiting = self.box.round.state is RoundState.RUNNING
                if waiting or self._clock.monotonic() >= due_s:
                    every = 15 if self.config.port is None else self.config.port.every_minutes
                    due_s = self._clock.monotonic() + 60 * every
                    await self._read_port(address)
                await self._clock.sleep(_ROUND_LOOK_S)
        finally:
            await self._close_port()

    async def _read_port(self, address: str) -> None:
        box, meter = self.box, self.box.port
        if meter is None or box.channels[PORT_CHANNEL].settings.kind is not ChannelKind.METER:
            return
        if address.startswith("serial:") and "baud=" not in address:
            joint = "&" if "?" in address else "?"
            address = f"{address}{joint}baud={meter.baud}"
        register = None
        with suppress(KwhubError):
            register = await read_port(await self._port_link(address), meter, self._clock)
        box.port_answered(register, self._true_us())

    async def _port_link(self, address: str) -> Link:
        """The link to the port, opened when it is needed, anew after it failed or for another speed."""
        if self._wired is None or self._wired[0] != address or self.box.port_silent:
            await self._close_port()
            self._wired = address, await open_link(address, clock=self._clock)
        return self._wired[1]

    async def _close_port(self) -> None:
        if self._wired is not None:
            wired, self._wired = self._wired[1], None
            await wired.aclose()

    def _true_us(self) -> int:
        return round(self._clock.now().timestamp() * _US_PER_S)

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * _US_PER_S)

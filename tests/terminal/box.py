"""A terminal on a table: no link, no loop; time is a number, pulses come when a test says so."""

import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from tests.terminal.flash import Flash

from kwhub.domain.machine import Conversation
from kwhub.exchange.terminal_settings import ChannelSettings
from kwhub.protocols.dlt645 import Asked, Authority, Key, Role, Session
from kwhub.terminal.box import Box, Maker
from kwhub.terminal.clockwork import wall_moment
from kwhub.terminal.countlog import CountLog
from kwhub.terminal.desk import Desk
from kwhub.terminal.guard import Guard
from kwhub.terminal.memory import TerminalMemory
from kwhub.testing.pair import Pair

ADDRESS = "000020260700"
WRITER = Authority(Key(4, "271828"), "00000007")
START_US = 1_772_416_800_000_000  # 2026-03-02 10:00:00 in China
S = 1_000_000


class Table:
    """The terminal, its medium and its memory, a person who switches the power, and a handheld."""

    def __init__(self, folder: Path, **maker: Any) -> None:
        settings = ChannelSettings(constant=1_000, current_max_a=Decimal(100))
        maker.setdefault("channels", {1: settings, 2: settings})
        self.maker = Maker(ADDRESS, **maker)
        self.flash = Flash(random.Random(5))
        self.path = folder / "memory.sqlite"
        self.true_us = START_US
        self.levels = 0
        self.power_up()

    def power_up(self) -> None:
        self.memory = TerminalMemory(self.path)
        self.box = Box(self.maker, self.memory, CountLog(self.flash), self.true_us)
        self.box.start(self.now_us, self.levels, self.true_us)
        self.desk = Desk(self.box, Guard({2: "141421", 4: "271828"}, self.memory))
        session = Session(Role.METER, addresses=self.desk.knows)
        self.pair = Pair(Session(Role.MASTER), session, answer=self._answer)

    def power_cut(self, *, warned: bool = True) -> None:
        if warned:
            self.box.power_fails(self.true_us)
        self.memory.close()

    @property
    def now_us(self) -> int:
        return self.true_us - START_US + S

    @property
    def wall(self) -> datetime:
        return wall_moment(self.box.wall_s(self.true_us))

    def wait(self, seconds: float, *, step_s: float = 60) -> None:
        """Let time go by, in steps, as the service does it."""
        end_us = self.true_us + round(seconds * S)
        while self.true_us < end_us:
            self.true_us = min(end_us, self.true_us + round(step_s * S))
            self.box.take({}, self.now_us, self.true_us)
            self.box.tick(self.true_us)
            self.box.commit(self.true_us)

    def pulses(self, channel: int, count: int, *, apart_us: int = 200_000) -> None:
        """Pulses of 30 ms, in time that goes by."""
        starts = self.now_us + apart_us * np.arange(1, count + 1, dtype=np.int64)
        times = np.stack((starts, starts + 30_000), axis=1).ravel()
        self.true_us += apart_us * (count + 1)
        edges = (times, np.arange(len(times)) % 2 == 0)
        self.box.take({channel: edges}, self.now_us, self.true_us)
        self.box.tick(self.true_us)

    def ask(self, conversation: Conversation[Any]) -> Any:
        return self.pair.run(conversation)

    def _answer(self, event: Any) -> list[Any] | None:
        if not isinstance(event, Asked):
            return None
        answer = self.desk.answer(event.request, self.true_us, self.now_us)
        return [] if answer is None or event.silent else [answer]

"""Processes that share one virtual time: it moves on when all of them wait and nothing is on its way.

Each process is one that was forked, with an event loop, a host and keys of its own; all they have in
common is the sockets between them and a line to the conductor. A process that has nothing to do says
until when; when all have, each is asked whether it still is so. Between the first saying and the second
there was a moment in which all of them waited, and what had been sent before that moment had arrived,
since a socket of this machine delivers while it is written to. So nothing is on its way, and time may
go to the earliest of the moments that were said. Everybody hears of the new time before anybody may act
in it: whoever is spoken to by a neighbour looks at a clock that is right.
"""

import asyncio
import json
import math
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import VirtualLoop, _JumpingSelector

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MESSAGE = struct.Struct("<cd")
IDLE, BUSY, POLL, STILL, TIME, GO, RESULT = (bytes([each]) for each in b"IBPSTGR")
WORKING = -math.inf
"""Until when somebody waits who has something to do."""

RESULT_BYTES_MAX = 100_000
STUCK_S = 300.0
"""Of true time: so long nothing may be heard of anybody."""


class _Selector(_JumpingSelector):
    """Waits as the conductor says."""

    def __init__(self, line, now):
        super().__init__()
        self._line = line
        self.register(line, selectors.EVENT_READ)
        self.now = now

    def select(self, timeout=None):
        ready = self._others(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        until = math.inf if timeout is None else self.now + timeout
        self._say(IDLE, until)
        while True:
            self._others(None)
            polled, may_go = self._obey()
            ready = self._others(0)  # sees at last what was sent before the poll
            if ready:
                self._say(BUSY)
            if polled:
                self._say(STILL)
            if ready or (may_go and self.now >= until):
                return ready

    def _others(self, timeout):
        found = self._real.select(timeout)
        return [each for each in found if each[0].fileobj is not self._line]

    def _obey(self):
        """Whether an answer is owed, and whether time goes on from the moment that was waited for."""
        polled = may_go = False
        with suppress(BlockingIOError):
            while True:
                word, moment = MESSAGE.unpack(self._line.recv(MESSAGE.size, socket.MSG_DONTWAIT))
                if word == TIME:
                    self.now = moment
                polled, may_go = polled or word == POLL, may_go or word == GO
        return polled, may_go

    def _say(self, word, value=0.0):
        self._line.send(MESSAGE.pack(word, value))


class _Loop(VirtualLoop):
    def __init__(self, line, now):
        self._jumping = _Selector(line, now)
        asyncio.SelectorEventLoop.__init__(self, self._jumping)


@dataclass
class _Player:
    name: str
    number: int
    line: socket.socket
    until: float = WORKING
    owes: int = 0  # answers to polls


@dataclass
class Conductor:
    """Runs players to their ends.

    Attributes:
        players: name to what it does, ``main(clock)``; it returns what JSON can carry, or dies.
        heirs: who begins in the moment in which somebody has died, by his name.
        results: what they have returned.
        killed: who was killed by a signal, and when.
    """

    players: dict[str, Any]
    heirs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    killed: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    steps: int = 0
    _playing: list[_Player] = field(default_factory=list)
    _in_round: bool = False
    _is_quiet: bool = False

    def run(self):
        """Until everybody has ended. Raises RuntimeError when somebody failed, or all wait in vain."""
        try:
            for name, main in self.players.items():
                self._begin(name, main)
            while self._playing:
                self._listen()
                self._conduct()
        finally:
            for each in self._playing:
                with suppress(ProcessLookupError):
                    os.kill(each.number, signal.SIGKILL)
                os.waitpid(each.number, 0)
                each.line.close()
        return self.results

    def _begin(self, name, main):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = os.fork()
        if number == 0:
            for each in self._playing:
                each.line.close()
            ours.close()
            _play(main, theirs, self.now)
        theirs.close()
        self._playing.append(_Player(name, number, ours))

    def _listen(self):
        with selectors.DefaultSelector() as waiting:
            for each in self._playing:
                waiting.register(each.line, selectors.EVENT_READ, each)
            ready = waiting.select(STUCK_S)
        if not ready:
            raise RuntimeError(f"nothing is heard of {[p.name for p in self._playing]}")
        for key, _ in ready:
            self._hear(key.data)

    def _hear(self, player):
        try:
            data = player.line.recv(RESULT_BYTES_MAX)
        except ConnectionResetError:  # it has died with a poll unread; its last words come next
            return
        if not data:
            self._is_quiet = False
            self._ended(player)
        elif data[:1] == RESULT:
            told = json.loads(data[1:])
            if "error" in told:
                raise RuntimeError(f"{player.name}: {told['error']}")
            self.results[player.name] = told["result"]
        else:
            word, until = MESSAGE.unpack(data)
            if word == STILL:
                player.owes -= 1
            elif word == BUSY:
                player.until, self._is_quiet = WORKING, False
            else:
                player.until = until

    def _ended(self, player):
        code = os.waitstatus_to_exitcode(os.waitpid(player.number, 0)[1])
        player.line.close()
        self._playing.remove(player)
        if code < 0:
            self.killed[player.name] = self.now
        elif player.name not in self.results:
            raise RuntimeError(f"{player.name} has left with {code}")
        if player.name in self.heirs:
            self._begin(*self.heirs.pop(player.name))

    def _conduct(self):
        if not self._playing or any(p.owes or p.until == WORKING for p in self._playing):
            return
        if self._in_round and self._is_quiet:
            self._in_round = False
            self._go()
            return
        self._in_round = self._is_quiet = True
        for each in self._playing:
            each.owes += self._tell(each, POLL, 0.0)

    def _go(self):
        self.now = min(each.until for each in self._playing)
        self.steps += 1
        if self.now == math.inf:
            raise RuntimeError(f"all wait for ever: {[p.name for p in self._playing]}")
        for each in self._playing:
            self._tell(each, TIME, self.now)
        for each in self._playing:
            if each.until <= self.now:
                each.until = WORKING
                self._tell(each, GO, self.now)

    @staticmethod
    def _tell(player, word, moment):
        """Send a word; False to one who was woken by a neighbour and has ended meanwhile: that is still to be heard."""
        try:
            player.line.send(MESSAGE.pack(word, moment))
        except (BrokenPipeError, ConnectionResetError):
            player.until = WORKING
            return False
        return True


def _play(main, line, now):
    """Be a player, from here to the end of this process."""
    code = 70
    try:
        with asyncio.Runner(loop_factory=lambda: _Loop(line, now)) as runner:

            async def go():
                return await main(LoopClock(START + timedelta(seconds=now)))

            told = {"result": runner.run(go())}
            line.send(RESULT + json.dumps(told).encode())
            code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the conductor tells it
        line.send(RESULT + json.dumps({"error": traceback.format_exc()[-8_000:]}).encode())
    finally:
        sys.stderr.flush()
        os._exit(code)


def perish():
    """kill -9 of this process, by itself."""
    os.kill(os.getpid(), signal.SIGKILL)


def report(conductor):
    """Run it, and tell everything as one line on standard output, for the test that has begun this."""
    began = time.monotonic()
    results = conductor.run()
    took = {"took_s": round(time.monotonic() - began, 1), "steps": conductor.steps}
    sys.stdout.write(json.dumps({"results": results, "killed": conductor.killed, **took}) + "\n")

"""Commands of kwhub as processes of their own, forked from one that has imported them already."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

from kwhub.bluetooth.air import Air, AirServer

SERVE = "from tests.bluetooth.processes import serve; serve({handle})"
PATIENCE_S = 60.0
"""Longest wait for a line of a process; the machine may be busy."""


def serve(handle):
    """Fork a command for each message; answer with its number. ``wait`` answers with its exit code."""
    from kwhub.cli.app import run

    with socket.socket(fileno=handle) as line:
        while True:
            data, handles, _, _ = socket.recv_fds(line, 65_536, 3)
            if not data:
                return
            words = json.loads(data)
            if words[0] == "wait":
                code = os.waitstatus_to_exitcode(os.waitpid(words[1], 0)[1])
                line.send(json.dumps(code).encode())
                continue
            number = os.fork()
            if number == 0:
                line.close()
                for place, each in enumerate(handles):
                    os.dup2(each, place)
                os.closerange(3, 64)
                _be(run, words)
            for each in handles:
                os.close(each)
            line.send(json.dumps(number).encode())


def _be(run, words):
    code = 70
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in front, wherever the tests run
    try:
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        code = run(words)
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Command:
    """A command that runs; its standard input, output and error are pipes."""

    def __init__(self, line, words):
        (inside, self.keyboard), (self.out, out), (self.err, err) = (os.pipe() for _ in range(3))
        self._line = line
        self._held = {self.out: b"", self.err: b""}
        socket.send_fds(line, [json.dumps(words).encode()], [inside, out, err])
        self.number = json.loads(line.recv(100))
        self.code = None
        for each in (inside, out, err):
            os.close(each)

    def said(self, until, *, where=None):
        """What comes on standard output (or error) up to some words, these included."""
        end = self.out if where is None else where
        limit = time.monotonic() + PATIENCE_S
        while until.encode() not in self._held[end]:
            ready, _, _ = select.select([end], [], [], max(0.0, limit - time.monotonic()))
            piece = os.read(end, 65_536) if ready else b""
            assert piece, f"{until!r} did not come; {self._held}, exit code {self.wait()}"
            self._held[end] += piece
        before, found, self._held[end] = self._held[end].partition(until.encode())
        return (before + found).decode()

    def line(self):
        """The next line as data."""
        return json.loads(self.said("\n"))

    def asks(self, until):
        """The same of what is put to a person, on standard error."""
        return self.said(until, where=self.err)

    def type(self, text):
        """Answer it."""
        os.write(self.keyboard, f"{text}\n".encode())

    def rest(self):
        """All that comes until it ends, and its exit code."""
        told = self._held[self.out]
        while piece := os.read(self.out, 65_536):
            told += piece
        return told.decode(), self.wait()

    def complaint(self):
        """What it has said on standard error, once it has ended."""
        return os.read(self.err, 65_536).decode()

    def wait(self):
        """Until it has ended; its exit code, negative when a signal ended it."""
        if self.code is None:
            self._line.send(json.dumps(["wait", self.number]).encode())
            self.code = json.loads(self._line.recv(100))
        return self.code

    def kill(self):
        """kill -9, and wait until it is gone."""
        if self.code is None:
            os.kill(self.number, signal.SIGKILL)
            self.wait()


@contextmanager
def forking():
    """Gives ``start(*words)``; what was started is killed at the end."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", SERVE.format(handle=theirs.fileno())]
    started = []

    def start(*words):
        started.append(Command(ours, words))
        return started[-1]

    with subprocess.Popen(command, pass_fds=[theirs.fileno()]):
        theirs.close()
        try:
            yield start
        finally:
            for each in started:
                each.kill()
                for end in (each.keyboard, each.out, each.err):
                    os.close(end)
            ours.close()


@contextmanager
def open_air():
    """An air for processes, in a thread of this one; gives their adapter."""
    ready: list[str] = []
    begun, over = threading.Event(), threading.Event()

    async def main():
        server = AirServer(Air())
        await server.open(0)
        ready.append(server.adapter)
        begun.set()
        await asyncio.to_thread(over.wait)
        await server.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    begun.wait()
    try:
        yield ready[0]
    finally:
        over.set()
        thread.join()

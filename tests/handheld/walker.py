"""A handheld as a process that can be killed: a parent that has everything loaded makes one for each line it is given.

A device begins with what stands on its disk (``stands``), tells each visit when it is kept (``kept``), and delivers
in between; ``done`` when no work is left. One that is to be killed waits for that at its end.
"""

import asyncio
import json
import os
import selectors
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.handheld.world import made
from tests.identity.field import START

from kwhub.domain.errors import LinkDown, NoAnswer
from kwhub.exchange.read import read_registers
from kwhub.handheld.app import Device
from kwhub.handheld.line import Line
from kwhub.handheld.visiting import DEFAULT_REGISTERS
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.device import serve_meters

FASTER = 12
"""Times out of lost answers get shorter by so much; a busy machine makes more of them, which is only a worse radio."""

DELIVER_EVERY = 3


class _FastSelector(selectors.DefaultSelector):
    def select(self, timeout=None):
        return super().select(None if timeout is None else timeout / FASTER)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop on which time runs faster."""

    def __init__(self):
        super().__init__(_FastSelector())

    def time(self):
        return super().time() * FASTER


class FastClock(SystemClock):
    """Time that runs faster from a moment on, the same in every process."""

    def __init__(self, origin_s):
        self.origin_s = origin_s

    def monotonic(self):
        return super().monotonic() * FASTER

    def now(self):
        true_s = super().now().timestamp()
        return datetime.fromtimestamp(self.origin_s + (true_s - self.origin_s) * FASTER, UTC)


def run(main):
    """Run a coroutine on fast time."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(main)


def say(word, what=None):
    os.write(1, f"{json.dumps([word, what])}\n".encode())


async def live(folder, origin_s, pin):
    """Everything from switching on to the end of the work."""
    chance = seeded(int.from_bytes(os.urandom(8)))
    device = Device(Path(folder), FastClock(origin_s), chance)
    tasks = device.sign_in(pin)
    places = tuple(place for choice in tasks.choices("order") for place in choice.places)
    say("stands", [each.meter for each in places if tasks.visit(each).read_at is not None])
    while tasks.orders() and tasks.progress(places).read < len(places):
        count = 0
        async for visit in tasks.collect(places):
            if visit.read_at is not None:
                say("kept", visit.place.meter)
            count += 1
            if count % DELIVER_EVERY == 0:
                with suppress(LinkDown, NoAnswer):
                    await tasks.delivery.deliver()
    while tasks.orders():
        try:
            await tasks.delivery.synchronise()
        except (LinkDown, NoAnswer):
            await device.clock.sleep(1)
    await device.sign_out()
    say("done")


def warm_up():
    """Read a simulated meter once: what is loaded or worked out at first use is there for every child."""
    import_module("kwhub.links.tcp")

    async def read(clock):
        near, far = pair()
        served = asyncio.create_task(serve_meters(far, [made(1)], clock))
        (answer,) = await Line(near, clock).run(read_registers("202611200001", DEFAULT_REGISTERS))
        served.cancel()
        return answer

    run_virtual(read, start=START)


def main(folder, origin_s, pin):
    warm_up()
    for word in sys.stdin:
        child = os.fork()
        if not child:
            run(live(folder, float(origin_s), pin))
            while word.strip() == "until killed":
                signal.pause()
            os._exit(0)
        say("pid", child)
        say("gone", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])

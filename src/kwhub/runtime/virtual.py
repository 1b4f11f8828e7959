"""An asyncio loop that never waits: when nothing is ready, its clock moves to the next timer.

Everything that runs on it must live inside the process (memory links, no sockets and no threads):
then a run is a pure function of the code and the seed, and a simulated week takes seconds.
"""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, TypeVar

from kwhub.runtime.clock import LoopClock

__all__ = ["Deadlock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits for another: nothing is ready and no timer is armed."""


class _JumpingSelector(selectors.BaseSelector):
    """Instead of waiting for ``timeout`` seconds, moves the clock forward by as much."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is armed: every task waits for another")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now

    @property
    def _clock_resolution(self) -> float:
        """How far past now asyncio looks for due timers: to the next number, so it never fires early.

        A fixed nanosecond, as for real clocks, is lost in rounding after 97 days of virtual time,
        and no timer would ever be due again.
        """
        return math.ulp(self._jumping.now)

    @_clock_resolution.setter
    def _clock_resolution(self, _of_a_real_clock: float) -> None:
        """Asyncio sets it once, for the clock of the machine."""


def run_virtual(main: Callable[[LoopClock], Coroutine[Any, Any, T]], *, start: datetime) -> T:
    """Run ``main(clock)`` to its end on virtual time.

    Args:
        main: gets the clock that everything else must be given.
        start: aware wall time at which the clock starts.

    Raises:
        Deadlock: all tasks wait and no timer is armed.
    """

    async def go() -> T:
        return await main(LoopClock(start))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(go())

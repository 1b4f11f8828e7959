"""How many requests one session, key or address may send: a bucket of tokens for each."""

from collections import OrderedDict

from kwhub.runtime.clock import Clock

__all__ = ["BUCKETS_MAX", "Rates"]

BUCKETS_MAX = 20_000
"""Buckets that are remembered; who was not heard of for longest is forgotten first, and begins anew."""


class Rates:
    """Buckets that refill steadily.

    Attributes:
        per_s: requests a second in the long run; may be changed.
        burst: requests at once; may be changed.
    """

    def __init__(self, clock: Clock, per_s: float, burst: int) -> None:
        """Allow ``burst`` requests at once and ``per_s`` a second in the long run."""
        self._clock = clock
        self.per_s = per_s
        self.burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> int:
        """Take a token from a bucket: 0 when there was one, else whole seconds until there is."""
        now = self._clock.monotonic()
        tokens, last = self._buckets.pop(name, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - last) * self.per_s)
        wait = 0 if tokens >= 1 else int((1 - tokens) / self.per_s) + 1
        self._buckets[name] = (tokens - (0 if wait else 1), now)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return wait

"""Reporting as it happens: while there is a way to the head-end, readings go as they are taken, and new work comes by itself.

Off-line they wait in the book; the same upload goes again, word by word, until it is taken (``delivery``), so that it makes
no difference who delivers when. Work is never finished from here: that stays with whoever synchronises, so that meters
do not vanish from a round that somebody looks at.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from kwhub.domain.errors import KwhubError, LinkError, LocalError, NoAnswer, Refusal
from kwhub.handheld.delivery import Delivery
from kwhub.handheld.identity import Identity
from kwhub.runtime.clock import Clock

__all__ = ["FETCH_S", "RETRY_S_MAX", "Reach", "Reporter"]

LOOK_S: Final = 1.0
"""How often it looks whether something waits."""

FETCH_S: Final = 60.0
"""How often it asks for new work, and hears of what was recalled, while the head-end is in reach."""

RETRY_S: Final = 5.0
RETRY_S_MAX: Final = 60.0
"""Pauses when it is out of reach: the first one, and the longest."""


class Reach(StrEnum):
    """How things stand with the head-end."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    OFFLINE = "offline"
    REFUSED = "refused"


class Reporter:
    """Reports for one device while ``run`` is running.

    Attributes:
        reach: how things stand.
        trouble: why nothing could be delivered, the last time; None: it could.
        told: called after each try that brought something, or changed how things stand.
    """

    def __init__(self, delivery: Delivery, identity: Identity, clock: Clock) -> None:
        """Take what is needed; nothing runs yet."""
        self.reach = Reach.UNKNOWN
        self.trouble: KwhubError | None = None
        self.told: Callable[[], None] = lambda: None
        self._delivery = delivery
        self._identity = identity
        self._clock = clock
        self._retry_s = RETRY_S

    async def run(self) -> None:
        """Report until cancelled, or until the head-end has sent the device away."""
        look_at = fetch_at = self._clock.monotonic()
        while not self._identity.state.closed:
            now = self._clock.monotonic()
            is_due = self._delivery.waiting > 0 or now >= fetch_at
            if now >= look_at and is_due:
                is_fetching = now >= fetch_at
                if await self._try(fetch=is_fetching):
                    self._retry_s = RETRY_S
                    fetch_at = self._clock.monotonic() + FETCH_S if is_fetching else fetch_at
                else:
                    look_at = self._clock.monotonic() + self._retry_s
                    self._retry_s = min(2 * self._retry_s, RETRY_S_MAX)
            await self._clock.sleep(LOOK_S)

    async def _try(self, *, fetch: bool) -> bool:
        """Deliver what waits; whether that could be done."""
        before = self.reach, self._delivery.waiting
        try:
            await self._delivery.deliver(finish=False)
            if fetch:
                await self._delivery.fetch()
        except (NoAnswer, LinkError) as error:
            self.reach, self.trouble = Reach.OFFLINE, error
        except Refusal as error:
            self.reach, self.trouble = Reach.REFUSED, error
        except LocalError:
            raise  # the disk does not take it, or somebody has signed out
        except KwhubError as error:
            self.reach, self.trouble = Reach.OFFLINE, error
        else:
            self.reach, self.trouble = Reach.ONLINE, None
        if fetch or before != (self.reach, self._delivery.waiting):
            self.told()
        return self.trouble is None

"""Does it answer from there?  Distance and angle by bisection, immunity by repeated requests.

Source: the published test system (response distance under simulated daylight); bisection and the
rule "most of some tries" are our own.
"""

import math
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from kwhub.bench.instruments import Bench, Light
from kwhub.bench.limits import Setup
from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.frames import parse

__all__ = ["STRENGTH_SHARE", "Edge", "Probe", "Responder"]

STRENGTH_SHARE = 0.02
"""Standard uncertainty of a distance as a share of it: the light of single marks fluctuates."""

STRENGTH_DEG = 0.3  #: the same of an angle


class Probe(msgspec.Struct, frozen=True):
    """One place that was tried."""

    what: str
    distance_m: float
    angle_deg: float
    daylight_lux: float
    lamp_mw_m2: float
    ballast_mw_m2: float
    second_mw_m2: float
    asked: int
    answered: int

    @property
    def most(self) -> bool:
        """Whether more than half of the requests were answered."""
        return self.answered * 2 > self.asked


class Edge(msgspec.Struct, frozen=True):
    """Where the answers end."""

    value: float
    uncertainty: float
    at_bound: bool = False


class Responder:
    """Asks a device from many places and keeps what came of it in ``probes``."""

    def __init__(self, bench: Bench, setup: Setup, request: bytes) -> None:
        self.bench = bench
        self.setup = setup
        self.request = request
        self.probes: list[Probe] = []

    async def probe(
        self,
        what: str,
        distance_m: float,
        angle_deg: float = 0.0,
        light: Light | None = None,
        *,
        tries: int = 0,
        second_mw_m2: float = 0.0,
    ) -> Probe:
        """Set the bench and ask."""
        light = light or Light()
        tries = tries or self.setup.tries
        await self.bench.stage.move(distance_m, angle_deg)
        await self.bench.lamp.shine(light)
        if self.bench.disturber is not None:
            await self.bench.disturber.disturb(second_mw_m2, self.setup.second_hz)
        answered = 0
        for _ in range(tries):
            answered += _is_answer(await self.bench.head.ask(self.request))
        probe = Probe(
            what,
            round(distance_m, 4),
            round(angle_deg, 3),
            light.daylight_lux,
            light.lamp_mw_m2,
            light.ballast_mw_m2,
            second_mw_m2,
            tries,
            answered,
        )
        self.probes.append(probe)
        return probe

    async def distance(self) -> Edge | None:
        """The farthest place with answers at the set illuminance; None when there is none."""
        setup, bench = self.setup, self.bench
        light = Light(daylight_lux=setup.distance_lux)

        async def answers(distance_m: float) -> bool:
            return (await self.probe("distance", distance_m, light=light)).most

        found = await _bisect(
            answers, bench.distance_least_m, bench.distance_most_m, setup.distance_step_m
        )
        if found is None:
            return None
        value, at_bound = found
        step = setup.distance_step_m / math.sqrt(12)
        return Edge(value, 2 * math.hypot(step, STRENGTH_SHARE * value), at_bound)

    async def angle(self) -> Edge | None:
        """The smaller of the widest angles to either side; None without an answer straight ahead."""
        setup, bench = self.setup, self.bench
        sides = []
        for sign in (1.0, -1.0):

            async def answers(angle_deg: float, sign: float = sign) -> bool:
                where = setup.angle_distance_m
                return (await self.probe("angle", where, sign * angle_deg)).most

            found = await _bisect(answers, 0.0, bench.angle_most_deg, bench.resolution_deg)
            if found is None:
                return None
            sides.append(found)
        value, at_bound = min(sides)
        step = bench.resolution_deg / math.sqrt(12)
        return Edge(value, 2 * math.hypot(step, STRENGTH_DEG), at_bound)

    async def sunlight(self) -> Edge:
        """The brightest of the steps at which, and below which, requests are answered; 0 for none."""
        value, at_bound = 0.0, True
        for lux in self.setup.sunlight_lux:
            light = Light(daylight_lux=lux)
            if not (await self.probe("sunlight", self.setup.sunlight_distance_m, light=light)).most:
                at_bound = False
                break
            value = lux
        return Edge(value, self.setup.lux_share * value, at_bound)

    async def immunity(
        self, what: str, light: Light | None = None, second_mw_m2: float = 0.0
    ) -> Edge:
        """Answered requests in percent while something disturbs; half-width of 95 % (Wilson)."""
        probe = await self.probe(
            what,
            self.setup.immunity_distance_m,
            light=light,
            tries=self.setup.immunity_tries,
            second_mw_m2=second_mw_m2,
        )
        return Edge(100 * probe.answered / probe.asked, 100 * _wilson(probe.answered, probe.asked))


async def _bisect(
    answers: Callable[[float], Coroutine[Any, Any, bool]], near: float, far: float, step: float
) -> tuple[float, bool] | None:
    """The last place that answers, between one that does and one that does not."""
    if not await answers(near):
        return None
    if await answers(far):
        return far, True
    while far - near > step:
        middle = (near + far) / 2
        if await answers(middle):
            near = middle
        else:
            far = middle
    return (near + far) / 2, False


def _is_answer(raw: bytes) -> bool:
    try:
        return bool(raw) and parse(raw).is_answer
    except DecodeError:
        return False


def _wilson(good: int, count: int) -> float:
    share, z = good / count, 1.96
    spread = math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return z * spread / (1 + z * z / count)

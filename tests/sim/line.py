"""A master and meters back to back, for tests of what a meter may be told."""

from datetime import date, datetime
from typing import Any

from kwhub.protocols.dlt645 import (
    Authority,
    ControlRelay,
    Data,
    Edition,
    Key,
    ReadData,
    ReadFollowUp,
    Refused,
    RelayOrder,
    Role,
    Session,
    WriteData,
)
from kwhub.protocols.dlt645.items import decode, encode
from kwhub.sim.bus import MeterBus
from kwhub.sim.climate import DAY_S, Climate, day_number
from kwhub.sim.clockwork import wall_datetime
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind
from kwhub.testing import Pair

OFFSET_S = 28_800
FIRST = day_number(date(2026, 1, 5))
NOW = FIRST * DAY_S - OFFSET_S + 70 * DAY_S + 10 * 3600 + 7 * 60
WALL = datetime(2026, 3, 16, 10, 7)  # what a clock on the wall shows at NOW, a Monday
ADDRESS = "000000000038"
OPERATOR = "00001234"

OTHER, NO_SUCH_DATA, NOT_AUTHORISED, RATE_FIXED = 1, 2, 4, 8
YEAR_ZONES, DAY_SLOTS, TARIFFS = 16, 32, 64


def authority(level=4, digits="000000"):
    return Authority(Key(level, digits), OPERATOR)


def made(address=ADDRESS, **knobs):
    load = CustomerLoad(Kind.SHOP, 3, Climate(1, FIRST), utc_offset_s=OFFSET_S)
    return SimulatedMeter(address, load, seed=9, initial=(10, 20, 30, 40), **knobs)


class Line:
    """A master that asks the meters on its bus."""

    def __init__(self, *meters: SimulatedMeter, key: bool = True) -> None:
        self.meters = meters
        self.meter = meters[0]
        self.pair = Pair(Session(Role.MASTER), MeterBus(meters, epoch_s=NOW))
        if key:
            for meter in meters:
                meter.press_programming_key(NOW, for_s=400 * DAY_S)

    @property
    def at_s(self) -> int:
        return NOW + int(self.pair.now)

    @property
    def wall(self) -> datetime:
        return wall_datetime(self.meter.clock.wall(self.at_s))

    def later(self, seconds: float) -> None:
        self.pair.wait_until(self.pair.now + seconds)

    def ask(self, request: Any) -> Any:
        return self.pair.ask(request)

    def error(self, request: Any) -> int:
        """The error word of a refusal; 0 when it was obeyed or answered."""
        event = self.ask(request)
        assert not getattr(event, "timed_out", False), event
        return event.error if isinstance(event, Refused) else 0

    def whole(self, identifier: int, argument: bytes = b"") -> bytes:
        """Value bytes, follow-ups joined."""
        address, edition = self.meter.address, self.meter.edition
        answer = self.ask(ReadData(address, identifier, argument, edition))
        assert isinstance(answer, Data), answer
        payload, sequence = answer.payload, 0
        while answer.more:
            sequence += 1
            answer = self.ask(ReadFollowUp(address, identifier, sequence))
            payload += answer.payload
        return payload

    def values(self, identifier: int) -> list[Any]:
        payload = self.whole(identifier)
        return [value.value for value in decode(identifier, payload, self.meter.edition)]

    def read_error(self, identifier: int) -> int:
        return self.error(ReadData(self.meter.address, identifier, edition=self.meter.edition))

    def write(self, identifier: int, *values: Any, level: int = 4) -> int:
        """The error word of a write of plain values."""
        edition = self.meter.edition
        payload = encode(identifier, values, edition)
        who = authority(level) if edition is Edition.E2007 else Authority(Key(level))
        return self.error(WriteData(self.meter.address, identifier, payload, who, edition))

    def relay(self, command: int, steps: int = 0, **knobs: Any) -> int:
        """The error word of a relay order."""
        order = RelayOrder(command, knobs.pop("until", None), steps).to_bytes()
        return self.error(ControlRelay(self.meter.address, knobs.pop("who", authority()), order))

    def word(self, number: int) -> int:
        """A status word."""
        return int(self.values(0x0400_0500 + number)[0], 16)

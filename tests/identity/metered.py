"""A cost-control meter on a line, for devices that carry frames to it."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.sim.prepay_site import METER, NOW, Site

from kwhub.domain.errors import NoAnswer
from kwhub.headend.identity.makers import cost_control
from kwhub.prepay.trip_tickets import can_open, parameter_operation, relay_operation
from kwhub.sim.bus import MeterBus

AT = datetime.fromtimestamp(NOW, UTC)


def _operation(order):
    """What the ticket of an order is for; None for one that needs none."""
    if order.operation == "relay-trip":
        return relay_operation(0x1A)
    identifier = int(order.detail.split()[0], 16) if order.operation == "parameter" else 0
    return parameter_operation(identifier) if can_open(identifier) else None


class Line:
    """The meter, and every frame that it was ever sent."""

    def __init__(self):
        self.site = Site()
        self.master = self.site.master
        self.frames = []
        self._bus = MeterBus([self.site.meter], epoch_s=NOW)
        self._now = 0.0

    def make(self):
        """Who makes orders for it, with the ticket that the guard of trips gives."""
        made = cost_control(self.master, lambda: AT, ZoneInfo("Asia/Shanghai"))

        def ticketed(order):
            operation = _operation(order)
            return made(replace(order, ticket=operation and self.site.ticket(operation)))

        return ticketed

    @property
    def closed(self):
        return not self.site.relay_open

    def close(self):
        self.site.meter.body.memory.relay.is_open = False

    async def exchange(self, frame):
        """What the meter says, or NoAnswer."""
        self.frames.append(frame)
        self._bus.receive(frame, self._now)
        while (due := self._bus.deadline()) is not None:
            self._now = max(self._now, due)
            self._bus.on_deadline(self._now)
        answer = self._bus.outgoing(self._now)
        self._now += 1
        if not answer:
            raise NoAnswer
        return answer

    @staticmethod
    def readdressed(frame):
        """The same frame for our meter, as a device that cheats would make it."""
        start = frame.index(0x68)
        raw = bytearray(frame[start:])
        raw[1:7] = bytes.fromhex(METER)[::-1]
        raw[-2] = sum(raw[:-2]) & 0xFF
        return bytes(raw)

"""A concentrator's session and a simulated module back to back."""

from datetime import date

from kwhub.protocols.gdw1376_2 import Role, Session
from kwhub.sim.climate import DAY_S, Climate, day_number
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.plc import PlcModule
from kwhub.sim.plc_network import PlcNetwork, PlcSettings
from kwhub.sim.shapes import Kind
from kwhub.testing import Pair

OFFSET_S = 28_800
FIRST = day_number(date(2026, 1, 5))
EPOCH = FIRST * DAY_S - OFFSET_S + 70 * DAY_S + 10 * 3600
MASTER = "000000009999"
NO_LOSS = PlcSettings(loss_permille=0)


def addresses(count):
    return [f"{700000 + number:012d}" for number in range(count)]


def meters(count):
    climate = Climate(1, FIRST)
    return [
        SimulatedMeter(
            address,
            CustomerLoad(Kind.HOUSEHOLD, number, climate, utc_offset_s=OFFSET_S),
            seed=number,
            initial=(number, 0, 0, 0),
        )
        for number, address in enumerate(addresses(count))
    ]


class World:
    """Runs conversations; time moves by itself."""

    def __init__(self, count=6, settings=NO_LOSS, seed=1):
        self.network = PlcNetwork(meters(count), seed=seed, epoch_s=EPOCH, settings=settings)
        self.module = PlcModule(self.network)
        self.session = Session(Role.CONCENTRATOR, mode=3, master=MASTER)
        self.pair = Pair(self.session, self.module)
        self.wanted = dict.fromkeys(addresses(count), 2)

    def run(self, conversation):
        return self.pair.run(conversation)

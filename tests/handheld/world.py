"""A handheld with work, a head-end in the same process, and meters behind terminals on lines that may be shaky."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.handheld.terminal_world import ADDRESS
from tests.identity.field import CHEAP, PIN, START, Stage, on_stage

from kwhub.domain.errors import LinkDown
from kwhub.exchange.device_messages import WorkMeter
from kwhub.handheld.app import Device
from kwhub.handheld.line import Ways
from kwhub.handheld.tasks import Tasks
from kwhub.headend.identity.work import NewWork
from kwhub.links.address import open_link
from kwhub.links.layers import Faulty, Throttled
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

ZONE = ZoneInfo("Asia/Shanghai")
LENT_AT = "memory:lent"
"""Where a device lends its way to the head-end."""
CLIMATE = Climate(1, day_number((START - timedelta(days=40)).date()))
"""One for all meters: it works each day out once."""


def made(number, **knobs):
    load = CustomerLoad(Kind.SHOP, number, CLIMATE, utc_offset_s=28_800)
    address = f"{202611200000 + number}"
    return SimulatedMeter(address, load, seed=number, initial=(10, 20, 30, 40), **knobs)


class Field:
    """Terminals with meters; ``dial`` opens a line to one of them."""

    def __init__(self, clock, tasks, terminals=2, meters=3):
        self.clock, self.tasks = clock, tasks
        self.meters = {
            f"t{terminal:02}": [made(terminal * meters + place + 1) for place in range(meters)]
            for terminal in range(terminals)
        }
        self.silent = set()  #: terminals that are out of reach
        self.rates = None
        self.baud = None
        self.dialled = []

    def work(self, **more):
        """Meters as the head-end knows them."""
        return tuple(
            WorkMeter(
                each.address,
                terminal=terminal,
                area=f"area {int(terminal[1:]) // 2}",
                place=f"house {each.address[-3:]}",
                customer=f"customer {each.address[-3:]}",
                paying="prepaid" if place % 2 else "postpaid",
                balance=Decimal(place * 15 - 5),
                **more,
            )
            for terminal, meters in self.meters.items()
            for place, each in enumerate(meters)
        )

    async def dial(self, address):
        terminal = address.removeprefix("memory:")
        self.dialled.append(terminal)
        if terminal in self.silent:
            raise LinkDown(f"{terminal} is out of reach")
        near, far = pair(baud=self.baud)
        self.tasks.create_task(self._serve(far, self.meters[terminal]))
        if self.baud:
            near = Throttled(near, self.clock, baud=self.baud)
        if self.rates:
            near = Faulty(near, seeded(7, len(self.dialled)), self.rates)
        return near

    async def _serve(self, link, meters):
        try:
            await serve_meters(link, meters, self.clock)
        except LinkDown:
            await link.aclose()


class Outing(Stage):
    """Head-end, device, meters."""

    def __init__(self, folder, clock, tasks, terminals=2, meters=3, **settings):
        super().__init__(folder, clock, tasks, **settings)
        self.field = Field(clock, tasks, terminals, meters)
        self.boots = 0
        self.is_offline = False

    async def equipped(self, **work):
        """An enrolled device with one order over all meters."""
        await self.working()
        self.number = self.order(**work)
        tasks = self.tasks()
        await tasks.delivery.synchronise()
        return tasks

    def order(self, kind="collect", meters=None, **settings):
        work = NewWork(kind, self.field.work() if meters is None else meters, **settings)
        return self.headend.work.give("device-000001", work, "admin")

    def tasks(self, dial=None):
        """The work of the device, opened (anew)."""
        self.boots += 1
        ways = Ways("memory:{terminal}", dial or self.field.dial, self.device.clock)
        draw = seeded(5, self.boots).randbytes
        return Tasks(
            self.device.channel,
            self.device.folder / "work.sqlite",
            ways,
            self.device.clock,
            zone=ZONE,
            draw=draw,
        )

    async def open(self, address):
        """Links of a device that is put together."""
        if address in {f"memory:{ADDRESS}", LENT_AT}:
            return await open_link(address, clock=self.clock)
        if address.startswith("memory:"):
            return await self.field.dial(address)
        if self.is_offline:
            raise LinkDown("no network")
        return await self.headend.dial(enrolment=address == "tcp:h:2")

    async def gadget(self, **work):
        """A device that is put together, enrolled, with its work delivered."""
        folder = self.folder / "gadget"
        device = Device(folder, self.clock, seeded(3), opener=self.open, cost=CHEAP)
        await device.enrol(self.code.text, PIN)
        await device.change(link="memory:{terminal}", operator="ann")
        tasks = device.sign_in(PIN)
        await tasks.delivery.synchronise()
        await self.clock.sleep(1)
        self.number = self.order(**work)
        await tasks.delivery.synchronise()
        await device.sign_out()
        return device

    async def offline(self):
        """No way to the head-end from now on."""
        await self.device.channel.aclose()
        self._dial, self.device.channel._dial = self.device.channel._dial, _nowhere

    def online(self):
        self.device.channel._dial = self._dial


async def _nowhere():
    raise LinkDown("no network")


def outing(folder, main, **settings):
    """Run ``main(outing)`` on virtual time."""
    return on_stage(folder, main, stage=Outing, **settings)

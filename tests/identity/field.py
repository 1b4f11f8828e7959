"""A head-end and handhelds on virtual time: real TLS, real certificates, a real database, no sockets."""

import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select

from kwhub.domain.errors import LinkDown
from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import Greet, WorkMeter
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.identity import Identity
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.headend.identity.authority import Authority
from kwhub.headend.identity.books import book, look
from kwhub.headend.identity.desk import Desk
from kwhub.headend.identity.listener import DeviceListener
from kwhub.headend.identity.orders import FieldOrders
from kwhub.headend.identity.records import Description, Rules
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.work import FieldWork, NewWork
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store.database import Database, _engine
from kwhub.headend.store.schema_devices import device_generation
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
METER, OTHER_METER = "202611200001", "202611200002"
PIN = "4711"
CHEAP = 2
DEAF_BYTES = 2_200


def quick(path, data):
    """Whole or not at all, but not flushed: for tests without power cuts."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    fresh.replace(path)


def ready_store(path):
    """A store whose tables are up to date already."""
    store = Database.__new__(Database)
    store.engine = _engine(str(path), power_safe=False)
    return store


class PowerCut(BaseException):
    """Nothing after this happens."""


class SetClock:
    """A device's clock that anybody can set."""

    def __init__(self, clock):
        self._clock = clock
        self.step_s = 0.0

    def monotonic(self):
        return self._clock.monotonic()

    def now(self):
        return datetime.fromtimestamp(self._clock.now().timestamp() + self.step_s, UTC)

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)

    async def sleep_until(self, when):
        await self._clock.sleep_until(when)


class Tapped:
    """A link that remembers what went by, each way."""

    def __init__(self, inner):
        self.inner, self.sent, self.heard = inner, bytearray(), bytearray()
        self.facts = inner.facts
        self.lose_answers = False
        self.deaf_after = None  #: bytes that still arrive

    async def read(self):
        data = await self.inner.read()
        if self.lose_answers or (
            self.deaf_after is not None and len(self.heard) + len(data) > self.deaf_after
        ):
            await self.inner.aclose()
            raise LinkDown("cut")
        self.heard += data
        return data

    async def write(self, data):
        self.sent += data
        await self.inner.write(data)

    async def aclose(self):
        await self.inner.aclose()


def no_orders(_order):
    raise LinkDown("there are no orders in this test")


class Headend:
    """The head-end's side; ``restart`` is what a power cut leaves."""

    def __init__(self, folder, clock, tasks, make=no_orders, rules=None):
        self.folder, self.clock, self.tasks = folder, clock, tasks
        self.make, self.rules = make, rules or Rules()
        self.audit = []
        self.draw = seeded(1, "headend").randbytes
        self.start()

    def start(self):
        self.database = ready_store(self.folder / "headend.sqlite")
        authority = Authority(self.folder / "ca", self.clock.now())
        self.registry = Registry(
            self.database, authority, self.rules, self.clock.now, self.draw, self.note
        )
        self.work = FieldWork(self.registry, book, look)
        self.orders = FieldOrders(self.registry, self.make)
        self.desk = Desk(self.registry, self.work, self.orders)
        self.listener = DeviceListener(self.desk, self.clock, in_place)

    def restart(self):
        self.database.close()
        self.start()

    def ordered(self, device, wanted, by="admin", **settings):
        """An order to which a second person has agreed."""
        number = self.orders.order(device, wanted, by, **settings)
        with self.database.write() as connection:
            self.orders.approve(connection, number, "boss")
        return number

    def note(self, _connection, who, action, subject, detail, at):
        self.audit.append((who, action, subject, detail))

    def actions(self):
        return [action for _, action, _, _ in self.audit]

    async def attend(self, link, *, enrolment=False):
        listener = self.listener
        try:
            await (listener.attend_enrolment if enrolment else listener.attend)(link)
        except (LinkDown, PowerCut, TimeoutError):
            pass
        finally:
            await link.aclose()

    async def dial(self, *, enrolment=False):
        near, far = pair()
        self.tasks.create_task(self.attend(far, enrolment=enrolment))
        return near

    def code(self, allocation):
        return EnrolmentCode(
            allocation.device, "h:1", "h:2", allocation.secret, self.registry.authority.digest
        )

    def generations(self):
        table = device_generation
        with self.database.read() as connection:
            rows = connection.execute(
                select(table.c.number, table.c.state).order_by(table.c.number)
            )
            return [tuple(row) for row in rows]

    def state(self, name="device-000001"):
        return next(each for each in self.registry.devices() if each.name == name)


class Handheld:
    """A device: a folder, and what runs on it."""

    def __init__(self, folder, headend, clock, *, write=quick):
        self.folder, self.headend, self.clock = folder, headend, SetClock(clock)
        self.vault = Vault(folder / "vault", FileKeyStore(folder / "store" / "secret"), write=write)
        self.links = []
        self.deaf_bytes = DEAF_BYTES
        self.deaf = False  #: whether answers get lost, after the greeting

    def prepare(self, code):
        Identity.prepare(self.vault.create(PIN, cost=CHEAP), code)
        self.boot()

    def boot(self, pin=PIN):
        opened = self.vault.open(pin, int(self.clock.now().timestamp()))
        chance = seeded(1, "device")
        self.identity = Identity(opened, self.clock, chance, self.vault.wipe)
        self.channel = Channel(self.identity, self.dial, operator="ann")

    async def dial(self):
        link = Tapped(await self.headend.dial())
        link.deaf_after = self.deaf_bytes if self.deaf else None
        self.links.append(link)
        return link

    async def enrol(self):
        await enrol(self.identity, partial(self.headend.dial, enrolment=True))

    async def greet(self):
        return await self.channel.ask(Greet())

    async def reconnect(self):
        await self.channel.aclose()
        return await self.greet()

    def copy(self, folder):
        """What somebody has who copies the whole disk."""
        shutil.copytree(self.folder, folder)
        clone = Handheld(folder, self.headend, self.clock)
        clone.boot()
        return clone


class Stage:
    """Head-end and one device, allocated."""

    def __init__(self, folder, clock, tasks, **settings):
        self.folder, self.clock = folder, clock
        self.headend = Headend(folder, clock, tasks, **settings)
        self.allocation = self.headend.registry.allocate(Description("T5", "S1", "ann"), "admin")
        self.code = self.headend.code(self.allocation)
        self.device = Handheld(folder / "device", self.headend, clock)

    async def working(self):
        """A device that is enrolled and has renewed what came with the secret."""
        self.device.prepare(self.code)
        await self.device.enrol()
        await self.device.greet()
        await self.clock.sleep(1)
        return self.device

    def give(self, **settings):
        meters = settings.pop("meters", (WorkMeter(METER),))
        work = NewWork("read", meters, **settings)
        return self.headend.work.give("device-000001", work, "admin")


def on_stage(folder: Path, main, stage=Stage, **settings):
    """Run ``main(stage)`` on virtual time; what is still connected at the end is cut."""
    import asyncio

    async def go(clock):
        async with asyncio.TaskGroup() as tasks:
            built = stage(folder, clock, tasks, **settings)
            result = await main(built)
            for task in list(tasks._tasks):
                task.cancel()
        built.headend.database.close()
        return result

    return run_virtual(go, start=START)

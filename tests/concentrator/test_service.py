"""Trouble that is survived: full and read-only disks, clocks that jump, wrong settings, silent meters, full stores."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec import structs
from structlog.testing import capture_logs
from tests.concentrator.world import START, play

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.database import Database, StoreError, open_file
from kwhub.concentrator.notify import Notifier
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.concentrator.service import Service
from kwhub.concentrator.store_size import StoreFull, StoreSize
from kwhub.concentrator.watch import DISK_FREE_MIN_BYTES, Watch
from kwhub.domain.errors import ConfigError
from kwhub.domain.readings import Register
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual

ENERGY = Register("1-0:1.8.0")
START_S = int(START.timestamp())


def hours(count):
    return START + timedelta(hours=count)


def told(logs, event):
    return [entry for entry in logs if event in entry["event"]]


class Disk:
    """A disk of SQLite's own making: full and read-only are its true errors."""

    def opener(self, path):
        self.connection = open_file(path)
        return self.connection

    def fill(self):
        self.connection.execute("PRAGMA max_page_count = 1")  # means: as large as it is

    def lock(self):
        self.connection.execute("PRAGMA query_only = 1")

    def mend(self):
        self.connection.execute("PRAGMA query_only = 0")
        self.connection.execute("PRAGMA max_page_count = 1000000")


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "words"), [("fill", "is full"), ("lock", "readonly")])
def test_a_disk_that_takes_nothing_for_hours(tmp_path, trouble, words):
    async def story(world):
        disk = Disk()
        world.start(disk.opener)
        await world.until(hours=2, minutes=10)
        getattr(disk, trouble)()
        await world.until(hours=6, minutes=10)
        silence = world.concentrator.counters.uplink
        assert silence.logged_in  # the head-end may still ask
        disk.mend()
        await world.until(hours=8, minutes=30)
        events = world.concentrator.events
        told_of = events.between(0, events.counters()[1], important=False)
        faults = [event.record for event in told_of if event.record.code == 21]
        assert [record.body[-1] for record in faults] == [1]  # the memory
        await world.stop()
        assert world.planned(hours(8)) - world.delivered() == _live_only(world, 3, 6)
        assert world.invented() == []

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite")
    (begin,) = told(logs, "store cannot be used")
    assert words in begin["error"]
    assert len(told(logs, "store can be used again")) == 1


def _live_only(world, first, last):
    """What has no way back: hourly values of hours in which nothing could be kept."""
    return {
        slot
        for slot in world.planned(hours(last)) - world.planned(hours(first - 1))
        if slot.interval_s == 3_600 and slot not in world.delivered()
    }


class Jumping:
    """A clock that somebody sets."""

    def __init__(self, clock):
        self._clock = clock
        self.ahead = timedelta()

    def monotonic(self):
        return self._clock.monotonic()

    def now(self):
        return self._clock.now() + self.ahead

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)

    async def sleep_until(self, when):
        while (left := (when - self.now()).total_seconds()) > 0:
            await self._clock.sleep(min(left, 60.0))


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(hours=-3), timedelta(days=-40)])
def test_a_clock_that_jumps_and_comes_back(tmp_path, ahead):
    async def story(world):
        clock = Jumping(world.clock)
        world.start(clock=clock)
        await world.until(hours=3, minutes=10)
        clock.ahead = ahead
        await world.until(hours=5, minutes=10)
        clock.ahead = timedelta()
        await world.until(hours=30, minutes=10)
        await world.stop()
        wanted = {slot for slot in world.planned(hours(30)) if slot.register == ENERGY}
        wanted = {slot for slot in wanted if slot.interval_s == 900}
        assert wanted <= world.delivered()
        assert world.concentrator.watch.jumps == 2

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", hourly=False)
    first, second = told(logs, "clock was set")
    word = "ahead" if ahead > timedelta() else "back"
    assert first["event"].endswith(word)
    assert first["seconds"] == pytest.approx(abs(ahead).total_seconds(), abs=61)
    assert not second["event"].endswith(word)


@pytest.mark.slow
def test_a_meter_that_goes_is_told_once_and_its_return_once(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=10)
        world.be_deaf(True)
        await world.until(hours=5, minutes=10)
        assert len(world.concentrator.watch.silent) == 4
        await world.stop()
        world.start()  # a restart tells nothing again
        await world.until(hours=6, minutes=10)
        world.be_deaf(False)
        await world.until(hours=9)
        await world.stop()

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite")
    gone, back = told(logs, "went silent"), told(logs, "answers again")
    assert sorted(entry["point"] for entry in gone) == [1, 2, 3, 4]
    assert sorted(entry["point"] for entry in back) == [1, 2, 3, 4]


# --- settings that change


def service_of(world, load):
    def make(config):
        world.concentrator = Concentrator(
            config, world.clock, chance=seeded(1), open_link=world._open_link
        )
        return world.concentrator

    return Service(load, make, clock=world.clock, notifier=Notifier({}))


async def _change_settings(world, tmp_path):
    """Wrong ones, fewer meters, all meters again, a store that cannot be."""
    wanted = [world.config]

    def load():
        if isinstance(wanted[0], Exception):
            raise wanted[0]
        return wanted[0]

    service = service_of(world, load)
    first = service.concentrator
    running = world._spawn(service.run())
    await world.until(hours=1, minutes=2)  # in the middle of a round
    wanted[0] = ConfigError("must be a whole number", file="c.toml", line=7, key="bus[0].port")
    service.reload()
    await world.until(hours=1, minutes=5)
    assert service.concentrator is first
    assert service.status.startswith("4 meters, 0 silent; logged in by uplink")
    bus = structs.replace(world.config.bus[0], meter=world.config.bus[0].meter[:3])
    wanted[0] = structs.replace(world.config, bus=(bus,))
    service.reload()
    await world.until(hours=2, seconds=70)  # again in the middle of one
    assert service.status.startswith("3 meters")
    wanted[0] = world.config
    service.reload()
    await world.until(hours=4, minutes=10)
    broken = structs.replace(world.config.concentrator, store=str(tmp_path / "no" / "such"))
    wanted[0] = structs.replace(world.config, concentrator=broken)
    service.reload()
    await world.until(hours=6, minutes=10)
    running.cancel()
    await asyncio.wait([running])
    service.close()


@pytest.mark.slow
def test_new_settings_are_taken_over_and_wrong_ones_are_not(tmp_path):
    async def story(world):
        await _change_settings(world, tmp_path)
        assert world.delivered() >= {
            slot for slot in world.planned(hours(6)) if slot.point <= 3 or slot.interval_s == 900
        }
        assert world.station.repeated == []

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite")
    (refused,) = told(logs, "settings are wrong, the old ones stay")
    assert refused["error"] == "c.toml:7: bus[0].port: must be a whole number"
    assert len(told(logs, "new settings are in force")) == 2
    (failed,) = told(logs, "new settings do not work, the old ones stay")
    assert "unable to open database file" in failed["error"]


MAIN = "import sys; from kwhub.cli import main; sys.exit(main())"

SETTINGS = """
[concentrator]
region = "4101"
terminal = 1
[uplink]
address = "tcp:127.0.0.1:{port}"
{more}
[[bus]]
name = "east"
address = "pty:"
port = 2
"""


@pytest.mark.slow
def test_a_process_obeys_signals_and_tells_its_manager(tmp_path):
    settings = tmp_path / "c.toml"
    settings.write_text(SETTINGS.format(port=1, more=""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "concentrator", "run", str(settings), "--json"],
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "300000",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def wait_for(word):
            while word not in (message := manager.recv(4_096).decode()):
                assert process.poll() is None, process.communicate()
            return message

        try:
            assert "STATUS=0 meters, 0 silent; not logged in" in wait_for("READY=1")
            wait_for("WATCHDOG=1")
            settings.write_text(SETTINGS.format(port=1, more='heartbeat_s = "often"'))
            process.send_signal(signal.SIGHUP)
            wait_for("RELOADING=1\nMONOTONIC_USEC=")
            assert "uplink.heartbeat_s: must be a whole number" in wait_for("refused")
            settings.write_text(SETTINGS.format(port=1, more="heartbeat_s = 60"))
            process.send_signal(signal.SIGHUP)
            wait_for("READY=1")
            process.terminate()
            wait_for("STOPPING=1")
            # A second signal, after the handlers are gone, would end it the hard way.
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert "settings are wrong, the old ones stay" in errors
    assert "new settings are in force" in errors


def test_a_manager_that_is_not_there_or_speaks_abstractly(tmp_path):
    Notifier({}).ready("nobody")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).alive("nobody")
    assert Notifier({"WATCHDOG_USEC": "3000000"}).beat_s is None
    name = f"@kwhub-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:])
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"})
        notifier.stopping()
        assert manager.recv(100) == b"STOPPING=1"
        assert notifier.beat_s == 1


# --- the size of the store


class Store:
    def __init__(self, tmp_path, limit_bytes):
        self.outbox = Outbox.open(str(tmp_path / "store.sqlite"))
        self.size = StoreSize(self.outbox.database, limit_bytes)
        self.outbox.guard = self.size.guard
        self.count = 0

    def read(self, rows=2_000):
        batch = Batch(START_S + self.count)
        for _ in range(rows):
            self.count += 1
            slot = Slot(1 + self.count % 50, ENERGY, 900, START_S + self.count * 900)
            batch.read(slot, "000000000038", Decimal(self.count), "test")
        return self.outbox.keep(batch)

    def deliver(self, at):
        places = [entry.id for entry in self.outbox.waiting(100_000)]
        self.outbox.delivered(places, at)
        return places


def test_delivered_readings_give_way_the_oldest_first(tmp_path):
    store = Store(tmp_path, 2 << 20)
    for number in range(30):
        store.read()
        store.deliver(START_S + number)
    assert store.size.used_bytes() < 2.3 * (1 << 20)
    assert store.size.dropped > 20_000
    rows = store.outbox.database.rows("SELECT id FROM reading ORDER BY id")
    assert rows[0][0] == store.size.dropped + 1  # none out of turn
    assert rows[-1][0] == store.count
    assert not store.size.is_full


def test_what_is_not_delivered_never_gives_way(tmp_path):
    store = Store(tmp_path, 2 << 20)
    store.read()
    store.deliver(START_S)
    news = iter(store.read, None)  # for ever
    with pytest.raises(StoreFull, match="limit of 2 MiB with readings that the head-end"):
        deque(news, maxlen=0)
    kept = store.outbox.counts().waiting
    assert kept > 6_000
    assert (
        store.count == 2_000 + kept + 2_000
    )  # those delivered before, and those refused at the end
    assert store.outbox.counts().readings == kept
    assert store.size.is_full
    delivered = store.deliver(START_S)  # marking still works
    assert len(delivered) == kept
    while store.size.used_bytes() > 2 << 20:
        store.size.make_room()
    assert store.read() == 2_000
    assert not store.size.is_full


@pytest.mark.slow
def test_a_full_store_asks_no_meter_and_catches_up_later(tmp_path):
    async def story(world):
        world.station.up = False
        world.start()
        await world.until(hours=3, minutes=10)
        size = world.concentrator.size
        size.limit_bytes = size.used_bytes()
        await world.until(hours=5, minutes=30)
        asked = world.concentrator.counters.buses["bus-1"].requests
        await world.until(hours=20)
        assert world.concentrator.counters.buses["bus-1"].requests == asked
        world.station.up = True
        await world.until(hours=22, minutes=30)
        await world.stop()
        wanted = {slot for slot in world.planned(hours(22)) if slot.interval_s != 3_600}
        assert wanted <= world.delivered()
        assert world.station.repeated == []

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite")
    assert len(told(logs, "store cannot be used")) == 1
    assert len(told(logs, "store can be used again")) == 1


def test_a_disk_that_is_nearly_full_is_told_once(tmp_path):
    async def story(clock):
        outbox = Outbox.open(str(tmp_path / "store.sqlite"))
        size = StoreSize(outbox.database, 1 << 20)
        logs: list[str] = []
        log = SimpleNamespace(warning=lambda event, **_: logs.append(event))
        free = [DISK_FREE_MIN_BYTES]
        watch = Watch(outbox, size, clock, log, free=lambda _folder: free[0])
        for free[0] in (1 << 40, 1 << 20, 1 << 19, 1 << 40, 1 << 40):
            watch.look()
        assert logs == ["disk is nearly full", "disk has room again"]
        outbox.close()

    run_virtual(story, start=START)


def test_a_store_of_a_newer_program_is_refused(tmp_path):
    database = Database(str(tmp_path / "store.sqlite"), [])
    with database.transaction() as connection:
        connection.execute("PRAGMA user_version = 9999")
    database.close()
    with pytest.raises(StoreError, match="has version 9999"):
        Outbox.open(str(tmp_path / "store.sqlite"))

"""The terminal as a service, on virtual time: simulated inputs, a meter on its port, a handheld on the radio."""

import asyncio
import sys
import threading
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import gpiod
import numpy as np
import pytest

from kwhub.catalog.terminal_profile import EventKind, FreezeKind, RoundState
from kwhub.domain.errors import ConfigError, LinkDown, NoAnswer
from kwhub.exchange.terminal import (
    read_channels,
    read_frozen,
    read_round,
    read_terminal_events,
    start_round,
)
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.links.layers.waking import Dozing, Waking
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.radio import Air, AirSettings
from kwhub.sim.shapes import Kind
from kwhub.terminal import app as terminal_app
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal, open_inputs
from kwhub.terminal.box import Batch
from kwhub.terminal.countlog import CountLog, FileMedium
from kwhub.terminal.gpio import GpioInputs
from kwhub.terminal.memory import MemoryFault

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
ADDRESS = "000020260700"
TEXT = """
[terminal]
address = "000020260700"
folder = "kept"
commit_ms = 30000
freeze_times = ["99991002"]

[inputs]
kind = "simulator"
load_kw = 5.0

[[link]]
address = "memory:terminal"

[[channel]]
number = 1
constant = 1600
initial = "10.00"

[[channel]]
number = 2
constant = 3200

[[channel]]
number = 16
kind = "meter"

[port]
link = "memory:port"
meter = "000000000038"

[[password]]
level = 4
file = "word"
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "word").write_text("271828\n")
    file = tmp_path / "terminal.toml"
    file.write_text(TEXT)
    return file


def master(link, clock):
    return Driver(link, Session(Role.MASTER), clock)


def meter() -> SimulatedMeter:
    climate = Climate(1, day_number(date(2026, 2, 1)))
    load = CustomerLoad(Kind.SHOP, 3, climate, utc_offset_s=28_800)
    return SimulatedMeter("000000000038", load, initial=(500_000, 0, 0, 0))


@pytest.mark.slow
def test_a_round_collects_pulses_and_the_meter_on_the_port(path):
    async def main(clock: LoopClock) -> None:
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        port = await open_link("memory:port", clock=clock)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(terminal.run()),
                group.create_task(serve_meters(port, [meter()], clock)),
            ]
            await clock.sleep(200)
            asker = master(await open_link("memory:terminal", clock=clock), clock)
            channels = await asker.run(read_channels(ADDRESS))
            assert (await asker.run(start_round(ADDRESS))).verdict.good
            await clock.sleep(10)
            last = await asker.run(read_round(ADDRESS))
            frozen = await asker.run(read_frozen(ADDRESS, FreezeKind.INSTANT))
            timed = await asker.run(read_frozen(ADDRESS, FreezeKind.TIMED))
            for task in tasks:
                task.cancel()
        terminal.close()
        assert 435 < channels[0].pulses < 453  # 5 kW, 1600 imp/kWh, 200 s: 444
        assert channels[0].register == Decimal(10) + (Decimal(channels[0].pulses) / 1600).quantize(
            Decimal("0.01"), "ROUND_DOWN"
        )
        assert Decimal("4.7") < channels[0].power_kw < Decimal("5.3")
        assert (last.state, last.channels) == (RoundState.DONE, frozenset({1, 2, 16}))
        register = frozen[15].register
        assert register is not None
        assert register > 5_000
        assert timed[0].time == datetime(2026, 3, 2, 10, 2)

    run_virtual(main, start=START)


@pytest.mark.slow
def test_counts_go_on_after_a_restart(path):
    async def main(clock: LoopClock) -> None:
        totals = []
        for seconds in (20, 40):
            terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
            totals.append(terminal.box.channels[1].total)
            task = asyncio.get_running_loop().create_task(terminal.run())
            await clock.sleep(seconds)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            totals.append(terminal.box.channels[1].total)
            terminal.close()
        assert totals[0] == 0 < totals[1] == totals[2] < totals[3]
        assert (path.parent / "kept" / "memory.sqlite").stat().st_mode & 0o077 == 0

    run_virtual(main, start=START)


@pytest.mark.slow
def test_a_handheld_wakes_a_sleeping_terminal_over_the_radio(path):
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(7), AirSettings(loss=0.05))
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        node = Dozing(air.node("terminal", (60, 0)), clock)
        task = asyncio.get_running_loop().create_task(terminal.attend(node))
        walker = air.node("handheld")
        with pytest.raises(NoAnswer):
            await master(walker, clock).run(read_channels(ADDRESS))
        asker = Driver(Waking(walker, clock), Session(Role.MASTER), clock, attempts=5)
        for _ in range(30):
            assert len(await asker.run(read_channels(ADDRESS))) == 16
            await clock.sleep(25)
        assert air.lost > 0
        assert node.wakes >= 30
        events = await asker.run(read_terminal_events(ADDRESS))
        assert [event.kind for event in events] == [EventKind.POWER_UP]
        task.cancel()
        terminal.close()

    run_virtual(main, start=START)


class Late:
    """Inputs that tell an edge after the look that should have seen it."""

    def __init__(self) -> None:
        self.batches: list[dict[int, Batch]] = []

    def levels(self) -> int:
        return 0

    def edges(self, now_us: int) -> dict[int, Batch]:
        return self.batches.pop(0) if self.batches else {}

    def lost(self):
        return {}

    def cover_open(self) -> bool | None:
        return None

    def close(self) -> None:
        self.batches.clear()


def test_an_edge_that_is_told_late_still_counts(path):
    async def main(clock: LoopClock) -> None:
        inputs = Late()
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1), inputs=inputs)
        await clock.sleep(10)
        terminal.look()
        times, levels = np.array([9_000_000, 9_990_000], np.int64), np.array([True, True])
        inputs.batches = [{1: (times, levels)}]
        await clock.sleep(1)
        terminal.look()
        assert terminal.box.channels[1].total == 1
        terminal.close()

    run_virtual(main, start=START)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"000020260700"', '"000020260701"', "end in 00"),
        ("number = 16", "number = 15", "channel 16 only"),
        ("number = 2", "number = 1", "there twice"),
        ('"memory:port"', '"nothing:port"', "unknown scheme"),
        ('["99991002"]', '["99992561"]', "freeze_times"),
        ('kind = "simulator"', 'kind = "magic"', "inputs"),
        ('"simulator"\nload_kw = 5.0', '"gpiod"\nlines = [5, 5]', "each line once"),
        ('"simulator"\nload_kw = 5.0', '"gpiod"\nlines = [5]\ncover = 5', "each line once"),
    ],
)
def test_wrong_settings_are_told_with_their_line(path, old, new, words):
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=words) as told:
        terminal_config.load(path)
    assert "terminal.toml:" in str(told.value)


def test_a_password_file_must_hold_six_digits_and_is_never_quoted(path):
    (path.parent / "word").write_text("hunter2")
    config = terminal_config.load(path)
    with pytest.raises(ConfigError) as told:
        terminal_config.passwords(config)
    assert "hunter2" not in str(told.value)


class StandIn:
    """What gpiod gives for lines of a chip; a kernel without gpio-sim, as that of the tests, has none to try."""

    def __init__(self, events) -> None:
        self.events = events

    def get_values(self, lines):
        return [
            gpiod.line.Value.ACTIVE if n in (0, 2) else gpiod.line.Value.INACTIVE for n in lines
        ]

    def wait_edge_events(self, _timeout):
        return bool(self.events)

    def read_edge_events(self, _most):
        events, self.events = self.events, []
        return events

    def release(self):
        self.events = []


def event(line: int, at_us: int, *, rising: bool, number: int = 0):
    kinds = gpiod.EdgeEvent.Type
    kind = kinds.RISING_EDGE if rising else kinds.FALLING_EDGE
    return gpiod.EdgeEvent(kind.value, at_us * 1_000, line, number, number)


def test_edges_of_real_lines_are_told_once_and_young_ones_later(monkeypatch):
    events = [event(7, 1_000, rising=True), event(5, 2_000, rising=True)]
    request = StandIn([*events, event(7, 3_000, rising=False)])
    monkeypatch.setattr(gpiod, "request_lines", lambda *_args, **_settings: request)
    inputs = GpioInputs("/dev/gpiochip0", (5, 7))
    first, second, third = (inputs.edges(now_us) for now_us in (2_500, 3_500, 9_000))
    assert {n: (list(t), list(v)) for n, (t, v) in first.items()} == {
        1: ([2_000], [True]),
        2: ([1_000], [True]),
    }
    assert [list(each) for each in second[2]] == [[3_000], [False]]
    assert third == {}
    assert GpioInputs("/dev/gpiochip0", (0, 1, 2)).levels() == 0b101
    inputs.close()


def test_edges_that_the_kernel_has_dropped_are_counted_by_line(monkeypatch):
    steps = [(5, 1), (5, 2), (7, 1), (5, 6), (7, 2), (5, 7), (7, 5)]
    events = [event(line, n * 9_000, rising=True, number=k) for n, (line, k) in enumerate(steps)]
    monkeypatch.setattr(gpiod, "request_lines", lambda *_args, **_settings: StandIn(events))
    inputs = GpioInputs("/dev/gpiochip0", (5, 7))
    inputs.edges(10**6)
    assert inputs.lost() == {1: 3, 2: 2}
    assert inputs.lost() == {}
    inputs.close()


class Kernel(StandIn):
    """Tells when somebody has taken its edges."""

    def __init__(self):
        super().__init__([])
        self.emptied = threading.Event()

    def read_edge_events(self, _most):
        found = super().read_edge_events(_most)
        self.emptied.set()
        return found


def test_the_kernel_is_emptied_while_the_service_waits_for_its_disk(monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(gpiod, "request_lines", lambda *_args, **_settings: kernel)
    inputs = GpioInputs("/dev/gpiochip0", (5,))
    for number in range(1, 9, 4):
        kernel.emptied.clear()
        kernel.events = [
            event(5, each * 9_000, rising=bool(each % 2), number=each)
            for each in range(number, number + 4)
        ]
        assert kernel.emptied.wait(10)  # nobody has called ``edges``
    times, _levels = inputs.edges(10**6)[1]
    assert list(times) == [each * 9_000 for each in range(1, 9)]
    assert inputs.lost() == {}
    inputs.close()


class Chip(StandIn):
    """Lines with a meter that bounces on line 5, and a cover contact on line 9."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked: dict[Any, Any] = {}
        self.cover = gpiod.line.Value.ACTIVE

    def get_values(self, lines):
        idle = gpiod.line.Value.INACTIVE
        return [self.cover if line == 9 else idle for line in lines]

    def pulse(self, at_us):
        for after_us, rising in ((0, True), (90, False), (150, True), (30_000, False)):
            self.events.append(event(5, at_us + after_us, rising=rising))


def test_a_terminal_counts_the_lines_of_a_chip_and_tells_of_its_cover(path, monkeypatch):
    chip = Chip()

    def request(name, **settings):
        chip.asked = {"chip": name, **settings}
        return chip

    monkeypatch.setattr(gpiod, "request_lines", request)
    path.write_text(
        TEXT.replace(
            'kind = "simulator"\nload_kw = 5.0',
            'kind = "gpiod"\nchip = "/dev/gpiochip4"\nlines = [5, 7]\ncover = 9',
        )
    )

    async def main(clock: LoopClock) -> None:
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        counted = terminal.box.channels[1]
        for _ in range(40):
            chip.pulse(int(clock.monotonic() * 1_000_000) + 10_000)
            await clock.sleep(0.5)
            terminal.look()
        assert counted.total == 40
        assert not terminal.box.cover_open
        for cover, is_open in ((gpiod.line.Value.INACTIVE, True), (gpiod.line.Value.ACTIVE, False)):
            chip.cover = cover
            terminal.look()
            assert terminal.box.cover_open is not is_open  # once may be a bounce
            terminal.look()
            assert terminal.box.cover_open is is_open
        kinds = [kind for _, _, kind, _ in terminal.box.memory.events(10, None)]
        assert {EventKind.COVER_OPENED, EventKind.COVER_CLOSED} <= set(kinds)
        assert kinds.count(EventKind.COVER_OPENED) == 1
        terminal.close()

    run_virtual(main, start=START)
    assert chip.asked["chip"] == "/dev/gpiochip4"
    lines, cover = chip.asked["config"].items()
    assert (lines[0], cover[0]) == ((5, 7), 9)
    assert lines[1].edge_detection is gpiod.line.Edge.BOTH
    assert cover[1].edge_detection is gpiod.line.Edge.NONE
    assert lines[1].bias is cover[1].bias is gpiod.line.Bias.PULL_UP


def test_a_chip_that_is_not_there_is_named():
    with pytest.raises(LinkDown, match="/dev/no-such-chip"):
        GpioInputs("/dev/no-such-chip", range(16))


def test_without_gpiod_the_word_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kwhub.terminal.gpio", None)
    path.write_text(TEXT.replace('"simulator"\nload_kw = 5.0', '"gpiod"'))
    with pytest.raises(ConfigError, match=r"pip install 'kwhub\[gpio\]'"):
        open_inputs(terminal_config.load(path), SystemClock())


def test_pairs_of_memory_links_serve_a_terminal_too(path):
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        task = asyncio.get_running_loop().create_task(terminal.attend(far))
        assert len(await master(near, clock).run(read_channels(ADDRESS))) == 16
        task.cancel()
        terminal.close()

    run_virtual(main, start=START)


class SteppedClock:
    """A clock whose wall time somebody sets."""

    def __init__(self, clock):
        self._clock, self.step = clock, timedelta(0)

    def __getattr__(self, name):
        return getattr(self._clock, name)

    def now(self):
        return self._clock.now() + self.step


def test_counts_are_committed_although_the_clock_was_set_back(path):
    path.write_text(TEXT.replace("commit_ms = 30000", "commit_ms = 1000"))

    async def main(clock):
        stepped = SteppedClock(clock)
        terminal = Terminal(terminal_config.load(path), stepped, chance=seeded(1))
        task = asyncio.get_running_loop().create_task(terminal.run())
        await clock.sleep(20.5)
        stepped.step = -timedelta(hours=1)
        await clock.sleep(20)
        medium = FileMedium(path.parent / "kept")
        durable = CountLog(medium).durable.totals[0]
        medium.close()
        counted = terminal.box.channels[1].total
        assert counted > 80  # half of it since the clock went back
        assert durable >= counted - 5  # at most a second old
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        terminal.close()

    run_virtual(main, start=START)


def test_a_full_disk_ends_neither_the_service_nor_its_counting(path, monkeypatch):
    async def shown(*_args):
        return Decimal("5.00")

    async def no_link(*_args):
        return None

    monkeypatch.setattr(terminal_app, "read_port", shown)
    monkeypatch.setattr(Terminal, "_port_link", no_link)

    def full(*_args, **_kept):
        raise MemoryFault("database or disk is full")

    async def main(clock):
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        task = asyncio.get_running_loop().create_task(terminal.run())
        await clock.sleep(5)
        monkeypatch.setattr(terminal._memory, "put", full)
        before = terminal.box.channels[1].total
        terminal.box.port_answered(Decimal("6.00"), 0)
        terminal.box.cover(0, is_open=True)
        assert terminal.box.store_fault
        assert (terminal.box.port_register, terminal.box.cover_open) == (Decimal("6.00"), True)
        await clock.sleep(20)
        assert not task.done()
        assert terminal.box.channels[1].total > before
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        terminal.close()

    run_virtual(main, start=START)


class Gone(BaseException):
    """The supply has held for one commit, and not for more."""


def test_the_supplys_warning_has_the_counts_kept_before_the_inputs_are_looked_at(path):
    async def main(clock: LoopClock) -> None:
        terminal = Terminal(terminal_config.load(path), clock, chance=seeded(1))
        await clock.sleep(20)
        terminal.look()
        counted = tuple(each.total for each in terminal.box.channels.each)
        assert counted[0] > 30  # nothing of it was committed: commit_ms is 30 s

        def no_time(_now_us):
            raise Gone

        terminal._inputs.edges = no_time  # type: ignore[method-assign]
        with pytest.raises(Gone):
            terminal.power_fails()
        terminal.close()
        medium = FileMedium(path.parent / "kept")
        assert CountLog(medium).durable.totals == counted
        medium.close()

    run_virtual(main, start=START)

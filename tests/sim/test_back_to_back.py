"""A master and simulated meters over every kind of link, with every kind of trouble, from seeds.

Whatever is lost, turned, doubled, held back, echoed or said by the wrong meter: the master is told the right
value or that nothing came, never a wrong value and never anything else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.sim.line import NOW, made

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import LinkDown, NoAnswer
from kwhub.exchange.transfer import transfer
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.layers import Captured, FaultRates, Faulty
from kwhub.links.memory import Bus, pair
from kwhub.links.pty import PtyLink
from kwhub.links.wired import WiredBus
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.bus import MeterBus
from kwhub.sim.device import serve_meters
from kwhub.sim.faults import MeterFaults
from kwhub.testing import Pair

ADDRESSES = ("000000000038", "000000000039", "000000000040")
START = datetime.fromtimestamp(NOW, UTC)
SYSTEM = SystemClock()
Ends = AsyncIterator[tuple[Link, Link]]

#: What does not change in the minutes of a run: numbers, the last settlement, and 30 load records (5 frames).
ITEMS = (
    (0x0400_0402, b""),
    (0x0001_FF01, b""),
    (0x0506_FF02, b""),
    (0x0600_0001, bytes.fromhex("30 00 00 10 03 26")),
)

CLEAN = FaultRates()
TROUBLE = {
    "none": CLEAN,
    "loss": FaultRates(loss=0.15),
    "bit flips": FaultRates(flip=0.2),
    "cuts": FaultRates(cut=0.15),
    "doubles": FaultRates(duplicate=0.3),
    "echo": FaultRates(echo=1.0),
    "late": FaultRates(late_answer=0.2),
    "all": FaultRates(loss=0.04, flip=0.04, cut=0.04, duplicate=0.04, echo=0.2, late_answer=0.04),
}
FOREIGN = MeterFaults(wrong_address_permille=150, late_permille=100, late_s=2.5, silent_permille=50)
NO_FAULTS = MeterFaults()


def meters(faults):
    return [
        made(address, faults=faults, ratio=1 + number) for number, address in enumerate(ADDRESSES)
    ]


@asynccontextmanager
async def memory(_clock: LoopClock) -> Ends:
    yield pair()


@asynccontextmanager
async def named_memory(clock: LoopClock) -> Ends:
    yield (
        await open_link("memory:back-to-back", clock=clock),
        await open_link("memory:back-to-back", clock=clock),
    )


@asynccontextmanager
async def memory_bus(_clock: LoopClock) -> Ends:
    bus = Bus()
    yield bus.attach(), bus.attach()


@asynccontextmanager
async def wired(clock: LoopClock) -> Ends:
    bus = WiredBus(clock, baud=2400)
    yield bus.attach(), bus.attach()


@asynccontextmanager
async def paced(clock: LoopClock) -> Ends:
    yield (
        await open_link("paced:memory:paced?baud=2400", clock=clock),
        await open_link("memory:paced?baud=2400", clock=clock),
    )


@asynccontextmanager
async def tcp() -> Ends:
    listening = await open_link("tcp-listen:127.0.0.1:0", clock=SYSTEM)
    calling = await open_link(listening.facts.address.replace("-listen", ""), clock=SYSTEM)
    yield calling, listening


@asynccontextmanager
async def tcp_listen() -> Ends:
    """The meters' side calls, as behind a modem."""
    async with tcp() as (calling, listening):
        yield listening, calling


@asynccontextmanager
async def serial_over_pty() -> Ends:
    far = await open_link("pty:", clock=SYSTEM)
    assert isinstance(far, PtyLink)
    yield await open_link(f"serial:{far.path}?baud=9600", clock=SYSTEM), far


@asynccontextmanager
async def pty_under_serial() -> Ends:
    """The master has the pty, the meters open the serial port."""
    async with serial_over_pty() as (near, far):
        yield far, near


VIRTUAL = (memory, named_memory, memory_bus, wired, paced)
REAL = (tcp, tcp_listen, serial_over_pty, pty_under_serial)


class Standing(SystemClock):
    """True seconds, but of the day that the meters are made for."""

    def now(self):
        return START


class Impatient(AnswerTimes):
    """Waits on links that are as fast as this machine, so that a lost frame costs little."""

    def timeout_s(self, _address):
        return 0.1


async def talk(near, clock, *, rounds=2, items=ITEMS, **knobs):
    """What the master was told of each item of each meter: bytes, or the failure's name."""
    session = Session(Role.MASTER, baud=near.facts.baud, **knobs)
    driver = Driver(near, session, clock)
    told: list[tuple[str, int, object]] = []
    for _ in range(rounds):
        for address in ADDRESSES:
            for identifier, argument in items:
                try:
                    done = await driver.run(transfer(address, identifier, argument=argument))
                except (NoAnswer, LinkDown):  # a replay that is over
                    told.append((address, identifier, "no answer"))
                else:
                    told.append((address, identifier, done.payload))
    return told, driver


async def run(ends, clock, rates, seed, *, faults=NO_FAULTS, wrap=None, **knobs):
    """Meters on the far end, trouble and a master on the near one."""
    near, far = ends
    serving = asyncio.create_task(serve_meters(far, meters(faults), clock))
    faulty = Faulty(near, seeded(seed), rates)
    over = faulty if wrap is None else wrap(faulty)
    try:
        return (*await talk(over, clock, **knobs), faulty.counts)
    finally:
        serving.cancel()
        await over.aclose()
        await far.aclose()


def truth():
    """Every item of every meter on a line without trouble."""
    if not _TRUTH:

        async def main(clock):
            return await run(pair(), clock, CLEAN, 0, rounds=1)

        told, _, _ = run_virtual(main, start=START)
        _TRUTH.update({(address, identifier): payload for address, identifier, payload in told})
    return _TRUTH


_TRUTH: dict[tuple[str, int], bytes] = {}


def check(told, *, least):
    """Right or named; and more than ``least`` percent right, so that the run says something."""
    right = [payload == truth()[address, identifier] for address, identifier, payload in told]
    wrong = [
        each for each, fits in zip(told, right, strict=True) if not fits and each[2] != "no answer"
    ]
    assert wrong == []
    assert sum(right) * 100 >= least * len(told)


def test_the_truth_tells_meters_and_items_apart():
    assert len(truth()) == len(ADDRESSES) * len(ITEMS)
    assert len(set(truth().values())) == len(truth())
    assert max(map(len, truth().values())) > 4 * 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("ends", VIRTUAL)
def test_right_or_named_on_virtual_time(ends, trouble, seed):
    rates = TROUBLE[trouble]

    async def main(clock):
        async with ends(clock) as both:
            return await run(both, clock, rates, seed)

    told, driver, counts = run_virtual(main, start=START)
    check(told, least=100 if trouble in {"none", "echo"} else 20)
    done = [counts.lost, counts.bits_flipped, counts.cut, counts.duplicated]
    done += [counts.echoed, counts.answers_held]
    wanted = [rates.loss, rates.flip, rates.cut, rates.duplicate, rates.echo, rates.late_answer]
    assert [count > 0 for count in done] == [rate > 0 for rate in wanted]
    if trouble != "doubles":  # where frames go in pieces, a doubled piece spoils its frame
        assert (driver.retries > 0) is (trouble not in {"none", "echo"})


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["none", "all"])
@pytest.mark.parametrize("ends", VIRTUAL)
def test_meters_that_answer_late_in_another_name_or_not_at_all(ends, trouble):
    async def main(clock):
        async with ends(clock) as both:
            return await run(both, clock, TROUBLE[trouble], 3, faults=FOREIGN)

    told, driver, _ = run_virtual(main, start=START)
    check(told, least=10)
    assert driver.retries > 0
    assert driver.discarded > 0


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("ends", REAL)
async def test_right_or_named_on_this_machine_s_links(ends, trouble):
    async with ends() as both:
        quick = {"answer_times": Impatient(), "byte_gap_s": 0.05, "items": ITEMS[:2]}
        told, _, _ = await run(both, Standing(), TROUBLE[trouble], 4, **quick)
    check(told, least=100 if trouble in {"none", "echo"} else 10)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_replay_tells_what_the_line_told(tmp_path, trouble):
    file = tmp_path / "capture"

    async def record(clock):
        return await run(
            pair(), clock, TROUBLE[trouble], 5, wrap=lambda link: Captured(link, file, clock)
        )

    async def play(clock):
        return await talk(await open_link(f"replay:{file}?pace=real", clock=clock), clock)

    told, driver, _ = run_virtual(record, start=START)
    check(told, least=20)
    again, player = run_virtual(play, start=START)
    assert again == told
    assert (player.requests, player.discarded) == (driver.requests, driver.discarded)


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_to_one_answer_is_never_a_wrong_value(seed):
    """Without a link: one bit anywhere in any frame of a long answer, drawn from a seed."""
    chance = seeded(seed)
    hit = chance.randrange(6)
    written = []

    def damage(raw):
        written.append(raw)
        if len(written) - 1 != hit:
            return raw
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    bus = MeterBus(meters(NO_FAULTS), epoch_s=NOW)
    line = Pair(Session(Role.MASTER), bus, to_asker=damage)
    identifier, argument = ITEMS[-1]
    try:
        done = line.run(transfer(ADDRESSES[0], identifier, argument=argument))
    except NoAnswer:
        return
    assert done.payload == truth()[ADDRESSES[0], identifier]

"""Holes anywhere in the past are fetched until they are got, or known to be lost."""

from contextlib import closing, suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.concentrator.power import PowerCut, Supply
from tests.concentrator.station import SHANGHAI
from tests.concentrator.world import START, play

from kwhub.concentrator.collect import MeterTalk
from kwhub.concentrator.config import MbusMeterSettings, MeterSettings, PlanSettings
from kwhub.concentrator.downlinks.mbus import MbusTalk
from kwhub.concentrator.ledger import LedgerBook, Outline, open_to_read
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.outbox import Batch, Gap, MeterState, Outbox
from kwhub.concentrator.plan import Ledger, Plan
from kwhub.domain.errors import LinkDown, NoAnswer
from kwhub.protocols.gdw1376.afn_0d import CurveRequest, DayFreezeRequest
from kwhub.protocols.gdw1376.messages import Denied
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock
from kwhub.runtime.virtual import run_virtual

START_S = int(START.timestamp())


class PushedClock:
    """A clock that can be pushed, as a machine's is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.pushed = timedelta()

    def monotonic(self):
        return self._clock.monotonic()

    def now(self):
        return self._clock.now() + self.pushed

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)

    async def sleep_until(self, when):
        await self._clock.sleep((when - self.now()).total_seconds())


def outline(world, first, last):
    now = int(world.clock.now().timestamp())
    with closing(open_to_read(world.config.concentrator.store)) as database:
        lines = list(LedgerBook(database, SHANGHAI).lines(first, last, now))
    return Outline.of(lines), lines


def kept_twice(world):
    """Values that stand in the store more than once."""
    with closing(open_to_read(world.config.concentrator.store)) as database:
        return database.rows(
            "SELECT point, meter, register, interval_s, at FROM reading"
            " GROUP BY point, meter, register, interval_s, at HAVING count(*) > 1"
        )


def sent_again(frames):
    """How many reports brought something that had been brought before."""
    known: set[object] = set()
    again = 0
    for frame in frames:
        again += not known.isdisjoint(frame)
        known |= frame
    return again


MORE = {"tariffs": 2}
LONGER = {"history_days": 9}
METERS: dict[str, Any] = {
    "dlt645": (MeterSettings("000000000038", 1), MeterTalk),
    "mbus": (MbusMeterSettings("5", 1), MbusTalk),
}


@pytest.mark.parametrize(
    "trouble", [NoAnswer("no answer"), LinkDown("cut")], ids=["silent", "down"]
)
@pytest.mark.parametrize("change", [MORE, LONGER, MORE | LONGER])
@pytest.mark.parametrize("kind", METERS)
def test_what_is_newly_wanted_of_the_past_stays_wanted_until_the_meter_answers(
    tmp_path, trouble, change, kind
):
    settings, talk_of = METERS[kind]
    now = START_S + 20 * 86_400 + 100

    def planned(**changed):
        plan = Plan(PlanSettings(**{"history_days": 2, "tariffs": 0, **changed}), SHANGHAI)
        meter = plan.meter(settings)
        return plan, meter, plan.due(meter, ledger_in(outbox, settings.address), now)

    async def talker(conversation):
        conversation.close()
        raise trouble

    async def talk_in_vain(clock):
        plan, meter, due = planned(**change)
        ledger = ledger_in(outbox, settings.address)
        batch = Batch(now)
        clock_now = PushedClock(clock)
        clock_now.pushed = timedelta(seconds=now - START_S)
        talk = talk_of(meter, ledger, due, batch, plan=plan, clock=clock_now, talker=talker)
        with suppress(LinkDown):
            await talk.run()
        outbox.keep(batch)
        state = ledger_in(outbox, settings.address).state
        outbox.keep(Batch(now, meters=[state._replace(next_try=0)]))

    with closing(Outbox.open(str(tmp_path / "store.sqlite"))) as outbox:
        outbox.adopt([(1, settings.address)], 0)
        _, _, first = planned()
        progress = {(1, each): until for each, until in first.progress.items()}
        outbox.keep(Batch(now, duties=list(first.duties), progress=progress))
        wanted = planned(**change)[2]
        assert kind == "mbus" or wanted.record or wanted.days
        for _ in range(2):
            run_virtual(talk_in_vain, start=START)
            assert planned(**change)[2] == wanted


def test_what_was_dropped_does_not_come_again_when_a_wrong_clock_is_put_right(tmp_path):
    now, ahead = START_S + 20 * 86_400 + 100, START_S + 400 * 86_400
    plan = Plan(PlanSettings(history_days=9, hourly=False), SHANGHAI)
    meter = plan.meter(MeterSettings("000000000038", 1))

    def wanted(due):
        groups = (due.record or {}, due.days or {})
        return {slot for group in groups for slots in group.values() for slot in slots}

    with closing(Outbox.open(str(tmp_path / "store.sqlite"))) as outbox:
        outbox.adopt([(1, "000000000038")], 0)
        first = plan.due(meter, ledger_in(outbox, "000000000038"), now)
        every = wanted(first) | set(first.later)
        batch = Batch(now)
        holes = set(sorted(every)[:5])
        for slot in every - holes:
            batch.read(slot, "000000000038", Decimal(1), "dlt645:06040001")
        batch.gaps = [Gap(slot, "open", "", 1, 0, cause="silent") for slot in holes]
        outbox.keep(batch)
        outbox.delivered([entry.id for entry in outbox.waiting(9_999)], now)
        # The clock jumps ahead, what was delivered is pruned, and the clock comes back.
        outbox.keep(Batch(ahead, progress=dict.fromkeys([(1, "curve"), (1, "day")], ahead)))
        assert outbox.prune(ahead - 86_400) == len(every - holes)
        again = plan.due(meter, ledger_in(outbox, "000000000038"), now + 3_600)
        assert again.anew
        found = wanted(again) | set(again.later)
        assert found & every == holes  # what was never had is still wanted
        assert {slot.at for slot in found - holes} == {
            START_S + 20 * 86_400 + quarter * 900 for quarter in range(1, 5)
        }
        # A mark that a wrong clock has set is not believed, and goes.
        settled = Batch(now + 3_600, anew=[1], progress={(1, "curve"): now})
        outbox.keep(settled)
        assert max(outbox.forgotten()[1].values()) <= now + 3_600
        outbox.keep(Batch(now - 86_400, anew=[1]))
        assert outbox.forgotten() == {}
        outbox.adopt([(1, "000000000099")], now)
        assert outbox.forgotten() == {}


def ledger_in(outbox, address):
    """What a store knows of point 1."""
    (state,) = outbox.meters() or [MeterState(1, address)]
    progress = {series: until for (_, series), until in outbox.progress().items()}
    duties = {(duty.series, duty.register): duty for duty in outbox.duties()}
    return Ledger(state, progress, outbox.gaps(), duties, outbox.forgotten().get(1, {}))


@pytest.mark.slow
def test_what_the_head_end_asks_for_is_fetched_from_before_the_ledger(tmp_path):
    """A fresh store with no history: curves and freezes of days ago come when they are asked for."""

    async def story(world):
        await world.until(hours=56)
        world.start()
        await world.until(hours=57)
        known = set(world.station.values)
        assert min(at for *_, at in known) >= START_S + 48 * 3_600 - 1
        noon = START.replace(tzinfo=None) + timedelta(hours=12)
        ask = world.station.ask
        answer = await ask(0x0D, CurveRequest(2, 101, noon, 8, 1))
        assert isinstance(answer, Denied)  # nothing of it is there yet
        await ask(0x0D, DayFreezeRequest(2, 161, date(2026, 3, 2)))
        await world.until(hours=57, minutes=10)
        fresh = {key: at for key in world.station.values if key not in known for at in key[3:]}
        old = {key: at for key, at in fresh.items() if at < START_S + 48 * 3_600 - 1}
        curve = sorted(at for key, at in old.items() if key[2] == 900)
        assert curve == [START_S + 43_200 + quarter * 900 for quarter in range(8)]
        assert sum(key[2] == 86_400 for key in old) == 1
        await ask(0x0D, CurveRequest(2, 101, noon, 8, 1))
        await world.until(hours=57, minutes=20)
        assert world.station.repeated == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


async def trouble(world, chance, folder, step):
    """One hour or more in which something goes wrong, or nothing."""
    clock = PushedClock(world.clock)
    copy = folder / f"cut-{step}.sqlite"
    kind = chance.choice(("silence", "cut", "clock", "uplink", "peace"))
    supply = Supply(chance.randint(1, 60) if kind == "cut" else 10**9, after=step % 2, copy=copy)
    try:
        world.start(supply.opener, clock=clock)
    except PowerCut:
        world.move_store(copy)
        return
    world.be_deaf(kind == "silence")
    if kind == "uplink":
        world.station.up = False
        await world.station.hang_up()
    await world.clock.sleep(chance.randint(600, 2 * 3_600))
    if kind == "clock":
        clock.pushed = timedelta(seconds=chance.choice((-7_200, -90, 90, 5_400, 40_000)))
        await world.clock.sleep(chance.randint(600, 7_200))
    world.station.up = True
    if supply.out:
        world.concentrator.close()
        await world.station.hang_up()
        world.move_store(copy)
    else:
        await world.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_after_any_sequence_of_trouble_all_is_there_or_has_a_cause(tmp_path, seed):
    """Silences, power cuts, clock steps, uplink cuts and restarts in any order."""
    chance = seeded(seed, "trouble")

    async def story(world):
        step = 0
        while world.clock.now() < START + timedelta(hours=20):
            step += 1
            await trouble(world, chance, tmp_path, step)
        world.start()
        world.be_deaf(False)
        end = world.clock.now().replace(minute=0) + timedelta(hours=4, minutes=40)
        await world.clock.sleep_until(end)
        await world.stop()
        whole = end.replace(minute=0)
        assert world.delivered() >= world.planned(whole)  # every one of them is recoverable
        assert world.invented() == []
        assert kept_twice(world) == []
        assert sent_again(world.station.frames) <= step  # each trouble may cost one confirmation
        first, last = START.date() - timedelta(days=1), whole.date()
        total, lines = outline(world, first, last)
        assert Cause.UNKNOWN not in total.causes
        assert not [line for line in lines if line.lost]
        assert step > 4

    play(story, tmp_path / "store.sqlite", seed=seed, meters=3, hourly=False, tariffs=1)

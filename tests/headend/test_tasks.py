"""One order for many: progress, pause, cancel, throttle, results, and only the failures once more."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import select
from tests.headend.stage import connect, play
from tests.headend.test_orders import meter as real_meter
from tests.headend.world import ADDRESSES, config

from kwhub.domain.errors import LocalError
from kwhub.headend.config import Meter, Terminal
from kwhub.headend.orders.desk import KeyTaken
from kwhub.headend.orders.wanted import CompareArchive, ReadRegisters, SwitchRelay
from kwhub.headend.store import schema
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.desk import Plan
from kwhub.headend.tasks.scope import Scope
from kwhub.protocols.dlt645.frames import parse

READ = ReadRegisters(("1-0:1.8.0",))
ANN = "ann"
MANY = 40


def many(path):
    """The usual area with a second terminal of many meters."""
    full = config(path)
    (area,) = full.area
    meters = tuple(Meter(address=f"{900 + n:012}", point=n + 1) for n in range(MANY))
    more = Terminal(region="4101", terminal=2083, meter=meters)
    area = type(area)(area.code, area.name, terminal=(*area.terminal, more))
    return type(full)(headend=full.headend, area=(area,))


async def over(headend, number, state="done"):
    async with asyncio.timeout(100_000):
        while headend.tasks.get(number).state != state:
            await headend.clock.sleep(1)
    return headend.tasks.get(number)


def test_progress_causes_and_only_the_failures_once_more(tmp_path):
    silent = [True]

    def meters(forward):
        if silent[0] and parse(forward.payload).address == ADDRESSES[2]:
            return b""
        return real_meter(forward)

    async def script(headend, tasks):
        await connect(headend, tasks, meters=meters).login()
        plan = Plan(READ, Scope(areas=(1,)), "Evening", tries_max=2, key="k")
        number = await headend.tasks.make(plan, ANN)
        assert await headend.tasks.make(plan, ANN) == number
        with pytest.raises(KeyTaken):
            await headend.tasks.make(Plan(READ, Scope(meters=(1,)), key="k"), ANN)
        task = await over(headend, number)
        assert (task.total, task.over, task.done, task.failed) == (3, 3, 2, 1)
        assert task.causes == [("no_answer", "the meter did not answer", 1)]
        lines = headend.tasks.lines(number)
        assert [(each.address, each.state, each.value) for each in lines] == [
            (ADDRESSES[0], OrderState.DONE, "0.38"),
            (ADDRESSES[1], OrderState.DONE, "0.38"),
            (ADDRESSES[2], OrderState.NO_ANSWER, None),
        ]
        assert headend.tasks.lines(number, areas=()) == []
        silent[0] = False
        again = await headend.tasks.retry(number, ANN)
        task = await over(headend, again)
        assert (task.retry_of, task.total, task.done) == (number, 1, 1)
        with pytest.raises(LocalError, match="nobody"):
            await headend.tasks.retry(again, ANN)
        with headend.store.database.read() as connection:
            rows = connection.execute(select(schema.audit.c.action)).scalars()
            assert list(rows) == ["task_read_now"] * 2

    play(tmp_path, script)


def test_pause_cancel_and_an_offline_terminal(tmp_path):
    async def script(headend, tasks):
        number = await headend.tasks.make(Plan(READ, Scope(terminals=(2,))), ANN)
        await headend.clock.sleep(60)
        assert headend.tasks.get(number).counts == {OrderState.NEW: MANY}  # waits
        with pytest.raises(LocalError, match="not paused"):
            await headend.tasks.resume(number, ANN)
        await headend.tasks.pause(number, ANN)
        concentrator = connect(headend, tasks, meters=lambda _forward: None, number=2083)
        await concentrator.login()
        await headend.clock.sleep(60)
        assert concentrator.forwards == []
        await headend.tasks.resume(number, ANN)
        await headend.clock.sleep(20)
        order = await headend.orders.wait(
            await headend.orders.read_now(5, READ.registers, "bob")
        )  # a person does not wait for the task
        assert order.state is OrderState.REFUSED
        left = await headend.tasks.cancel(number, ANN)
        task = headend.tasks.get(number)
        assert task.state == "cancelled"
        assert 0 < left == task.counts[OrderState.CANCELLED] < MANY
        asked = len(concentrator.forwards)
        await headend.clock.sleep(60)
        assert len(concentrator.forwards) <= asked + 1
        with pytest.raises(LocalError, match="over"):
            await headend.tasks.cancel(number, ANN)

    play(tmp_path, script, settings=slow(many(tmp_path / "headend.sqlite")))


def slow(settings):
    return type(settings)(
        headend=settings.headend,
        orders=type(settings.orders)(task_pause_s=1.0),
        area=settings.area,
    )


def test_who_is_meant(tmp_path):
    async def script(headend, _tasks):
        make = headend.tasks.make
        counts: Counter[tuple[str, str]] = Counter()
        for name, scope in {
            "area": Scope(areas=(1,)),
            "meters": Scope(meters=(1, 2, 2, 999)),
            "both": Scope(terminals=(1,), meters=(1,)),
        }.items():
            for kind, wanted in (("meters", READ), ("terminals", CompareArchive())):
                number = await make(Plan(wanted, scope), ANN)
                counts[name, kind] = headend.tasks.get(number).total
        assert counts == {
            ("area", "meters"): MANY + 3,
            ("area", "terminals"): 2,
            ("meters", "meters"): 2,
            ("meters", "terminals"): 1,
            ("both", "meters"): 3,
            ("both", "terminals"): 1,
        }
        for scope, allowed in ((Scope(), None), (Scope(areas=(1,)), ()), (Scope(areas=(9,)), None)):
            with pytest.raises(LocalError, match="nobody"):
                await make(Plan(READ, scope), ANN, allowed=allowed)
        with pytest.raises(LocalError, match="order of its own"):
            await make(Plan(SwitchRelay("trip"), Scope(areas=(1,))), ANN)
        assert headend.tasks.meters_of(f"{ADDRESSES[1]}，{ADDRESSES[0]}\n") == (2, 1)
        for text, words in (("12", "twelve"), ("123456789012", "no active meter")):
            with pytest.raises(LocalError, match=words):
                headend.tasks.meters_of(text)
        found, total = headend.tasks.find(limit=2)
        assert ([each.id for each in found], total) == ([6, 5], 6)
        assert headend.tasks.find(areas=(7,)) == ([], 0)

    play(tmp_path, script, settings=many(tmp_path / "headend.sqlite"))

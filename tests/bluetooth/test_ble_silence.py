"""Who is silent behind a node disturbs nobody else: neither the others behind it nor those above."""

import asyncio
from contextlib import AsyncExitStack

from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER, READER, on_air

from kwhub.bluetooth.node_settings import NodeSettings, Role, SlaveSettings
from kwhub.bluetooth.registry import StateChange
from kwhub.bluetooth.states import NodeState
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.frames import Frame645, parse

READ_ENERGY = bytes.fromhex("00000100")
STRANGER = "777777777777"


async def ask(link, meter, patience_s=1.0):
    """Ask once; what comes in time."""
    await link.write(Frame645(meter, 0x11, READ_ENERGY).to_bytes())
    try:
        async with asyncio.timeout(patience_s):
            return await link.read()
    except TimeoutError:
        return b""


class Chain:
    """Software at a master, a collector below it, and two slaves with a meter each."""

    def __init__(self, stack, clock, air):
        self.enter = stack.enter_async_context
        self.stack, self.clock, self.air = stack, clock, air
        self.meters = meters(clock, 2)
        self.own = [address(5, 1), address(5, 2)]
        self.link, self.inside = pair()
        self.nodes = []

    async def begin(self, **below):
        """``below`` is for the slaves."""
        self.first, self.second = [await self.enter(AsyncExitStack()) for _ in range(2)]
        both = zip(self.own, self.meters, (self.first, self.second), strict=True)
        for own, meter, stack in both:
            made = node(self.clock, self.air, own, slave(**below), behind=[meter])
            self.nodes.append(await stack.enter_async_context(made))
        settings = collector({each: [] for each in self.own}, answer_s=1.0, gone_s=1.0)
        self.middle = await self.enter(node(self.clock, self.air, METER, settings))
        rows = (SlaveSettings(METER),)
        above = NodeSettings(role=Role.MASTER, slaves=rows, answer_s=1.0, heartbeat_s=1.0)
        self.top = await self.enter(node(self.clock, self.air, READER, above))
        asking = asyncio.ensure_future(self.top.attend(self.inside, "software"))
        self.stack.callback(asking.cancel)
        await self.clock.sleep(5)
        for each in self.meters:
            assert await ask(self.link, each.address)

    def hang(self):
        """The first answers nothing any more, and keeps its link."""

        async def silent(*_asked):
            await asyncio.Event().wait()

        self.nodes[0].ask = silent

    async def first_is_gone(self):
        """Its power is cut; the collector knows it."""
        await self.first.aclose()
        await self.clock.sleep(5)


def on_chain(main, **below):
    async def run(clock, air):
        async with AsyncExitStack() as stack:
            chain = Chain(stack, clock, air)
            await chain.begin(**below)
            return await main(chain)

    return on_air(run)


def test_a_question_for_a_meter_whose_slave_is_gone_is_put_to_nobody_else():
    async def main(chain):
        await chain.first_is_gone()
        (other,) = chain.middle.ports
        before = other.asked
        assert await ask(chain.link, chain.meters[0].address, 0.1) == b""
        return other.asked - before

    assert on_chain(main) == 0


def test_a_meter_whose_slave_is_gone_for_long_is_looked_for_elsewhere():
    async def main(chain):
        await chain.first_is_gone()
        await chain.clock.sleep(200)
        settings = slave()
        moved = node(chain.clock, chain.air, address(5, 2), settings, behind=chain.meters[:1])
        await chain.second.aclose()
        await chain.enter(moved)
        await chain.clock.sleep(20)
        return bool(await ask(chain.link, chain.meters[0].address))

    assert on_chain(main)


def test_the_next_question_is_answered_though_the_one_before_was_for_a_slave_that_is_gone():
    async def main(chain):
        await chain.first_is_gone()
        found = []
        for _ in range(5):
            assert await ask(chain.link, chain.meters[0].address, 0.1) == b""
            found.append(bool(await ask(chain.link, chain.meters[1].address, 2.0)))
        return found

    assert on_chain(main, answer_s=2.0) == [True] * 5


def test_who_asks_for_a_number_that_nobody_has_costs_nobody_his_answer_state_or_link():
    async def main(chain):
        changes: list[StateChange] = []
        for each in (chain.top, chain.middle):
            each.registry.told = changes.append
        for _ in range(30):
            assert await ask(chain.link, STRANGER, 2.0) == b""
        found = [bool(await ask(chain.link, each.address, 2.0)) for each in chain.meters]
        states = [view.state for each in (chain.top, chain.middle) for view in each.registry]
        return found, states, changes

    assert on_chain(main) == ([True] * 2, [NodeState.ONLINE] * 3, [])


def test_a_slave_that_hangs_does_not_hold_up_what_is_asked_of_all():
    async def main(chain):
        chain.hang()
        anybody = Frame645("AAAAAAAAAAAA", 0x13).to_bytes()
        await chain.link.write(anybody)
        began = chain.clock.monotonic()
        async with asyncio.timeout(10):
            found = parse(await chain.link.read())
        return found.address == chain.meters[1].address, chain.clock.monotonic() - began

    is_other, took_s = on_chain(main)
    assert is_other
    assert took_s < 0.5


def test_each_role_waits_longer_than_the_one_below():
    slave_s, both_s, master_s = (
        NodeSettings(role=each).patience_s for each in (Role.SLAVE, Role.BOTH, Role.MASTER)
    )
    assert slave_s * 1.5 <= both_s
    assert both_s * 1.25 < master_s
    assert NodeSettings(answer_s=0.3).patience_s == 0.3

"""A sale over the line while the concentrator loses power: at each of its writes, and around each frame to the meter."""

import asyncio
from functools import partial

import pytest
from tests.concentrator.power import PowerCut, Supply
from tests.headend.vending_whole import CUSTOMER, Shop
from tests.headend.whole import RIGHTS, START

from kwhub.concentrator.app import Concentrator
from kwhub.headend.vending_store import Customer
from kwhub.prepay.conversations import recharge
from kwhub.prepay.sessions import Target
from kwhub.prepay.vending import State
from kwhub.protocols.dlt645.orders import Authenticate
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual

pytestmark = pytest.mark.slow
DARK_S = 30
FOR_EVER = 10**9


class DarkShop(Shop):
    """A shop whose concentrator is on a supply that fails."""

    def __init__(self, clock, folder):
        super().__init__(clock, folder, meters=3)
        self.dark = asyncio.Event()
        self.security = 0  #: commands of code 03 that the meter was asked
        self.cut_at, self.cut_after = FOR_EVER, False
        meter = self.replaced[self.number]
        self._answer, meter.answer = meter.answer, self._guarded

    def _guarded(self, request, at_s, **more):
        """The meter; the concentrator dies before or after one of its security commands."""
        if not isinstance(request, Authenticate):
            return self._answer(request, at_s, **more)
        self.security += 1
        if self.security != self.cut_at:
            return None if self.dark.is_set() else self._answer(request, at_s, **more)
        reply = self._answer(request, at_s, **more) if self.cut_after else None
        assert reply is None or self.cut_after
        self.dark.set()
        return None  # whatever it said, nobody is there to hear it

    def start_on(self, supply=None):
        """The concentrator, with its store on a supply."""
        more = {} if supply is None else {"opener": supply.opener}
        self.concentrator = Concentrator(
            self.config,
            self.clock,
            chance=seeded(self.seed, "concentrator"),
            open_link=self._open_link,
            rights=RIGHTS,
            **more,
        )
        self._task = self._spawn(self.concentrator.run())

    async def go_dark(self):
        """Nothing of the process is left but its file."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self.concentrator.close()
        await self.hang_up()

    async def sell(self, payment="R-1"):
        """A sale; it ends with the concentrator, at the latest."""
        service = self.headend.vending
        sale = asyncio.ensure_future(service.sell(self.meter, 5_000, payment, "ann"))
        gone = asyncio.ensure_future(self.dark.wait())
        await asyncio.wait({sale, gone, self._task}, return_when=asyncio.FIRST_COMPLETED)
        was_cut = self.dark.is_set() or self._task.done()
        if was_cut:
            await self.go_dark()
        gone.cancel()
        await asyncio.wait([sale])
        if not was_cut or sale.exception() is None:
            return was_cut, sale.result()
        return was_cut, None

    async def light(self, path=None):
        """Light again: with the same file, or the copy of that moment."""
        await self.clock.sleep(DARK_S)
        self.dark.clear()
        self.cut_at = FOR_EVER
        if path is not None:
            self.move_store(path)
        self.start_on()
        await self.online()
        await self.clock.sleep(400)  # the meter's session is over

    async def recover(self, path=None):
        """Light again, and what waits is brought."""
        await self.light(path)
        await self.headend.vending.bring_pending()

    def judge(self):
        """Exactly once: in the meter, in the books, in all of them."""
        with self.headend.vending.books() as books:
            states = [each.state for each in books.purchases]
        assert set(states) <= {State.CONFIRMED}
        assert self.element.wallet[1] == len(states)
        assert self.unit.core.store.account.paid == 5_000 * len(states)
        assert self.headend.vending.compare().findings == []
        return len(states)


def play(folder, story):
    async def main(clock):
        shop = DarkShop(clock, folder)
        headend = shop.open_headend()
        assert headend.vending
        headend.vending.add_customer(Customer(CUSTOMER, shop.number, "Wang"), "ann")
        try:
            return await story(shop)
        finally:
            await shop.close_headend()

    return run_virtual(main, start=START)


async def frame_cut(shop, at, after):
    shop.start_on()
    await shop.online()
    shop.cut_at, shop.cut_after = at, after
    was_cut, _ = await shop.sell()
    if was_cut:
        await shop.recover()
    if not shop.judge():  # it was cut before anything was sold: the clerk tries again
        await shop.sell("R-2")
        assert shop.judge() == 1
    await shop.go_dark()
    return was_cut


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_around_any_security_command_leaves_one_purchase(tmp_path, after):
    """Login, status, login, purchase, status: whichever is the last that this concentrator carries."""
    cuts = 0
    for at in range(1, 100):
        folder = tmp_path / str(at)
        folder.mkdir()
        if not play(folder, partial(frame_cut, at=at, after=after)):
            break
        cuts += 1
    assert cuts >= 5


async def write_cut(shop, at, after):
    """The store of the concentrator is written at once when a sale begins, and while it goes on."""
    supply = Supply(FOR_EVER, after=after, copy=shop.folder / "copy.sqlite")
    shop.start_on(supply)
    await shop.online()
    supply.left, was_cut = at, False
    for number in range(1, 4):  # some of its writes are those of a reading that goes on meanwhile
        was_cut, _ = await shop.sell(f"R-{number}")
        if was_cut:
            break
        await shop.clock.sleep(120)
    if supply.out:
        if not was_cut:
            await shop.go_dark()
        await shop.recover(supply.copy)
    judged = shop.judge()
    assert judged >= 1 or supply.out
    await shop.go_dark()
    return supply.out


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_at_any_write_of_the_concentrator_leaves_every_purchase_once(tmp_path, after):
    cuts = 0
    for at in range(1, 40):
        folder = tmp_path / str(at)
        folder.mkdir()
        if not play(folder, partial(write_cut, at=at, after=after)):
            break
        cuts += 1
    assert cuts >= 5


def test_whoever_takes_a_new_number_after_silence_doubles_the_purchase(tmp_path):
    """The negative control: the same cuts, and a counter that takes silence for a failure."""

    async def careless(shop, at):
        shop.start_on()
        await shop.online()
        shop.cut_at, shop.cut_after = at, True
        await shop.sell()
        await shop.light()
        service, known = shop.headend.vending, shop.meter
        target = Target(known.address, known.address, "00000001", (2, 1))
        with service._desk() as desk:
            count = shop.element.wallet[1] + 1
            customer = bytes.fromhex(CUSTOMER)
            again = recharge(desk.crypto, target, 5_000, count, customer)
            await shop.headend.orders.carrier.relay_to(known).run(again)
        await shop.go_dark()
        return shop.unit.core.store.account.paid

    doubled = []
    for at in range(3, 7):
        folder = tmp_path / str(at)
        folder.mkdir()
        doubled.append(play(folder, partial(careless, at=at)))
    assert max(doubled) == 10_000


def test_the_supply_of_these_tests_is_the_one_of_the_concentrator():
    """What kills is a ``PowerCut``, which no part of the concentrator catches."""
    assert not issubclass(PowerCut, Exception)

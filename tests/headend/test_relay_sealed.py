"""A relay order of the head-end for a cost-control meter: sealed, through front and concentrator, with a ticket."""

import pytest
from tests.headend.test_vending_service import play
from tests.headend.vending_whole import root_keys

from kwhub.domain.errors import Refusal
from kwhub.headend.orders.wanted import SwitchRelay
from kwhub.headend.store.views import OrderState
from kwhub.prepay.master_crypto import ControlOrder

pytestmark = pytest.mark.slow
TRIP, PERMIT, CLOSE = (SwitchRelay(each) for each in ("trip", "permit_closing", "close"))


async def switched(shop, wanted, by="ann", second="bob"):
    """The order when it is over."""
    orders = shop.headend.orders
    number = await orders.to_meter(shop.meter.id, wanted, by)
    await orders.approve(number, second)
    return await orders.wait(number)


def relay_of(shop):
    return shop.replaced[shop.number].body.memory.relay


async def begun(shop, **more):
    keys = str(root_keys(shop.folder))
    headend = shop.open_headend(root_key=keys, trip_share_per_hour=1.0, **more)
    shop.start()
    await shop.online()
    return headend


def test_a_cost_control_meter_is_tripped_and_closed_under_cipher_and_by_no_password(tmp_path):
    async def story(shop):
        headend = await begun(shop)
        begins = shop.clock.now()
        done = await switched(shop, TRIP)
        assert (done.state, '"verdict":"done"' in done.result) == (OrderState.DONE, True)
        assert (shop.clock.now() - begins).total_seconds() >= 120  # anyone could have cancelled it
        assert relay_of(shop).is_open
        for wanted in (PERMIT, CLOSE):
            assert (await switched(shop, wanted)).state is OrderState.DONE
        assert not relay_of(shop).ordered_open
        # Who has the master crypto of the running head-end and no ticket trips nobody.
        master = headend.orders.carrier.sealer.master
        login = master.login(bytes(2) + bytes.fromhex(shop.number))
        with pytest.raises(Refusal, match="needs a ticket"):
            master.control(login, bytes(4), ControlOrder(0x1A))

    play(tmp_path, story)


def password(folder):
    path = folder / "relay.password"
    path.write_text("000000")
    return str(path)


def test_a_password_does_not_move_it_and_moves_the_meter_beside_it(tmp_path):
    """One head-end, both kinds of meters: each is asked which it is."""

    async def story(shop):
        headend = await begun(shop, relay_password_file=password(tmp_path), approval_delay_s=0)
        beside = next(
            each
            for each in headend.store.archive.meters.values()
            if each.address != shop.number and each.protocol == "dlt645-2007"
        )
        number = await headend.orders.to_meter(beside.id, TRIP, "ann")
        await headend.orders.approve(number, "bob")
        done = await headend.orders.wait(number)
        assert done.state is OrderState.DONE, done.detail
        assert (await switched(shop, TRIP, "eve")).state is OrderState.DONE
        assert relay_of(shop).is_open

    play(tmp_path, story)


def test_without_root_keys_a_cost_control_meter_stays_as_it_is(tmp_path):
    async def story(shop):
        shop.open_headend(
            relay_password_file=password(tmp_path), trip_share_per_hour=1.0, approval_delay_s=0
        )
        shop.start()
        await shop.online()
        refused = await switched(shop, TRIP)
        assert refused.state is OrderState.REFUSED
        assert not relay_of(shop).is_open

    play(tmp_path, story)

"""T-H8 and what a device may and may not do: offline budget, orders that are only carried, uploads, lending."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from tests.identity.field import METER, OTHER_METER, START, Handheld, on_stage
from tests.identity.metered import Line

from kwhub.domain.errors import LinkDown, LocalError, NoAnswer, Refusal
from kwhub.exchange.device_messages import (
    Carry,
    DeviceReading,
    Ended,
    Envelope,
    FetchWork,
    Greet,
    Query,
    Renew,
    Reply,
    Unpacker,
    Upload,
    Welcome,
    WorkMeter,
    pack,
)
from kwhub.handheld.budget import Budget
from kwhub.handheld.carrying import carry
from kwhub.handheld.channel import Channel
from kwhub.handheld.lending import carry_bytes, lend
from kwhub.headend.store.schema_devices import device_order
from kwhub.links.memory import pair
from kwhub.prepay.sessions import log_in


async def with_work(stage, **settings):
    device = await stage.working()
    number = stage.give(**settings)
    budget = Budget(device.identity)
    budget.take(await device.channel.ask(FetchWork()))
    return device, budget, number


def test_h8_after_the_deadline_no_meter_operation_but_own_readings_and_upload(place):
    async def main(stage):
        device, budget, number = await with_work(stage, uses=5, hours=72)
        row = device.identity.seal("reading 1", b"123.45")
        budget.spend(METER, "read")
        await stage.clock.sleep(72 * 3600 - 10)
        budget.spend(METER, "read")
        await stage.clock.sleep(10)
        with pytest.raises(Refusal, match="is over"):
            budget.spend(METER, "read")
        assert budget.left(METER, "read") == 0
        assert device.identity.unseal("reading 1", row) == b"123.45"
        await device.channel.ask(upload(number))

    on_stage(place, main)


def test_h8_uses_are_counted_across_restarts_and_for_this_meter_and_operation_only(place):
    async def main(stage):
        device, budget, _ = await with_work(stage, uses=2)
        for wrong in ((OTHER_METER, "read"), (METER, "set-time")):
            with pytest.raises(Refusal, match="nothing allows"):
                budget.spend(*wrong)
        budget.spend(METER, "read")
        device.boot()
        budget = Budget(device.identity)
        assert budget.left(METER, "read") == 1
        budget.spend(METER, "read")
        with pytest.raises(Refusal, match="used up"):
            budget.spend(METER, "read")
        budget.take(await device.channel.ask(FetchWork()))  # fetching again gives nothing back
        with pytest.raises(Refusal, match="used up"):
            budget.spend(METER, "read")

    on_stage(place, main)


@pytest.mark.parametrize("restart", [False, True])
def test_clock_set_back_is_noticed_and_rests_until_the_next_contact(place, restart):
    async def main(stage):
        device, budget, _ = await with_work(stage, hours=72)
        await stage.clock.sleep(50 * 3600)
        budget.spend(METER, "read")
        device.clock.step_s = -49 * 3600
        if restart:
            device.boot()
            budget = Budget(device.identity)
        with pytest.raises(Refusal, match="clock was set back"):
            budget.spend(METER, "read")
        device.clock.step_s = 0  # putting it right again does not help by itself
        with pytest.raises(Refusal, match="clock was set back"):
            budget.spend(METER, "read")
        await device.reconnect()
        budget.spend(METER, "read")
        await stage.clock.sleep(23 * 3600)
        with pytest.raises(Refusal, match="is over"):
            budget.spend(METER, "read")

    on_stage(place, main)


def test_time_that_a_device_has_seen_stays_seen_when_it_is_opened_again(place):
    async def main(stage):
        device, budget, _ = await with_work(stage, hours=72)
        for _ in range(2):
            await stage.clock.sleep(40 * 3600)
            device.boot()  # it is looked at, nothing is spent
            device.clock.step_s -= 39 * 3600
            device.boot()
            assert device.identity.state.frozen
        device.clock.step_s = 0
        budget = Budget(device.identity)
        with pytest.raises(Refusal, match="clock was set back"):
            budget.spend(METER, "read")
        assert budget.left(METER, "read") == 0  # 80 hours of 72 have passed
        await device.reconnect()
        with pytest.raises(Refusal, match="is over"):
            budget.spend(METER, "read")

    on_stage(place, main)


def test_a_clock_that_once_ran_years_ahead_costs_the_grants_but_not_the_way_to_the_headend(place):
    async def main(stage):
        device, budget, _ = await with_work(stage, hours=72)
        device.clock.step_s = 40 * 365 * 86_400
        device.boot()
        device.clock.step_s = 0
        device.boot()
        budget = Budget(device.identity)
        with pytest.raises(Refusal, match="expired"):
            budget.spend(METER, "read")
        await device.reconnect()
        assert not device.identity.state.frozen
        budget.spend(METER, "read")

    on_stage(place, main)


def test_a_clock_that_was_wrong_all_the_time_is_no_trouble(place):
    async def main(stage):
        stage.device.clock.step_s = -3 * 3600
        device, budget, _ = await with_work(stage, hours=10)
        await stage.clock.sleep(9.9 * 3600)
        budget.spend(METER, "read")
        await stage.clock.sleep(0.1 * 3600)
        with pytest.raises(Refusal, match="is over"):
            budget.spend(METER, "read")
        assert not device.identity.state.frozen

    on_stage(place, main)


def test_recall_takes_the_grants_at_the_next_contact(place):
    async def main(stage):
        _device, budget, _ = await with_work(stage)
        told = stage.headend.registry.lock("device-000001", "admin", "suspicion")
        assert [(each.meter, each.operation, each.uses) for each in told.grants] == [
            (METER, "read", 3)
        ]
        with pytest.raises(Refusal, match="locked"):
            await _device.greet()
        with pytest.raises(Refusal, match="locked"):
            budget.spend(METER, "read")

    on_stage(place, main)


def upload(number=None, name="upload-1", value="1.10", **more):
    reading = DeviceReading(METER, "1-0:1.8.0", Decimal(value), "kWh", int(START.timestamp()))
    return Upload(name, number, (reading,), **more)


def test_uploads_are_taken_once_whatever_is_repeated(place):
    async def main(stage):
        device, budget, number = await with_work(stage)
        grant = budget.spend(METER, "read")
        told = upload(number, used=budget.used())
        assert not (await device.channel.ask(told)).repeated
        assert (await device.channel.ask(told)).repeated
        with pytest.raises(Refusal, match="another content"):
            await device.channel.ask(upload(number, value="1.11"))
        left = stage.headend.registry.exposure("device-000001").grants
        assert [each.uses for each in left] == [grant.uses - 1]
        assert (await device.channel.ask(Query(METER))).rows == ()
        await device.channel.ask(upload(number, "upload-2", finished=True))
        assert (await device.channel.ask(FetchWork())).orders == ()
        with pytest.raises(Refusal, match="neither in the work nor in the area"):
            await device.channel.ask(Query(METER))

    on_stage(place, main)


# Orders

TRIP = (METER, "relay-trip", "")


def relay_stage(place, main):
    meter = Line()
    return on_stage(
        place,
        partial(main, meter),
        make=meter.make(),
    )


def test_an_order_is_made_by_the_head_end_and_only_carried(place):
    async def main(meter, stage):
        device = await stage.working()
        number = stage.headend.ordered("device-000001", TRIP)
        assert meter.closed
        assert await carry(device.channel, number, meter.exchange) == Ended(number, True, "")
        assert not meter.closed
        actions = stage.headend.actions()
        assert actions.index("device_order") < actions.index("device_order_begin")
        # Again, the recorded frames of it, and another device: nothing is left to be used.
        meter.close()
        assert (await carry(device.channel, number, meter.exchange)).obeyed  # told, not done again
        for frame in list(meter.frames):
            await meter.exchange(frame)
        assert meter.closed

    relay_stage(place, main)


def test_parameters_and_keys_are_orders_like_that_too(place):
    async def main(meter, stage):
        device = await stage.working()
        site = meter.site
        before = site.store.limits
        for operation, detail in (("parameter", "04001003 00100000"), ("keys", "2")):
            order = (METER, operation, detail)
            number = stage.headend.ordered("device-000001", order)
            assert await carry(device.channel, number, meter.exchange) == Ended(number, True, "")
        assert site.store.limits != before
        assert site.run(log_in(site.master, site.target)).login.version == 2
        # Bytes that a device has seen are no order: the meter has moved on.
        limits = site.store.limits
        for frame in list(meter.frames):
            with suppress(NoAnswer):
                await meter.exchange(frame)
        assert site.store.limits == limits

    relay_stage(place, main)


def test_an_order_is_for_one_meter(place):
    async def main(meter, stage):
        device = await stage.working()
        wrong = (OTHER_METER, "relay-trip", "")
        number = stage.headend.ordered("device-000001", wrong)

        async def deceive(frame):
            """A device that carries the order to another meter, with its address put in."""
            return await meter.exchange(meter.readdressed(frame))

        assert not (await carry(device.channel, number, deceive)).obeyed
        assert meter.closed

    relay_stage(place, main)


def test_a_lost_answer_of_the_head_end_does_not_do_it_twice_or_lose_it(place):
    async def main(meter, stage):
        device = await stage.working()
        number = stage.headend.ordered("device-000001", TRIP)
        first = await device.channel.ask(Carry(number, 0))
        assert await device.channel.ask(Carry(number, 0)) == first
        answer = await meter.exchange(first.frame)
        second = await device.channel.ask(Carry(number, 1, answer))
        assert await device.channel.ask(Carry(number, 1, b"")) == second
        with pytest.raises(Refusal, match="not the next one"):
            await device.channel.ask(Carry(number, 9))
        ended = await device.channel.ask(Carry(number, 2, await meter.exchange(second.frame)))
        assert ended.obeyed
        assert await device.channel.ask(Carry(number, 2, b"")) == ended
        assert not meter.closed

    relay_stage(place, main)


@pytest.mark.parametrize("trouble", ["late", "other device", "unknown", "restart", "locked"])
def test_orders_that_do_not_hold_are_refused(place, trouble):
    async def main(meter, stage):
        device = await stage.working()
        number = stage.headend.ordered("device-000001", TRIP, minutes=5)
        if trouble == "late":
            await stage.clock.sleep(300)
        if trouble == "unknown":
            number += 1
        if trouble == "other device":
            device = Handheld(place / "second", stage.headend, stage.clock)
            code = stage.headend.code(stage.headend.registry.allocate(described(), "admin"))
            device.prepare(code)
            await device.enrol()
        if trouble == "restart":
            await device.channel.ask(Carry(number, 0))
            stage.headend.restart()
            await device.channel.aclose()
            ended = await carry(device.channel, number, meter.exchange)
            assert "interrupted" in ended.detail
        else:
            if trouble == "locked":
                told = stage.headend.registry.lock("device-000001", "admin", "x")
                assert told.orders == (number,)
            with pytest.raises(Refusal, match=r"no such open order|locked"):
                await carry(device.channel, number, meter.exchange)
        assert meter.closed
        assert meter.frames == []

    relay_stage(place, main)


def described():
    from kwhub.headend.identity.records import Description

    return Description("T5", "S2", "bob")


@pytest.mark.parametrize("how", ["lose", "lock", "retire", "allocate_again"])
def test_an_order_that_was_begun_is_recalled_with_its_device_and_no_other_goes_on_with_it(
    place, how
):
    async def main(meter, stage):
        device, registry = await stage.working(), stage.headend.registry
        number = stage.headend.ordered("device-000001", TRIP)
        begun = await device.channel.ask(Carry(number, 0))
        if how != "allocate_again":
            told = getattr(registry, how)("device-000001", "admin", "left in the bus")
            assert told.orders == (number,)
        if how == "retire":
            with pytest.raises(Refusal, match="retired"):
                await device.channel.ask(Carry(number, begun.step, b""))
        else:
            fresh = Handheld(place / "second", stage.headend, stage.clock)
            fresh.prepare(stage.headend.code(registry.allocate_again("device-000001", "admin")))
            await fresh.enrol()
            answer = await meter.exchange(begun.frame)
            for step in (begun.step, 0):
                with pytest.raises(Refusal, match="no such open order: recalled"):
                    await fresh.channel.ask(Carry(number, step, answer))
            assert stage.headend.orders._talks == {}
        assert meter.closed
        with stage.headend.database.read() as connection:
            row = connection.execute(select(device_order)).one()
        assert (row.state, row.obeyed) == ("recalled", None)
        assert row.outcome.startswith("recalled after it was begun: look at the meter")

    relay_stage(place, main)


def test_a_silent_meter_ends_the_order(place):
    async def main(meter, stage):
        device = await stage.working()
        number = stage.headend.ordered("device-000001", TRIP)

        async def silence(_frame):
            raise NoAnswer

        ended = await carry(device.channel, number, silence)
        assert not ended.obeyed
        assert "no answer" in ended.detail

    relay_stage(place, main)


def test_nothing_can_be_given_to_a_device_that_does_not_work(place):
    async def main(stage):
        for give in (
            stage.give,
            lambda: stage.headend.ordered("device-000001", TRIP),
        ):
            with pytest.raises(LocalError, match="is allocated"):
                give()
        with pytest.raises(LocalError, match="there is no device x"):
            stage.headend.registry.lock("x", "admin", "")
        await stage.working()
        with pytest.raises(LocalError, match="at least one meter"):
            stage.give(meters=())
        with pytest.raises(LocalError, match="at least a minute"):
            stage.headend.ordered("device-000001", TRIP, minutes=0)

    on_stage(place, main)


# Lending


def test_pda_lends_its_channel_and_only_what_was_allowed(place):
    async def main(stage):
        device = await stage.working()
        stage.give(meters=(WorkMeter(METER, customer="王"),))
        near, far = pair()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lend(far, device.channel, "reader-7"))
            unpacker = Unpacker(Reply)
            answers: list[Any] = []
            for number, body in enumerate(
                (upload(), FetchWork(), Renew("x"), Carry(1, 0), Greet())
            ):
                await near.write(pack(Envelope(number, body)))
                while len(answers) <= number:
                    answers += unpacker.feed(await near.read())
            await near.aclose()
        assert answers[0].body.count == 1
        assert answers[1].body.orders[0].meters[0].customer == "王"
        assert [each.body.reason for each in answers[2:]] == ["request"] * 3
        from sqlalchemy import select

        from kwhub.headend.store.schema_devices import device_upload

        with stage.headend.database.read() as connection:
            row = connection.execute(select(device_upload)).one()
        assert (row.lent_to, row.operator, row.generation) == ("reader-7", "ann", 2)

    on_stage(place, main)


def test_a_device_with_its_own_identity_goes_through_another_unseen(place):
    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()
        async with asyncio.TaskGroup() as tasks:

            async def through_the_lender():
                near, far = pair()
                tasks.create_task(carry_bytes(far, await device.dial()))
                return near

            channel = Channel(device.identity, through_the_lender)
            assert isinstance(await channel.ask(Greet()), Welcome)
            assert b"Greet" not in device.links[-1].sent
            await channel.aclose()

    on_stage(place, main)


def test_out_of_reach_is_told(place):
    async def main(stage):
        device = await stage.working()
        await device.channel.aclose()

        async def nobody():
            raise LinkDown("no network")

        with pytest.raises(LinkDown, match="no network"):
            await Channel(device.identity, nobody).ask(Greet())

    on_stage(place, main)

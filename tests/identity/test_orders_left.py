"""Orders that a device has left in the middle: nothing is sent twice, and nobody is told that it was not done."""

from functools import partial

import pytest
from sqlalchemy import select
from tests.identity.field import METER, on_stage
from tests.identity.metered import Line

from kwhub.domain.errors import Refusal
from kwhub.exchange.device_messages import Carry, Ended
from kwhub.handheld.carrying import carry
from kwhub.headend.store.schema_devices import device_order

TRIP = (METER, "relay-trip", "")


def left(place, main, **settings):
    """A device that has brought the meter all it needs to obey, and was killed before it could say so."""

    async def story(meter, stage):
        device = await stage.working()
        number = stage.headend.ordered("device-000001", TRIP, **settings)
        step = await device.channel.ask(Carry(number, 0))
        while meter.closed:
            answer = await meter.exchange(step.frame)
            if meter.closed:
                step = await device.channel.ask(Carry(number, step.step, answer))
        await main(meter, stage, number)

    meter = Line()
    return on_stage(place, partial(story, meter), make=meter.make())


def kept(stage):
    with stage.headend.database.read() as connection:
        return connection.execute(select(device_order)).one()


def test_a_device_that_began_anew_ends_the_order_and_sends_nothing(place):
    async def main(meter, stage, number):
        meter.close()
        sent = len(meter.frames)
        ended = await carry(stage.device.channel, number, meter.exchange)
        assert isinstance(ended, Ended)
        assert not ended.obeyed
        assert "look at the meter" in ended.detail
        assert len(meter.frames) == sent
        assert meter.closed
        row = kept(stage)
        assert (row.state, row.obeyed) == ("failed", False)
        again = await carry(stage.device.channel, number, meter.exchange)
        assert again == ended

    left(place, main)


def test_an_order_that_was_begun_and_is_late_tells_that_it_may_have_been_obeyed(place):
    async def main(meter, stage, number):
        await stage.clock.sleep(300)
        with pytest.raises(Refusal, match="expired"):
            await carry(stage.device.channel, number, meter.exchange)
        assert "look at the meter" in kept(stage).outcome

    left(place, main, minutes=5)

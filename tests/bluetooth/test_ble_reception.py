"""Who wants in: refused commands do not close the door, and strangers do not block it."""

import pytest
from bumble.core import InvalidStateError
from bumble.hci import HCI_Error, HCI_ErrorCode
from tests.bluetooth.stations import METER, OTHER, READER, free, idle, on_air, station, told_of

from kwhub.bluetooth.pairing import Pairing
from kwhub.domain.errors import LinkDown

REFUSED = HCI_Error(HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)


@pytest.mark.parametrize("error", [REFUSED, InvalidStateError("busy")], ids=["hci", "state"])
def test_advertising_that_was_refused_is_tried_again(error):
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free(), connect_s=2.0) as master,
        ):
            advertise, refusals = slave._device.start_advertising, [error, error]

            async def refused(*args, **kwargs):
                if refusals:
                    raise refusals.pop()
                await advertise(*args, **kwargs)

            slave._device.start_advertising = refused
            slave.listen(idle, profile="nus", masters_max=1)
            with pytest.raises(LinkDown):
                await master.connect(METER)
            await clock.sleep(10)
            await master.connect(METER)
            assert told_of(slave) == ["advertising_failed", "connected"]
            await slave.be_quiet()
            await clock.sleep(1)
            assert await master.scan(2) == []
            slave.listen(idle, profile="nus", masters_max=1)
            await clock.sleep(1)
            assert [seen.address for seen in await master.scan(2)] == [METER]

    on_air(main)


@pytest.mark.parametrize(("is_open", "stays_s"), [(False, 5), (True, 60)])
def test_strangers_hold_no_place_for_long_while_nobody_may_pair(is_open, stays_s):
    async def main(clock, air):
        async with (
            station(clock, air, METER, Pairing(is_open=is_open)) as slave,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            slave.listen(idle, profile="nus", masters_max=2)
            for stranger in (one, two):
                await stranger._connect(METER)
            await clock.sleep(stays_s - 1)
            assert set(slave.reception.masters) == {READER, OTHER}
            await clock.sleep(2)
            assert slave.reception.masters == ()
            assert told_of(slave).count("turned_away") == 2

    on_air(main)

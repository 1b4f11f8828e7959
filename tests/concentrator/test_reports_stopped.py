"""05-F37 stops reports at once, in the middle of a connection; 05-F29 lets them go on."""

from tests.concentrator.world import play

from kwhub.protocols.gdw1376.messages import Confirmed
from kwhub.protocols.gdw1376.units import Unit


def test_reports_stop_on_the_connection_that_forbids_them(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=10)
        assert isinstance(await world.station.ask(5, Unit((0,), (37,))), Confirmed)
        uplink = world.concentrator.uplink
        assert not uplink.reports_allowed
        offered = world.station.offered
        assert offered
        await world.until(hours=4)
        assert world.station.offered == offered
        assert world.concentrator.outbox.counts().waiting
        assert isinstance(await world.station.ask(5, Unit((0,), (29,))), Confirmed)
        await world.until(hours=4, minutes=5)
        assert world.station.offered > offered
        assert not world.concentrator.outbox.counts().waiting
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)

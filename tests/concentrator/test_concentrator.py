"""A whole concentrator between simulated meters and a real station session, on virtual time."""

from datetime import timedelta

from tests.concentrator.world import START, play


def test_six_hours_arrive_whole_and_once(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=6, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(START + timedelta(hours=6))
        assert world.station.repeated == []

    play(story, tmp_path / "store.sqlite")

"""T-08: nobody puts many customers in the dark, whoever asks, however often, with whatever clock."""

import pytest
from sqlalchemy import select
from tests.headend.whole import play_whole

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.orders.wanted import KINDS, SwitchRelay
from kwhub.headend.store import schema
from kwhub.headend.store.views import OrderState
from kwhub.prepay.trip_guard import HOUR_S, State, TripGuard, TripRules
from kwhub.runtime.chance import seeded

TRIP = SwitchRelay("trip")
CALLERS = ("admin", "key a", "key b", "device-000001")
ROUNDS = 5
NOTHING_READ = {"curve_minutes": 0, "hourly": False, "day_freeze": False}


@pytest.mark.slow
def test_t08_ten_thousand_orders_of_four_callers_with_a_jumping_clock_stay_within_the_budget():
    """An administrator, two API keys and a handheld order trips of ten thousand meters in one hour."""
    protected = {f"{number:012}" for number in range(0, 10_000, 500)}
    rules = TripRules(per_operator_hour=50, area_share_hour=0.005)
    guard = TripGuard(rules, {"feeder": 10_000}, frozenset(protected))
    chance, now, refused, released = seeded(8, "trips"), 1_000_000, 0, []
    for number in range(10_000):
        meter = f"{number:012}"
        jump = chance.choice((0, 0, 0, -86_400, 300))  # back by a day, or on
        try:
            guard.order(meter, "feeder", CALLERS[number % 4], now + min(jump, 0))
        except Refusal:
            refused += 1
        if number % 1_000 == 999:
            released += guard.release(now + 400)
    released += guard.release(now + HOUR_S - 1)
    assert refused == len(protected)
    assert len(released) == 50  # half a percent of the feeder, not 4 x 50
    assert not {each.meter for each in released} & protected
    waiting = [each for each in guard.orders.values() if each.state is State.UNAPPROVED]
    assert len(waiting) == 10_000 - refused - 50  # for a second person, each by itself


def test_t08_no_order_goes_to_many_meters_and_a_trip_waits_for_a_second_person():
    assert KINDS["relay"].of_meter
    assert KINDS["relay"].approval


async def order_everything(headend):
    """What was taken of the trips of every meter by every caller, again and again."""
    taken = []
    for who in CALLERS * ROUNDS:
        for meter_id in (1, 2, 3, 4):
            try:
                taken.append(await headend.orders.to_meter(meter_id, TRIP, who))
            except LocalError as error:
                assert "no trip" in str(error)
    return taken


def trail_of(headend):
    with headend.store.database.read() as connection:
        rows = connection.execute(select(schema.audit.c.action, schema.audit.c.who))
        return [tuple(row) for row in rows]


@pytest.mark.slow
def test_t08_trips_through_the_head_end_are_guarded_told_and_never_reach_who_is_protected(tmp_path):
    """Through the real orders, front and concentrator to the relays of the meters."""

    async def story(world):
        headend = world.open_headend(
            trip_share_per_hour=0.5, trips_per_hour=2, approval_delay_s=300
        )
        world.start()
        await world.online()
        numbers = await order_everything(headend)
        assert len(numbers) == 2  # half of four meters, whoever asks
        told = [who for action, who in trail_of(headend) if action == "trip_refused"]
        assert len(told) == 4 * len(CALLERS) * ROUNDS - 2
        assert set(told) == set(CALLERS)
        with pytest.raises(LocalError, match="second person"):
            await headend.orders.approve(numbers[0], "admin")
        for number in numbers:
            await headend.orders.approve(number, "boss")
        await world.clock.sleep(200)  # the delay, in which anybody may still say no
        await headend.orders.cancel(numbers[1], "anybody")
        protected = world.area.places[0].meter.address
        await world.close_headend(crash=True)
        # It became protected after the order was approved: asked last, when it is sent.
        headend = world.open_headend(trip_share_per_hour=0.5, never_trip=(protected,))
        await world.online()
        order = await headend.orders.wait(numbers[0])
        assert (order.state, order.detail) == (OrderState.FAILED, "no trip: protected supply")
        for place in world.area.places:
            assert not place.meter.body.memory.relay.ordered_open
        await world.stop()
        await world.close_headend()

    play_whole(story, tmp_path, meters=4, **NOTHING_READ)

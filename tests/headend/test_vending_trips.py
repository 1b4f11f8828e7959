"""Trips: one person is one, whatever key is used; nothing is saved up for later; limits of money are trips, too."""

import asyncio
from datetime import timedelta

import pytest
from litestar.testing import TestClient
from tests.headend.test_people_keys import made_key, of
from tests.headend.web_world import BASE, address, filled
from tests.identity.test_carried_trips import NAME
from tests.identity.test_carried_trips import headend as carried  # noqa: F401 - a fixture

from kwhub.domain.errors import LocalError
from kwhub.headend.config import Ordering
from kwhub.headend.orders.desk import Terms
from kwhub.headend.orders.trips import TripRefused, check_trip, is_carried_trip
from kwhub.headend.orders.wanted import SwitchRelay
from kwhub.headend.people.person import person_of, user_name
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.web.app import create_app

TRIP = {"order": {"kind": "relay", "command": "trip"}}
LONG = Terms(deadline_s=86_400)


@pytest.fixture
def headend(tmp_path):
    made = filled(tmp_path / "headend.sqlite")
    yield made
    made.store.close()


def key_of(headend, caller, *rights):
    _, key = made_key(headend, caller, *rights)
    return {"Authorization": f"Bearer {key}"}


def test_t08_a_second_key_of_the_same_person_is_no_second_person(headend):
    ann = of(headend, Role.ENGINEER)
    orders = key_of(headend, ann, Right.CONTROL, Right.SEE, Right.ORDER)
    approves = key_of(headend, ann, Right.APPROVE, Right.SEE, Right.ORDER)
    with TestClient(create_app(headend), base_url=BASE) as client:
        order = client.post("/api/v1/meters/3/commands", json=TRIP, headers=orders).json()
        told = client.post(f"/api/v1/orders/{order['id']}/approval", headers=approves)
    assert order["state"] == "unapproved"
    assert "a second person must approve" in told.text
    assert headend.orders.get(order["id"]).state.value == "unapproved"


def test_a_key_is_counted_as_its_user(headend):
    ann = of(headend, Role.ENGINEER)
    stored, _ = made_key(headend, ann, Right.SEE)
    prefix = stored.prefix
    name = f"{ann.name} ({prefix})"
    with headend.store.database.read() as connection:
        assert person_of(connection, name) == person_of(connection, ann.name)
        assert person_of(connection, ann.name) == f"user {ann.user_id}"
        assert user_name(connection, name) == ann.name
        for other in ("nobody", "ann (kwhub_00)", f"other ({prefix[:-1]})"):
            assert person_of(connection, other) == user_name(connection, other) == other


def test_t08_trips_that_were_saved_up_are_not_approved_nor_sent_in_one_hour(headend):
    orders = headend.orders
    first = headend.store.archive.meters
    one, two = sorted(first)[:2]
    trip = SwitchRelay("trip")
    settings = Ordering(trips_per_hour=1)
    orders._settings = settings

    async def story():
        numbers = [await orders.to_meter(one, trip, "ann", LONG)]
        with pytest.raises(LocalError, match="budget"):
            await orders.to_meter(two, trip, "ann", LONG)
        begun = orders._clock.now()
        orders._clock.now = lambda: begun + timedelta(hours=2)
        numbers.append(await orders.to_meter(two, trip, "ann", LONG))
        orders._clock.now = lambda: begun + timedelta(hours=4)
        await orders.approve(numbers[0], "boss")
        with pytest.raises(TripRefused, match="budget"):
            await orders.approve(numbers[1], "boss")
        return numbers, begun

    numbers, begun = asyncio.run(story())
    now = begun + timedelta(hours=4)
    with headend.store.database.write() as connection:
        check_trip(connection, settings, numbers[0], now)  # the one that is approved may go
        with pytest.raises(TripRefused, match="budget"):
            check_trip(connection, settings, numbers[1], now)  # asked again when it is sent
    assert orders.get(numbers[1]).state.value == "unapproved"


@pytest.mark.parametrize(
    ("operation", "detail", "expected"),
    [
        ("relay-trip", "", True),
        ("relay-permit", "", False),
        ("keys", "2", False),
        ("parameter", "04001001 99999900", True),
        ("parameter", " 4001002 99999900", True),
        ("parameter", "04001401 00", True),
        ("parameter", "040501FF 99", True),
        ("parameter", "04000306 000001", False),
        ("parameter", "nonsense", False),
        ("parameter", "", False),
    ],
)
def test_t08_a_limit_of_money_that_opens_a_relay_counts_as_a_trip(operation, detail, expected):
    assert is_carried_trip(operation, detail) is expected


def test_t08_a_handheld_carries_limits_of_money_within_the_budget_of_trips(carried):  # noqa: F811
    for number in (2, 4, 5):
        carried.devices.order(NAME, (address(number), "parameter", "04001002 99999900"), "ann")
    with pytest.raises(LocalError, match="budget of trips"):
        carried.devices.order(NAME, (address(6), "parameter", "04001001 99999900"), "ann")
    with pytest.raises(LocalError, match="protected supply"):
        carried.devices.order(NAME, (address(9), "parameter", "04001001 99999900"), "bob")
    assert carried.devices.order(NAME, (address(6), "parameter", "04000306 000001"), "ann")


def test_t08_half_a_percent_of_an_area_an_hour_unless_said_otherwise():
    assert Ordering().trip_share_per_hour == 0.005

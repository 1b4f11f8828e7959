"""A trip that was approved waits two minutes, counted down on its page, in which anyone may take it back."""

from datetime import timedelta

import pytest
from litestar.testing import TestClient
from tests.headend.test_people_keys import of
from tests.headend.test_vending_trips import key_of
from tests.headend.web_world import BASE, NOW, client, filled

from kwhub.headend.config import Ordering
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.web.app import create_app

ORDERS = (Right.CONTROL, Right.SEE, Right.ORDER)


@pytest.fixture
def headend(tmp_path):
    made = filled(tmp_path / "headend.sqlite")
    yield made
    made.store.close()


def approved(headend, command):
    """The order, after a second person has agreed."""
    first = key_of(headend, of(headend, Role.ENGINEER), *ORDERS)
    second = key_of(headend, of(headend, Role.ADMIN), Right.APPROVE, Right.SEE, Right.ORDER)
    body = {"order": {"kind": "relay", "command": command}}
    with TestClient(create_app(headend), base_url=BASE) as api:
        order = api.post("/api/v1/meters/3/commands", json=body, headers=first).json()
        told = api.post(f"/api/v1/orders/{order['id']}/approval", headers=second)
    assert told.status_code == 200, told.text
    return headend.orders.get(order["id"])


def test_the_delay_is_on_unless_it_is_switched_off():
    assert Ordering().approval_delay_s == 120


def test_t08_an_approved_trip_waits_and_its_page_says_so_and_takes_it_back(headend):
    order = approved(headend, "trip")
    assert order.next_at == NOW + timedelta(seconds=120)
    with client(headend, **{"Accept-Language": "en"}) as english:
        page = english.get(f"/orders/{order.id}/card").text
        assert "Goes in 120 s, at" in page
        assert "12:42:00" in page
        assert "will be sent at once" not in page
        assert "Take back" in page
    with client(headend, **{"Accept-Language": "zh-CN"}) as chinese:
        assert "120 秒后" in chinese.get(f"/orders/{order.id}/card").text
        chinese.post(f"/orders/{order.id}/cancel")
        assert "秒后" not in chinese.get(f"/orders/{order.id}/card").text
    assert headend.orders.get(order.id).state.value == "cancelled"


@pytest.mark.parametrize("command", ["permit_closing", "close"])
def test_what_brings_the_light_back_goes_at_once(headend, command):
    assert approved(headend, command).next_at == NOW

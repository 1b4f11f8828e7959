"""A request with an Idempotency-Key makes nothing twice, whatever happens in between."""

import datetime as dt

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update
from tests.headend.web_world import ACCESS, NOW, StandingClock, client
from tests.headend.world import config

from kwhub.headend.api.once import HEADER
from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.headend.store import answered_rows
from kwhub.headend.store.schema_site import answered
from kwhub.headend.web.app import create_app

FILE = b"code,name\nN,North\n"
OTHER = b"code,name\nS,South\n"
EXCHANGE = {
    "at": "2026-03-04T02:00:00Z",
    "readings": [{"register": "1-0:1.8.0", "final": "104.25", "first": "0.10"}],
    "values": {"address": "000000000999"},
    "reason": "burnt",
}

BY_OTHER_MEANS = {
    "/users": "its answer holds a secret that is told once; names are taken once",
    "/users/{user_id}": "says how the user shall be",
    "/devices": "its answer holds a secret that is told once; names are taken once",
    "/devices/{name}/allocate": "its answer holds a secret that is told once",
    "/devices/{name}/lock": "says how the device shall be",
    "/devices/{name}/lose": "says how the device shall be",
    "/devices/{name}/retire": "says how the device shall be",
    "/device-work/{number}/recall": "says how the work shall be",
    "/device-orders/{number}/approve": "says how the order shall be",
    "/device-orders/{number}/recall": "says how the order shall be",
    "/purchases": "the payment's own number: the same payment again brings the same purchase",
    "/purchases/cancel": "says how the sale shall be",
    "/archive/{kind}/{row_id}/retire": "says how the row shall be",
    "/groups/{group_id}/meters": "says how the group shall be",
    "/rules": "says how the rule shall be",
    "/orders/{order_id}/approval": "says how the order shall be",
    "/orders/{order_id}/cancellation": "says how the order shall be",
    "/tasks/{task_id}/pause": "says how the task shall be",
    "/tasks/{task_id}/resumption": "says how the task shall be",
    "/tasks/{task_id}/cancellation": "says how the task shall be",
    "/meters/{meter_id}/edits/{set_id}/withdraw": "says how the edits shall be",
}
"""What takes no key, and why nothing is made twice all the same."""


def opened(address):
    return HeadEnd(replace(config(address), access=ACCESS), StandingClock())


@pytest.fixture
def headend(address):
    made = opened(address)
    yield made
    made.store.close()


@pytest.fixture
def browser(headend):
    with client(headend) as made:
        yield made


def sent(browser, key, content=FILE, query="?kind=organisations"):
    headers = {HEADER: key} if key else {}
    files = {"data": ("north.csv", content, "text/csv")}
    return browser.post(f"/api/v1/imports{query}", files=files, headers=headers)


def jobs(browser):
    return [each["id"] for each in browser.get("/api/v1/imports").json()["items"]]


def test_an_import_that_is_sent_again_is_one_import(browser):
    first = sent(browser, "monday")
    again = sent(browser, "monday")  # with another boundary between the parts, as programs do
    assert first.request.content != again.request.content
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-content-type-options"] == "nosniff"
    assert len(jobs(browser)) == 1
    assert sent(browser, "tuesday").json()["id"] != first.json()["id"]
    assert sent(browser, "").status_code == 202
    assert len(jobs(browser)) == 3


def test_the_same_key_with_other_content_is_refused(browser):
    assert sent(browser, "monday").status_code == 202
    for answer in (
        sent(browser, "monday", OTHER),
        sent(browser, "monday", FILE, "?kind=areas"),
        browser.post("/api/v1/meters/2/exchanges", json=EXCHANGE, headers={HEADER: "monday"}),
    ):
        assert answer.status_code == 422
        assert "other content" in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(jobs(browser)) == 1
    assert browser.get("/api/v1/meters/2/exchanges").json() == []


def test_a_meter_is_exchanged_once_even_over_a_restart(address, headend, browser):
    first = browser.post("/api/v1/meters/2/exchanges", json=EXCHANGE, headers={HEADER: "x1"})
    assert first.status_code == 201, first.text
    headend.store.close()
    made = opened(address)
    with client(made) as later:
        turned = dict(reversed(EXCHANGE.items()))  # the same, written down in another order
        again = later.post("/api/v1/meters/2/exchanges", json=turned, headers={HEADER: "x1"})
        assert (again.status_code, again.json()) == (201, first.json())
        assert len(later.get("/api/v1/meters/2/exchanges").json()) == 1
        repeated = later.post("/api/v1/meters/2/exchanges", json=EXCHANGE)
        assert (
            repeated.status_code >= 400
        )  # without the key it is another exchange, and there is none
    made.store.close()


def test_everybody_has_keys_of_their_own(headend, browser):
    first = sent(browser, "monday").json()["id"]
    with client(headend, role=Role.ENGINEER) as other:
        assert sent(other, "monday").json()["id"] != first


def test_a_key_whose_request_was_refused_may_be_used_again(browser):
    assert sent(browser, "monday", FILE, "?kind=nothing").status_code == 404
    assert sent(browser, "monday").status_code == 202
    wrong = {**EXCHANGE, "at": "2026-03-04T02:00:00"}
    assert (
        browser.post("/api/v1/meters/2/exchanges", json=wrong, headers={HEADER: "x1"}).status_code
        == 400
    )
    again = browser.post("/api/v1/meters/2/exchanges", json=EXCHANGE, headers={HEADER: "x1"})
    assert again.status_code == 201


def test_nobody_knows_what_became_of_a_request_that_was_cut_off(headend, browser):
    sent(browser, "monday")
    with (
        headend.store.database.write() as connection
    ):  # as a crash between work and answer leaves it
        connection.execute(update(answered).values(status=None))
    answer = sent(browser, "monday")
    assert answer.status_code == 409
    assert "look whether it was done" in answer.json()["detail"]
    assert len(jobs(browser)) == 1


def test_keys_are_forgotten_after_a_week(headend, browser):
    sent(browser, "monday")
    long_ago = NOW - answered_rows.KEPT - dt.timedelta(seconds=1)
    with headend.store.database.write() as connection:
        connection.execute(update(answered).values(at=long_ago))
    sent(browser, "tuesday")
    with headend.store.database.read() as connection:
        assert [row.once_key for row in connection.execute(select(answered))] == ["tuesday"]


@pytest.mark.parametrize("key", ["x" * 301, "a\tb"])
def test_a_key_that_no_row_can_hold_is_refused(browser, key):
    assert sent(browser, key).status_code == 400
    assert jobs(browser) == []


def test_a_stranger_leaves_no_key(headend):
    with client(headend, role=None) as nobody:
        assert sent(nobody, "monday").status_code == 401
    with headend.store.database.read() as connection:
        assert connection.execute(select(answered)).all() == []


def test_a_body_that_is_too_large_is_refused_before_it_is_kept(browser):
    big = browser.post(
        "/api/v1/meters/2/exchanges",
        content=b" " * 70_000,
        headers={HEADER: "x1", "Content-Type": "application/json"},
    )
    assert big.status_code == 413


def test_whatever_makes_something_takes_a_key(tmp_path):
    made = HeadEnd(config(tmp_path / "headend.sqlite"), StandingClock())
    app = create_app(made)
    without = set()
    for path, item in app.openapi_schema.to_schema()["paths"].items():
        for method in ("post", "put"):
            operation = item.get(method)
            names = {each["name"] for each in (operation or {}).get("parameters", ())}
            short = path.removeprefix("/api/v1")
            if operation and HEADER not in names:
                without.add(short)
    assert without == set(BY_OTHER_MEANS)
    made.store.close()

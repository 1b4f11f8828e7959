"""The API on a real store: pages by cursor, problems, times, decimals, orders once."""

import datetime as dt
import itertools

import pytest
from tests.headend.web_world import ENERGY, METERS, address, client, filled


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("api") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def api(headend):
    with client(headend) as made:
        yield made


def test_areas_of_a_day(api):
    body = api.get("/api/v1/areas?day=2026-03-03").json()
    first, second = body["items"]
    assert body["next_cursor"] is None
    assert first["code"] == "TQ-31"
    assert first["meters"] == METERS
    assert first["sold_kwh"] == "254.40"
    assert first["read_rate"] > 0.99
    assert second["read_rate"] is None
    assert second["loss_percent"] is None


@pytest.mark.slow
def test_lists_come_in_pages_and_every_item_once(api):
    seen, cursor = [], None
    while True:
        query = {"limit": 20, **({"cursor": cursor} if cursor else {})}
        body = api.get("/api/v1/areas/1/meters", params=query).json()
        seen += [each["address"] for each in body["items"]]
        if not (cursor := body["next_cursor"]):
            break
    assert seen == [address(number) for number in range(1, METERS + 1)]


def test_a_meter_with_its_latest_values(api):
    body = api.get("/api/v1/meters/3").json()
    assert body["address"] == address(3)
    assert body["ratio"] == "1"
    freeze = next(each for each in body["latest"] if each["interval_s"] == 86_400)
    assert freeze["captured_at"] == "2026-03-03T16:00:00Z"
    assert freeze["value"] == "1243.60"
    assert freeze["quality"] == "actual"


def test_readings_are_a_grid_with_holes(api):
    body = api.get(
        "/api/v1/meters/2/readings",
        params={
            "register": "1.8.0",
            "from": "2026-03-03T09:45:00+08:00",
            "to": "2026-03-03T11:15:00+08:00",
        },
    ).json()
    values = [each["value"] for each in body["items"]]
    assert values == ["1240.75", None, None, None, None, "1241.00"]
    assert body["items"][0]["captured_at"] == "2026-03-03T01:45:00Z"


def test_long_readings_go_on_behind_a_cursor(api):
    query = {
        "register": ENERGY,
        "from": "2026-03-02T16:00:00Z",
        "to": "2026-03-03T16:00:00Z",
        "limit": 50,
    }
    first = api.get("/api/v1/meters/2/readings", params=query).json()
    rest = api.get(
        "/api/v1/meters/2/readings", params={**query, "cursor": first["next_cursor"]}
    ).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (50, 46, None)
    moments = [
        dt.datetime.fromisoformat(each["captured_at"]) for each in first["items"] + rest["items"]
    ]
    steps = {after - before for before, after in itertools.pairwise(moments)}
    assert steps == {dt.timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/meters/999", 404, "meter 999"),
        ("/api/v1/orders/999", 404, "order 999"),
        ("/api/v1/areas/999/meters", 404, "area 999"),
        ("/api/v1/nothing", 404, ""),
        ("/api/v1/areas?cursor=zzz", 400, "cursor"),
        ("/api/v1/areas?limit=5000", 400, "limit"),
        ("/api/v1/areas?day=someday", 400, "day"),
        ("/api/v1/meters/2/readings", 400, ""),
        (
            "/api/v1/meters/2/readings?register=1.8.0&from=2026-03-03T00:00:00&to=2026-03-04T00:00:00",
            400,
            "offset",
        ),
        (
            "/api/v1/meters/2/readings?register=1.8.0&from=2026-03-04T00:00:00Z&to=2026-03-03T00:00:00Z",
            400,
            "after from",
        ),
        (
            "/api/v1/meters/2/readings?register=9.9.9&from=2026-03-03T00:00:00Z&to=2026-03-04T00:00:00Z",
            400,
            "register",
        ),
        (
            "/api/v1/meters/2/readings?register=1.8.0&from=2026-03-03T00:00:00Z&to=2026-03-04T00:00:00Z&interval=7m",
            400,
            "interval",
        ),
    ],
)
def test_errors_are_problem_documents(api, path, status, detail):
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert detail in body["detail"]


def test_a_wrong_body_or_method_is_a_problem(api):
    assert api.post("/api/v1/meters/2/orders", json={"register": "x"}).status_code == 400
    assert api.post("/api/v1/meters/2/orders", content=b"{").status_code == 400
    wrong = api.delete("/api/v1/meters/2")
    assert wrong.status_code == 405
    assert wrong.headers["content-type"] == "application/problem+json"
    assert api.post("/api/v1/meters/2/orders", content=b"x" * 100_000).status_code == 413


def test_an_order_with_a_key_is_placed_once(api):
    path, key = "/api/v1/meters/4/orders", {"Idempotency-Key": "k-1"}
    first = api.post(path, json={"registers": ["1.8.0"]}, headers=key)
    again = api.post(path, json={"registers": ["1-0:1.8.0"]}, headers=key)
    assert first.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    other = api.post(path, json={"registers": ["2.8.0"]}, headers=key)
    assert other.status_code == 422
    fresh = api.post(path, json={"registers": ["1.8.0"]})
    assert fresh.json()["id"] != first.json()["id"]
    listed = [each["id"] for each in api.get(path).json()["items"]]
    assert listed == [fresh.json()["id"], first.json()["id"]]
    state = api.get(f"/api/v1/orders/{first.json()['id']}").json()
    assert state["state"] == "new"  # nobody carries out orders here
    assert state["final"] is False


def test_an_order_can_only_read_what_the_meter_has(api):
    answer = api.post("/api/v1/meters/4/orders", json={"registers": ["1-0:52.7.0"]})
    assert answer.status_code == 400
    assert "cannot be read from this meter" in answer.json()["detail"]


def test_the_description_names_every_route(api):
    body = api.get("/openapi.json").json()
    assert body["openapi"].startswith("3.1")
    assert set(body["paths"]) >= {
        "/api/v1/areas",
        "/api/v1/areas/{area_id}/meters",
        "/api/v1/meters/{meter_id}",
        "/api/v1/meters/{meter_id}/readings",
        "/api/v1/meters/{meter_id}/orders",
        "/api/v1/orders/{order_id}",
        "/api/v1/users",
        "/api/v1/keys",
        "/api/v1/audit",
    }
    names = {
        each["name"]
        for each in body["paths"]["/api/v1/meters/{meter_id}/readings"]["get"]["parameters"]
    }
    assert names >= {"register", "from", "to", "interval", "limit", "cursor"}

"""Orders and tasks over the API: rights by kind, approval by another person, keys, results."""

import pytest
from tests.headend.web_world import client, filled

from kwhub.headend.people.rights import Role

TRIP = {"order": {"kind": "relay", "command": "trip"}}
READ = {"kind": "read_now", "registers": ["1-0:1.8.0"]}


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("tasks") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.fixture
def engineer(headend):
    with client(headend, role=Role.ENGINEER) as made:
        yield made


@pytest.fixture
def operator(headend):
    with client(headend, role=Role.OPERATOR) as made:
        yield made


def test_a_command_waits_for_another_person(headend, engineer):
    placed = engineer.post("/api/v1/meters/3/commands", json=TRIP, headers={"Idempotency-Key": "t"})
    assert placed.status_code == 202
    order = placed.json()
    assert (order["state"], order["order"]["command"]) == ("unapproved", "trip")
    again = engineer.post("/api/v1/meters/3/commands", json=TRIP, headers={"Idempotency-Key": "t"})
    assert again.json()["id"] == order["id"]
    other = {"order": {"kind": "meter_clock"}}
    taken = engineer.post("/api/v1/meters/3/commands", json=other, headers={"Idempotency-Key": "t"})
    assert taken.status_code == 422
    path = f"/api/v1/orders/{order['id']}"
    own = engineer.post(f"{path}/approval")
    assert (own.status_code, "second person" in own.json()["detail"]) == (400, True)
    with client(headend, role=Role.ADMIN) as admin:
        assert admin.post(f"{path}/approval").json()["state"] == "new"
    assert engineer.post(f"{path}/cancellation").json()["state"] == "cancelled"
    listed = engineer.get("/api/v1/orders?state=cancelled").json()["items"]
    assert [each["id"] for each in listed] == [order["id"]]
    assert engineer.get("/api/v1/orders?state=unapproved").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/v1/meters/3/commands", {"order": {"kind": "relay", "command": "blow"}}, "command"),
        ("/api/v1/meters/3/commands", {"order": {"kind": "compare_archive"}}, "terminal"),
        ("/api/v1/terminals/1/commands", TRIP, "meter"),
        ("/api/v1/tasks", {**TRIP, "scope": {"areas": [1]}}, "of its own"),
        ("/api/v1/tasks", {"order": READ, "scope": {}}, "nobody"),
        ("/api/v1/tasks", {"order": READ, "scope": {"area": [1]}}, "area"),
    ],
)
def test_what_cannot_be_ordered_is_told(engineer, path, body, words):
    answer = engineer.post(path, json=body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_a_task_from_making_to_cancelling(operator):
    made = operator.post("/api/v1/tasks", json={"order": READ, "scope": {"meters": [2, 3]}})
    assert made.status_code == 202
    task = made.json()
    assert (task["total"], task["over"], task["state"]) == (2, 0, "running")
    path = f"/api/v1/tasks/{task['id']}"
    assert operator.post(f"{path}/pause").json()["state"] == "paused"
    assert operator.post(f"{path}/pause").status_code == 400
    assert operator.post(f"{path}/resumption").json()["state"] == "running"
    first = operator.get(f"{path}/results?limit=1").json()
    rest = operator.get(f"{path}/results?limit=1&cursor={first['next_cursor']}").json()
    assert [each["state"] for each in (*first["items"], *rest["items"])] == ["new", "new"]
    assert operator.post(f"{path}/cancellation").json()["counts"] == {"cancelled": 2}
    assert operator.post(f"{path}/retry").status_code == 400
    assert operator.get("/api/v1/tasks").json()["items"][0]["id"] == task["id"]
    assert operator.get("/api/v1/tasks/99").status_code == 404


def test_a_task_that_changes_devices_needs_the_right_to(operator, engineer):
    body = {"order": {"kind": "terminal_clock"}, "scope": {"areas": [1]}}
    assert operator.post("/api/v1/tasks", json=body).status_code == 403
    task = engineer.post("/api/v1/tasks", json=body)
    assert task.status_code == 202
    path = f"/api/v1/tasks/{task.json()['id']}"
    assert operator.post(f"{path}/cancellation").status_code == 403
    assert operator.get(path).status_code == 200


def test_files_and_terminals(engineer, operator):
    kept = engineer.post("/api/v1/files?name=a.bin", content=b"x" * 100_000)
    assert (kept.status_code, kept.json()["size"]) == (201, 100_000)
    body = {"order": {"kind": "send_file", "digest": kept.json()["digest"]}}
    order = engineer.post("/api/v1/terminals/1/commands", json=body).json()
    assert (order["meter_id"], order["terminal_id"], order["kind"]) == (None, 1, "send_file")
    assert engineer.post("/api/v1/files", content=b"").status_code == 400
    assert operator.post("/api/v1/files", content=b"x").status_code == 403
    compared = operator.post("/api/v1/terminals/1/comparison")
    assert (compared.status_code, compared.json()["kind"]) == (202, "compare_archive")
    assert operator.get(f"/api/v1/orders/{order['id']}").json()["state"] == "new"

"""What of a task over several organisations is told to whoever sees one of them; and what of a terminal's bundle."""

import io
import json
import zipfile

import pytest
from sqlalchemy import update
from tests.headend.test_archive_desk import at_desk
from tests.headend.web_world import client, filled, signed_in
from tests.headend.world import NOON

from kwhub.headend.people.rights import Role
from kwhub.headend.store import order_rows, schema, task_rows
from kwhub.headend.store.order_rows import NewOrder
from kwhub.headend.store.schema_tasks import task
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.scope import Scope, narrowed

BASE = "/api/v1"
READ = {"kind": "read_now", "registers": ["1-0:1.8.0"]}
THEIR_METER = "202603000003"


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    """Area 1 with 54 meters is of the second organisation, area 2 with one meter of the first."""
    whole = filled(tmp_path_factory.mktemp("reach") / "headend.sqlite")
    with client(whole) as root:
        for code in ("ORG-A", "ORG-B"):
            values = {"code": code, "name": code}
            assert root.post(f"{BASE}/archive/organisations", json={"values": values}).is_success
        for area, code in ((1, "ORG-B"), (2, "ORG-A")):
            values = {"organisation": code}
            assert root.patch(f"{BASE}/archive/areas/{area}", json={"values": values}).is_success
        for kind, values in (
            ("terminals", {"terminal": "4101-00009", "area": "TQ-32"}),
            ("meters", {"terminal": "4101-00009", "address": "202699999991", "point": "1"}),
        ):
            assert root.post(f"{BASE}/archive/{kind}", json={"values": values}).is_success
        scope = {"areas": [1, 2], "terminals": [1, 3], "meters": [3, 55]}
        made = root.post(f"{BASE}/tasks", json={"order": READ, "scope": scope})
        assert made.json()["total"] == 55
    with whole.store.database.write() as connection:
        said = f"meter {THEIR_METER} said no"
        failed = update(schema.orders).where(schema.orders.c.meter_id == 3)
        connection.execute(failed.values(state="failed", detail=said))
    yield whole
    whole.store.close()


@pytest.fixture(scope="module")
def viewer(headend):
    with client(headend, role=None) as browser:
        signed_in(headend, browser, Role.OPERATOR, 1)
        yield browser


def test_a_task_is_told_as_far_as_it_is_seen(headend, viewer):
    for told in (
        viewer.get(f"{BASE}/tasks/1").json(),
        viewer.get(f"{BASE}/tasks").json()["items"][0],
    ):
        assert (told["total"], told["counts"], told["failed"]) == (1, {"new": 1}, 0)
        assert told["causes"] == []
        assert told["scope"] == {"areas": [2], "terminals": [3], "meters": [55]}
    page = viewer.get("/tasks/1").text
    assert "said no" not in page
    assert THEIR_METER not in page
    assert viewer.get("/tasks.csv").text.splitlines()[1].split(",")[4:7] == ["1", "0", "0"]
    with client(headend) as root:
        told = root.get(f"{BASE}/tasks/1").json()
        assert (told["total"], told["causes"][0]["count"]) == (55, 1)
        assert told["scope"]["areas"] == [1, 2]


def test_addresses_of_others_are_not_told_apart_from_none(viewer):
    body = {"kind": "read_now", "csrf": viewer.headers["X-CSRF-Token"]}
    told = []
    for address in (THEIR_METER, "202600000000"):
        answer = viewer.post("/tasks", data={**body, "addresses": address})
        assert answer.status_code == 400
        told.append(answer.text.replace(address, "N"))
        assert "no active meter has this address" in answer.text
    assert told[0] == told[1]


def test_a_bundle_has_settings_for_who_sees_everything(headend, viewer):
    packed = zipfile.ZipFile(io.BytesIO(viewer.get("/terminals/3/support.zip").content))
    assert set(packed.namelist()) == {
        "terminal.json",
        "frames.jsonl",
        "frames.txt",
        "versions.json",
    }
    with client(headend) as root:
        whole = zipfile.ZipFile(io.BytesIO(root.get("/terminals/3/support.zip").content))
        assert "headend" in json.loads(whole.read("settings.json"))


def test_orders_are_counted_within_areas(address):
    async def script(desk, store):
        await desk.save("area", {"code": "A2", "name": "Second"}, "ann")
        await desk.save("terminal", {"terminal": "4101-9", "area": "A2"}, "ann")
        mine = await desk.save(
            "meter", {"address": "91", "terminal": "4101-9", "point": "1"}, "ann"
        )
        with store.database.write() as connection:
            row = {"name": "", "kind": "read_now", "wanted": "{}", "scope": "{}", "made_by": "ann"}
            when = {"made_at": NOON, "deadline_at": NOON}
            connection.execute(
                task.insert().values(id=1, state="running", tries_max=1, **row, **when)
            )
            orders = [
                NewOrder("read_now", terminal, meter, "{}", "ann", NOON, task_id=1)
                for terminal, meter in ((1, 2), (1, 3), (2, mine))
            ]
            order_rows.create_many(connection, orders, NOON)
            for meter, said in ((2, "theirs"), (mine, "ours")):
                where = schema.orders.c.meter_id == meter
                connection.execute(
                    update(schema.orders).where(where).values(state="failed", detail=said)
                )
        with store.database.read() as connection:
            for areas, count, causes in (
                ({2}, {OrderState.FAILED: 1}, ["ours"]),
                ({1}, {OrderState.FAILED: 1, OrderState.NEW: 1}, ["theirs"]),
                (None, {OrderState.FAILED: 2, OrderState.NEW: 1}, ["ours", "theirs"]),
                ({99}, {}, []),
            ):
                one = task_rows.get(connection, 1, areas)
                assert one is not None
                assert (one.counts, [said for _, said, _ in one.causes]) == (count, causes)
                found, total = task_rows.find(connection, areas, 9, 0)
                assert [each.counts for each in found] == ([count] if count else [])
                assert total == len(found)

    at_desk(address, script)


def test_a_scope_is_narrowed(address):
    async def script(desk, store):
        await desk.save("area", {"code": "A2", "name": "Second"}, "ann")
        await desk.save("terminal", {"terminal": "4101-9", "area": "A2"}, "ann")
        mine = await desk.save(
            "meter", {"address": "91", "terminal": "4101-9", "point": "1"}, "ann"
        )
        groups = [
            await desk.save("group", {"code": code, "name": code, **values}, "ann")
            for code, values in (
                ("GA", {"kind": "area", "area": "A1"}),
                ("GT", {"kind": "terminal", "terminal": "4101-9"}),
                ("GF", {"kind": "free"}),
                ("GN", {"kind": "free"}),
            )
        ]
        await desk.set_members(groups[2], [2, mine], "ann")
        whole = Scope((1, 2), (1, 2), tuple(groups), (2, mine, 3))
        with store.database.read() as connection:
            assert narrowed(connection, whole, {2}) == Scope(
                (2,), (2,), (groups[1], groups[2]), (mine,)
            )
            assert narrowed(connection, whole, {1}) == Scope(
                (1,), (1,), (groups[0], groups[2]), (2, 3)
            )
            assert narrowed(connection, whole, {77}) == Scope()

    at_desk(address, script)

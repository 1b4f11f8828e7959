"""The archive over the API: rows, dated facts, imports, exports; who may, and where."""

import asyncio
import csv
import io
import json

import pytest
from openpyxl import load_workbook
from tests.headend.web_world import address, client, filled, signed_in

from kwhub.headend.people.rights import Role

BASE = "/api/v1"


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("archive") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def api(headend):
    with client(headend) as made:
        yield made


def made(api, plural: str, **values: str):
    answer = api.post(f"{BASE}/archive/{plural}", json={"values": values})
    assert answer.status_code == 201, answer.text
    return answer.json()


def import_done(headend, api, text: str, kind: str = "meters"):
    """Send a file, let it be checked, and return the job."""
    files = {"data": ("../../meters.csv", text.encode(), "text/csv")}
    job = api.post(f"{BASE}/imports", params={"kind": kind}, files=files)
    assert job.status_code == 202, job.text
    asyncio.run(headend.imports.work_off())
    return api.get(f"{BASE}/imports/{job.json()['id']}").json()


def test_rows_are_made_changed_found_and_retired(api):
    row = made(api, "organisations", code="N", name="North")
    child = made(api, "organisations", code="NE", name="North-east", parent="N")
    assert child["values"]["parent"] == "N"
    area = made(api, "areas", code="TQ-40", name="Hill", organisation="NE", rated_kva="400")
    tree = api.get(f"{BASE}/archive/tree").json()
    assert tree[0]["organisations"][0]["areas"][0]["code"] == "TQ-40"
    assert [each["code"] for each in tree[-1]["areas"]] == ["TQ-31", "TQ-32"]
    path = f"{BASE}/archive/areas/{area['id']}"
    changed = api.patch(path, json={"values": {"feeder": "F 7"}}).json()
    assert (changed["values"]["feeder"], changed["values"]["rated_kva"]) == ("F 7", "400")
    found = api.get(f"{BASE}/archive/areas", params={"search": "hil"}).json()["items"]
    assert [each["id"] for each in found] == [area["id"]]
    answer = api.post(f"{BASE}/archive/organisations/{row['id']}/retire")
    assert answer.status_code == 422
    assert "NE" in answer.json()["detail"]
    assert api.post(f"{path}/retire").json()["values"]["active"] == "no"
    assert "TQ-40" not in api.get(f"{BASE}/archive/areas").text
    assert "TQ-40" in api.get(f"{BASE}/archive/areas?active=false").text
    assert api.get(path).json()["values"]["active"] == "no"


def test_lists_come_in_pages(api):
    seen, cursor = [], None
    while True:
        query = {"limit": 20, **({"cursor": cursor} if cursor else {})}
        body = api.get(f"{BASE}/archive/meters", params=query).json()
        seen += [each["values"]["address"] for each in body["items"]]
        if not (cursor := body["next_cursor"]):
            break
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) >= 54


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", "/archive/things", {"values": {}}, 404),
        ("get", "/archive/things", None, 404),
        ("get", "/archive/meters/99999", None, 404),
        ("get", "/archive/meters/99999999999999999999", None, 404),
        ("patch", "/archive/meters/99999", {"values": {"name": "x"}}, 404),
        ("patch", "/archive/meters/1", {"values": {"colour": "red"}}, 422),
        ("patch", "/archive/meters/1", {"values": {"ct": "zero"}}, 422),
        ("patch", "/archive/meters/1", {"value": {}}, 400),
        ("post", "/meters/99999/places", {"from_day": "2026-03-03", "values": {}}, 404),
        ("post", "/meters/1/exchanges/9/withdraw", None, 404),
        ("put", "/groups/9/meters", {"meters": [1]}, 404),
        ("get", "/exports/things", None, 404),
        ("get", "/exports/meters?format=exe", None, 400),
        ("get", "/exports/../../etc/passwd", None, 404),
        ("get", "/exports/readings?from=2026-03-03&to=2026-03-01", None, 400),
        ("get", "/exports/readings?from=2026-03-01&to=2026-03-01&interval=7m", None, 400),
        (
            "get",
            "/exports/readings?from=2026-03-01&to=2026-03-01&wide=true&interval=instant",
            None,
            400,
        ),
        ("get", "/imports/99", None, 404),
        ("post", "/imports/99/apply", None, 404),
    ],
)
def test_what_cannot_be_is_a_problem_document(api, method, path, body, status):
    answer = api.request(method, f"{BASE}{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "value",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1e999999", "1e-999999", "-1", "1e-7"],
)
def test_a_reading_of_an_exchange_that_is_no_reading_is_refused(api, value):
    body = {
        "at": "2026-03-03T10:00:00+08:00",
        "readings": [{"register": "1.8.0", "final": value, "first": "3"}],
        "values": {"address": "909"},
    }
    answer = api.post(f"{BASE}/meters/4/exchanges", json=body)
    assert answer.status_code == 422, answer.text
    assert "readings" in answer.json()["detail"]
    form = {"final": value, "first": "3", "at": "2026-03-03T10:00", "address": "909"}
    form["csrf"] = api.headers["X-CSRF-Token"]
    assert api.post("/archive/exchanges/4", data=form).status_code == 400
    assert api.get(f"{BASE}/meters/4/exchanges").json() == []


def test_an_exchange_and_a_new_ratio_are_written_down(api):
    body = {
        "at": "2026-03-03T10:00:00+08:00",
        "readings": [{"register": "1.8.0", "final": "1240.5", "first": "3"}],
        "values": {"address": "909"},
        "reason": "burnt",
    }
    (done,) = api.post(f"{BASE}/meters/9/exchanges", json=body).json()
    assert (done["old_address"], done["new_address"]) == (address(9), "000000000909")
    assert done["readings"] == [{"register": "1-0:1.8.0", "final": "1240.50", "first": "3.00"}]
    assert api.get(f"{BASE}/meters/9/exchanges").json() == [done]
    assert api.get(f"{BASE}/meters/9").json()["address"] == "000000000909"
    again = api.post(f"{BASE}/meters/9/exchanges", json=body)
    assert again.status_code == 422
    assert api.post(f"{BASE}/meters/9/exchanges/{done['id']}/withdraw").json() == []
    assert api.get(f"{BASE}/meters/9").json()["address"] == address(9)
    wrong = body | {"readings": [{"register": "1.8.0", "final": "a lot", "first": "3"}]}
    assert api.post(f"{BASE}/meters/9/exchanges", json=wrong).status_code == 400
    move = {"from_day": "2026-03-03", "values": {"ct": "20"}}
    places = api.post(f"{BASE}/meters/9/places", json=move).json()
    assert [each["ratio"] for each in places] == ["1", "20"]
    assert places == api.get(f"{BASE}/meters/9/places").json()


def test_a_terminal_moves_and_a_meter_is_retired_from_a_day_on(api):
    for code in ("TQ-88", "TQ-89"):
        made(api, "areas", code=code, name="Poplar")
    terminal = made(api, "terminals", terminal="4101-00077", area="TQ-88")["id"]
    meter = made(api, "meters", address="88", terminal="4101-00077", point="1")["id"]
    path = f"{BASE}/archive/terminals/{terminal}"
    assert api.get(f"{BASE}/terminals/{terminal}/areas").json() == []
    move = {"values": {"area": "TQ-89"}, "from_day": "2026-03-03"}
    ahead = move | {"from_day": "2099-01-01"}
    assert api.patch(path, json=ahead).status_code == 422
    assert api.patch(path, json=move).json()["values"]["area"] == "TQ-89"
    areas = api.get(f"{BASE}/terminals/{terminal}/areas").json()
    assert [(each["area"], each["valid_from"]) for each in areas] == [
        ("TQ-88", None),
        ("TQ-89", "2026-03-02T16:00:00Z"),
    ]
    assert api.patch(f"{BASE}/archive/areas/1", json=move | {"values": {}}).status_code == 422
    assert api.get(f"{BASE}/terminals/999/areas").status_code == 404
    gone = api.post(f"{BASE}/archive/meters/{meter}/retire", params={"from_day": "2026-03-02"})
    assert gone.json()["values"]["active"] == "no"
    (place,) = api.get(f"{BASE}/meters/{meter}/places").json()
    assert place["valid_to"] == "2026-03-01T16:00:00Z"


def test_groups_by_area_and_free_sets(api):
    free = made(api, "groups", code="S", name="Sample")
    path = f"{BASE}/groups/{free['id']}/meters"
    assert api.put(path, json={"meters": [5, 3]}).json() == {"meters": [3, 5]}
    assert api.get(path).json() == {"meters": [3, 5]}
    area = made(api, "groups", code="A", name="By area", kind="area", area="TQ-31")
    found = api.get(f"{BASE}/groups/{area['id']}/meters").json()["meters"]
    assert found[:3] == [1, 2, 3]


def test_a_file_is_imported_and_taken_back(headend, api):
    text = "address,terminal,point\n801,4101-02083,1\n802,4101-02083,2\n"
    job = import_done(headend, api, text)
    assert (job["state"], job["rows"], job["created"]) == ("ready", 2, 2)
    assert api.post(f"{BASE}/imports/{job['id']}/apply").status_code == 202
    asyncio.run(headend.imports.work_off())
    assert api.get(f"{BASE}/imports/{job['id']}").json()["state"] == "applied"
    assert ("4101", 2083) in headend.store.archive.terminals
    assert headend.store.archive.terminals["4101", 2083].points[2].address == "000000000802"
    assert api.post(f"{BASE}/imports/{job['id']}/apply").status_code == 422
    api.post(f"{BASE}/imports/{job['id']}/undo")
    asyncio.run(headend.imports.work_off())
    assert api.get(f"{BASE}/imports").json()["items"][0]["state"] == "undone"
    assert 2 not in headend.store.archive.terminals["4101", 2083].points


def test_mistakes_of_a_file_are_told_in_both_languages(headend, api):
    job = import_done(headend, api, "address,terminal,point\n801,4101-09999,1\n")
    (mistake,) = api.get(f"{BASE}/imports/{job['id']}/errors").json()["items"]
    assert (mistake["row"], mistake["column"]) == (2, "terminal")
    assert mistake["what_en"] == "4101-09999 does not exist"
    assert mistake["what_zh"] == "4101-09999 不存在"
    assert mistake["advice_zh"]


def test_a_file_that_is_too_large_is_refused(api):
    files = {"data": ("big.csv", b"x" * (33 * 1024 * 1024), "text/csv")}
    answer = api.post(f"{BASE}/imports", params={"kind": "meters"}, files=files)
    assert answer.status_code in {413, 422}


def test_templates_and_exports(api):
    kinds = api.get(f"{BASE}/archive/kinds").json()
    for kind in kinds:
        content = api.get(f"{BASE}/imports/templates/{kind['plural']}").content
        assert content.startswith(b"\xef\xbb\xbf")
        names = [each["name"] for each in kind["fields"]]
        dated = ["from_day"] if kind["name"] in {"meter", "terminal"} else []
        assert content.decode("utf-8-sig").splitlines()[0].split(",") == names + dated
    book = load_workbook(io.BytesIO(api.get(f"{BASE}/exports/archive").content))
    assert book.sheetnames == [each["name"] for each in kinds]
    assert book["meter"].max_row > 54
    lines = api.get(f"{BASE}/exports/meters?format=ndjson").content.splitlines()
    assert json.loads(lines[0])["address"] == address(1)
    areas = api.get(f"{BASE}/exports/terminal_areas").text
    assert areas.splitlines()[0] == "terminal,valid_from,valid_to,area"
    answer = api.get(f"{BASE}/exports/placements")
    assert answer.headers["content-disposition"] == 'attachment; filename="placements.csv"'


def test_readings_as_rows_and_as_days(api):
    query = {"from": "2026-03-03", "to": "2026-03-03", "register": "1.8.0"}
    text = api.get(f"{BASE}/exports/readings", params=query).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {each["register"] for each in rows} == {"1-0:1.8.0"}
    assert len({each["meter"] for each in rows}) == 54
    text = api.get(f"{BASE}/exports/readings", params=query | {"wide": "true"}).text
    days = list(csv.DictReader(io.StringIO(text)))
    assert len(days) == 54
    assert days[2]["24:00"] == rows[-1]["value"]


def test_an_engineer_of_one_organisation_changes_only_what_belongs_to_it(headend, api):
    own = made(api, "organisations", code="OWN", name="Own")
    area = made(api, "areas", code="TQ-50", name="Own area", organisation="OWN")
    made(api, "terminals", terminal="4101-05000", area="TQ-50")
    with client(headend, role=None) as other:
        signed_in(headend, other, Role.ENGINEER, own["id"])
        made(other, "meters", address="5001", terminal="4101-05000", point="1")
        tree = other.get(f"{BASE}/archive/tree").json()
        assert [each["code"] for each in tree] == ["OWN"]
        found = other.get(f"{BASE}/archive/meters").json()["items"]
        assert [each["values"]["address"] for each in found] == ["000000005001"]
        assert len(other.get(f"{BASE}/exports/meters").text.splitlines()) == 2
        foreign = {"address": "5002", "terminal": "4101-02082", "point": "900"}
        answer = other.post(f"{BASE}/archive/meters", json={"values": foreign})
        assert answer.status_code == 422
        assert "outside" in answer.json()["detail"]
        path = f"{BASE}/archive/areas/{area['id']}"
        assert other.patch(path, json={"values": {"organisation": "N"}}).status_code == 422
        assert other.get(f"{BASE}/archive/meters/1").status_code == 404
        assert other.get(f"{BASE}/imports").status_code == 403


def test_a_viewer_changes_nothing(headend):
    with client(headend, role=Role.VIEWER) as viewer:
        for path in ("/archive/areas", "/imports", "/meters/1/exchanges", "/meters/1/places"):
            assert viewer.post(f"{BASE}{path}", json={}).status_code == 403
        assert viewer.get(f"{BASE}/archive/areas").status_code == 200

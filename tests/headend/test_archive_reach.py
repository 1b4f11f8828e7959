"""Who keeps the archive of one organisation neither sees nor touches what belongs to another."""

import pytest
from tests.headend.test_archive_desk import at_desk, keys, rows
from tests.headend.web_world import client, filled, signed_in

from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema, schema_archive

BASE = "/api/v1"
OURS, THEIRS = "ORG-A", "ORG-B"
OWN_TERMINAL, THEIR_TERMINAL = "4101-00009", "4101-02082"
OWN_METER, THEIR_METER = "202699999991", "202603000003"


def made(api, plural: str, **values: str) -> int:
    answer = api.post(f"{BASE}/archive/{plural}", json={"values": values})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    """Two organisations: the first has a meter of its own, the second everything that was there."""
    whole = filled(tmp_path_factory.mktemp("reach") / "headend.sqlite")
    with client(whole) as root:
        for code in (OURS, THEIRS):
            made(root, "organisations", code=code, name=code)
        for area, code in ((1, THEIRS), (2, OURS)):
            path = f"{BASE}/archive/areas/{area}"
            assert root.patch(path, json={"values": {"organisation": code}}).status_code == 200
        made(root, "terminals", terminal=OWN_TERMINAL, area="TQ-32")
        made(root, "meters", terminal=OWN_TERMINAL, address=OWN_METER, point="1")
        made(root, "customers", number="C1", name="Li Mei", organisation=THEIRS)
        account = {"customer": "C1", "meter": THEIR_METER, "from_day": "2026-03-01"}
        made(root, "accounts", number="K1", **account)
    yield whole
    whole.store.close()


@pytest.fixture(scope="module")
def engineer(headend):
    """Somebody who keeps the archive of the first organisation."""
    with client(headend, role=None) as browser:
        signed_in(headend, browser, Role.ENGINEER, 1)
        yield browser


@pytest.mark.parametrize(
    ("plural", "values"),
    [
        ("organisations", {"code": THEIRS}),
        ("areas", {"code": "TQ-31"}),
        ("terminals", {"terminal": THEIR_TERMINAL}),
        ("meters", {"address": THEIR_METER}),
        ("customers", {"number": "C1"}),
        ("accounts", {"number": "K1"}),
    ],
)
def test_the_key_of_a_foreign_row_does_not_bring_the_row(engineer, plural, values):
    answer = engineer.post(f"{BASE}/archive/{plural}", json={"values": values})
    assert answer.status_code == 422
    assert "outside of what you may change" in answer.json()["detail"]
    for secret in ("Li Mei", "Willow", "Pole 7", "Flat"):
        assert secret not in answer.text


@pytest.mark.parametrize(
    ("plural", "number"),
    [("organisations", 2), ("areas", 1), ("terminals", 1), ("meters", 3), *[("customers", 1)]],
)
def test_the_number_of_a_foreign_row_is_the_number_of_nothing(engineer, plural, number):
    path = f"{BASE}/archive/{plural}"
    for values in ({}, {"name": "mine"}, {"active": "no"}):
        there = engineer.patch(f"{path}/{number}", json={"values": values})
        nowhere = engineer.patch(f"{path}/99999", json={"values": values})
        assert there.status_code == nowhere.status_code == 404
        told = [
            each.json()["detail"].replace(str(n), "N")
            for each, n in ((there, number), (nowhere, 99999))
        ]
        assert told[0] == told[1]
    assert engineer.post(f"{path}/{number}/retire").status_code == 404


def test_who_keeps_an_organisation_sees_what_was_made_there(engineer):
    """Also what lies in no area yet, such as a customer without an account."""
    values = {"number": "C2", "name": "Ms Wang", "organisation": OURS}
    made_here = engineer.post(f"{BASE}/archive/customers", json={"values": values})
    assert made_here.status_code == 201, made_here.text
    assert made_here.json()["values"]["name"] == "Ms Wang"
    path = f"{BASE}/archive/customers/{made_here.json()['id']}"
    assert engineer.get(path).json()["values"]["name"] == "Ms Wang"
    listed = engineer.get(f"{BASE}/archive/customers").json()["items"]
    assert [each["values"]["number"] for each in listed] == ["C2"]
    area = engineer.post(
        f"{BASE}/archive/areas",
        json={"values": {"code": "TQ-60", "name": "Quay", "organisation": OURS}},
    )
    assert area.json()["values"]["name"] == "Quay"
    again = engineer.post(f"{BASE}/archive/areas", json={"values": {"code": "TQ-60"}})
    assert (again.status_code, again.json()["values"]["name"]) == (201, "Quay")


async def two_organisations(desk) -> tuple[int, int]:
    """Numbers of two organisations; the area, terminal and meters of the settings belong to the second."""
    ours = await desk.save("organisation", {"code": OURS, "name": "A"}, "root")
    theirs = await desk.save("organisation", {"code": THEIRS, "name": "B"}, "root")
    await desk.save("area", {"code": "A1", "organisation": THEIRS}, "root")
    await desk.save("area", {"code": "A2", "name": "Ours", "organisation": OURS}, "root")
    await desk.save("terminal", {"terminal": OWN_TERMINAL, "area": "A2"}, "root")
    await desk.save("meter", {"address": "91", "terminal": OWN_TERMINAL, "point": "1"}, "root")
    return ours, theirs


def test_a_row_that_would_not_change_is_checked_too(address):
    async def script(desk, store):
        ours, theirs = await two_organisations(desk)
        before = len(rows(store, schema.audit))
        for number, texts, key in (
            (2, {}, ("", "unknown")),
            (None, {"address": "38"}, ("address", "outside")),
        ):
            with pytest.raises(ArchiveError) as error:
                await desk.save("meter", texts, "ann", row_id=number, within={ours})
            assert keys(error) == [key]
        assert await desk.save("meter", {"address": "38"}, "ann", within={theirs}) == 2
        assert await desk.save("meter", {}, "ann", row_id=2) == 2
        assert desk.lists.own_row("meter", 2, {ours}) is None
        assert desk.lists.own_row("meter", 99, None) is None
        found = desk.lists.own_row("meter", 2, {theirs})
        assert found is not None
        assert found["address"] == "000000000038"
        assert len(rows(store, schema.audit)) == before
        assert rows(store, schema_archive.placement) == []

    at_desk(address, script)

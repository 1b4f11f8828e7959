"""Who keeps the archive of one organisation neither sees nor touches what belongs to another."""

from decimal import Decimal

import pytest
from tests.headend.test_archive_desk import at_desk, keys, rows
from tests.headend.web_world import client, filled, signed_in
from tests.headend.world import NOON

from kwhub.headend.archive.dated import Exchange
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


ACCOUNT = {"number": "AX", "customer": "C1", "meter": OWN_METER, "from_day": "2026-03-01"}
OWN_METER_2 = {"terminal": OWN_TERMINAL, "address": "202699999992", "point": "2"}


@pytest.mark.parametrize(
    ("plural", "values", "field"),
    [
        ("accounts", ACCOUNT, "customer"),
        ("accounts", {**ACCOUNT, "meter": THEIR_METER}, "meter"),
        ("meters", {**OWN_METER_2, "parent": THEIR_METER}, "parent"),
        ("meters", {**OWN_METER_2, "terminal": THEIR_TERMINAL}, "terminal"),
        ("meters", {"address": OWN_METER, "terminal": THEIR_TERMINAL}, "terminal"),
        ("terminals", {"terminal": "4101-10", "area": "TQ-31"}, "area"),
        ("areas", {"code": "TQ-32", "organisation": THEIRS}, "organisation"),
        ("organisations", {"code": "NEW", "name": "n", "parent": THEIRS}, "parent"),
        ("organisations", {"code": OURS, "parent": THEIRS}, "parent"),
        ("groups", {"code": "G", "name": "g", "kind": "area", "area": "TQ-31"}, "area"),
        (
            "groups",
            {"code": "G", "name": "g", "kind": "terminal", "terminal": THEIR_TERMINAL},
            "terminal",
        ),
        ("groups", {"code": "G", "name": "g", "organisation": THEIRS}, "organisation"),
    ],
)
def test_a_row_refers_to_nothing_of_others(engineer, plural, values, field):
    answer = engineer.post(f"{BASE}/archive/{plural}", json={"values": values})
    assert answer.status_code == 422, answer.text
    assert f"{field}: {values[field]} is outside" in answer.json()["detail"]
    for secret in ("Li Mei", "Willow", "Pole 7", "Flat", "taken", "another account"):
        assert secret not in answer.text


def test_a_meter_is_not_put_behind_a_terminal_of_others(headend, engineer):
    ours = engineer.get(f"{BASE}/archive/meters").json()["items"][0]["id"]
    there = {"terminal": THEIR_TERMINAL, "point": "3"}  # where somebody is already: not told
    swap = {
        "at": "2026-03-03T00:00:00Z",
        "readings": [{"register": "1-0:1.8.0", "final": "1", "first": "0"}],
        "values": {"address": "202611111111", **there},
    }
    for what, body in (
        ("places", {"from_day": "2026-03-03", "values": there}),
        ("exchanges", swap),
    ):
        answer = engineer.post(f"{BASE}/meters/{ours}/{what}", json=body)
        assert answer.status_code == 422, answer.text
        assert f"terminal: {THEIR_TERMINAL} is outside" in answer.json()["detail"]
        assert engineer.post(f"{BASE}/meters/3/{what}", json=body).status_code == 404
    form = {"from_day": "2026-03-03", **there, "csrf": engineer.headers["X-CSRF-Token"]}
    page = engineer.post(f"/archive/places/{ours}", data=form)
    assert page.status_code == 400
    assert "outside of what you may change" in page.text
    kept = headend.archive.lists.row("meter", ours)
    assert (kept["terminal"], kept["address"]) == (OWN_TERMINAL, OWN_METER)


def test_what_a_row_refers_to_since_long_may_stay(address):
    """Another one has made it so: the form sends every field again, and that is no change."""

    async def script(desk, store):
        ours, _ = await two_organisations(desk)
        await desk.save("customer", {"number": "C1", "name": "n", "organisation": THEIRS}, "root")
        account = {"number": "K1", "customer": "C1", "meter": "91", "from_day": "2026-03-01"}
        number = await desk.save("account", account, "root")
        changed = {**account, "to_day": "2026-04-01"}
        assert await desk.save("account", changed, "ann", within={ours}) == number
        assert rows(store, schema_archive.account)[0]["to_day"] is not None

    at_desk(address, script)


def test_an_organisation_is_moved_only_by_who_reaches_both_ends(address):
    async def script(desk, store):
        top = await desk.save("organisation", {"code": "T", "name": "Top"}, "root")
        low = await desk.save("organisation", {"code": "L", "name": "Low", "parent": "T"}, "root")
        for values in ({"code": "L", "parent": ""}, {"code": "L", "parent": "T2"}):
            await desk.save("organisation", {"code": "T2", "name": "Other"}, "root")
            with pytest.raises(ArchiveError) as error:
                await desk.save("organisation", values, "ann", within={low})
            assert keys(error) == [("parent", "outside")]
        same = {"code": "L", "name": "Lower", "parent": "T"}
        assert await desk.save("organisation", same, "ann", within={low}) == low
        below = await desk.save(
            "organisation", {"code": "B", "name": "b", "parent": "L"}, "ann", within={low}
        )
        assert rows(store, schema_archive.organisation)[-1]["parent_id"] == low != below
        with pytest.raises(ArchiveError):
            await desk.save("organisation", {"code": "B", "parent": ""}, "ann", within={low, below})
        moved = {"code": "B", "parent": "T"}
        assert await desk.save("organisation", moved, "ann", within={top, low, below}) == below

    at_desk(address, script)


def test_dated_changes_stay_within_reach(address):
    async def script(desk, store):
        ours, theirs = await two_organisations(desk)
        mine = desk.lists.page("meter", search="91").items[0]["id"]
        swap = Exchange(NOON, {"1.8.0": (Decimal(1), Decimal(0))}, {"address": "98"})
        number = await desk.exchange(2, swap, "bob", within={theirs})
        into = {"terminal": "4101-02082", "point": "7"}
        away = Exchange(NOON, swap.readings, {"address": "97", **into})
        for work, key in (
            (desk.place(2, {"ct": "2"}, NOON.date(), "ann", within={ours}), ("", "unknown")),
            (
                desk.place(int(mine), into, NOON.date(), "ann", within={ours}),
                ("terminal", "outside"),
            ),
            (desk.exchange(2, swap, "ann", within={ours}), ("", "unknown")),
            (desk.exchange(int(mine), away, "ann", within={ours}), ("terminal", "outside")),
            (desk.withdraw_exchange(number, "ann", within={ours}), ("", "unknown")),
        ):
            with pytest.raises(ArchiveError) as error:
                await work
            assert keys(error) == [key]
        assert len(rows(store, schema_archive.meter_exchange)) == 1
        assert rows(store, schema_archive.placement) == []
        await desk.withdraw_exchange(number, "bob", within={theirs})
        assert rows(store, schema_archive.meter_exchange) == []

    at_desk(address, script)

"""Quality, completeness and bills over the API, on a real store."""

from datetime import date

import pytest
from sqlalchemy import insert
from tests.headend.web_world import client, filled

from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema_archive, sessions
from kwhub.headend.store.schema import day_number

DAY = date(2026, 3, 2)
HOLED = {"register": "1-0:1.8.0", "interval_s": 900}
TARIFF = {"code": "flat", "valid_from": "2026-01-01", "prices": {"total": "0.5"}}


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("desks") / "headend.sqlite")
    with made.store.database.write() as connection:
        connection.execute(
            insert(schema_archive.customer).values(
                id=1, number="C1", name="Li Mei", phone="", postal_address="", note=""
            )
        )
        connection.execute(
            insert(schema_archive.account).values(
                id=1, number="A1", customer_id=1, meter_id=3, from_day=day_number(DAY)
            )
        )
        began = made.clock.now().replace(day=1)
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=began)
    made.store.pack()
    made.quality.check_waiting()
    made.ledger.look()
    yield made
    made.store.close()


SPAN = {"first": "2026-03-02", "last": "2026-03-03"}


@pytest.fixture(scope="module")
def api(headend):
    with client(headend) as made:
        yield made


def test_a_hole_is_found_estimated_and_withdrawn(api):
    (hole,) = [
        each
        for each in api.get("/api/v1/holes", params=SPAN).json()["items"]
        if each["meter_id"] == 2 and each["interval_s"] == 900
    ]
    assert (hole["day"], hole["expected"], hole["got"]) == ("2026-03-03", 96, 92)
    assert hole["cause"] == "partial"
    (finding,) = [
        each
        for each in api.get("/api/v1/findings", params={**SPAN, "rule": "missing"}).json()["items"]
        if each["meter_id"] == 2 and each["interval_s"] == 900
    ]
    assert finding["told"] == "4 of 96 values are missing"
    order = {**HOLED, **SPAN, "method": "interpolation", "reason": "the radio was down"}
    made = api.post("/api/v1/meters/2/estimates", json=order)
    assert made.status_code == 201, made.text
    number = made.json()["set_id"]
    assert [each["method"] for each in api.get("/api/v1/meters/2/edits").json()] == [
        "interpolation"
    ]
    assert api.post("/api/v1/meters/2/estimates", json=order).status_code == 422
    assert api.post(f"/api/v1/meters/4/edits/{number}/withdraw").status_code == 404
    assert api.post(f"/api/v1/meters/2/edits/{number}/withdraw").status_code == 201
    assert api.post(f"/api/v1/meters/2/edits/{number}/withdraw").status_code == 422


def test_a_value_is_edited_with_a_reason(api):
    value = {"at": "2026-03-02T16:00:00Z", "value": "1238.80"}
    order = {**HOLED, "reason": "read by eye", "values": [value]}
    assert api.post("/api/v1/meters/5/edits", json={**order, "reason": ""}).status_code == 422
    wrong = {**order, "values": [{**value, "at": "2026-03-02T16:00:00"}]}
    assert "offset" in api.post("/api/v1/meters/5/edits", json=wrong).json()["detail"]
    for number in ("NaN", "1e40", "0.0000001"):
        strange = {**order, "values": [{**value, "value": number}]}
        assert api.post("/api/v1/meters/5/edits", json=strange).status_code in {400, 422}, number


def test_findings_are_decided_and_rules_changed(api):
    decision = {**HOLED, "meter_id": 2, "day": "2026-03-03", "rule": "missing", "accept": True}
    assert api.post("/api/v1/findings/decide", json=decision).status_code == 422  # no note
    decided = api.post("/api/v1/findings/decide", json={**decision, "note": "known"})
    assert decided.status_code == 201
    accepted = api.get("/api/v1/findings", params={**SPAN, "state": "accepted"}).json()["items"]
    assert [each["note"] for each in accepted] == ["known"]
    assert len(api.get("/api/v1/rules").json()) == 11
    change = {"scope": "meter", "scope_id": 2, "rule": "spike", "bounds": {"times": 9}}
    assert api.put("/api/v1/rules", json=change).status_code == 200
    assert api.put("/api/v1/rules", json={**change, "bounds": {"x": 1}}).status_code == 422
    assert api.put("/api/v1/rules", json={**change, "scope_id": 999}).status_code == 404


def test_a_bill_from_preview_to_cancel(api):
    assert api.put("/api/v1/tariffs", json={**TARIFF, "prices": {}}).status_code == 422
    assert api.put("/api/v1/tariffs", json=TARIFF).status_code == 201
    assert list(api.get("/api/v1/tariffs").json()) == ["flat"]
    given = {"code": "flat", "from_day": "2026-03-02", "low_balance": "20"}
    assert api.post("/api/v1/accounts/1/tariff", json=given).status_code == 201
    one_day = {"first": "2026-03-03", "last": "2026-03-03"}
    preview = api.get("/api/v1/accounts/1/preview", params=one_day).json()
    assert (preview["kwh"], preview["total"]) == ("4.80", "2.40")
    assert preview["traces"][0]["first"] == "1238.80"
    issued = api.post("/api/v1/accounts/1/statements", json=one_day)
    assert issued.status_code == 201, issued.text
    number = issued.json()["id"]
    assert api.post("/api/v1/accounts/1/statements", json=one_day).json()["id"] == number
    early = {"first": "2026-03-04", "last": "2026-03-04"}
    refused = api.post("/api/v1/accounts/1/statements", json=early)
    assert (refused.status_code, "not over yet" in refused.json()["detail"]) == (422, True)
    assert api.get(f"/api/v1/statements/{number}").json()["draft"]["total"] == "2.40"
    assert [each["id"] for each in api.get("/api/v1/statements").json()["items"]] == [number]
    paid = {"amount": "5.00", "reference": "receipt 1"}
    first = api.post("/api/v1/accounts/1/payments", json=paid).json()
    assert first["balance"] == "2.60"
    assert api.post("/api/v1/accounts/1/payments", json=paid).json() == first
    done = api.post(f"/api/v1/statements/{number}/cancel", json={"reason": "a trial"})
    assert done.json()["cancelled_by"]
    book = api.get("/api/v1/accounts/1/book").json()["items"]
    assert [each["kind"] for each in book] == ["cancelled", "payment", "statement"]
    assert [each["is_low"] for each in api.get("/api/v1/forecasts").json()] == [True]


def test_what_is_not_there_is_not_found(api):
    assert api.get("/api/v1/accounts/77/book").status_code == 404
    assert api.get("/api/v1/statements/77").status_code == 404
    assert api.get("/api/v1/statements/99999999999").status_code == 404


def test_a_viewer_sees_findings_but_no_bills(headend):
    with client(headend, role=Role.VIEWER) as viewer:
        assert viewer.get("/api/v1/findings", params=SPAN).status_code == 200
        assert viewer.get("/api/v1/statements").status_code == 403
        assert viewer.put("/api/v1/rules", json={}).status_code == 403

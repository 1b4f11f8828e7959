"""Who may do what: every role on every route, the reach of organisations, and no route that nobody thought of."""

import re

import pytest
from litestar import Router, get
from litestar.routes import HTTPRoute
from sqlalchemy import update
from tests.headend.web_world import ACCESS, BASE, StandingClock, client, settings, signed_in

from kwhub.domain.errors import ConfigError
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Service
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import RIGHT_KEY, ROLE_RIGHTS, Right, Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.web import app as web_app
from kwhub.headend.web.entrance import SCOPED

OPEN_TO_ALL = {
    "/api/v1/caller",
    "/healthz",
    "/link/{text:str}",
    "/openapi",
    "/openapi.json",
    "/openapi/openapi.json",
    "/openapi/{path:str}",
    "/reset/{text:str}",
    "/setup",
    "/sign-in",
    "/static/{file_path:path}",
}
"""What everybody reaches whom nobody knows; each new one is a decision."""

OWN = {"/sign-out", *(f"/account/{each}" for each in ("password", "language", "sessions", "keys"))}
"""What everybody may change who is signed in: the own account."""

ENDLESS = {"/live"}
"""Streams: whether they are refused can be seen, their end cannot."""

WHOEVER = (None, *Role)


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    store = tmp_path_factory.mktemp("rights") / "headend.sqlite"
    config = Config(headend=Service(store=str(store), uplink=""), access=ACCESS)
    made = HeadEnd(config, StandingClock())
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def routes(headend):
    """Method, path and right of every route."""
    return [
        (method, route.path, handler.opt[RIGHT_KEY])
        for route in web_app.create_app(headend).routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method not in {"OPTIONS", "HEAD"}
    ]


def filled_in(path: str) -> str:
    path = re.sub(r"\{\w+:(int|float)\}", "999999", path)
    path = re.sub(r"\{\w+:date\}", "2026-03-03", path)
    return re.sub(r"\{\w+:\w+\}", "none", path)


@pytest.mark.slow
@pytest.mark.parametrize("role", WHOEVER, ids=lambda role: role.value if role else "nobody")
def test_every_role_on_every_route(headend, routes, role):
    allowed = ROLE_RIGHTS[role] if role else frozenset({Right.OPEN})
    with client(headend, role=role) as browser:
        for method, path, right in routes:
            if right in allowed and (path in ENDLESS or path == "/sign-out"):
                continue
            answer = browser.request(method, filled_in(path), follow_redirects=False)
            said = f"{method} {path}: {answer.status_code}"
            if right in allowed:
                assert answer.status_code not in {401, 403, 500}, said
            elif role:
                assert answer.status_code == 403, said
            elif path.startswith("/api/"):
                assert answer.status_code == 401, said
                assert answer.headers["www-authenticate"] == "Bearer"
            else:
                assert answer.status_code == 303, said
                assert answer.headers["location"].startswith("/sign-in"), said


def test_what_is_open_to_all_was_decided(routes):
    assert {path for _, path, right in routes if right is Right.OPEN} <= OPEN_TO_ALL


def test_seeing_is_not_changing(routes):
    """A viewer changes nothing but the own account."""
    changing = {path for method, path, right in routes if method != "GET" and right is Right.SEE}
    assert {path for path in changing if not path.startswith(tuple(OWN))} == set()


def test_numbers_in_addresses_have_a_place(routes):
    """Numbers of things that belong to somebody are checked against the reach of the caller."""
    names = {name for _, path, _ in routes for name in re.findall(r"\{(\w+_id):int\}", path)}
    assert {"area_id", "meter_id", "order_id"} <= names
    assert set(SCOPED) >= {"area_id", "meter_id", "order_id", "terminal_id", "organisation_id"}


def test_a_route_without_a_right_does_not_start(headend, monkeypatch):
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "everything"

    pages = web_app._pages

    def with_one_more() -> Router:
        made = pages()
        made.register(forgotten)
        return made

    monkeypatch.setattr(web_app, "_pages", with_one_more)
    with pytest.raises(ConfigError, match="GET /forgotten"):
        web_app.create_app(headend)


def test_an_unknown_caller_has_no_reach():
    nobody = Caller()
    assert nobody.rights == {Right.OPEN}
    assert nobody.scope() == nobody.organisations() == frozenset()
    assert not nobody.sees_area(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Two areas of two organisations, the second one below a third."""
    made = HeadEnd(settings(tmp_path_factory.mktemp("reach") / "h.sqlite"), StandingClock())
    with made._database.write() as connection:
        table = schema_archive.organisation
        for number, parent in ((1, None), (2, None), (3, 2)):
            row = {"id": number, "parent_id": parent, "code": f"O{number}", "name": f"Org {number}"}
            connection.execute(table.insert().values(**row, name_zh=""))
        for area_id, organisation in ((1, 1), (2, 3)):
            where = schema.area.c.id == area_id
            connection.execute(
                update(schema.area).where(where).values(organisation_id=organisation)
            )
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("organisation", "seen"),
    [(0, ["TQ-31", "TQ-32"]), (1, ["TQ-31"]), (2, ["TQ-32"]), (3, ["TQ-32"])],
)
def test_a_reader_sees_the_areas_of_the_own_organisations(shared, organisation, seen):
    with client(shared, role=None) as browser:
        signed_in(shared, browser, Role.VIEWER, organisation)
        items = browser.get("/api/v1/areas").json()["items"]
        assert [each["code"] for each in items] == seen
        page = browser.get("/areas").text
        assert ("Willow" in page) is ("TQ-31" in seen)
        assert ("Harbour" in page) is ("TQ-32" in seen)


OF_THE_FIRST = (
    "/areas/1",
    "/areas/1/meters.csv",
    "/areas/1/trend.json",
    "/meters/2",
    "/meters/2/latest",
    "/meters/2/curve.json",
    "/meters/2/curve.csv",
    "/meters/2/daily.json",
    "/meters/2/orders",
    "/api/v1/areas/1/meters",
    "/api/v1/meters/2",
    "/api/v1/meters/2/orders",
)


@pytest.mark.slow
def test_outside_the_own_organisation_nothing_is_there(shared):
    with client(shared, role=None) as browser:
        signed_in(shared, browser, Role.OPERATOR, 3)
        for path in OF_THE_FIRST:
            assert browser.get(path).status_code == 404, path
        for path in ("/meters/2/orders", "/api/v1/meters/2/orders"):
            assert browser.post(path, headers={"Origin": BASE}).status_code == 404, path
        assert browser.get("/areas/2").status_code == 200
        signed_in(shared, browser, Role.OPERATOR, 1)
        for path in OF_THE_FIRST:
            assert browser.get(path).status_code == 200, path


def test_an_area_of_nobody_is_seen_only_by_those_who_see_everything(tmp_path):
    made = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    with made._database.write() as connection:
        row = {"id": 1, "code": "O1", "name": "Org", "name_zh": ""}
        connection.execute(schema_archive.organisation.insert().values(**row))
    for organisation, count in ((1, 0), (0, 2)):
        with client(made, role=None) as browser:
            signed_in(made, browser, Role.ADMIN, organisation)
            assert len(browser.get("/api/v1/areas").json()["items"]) == count
    made.store.close()

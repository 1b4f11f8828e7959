"""Settings: told with their meaning and without secrets, changed while the head-end runs, kept in the store."""

import asyncio
import datetime as dt
import tomllib
from importlib.resources import files

import pytest
from msgspec.structs import asdict, replace
from sqlalchemy import select
from tests.headend.test_web_pages import words
from tests.headend.web_world import ACCESS, NOW, StandingClock, client, form_token, signed_in
from tests.headend.world import config

from kwhub.headend.api.settings import FILE_TABLES
from kwhub.headend.app import HeadEnd
from kwhub.headend.choices import CHANGEABLE, Choices, WrongChoice
from kwhub.headend.config import Config, Devices, Retention, Vending
from kwhub.headend.people.rights import Role
from kwhub.headend.store.schema import audit, terminal_session
from kwhub.headend.store.schema_site import chosen
from kwhub.headend.web.language import LANGUAGES

FORM = {
    "bills.name": "Willow Lane Energy",
    "bills.address": "7 Willow Lane",
    "bills.contact": "0371 5550 100",
    "bills.note": "Pay <b>here</b>",
    "pages.language": "zh",
    "access.idle_s": "600",
    "access.session_s": "43200",
    "access.requests_per_s": "25.5",
    "access.requests_burst": "1000",
    "retention.curves_days": "0",
    "retention.freezes_days": "0",
    "retention.events_days": "0",
    "retention.sessions_days": "0",
}


def opened(address):
    return HeadEnd(replace(config(address), access=ACCESS), StandingClock())


@pytest.fixture
def headend(address):
    made = opened(address)
    yield made
    made.store.close()


@pytest.fixture
def browser(headend):
    with client(headend, **{"Accept-Language": "en"}) as made:
        yield made


def trail(headend):
    with headend.store.database.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.action == "setting"))
        return {row.subject: (row.who, row.detail) for row in rows}


def test_a_change_holds_at_once_and_after_a_restart_and_is_audited(address, headend, browser):
    answer = browser.post("/settings", data=FORM)
    assert answer.status_code == 200
    assert "Saved; 8 changed and in force now." in words(answer.text)
    assert headend.people.access.idle_s == 600
    assert headend.people.access.requests_per_s == 25.5
    assert trail(headend)["access.idle_s"] == ("admin", "7200 -> 600")
    assert "access.session_s" not in trail(headend)
    assert "Chosen by admin, 2026-03-04 12:40. The settings file says 7200." in words(answer.text)
    headend.store.close()
    later = opened(address)
    assert later.choices.config.bills.name == "Willow Lane Energy"
    assert later.people.access.idle_s == 600
    later.store.close()


def test_a_value_of_the_file_takes_a_choice_back(headend, browser):
    browser.post("/settings", data=FORM)
    browser.post("/settings", data={"access.idle_s": "7200"})
    with headend.store.database.read() as connection:
        assert "access.idle_s" not in {row.name for row in connection.execute(select(chosen))}
    page = browser.post("/settings", data={"access.idle_s": "7200"})
    assert "Nothing was different" in words(page.text)
    assert trail(headend)["access.idle_s"] == ("admin", "600 -> 7200")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("access.idle_s", "59", "A session ends when unused for, in seconds"),
        ("access.idle_s", "soon", "A session ends when unused for, in seconds"),
        ("access.requests_per_s", "0.5", "Requests a second"),
        ("access.requests_per_s", "inf", "Requests a second"),
        ("access.requests_burst", "3", "Requests at once"),
        ("pages.language", "fr", "Language of readers"),
        ("bills.name", "x" * 201, "Name of the organisation"),
        ("retention.events_days", "30", "at least 62 days"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(headend, browser, name, value, said):
    asked = {**FORM, name: value, "sure": "1"}
    answer = browser.post("/settings", data=asked)
    assert answer.status_code == 400
    assert said in words(answer.text)
    assert "nothing was changed" in words(answer.text)
    assert headend.choices.config == headend.config
    assert trail(headend) == {}
    typed = value if name != "pages.language" else FORM["bills.name"]
    assert typed in answer.text  # what was typed is still there


def test_shorter_retention_wants_to_be_sure(headend, browser):
    asked = {**FORM, "retention.events_days": "400"}
    refused = browser.post("/settings", data=asked)
    assert refused.status_code == 400
    assert "Tick the box" in words(refused.text)
    assert headend.choices.config.retention == Retention()
    assert browser.post("/settings", data={**asked, "sure": "1"}).status_code == 200
    assert headend.choices.config.retention.events_days == 400
    longer = browser.post("/settings", data={"retention.events_days": "500"})
    assert longer.status_code == 200
    assert browser.post("/settings", data={"retention.events_days": "0"}).status_code == 200
    assert headend.choices.config.retention == Retention()


def test_what_is_kept_follows_the_choice_and_not_the_file(headend):
    row = {"region": "4101", "number": 7777, "peer": "10.0.0.9:1", "end_reason": "logged out"}
    ended = {"began_at": NOW - dt.timedelta(days=100), "ended_at": NOW - dt.timedelta(days=99)}
    with headend.store.database.write() as connection:
        connection.execute(terminal_session.insert().values(**row, **ended))
    assert asyncio.run(headend.chores.drop()) == {}
    headend.choices.change({"retention.sessions_days": 90}, "mei")
    assert asyncio.run(headend.chores.drop()) == {"sessions": 1}


def test_secrets_are_never_shown(tmp_path):
    made = HeadEnd(config(tmp_path / "headend.sqlite"), StandingClock())
    hidden = str(tmp_path / "very-private")
    made.config = replace(
        made.config,
        access=replace(ACCESS, trail_key=hidden),
        orders=replace(made.config.orders, password_file=hidden, relay_password_file=hidden),
        vending=Vending(root_key=hidden),
        devices=Devices(root_key=hidden),
    )
    with client(made, **{"Accept-Language": "en"}) as browser:
        page, api = browser.get("/settings"), browser.get("/api/v1/settings")
    assert page.status_code == api.status_code == 200
    assert "very-private" not in page.text + api.text
    assert "set, not shown" in words(page.text)
    values = {each["name"]: each for each in api.json()["items"]}
    assert values["access.trail_key"]["value"] == "(left out)"
    assert values["headend.zone"] == {
        "name": "headend.zone",
        "value": "Asia/Shanghai",
        "source": "default",
        "changeable": False,
        "chosen_at": None,
        "chosen_by": "",
    }
    made.store.close()


def test_programs_change_settings_too(headend, browser):
    answer = browser.patch("/api/v1/settings", json={"values": {"access.idle_s": 900}})
    assert answer.status_code == 200
    (one,) = (each for each in answer.json()["items"] if each["name"] == "access.idle_s")
    assert (one["value"], one["source"], one["chosen_by"]) == (900, "chosen", "admin")
    for name in ("headend.zone", "orders.trips_per_hour", "access.password_work", "nothing"):
        refused = browser.patch("/api/v1/settings", json={"values": {name: 1}})
        assert refused.status_code == 400, name
        assert "cannot be changed while the head-end runs" in refused.json()["detail"]


def test_only_who_may_everywhere_sees_them(headend, browser):
    for role in Role:
        with client(headend, role=role) as other:
            wanted = 200 if role is Role.ADMIN else 403
            assert other.get("/settings").status_code == wanted, role
            assert other.post("/settings", data=FORM).status_code == wanted, role
    browser.post("/api/v1/archive/organisations", json={"values": {"code": "N", "name": "North"}})
    with client(headend, role=None) as local:
        signed_in(headend, local, Role.ADMIN, 1)
        assert local.get("/settings").status_code == 403
        assert local.get("/api/v1/settings").status_code == 403
        assert local.post("/settings", data=FORM).status_code == 403
        assert local.patch("/api/v1/settings", json={"values": {}}).status_code == 403


def test_without_the_token_of_the_form_nothing_changes(headend, browser):
    browser.headers["X-CSRF-Token"] = "made up"
    assert browser.post("/settings", data=FORM).status_code == 403
    assert headend.choices.config == headend.config


def test_sessions_end_by_the_limit_in_force(headend, browser):
    assert browser.get("/account").status_code == 200
    headend.choices.change({"access.idle_s": 60}, "admin")
    session = browser.cookies["kwhub_session"]
    assert headend.people.identify(session, "").user_id
    headend.clock.now = lambda: NOW.replace(minute=42)
    assert headend.people.identify(session, "").user_id == 0


def test_the_language_of_readers_of_neither(headend):
    with client(headend, **{"Accept-Language": "fr"}) as browser:
        assert 'lang="en"' in browser.get("/settings").text
        headend.choices.change({"pages.language": "zh"}, "admin")
        assert 'lang="zh-Hans"' in browser.get("/settings").text
        browser.headers["Accept-Language"] = "en"
        assert 'lang="en"' in browser.get("/settings").text


def test_the_language_of_a_user_goes_with_the_user(headend):
    english = {"Accept-Language": "en"}
    with client(headend, **english) as browser:
        browser.get("/account?lang=en")
        answer = browser.post("/account/language", data={"language": "zh"})
        assert 'lang="zh-Hans"' in answer.text
    with client(headend, **english) as elsewhere:
        assert 'lang="zh-Hans"' in elsewhere.get("/account").text
        assert 'lang="en"' in elsewhere.get("/account?lang=en").text
        elsewhere.headers["X-CSRF-Token"] = form_token(headend, elsewhere)
        elsewhere.post("/account/language", data={"language": "<script>"})
        assert 'lang="en"' in elsewhere.get("/account").text


def test_a_choice_that_a_later_version_does_not_take_does_not_count(headend):
    headend.choices.change({"retention.events_days": 400, "access.idle_s": 900}, "mei")
    with headend.store.database.write() as connection:
        connection.execute(
            chosen.update().where(chosen.c.name == "retention.events_days").values(value="10")
        )
        connection.execute(
            chosen.insert().values(name="gone.for_good", value="1", at=NOW, who="mei")
        )
    again = Choices(headend.store.database, headend.clock, headend.config)
    assert again.config.retention == Retention()
    assert again.config.access.idle_s == 900


def test_whoever_is_told_of_a_change_hears_of_it_once_it_is_stored(headend):
    heard = []
    headend.choices.told.append(lambda settings: heard.append(settings.access.idle_s))
    with pytest.raises(WrongChoice):
        headend.choices.change({"access.idle_s": 900, "bills.name": 7 * "x" * 100}, "mei")
    assert heard == []
    headend.choices.change({"access.idle_s": 900}, "mei")
    assert heard == [900]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_has_a_meaning(language):
    source = files("kwhub.headend.web") / "texts" / f"{language}.toml"
    texts = tomllib.loads(source.read_text("utf-8"))["settings"]
    whole = replace(Config(), devices=Devices(), vending=Vending(root_key=""))
    names = {f"{table}_{key}" for table in FILE_TABLES for key in asdict(getattr(whole, table))}
    names |= {f"{table}_{key}" for table, keys in CHANGEABLE.items() for key in keys}
    names |= {f"table_{table}" for table in (*FILE_TABLES, *CHANGEABLE)}
    assert names <= texts.keys()
    assert set(asdict(whole)) - {"area"} == {*FILE_TABLES, *CHANGEABLE}  # no table is forgotten

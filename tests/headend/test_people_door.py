"""The door: log-in, throttling, sessions, one-time secrets, forms of other sites, injection tries, nothing in the log."""

import datetime as dt
import re

import pytest
import structlog
from sqlalchemy import select
from tests.headend.web_world import ACCESS, NOW, client

from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Access, Config, Service
from kwhub.headend.people import password, throttle
from kwhub.headend.people.errors import NotTaken, TooOften
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.store import schema, schema_people
from kwhub.headend.web.page import HERE as HERE_OF_PAGES

HERE = "10.0.0.7"
GOOD = "correct horse battery staple"
OTHER = "another battery horse staple"
STOLEN = "a-session-id-that-the-attacker-chose-beforehand"


class MovedClock:
    """A clock that the test moves."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()

    def move(self, **span):
        self.at += dt.timedelta(**span)


@pytest.fixture
def clock():
    return MovedClock()


def opened(store, clock, access=ACCESS):
    config = Config(headend=Service(store=str(store), uplink=""), access=access)
    return HeadEnd(config, clock, offload=_in_place)


async def _in_place(work):
    return work()


@pytest.fixture
def headend(tmp_path, clock):
    made = opened(tmp_path / "h.sqlite", clock)
    yield made
    made.store.close()


@pytest.fixture
def anna(headend):
    """A user with a password, and the browser of nobody yet."""
    _, secret = headend.people.staff.add("anna", "Anna", [Grant(Role.ADMIN.value)])
    headend.people.use_reset(secret, GOOD, HERE, "")
    with client(headend, role=None) as browser:
        yield browser


def enter(browser, given=GOOD, **more):
    form = {"name": "anna", "password": given, **more}
    return browser.post("/sign-in", data=form, follow_redirects=False)


def token(browser):
    return re.findall(r'name="csrf" value="(\w+)"', browser.get("/account").text)[0]


def actions(headend):
    with headend._database.read() as connection:
        return [(row.who, row.action) for row in connection.execute(select(schema.audit))]


# Log-in


def test_the_right_password_leads_to_the_page_that_was_asked_for(anna):
    asked = anna.get("/areas?day=2026-03-03", follow_redirects=False)
    assert asked.headers["location"] == "/sign-in?next=%2Fareas%3Fday%3D2026-03-03"
    form = anna.get(asked.headers["location"])
    assert 'value="/areas?day=2026-03-03"' in form.text
    answer = enter(anna, next="/areas?day=2026-03-03")
    assert (answer.status_code, answer.headers["location"]) == (303, "/areas?day=2026-03-03")
    assert anna.get("/areas", follow_redirects=False).status_code == 200


def test_nobody_is_led_to_another_server(anna):
    for lure in ("https://evil.example/", "//evil.example", "/\\evil.example", ""):
        assert enter(anna, next=lure, csrf="").headers["location"] == "/", lure
        anna.cookies.clear()


def test_a_wrong_password_and_an_unknown_name_are_told_alike(anna):
    wrong = enter(anna, "not the password")
    unknown = enter(anna, "not the password", name="bertha")
    assert wrong.status_code == unknown.status_code == 400
    assert wrong.text.replace("anna", "x") == unknown.text.replace("bertha", "x")
    assert "set-cookie" not in wrong.headers


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(anna):
    cookie = enter(anna).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_behind_https_the_cookie_says_so(tmp_path, clock):
    headend = opened(tmp_path / "s.sqlite", clock, Access(password_work=10, secure_cookie=True))
    with client(headend, role=None) as browser:
        secret = headend.people.offer_setup()
        form = {"secret": secret, "name": "anna", "password": GOOD}
        cookie = browser.post("/setup", data=form, follow_redirects=False).headers["set-cookie"]
    assert cookie.startswith("__Host-kwhub_session=")
    assert "Secure" in cookie
    headend.store.close()


def test_the_store_holds_no_session_id_and_no_password(anna, headend):
    session = enter(anna).cookies["kwhub_session"]
    with headend._database.read() as connection:
        everything = [
            str(tuple(row))
            for table in (schema_people.web_session, schema_people.users, schema.audit)
            for row in connection.execute(select(table))
        ]
    assert everything
    assert not [each for each in everything if session in each or GOOD in each]


# Session fixation, time-outs, the end of sessions


def test_a_session_id_that_was_chosen_beforehand_is_worth_nothing(anna):
    anna.cookies.set("kwhub_session", STOLEN)
    answer = enter(anna)
    assert answer.cookies["kwhub_session"] != STOLEN
    anna.cookies.clear()
    anna.cookies.set("kwhub_session", STOLEN)
    assert anna.get("/areas", follow_redirects=False).status_code == 303


def test_the_session_from_before_a_log_in_ends(anna):
    before = enter(anna).cookies["kwhub_session"]
    form = {"name": "anna", "password": GOOD, "csrf": token(anna)}
    after = anna.post("/sign-in", data=form, follow_redirects=False).cookies["kwhub_session"]
    assert after != before
    anna.cookies.clear()
    anna.cookies.set("kwhub_session", before)
    assert anna.get("/areas", follow_redirects=False).status_code == 303


def test_sessions_end_when_idle_and_when_old(headend, clock, anna):
    people = headend.people
    for step, steps, alive in ((7199, 1, 1), (7200, 1, 0), (3600, 11, 1), (3600, 12, 0)):
        session = people.sign_in("anna", GOOD, HERE, "")
        callers = []
        for _ in range(steps):
            clock.move(seconds=step)
            callers.append(people.identify(session, ""))
        assert bool(callers[-1].session) == alive, (step, steps)


def test_sign_out_ends_the_session_for_good(anna):
    session = enter(anna).cookies["kwhub_session"]
    left = anna.post("/sign-out", data={"csrf": token(anna)}, follow_redirects=False)
    assert "Max-Age=0" in left.headers["set-cookie"]
    anna.cookies.set("kwhub_session", session)
    assert anna.get("/areas", follow_redirects=False).status_code == 303


def test_a_new_password_ends_every_other_session(anna, headend):
    enter(anna)
    other = headend.people.sign_in("anna", GOOD, HERE, "other browser")
    form = {"old": GOOD, "new": OTHER, "csrf": token(anna)}
    assert "was changed" in anna.post("/account/password", data=form).text
    assert not headend.people.identify(other, "").session
    assert anna.get("/account", follow_redirects=False).status_code == 200
    with pytest.raises(NotTaken):
        headend.people.sign_in("anna", GOOD, HERE, "")
    assert headend.people.sign_in("anna", OTHER, HERE, "")


def test_sign_out_everywhere_else(anna, headend):
    enter(anna)
    other = headend.people.sign_in("anna", GOOD, HERE, "other browser")
    assert "other browser" in anna.get("/account").text
    anna.post("/account/sessions/end", data={"csrf": token(anna)})
    assert not headend.people.identify(other, "").session
    assert "other browser" not in anna.get("/account").text


def test_a_disabled_user_is_out_at_once(anna, headend):
    enter(anna)
    staff = headend.people.staff
    staff.add("bo", "", [Grant(Role.ADMIN.value)])
    staff.set_active(staff.named("anna").id, active=False)
    assert anna.get("/areas", follow_redirects=False).status_code == 303
    assert enter(anna).status_code == 400


# Throttling


def test_failures_make_the_next_tries_wait_longer_and_longer(anna, clock):
    for _ in range(5):
        assert enter(anna, "wrong").status_code == 400
    waits = []
    for _ in range(4):
        held = enter(anna)  # the right password is not even looked at
        assert held.status_code == 429
        waits.append(int(held.headers["retry-after"]))
        clock.move(seconds=waits[-1])
        assert enter(anna, "wrong").status_code == 400
    assert waits == [1, 2, 4, 8]
    clock.move(seconds=16)
    assert enter(anna).status_code == 303


def test_the_wait_outlives_a_restart(tmp_path, clock):
    first = opened(tmp_path / "t.sqlite", clock)
    for _ in range(5):
        with pytest.raises(NotTaken):
            first.people.sign_in("anna", "wrong", HERE, "")
    first.store.close()
    second = opened(tmp_path / "t.sqlite", clock)
    with pytest.raises(TooOften):
        second.people.sign_in("anna", "wrong", HERE, "")
    second.store.close()


def test_nobody_is_kept_out_for_long_by_an_attack_from_everywhere(headend, clock):
    _, secret = headend.people.staff.add("anna", "", [Grant(Role.VIEWER.value)])
    headend.people.use_reset(secret, GOOD, HERE, "")
    for number in range(70):
        address = f"198.51.100.{number}"
        try:
            headend.people.sign_in("anna", "wrong", address, "")
        except NotTaken:
            continue
        except TooOften as error:
            assert error.wait_s <= 60
            clock.move(seconds=error.wait_s)
    clock.move(seconds=60)
    assert headend.people.sign_in("anna", GOOD, HERE, "")


def test_one_address_cannot_try_many_names(headend):
    for number in range(20):
        with pytest.raises(NotTaken):
            headend.people.sign_in(f"user{number}", "wrong", HERE, "")
    with pytest.raises(TooOften):
        headend.people.sign_in("user20", "wrong", HERE, "")


def test_the_waits_have_an_end():
    for rule in throttle.rules("anna", HERE):
        assert rule.pause(rule.free - 1) == dt.timedelta(0)
        assert rule.pause(10**6) == dt.timedelta(seconds=rule.longest_s)


def test_requests_beyond_the_rate_are_held_up(tmp_path, clock):
    access = Access(password_work=10, requests_per_s=2.0, requests_burst=10)
    headend = opened(tmp_path / "r.sqlite", clock, access)
    with client(headend, role=None) as browser:
        codes = [browser.get("/healthz").status_code for _ in range(12)]
        assert codes == [200] * 10 + [429] * 2
        assert browser.get("/healthz").headers["retry-after"] == "1"
        clock.move(seconds=1)
        assert [browser.get("/healthz").status_code for _ in range(3)] == [200, 200, 429]
    headend.store.close()


# One-time secrets


def test_the_first_account_needs_the_secret_and_is_the_only_one_of_its_kind(headend):
    people = headend.people
    stale, secret = people.offer_setup(), people.offer_setup()
    with client(headend, role=None) as browser:
        assert browser.get("/sign-in", follow_redirects=False).headers["location"] == "/setup"
        form = {"name": "Anna", "password": GOOD}
        for wrong in ("", "x", stale):
            assert browser.post("/setup", data={**form, "secret": wrong}).status_code == 400
        weak = browser.post("/setup", data={**form, "password": "short", "secret": secret})
        assert "too short" in weak.text
        assert browser.post("/setup", data={**form, "secret": secret}).status_code == 200
        (user,) = people.staff.users()
        assert (user.name, user.grants) == ("anna", (Grant("admin"),))
        again = {**form, "name": "eve", "secret": secret}
        browser.post("/setup", data=again, headers={"X-CSRF-Token": token(browser)})
        assert len(people.staff.users()) == 1
    assert people.offer_setup() == ""


def test_a_setup_secret_runs_out(headend, clock):
    secret = headend.people.offer_setup()
    clock.move(days=1)
    with pytest.raises(NotTaken):
        headend.people.set_up(secret, "anna", GOOD)


def test_a_link_works_once_and_not_for_ever(headend, clock):
    people = headend.people
    people.staff.add("anna", "", [Grant(Role.VIEWER.value)])
    secret = people.link("anna")
    assert people.use_link(secret, HERE, "")
    with pytest.raises(NotTaken):
        people.use_link(secret, HERE, "")
    late = people.link("anna")
    clock.move(days=1)
    with pytest.raises(NotTaken):
        people.use_link(late, HERE, "")


def test_a_link_on_another_site_signs_nobody_in(headend):
    headend.people.staff.add("anna", "", [Grant(Role.VIEWER.value)])
    path = f"/link/{headend.people.link('anna')}"
    with client(headend, role=None) as browser:
        lured = browser.get(path, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False)
        assert (lured.status_code, "set-cookie" in lured.headers) == (403, False)
        typed = browser.get(path, headers={"Sec-Fetch-Site": "none"}, follow_redirects=False)
        assert typed.status_code == 303


def test_a_reset_sets_the_password_once(anna, headend):
    enter(anna)
    staff = headend.people.staff
    secret = staff.reset(staff.named("anna").id)
    with client(headend, role=None) as other:
        assert other.get(f"/reset/{secret}").status_code == 200
        assert "too short" in other.post(f"/reset/{secret}", data={"password": "x"}).text
        done = other.post(f"/reset/{secret}", data={"password": OTHER}, follow_redirects=False)
        assert done.status_code == 303
        assert other.get(f"/reset/{secret}").status_code == 400
    assert anna.get("/account", follow_redirects=False).status_code == 303
    assert enter(anna, OTHER).status_code == 303


# Forms


def test_a_form_without_the_token_of_its_session_changes_nothing(anna, headend):
    enter(anna)
    for sent in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        form = {"name": "eve", "role": "admin@0", **sent}
        assert anna.post("/users", data=form).status_code == 403
    assert [each.name for each in headend.people.staff.users()] == ["anna"]


@pytest.mark.parametrize("place", ["", "-1", "999", "9" * 25, "9" * 5_000, "\u0663", "all", "0 "])
def test_a_role_at_a_place_that_there_is_not_is_refused(anna, headend, place):
    enter(anna)
    before = {each.name: each.grants for each in headend.people.staff.users()}
    for path, form in (("/users", {"name": "bo"}), ("/users/1/roles", {})):
        sent = {**form, "role": f"operator@{place}", "csrf": token(anna)}
        assert anna.post(path, data=sent).status_code == 400
    assert {each.name: each.grants for each in headend.people.staff.users()} == before


def test_no_form_brings_the_character_that_postgresql_does_not_take(anna):
    enter(anna)
    form = {"name": "bo\0", "role": "viewer@0", "csrf": token(anna)}
    assert anna.post("/users", data=form).status_code == 400


def test_the_token_of_another_session_is_worth_nothing(anna, headend):
    enter(anna)
    others = headend.people.identify(headend.people.sign_in("anna", GOOD, HERE, ""), "").csrf
    form = {"name": "eve", "role": "admin@0", "csrf": others}
    assert anna.post("/users", data=form).status_code == 403
    assert anna.post("/users", data={**form, "csrf": token(anna)}).status_code == 200


def test_a_form_of_another_site_is_refused_even_with_the_token(anna):
    enter(anna)
    form = {"csrf": token(anna)}
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert anna.post("/sign-out", data=form, headers=headers).status_code == 403


def test_every_form_that_changes_something_carries_the_token():
    forms = 0
    for file in (HERE_OF_PAGES / "templates").glob("*.html"):
        for form in re.findall(r'<form[^>]*method="post".*?</form>', file.read_text(), re.DOTALL):
            forms += 1
            assert "csrf_field(reader)" in form, f"{file.name}: {form[:200]}"
    assert forms > 5


# Injection


NASTY = (
    "' OR '1'='1",
    "anna'--",
    'anna"; DROP TABLE users; --',
    "{{ 7919 * 104729 }}",
    "{% raw %}",
    "${7919*104729}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\0",
    "a" * 10_000,
)


CALCULATED = str(7919 * 104729)
"""What stands where something was calculated that should only be shown."""


def test_what_is_typed_into_the_log_in_is_only_text(anna, headend, clock):
    forms = [{"name": each, "password": GOOD} for each in NASTY]
    forms += [{"name": "anna", "password": each} for each in NASTY]
    for form in forms:
        clock.move(hours=1)
        answer = anna.post("/sign-in", data=form)
        assert answer.status_code == 400
        assert CALCULATED not in answer.text
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
    assert [each.name for each in headend.people.staff.users()] == ["anna"]


def test_what_an_administrator_types_is_only_text(anna, headend):
    enter(anna)
    for number, nasty in enumerate(each for each in NASTY[:-1] if each != "\0"):
        form = {"name": f"user{number}", "shown": nasty, "role": "viewer@0", "csrf": token(anna)}
        assert anna.post("/users", data=form).status_code == 200
        key = {"name": nasty, "right": "see", "csrf": form["csrf"]}
        anna.post("/account/keys", data=key)
        for path in ("/users", "/account", "/audit"):
            page = anna.get(path).text
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert CALCULATED not in page


# Passwords


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "short"),
        ("ninechars", "short"),
        ("x" * 257, "long"),
        ("password123", "common"),
        ("WoAiNi1314", "common"),
        ("aaaaaaaaaaaaaaa", "common"),
        ("Anna is the best", "name"),
        (GOOD, ""),
        ("电表 远程 抄表 系统 好", ""),
        ("lower case only", ""),
    ],
)
def test_long_and_unusual_is_all_that_a_password_must_be(given, why):
    assert password.trouble(given, "anna") == why


def test_passwords_are_hashed_with_salt_and_their_parameters():
    first, second = password.hashed(GOOD, 10), password.hashed(GOOD, 10)
    assert first != second
    assert first.startswith("scrypt$10$8$3$")
    assert password.matches(GOOD, first)
    assert not password.matches(GOOD + "x", first)
    assert not password.matches(GOOD, "nonsense")
    assert password.matches("na\u00efve " * 2, password.hashed("nai\u0308ve " * 2, 10))


def test_a_log_in_renews_a_hash_of_other_parameters(tmp_path, clock):
    headend = opened(tmp_path / "w.sqlite", clock)
    _, secret = headend.people.staff.add("anna", "", [Grant(Role.VIEWER.value)])
    headend.people.use_reset(secret, GOOD, HERE, "")
    headend.store.close()
    headend = opened(tmp_path / "w.sqlite", clock, Access(password_work=11))
    assert headend.people.sign_in("anna", GOOD, HERE, "")
    with headend._database.read() as connection:
        (stored,) = connection.execute(select(schema_people.users.c.password)).scalars()
    assert stored.startswith("scrypt$11$")
    headend.store.close()


# The log and the trail


def test_neither_log_nor_trail_tells_a_secret(headend, capsys):
    secrets = [GOOD, OTHER, "wrong-password-typed"]
    with structlog.testing.capture_logs() as log, client(headend, role=None) as browser:
        secrets.append(headend.people.offer_setup())
        browser.post("/setup", data={"secret": secrets[-1], "name": "anna", "password": GOOD})
        secrets.append(browser.cookies["kwhub_session"])
        browser.headers["X-CSRF-Token"] = token(browser)
        browser.post("/account/password", data={"old": GOOD, "new": OTHER})
        page = browser.post("/account/keys", data={"name": "k", "right": "see"}).text
        secrets += re.findall(r"kwhub_[0-9a-f]{10}_[\w-]{43}", page)
        page = browser.post("/users", data={"name": "bo", "role": "viewer@0"}).text
        secrets += re.findall(r"/reset/([\w-]{43})", page)
        assert len(secrets) == 7
        browser.get("/areas", headers={"Authorization": f"Bearer {secrets[-2]}"})
        browser.post("/sign-in", data={"name": "wrong-password-typed", "password": OTHER})
        browser.post("/sign-in", data={"name": "anna", "password": "wrong-password-typed"})
    with headend._database.read() as connection:
        rows = [str(tuple(row)) for row in connection.execute(select(schema.audit))]
    told = "\n".join([*map(str, log), *rows, *capsys.readouterr()])
    assert "sign_in_failed" in told
    assert [each for each in secrets if each in told] == []


def test_what_people_do_at_the_door_stands_in_the_trail(anna, headend):
    enter(anna, "wrong")
    enter(anna)
    anna.post("/sign-out", data={"csrf": token(anna)})
    enter(anna, name="nobody-of-this-name")
    assert actions(headend)[-5:] == [
        ("anna", "sign_in"),
        ("anna", "sign_in_failed"),
        ("anna", "sign_in"),
        ("anna", "sign_out"),
        ("unknown name", "sign_in_failed"),
    ]

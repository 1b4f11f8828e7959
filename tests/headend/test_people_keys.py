"""API keys, users over the API, signed anchors of the trail, and the commands of the machine's owner."""

import datetime as dt
import json
import re

import pytest
from sqlalchemy import select, text
from tests.headend.web_world import ACCESS, NOW, StandingClock, client, signed_in

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Service
from kwhub.headend.people import trail
from kwhub.headend.people.anchors import Anchors
from kwhub.headend.people.errors import NotTaken
from kwhub.headend.people.key_rows import NewKey
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.store import schema, schema_archive, schema_people
from kwhub.headend.store.database import Database

HERE = "10.0.0.7"
USERS = "/api/v1/users"


@pytest.fixture
def headend(tmp_path):
    config = Config(headend=Service(store=str(tmp_path / "h.sqlite"), uplink=""), access=ACCESS)
    made = HeadEnd(config, StandingClock())
    with made._database.write() as connection:
        for number in (1, 2):
            row = {"id": number, "code": f"O{number}", "name": "Org", "name_zh": ""}
            connection.execute(schema_archive.organisation.insert().values(**row))
            area = {"id": number, "code": f"A{number}", "name": "Area", "name_zh": ""}
            connection.execute(
                schema.area.insert().values(**area, organisation_id=number, active=True)
            )
    yield made
    made.store.close()


def of(headend, role=Role.ADMIN, organisation=0):
    """A user of a role and a caller that is this user in a session."""
    people = headend.people
    user, _ = people.staff.add(
        f"user-{role.value}{organisation}", "", [Grant(role.value, organisation)]
    )
    return people.identify(people.use_link(people.link(user.name), HERE, ""), "")


def made_key(headend, caller, *rights, **more):
    return headend.people.staff.add_key(caller, NewKey("probe", frozenset(rights), **more))


@pytest.fixture
def program(headend):
    with client(headend, role=None) as made:
        yield made


def ask(program, key, path="/api/v1/areas"):
    return program.get(path, headers={"Authorization": f"Bearer {key}"})


# Keys


def test_a_key_may_what_it_was_given_and_no_more(headend, program):
    _, key = made_key(headend, of(headend), Right.SEE)
    assert [each["code"] for each in ask(program, key).json()["items"]] == ["A1", "A2"]
    assert ask(program, key, USERS).status_code == 403
    assert ask(program, key, "/account").status_code == 403
    me = ask(program, key, "/api/v1/caller").json()
    assert (me["kind"], me["rights"]) == ("key", ["open", "see"])


def test_a_key_that_is_not_one_is_nobody(headend, program):
    _, key = made_key(headend, of(headend), Right.SEE)
    prefix = key.rpartition("_")[0]
    for wrong in ("", "x", key[:-1], key + "x", prefix + "_" + "A" * 43, "kwhub_' OR 1=1 --_x"):
        assert ask(program, wrong).status_code == 401, wrong


def test_a_key_reaches_the_organisations_that_it_was_given(headend, program):
    _, key = made_key(headend, of(headend), Right.SEE, organisations=(2,))
    assert [each["code"] for each in ask(program, key).json()["items"]] == ["A2"]
    assert ask(program, key, "/api/v1/areas/1/meters").status_code == 404
    assert ask(program, key, "/api/v1/caller").json()["organisations"] == [2]


def test_a_key_never_may_more_than_its_user(headend, program):
    staff = headend.people.staff
    caller = of(headend, Role.ENGINEER, 1)
    of(headend)
    for rights, places in (
        ({Right.PEOPLE}, ()),
        (set(), ()),
        ({Right.OPEN}, ()),
        ({Right.SEE}, (2,)),
    ):
        with pytest.raises(NotTaken):
            made_key(headend, caller, *rights, organisations=places)
    _, key = made_key(headend, caller, Right.SEE, Right.ARCHIVE)
    assert [each["code"] for each in ask(program, key).json()["items"]] == ["A1"]
    staff.set_roles(caller.user_id, [Grant("viewer", 2)])
    assert [each["code"] for each in ask(program, key).json()["items"]] == ["A2"]
    assert "archive" not in ask(program, key, "/api/v1/caller").json()["rights"]
    staff.set_active(caller.user_id, active=False)
    assert ask(program, key).status_code == 401


def test_a_key_ends_when_it_is_revoked_or_has_run_out(headend, program):
    caller = of(headend)
    stored, key = made_key(headend, caller, Right.SEE, expires_at=NOW + dt.timedelta(days=1))
    assert stored.works(NOW)
    assert not stored.works(NOW + dt.timedelta(days=1))
    assert ask(program, key).status_code == 200
    assert headend.people.staff.revoke_key(stored.id, caller)
    assert ask(program, key).status_code == 401
    with pytest.raises(NotTaken):
        made_key(headend, caller, Right.SEE, expires_at=NOW)


def test_a_key_is_stored_as_digest_and_its_use_is_noted(headend, program):
    caller = of(headend)
    stored, key = made_key(headend, caller, Right.SEE)
    assert stored.used_at is None
    ask(program, key)
    (known,) = headend.people.staff.keys(caller)
    assert known.used_at == NOW
    with headend._database.read() as connection:
        (row,) = connection.execute(select(schema_people.api_key))
    assert key.rpartition("_")[2] not in str(tuple(row))


def test_a_foreign_key_is_not_there_for_others(headend):
    stored, _ = made_key(headend, of(headend), Right.SEE)
    viewer = of(headend, Role.VIEWER)
    assert headend.people.staff.keys(viewer) == []
    assert not headend.people.staff.revoke_key(stored.id, viewer)


def test_the_page_shows_a_key_once(headend, program):
    signed_in(headend, program)
    form = {"name": "nightly", "right": ["see", "order"], "days": "30"}
    (key,) = re.findall(
        r"kwhub_[0-9a-f]{10}_[\w-]{43}", program.post("/account/keys", data=form).text
    )
    again = program.get("/account").text
    assert key not in again
    assert key[:16] in again
    stored = headend.people.staff.keys(headend.people.identify("", key))[0]
    assert stored.expires_at == NOW + dt.timedelta(days=30)
    program.post(f"/account/keys/{stored.id}/revoke")
    assert "revoked" in program.get("/account").text


# Users


def test_users_over_the_api(headend, program):
    signed_in(headend, program)
    body = {"name": "Bo", "roles": [{"role": "operator", "organisation": 1}]}
    added = program.post(USERS, json=body).json()
    assert added["user"]["name"] == "bo"
    assert len(added["secret"]) == 43
    path = f"{USERS}/{added['user']['id']}"
    changed = program.post(path, json={"active": False, "roles": [{"role": "viewer"}]}).json()
    assert (changed["active"], changed["roles"]) == (False, [{"role": "viewer", "organisation": 0}])
    assert [each["name"] for each in program.get(USERS).json()["items"]] == ["admin", "bo"]
    assert program.post(USERS, json=body).json()["detail"] == "there is a user 'bo' already"
    assert program.post(f"{USERS}/999", json={"active": False}).status_code == 404
    wrong = {"name": "eve", "roles": [{"role": "emperor"}]}
    assert program.post(USERS, json=wrong).status_code == 400
    newest = program.get("/api/v1/audit", params={"limit": 1}).json()
    assert newest["items"][0]["action"] == "user_disabled"
    following = {"limit": 1, "cursor": newest["next_cursor"]}
    assert (
        program.get("/api/v1/audit", params=following).json()["items"][0]["action"]
        == "roles_changed"
    )


def test_an_administrator_of_an_organisation_stays_in_it(headend, program):
    staff, everywhere = headend.people.staff, of(headend)
    local = of(headend, Role.ADMIN, 1)
    other = of(headend, Role.VIEWER, 2)
    assert [each.id for each in staff.users(local)] == [local.user_id]
    for grant in (Grant("admin"), Grant("viewer", 2), Grant("admin", 2)):
        with pytest.raises(NotTaken):
            staff.add("eve", "", [grant], local)
    for user_id in (everywhere.user_id, other.user_id):
        with pytest.raises(NotTaken):
            staff.reset(user_id, local)
        with pytest.raises(NotTaken):
            staff.set_active(user_id, active=False, by=local)
    assert staff.add("eve", "", [Grant("operator", 1)], local)
    signed_in(headend, program, Role.ADMIN, 1)
    assert program.get("/audit").status_code == 403
    assert program.get("/api/v1/audit").status_code == 403


def test_the_last_administrator_of_everything_stays(headend):
    staff, admin = headend.people.staff, of(headend)
    for change in (
        lambda: staff.set_active(admin.user_id, active=False, by=admin),
        lambda: staff.set_roles(admin.user_id, [Grant("viewer")], admin),
        lambda: staff.set_roles(admin.user_id, [], admin),
    ):
        with pytest.raises(NotTaken):
            change()
    assert headend.people.staff.user(admin.user_id).active


# Anchors


def test_anchors_find_a_trail_that_was_computed_anew(tmp_path):
    database = Database(str(tmp_path / "a.sqlite"))
    file = tmp_path / "trail.key"
    anchors = Anchors(str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    for number in range(3):
        with database.write() as connection:
            trail.record(connection, "ann", "read_now", f"meter {number}", "", NOW)
            anchors.set(connection, NOW)
            anchors.set(connection, NOW)  # twice is once
    with database.read() as connection:
        assert list(Anchors(str(file)).verify(connection)) == []
        other = Anchors(str(tmp_path / "other.key")).verify(connection)
        assert [each.kind for each in other] == ["signature"] * 3
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text("DELETE FROM audit WHERE id > 1"))
        connection.execute(text("DELETE FROM audit_head"))
        first = connection.execute(select(schema.audit.c.digest)).scalar()
        head = schema_people.audit_head.insert().values(id=1, last_id=1, digest=first)
        connection.execute(head)
    with database.read() as connection:
        assert list(trail.verify(connection)) == []
        found = [(each.audit_id, each.kind) for each in anchors.verify(connection)]
    assert found == [(2, "anchor"), (3, "anchor")]
    database.close()


def test_a_key_file_that_is_none_is_told(tmp_path):
    (tmp_path / "short.key").write_bytes(b"short")
    for wrong in (tmp_path / "short.key", tmp_path / "missing" / "a.key"):
        with pytest.raises(ConfigError, match="32 bytes"):
            Anchors(str(wrong))


# Commands


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "headend.toml"
    key = tmp_path / "trail.key"
    file.write_text(
        f'[headend]\nstore = "{tmp_path / "c.sqlite"}"\n[access]\ntrail_key = "{key}"\n'
        "password_work = 10\n"
    )
    return str(file)


def said(capsys, *words):
    code = run(["headend", *words])
    out = capsys.readouterr().out
    return code, json.loads(out) if "--json" in words else out


def test_the_owner_of_the_machine_adds_lists_resets_and_disables(capsys, settings, tmp_path):
    code, added = said(capsys, "user", "add", settings, "Anna", "--role", "admin", "--json")
    assert (code, added["name"]) == (0, "anna")
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/reset/\S{43}", added["link"])
    assert "/reset/" in said(capsys, "user", "add", settings, "bo", "--language", "zh")[1]
    _, users = said(capsys, "user", "list", settings, "--json")
    assert [(each["name"], each["roles"]) for each in users] == [
        ("anna", ["admin"]),
        ("bo", ["viewer"]),
    ]
    assert said(capsys, "user", "disable", settings, "bo", "--json")[1]["active"] is False
    assert "bo" in said(capsys, "user", "list", settings)[1]
    assert said(capsys, "user", "reset", settings, "bo")[0] == 0
    assert said(capsys, "user", "list", settings, "--json")[1][1]["active"] is True


def test_a_command_that_cannot_be_done_says_why(capsys, settings):
    for words in (
        ("user", "reset", settings, "nobody"),
        ("user", "add", settings, "x"),
        ("user", "add", settings, "anna", "--organisation", "NOWHERE"),
        ("audit", "verify", settings, "--noted", "12"),
    ):
        assert run(["headend", *words]) == 2
        err = capsys.readouterr().err
        assert err.startswith("kwhub: ")
        assert "Traceback" not in err


def test_the_trail_is_verified_from_the_command_line(capsys, settings, tmp_path):
    said(capsys, "user", "add", settings, "anna")
    code, whole = said(capsys, "audit", "verify", settings, "--json")
    assert (code, whole["whole"], whole["findings"]) == (0, True, [])
    assert said(capsys, "audit", "verify", settings, "--noted", whole["head"])[0] == 0
    database = Database(str(tmp_path / "c.sqlite"))
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(text("UPDATE audit SET who = 'eve'"))
    database.close()
    code, broken = said(capsys, "audit", "verify", settings, "--json")
    assert (code, broken["findings"]) == (1, [{"row": 1, "finding": "changed"}])
    assert "digest" in said(capsys, "audit", "verify", settings)[1]

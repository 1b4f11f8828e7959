"""The audit trail as a page: filtered, in words, as a file; never for who reads only one organisation."""

import asyncio
import datetime as dt

import pytest
from tests.headend.full_world import everything
from tests.headend.sentences import HOLE, actions
from tests.headend.test_web_pages import words
from tests.headend.web_world import client, signed_in
from tests.headend.world import DAYS

from kwhub.headend.orders.wanted import KINDS
from kwhub.headend.people.rights import Role
from kwhub.headend.quality.estimate import Method
from kwhub.headend.web.audit import Change, action_words, told
from kwhub.headend.web.audit_words import detail_words
from kwhub.headend.web.language import texts


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = everything(tmp_path_factory.mktemp("audit") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def auditor(headend):
    with client(headend, role=Role.AUDITOR, **{"Accept-Language": "en"}) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "there", "gone"),
    [
        ("who=mei", "exchanged a meter", "made an API key"),
        ("who=MEI", "exchanged a meter", "made an API key"),
        ("action=relay", "permit_closing", "exchanged a meter"),
        ("search=202603000999", "exchanged a meter", "booked a payment"),
        ("search=100%25", "Nothing was done that fits the filter.", "signed in"),
        ("first=2026-03-04&last=2026-03-04", "signed in", "Nothing was done"),
        ("last=2026-03-03", "Nothing was done that fits the filter.", "booked a payment"),
        ("first=nonsense&before=nonsense", "signed in", "Nothing was done"),
    ],
)
def test_rows_are_filtered(auditor, asked, there, gone):
    headers = {"HX-Request": "true", "HX-Target": "audit"}
    part = words(auditor.get(f"/audit?{asked}", headers=headers).text)
    assert there in part
    assert gone not in part
    assert "<h1" not in part


def test_changes_are_told_field_by_field(auditor):
    page = auditor.get("/audit?search=202603000999")
    assert "address 202603000006 → 202603000999" in words(page.text)
    assert "origin" not in words(page.text)  # it stayed as it was


def test_the_file_has_the_rows_of_the_filter(auditor):
    lines = auditor.get("/audit.csv?action=payment").text.splitlines()
    assert len(lines) == 2
    assert lines[1].split(",")[2:5] == ["mei", "payment", "account 1"]
    assert auditor.get("/audit.xlsx").content.startswith(b"PK")


def test_older_rows_follow(headend, auditor):
    first = auditor.get("/audit").text
    assert "Older" not in words(first)
    for number in range(101):
        headend.choices.change({"access.idle_s": 600 + number}, "mei")
    page = auditor.get("/audit?action=setting").text
    assert "7200 -&gt; 600" not in page
    older = page.split('href="/audit?')[-1]
    href = next(
        each for each in page.split('"') if each.startswith("/audit?") and "before=" in each
    )
    assert "action=setting" in older or "action=setting" in href
    assert "7200 -&gt; 600" in auditor.get(href.replace("&amp;", "&")).text


def test_in_chinese(headend):
    with client(headend, role=Role.AUDITOR, **{"Accept-Language": "zh"}) as browser:
        page = words(browser.get("/audit").text)
    assert "换表" in page
    assert "登录" in page


def test_every_action_of_the_trail_has_its_words():
    parts = {
        f"device_{HOLE}": [f"device_{each}" for each in ("locked", "lost", "retired")],
        f"edit_{HOLE}": [f"edit_{each.value}" for each in Method],
        f"task_{HOLE}": [f"task_{each}" for each in KINDS],
    }
    found = {one for each in actions() for one in parts.get(each, [each])}
    assert {"device_allocate", "device_lost", "vending_sale", "edit_manual", "pause_task"} <= found
    for t in (texts("en"), texts("zh")):
        assert sorted(each for each in found if action_words(t, each) == each) == []


def test_whose_role_holds_in_one_organisation_reads_nothing(headend):
    with client(headend, role=None) as local:
        signed_in(headend, local, Role.AUDITOR, 1)
        for path in ("/audit", "/audit.csv", "/audit.xlsx"):
            assert local.get(path).status_code == 403


@pytest.mark.parametrize(
    ("detail", "lead", "changes"),
    [
        ("a receipt", "a receipt", []),
        ('order 2: {"kind":"relay"}', 'order 2: {"kind":"relay"}', []),
        ('{"before": null, "after": {"code": "N", "area": null}}', "", [Change("code", "", "N")]),
        ('{"before": {"a": [1]}, "after": {"a": []}}', "", [Change("a", "[1]", "[]")]),
        ('{"before": 1, "after": 2}', '{"before": 1, "after": 2}', []),
        ("{", "{", []),
    ],
)
def test_details_of_every_form(detail, lead, changes):
    assert told(detail) == (lead, changes)


@pytest.mark.parametrize(
    ("detail", "english", "chinese"),
    [
        (
            "by password from 10.0.0.1",
            "with the password, from 10.0.0.1",
            "使用密码，来自 10.0.0.1",
        ),
        ("from 2026-03-02T16:00:00+00:00", "from 03-03 00:00 on", "自 03-03 00:00 起"),
        ("from 2026-03-03", "from 2026-03-03 on", "自 2026-03-03 起"),
        (
            "at 2026-03-02T16:00:00+00:00; 1.8.0 104 -> 7;",
            "at 03-03 00:00: 1.8.0 104 -> 7",
            "03-03 00:00：1.8.0 104 -> 7",
        ),
        (
            "a.csv: 3 created, 0 changed",
            "a.csv: 3 created, 0 changed",
            "a.csv：新建 3 行，变更 0 行",
        ),
        ("flat from 2026-03-01", "flat from 2026-03-01 on", "自 2026-03-01 起执行 flat"),
        (
            "mei viewer@all, operator@2",
            "mei viewer (everywhere), operator (#2)",
            "mei 查看 (全部), 运行 (#2)",
        ),
        (
            "no trip: the hour's budget of trips is used up, of this person or of this area",
            "no trip: the hour's budget of trips is used up, of this person or of this area",
            "不予跳闸：此人或此台区本小时的跳闸额度已用完",
        ),
        ("not to be carried out any more", "not to be carried out any more", "不再执行"),
        ("burnt by lightning", "burnt by lightning", "burnt by lightning"),
    ],
)
def test_details_of_the_head_end_are_told_in_both_languages(detail, english, chinese):
    def moment(when: dt.datetime) -> str:
        return when.astimezone(DAYS.zone).strftime("%m-%d %H:%M")

    assert detail_words(texts("en"), detail, moment) == english
    found = detail_words(texts("zh"), detail, moment)
    if "viewer@" in detail:
        assert "viewer" not in found
        assert "operator" not in found
    else:
        assert found == chinese


def test_a_dated_change_is_told_with_its_day(headend, auditor):
    async def change() -> None:
        texts_of = {"ct": "30"}
        await headend.archive.save("meter", texts_of, "mei", row_id=4, from_day=dt.date(2026, 3, 3))

    asyncio.run(change())
    page = words(auditor.get("/audit?search=ct").text)
    assert "from 2026-03-03 on ct 1 → 30" in page
    with client(headend, role=Role.AUDITOR, **{"Accept-Language": "zh"}) as browser:
        chinese = words(browser.get("/audit?search=ct").text)
    assert "自 2026-03-03 起 CT 变比 1 → 30" in chinese
    assert "电表 2026" in chinese

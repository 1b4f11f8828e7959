"""The archive's pages over HTTP: making, changing, exchanging, moving, importing with a dry run, exporting."""

import asyncio
import re
from typing import Any

import pytest
from tests.headend.test_web_pages import words
from tests.headend.web_world import StandingClock, client
from tests.headend.whole import empty_store
from tests.headend.world import ADDRESSES, batch, config, shanghai

from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role

HEADER = "address,terminal,point,name\n"
NEW = "000000000099"


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "headend.sqlite"
    path.write_bytes(empty_store())
    made = HeadEnd(config(path, power_safe=False), StandingClock())
    yield made
    made.store.close()


def sent(reader: Any, path: str, **form: str) -> str:
    """The page that a form leads to, after it was taken."""
    answer = reader.post(path, data=form, follow_redirects=False)
    assert answer.status_code == 303, words(answer.text)
    place: str = answer.headers["location"]
    return place


def refused(reader: Any, path: str, **form: str) -> str:
    """What stands in the notice above a form that was not taken."""
    answer = reader.post(path, data=form, follow_redirects=False)
    assert answer.status_code == 400, answer.text
    found = re.search(r'<div class="notice" role="alert">(.*?)</div>', answer.text, re.DOTALL)
    assert found is not None
    return words(found[1])


def value(page: str, name: str) -> str:
    """What a field of the form holds."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def imported(headend: Any, reader: Any, text: str, kind: str = "meter") -> str:
    """The page of an import after the file was checked."""
    file = {"file": ("meters.csv", text.encode(), "text/csv")}
    answer = reader.post(
        "/archive/imports", data={"kind": kind}, files=file, follow_redirects=False
    )
    assert answer.status_code == 303, words(answer.text)
    work_off(headend)
    place: str = answer.headers["location"]
    return place


def work_off(headend: Any) -> None:
    asyncio.run(headend.imports.work_off())


def test_organisations_and_areas_are_made_and_stand_in_the_tree(english):
    north = sent(english, "/archive/organisations", code="N", name="North")
    east = sent(english, "/archive/organisations", code="NE", name="North-east", parent="N")
    hill = sent(english, "/archive/areas", code="TQ-40", name="Hill", organisation="NE")
    assert north != east
    page = english.get("/archive").text
    tree = words(page.partition("<main")[2])
    assert re.search(r"North N .*North-east NE .*Hill TQ-40", tree), tree
    left = words(page.partition('id="tree"')[2].partition("<main")[0])
    assert left.endswith("North North-east Hill Without an organisation 0/1 Willow Lane 0/1")
    assert value(english.get(hill).text, "organisation") == "NE"
    assert sent(english, hill, code="TQ-40", name="High hill", organisation="NE") == hill
    assert "High hill" in words(english.get("/archive/areas").text)
    assert "High hill" in words(english.get("/archive/areas?search=hIGH").text)
    assert "NE" in refused(english, f"{north}/retire")  # it has something below it
    assert sent(english, f"{hill}/retire") == hill
    assert "High hill" not in words(english.get("/archive/areas").text)
    assert "High hill" in words(english.get("/archive/areas?retired=1").text)


def test_a_form_that_is_wrong_says_what_where_and_keeps_what_was_typed(english):
    told = refused(english, "/archive/areas", code="", name="Nowhere")
    assert told.startswith("Code: ")
    shown = english.post("/archive/areas", data={"code": "TQ-41", "organisation": "ZZ"})
    assert shown.status_code == 400
    assert value(shown.text, "code") == "TQ-41"
    assert "ZZ" in words(shown.text)
    chinese = english.post("/archive/areas", data={"code": ""}, headers={"Accept-Language": "zh"})
    assert "台区编码：缺少值 — 请填写" in words(chinese.text)
    assert english.get("/archive/things").status_code == 404
    assert english.get("/archive/areas/99").status_code == 404


def test_a_meter_moves_from_a_day_on_and_the_past_keeps_its_place(english):
    sent(english, "/archive/places/3", from_day="2026-03-03", ct="20")
    page = english.get("/archive/meters/3").text
    assert value(page, "ct") == "20"
    shown = words(page)
    assert re.search(
        r"until 2026-03-03 00:00: 4101-02082 point 3, ratio 1\b", shown, re.IGNORECASE
    ), shown
    assert re.search(
        r"from 2026-03-03 00:00: 4101-02082 point 3, ratio 20\b", shown, re.IGNORECASE
    ), shown


def test_a_terminal_moves_from_a_day_on_and_says_so(english):
    english.post("/archive/areas", data={"code": "TQ-77", "name": "Poplar"}, follow_redirects=False)
    sent(english, "/archive/terminals/1", area="TQ-77", from_day="2026-03-03")
    shown = words(english.get("/archive/terminals/1").text)
    assert "from 2026-03-03 00:00: TQ-77" in shown.replace("From", "from"), shown
    assert "day" in refused(english, "/archive/terminals/1", area="A1", from_day="soon")
    wrong = refused(
        english, "/archive/terminals/1", area="TQ-77", active="no", from_day="2026-03-02"
    )
    assert "2026-03-03" in wrong or "still in use" in wrong


@pytest.mark.parametrize("day", ["", "soon", "2026-02-30", "1999-01-01"])
def test_a_move_without_a_day_is_refused(english, day):
    assert "day" in refused(english, "/archive/places/2", from_day=day, ct="30")
    assert value(english.get("/archive/meters/2").text, "ct") == "1"


def test_an_exchange_is_written_down_and_taken_back(english):
    form = {"address": NEW, "at": "2026-03-04T10:30", "final": "104.25", "first": "0.10"}
    for wrong in ({"final": "much"}, {"at": "yesterday"}, {"address": "12x"}):
        assert refused(english, "/archive/exchanges/2", **{**form, **wrong})
    sent(english, "/archive/exchanges/2", **form, reason="burnt")
    page = words(english.get("/archive/meters/2").text)
    assert f"2026-03-04 10:30: {ADDRESSES[1]} → {NEW} burnt admin" in page
    assert "1-0:1.8.0 104.25 → 0.10" in page
    assert NEW in words(english.get("/meters/2").text)
    sent(english, "/archive/withdrawals/2")
    page = words(english.get("/archive/meters/2").text)
    assert "→" not in page
    assert ADDRESSES[1] in page
    assert english.post("/archive/withdrawals/2").status_code == 404


def test_an_exchange_takes_every_register_that_the_meter_has(headend, english):
    rows = [(3, f"1-0:1.8.{n}", 86_400, shanghai(3), n * 10**6) for n in range(3)]
    rows += [(3, "1-0:32.7.0", 900, shanghai(3), 220 * 10**6)]  # a voltage has no final reading
    headend.store.append([batch(rows)])
    page = english.get("/archive/meters/3").text
    asked = set(re.findall(r'name="((?:final|first)[^"]*)"', page))
    registers = ("1-0:1.8.1", "1-0:1.8.2")
    assert asked == {"final", "first"} | {
        f"{each}_{name}" for each in ("final", "first") for name in registers
    }
    form = {"address": "000000000098", "at": "2026-03-04T10:30", "final": "104.25", "first": "0.10"}
    form |= {"final_1-0:1.8.1": "10.5", "first_1-0:1.8.1": "0.1", "final_1-0:1.8.2": ""}
    half = refused(english, "/archive/exchanges/3", **form, **{"first_1-0:1.8.2": "0"})
    assert "1-0:1.8.2" in half
    assert refused(english, "/archive/exchanges/3", **form, **{"final_9-9": "1", "first_9-9": "1"})
    sent(english, "/archive/exchanges/3", **form)
    shown = words(english.get("/archive/meters/3").text)
    assert "1-0:1.8.0 104.25 → 0.10" in shown
    assert "1-0:1.8.1 10.50 → 0.10" in shown
    sent(english, "/archive/withdrawals/3")


def test_members_of_a_group(english):
    group = sent(english, "/archive/groups", code="G1", name="Big ones", kind="free")
    number = group.rpartition("/")[2]
    place = f"/archive/members/{number}"
    assert sent(english, place, members=f"{ADDRESSES[1]}\n{int(ADDRESSES[2])}") == group
    assert ADDRESSES[1] in words(english.get(group).text)
    assert "000000012345" in refused(english, place, members=f"{ADDRESSES[1]} 12345")
    assert ADDRESSES[2] in words(english.get(group).text)


def test_a_file_is_checked_then_applied_then_taken_back(headend, english):
    text = f"{HEADER}000000000101,4101-02082,11,Flat 11\n000000000102,4101-02082,12,Flat 12\n"
    place = imported(headend, english, text)
    dry = words(english.get(place).text)
    assert re.search(r"2 Rows 2 New 0 Changed 0 ", dry, re.IGNORECASE), dry
    assert "Flat 11" not in words(english.get("/archive/meters").text)  # only checked
    assert f'action="{place}/apply"' in english.get(place).text
    sent(english, f"{place}/apply")
    work_off(headend)
    assert "Flat 11" in words(english.get("/archive/meters").text)
    assert f'action="{place}/undo"' in english.get(place).text
    sent(english, f"{place}/undo")
    work_off(headend)
    assert "Flat 11" not in words(english.get("/archive/meters").text)
    assert refused(english, f"{place}/undo")
    jobs = words(english.get("/archive/imports").text)
    assert "meters.csv 2026-03-04 12:40 admin" in jobs


def test_a_file_with_errors_is_told_row_by_row_and_never_written(headend, english):
    text = (
        f"{HEADER}000000000103,4101-02082,13,Fine\n12ab,4101-02082,14,Wrong\n000000000104,,15,x\n"
    )
    place = imported(headend, english, text)
    page = english.get(place).text
    rows = re.findall(r'<tr><th scope="row" class="n">(\d+)</th>.*?</tr>', page, re.DOTALL)
    assert rows == ["3", "4"]
    assert "12ab" in words(page)
    assert f"{place}/apply" not in page
    assert refused(english, f"{place}/apply")
    assert "Fine" not in words(english.get("/archive/meters").text)
    assert english.post("/archive/imports", data={"kind": "meter"}).status_code == 400
    assert english.get("/archive/imports/77").status_code == 404
    assert english.post(f"{place}/burn").status_code == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\x.csv", "/etc/passwd", "a\x07.csv"])
def test_the_name_of_a_file_is_only_a_name(headend, english, name):
    file = {"file": (name, HEADER.encode(), "text/csv")}
    answer = english.post("/archive/imports", data={"kind": "meter"}, files=file)
    work_off(headend)
    assert answer.status_code == 200
    shown = headend.imports.jobs(1)[0].file_name
    assert "/" not in shown
    assert "\\" not in shown
    assert shown.isprintable()


def test_every_list_can_be_had_as_a_file(english):
    page = english.get("/archive/meters").text
    assert "/api/v1/exports/meters?format=csv" in page
    lines = english.get("/api/v1/exports/meters?format=csv").text.splitlines()
    assert lines[0].startswith("address,")
    assert {line.partition(",")[0] for line in lines[1:]} >= set(ADDRESSES)
    assert english.get("/api/v1/exports/archive").content[:2] == b"PK"


def test_who_may_only_look_changes_nothing(headend, english):
    with client(headend, role=Role.VIEWER, **{"Accept-Language": "en"}) as viewer:
        page = viewer.get("/archive/meters/1").text
        assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
        for path in ("/archive/meters/1", "/archive/meters/1/retire", "/archive/places/1"):
            assert viewer.post(path, data={"name": "x"}).status_code == 403
        assert viewer.get("/archive/imports").status_code == 403
    assert "Supply" in words(english.get("/archive/meters").text)

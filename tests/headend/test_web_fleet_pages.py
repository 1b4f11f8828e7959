"""Dashboard, meters, comparing, terminals with frames, alarms: what stands there, filtered, downloaded, noted."""

import asyncio
import datetime as dt
import io
import json
import re
import zipfile

import openpyxl
import pytest
from sqlalchemy import update
from tests.headend.test_web_pages import words
from tests.headend.web_events import reported
from tests.headend.web_world import METERS, NOW, YESTERDAY, address, client, filled
from tests.headend.world import DAYS

from kwhub.headend.people.rights import Role
from kwhub.headend.store import area_days, schema
from kwhub.headend.web.events import ENDS, end_words
from kwhub.headend.web.language import texts
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Heartbeat, Login, Request

FRAGMENT = {"HX-Request": "true"}
OWN = TerminalAddress("4101", 2082)


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("fleet") / "headend.sqlite")
    reported(made)
    frames = made.lookout.frames
    login = initiated_frame(Login(), OWN, 0).to_bytes()
    beat = initiated_frame(Heartbeat(), OWN, 1).to_bytes()
    frames.note(1, NOW, login, sent=False)
    frames.note(1, NOW + dt.timedelta(seconds=5), beat[:7], sent=False)
    frames.note(1, NOW + dt.timedelta(seconds=6), beat[7:], sent=False)
    frames.note(1, NOW + dt.timedelta(seconds=7), b"\x55\xaa noise", sent=True)
    yield made
    made.store.close()


@pytest.mark.slow
def test_the_dashboard_tells_how_the_fleet_does(english):
    text = words(english.get("/").text)
    assert "100.00 % good Read rate today 5,142 / 5,142" in text
    assert "Line loss yesterday 1 of 1 areas known" in text
    # 53 customers at 0.2 kW and 5 % more; the register's hundredths make it 11.2 or 10.8
    assert "11.2 kW Load now 1 of 1 supply meters" in text
    assert "5 Open alarms" in text
    assert "0 Silent meters" in text


def test_the_dashboard_renews_its_figures_alone(english):
    part = english.get("/", headers={**FRAGMENT, "HX-Target": "dashboard"}).text
    assert part.lstrip().startswith('<div id="dashboard"')
    assert "<html" not in part


def test_the_load_stops_where_the_newest_reading_is(english):
    chart = english.get("/dashboard/load.json").json()
    today, before = (series["values"] for series in chart["series"])
    assert len(chart["times"]) == len(today) == len(before) == 95
    assert sum(each is not None for each in today) == 50  # midnight to 12:30
    assert not any(before)


def test_meters_of_all_areas_are_searched_sorted_and_paged(english):
    first = english.get("/meters")
    assert f"1–50 of {METERS}" in words(first.text)
    assert f"51–{METERS} of {METERS}" in words(english.get("/meters?page=2").text)
    found = english.get("/meters?search=Flat%2054").text
    assert address(54) in found
    assert address(53) not in found
    falling = english.get("/meters?sort=point&desc=1").text
    assert falling.index(address(54)) < falling.index(address(50))
    assert 'aria-sort="descending"' in falling
    assert "Nothing matches" in words(english.get("/meters?search=%25").text)


def test_a_list_is_downloaded_as_csv_and_as_workbook(english):
    csv = english.get("/meters.csv?search=Supply").text.splitlines()
    assert csv[0].startswith("address,name,area_code")
    assert len(csv) == 2
    assert english.get("/meters.csv?page=1&bom=1").text.startswith("\ufeffaddress")
    answer = english.get("/meters.xlsx?page=1")
    rows = list(openpyxl.load_workbook(io.BytesIO(answer.content)).active.values)
    assert len(rows) == METERS + 1
    assert rows[1][0] == address(1)
    assert rows[1][9] == pytest.approx(1301.33)
    assert "<Harbour" not in csv[1]


def test_meters_are_drawn_over_one_another(english):
    page = english.get("/meters/compare?meter=1&meter=2&meter=999")
    assert address(2) in page.text
    chart = english.get("/meters/compare/curve.json?meter=1&meter=2&day=2026-03-03").json()
    assert [each["label"] for each in chart["series"]] == [
        f"{address(1)} Supply",
        f"{address(2)} Flat 2",
    ]
    assert len(chart["series"][1]["values"]) == 96
    assert "Choose up to 8" in words(english.get("/meters/compare").text)
    most = "&".join(f"meter={number}" for number in range(1, 12))
    chart = english.get(f"/meters/compare/curve.json?{most}&day=2026-03-03").json()
    assert len(chart["series"]) == 8


def test_a_curve_stands_beside_the_week_before(english):
    chart = english.get("/meters/2/curve.json?day=2026-03-03&against=1").json()
    now, before = chart["series"]
    assert before["label"] == "Mean power, a week before"
    assert len(now["values"]) == len(before["values"]) == 96
    assert not any(before["values"])
    alone = english.get("/meters/2/curve.json?day=2026-03-03&against=1&days=31").json()
    assert len(alone["series"]) == 1


@pytest.mark.slow
def test_a_year_is_one_chart(english):
    chart = english.get("/meters/2/curve.json?days=366&measure=register").json()
    assert len(chart["times"]) == 366 * 96


def test_terminals_are_filtered_by_state(english):
    assert "4101-02082" in english.get("/terminals").text
    assert "4101-02082" in english.get("/terminals?search=2082&state=offline").text
    assert "Nothing matches" in words(english.get("/terminals?state=online").text)
    assert "4101-02083" not in english.get("/terminals.csv?search=4101-02082").text


@pytest.mark.parametrize(
    ("noted", "english", "chinese"),
    [
        ("denied: unknown terminal", "not in the archive", "不在档案中"),
        ("silent for 900 s", "silent for 900 s", "900 秒无数据"),
        ("no log-in in 0.5 s", "no log-in within 0.5 s", "0.5 秒内未登录"),
        ("denied: speaks profile jilin, not 2013", *["denied: speaks profile jilin, not 2013"] * 2),
        ("", "", ""),
    ],
)
def test_why_a_connection_ended_is_told_in_the_readers_words(noted, english, chinese):
    assert [end_words(texts(code), noted) for code in ("en", "zh")] == [english, chinese]


def test_every_reason_has_its_words():
    for code in ("en", "zh"):
        assert all(f"terminals.end_{key}" in texts(code).table for key in ENDS.values())


def test_the_branch_of_a_tree_has_its_terminals(english):
    assert "Pole 7" in english.get("/tree/1").text
    assert english.get("/tree/0").status_code == 404


def test_frames_are_cut_told_and_filtered(english):
    page = english.get("/terminals/1").text
    assert "3 shown of 3 that match; 3 are kept." in words(page)
    assert "F1 login" in words(page)
    assert "no frame" in words(page)
    only = {"HX-Request": "true", "HX-Target": "frames"}
    for query, count in (
        ("afn=02", 2),
        ("direction=down", 1),
        ("text=heartbeat", 1),
        ("text=55aa", 1),
        ("afn=02&point=5", 0),
        ("point=0", 2),
    ):
        part = english.get(f"/terminals/1?{query}", headers=only).text
        assert part.count("<details") == count, query


def test_a_frame_is_explained_byte_by_byte(english):
    page = english.get("/terminals/1").text
    number = page.split('id="frame-')[-1].split('"')[0]
    part = words(english.get(f"/terminals/1/frames/{number}").text)
    assert "start" in part
    assert "68" in part
    assert english.get("/terminals/1/frames/9-9").status_code == 404


def test_the_frame_of_a_meter_inside_is_explained_too(headend, english):
    inside = bytes.fromhex("68 02 00 00 03 26 20 68 11 04 33 33 34 33 C1 16")
    request = Request(afn_10.AFN, (Forward(2, inside).to_unit(),))
    headend.lookout.frames.note(2, NOW, initiated_frame(request, OWN, 2).to_bytes(), sent=True)
    number = english.get("/terminals/2").text.split('id="frame-')[1].split('"')[0]
    assert "frame inside" in words(english.get(f"/terminals/2/frames/{number}").text)
    assert "frame inside" not in words(english.get("/terminals/1/frames/0-0").text)


def test_areas_are_downloaded(english):
    lines = english.get("/areas.csv?day=2026-03-03").text.splitlines()
    assert lines[1].startswith("TQ-31,Willow Lane,2026-03-03,54,10878,10874,267.")
    assert len(lines) == 3
    assert english.get("/areas.xlsx").content.startswith(b"PK")


def test_the_support_bundle_holds_frames_and_no_secret(english):
    answer = english.get("/terminals/1/support.zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert set(archive.namelist()) == {
        *("terminal.json", "frames.jsonl", "frames.txt", "versions.json", "settings.json")
    }
    lines = archive.read("frames.jsonl").decode().splitlines()
    assert [json.loads(line)["direction"] for line in lines] == ["up", "up", "down"]
    assert json.loads(archive.read("terminal.json"))["terminal"] == "4101-02082"
    assert "area" not in json.loads(archive.read("settings.json"))


@pytest.mark.slow
def test_alarms_are_told_in_words_and_filtered(english):
    text = words(english.get("/alarms").text)
    assert "Current circuit fault" in text
    assert f"{address(2)} flags 01, voltage A 232.0 V, voltage B 230.0 V" in text
    assert "1–5 of 5" in text
    assert "1–6 of 6" in words(english.get("/alarms?state=all").text)
    assert "1–3 of 3" in words(english.get("/alarms?weight=important").text)
    assert "1–1 of 1" in words(english.get("/alarms?code=9&area=1").text)
    assert "No alarm matches" in words(english.get("/alarms?last=2026-03-01").text)
    assert "No alarm matches" in words(english.get("/alarms?terminal=2").text)
    csv = english.get("/alarms.csv?state=all&code=14").text.splitlines()
    assert "2026-03-03T16:40:00+08:00,2026-03-03T17:40:00+08:00,1,14" in csv[1]


@pytest.mark.slow
def test_alarms_speak_chinese(headend):
    with client(headend, **{"Accept-Language": "zh"}) as reader:
        text = words(reader.get("/alarms").text)
    assert "电流回路异常" in text
    assert f"{address(2)} 标志： 01， A相电压： 232.0V， B相电压： 230.0V" in text


@pytest.mark.slow
def test_an_alarm_is_noted_once_and_audited(headend, english):
    page = english.get("/alarms?code=37").text
    key = page.split('href="/alarms/')[1].split('"')[0]
    answer = english.post(f"/alarms/{key}/note", data={"note": "door <open>"})
    assert "door &lt;open&gt;" in answer.text
    english.post(f"/alarms/{key}/note", data={"note": "again"})
    assert "again" not in english.get(f"/alarms/{key}").text
    with headend.store.database.read() as connection:
        rows = [row for row in connection.execute(schema.audit.select()) if "alarm" in row.subject]
    assert [(row.action, "door <open>" in row.detail) for row in rows] == [("acknowledge", True)]
    assert "No alarm matches" in words(english.get("/alarms?code=37").text)
    assert english.post(f"/alarms/{key}/note", data={"note": "x" * 501}).status_code == 400


@pytest.mark.parametrize("key", ["1", "1-zz", "1-00", "x-" + "0" * 64, f"{2**40}-" + "0" * 64])
def test_an_alarm_that_is_not_there_is_not_found(english, key):
    assert english.get(f"/alarms/{key}").status_code == 404


@pytest.mark.slow
def test_a_viewer_may_look_and_not_note(headend):
    with client(headend, role=Role.VIEWER, **{"Accept-Language": "en"}) as reader:
        page = reader.get("/alarms?code=9").text
        key = page.split('href="/alarms/')[1].split('"')[0]
        assert "<textarea" not in reader.get(f"/alarms/{key}").text
        assert reader.post(f"/alarms/{key}/note", data={"note": "x"}).status_code == 403


@pytest.mark.slow
def test_the_navigation_has_what_exists_and_is_allowed(headend, english):
    page = english.get("/areas").text
    assert 'href="/areas" aria-current="page"' in page
    assert 'data-shortcut="l"' in page
    assert "/no-such-page" not in page
    with client(headend, role=None) as stranger:
        assert "/alarms" not in stranger.get("/sign-in").text


@pytest.mark.slow
def test_the_theme_is_remembered(headend):
    with client(headend) as reader:
        assert 'data-theme="auto"' in reader.get("/areas").text
        reader.get("/areas?theme=dark&day=2026-03-03")
        again = reader.get("/areas?day=2026-03-03").text
    assert 'data-theme="dark"' in again
    assert "/areas?day=2026-03-03&amp;theme=light" in again


@pytest.mark.slow
def test_the_dashboard_of_a_large_fleet_shows_what_is_kept(tmp_path, monkeypatch):
    """It says that figures are missing, until they are kept; then it says the same as that of a small fleet."""
    monkeypatch.setattr(area_days, "METERS_AT_ONCE", 10)
    made = filled(tmp_path / "headend.sqlite")
    with client(made, **{"Accept-Language": "en"}) as reader:
        monkeypatch.setattr(area_days, "METERS_AT_ONCE", 60)
        small = words(reader.get("/").text)
        monkeypatch.setattr(area_days, "METERS_AT_ONCE", 10)
        before = reader.get("/").text
        assert "The figures of this fleet are being computed" in before
        assert "every 3s" in before
        asyncio.run(made.chores.keep())
        page = reader.get("/").text
        assert "every 60s" in page
        later = words(page)
        assert "those of 12:40" in later
    begin = small.index("Read rate today")
    assert small[begin : small.index("10,878", begin)] in later
    begin = small.index("Line loss yesterday")
    assert small[begin:] in later
    made.store.close()


@pytest.mark.slow
def test_a_young_fleet_owes_nothing_of_the_days_before_it(tmp_path):
    made = filled(tmp_path / "headend.sqlite")
    with made.store.database.write() as connection:
        connection.execute(update(schema.terminal).values(first_connected_at=DAYS.start(YESTERDAY)))
    with client(made, **{"Accept-Language": "en"}) as reader:
        page = words(reader.get("/").text)
    found = re.search(
        r"(\d+\.\d\d) % \w+ Read rate yesterday .* (\d+\.\d\d) % \w+ Read rate, 7 days", page
    )
    assert found
    assert found[1] == found[2]
    assert float(found[1]) > 99
    made.store.close()

"""The pages on a real store: what stands in them, in both languages, whole and in parts."""

import csv
import datetime as dt
import io
import json
import re

import pytest
from tests.headend.web_world import BASE, ENERGY, HOLE, METERS, TODAY, address, client, filled

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = filled(tmp_path_factory.mktemp("web") / "headend.sqlite")
    yield made
    made.store.close()


def words(html: str) -> str:
    """The text of a page as a reader sees it, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def row_of(html: str, name: str) -> str:
    """The words of the table row in which a name stands."""
    found = [words(row) for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if name in row]
    assert len(found) == 1, name
    return found[0]


def test_areas_show_rate_and_loss_of_a_day_with_words_beside_colours(english):
    page = english.get("/areas?day=2026-03-03")
    assert page.status_code == 200
    row = row_of(page.text, "TQ-31")
    assert "Willow Lane TQ-31 54 0/2 99." in row
    assert "good" in row
    # 53 customers at 4.8 kWh each, and 5 % more through the supply meter
    assert re.search(r"267\.\d\d 254\.40 \d+\.\d\d 4\.\d\d % good", row), row


def test_terminals_are_listed_with_state_and_last_sign_of_life(english):
    page = english.get("/areas").text
    assert row_of(page, "Pole 7").endswith("Willow Lane 54 ○ offline 2026-03-04 12:40:00")
    assert row_of(page, "Pole 9") == "4101-02083 Pole 9 Willow Lane 0 ○ offline —"


def test_areas_of_today_say_that_the_day_is_not_over(english):
    page = english.get("/areas")
    assert "This day is not over" in words(page.text)
    assert 'max="2026-03-04"' in page.text
    assert "Read rate and line loss of 2026-03-04" in words(page.text)


def test_a_day_in_the_future_is_today(english):
    assert "of 2026-03-04" in words(english.get("/areas?day=2099-01-01").text)


def test_areas_renew_themselves_in_parts(english):
    part = english.get("/areas", headers={**FRAGMENT, "HX-Target": "areas"}).text
    assert part.lstrip().startswith('<div id="areas"')
    assert "<html" not in part


def test_pages_speak_chinese(chinese):
    text = words(chinese.get("/areas?day=2026-03-03").text)
    assert "柳林路台区" in text
    assert "抄表率" in text
    assert "正常" in text


def test_names_from_the_settings_cannot_become_markup(english):
    page = english.get("/areas").text
    assert "<Harbour" not in page
    assert "&lt;Harbour &amp; East&gt;" in page


@pytest.mark.slow
def test_the_language_is_remembered_once_asked_for(headend):
    with client(headend, **{"Accept-Language": "en"}) as reader:
        asked = reader.get("/areas/1?lang=zh")
        assert '<html lang="zh-Hans"' in asked.text
        cookie = asked.headers["set-cookie"]
        assert "kwhub_lang=zh" in cookie
        assert "SameSite=lax" in cookie
        assert "HttpOnly" in cookie
        assert '<html lang="zh-Hans"' in reader.get("/areas").text
        assert '<html lang="en"' in reader.get("/?lang=en").text


def test_the_language_switch_keeps_the_rest_of_the_address(english):
    page = english.get("/areas/1?search=Flat+5&lang=en").text
    assert 'href="/areas/1?search=Flat+5&amp;lang=zh"' in page


@pytest.mark.slow
def test_an_area_lists_its_meters_page_by_page(english):
    first = english.get("/areas/1").text
    assert "1–50 of 54" in words(first)
    assert 'href="/areas/1?day=2026-03-04&amp;sort=address&amp;page=2"' in first
    second = english.get("/areas/1?page=2").text
    assert "51–54 of 54" in words(second)
    assert address(54) in second
    assert address(50) not in second


@pytest.mark.slow
def test_meters_are_searched_by_address_and_by_name_in_parts(english):
    part = english.get("/areas/1?search=flat+54", headers={**FRAGMENT, "HX-Target": "meters"}).text
    assert part.lstrip().startswith('<div id="meters"')
    assert words(part).count("Flat") == 1
    assert address(7) in english.get("/areas/1?search=2603000007").text
    assert "No meter matches “&lt;nothing&gt;”." in english.get("/areas/1?search=<nothing>").text


@pytest.mark.slow
def test_meters_are_sorted_by_a_column_both_ways(english):
    rising = english.get("/areas/1?sort=point").text
    falling = english.get("/areas/1?sort=point&desc=1").text
    assert rising.index(address(2)) < rising.index(address(10))
    assert falling.index(address(10)) < falling.index(address(5))
    assert 'aria-sort="descending"' in falling
    assert english.get("/areas/1?sort=no_such_column").status_code == 200


@pytest.mark.slow
def test_the_list_is_exported_whole_as_csv(english):
    answer = english.get("/areas/1/meters.csv?day=2026-03-03&sort=point")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith("meters-TQ-31-2026-03-03.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == METERS
    assert rows[2]["address"] == address(3)
    assert rows[2]["day_kwh"] == "4.80"
    assert rows[2]["last_energy_at"] == "2026-03-04T12:30:00+08:00"
    with_mark = english.get("/areas/1/meters.csv?bom=1&search=Flat+7").content
    assert with_mark.startswith(b"\xef\xbb\xbfaddress,")
    assert with_mark.count(b"\r\n") == 2


def test_a_curve_is_exported_with_its_holes(english):
    answer = english.get("/meters/2/curve.csv?measure=kwh&day=2026-03-03")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 96
    assert rows[0]["interval_start"] == "2026-03-03T00:00:00+08:00"
    assert rows[0]["interval_end"] == "2026-03-03T00:15:00+08:00"
    assert (rows[0]["value"], rows[0]["unit"]) == ("0.05", "kWh")
    assert [n for n, row in enumerate(rows) if not row["value"]] == [39, *HOLE]
    volts = english.get("/meters/1/curve.csv?measure=voltage&day=2026-03-03").text
    assert volts.count("1-0:72.7.0") == 24


def test_the_trend_of_an_area_begins_with_its_first_reading(english):
    trend = json.loads(english.get("/areas/1/trend.json?day=2026-03-03").text)
    assert len(trend["times"]) == 2
    rate, loss = trend["series"]
    assert rate["values"][-1] > 99
    assert 4 < loss["values"][-1] < 6
    assert trend["zone"] == "Asia/Shanghai"
    empty = english.get("/areas/2/trend.json?day=2026-03-03").json()
    assert len(empty["times"]) == 1


def test_a_meter_shows_its_place_and_its_latest_values(english):
    text = words(english.get("/meters/3").text)
    assert f"{address(3)} Flat 3" in text
    assert "Terminal 4101-02082 Pole 7 (offline)" in text
    assert "single-phase" in text
    assert "end of 2026-03-03" in text  # stamped 2026-03-04 00:00
    assert "231.4 V 2026-03-04 12:00:00" in text


def test_the_energy_of_a_supply_meter_says_that_it_is_to_be_multiplied(english):
    assert "the energy of the line is 10 times as much" in words(english.get("/meters/1").text)
    assert "times as much" not in words(english.get("/meters/2").text)


def test_the_curve_has_a_hole_where_data_is_missing(english):
    curve = json.loads(english.get("/meters/2/curve.json?measure=kwh&day=2026-03-03").text)
    values = curve["series"][0]["values"]
    assert len(values) == 96
    # a quarter hour needs the reading at its beginning and at its end
    assert [n for n, value in enumerate(values) if value is None] == [39, *HOLE]
    assert values[0] == pytest.approx(0.05)
    midnight = dt.datetime(2026, 3, 3, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert curve["times"][0] == curve["from"] == midnight.timestamp()
    power = json.loads(english.get("/meters/2/curve.json?measure=kw&day=2026-03-03").text)
    assert power["series"][0]["values"][0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("measure", "points"), [("register", 96), ("voltage", 24), ("power", 24), ("current", 24)]
)
def test_every_measure_has_its_grid(english, measure, points):
    curve = english.get(f"/meters/1/curve.json?measure={measure}&day=2026-03-03").json()
    assert len(curve["times"]) == points
    assert len(curve["series"]) == (3 if measure in {"voltage", "current"} else 1)


def test_a_curve_that_does_not_exist_falls_back(english):
    curve = english.get("/meters/2/curve.json?measure=colour&days=5&day=2026-03-03").json()
    assert len(curve["times"]) == 96


def test_the_curve_is_renewed_in_parts_and_walks_through_the_days(english):
    part = english.get("/meters/2?days=7", headers={**FRAGMENT, "HX-Target": "curve"}).text
    assert "<html" not in part
    assert "2026-02-26 … 2026-03-04" in words(part)
    assert "day=2026-02-25" in part
    assert 'rel="next"' not in part


def test_daily_consumption_tells_whole_days_from_others(english):
    daily = english.get("/meters/3/daily.json").json()
    whole, partial = (series["values"] for series in daily["series"])
    assert whole[-2] == pytest.approx(4.8)
    assert whole[-1] is None
    assert partial[-1] is None or partial[-1] > 0
    assert "2026-03-03 4.80" in words(english.get("/meters/3").text)


@pytest.mark.parametrize("path", ["/meters/999", "/areas/999", "/orders/999", "/no/such/page"])
def test_what_is_not_there_is_said_in_both_languages(english, chinese, path):
    for reader, heading in ((english, "Not found"), (chinese, "未找到")):
        answer = reader.get(path)
        assert answer.status_code == 404
        assert heading in words(answer.text)


@pytest.mark.parametrize(
    "path", ["/areas?day=someday", "/areas/1?page=0", f"/areas/1?search={'x' * 65}"]
)
def test_a_request_that_makes_no_sense_is_a_400_page(english, chinese, path):
    for reader, heading in ((english, "could not be understood"), (chinese, "请求无法识别")):
        answer = reader.get(path)
        assert answer.status_code == 400
        assert heading in words(answer.text)


HUGE = 10**30


@pytest.mark.parametrize(
    "path",
    [
        "/areas?day=0001-01-01",
        "/areas?day=9999-12-31",
        "/areas/1?day=1999-12-31",
        f"/areas/{HUGE}",
        f"/areas/{HUGE}/meters.csv",
        f"/areas/{HUGE}/trend.json",
        "/areas/0",
        f"/meters/{HUGE}",
        f"/meters/{HUGE}/orders",
        f"/meters/{HUGE}/curve.json",
        f"/meters/{HUGE}/daily.json",
        f"/meters/{HUGE}/latest",
        f"/orders/{HUGE}",
        f"/orders/{HUGE}/card",
        "/meters/2/curve.csv?day=0001-01-01",
        "/areas/1?page=999999",
        "/areas/1?search=%25%00%27",
        f"/api/v1/meters/{HUGE}",
        f"/api/v1/areas/{HUGE}/meters",
        f"/api/v1/orders/{HUGE}",
        "/api/v1/areas?day=0001-01-01",
        "/api/v1/areas?cursor=cDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "/api/v1/meters/2/orders?cursor=cDk5OTk5OTk5OQ",
        "/api/v1/meters/2/readings?register=1.8.0&from=0001-01-01T00:00:00Z&to=0001-02-01T00:00:00Z",
        "/api/v1/meters/2/readings?register=1.8.0&from=9999-12-01T00:00:00Z&to=9999-12-31T23:59:59Z",
        "/openapi/nothing",
    ],
)
def test_no_request_is_too_strange_for_an_answer(english, path):
    assert english.get(path).status_code < 500


def test_a_fault_of_ours_shows_no_inside(headend, monkeypatch, capsys):
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(headend.queries, "terminals", broken)
    with client(headend) as reader:
        answer = reader.get("/areas")
        machine = reader.get("/api/v1/areas?cursor=%00")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert machine.status_code == 400
    capsys.readouterr()


def test_static_files_are_cached_and_named_by_their_content(english):
    page = english.get("/areas").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = english.get(path)
        assert answer.status_code == 200, path
        assert "max-age" in answer.headers["cache-control"]
        assert re.search(r"\?v=[0-9a-f]{10}$", path)


@pytest.mark.slow
def test_pages_hold_no_inline_script_and_no_foreign_address(english):
    for path in ("/", "/areas", "/areas/1", "/meters/2", "/terminals/1", "/alarms", "/nothing"):
        html = english.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"\son\w+=|\sstyle=|javascript:", html)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


def test_the_health_check_asks_the_store(english):
    assert english.get("/healthz").json() == {"status": "ok"}


def test_an_order_is_written_down_and_a_wrong_one_is_not(headend):
    with client(headend, **{"Accept-Language": "en", "Origin": BASE}) as reader:
        answer = reader.post("/meters/2/orders", data={"register": [ENERGY]})
        assert answer.url.path.startswith("/orders/")
        text = words(answer.text)
        assert "waiting to be sent" in text
        assert 'hx-trigger="every 500ms"' in answer.text
        listed = words(reader.get("/meters/2/orders").text)
        assert "waiting to be sent" in listed
        nothing = reader.post(
            "/meters/2/orders", data={}, headers={**FRAGMENT, "HX-Target": "order"}
        )
        assert nothing.status_code == 400
        assert words(nothing.text) == "Choose at least one register."
        foreign = reader.post("/meters/2/orders", data={"register": ["1-0:52.7.0"]})
        assert foreign.status_code == 400
        assert len(reader.get("/api/v1/meters/2/orders").json()["items"]) == 1


def test_today_is_the_day_of_the_site(headend):
    assert dt.date(2026, 3, 4) == TODAY
    with client(headend) as reader:
        assert reader.get("/api/v1/areas").json()["items"][0]["day"] == "2026-03-04"

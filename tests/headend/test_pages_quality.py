"""Calendar, holes, findings and rules as pages: what stands there, what can be done, in both languages."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from sqlalchemy import select, update
from tests.headend.desk_world import furnished
from tests.headend.test_web_pages import row_of, words
from tests.headend.web_world import address, client, signed_in
from tests.headend.world import DAYS

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.schema_quality import hole
from kwhub.headend.validation.completeness import By, Cell, calendar
from kwhub.headend.web.language import texts
from kwhub.headend.web.refusals import told

SPAN = "first=2026-03-02&last=2026-03-03"
FINDING = "/completeness/findings/2/2026-03-03/missing?register=1-0%3A1.8.0&interval=900"
NAMED = {"register": "1-0:1.8.0", "interval": "900"}
PLACE = FINDING.partition("?")[0]


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = furnished(tmp_path_factory.mktemp("quality") / "headend.sqlite")
    yield made
    made.store.close()


def test_the_calendar_counts_what_is_owed_and_what_came(headend):
    span = (dt.date(2026, 3, 2), dt.date(2026, 3, 4))
    with headend.queries.reading() as connection:
        found = {by: calendar(connection, DAYS, by, span) for by in By}
    (area,) = found[By.AREA].lines
    # 53 single-phase meters owe 96 + 4 * 24 + 5 values a day, the three-phase one 96 + 14 * 24 + 5
    assert area.cells[1] == Cell(53 * 197 + 437, 4)
    assert area.cells[1].got == 53 * 197 + 433
    assert area.cells[2] is None  # the day is not over
    assert Cell(0, 0).rate is None
    assert found[By.CHANNEL].lines[0].name == "4101-02082:2"
    assert found[By.MAKER].total.cells[1] == area.cells[1]
    with headend.queries.reading() as connection:
        outside = calendar(connection, DAYS, By.AREA, span, {2})
    assert outside.lines == ()
    assert outside.total.cells == (None, None, None)


def test_the_rate_of_a_day_is_that_of_the_areas_page(headend):
    span = (dt.date(2026, 3, 3), dt.date(2026, 3, 3))
    with headend.queries.reading() as connection:
        cell = calendar(connection, DAYS, By.AREA, span).lines[0].cells[0]
    summary = headend.queries.areas(span[0])[0]
    assert cell is not None
    assert (cell.expected, cell.got) == (summary.expected, summary.got)


def test_the_calendar_page_leads_to_the_holes(english):
    page = english.get("/completeness?last=2026-03-03&days=7")
    assert page.status_code == 200
    assert 'class="heat heat-5"' in page.text
    assert "Willow Lane 2026-03-03: 99.96 %" in page.text
    link = re.search(r'/completeness/holes\?first=2026-03-03[^"]*area=1', page.text)
    assert link
    holes = english.get(link[0].replace("&amp;", "&"))
    row = row_of(holes.text, address(2))
    assert "92 / 96 some values came open 0" in row
    assert "Willow Lane" in english.get("/completeness.csv?last=2026-03-03&days=7").text
    part = english.get(
        "/completeness?by=channel", headers={"HX-Request": "true", "HX-Target": "calendar"}
    )
    assert part.text.lstrip().startswith('<div id="calendar">')
    assert "4101-02082:2" in part.text


def test_strange_filters_are_left_out(english):
    for path in (
        "/completeness?by=moon&last=x&days=9999",
        "/completeness/holes?first=x&area=%27&state=none&cause=%3Cb%3E",
        "/completeness/findings?rule=x&severity=y&state=z&first=1999-01-01",
        "/completeness/rules?rule=x",
    ):
        assert english.get(path).status_code == 200, path
    assert english.get("/completeness/findings/2/2026-03-03/none").status_code == 404
    assert english.get("/completeness/findings/2/2026-03-03/spike").status_code == 404


def test_a_lost_hole_is_asked_for_again(headend, english):
    with headend.store.database.write() as connection:
        given_up = (hole.c.meter_id == 2, hole.c.interval_s == 900)
        connection.execute(update(hole).where(*given_up).values(state="lost"))
    page = english.get(f"/completeness/holes?state=lost&{SPAN}")
    assert "lost for good" in row_of(page.text, address(2))
    assert "Ask again" in page.text
    order = {"meter": "2", "day": "2026-03-03", **NAMED}
    done = english.post("/completeness/holes/reopen", data=order, follow_redirects=False)
    assert done.status_code == 303
    assert english.post("/completeness/holes/reopen", data=order).status_code == 400
    assert english.post("/completeness/holes/reopen", data={"meter": "2"}).status_code == 404
    with headend.queries.reading() as connection:
        state = select(hole.c.state).where(*given_up).distinct()
        assert "open" in connection.execute(state).scalars().all()


def test_a_finding_tells_its_evidence_and_is_drawn(english, chinese):
    listed = english.get(f"/completeness/findings?{SPAN}&rule=missing").text
    assert "4 of 96 values are missing at 4 places open" in words(listed)
    assert "应有 96 点，缺 4 点" in chinese.get(FINDING).text
    chart = english.get(
        f"/completeness/findings/2/curve.json?day=2026-03-03&method=interpolation&{FINDING.partition('?')[2]}"
    ).json()
    filled, own = chart["series"]
    holes = [number for number, value in enumerate(own["values"]) if value is None]
    assert len(holes) == 5 + 46  # the steps between five known values, and what is not over yet
    assert filled["values"][96 + 40] == pytest.approx(0.05)
    page = english.get(f"{FINDING}&method=interpolation").text
    assert "1,243.60" in page or "1,240.8" in page
    assert "Fill in" in page
    csv = english.get(f"/completeness/findings.csv?{SPAN}").text
    assert "4 of 96 values are missing" in csv


def test_values_are_filled_in_and_taken_back(headend, english):
    order = {**NAMED, "method": "interpolation"}
    refused = english.post(f"{PLACE}/estimate", data=order)
    assert refused.status_code == 400
    assert "an edit needs a reason" in refused.text
    done = english.post(f"{PLACE}/estimate", data={**order, "reason": "radio was down"})
    assert "radio was down" in done.text
    (made, *_) = headend.quality.edit_sets(2)
    assert (made.method, made.count, made.made_by) == ("interpolation", 4, "admin")
    wrong = english.post(f"{PLACE}/withdraw", data={**NAMED, "set": "77"})
    assert wrong.status_code == 404
    taken = english.post(f"{PLACE}/withdraw", data={**NAMED, "set": str(made.id)})
    assert "withdrawn by admin" in words(taken.text)


def test_a_value_is_written_by_hand(headend, english, chinese):
    at = DAYS.start_s(dt.date(2026, 3, 3)) + 40 * 900
    wrong = chinese.post(f"{PLACE}/edit", data={**NAMED, f"at-{at}": "-4", "reason": "x"})
    assert "示值不能小于零" in wrong.text
    assert (
        english.post(f"{PLACE}/edit", data={**NAMED, f"at-{at}": "four", "reason": "x"}).status_code
        == 400
    )
    value = {**NAMED, f"at-{at}": "1240.85", "reason": "read by eye"}
    assert english.post(f"{PLACE}/edit", data=value, follow_redirects=False).status_code == 303
    start = DAYS.start(dt.date(2026, 3, 3)) + dt.timedelta(seconds=40 * 900)
    curve = headend.queries.curve(2, Register("1-0:1.8.0"), start, start + dt.timedelta(hours=1))
    assert curve.values[0] == Decimal("1240.85")


def test_a_finding_is_accepted_with_a_note(headend, english):
    assert english.post(f"{PLACE}/decide", data={**NAMED, "accept": "1"}).status_code == 400
    done = english.post(f"{PLACE}/decide", data={**NAMED, "accept": "1", "note": "a known cut"})
    assert "a known cut" in done.text
    assert "Take the acceptance back" in done.text
    again = english.post(f"{PLACE}/decide", data=NAMED)
    assert "Why it is right" in again.text


def test_a_rule_is_changed_for_a_meter_and_forgotten(english):
    page = english.get("/completeness/rules?rule=spike").text
    assert 'name="bound-times" value="3"' in page
    change = {"rule": "spike", "scope": "meter", "meter": address(2), "bound-times": "9"}
    assert "times 9" in words(
        english.post("/completeness/rules", data={**change, "enabled": "1"}).text
    )
    assert f"{address(2)},spike,1,suspect,times=9" in english.get("/completeness/rules.csv").text
    for wrong in ({"meter": "7"}, {"bound-times": "-1"}, {"bound-times": "many"}):
        assert english.post("/completeness/rules", data={**change, **wrong}).status_code == 400
    assert english.post("/completeness/rules", data={**change, "rule": "x"}).status_code == 404
    gone = english.post("/completeness/rules", data={**change, "forget": "1"})
    assert "No rule is changed" in gone.text


def test_a_viewer_looks_and_an_organisation_stays_inside(headend):
    with client(headend, role=Role.VIEWER, **{"Accept-Language": "en"}) as viewer:
        page = viewer.get(FINDING)
        assert page.status_code == 200
        assert '<form class="stack"' not in page.text
        assert viewer.post(f"{PLACE}/decide", data=NAMED).status_code == 403
    with headend.store.database.write() as connection:
        row = {"id": 9, "code": "O9", "name": "Elsewhere", "name_zh": ""}
        connection.execute(schema_archive.organisation.insert().values(**row))
        connection.execute(
            update(schema.area).where(schema.area.c.id == 2).values(organisation_id=9)
        )
    with client(headend, role=None, **{"Accept-Language": "en"}) as stranger:
        signed_in(headend, stranger, Role.ENGINEER, 9)
        assert stranger.get(FINDING).status_code == 404
        assert stranger.post(f"{PLACE}/decide", data=NAMED).status_code == 404
        assert "Willow" not in stranger.get("/completeness").text
        assert address(2) not in stranger.get(f"/completeness/holes?{SPAN}").text
        assert address(2) not in stranger.get(f"/completeness/findings.csv?{SPAN}").text
        change = {"rule": "spike", "scope": "meter", "meter": address(2), "bound-times": "9"}
        assert stranger.post("/completeness/rules", data=change).status_code == 400
        assert stranger.post("/completeness/rules", data={"rule": "spike"}).status_code == 403
        lost = {"meter": "2", "day": "2026-03-03", **NAMED}
        assert stranger.post("/completeness/holes/reopen", data=lost).status_code == 404


def test_what_is_refused_is_told_in_chinese(headend):
    desk, t = headend.quality, texts("zh")
    series, span = (Register("1-0:1.8.0"), 900), (dt.date(2026, 3, 2), dt.date(2026, 3, 2))

    def refusal(work, *args, **named):
        with pytest.raises(LocalError) as caught:
            work(*args, **named)
        assert told(texts("en"), caught.value) == str(caught.value)
        return told(t, caught.value)

    by = {"by": "mei"}
    assert refusal(desk.edit, 3, series, {0: -1}, reason="x", **by) == "示值不能小于零"
    assert "修改 99 不存在" in refusal(desk.withdraw, 99, **by)
    key = (3, 1, "1-0:1.8.0", 900, "spike")
    assert "说明" in refusal(desk.accept, key, note="", **by)
    assert "“待处理”" in refusal(desk.accept, key, note="x", **by)
    method = next(
        each
        for each in type(headend.quality).estimate.__globals__["Method"]
        if each.value == "interpolation"
    )
    assert "没有缺口" in refusal(desk.estimate, 3, series, span, method, reason="x", **by)
    long = (dt.date(2020, 1, 1), dt.date(2026, 1, 1))
    assert "最多 400 天" in refusal(desk.estimate, 3, series, long, method, reason="x", **by)
    none = (series[0], 0)
    assert "间隔 0 秒" in refusal(desk.estimate, 3, none, span, method, reason="x", **by)
    fine, year = (series[0], 60), (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert "一次最多 50000" in refusal(desk.estimate, 3, fine, year, method, reason="x", **by)
    lacking = (
        "meter 202688888888 was exchanged between 2026-04-01 and 2026-04-30, and the exchange has no "
        "readings of register 1-0:1.8.1; withdraw the exchange and record it with them"
    )
    assert "缺少 1-0:1.8.1 的止码与起码" in told(t, LocalError(lacking))
    lacking = (
        "the meter was exchanged in this span, and the exchange has no readings of register 1-0:2.8.0; "
        "withdraw the exchange and record it with them, or choose days before or after it"
    )
    assert "缺少 1-0:2.8.0 的止码与起码" in told(t, LocalError(lacking))

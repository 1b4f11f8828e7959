"""Bills as pages and on paper: preview, issue, cancel, payments, tariffs; every figure leads to its readings."""

import datetime as dt
import shutil
import subprocess
from decimal import Decimal

import pytest
from sqlalchemy import update
from tests.headend.desk_world import furnished
from tests.headend.test_web_pages import row_of, words
from tests.headend.web_world import client, signed_in
from tests.headend.world import DAYS

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.billing.paper import CSV_COLUMNS, html_of, pdf_of
from kwhub.headend.billing.paper_words import WORDS
from kwhub.headend.billing.tariffs import tariff_from
from kwhub.headend.config import Bills
from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.web.language import texts
from kwhub.headend.web.refusals import told

DAY = {"first": "2026-03-03", "last": "2026-03-03"}
ACCOUNT = "/bills/accounts/1"


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = furnished(tmp_path_factory.mktemp("bills") / "headend.sqlite")
    yield made
    made.store.close()


def test_a_preview_names_the_readings_behind_every_figure(english, chinese):
    page = english.get(ACCOUNT, params=DAY).text
    assert "Energy, all day 2026-03-03 – 2026-03-03 4.80 0.5 2.40" in words(page)
    assert 'href="#reading-total"' in page
    assert 'id="reading-total"' in page
    assert "1,238.80 actual 2026-03-03 00:00" in words(page)
    assert "measure=register&amp;days=31&amp;day=2026-03-03" in page
    assert "Li Mei &lt;b&gt;" in page
    refused = chinese.get(ACCOUNT, params={"first": "2026-03-01", "last": "2026-03-03"}).text
    assert "账户 A1 自 2026-03-02 起" in refused


def test_from_issue_to_cancel(headend, english, chinese):
    issued = english.post(f"{ACCOUNT}/issue", data=DAY, follow_redirects=False)
    assert issued.status_code == 303
    place = issued.headers["location"]
    page = english.get(place)
    assert "2.40" in page.text
    assert "issued by admin" in page.text
    csv = english.get(f"{place}/lines.csv").text.splitlines()
    assert csv[1].split(",")[-10:] == ["", "4.80", "0.5", "2.40", "CNY", *[""] * 5]
    assert "reading,total,1-0:1.8.0" in csv[2]
    assert csv[2].endswith(",actual,actual,4.80 x 1")
    assert {line.count(",") for line in csv} == {len(CSV_COLUMNS) - 1}
    early = {"first": "2026-03-04", "last": "2026-03-04"}
    assert "2026-03-04 尚未结束" in chinese.post(f"{ACCOUNT}/issue", data=early).text
    assert "-2.40" in english.get(ACCOUNT).text
    refused = chinese.post(f"{place}/cancel", data={"reason": ""})
    assert (refused.status_code, "请说明作废理由" in refused.text) == (400, True)
    done = english.post(f"{place}/cancel", data={"reason": "wrong customer"})
    assert "wrong customer" in done.text
    assert [each.entry.kind for each in headend.billing.book(1)][:2] == ["cancelled", "statement"]


def test_a_payment_is_booked_once(english):
    paid = {"amount": "5.00", "reference": "receipt 7", "kind": "payment"}
    assert english.post(f"{ACCOUNT}/pay", data=paid, follow_redirects=False).status_code == 303
    assert english.post(f"{ACCOUNT}/pay", data=paid, follow_redirects=False).status_code == 303
    assert english.get(ACCOUNT).text.count("receipt 7") == 1
    for wrong in ({"amount": "-1"}, {"amount": "many"}, {"amount": "1.001", "reference": "r"}):
        assert english.post(f"{ACCOUNT}/pay", data={**paid, **wrong}).status_code == 400, wrong
    correction = {**paid, "kind": "adjustment", "amount": "-1.50", "reference": "fix"}
    assert english.post(f"{ACCOUNT}/pay", data=correction).status_code == 400  # no reason
    told_why = {**correction, "note": "counted twice"}
    assert "counted twice" in english.post(f"{ACCOUNT}/pay", data=told_why).text


@pytest.fixture(scope="module")
def billed(english):
    """Two accounts of an area that have been billed; what was said of it."""
    given = {"code": "flat", "from_day": "2026-03-02", "low_balance": "20"}
    assert (
        english.post("/bills/accounts/2/tariff", data=given, follow_redirects=False).status_code
        == 303
    )
    return words(english.post("/bills/statements", data={**DAY, "area": "1"}).text)


def test_all_of_an_area_are_billed_and_the_refused_are_told_why(english, chinese, billed):
    assert "2 statements are issued" in billed
    none = english.post("/bills/statements", data={**DAY, "area": "2"})
    assert "0 statements are issued" in words(none.text)
    again = chinese.post("/bills/statements", data={"first": "2026-03-02", "last": "2026-03-03"})
    assert "2 个账户未能出账" in words(again.text)
    assert "已覆盖 2026-03-03 至 2026-03-03" in again.text


@pytest.mark.usefixtures("billed")
def test_balances_are_listed_with_warnings(english):
    row = row_of(english.get("/bills?low=1").text, "A2")
    assert "A2 Li Mei &lt;b&gt; -2.40 low 20" in row
    csv = english.get("/bills.csv").text.splitlines()
    assert csv[0] == "account,customer,balance,low_balance,is_low,kwh_a_day,days_left"
    assert english.get("/bills.xlsx?low=1").content[:2] == b"PK"


@pytest.mark.usefixtures("billed")
def test_a_tariff_gets_its_next_version(headend, english, chinese):
    page = english.get("/bills/tariffs?code=flat").text
    assert 'name="price-total" value="0.5"' in page
    form = {"code": "tou", "valid_from": "2026-01-01", "price-peak": "0.9", "price-valley": "0.3"}
    more = {"schedule": "00:00=valley 08:00=peak", "above-0": "50", "adder-0": "0.05"}
    done = english.post("/bills/tariffs", data={**form, **more, "monthly_fee": "3.10"})
    assert "00:00 valley, 08:00 peak above 50 kWh +0.05 3.10" in words(done.text)
    assert headend.billing.tariffs()["tou"][0].tier_span == "month"
    assert "tou,,2026-01-01,CNY" in english.get("/bills/tariffs.csv").text
    for wrong in ({"price-peak": "x"}, {"valid_from": ""}, {"schedule": "08:00=peak"}):
        assert english.post("/bills/tariffs", data={**form, **more, **wrong}).status_code == 400
    late = {"code": "flat", "valid_from": "2026-03-03", "price-total": "0.6"}
    assert "截至 2026-03-03 的账单" in chinese.post("/bills/tariffs", data=late).text


def test_who_may_not_bill_is_kept_out(headend, english):
    for path in ("/bills/accounts/77", "/bills/statements/77", "/bills/statements/77/paper.pdf"):
        assert english.get(path).status_code == 404, path
    with client(headend, role=Role.VIEWER) as viewer:
        assert viewer.get("/bills").status_code == 403
        assert viewer.post(f"{ACCOUNT}/pay", data={}).status_code == 403
    with headend.store.database.write() as connection:
        row = {"id": 9, "code": "O9", "name": "Elsewhere", "name_zh": ""}
        connection.execute(schema_archive.organisation.insert().values(**row))
        other = update(schema.area).where(schema.area.c.id == 2).values(organisation_id=9)
        connection.execute(other)
    with client(headend, role=None) as stranger:
        signed_in(headend, stranger, Role.VENDOR, 9)
        assert stranger.get(ACCOUNT).status_code == 404
        assert stranger.get("/bills/statements/1").status_code == 404
        assert stranger.post("/bills/statements/1/cancel", data={"reason": "x"}).status_code == 404
        assert "A1" not in stranger.get("/bills.csv").text
        assert stranger.post("/bills/tariffs", data={}).status_code == 403


def test_paper_has_all_words_in_both_languages(headend):
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    draft = headend.billing.preview(1, dt.date(2026, 3, 3), dt.date(2026, 3, 3))
    english, chinese = (html_of(draft, DAYS.zone, code) for code in ("en", "zh"))
    assert "DRAFT" in english
    assert "草稿" in chinese
    assert "正向有功" in chinese
    assert "Li Mei &lt;b&gt;" in english
    with pytest.raises(LocalError) as caught:
        tariff_from({"code": "x"})
    assert told(texts("zh"), caught.value).startswith("电价有误")


def test_who_sells_stands_on_the_paper(headend):
    draft = headend.billing.preview(1, dt.date(2026, 3, 3), dt.date(2026, 3, 3))
    seller = Bills(name="Lane <Energy>", address="7 Willow Lane", contact="0371", note="Pay here")
    paper = html_of(draft, DAYS.zone, "en", seller=seller)
    for said in ("Lane &lt;Energy&gt;", "7 Willow Lane", "0371", "Pay here"):
        assert said in paper
    assert 'class="seller"' not in html_of(draft, DAYS.zone, "en")


@pytest.mark.slow
def test_the_pdf_says_what_the_statement_says(headend, tmp_path):
    draft = headend.billing.preview(1, dt.date(2026, 3, 3), dt.date(2026, 3, 3))
    for code, total in (("en", "To be paid"), ("zh", "应付合计")):
        made = pdf_of(html_of(draft, DAYS.zone, code))
        assert made.startswith(b"%PDF-")
        if reader := shutil.which("pdftotext"):
            path = tmp_path / f"{code}.pdf"
            path.write_bytes(made)
            done = subprocess.run([reader, str(path), "-"], capture_output=True, check=True)
            text = done.stdout.decode()
            assert total in text
            assert "2.40 CNY" in text
            assert "1,238.80" in text


def mend(headend, day, kwh):
    values = {DAYS.start_s(day): int(Decimal(kwh) * 1_000_000)}
    series = (Register("1-0:1.8.0"), 86_400)
    headend.quality.edit(3, series, values, by="lu", reason="looked at the meter")


def test_a_correction_is_seen_where_it_is_due_and_where_it_is_charged(tmp_path):
    headend = furnished(tmp_path / "headend.sqlite")
    first, second = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
    mend(headend, first, "1234.00")
    old = headend.billing.issue(1, first, first, by="mei")
    mend(headend, second, "1237.00")
    headend.billing.look_again()
    with client(headend, **{"Accept-Language": "en"}) as english:
        listed = words(english.get("/bills/statements").text)
        assert "Statements whose readings have changed" in listed
        assert "-1.80 kWh, -0.90 CNY are due with the next statement" in listed
        assert "are due with the next" in words(english.get(f"/bills/statements/{old.id}").text)
        assert "-1.80,-0.90," in english.get("/bills/statements.csv").text
        (due,) = english.get("/api/v1/statements?changed=true").json()["items"]
        assert (due["id"], due["due"]["amount"]) == (old.id, "-0.90")
        span = {"first": str(second), "last": str(second)}
        place = english.post(f"{ACCOUNT}/issue", data=span, follow_redirects=False)
        page = words(english.get(place.headers["location"]).text)
        assert f"Correction of statement {old.id}: Energy, all day" in page
        assert f"Begins with the last readings of statement {old.id}" in page
        assert "Readings behind the corrections" in page
        csv = english.get(f"{place.headers['location']}/lines.csv").text
        assert ",-1.80,0.5,-0.90,CNY,1" in csv
        assert "billed reading,total,1-0:1.8.0" in csv
        assert "readings have changed" not in english.get("/bills/statements").text
    made = headend.billing.statements(limit=1)[0]
    for language, word in (("en", "Correction of statement 1"), ("zh", "更正账单 1")):
        assert word in html_of(made.draft, DAYS.zone, language, made)
    assert made.draft.total == sum(line.amount for line in made.draft.lines)
    headend.store.close()

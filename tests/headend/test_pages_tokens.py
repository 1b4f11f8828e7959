"""Tokens at the counter's pages: sell, list, show again; keys come from a file and are never shown. Settling by a second person."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.headend.test_web_pages import words
from tests.headend.vending_whole import CUSTOMER, settings_in
from tests.headend.web_world import NOW, StandingClock, address, client, settings

from kwhub.domain.errors import ConfigError
from kwhub.headend import web as pages
from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.headend.people.trail import entries
from kwhub.headend.vending_store import Customer
from kwhub.headend.vending_token_keys import read_token_keys
from kwhub.headend.vending_views import sold_today
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.sts.tokens import decode
from kwhub.prepay.vending import State, Totals

METER, FAR = address(2), "990000000001"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def shop(tmp_path):
    keys = tmp_path / "token-keys"
    keys.write_text(f"# meters without a way back\n{FAR} {KEY} 2014\n")
    keys.chmod(0o600)
    vending = settings_in(tmp_path, token_keys=str(keys), limit_operator=60)
    headend = HeadEnd(replace(settings(tmp_path / "h.sqlite"), vending=vending), StandingClock())
    assert headend.vending
    with headend.vending.books() as books:
        books.add_customer(Customer(CUSTOMER, FAR, "Wang <b>"), NOW)
        books.add_customer(Customer("000000000077", METER, "Li"), NOW)
        books.set_price("day", 5_600, NOW)
    yield headend
    headend.store.close()


@pytest.fixture
def english(shop):
    with client(shop, **{"Accept-Language": "en"}) as made:
        yield made


@pytest.fixture
def chinese(shop):
    with client(shop, **{"Accept-Language": "zh-CN"}) as made:
        yield made


def sold(who, payment="R-1", amount="50.00", meter=FAR):
    form = {"meter": meter, "amount": amount, "payment": payment, "tariff": "day"}
    return who.post("/vending/tokens", data=form)


def digits(page):
    found = re.search(r"\d{4} \d{4} \d{4} \d{4} \d{4}", page.text)
    assert found
    return found[0].replace(" ", "")


def test_a_token_is_sold_listed_and_shown_again(shop, english, chinese):
    assert "No token was sold yet." in english.get("/vending/tokens").text
    page = sold(english)
    assert (page.status_code, page.url.path) == (200, "/vending/token")
    meaning = decode(digits(page), DecoderKey(bytes.fromhex(KEY)), base_year=2014)
    assert str(meaning.value) == "89.2"
    assert "Wang &lt;b&gt;" in page.text
    assert digits(sold(english)) == digits(page)  # the same payment: the same token
    assert digits(chinese.get("/vending/token?payment=R-1")) == digits(page)
    listed = english.get("/vending/tokens")
    assert re.search(rf"R-1 {FAR} Wang .* {CUSTOMER} 89.2 50.00 admin", words(listed.text))
    assert digits(page) not in listed.text.replace(" ", "")
    csv = english.get("/vending/tokens.csv").text.splitlines()
    assert csv[0] == "payment,meter,customer,name,kwh,amount,operator,identifier,at"
    assert (len(csv), digits(page) in csv[1]) == (2, False)
    assert english.get("/vending/tokens.xlsx").content[:2] == b"PK"
    for page in (listed, english.get("/vending")):
        assert KEY not in page.text
    with shop.store.database.read() as connection:
        told = [(row.who, row.action, row.detail) for row in entries(connection, limit=5)]
    assert ("admin", "vending_token", "R-1: 5000") in told


def test_what_is_wrong_is_said_in_both_languages_and_the_form_stays(shop, english, chinese):
    for more, en, zh in (
        ({"amount": "0.01"}, "too little money for 0.1 kWh", "不足 0.1 千瓦时"),
        ({"amount": "x"}, "is not an amount", "不是金额"),
        (
            {"meter": METER},
            f"there is no token key of meter {METER}",
            f"没有电表 {METER} 的令牌密钥",
        ),
        ({"payment": " "}, "needs the reference", "须有缴费单号"),
        ({"amount": "60.01"}, "for one operator and day", "操作员每日售电上限"),
    ):
        page = sold(english, **more)
        assert (page.status_code, en in page.text) == (400, True), more
        assert zh in sold(chinese, **more).text, more
        assert f'value="{more.get("amount", "50.00")}"' in page.text
    assert english.get("/vending/token?payment=none").status_code == 404


def test_tokens_and_purchases_count_together_as_sold_today(shop, english):
    sold(english)
    with shop.vending.books() as books:
        assert sold_today(books, "admin", NOW).operator == 5_000
        assert sold_today(books, "eve", NOW) == Totals(5_000, 0)
    assert "50.00 sold by you today" in words(english.get("/vending").text)
    assert sold(english, "R-2", "10.01").status_code == 400  # the limit is 60


def test_who_may_not_sell_sees_no_token(shop, english):
    sold(english)
    with client(shop, role=Role.VIEWER, **{"Accept-Language": "en"}) as who:
        assert who.get("/vending/tokens").status_code == 403
        assert who.get("/vending/token?payment=R-1").status_code == 403
        assert sold(who, "R-9").status_code == 403


def test_without_keys_or_prices_the_page_says_what_is_missing(tmp_path):
    vending = settings_in(tmp_path)
    headend = HeadEnd(replace(settings(tmp_path / "h.sqlite"), vending=vending), StandingClock())
    with client(headend, **{"Accept-Language": "en"}) as who:
        assert "token_keys" in who.get("/vending/tokens").text
        assert sold(who).status_code == 400
    headend.store.close()


@pytest.mark.parametrize(
    "text",
    [
        f"{FAR} {KEY}",
        f"{FAR} {KEY} 2015",
        f"{FAR} xyz 2014",
        f"12 {KEY} 2014",
        f"{FAR} 0123 2014",
        f"{FAR} {KEY} 2014\n{FAR} {KEY} 2035",
    ],
)
def test_a_file_of_keys_that_says_something_else_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="mode 0600"):
        read_token_keys(path)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is not a meter of its own") as caught:
        read_token_keys(path)
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token_keys(Path(tmp_path / "none"))


# A sale that no reading can prove


def unproven(shop, operator):
    with shop.vending.books() as books:
        books.saw_count(METER, 0, NOW, money=0)
        purchase = books.reserve(METER, 700, operator, "R-7", NOW)
        books.issued(purchase, NOW)
        books.saw_count(METER, 1, NOW, money=300, confirms=False)


def test_a_second_person_settles_on_the_receipt_and_the_seller_cannot(shop, english, chinese):
    unproven(shop, "bob")
    page = english.get("/vending/receipt?payment=R-7&outcome=already")
    assert "nothing has shown yet that it was this sale" in page.text
    assert "nothing was booked twice" not in page.text
    assert "由另一人核定" in chinese.get("/vending/receipt?payment=R-7").text
    form = {"payment": "R-7", "end": "arrived"}
    assert english.post("/vending/settle", data={**form, "end": "x"}).status_code == 400
    assert "in the meter" in words(english.post("/vending/settle", data=form).text)
    late = chinese.post("/vending/settle", data=form)
    assert (late.status_code, "此次购电的状态为" in late.text) == (400, True)
    with shop.vending.books() as books:
        assert books.purchase("R-7").state is State.CONFIRMED


def test_who_has_sold_is_told_that_somebody_else_must_settle(shop, chinese):
    unproven(shop, "admin")
    refused = chinese.post("/vending/settle", data={"payment": "R-7", "end": "cancelled"})
    assert (refused.status_code, "须由售电者以外的人" in refused.text) == (400, True)
    with shop.vending.books() as books:
        assert books.purchase("R-7").state is State.ISSUED


def test_every_state_of_a_sale_has_a_colour():
    """The classes of the macro ``sale_state`` stand in a style sheet."""
    web = Path(pages.__file__).parent
    macro = (web / "templates/vending_parts.html").read_text("utf-8")
    styles = "".join(each.read_text("utf-8") for each in (web / "static").glob("*.css"))
    kinds = set(re.findall(r'"(?:confirmed|issued|reserved|cancelled)": "(\w+)"', macro))
    assert kinds == {"good", "warn", "bad"}
    assert all(f".state.{each} " in styles for each in kinds)

"""The counter as pages and over the API: sell, receipt, cancel, limits, books, low balances; who may and who may not."""

import re
from contextlib import suppress

import pytest
from msgspec.structs import replace
from tests.headend.test_web_pages import words
from tests.headend.vending_whole import CUSTOMER, settings_in
from tests.headend.web_world import NOW, StandingClock, address, client, settings
from tests.sim.prepay_site import KEYS, Steady, draw

from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import Purpose, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.orders import update_keys
from kwhub.prepay.sessions import Target
from kwhub.protocols.dlt645.session import Role as End
from kwhub.protocols.dlt645.session import Session
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_store import MEMORY_BYTES

METER = address(2)

pytestmark = pytest.mark.slow  # one story; none of its chapters stands alone


class Wire:
    """The meter of the first customer at the end of the front's forwarding; may be silent."""

    def __init__(self):
        element = SoftwareElement(RamMemory(ELEMENT_BYTES), draw("page"))
        element.personalise(b"SERIAL01", bytes.fromhex(METER), KEYS.key_set(factor_of(METER), 2))
        unit = PrepaymentUnit(element, RamMemory(MEMORY_BYTES))
        self.element, self.meter = element, SimulatedMeter(METER, Steady(), prepayment=unit)
        self.silent_from = 1 << 32  # the purchase after which nothing is heard of it

    async def forward(self, _terminal, _port, frame, _wait_s, **_more):
        session = Session(End.METER, preamble=0, addresses={METER})
        session.receive(frame, 0.0)
        for asked in session.events():
            reply = self.meter.answer(asked.request, int(NOW.timestamp()))
            if reply is not None:
                session.send(reply.message, 0.0)
        silent = self.element.wallet[1] >= self.silent_from
        return b"" if silent else session.outgoing(1.0)


class Wired(HeadEnd):
    """A head-end with the meter at the end of its front's line."""

    def __init__(self, config, clock):
        super().__init__(config, clock)
        self.wire = Wire()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    config = replace(settings(folder / "headend.sqlite"), vending=settings_in(folder))
    headend = Wired(config, StandingClock())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(headend.front, "forward", headend.wire.forward)
        patched.setattr(headend.front, "is_online", lambda _terminal: True)
        yield headend
    headend.store.close()


@pytest.fixture(scope="module")
def english(shop):
    with client(shop, **{"Accept-Language": "en"}) as made:
        yield made


@pytest.fixture(scope="module")
def chinese(shop):
    with client(shop, **{"Accept-Language": "zh-CN"}) as made:
        yield made


def sold(who, payment, amount="50.00", meter=METER):
    form = {"meter": meter, "amount": amount, "payment": payment}
    return who.post("/vending", data=form)


def test_from_customer_to_receipt_and_into_the_books(shop, english, chinese):
    """The story of a counter on one day; each test after it finds its sales."""
    assert "The books were not compared yet." in english.get("/vending").text
    form = {"customer": CUSTOMER, "meter": METER, "name": "Wang <b>"}
    page = english.post("/vending/customers", data=form)
    assert f'name="meter" value="{METER}"' in page.text
    page = sold(english, "R-1")
    assert (page.status_code, page.url.path) == (200, "/vending/receipt")
    assert "The meter has it." in page.text
    assert "in the meter" in words(page.text)
    assert "Wang &lt;b&gt;" in page.text
    assert shop.wire.element.wallet == (5_000, 1)
    again = sold(chinese, "R-1")
    assert "电表内已有此次购电" in again.text
    assert shop.wire.element.wallet == (5_000, 1)
    page = english.post("/vending/compare").text
    assert "Sales, signatures, meters and payments agree." in page
    assert "50.00 sold by you today, of 50000" in words(page)
    csv = english.get("/vending.csv").text.splitlines()
    assert csv[0] == "payment,meter,customer,name,count,amount,operator,state,at"
    assert csv[1].startswith(f"R-1,{METER},{CUSTOMER},Wang <b>,1,50.00,admin,confirmed,")
    assert english.get("/vending.xlsx").content[:2] == b"PK"


def test_a_silent_meter_leaves_the_sale_open_and_it_is_brought_or_cancelled(shop, english, chinese):
    shop.wire.silent_from = 2
    page = sold(english, "R-2", "7")
    assert "whether the meter has it is not known yet" in page.text
    assert "Bring it again" in page.text
    refused = chinese.post("/vending/cancel", data={"payment": "R-2"})
    assert refused.status_code == 400
    assert "电表在签名之后尚未抄读" in refused.text
    refused = sold(chinese, "R-3", "8")
    assert (refused.status_code, "第 2 次购电尚未取回" in refused.text) == (400, True)
    shop.wire.silent_from = 1 << 32
    assert "The meter has it" in sold(english, "R-2", "7").text
    assert shop.wire.element.wallet == (5_700, 2)
    late = english.post("/vending/cancel", data={"payment": "R-2"})
    assert (late.status_code, "the meter has it" in late.text) == (400, True)


def test_limits_and_wrong_forms_say_why_in_both_languages(shop, english, chinese):
    for amount, en, zh in (
        ("1000.01", "above the limit of 100000 hundredths for one sale", "超过单笔售电上限"),
        ("0", "an amount is above zero", "金额须大于零"),
        ("1.234", "is not an amount with at most two decimals", "最多两位小数"),
        ("many", "is not an amount", "不是金额"),
    ):
        page = sold(english, f"L-{amount}", amount)
        assert (page.status_code, en in page.text) == (400, True), amount
        assert f'value="{amount}"' in page.text  # the form is as it was
        assert zh in sold(chinese, f"L-{amount}", amount).text, amount
    assert sold(english, "L", meter="999999999999").status_code == 404
    assert "needs the reference" in sold(english, " ").text
    wrong = english.post("/vending/customers", data={"customer": "1", "meter": METER, "name": "x"})
    assert "a number has 12 digits" in wrong.text
    shop.front.is_online = lambda _terminal: False
    assert "终端不在线" in sold(chinese, "R-9").text
    shop.front.is_online = lambda _terminal: True
    assert "payment R-9" in english.get("/vending/receipt?payment=R-9").text
    assert english.get("/vending/receipt?payment=R-9").status_code == 404


def test_low_balances_are_warned_of_with_a_forecast(shop, english, chinese):
    with shop.vending.books() as books:
        base = books._base
        for day, money in ((1, 9_000), (3, 1_000)):
            row = (METER, f"2026-03-0{day}T04:40:00+00:00", money, 2)
            base.execute("INSERT INTO balance VALUES (?, ?, ?, ?)", row)
        base.execute("DELETE FROM balance WHERE substr(at, 1, 10) = '2026-03-04'")
    page = words(english.get("/vending").text)
    assert re.search(r"Low balances .* -30.00 low 10.00 2026-03-03 12:40 40.00 0 2", page)
    page = chinese.get("/vending/prepaid?low=1").text
    assert "仅余额不足" not in page
    assert "-30.00 不足" in words(page)
    assert "Only low balances (1)" in english.get("/vending/prepaid").text
    for path, table in (("/vending", "low"), ("/vending/prepaid", "prepaid")):
        file = english.get(f"{path}?table={table}&as=csv").text.splitlines()
        assert METER in file[1]


def test_the_same_over_the_api(shop, english):
    base = "/api/v1/purchases"
    body = {"meter": METER, "amount": "3.50", "payment": "A-1"}
    told = english.post(base, json=body).json()
    assert (told["state"], told["outcome"], told["count"]) == ("confirmed", "done", 3)
    assert told["balance"] is not None
    listed = english.get(base, params={"limit": 2}).json()
    assert [each["payment"] for each in listed["items"]] == ["A-1", "R-2"]
    rest = english.get(base, params={"limit": 2, "cursor": listed["next_cursor"]}).json()
    assert ([each["payment"] for each in rest["items"]], rest["next_cursor"]) == (["R-1"], None)
    one = english.get(base, params={"payment": "A-1"}).json()["items"]
    assert one[0]["amount"] == "3.50"
    assert english.post(f"{base}/cancel", json={"payment": "A-1"}).status_code == 400
    assert english.post(base, json={**body, "amount": "x"}).status_code == 400
    assert english.get(base, params={"payment": "none"}).status_code == 404
    books = english.get(f"{base}/books").json()
    assert (books["findings"], books["trouble"]) == ([], "")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER])
def test_who_does_not_sell_sees_and_does_nothing_here(shop, role):
    with client(shop, role=role, **{"Accept-Language": "en"}) as who:
        assert 'href="/vending"' not in who.get("/areas").text
        assert who.get("/vending").status_code == 403
        assert sold(who, "X").status_code == 403
        assert who.get("/api/v1/purchases").status_code == 403


def test_without_the_table_in_the_settings_the_page_says_so(tmp_path):
    headend = HeadEnd(settings(tmp_path / "headend.sqlite"), StandingClock())
    with client(headend, **{"Accept-Language": "en"}) as who:
        assert "Nothing is sold from here" in who.get("/vending").text
        assert who.get("/vending/prepaid").status_code == 404
        assert who.get("/api/v1/purchases").status_code == 404
    headend.store.close()


def test_t24_the_page_lists_the_keys_of_each_meter_and_nothing_is_sold_to_one_with_a_test_key(
    shop, english, chinese
):
    assert "formal version 2" in words(english.get("/vending/prepaid").text)
    wire, master = shop.wire, SoftwareMaster(KEYS, draw("t24"))
    spoil = update_keys(
        master, Target(METER, METER), 2, formal=False, purposes=(Purpose.MONEY, Purpose.CARD)
    )
    event = None
    with suppress(StopIteration):
        while True:
            event = wire.meter.answer(spoil.send(event), int(NOW.timestamp())).message
    bought = wire.element.wallet
    assert "The meter refuses" in sold(english, "T-24", "1").text
    page = words(english.get("/vending/prepaid").text)
    assert "test keys money, medium version 2" in page
    assert "测试密钥 购电、介质" in words(chinese.get("/vending/prepaid").text)
    refused = sold(english, "T-25", "1")
    assert (refused.status_code, "the meter has test keys" in refused.text) == (400, True)
    assert "仍为测试密钥" in sold(chinese, "T-25", "1").text
    assert wire.element.wallet == bought
    csv = english.get("/vending/prepaid?table=prepaid&as=csv").text
    assert "test keys" in csv

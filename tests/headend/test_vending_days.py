"""The day of a limit begins at midnight of the site, also where that day has 23 or 25 hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.headend.test_vending_service import without_a_line
from tests.headend.vending_whole import settings_in
from tests.sim.prepay_site import CUSTOMER, METER

from kwhub.domain.errors import Refusal
from kwhub.headend.vending_evidence import Source
from kwhub.headend.vending_ledger import LINE
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.headend.vending_views import sold_today
from kwhub.prepay.vending import Limits, State

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 3, 2, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.fixture
def books(tmp_path):
    made = VendingStore(tmp_path / "sales.sqlite", Limits(1_000, 1_000, 1_500), SHANGHAI)
    made.add_customer(Customer(CUSTOMER.hex(), METER, "Wang"), MIDNIGHT)
    yield made
    made.close()


def sold(books, payment, amount, at):
    """Sold and in the meter."""
    purchase = books.reserve(METER, amount, "ann", payment, at)
    books.issued(purchase, at, LINE)
    count, source = purchase.count, Source(before=0)
    (known,) = books.saw_count(METER, count, at, money=amount, source=source)
    assert known.state is State.CONFIRMED


@pytest.mark.parametrize(
    ("first_s", "second_s", "is_one_day"),
    [(-1, 0, False), (-1, -0.5, True), (0, 86_399, True), (0, 86_400, False)],
)
def test_midnight_is_that_of_the_site(books, first_s, second_s, is_one_day):
    first, second = (MIDNIGHT + timedelta(seconds=each) for each in (first_s, second_s))
    sold(books, "P1", 900, first)
    if is_one_day:
        with pytest.raises(Refusal, match="one customer and day"):
            books.reserve(METER, 900, "ann", "P2", second)
    else:
        assert books.reserve(METER, 900, "ann", "P2", second).count == 2
    assert sold_today(books, "ann", first).operator == 900


def test_an_operator_has_a_day_like_that_too(books):
    books.add_customer(Customer("000000000009", "202611200009", "Li"), MIDNIGHT)
    sold(books, "P1", 900, MIDNIGHT - timedelta(hours=1))
    assert books.reserve("202611200009", 900, "ann", "P2", MIDNIGHT).amount == 900
    assert sold_today(books, "ann", MIDNIGHT).operator == 900
    assert sold_today(books, "bob", MIDNIGHT).customer == 900


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (28, 24)])
def test_days_that_are_shorter(tmp_path, day, hours):
    books = VendingStore(tmp_path / "b", Limits(), BERLIN)
    first, last = map(datetime.fromisoformat, books.day_of(datetime(2026, 3, day, 12, tzinfo=UTC)))
    books.close()
    assert last - first == timedelta(hours=hours)


def test_a_head_end_counts_in_its_own_zone_and_claims_its_books(tmp_path):
    service = without_a_line(settings_in(tmp_path), MIDNIGHT)
    with service.books() as books:
        assert books.is_claimed
        assert books.day_of(MIDNIGHT)[0] == MIDNIGHT.isoformat()
    service.close()

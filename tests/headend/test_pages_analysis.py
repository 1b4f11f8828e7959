"""Line loss by day and month, meters with their share, load, phases and suspects: pure figures and pages."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from tests.headend.desk_world import furnished
from tests.headend.test_web_pages import row_of, words
from tests.headend.web_world import StandingClock, address, client
from tests.headend.whole import empty_store
from tests.headend.world import ADDRESSES, DAYS, batch, config, shanghai

from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.analysis.load import load_factor, phase_balance
from kwhub.headend.analysis.ranking import Why, ranked, suspects
from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.headend.store.schema import day_vector
from kwhub.headend.store.spans import Spans, loss_of

DAY = dt.date(2026, 3, 3)
POWERS = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=40)


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = furnished(tmp_path_factory.mktemp("loss") / "headend.sqlite")
    yield made
    made.store.close()


def test_phases_are_as_even_as_their_currents():
    found = phase_balance([[10.0, 4.0, None], [5.0, 4.0, 9.0], [10.0, 3.0, 9.0]])
    assert found is not None
    assert found.moments == 2
    assert found.means == (7.0, 4.5, 6.5)
    assert (found.worst, found.worst_at) == (50.0, 0)
    assert found.unbalance == pytest.approx(37.5)
    assert phase_balance([[0.0], [0.0], [0.0]]).unbalance == 0  # type: ignore[union-attr]
    assert phase_balance([[1.0], [None], [1.0]]) is None
    assert phase_balance([]) is None


@given(POWERS)
def test_a_load_factor_lies_between_nought_and_one(powers):
    found = load_factor(powers)
    if found is not None:
        assert 0 < found.factor <= 1 + 1e-9
        assert powers[found.peak_at] == found.peak


def test_half_of_a_curve_is_needed_for_a_load_factor():
    assert load_factor([1.0, None, None]) is None
    assert load_factor([0.0, 0.0]) is None
    assert load_factor([]) is None


@given(st.dictionaries(st.integers(), st.decimals(0, 1000, places=2), max_size=20))
def test_a_rank_counts_who_used_more(used):
    for each in ranked(used):
        assert each.rank == 1 + sum(kwh > each.kwh for kwh in used.values())


def test_little_use_is_only_suspicious_after_more():
    before = {"a": Decimal(100), "b": Decimal(100), "c": Decimal(4), "d": Decimal(50)}
    now = {"a": Decimal(29), "b": Decimal(30), "c": Decimal(0), "d": Decimal(0), "e": Decimal(0)}
    found = suspects(now, before)
    assert [(each.key, each.why) for each in found] == [("a", Why.DROP), ("d", Why.NOTHING)]


def test_a_span_gives_the_loss_of_the_areas_page(headend):
    summary = headend.queries.areas(DAY)[0]
    with headend.queries.reading() as connection:
        spans = Spans(connection, DAYS, [DAY, DAY + dt.timedelta(days=1)], {1})
        loss = loss_of(spans.energies(DAY, DAY))
    assert (loss.supply_kwh, loss.sold_kwh) == (summary.supply_kwh, summary.sold_kwh)
    assert loss.loss_percent == summary.loss_percent
    assert loss.missing == ()


def test_the_curve_stands_in_for_a_missing_freeze(headend):
    edges = [DAY, DAY + dt.timedelta(days=1)]
    with headend.store.database.write() as connection:
        saved = {
            each.meter.id: each.kwh for each in Spans(connection, DAYS, edges).energies(DAY, DAY)
        }
        lost = (day_vector.c.meter_id == 3, day_vector.c.interval_s == DAY_INTERVAL_S)
        connection.execute(delete(day_vector).where(*lost))
        again = {
            each.meter.id: each.kwh for each in Spans(connection, DAYS, edges).energies(DAY, DAY)
        }
        assert again == saved
        connection.execute(delete(day_vector).where(day_vector.c.meter_id == 3))
        bare = {each.meter.id: each for each in Spans(connection, DAYS, edges).energies(DAY, DAY)}
        assert (bare[3].kwh, bare[3].lack) == (None, "start")
        assert loss_of(list(bare.values())).missing == (3,)
        connection.rollback()


def test_loss_and_read_rate_stand_side_by_side(english):
    page = english.get("/loss?span=day&day=2026-03-03")
    assert page.status_code == 200
    row = row_of(page.text, "TQ-31")
    assert re.search(
        r"Willow Lane TQ-31 54 267\.\d\d 254\.40 \d+\.\d\d 4\.\d\d % good 99\.\d\d % good 0", row
    )
    assert row_of(english.get("/loss?day=2026-03-03").text, "TQ-31") == row
    month = english.get("/loss?span=month&day=2026-03-03&sort=supply&desc=1").text
    assert "2026-03-01 – 2026-03-03" in words(month)
    assert 'aria-sort="descending"' in month
    csv = english.get("/loss.csv?span=day&day=2026-03-03").text.splitlines()
    assert csv[1].startswith("TQ-31,Willow Lane,2026-03-03,2026-03-03,54,267.")
    part = english.get("/loss", headers={"HX-Request": "true", "HX-Target": "losses"}).text
    assert part.lstrip().startswith('<div id="losses">')


def test_an_area_is_taken_apart_into_its_meters(english):
    page = english.get("/loss/1?span=day&day=2026-03-03").text
    assert f"1 {address(1)} Supply supply 10 267." in row_of(page, f">{address(1)}<")
    assert f"1 {address(3)} Flat 3 customer 1 4.80 1.89 %" in row_of(page, f">{address(3)}<")
    month = english.get("/loss/1?span=month&day=2026-03-03").text
    assert "Meters that lack a reading: 54" in month  # nothing was read before 2 March
    assert "no reading at the beginning" in month
    chart = english.get("/loss/1/days.json?day=2026-03-03").json()
    assert chart["series"][0]["values"][0] is None
    assert chart["series"][0]["values"][2] == pytest.approx(4.8, abs=0.1)
    csv = english.get("/loss/1/meters.csv?span=day&day=2026-03-03").text.splitlines()
    assert len(csv) == 55
    assert english.get("/loss/99").status_code == 404


def test_load_phases_and_suspects_have_their_evidence(english):
    load = row_of(english.get("/loss/1/load?day=2026-03-03").text, f">{address(1)}<")
    assert "Supply — — — — 1.25 / 0.00 / 0.00 100.0 % · worst 100.0 % 231.4 / 230.1 / 229.8" in load
    page = words(english.get("/loss/1/suspects?span=day&day=2026-03-03").text)
    assert "Nobody used suspiciously little" in page
    assert "Every meter was heard within a day" in page
    assert english.get("/loss/2/load").status_code == 200
    assert english.get("/loss/2/suspects").status_code == 200


def test_a_load_factor_is_the_mean_over_the_peak_of_a_week(tmp_path):
    """By hand: 671 quarters of 0.05 kWh and one of 0.25 kWh, times the ratio 10.

    Mean 338 kWh / 168 h = 2.01 kW; peak 2.5 kWh / 0.25 h = 10 kW on 1 March at 18:00; 2.01 / 10 = 20.1 %.
    """
    (tmp_path / "headend.sqlite").write_bytes(empty_store())
    week = HeadEnd(config(tmp_path / "headend.sqlite", power_safe=False), StandingClock())
    begin, peak = shanghai(3) - 6 * 86_400, shanghai(1, 18)
    rows, register = [], 0
    for at in range(begin, shanghai(4) + 1, 900):
        rows.append((1, "1-0:1.8.0", 900, at, register))
        register += 250_000 if at == peak else 50_000
    week.store.append([batch(rows)])
    with client(week, **{"Accept-Language": "en"}) as reader:
        page = reader.get("/loss/1/load?day=2026-03-03").text
        assert f"{ADDRESSES[0]} Supply 2.01 10.00 2026-03-01 18:00 20.1 %" in row_of(page, "Supply")
        # Of the week up to 27 February, three days are known: no figure rather than a wrong one.
        unknown = reader.get("/loss/1/load?day=2026-02-27").text
        assert f"{ADDRESSES[0]} Supply — — — —" in row_of(unknown, "Supply")
    week.store.close()


def test_a_viewer_may_look(headend):
    with client(headend, role=Role.VIEWER, **{"Accept-Language": "zh"}) as viewer:
        assert "采集成功率" in viewer.get("/loss").text

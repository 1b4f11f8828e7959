"""What is too old goes, in both databases, and nothing that something still stands on."""

import datetime as dt
import json
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import delete, select
from tests.headend.world import DAYS, NOON, batch, config, open_store, shanghai

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError
from kwhub.headend import config as headend_config
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Retention
from kwhub.headend.retention import drop, due
from kwhub.headend.store import schema, sessions
from kwhub.headend.store.edits import Edit
from kwhub.headend.store.edits import write as write_edits
from kwhub.headend.store.event_rows import Happening, keep
from kwhub.headend.store.schema import day_number, day_vector
from kwhub.headend.store.schema_archive import account, customer
from kwhub.headend.store.schema_billing import statement
from kwhub.headend.store.schema_quality import to_check
from kwhub.runtime.virtual import run_virtual

ENERGY = "1-0:1.8.0"
LATER = NOON + dt.timedelta(days=100)  # 12 June
KEPT = Retention(curves_days=90, freezes_days=95, events_days=90, sessions_days=90)
"""Curves go from before 14 March, freezes from before 9 March."""


@pytest.fixture
def store(address):
    """Three weeks of March: each day a curve of two values of three meters, and a freeze."""
    one = open_store(address)
    for meter in (1, 2, 3):
        rows = []
        for day in range(1, 22):
            rows += [(meter, ENERGY, 900, shanghai(day, 7 + n), 1_000_000 * n) for n in range(2)]
            rows.append((meter, ENERGY, 86_400, shanghai(day + 1), 1_000_000 * day))
        one.append([batch(rows)])
    one.pack()
    with one.database.write() as connection:
        connection.execute(delete(to_check))
    yield one
    one.close()


def held(store, interval_s, meter=1):
    """Days of March of which the store has vectors."""
    query = select(day_vector.c.day).where(
        day_vector.c.meter_id == meter, day_vector.c.interval_s == interval_s
    )
    with store.database.read() as connection:
        days = sorted(connection.execute(query).scalars())
    return [schema.local_date(each).day for each in days]


def asked(store, settings=KEPT):
    with store.database.read() as connection:
        return {each.kind: each for each in due(connection, settings, DAYS, LATER)}


def march(day):
    return day_number(dt.date(2026, 3, day))


def bill(store, first, last, *, cancelled=False):
    """A statement of the first meter."""
    with store.database.write() as connection:
        connection.execute(
            customer.insert().values(
                id=1, number="C1", name="", phone="", postal_address="", note=""
            )
        )
        connection.execute(
            account.insert().values(id=1, number="A", customer_id=1, meter_id=1, from_day=0)
        )
        connection.execute(
            statement.insert().values(
                account_id=1,
                first_day=march(first),
                last_day=march(last),
                issued_at=NOON,
                issued_by="ann",
                total=Decimal(1),
                currency="CNY",
                content="{}",
                cancelled_at=NOON if cancelled else None,
                cancelled_by="",
                reason="",
            )
        )


def test_by_default_nothing_ever_goes(store):
    assert asked(store, Retention()) == {}
    assert drop(store.database, Retention(), DAYS, LATER) == {}
    assert held(store, 900) == held(store, 86_400) == list(range(1, 22))


def test_what_would_go_goes_and_is_noted(store):
    would = asked(store)
    assert (would["curves"].before, would["curves"].first) == (
        dt.date(2026, 3, 14),
        dt.date(2026, 3, 1),
    )
    assert would["curves"].size > 0
    gone = drop(store.database, KEPT, DAYS, LATER)
    assert gone == {"curves": 39, "freezes": 24}
    assert {kind: each.rows for kind, each in would.items() if each.rows} == gone
    assert held(store, 900) == list(range(14, 22))
    assert held(store, 86_400) == list(range(9, 22))
    assert drop(store.database, KEPT, DAYS, LATER) == {}
    with store.database.read() as connection:
        trail = connection.execute(select(schema.audit.c.action, schema.audit.c.subject)).all()
    assert trail == [("retention", "curves"), ("retention", "freezes")]


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_a_statement_names_stays_with_the_days_at_its_edges(store, cancelled):
    bill(store, 3, 5, cancelled=cancelled)
    assert asked(store)["curves"].stays == {"billed": 5}
    drop(store.database, KEPT, DAYS, LATER)
    assert held(store, 900) == [*range(2, 7), *range(14, 22)]
    assert held(store, 86_400) == [*range(2, 7), *range(9, 22)]
    assert held(store, 900, meter=2) == list(range(14, 22))


def test_what_is_not_validated_or_was_edited_stays(store):
    edit = Edit(2, ENERGY, 900, shanghai(10, 9), 5, None)
    with store.database.write() as connection:
        connection.execute(to_check.insert().values(meter_id=1, day=march(7), count=1))
        write_edits(connection, [edit], by="ann", method="hand", reason="hole", at=NOON)
    stays = asked(store)["curves"].stays
    assert stays["unchecked"] == 3
    assert stays["edited"] >= 1
    drop(store.database, KEPT, DAYS, LATER)
    assert held(store, 900)[:3] == [6, 7, 8]
    assert 10 in held(store, 900, meter=2)
    assert held(store, 900, meter=3) == list(range(14, 22))


def test_what_is_not_packed_yet_is_not_touched(store):
    store.append([batch([(3, ENERGY, 900, shanghai(2, 9), 7)])])
    drop(store.database, KEPT, DAYS, LATER)
    assert store.waiting == 1
    store.pack()
    assert 2 in held(store, 900, meter=3)


def test_events_and_connections_go_by_their_own_age(store):
    old, new = shanghai(2), int((LATER - dt.timedelta(days=1)).timestamp())
    events = [
        Happening(1, 0, 1, True, number, True, at, NOON, b"%d" % number)
        for number, at in enumerate((old, new))
    ]
    with store.database.write() as connection:
        keep(connection, events)
        for at in (NOON, LATER):
            key = sessions.begin(connection, "4101", 2082, "x", terminal_id=1, at=at)
            sessions.end(connection, key, at, "over")
        sessions.begin(connection, "4101", 2082, "x", terminal_id=1, at=NOON)  # goes on
    gone = drop(store.database, KEPT, DAYS, LATER)
    assert (gone["events"], gone["sessions"]) == (1, 1)
    with store.database.read() as connection:
        (event,) = connection.execute(select(schema.terminal_event.c.at)).scalars()
        ended = connection.execute(select(schema.terminal_session.c.ended_at)).scalars().all()
    assert event == new
    assert sorted(ended, key=str) == [LATER, None]


def test_a_head_end_drops_by_itself(tmp_path):
    path = tmp_path / "headend.sqlite"
    settings = msgspec.structs.replace(config(path), retention=KEPT)
    store = open_store(path, settings)
    store.append([batch([(1, ENERGY, 900, shanghai(day), 5) for day in (2, 20)])])
    store.pack()
    with store.database.write() as connection:
        connection.execute(delete(to_check))
    store.close()

    async def main(clock):
        headend = HeadEnd(settings, clock)
        assert await headend.chores.drop() == {"curves": 1}
        assert held(headend.store, 900) == [20]
        headend.store.close()

    run_virtual(main, start=LATER)


SETTINGS = """
[headend]
store = "{store}"
[retention]
curves_days = 62
freezes_days = 62
[[area]]
code = "A1"
name = "Willow Lane"
[[area.terminal]]
region = "4101"
terminal = 2082
[[area.terminal.meter]]
address = "000000000038"
point = 2
"""


def test_the_command_shows_what_would_go_and_touches_nothing(tmp_path, capsys):
    path = tmp_path / "headend.toml"
    path.write_text(SETTINGS.format(store=tmp_path / "headend.sqlite"))
    store = open_store(tmp_path / "headend.sqlite", headend_config.load(path))
    store.append([batch([(1, ENERGY, 900, shanghai(day, 9), 5) for day in (2, 3, 20)])])
    store.pack()
    with store.database.write() as connection:
        connection.execute(delete(to_check).where(to_check.c.day < march(10)))
    assert run(["headend", "retention", str(path), "--json"]) == 0
    curves, freezes = json.loads(capsys.readouterr().out)
    assert (curves["kind"], curves["rows"], curves["first"]) == ("curves", 2, "2026-03-02")
    assert curves["stays"] == {"unchecked": 1}
    assert (freezes["rows"], freezes["first"]) == (0, None)
    assert run(["headend", "retention", str(path), "--language", "zh"]) == 0
    assert "另有 1 行虽已过期但保留：该日尚未校验" in capsys.readouterr().out.replace("\n", "")
    assert held(store, 900) == [2, 3, 20]
    store.close()


@pytest.mark.parametrize("days", ["1", "61", "-1"])
def test_a_span_that_bills_still_need_is_refused(tmp_path, days):
    path = tmp_path / "headend.toml"
    path.write_text(f"[retention]\ncurves_days = {days}\n")
    with pytest.raises(ConfigError, match="curves_days"):
        headend_config.load(path)

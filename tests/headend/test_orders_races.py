"""Two at once at the same order: whoever comes second sees what the first has done, and overwrites nothing."""

import asyncio
import datetime as dt
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select, text
from tests.headend.web_world import NOW, StandingClock
from tests.headend.world import config

from kwhub.domain.errors import LocalError
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Ordering
from kwhub.headend.orders import runner as runner_module
from kwhub.headend.orders.outcome import Outcome
from kwhub.headend.orders.trips import TRIP
from kwhub.headend.store import order_rows, schema
from kwhub.headend.store.order_rows import NewOrder
from kwhub.headend.store.views import OrderState

CLOSING = '{"kind":"relay","command":"permit_closing"}'
LATER = dt.timedelta(minutes=1)


@pytest.fixture
def headend(address):
    made = HeadEnd(config(address), StandingClock())
    yield made
    made.store.close()


def ordered(headend, **more):
    with headend.store.database.write() as connection:
        order = NewOrder("relay", 1, 2, CLOSING, "mei", NOW + LATER, **more)
        return order_rows.create(connection, order, NOW)


def state_of(headend, number):
    with headend.store.database.read() as connection:
        query = select(schema.orders.c.state).where(schema.orders.c.id == number)
        return OrderState(connection.execute(query).scalar_one())


@contextmanager
def meanwhile(headend, second):
    """Inside, the first has a transaction open; ``second`` begins now, and ends after its commit."""
    told = []

    def work():
        try:
            told.append(second())
        except LocalError as error:
            told.append(error)

    thread = threading.Thread(target=work)
    with headend.store.database.write() as connection:
        yield connection, told
        thread.start()
        wait_until_it_waits(connection, thread)
    thread.join(20)
    assert not thread.is_alive()


def wait_until_it_waits(connection, thread):
    """On PostgreSQL until somebody waits for our row; SQLite lets nobody in at all."""
    blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    while connection.dialect.name == "postgresql" and thread.is_alive():
        if connection.execute(blocked).scalar_one():
            return


def test_who_takes_back_what_is_just_being_sent_is_told_so(headend):
    number = ordered(headend)
    with meanwhile(headend, partial(headend.orders._cancel, number, "li")) as (connection, told):
        assert order_rows.mark_sent(connection, number, NOW)
    assert str(told[0]) == f"order {number} cannot be taken back: it is sent"
    assert state_of(headend, number) is OrderState.SENT


def test_what_is_just_being_sent_does_not_expire(headend):
    number, database = ordered(headend), headend.store.database

    def expire():
        with database.write() as connection:
            return order_rows.expire(connection, NOW + 2 * LATER)

    with meanwhile(headend, expire) as (connection, told):
        assert order_rows.mark_sent(connection, number, NOW)
    assert told == [[]]
    assert state_of(headend, number) is OrderState.SENT


def test_what_is_just_taken_back_is_not_approved(headend):
    number = ordered(headend, unapproved=True)
    approve = partial(headend.orders._approve, number, "li")
    with meanwhile(headend, approve) as (connection, told):
        gone = {"state": OrderState.CANCELLED, "finished_at": NOW}
        assert order_rows.change_from(connection, number, (OrderState.UNAPPROVED,), **gone)
    assert "does not wait for an approval: cancelled" in str(told[0])
    assert state_of(headend, number) is OrderState.CANCELLED


@pytest.mark.parametrize(("before_s", "goes"), [(-1, False), (0, False), (1, True)])
def test_what_is_too_late_is_not_approved(headend, before_s, goes):
    number = ordered(headend, unapproved=True)
    with headend.store.database.write() as connection:
        order_rows.change(connection, number, deadline_at=NOW + dt.timedelta(seconds=before_s))
    if goes:
        assert headend.orders._approve(number, "li").state is OrderState.NEW
        return
    with pytest.raises(LocalError, match="is over: order anew"):
        headend.orders._approve(number, "li")
    assert state_of(headend, number) is OrderState.UNAPPROVED


@pytest.mark.parametrize("ending", ["put_off", "finish"])
def test_what_is_taken_back_while_the_terminal_is_offline_stays_so(headend, ending):
    number, database = ordered(headend, patient=True), headend.store.database

    def offline():
        with database.write() as connection:
            if ending == "put_off":
                return order_rows.put_off(connection, number, "offline", NOW + LATER)
            state = OrderState.OFFLINE
            return order_rows.finish(connection, number, state, "offline", [], at=NOW)

    with meanwhile(headend, offline) as (connection, told):
        gone = {"state": OrderState.CANCELLED, "finished_at": NOW}
        assert order_rows.change_from(connection, number, (OrderState.NEW,), **gone)
    assert told == [False]
    assert state_of(headend, number) is OrderState.CANCELLED


def test_what_is_too_late_is_not_sent_even_before_it_expires(headend):
    number = ordered(headend)
    with headend.store.database.write() as connection:
        assert order_rows.due_terminals(connection, NOW) == {1: True}
        late = NOW + LATER
        assert order_rows.due_terminals(connection, late) == {}
        assert order_rows.next_due(connection, 1, late, online=True) is None
        assert not order_rows.mark_sent(connection, number, late)
        assert order_rows.expire(connection, late) == [number]
    assert state_of(headend, number) is OrderState.EXPIRED


def carried(headend, monkeypatch, order, meanwhile):
    """What the runner makes of an order that it has just picked up, and what it has sent."""
    sent = []

    async def performed(_carrier, work):
        sent.append(work.number)
        return Outcome(OrderState.DONE, "", [])

    runner = headend.orders.runner
    monkeypatch.setattr(runner_module, "perform", performed)
    monkeypatch.setattr(headend.front, "is_online", lambda _terminal: True)
    meanwhile()
    return asyncio.run(runner._outcome(order)), sent


def picked(headend):
    """The order as the runner sees it before it marks it as sent."""
    return headend.orders.runner._next(1, online=True)


def test_what_is_taken_back_after_it_was_picked_up_is_not_sent(headend, monkeypatch):
    """The last look at the store, in the write that marks it as sent, decides."""
    number = ordered(headend)
    back = partial(headend.orders._cancel, number, "li")
    assert carried(headend, monkeypatch, picked(headend), back) == (None, [])
    assert state_of(headend, number) is OrderState.CANCELLED


def test_what_is_sent_is_marked_before_the_first_frame(headend, monkeypatch):
    number = ordered(headend)
    outcome, sent = carried(headend, monkeypatch, picked(headend), lambda: None)
    assert (outcome.state, sent) == (OrderState.DONE, [number])
    assert state_of(headend, number) is OrderState.SENT
    with pytest.raises(LocalError, match="cannot be taken back: it is sent"):
        headend.orders._cancel(number, "li")


def test_t08_a_trip_above_the_budget_of_the_moment_is_not_sent(headend, monkeypatch):
    """Approved, picked up, and the budget is gone by then: the guard is asked in the write that marks it as sent."""
    with headend.store.database.write() as connection:
        trip = NewOrder("relay", 1, 2, TRIP, "mei", NOW + LATER)
        number = order_rows.create(connection, trip, NOW)
    order = picked(headend)
    assert order.id == number
    protected = Ordering(never_trip=(headend.store.archive.meters[2].address,))
    runner = headend.orders.runner
    monkeypatch.setattr(runner, "_carrier", replace(runner._carrier, settings=protected))
    outcome, sent = carried(headend, monkeypatch, order, lambda: None)
    assert (outcome.state, outcome.detail, sent) == (
        *(OrderState.FAILED, "no trip: protected supply"),
        [],
    )

"""Guesses that come together: each counts before it is looked at, on both databases."""

import datetime as dt
import threading
from collections import Counter

import pytest
from sqlalchemy import select
from tests.headend.test_people_door import GOOD, HERE, MovedClock, opened

from kwhub.headend.people import throttle
from kwhub.headend.people.errors import NotTaken, TooOften
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.store import schema_people
from kwhub.headend.store.database import Database

AT = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)


def failures(database):
    table = schema_people.throttle
    with database.read() as connection:
        rows = connection.execute(select(table)).all()
    return {row.subject: (row.failures, row.last_at) for row in rows}


def test_guesses_at_one_time_are_not_looked_at_all_together(address):
    """Of sixty the first five are looked at: there is a clock that stands still, and nobody fails before the others begin."""
    headend = opened(address, MovedClock())
    _, secret = headend.people.staff.add("anna", "", [Grant(Role.ADMIN.value)])
    headend.people.use_reset(secret, GOOD, HERE, "")
    seen: Counter[type] = Counter()
    together = threading.Barrier(12)

    def guess(number):
        together.wait()
        for each in range(5):
            try:
                headend.people.sign_in("anna", f"wrong {number} {each}", HERE, "")
            except (NotTaken, TooOften) as error:
                seen[type(error)] += 1

    guessers = [threading.Thread(target=guess, args=(number,)) for number in range(12)]
    for each in guessers:
        each.start()
    for each in guessers:
        each.join()
    assert seen == {NotTaken: 5, TooOften: 55}
    with pytest.raises(TooOften):
        headend.people.sign_in("anna", GOOD, HERE, "")
    headend.store.close()


def test_who_succeeds_leaves_the_address_as_it_was(address):
    """Behind one address many people log in: their success neither counts nor begins the wait anew."""
    database = Database(address)
    for number in range(3):
        with database.write() as connection:
            throttle.begin(connection, f"user{number}", HERE, AT)
    before = failures(database)[f"address:{HERE}"]
    assert before == (3, AT)
    later = AT + dt.timedelta(minutes=5)
    with database.write() as connection:
        one = throttle.begin(connection, "anna", HERE, later)
    assert failures(database)[f"address:{HERE}"] == (4, later)
    with database.write() as connection:
        throttle.succeeded(connection, one)
    found = failures(database)
    assert found[f"address:{HERE}"] == before
    assert not [each for each in found if "anna" in each]
    database.close()


def test_a_try_that_must_wait_is_not_counted(address):
    database = Database(address)
    for _ in range(5):
        with database.write() as connection:
            throttle.begin(connection, "anna", HERE, AT)
    before = failures(database)
    for _ in range(3):
        with pytest.raises(TooOften), database.write() as connection:
            throttle.begin(connection, "anna", HERE, AT)
    assert failures(database) == before
    assert {number for number, _ in before.values()} == {5}
    database.close()

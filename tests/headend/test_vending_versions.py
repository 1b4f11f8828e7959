"""Keys that change while energy is sold: old meters, half-changed meters, media on their way, books that outlive a root."""

import sqlite3

import pytest
from tests.headend.test_vending import SERIAL, Counter
from tests.sim.prepay_site import METER, Site

from kwhub.domain.errors import ConfigError
from kwhub.prepay.keys import MasterKeys, Purpose
from kwhub.prepay.medium import Arrival
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.orders import open_infrared, update_keys
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.sessions import Target
from kwhub.prepay.vending import State

OLD, NEW = bytes(range(16)), bytes(range(16, 32))
FIRST, BOTH, SECOND = MasterKeys({1: OLD}), MasterKeys({1: OLD, 2: NEW}), MasterKeys({2: NEW})


class OldCounter(Counter):
    """Its meter has keys of version 1."""

    keys = FIRST
    version = 1

    def with_keys(self, keys):
        """The counter is opened again."""
        self.close()
        self.keys = keys
        self.open()

    def change_keys(self, *, purposes=tuple(Purpose)):
        """What a key order does at the meter."""
        target = Target(METER, METER, "00000001", (2, 1))
        self.site.later(61)  # the medium has left
        self.site.run(update_keys(self.crypto, target, 2, purposes=purposes))
        self.site.later(301)  # and so has the head-end


@pytest.fixture
def counter(tmp_path):
    made = OldCounter(tmp_path)
    yield made
    made.close()


def test_a_meter_with_old_keys_is_sold_to_after_there_are_new_ones(counter):
    counter.journey(1_000)
    counter.with_keys(BOTH)
    assert counter.medium.versions == (1,)
    assert counter.journey(500, "P2").told.money == 1_500
    assert counter.medium.versions == (2, 1)  # ready for what comes
    assert counter.kinds({"P1": 1_000, "P2": 500}) == set()


def test_a_medium_on_its_way_survives_the_key_update_of_its_meter(counter):
    counter.journey(1_000)
    counter.with_keys(BOTH)
    counter.sell(500, "P2")
    counter.change_keys()
    assert counter.visit().arrival is Arrival.DONE
    assert [each.payment for each in counter.desk.collect(counter.medium).confirmed] == ["P2"]


def test_a_medium_without_the_new_key_keeps_its_load_and_gets_the_key_at_the_counter(counter):
    counter.sell(1_000)
    counter.with_keys(BOTH)
    counter.change_keys()
    refused = counter.visit()
    assert (refused.arrival, refused.error) == (Arrival.REFUSED, SecurityError.IDENTITY)
    counter.desk.issue(counter.medium, METER, SERIAL)
    assert counter.visit().arrival is Arrival.DONE  # what it carried it carries
    assert [each.state for each in counter.desk.collect(counter.medium).confirmed] == [
        State.CONFIRMED
    ]
    assert counter.site.element.wallet == (1_000, 1)


@pytest.mark.parametrize("changed", range(len(Purpose) + 1))
def test_a_half_changed_meter_takes_a_purchase_once_and_its_usage_is_believed(counter, changed):
    counter.with_keys(BOTH)
    counter.sell(1_000)
    if changed:
        counter.change_keys(purposes=tuple(Purpose)[:changed])
    seen = counter.visit()
    assert seen.arrival is Arrival.DONE
    assert len(counter.desk.collect(counter.medium).confirmed) == 1
    counter.change_keys()
    assert counter.visit().arrival.good  # once more: nothing is added
    assert counter.site.element.wallet == (1_000, 1)


def test_a_root_is_retired_and_books_and_media_go_on(counter):
    counter.journey(1_000)
    counter.with_keys(BOTH)
    counter.change_keys()
    counter.journey(500, "P2")
    counter.with_keys(SECOND)
    assert counter.journey(200, "P3").told.money == 1_700
    assert counter.kinds({"P1": 1_000, "P2": 500, "P3": 200}) == set()
    assert [each.amount for each in counter.crypto.signatures] == [1_000, 500, 200]
    with pytest.raises(ConfigError, match="other root keys"):
        counter.with_keys(MasterKeys({2: bytes(16)}))
    counter.keys = SECOND
    counter.open()


def test_a_book_whose_version_was_retired_too_early_says_what_it_needs(counter):
    with pytest.raises(ConfigError, match="needs root keys of version 1, beside the new ones"):
        counter.with_keys(SECOND)
    counter.keys = BOTH
    counter.open()


def test_a_book_from_before_its_key_was_kept_is_read_as_before(counter):
    counter.journey(1_000)
    folder = counter.folder
    before = counter.crypto._key
    counter.close()
    base = sqlite3.connect(folder / "book.sqlite")  # as an earlier edition has written it
    base.execute("DELETE FROM chain_key")
    rows = base.execute("SELECT * FROM book ORDER BY number").fetchall()
    from kwhub.prepay.vending import GENESIS, linked

    previous = GENESIS
    for number, at, kind, content, _, _ in rows:
        entry = linked(number, at, kind, content, previous, key=FIRST.book_key(1))
        base.execute(
            "UPDATE book SET previous = ?, digest = ? WHERE number = ?",
            (entry.previous, entry.digest, number),
        )
        previous = entry.digest
    base.commit()
    base.close()
    counter.open()
    assert counter.crypto._key == FIRST.book_key(1) != before
    assert counter.kinds({"P1": 1_000}) == set()
    counter.with_keys(BOTH)
    counter.with_keys(SECOND)
    assert counter.crypto.verify() is None


def test_whoever_takes_the_kept_key_away_is_found(counter):
    counter.journey(1_000)
    counter.close()
    base = sqlite3.connect(counter.folder / "book.sqlite")
    base.execute("DELETE FROM chain_key")
    base.commit()
    base.close()
    counter.open()
    assert "changed" in counter.kinds()


def test_a_medium_holds_three_versions_and_drops_the_oldest(counter):
    for newest in range(2, 6):
        counter.with_keys(
            MasterKeys({1: OLD} | {n: bytes((n,)) * 16 for n in range(2, newest + 1)})
        )
        counter.desk.issue(counter.medium, METER, SERIAL)
    assert counter.medium.versions == (5, 4, 3)


def test_an_issue_that_was_cut_is_finished_by_the_next(counter):
    memory = RamMemory(MEDIUM_BYTES)
    medium = MediumElement(memory, bytes)
    counter.with_keys(BOTH)

    class Cut:
        """Loses power after the first of two keys."""

        issued = 0

        def __getattr__(self, name):
            return getattr(medium, name)

        def issue(self, *row):
            if self.issued:
                raise ConnectionError
            self.issued += 1
            medium.issue(*row)

    with pytest.raises(ConnectionError):
        counter.desk.issue(Cut(), METER, b"MEDIUM02")
    assert list(medium.versions) == [1]
    counter.desk.issue(medium, METER, b"MEDIUM02")
    assert list(medium.versions) == [2, 1]


@pytest.mark.parametrize("version", [1, 2])
def test_the_infrared_port_opens_with_either_version(version):
    site = Site(version=version)
    target = Target(METER, METER, "00000001", (2, 1))
    shown = site.run(open_infrared(site.master, target, lambda n: bytes(range(n))), infrared=True)
    assert shown == b"SERIAL01"

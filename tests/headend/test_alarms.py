"""When an alarm has ended: records say the minute, and their numbers say which came later within one."""

import datetime as dt

import pytest
from tests.headend.world import NOON, open_store

from kwhub.headend.store import alarm_rows, event_rows
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.event_rows import Happening
from kwhub.headend.web.events import AlarmLine
from kwhub.headend.web.language import texts
from kwhub.protocols.gdw1376.event_records import EventRecord

AT = int(NOON.timestamp()) - 3600
BEGIN, END = True, False


def told(store, *records, open_only=False):
    """Alarms by number, with the seconds after which each has ended, from (number, begins, seconds, important)."""
    with store.database.write() as connection:
        rows = [
            Happening(
                1, 2, 9, important, number, begins, AT + seconds, NOON, bytes([seconds // 60])
            )
            for number, begins, seconds, important in records
        ]
        event_rows.keep(connection, rows)
    wanted = AlarmsWanted(open_only=open_only, descending=False)
    with store.database.read() as connection:
        found, total = alarm_rows.alarms(connection, wanted)
    assert total == len(found)
    begun = dt.datetime.fromtimestamp(AT, dt.UTC)
    return [each.ended_at and int((each.ended_at - begun).total_seconds()) for each in found]


@pytest.fixture
def store(address):
    made = open_store(address)
    yield made
    made.close()


def test_an_alarm_that_ends_and_begins_again_in_one_minute_goes_on(store):
    records = [(7, BEGIN, 0, True), (8, END, 60, True), (9, BEGIN, 60, True)]
    assert sorted(told(store, *records), key=str) == [60, None]
    assert told(store, open_only=True) == [None]


def test_one_that_begins_and_ends_in_one_minute_has_ended(store):
    assert told(store, (7, BEGIN, 0, True), (8, END, 0, True)) == [0]


def test_numbers_begin_anew_after_255(store):
    records = [(254, BEGIN, 0, True), (255, END, 0, True), (0, BEGIN, 0, True), (1, END, 0, True)]
    assert told(store, *records) == [0, 0]
    assert told(store, (2, BEGIN, 0, True), open_only=True) == [None]


def test_a_later_minute_ends_it_whatever_the_numbers_are(store):
    assert told(store, (9, BEGIN, 0, True), (3, END, 60, True)) == [60]
    assert told(store, open_only=True) == []


def test_an_end_of_the_other_class_is_an_end(store):
    assert told(store, (9, BEGIN, 0, True), (3, END, 0, False)) == [0]


@pytest.mark.parametrize(
    ("code", "rest", "detail"),
    [
        (33, bytes(7) + b"\x04" + bytes(20), "change word 4 0004"),
        (33, bytes(28), "change word 1 0000"),
        (38, b"", ""),
    ],
)
def test_a_record_says_its_figures_beside_bare_zeros(store, code, rest, detail):
    body = bytes.fromhex("2018150326 0280") + rest
    with store.database.write() as connection:
        event_rows.keep(connection, [Happening(1, 2, code, False, 0, True, AT, NOON, body)])
    with store.database.read() as connection:
        ((alarm,), _) = alarm_rows.alarms(connection, AlarmsWanted())
    found = AlarmLine.of(alarm, texts("en")).detail
    assert found.startswith(detail)
    assert (found == detail) is any(rest) or not rest
    (point,) = [cell for cell in EventRecord(code, body).cells() if cell.name == "point"]
    assert point.value == 0x8002

"""Events that terminals only count are asked for: each arrives once, after breaks and restarts too."""

from datetime import datetime, timedelta

import pytest
from tests.headend.stage import connect, play
from tests.headend.whole import play_whole

from kwhub.concentrator.events_records import clock_off, clock_set
from kwhub.headend.event_desk import RECORDS_AT_ONCE, EventDesk
from kwhub.headend.store import alarm_rows, event_rows
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.messages import Answer, Deny
from kwhub.protocols.gdw1376.units import Unit

AT = datetime(2026, 3, 2, 11, 30)


def kept(headend):
    with headend.store.database.read() as connection:
        return event_rows.events_of(connection, 1)


def normal(headend):
    return sorted(each.number for each in kept(headend) if not each.important)


def open_alarms(headend):
    with headend.store.database.read() as connection:
        return alarm_rows.alarms(connection, AlarmsWanted(open_only=True))[0]


class Book:
    """A terminal's event records: answers 0C-F7 and 0E as the standard says."""

    def __init__(self):
        self.normal = []
        self.important = []
        self.asked = []
        self.knows = True

    def counters(self):
        return bytes((len(self.important) % 256, len(self.normal) % 256))

    def answer(self, frame):
        (unit,) = frame.units
        if not self.knows:
            return Deny(frame)
        if frame.afn == 0x0C:
            return Answer(frame, (Unit((0,), (7,), self.counters()),))
        assert frame.afn == afn_0e.AFN
        (function,) = unit.functions
        book = self.important if function == 1 else self.normal
        first, end = unit.data
        count = (end - first) % 256
        assert 0 < count <= RECORDS_AT_ONCE
        self.asked.append((function, first, end))
        turn = len(book) // 256 * 256
        start = turn + first if turn + first < len(book) else turn + first - 256
        records = b"".join(each.to_bytes() for each in book[start : start + count])
        return Answer(frame, (Unit((0,), (function,), self.counters() + unit.data + records),))


def call(headend, tasks, book):
    """A terminal with this book on a memory link."""
    return connect(headend, tasks, others=book.answer)


def moments(count, start=0):
    return [clock_set(2, AT, AT + timedelta(minutes=n)) for n in range(start, start + count)]


def test_what_is_only_counted_is_brought_in_portions_and_once(tmp_path):
    async def script(headend, tasks):
        book = Book()
        concentrator = call(headend, tasks, book)
        await concentrator.login()
        book.normal = moments(40)
        book.important = [clock_off(2, AT, begins=True)]
        await headend.events.look()
        assert normal(headend) == list(range(40))
        assert [each.code for each in kept(headend) if each.important] == [12]
        assert book.asked == [(1, 0, 1), (2, 0, 16), (2, 16, 32), (2, 32, 40)]
        book.asked.clear()
        await headend.events.look()
        assert book.asked == []  # nothing new
        book.normal += moments(2, 40)
        await headend.events.look()
        assert book.asked == [(2, 40, 42)]
        assert normal(headend) == list(range(42))
        await concentrator.link.aclose()

    play(tmp_path, script)


def test_a_new_process_goes_on_where_the_store_ends_over_the_turn_of_the_counter(tmp_path):
    async def script(headend, tasks):
        book = Book()
        book.normal = moments(250)
        concentrator = call(headend, tasks, book)
        await concentrator.login()
        await headend.events.look()
        assert len(normal(headend)) == 250
        book.normal += moments(10, 250)
        book.asked.clear()
        parts = (headend.store, headend.front, headend.intake, headend.clock)
        anew = EventDesk(*parts, headend._offload)
        await anew.look()
        assert book.asked == [(2, 250, 4)]
        assert len(normal(headend)) == 260
        await concentrator.link.aclose()

    play(tmp_path, script)


def test_a_terminal_that_goes_away_meanwhile_is_asked_for_the_rest(tmp_path):
    async def script(headend, tasks):
        book = Book()
        book.normal = moments(40)
        said = []

        def falter(frame):
            said.append(frame)
            if len(said) == 3:
                tasks.create_task(concentrator.link.aclose())
            return book.answer(frame)

        concentrator = connect(headend, tasks, others=falter)
        await concentrator.login()
        await headend.events.look()
        assert 0 < len(normal(headend)) < 40
        again = call(headend, tasks, book)
        await again.login()
        await headend.events.look()
        assert normal(headend) == list(range(40))
        await again.link.aclose()

    play(tmp_path, script)


def test_a_terminal_without_these_functions_is_left_in_peace(tmp_path):
    async def script(headend, tasks):
        book = Book()
        book.knows = False
        concentrator = call(headend, tasks, book)
        await concentrator.login()
        await headend.events.look()
        assert kept(headend) == []
        assert headend.events.counters["failed"] == 1
        assert headend.front.is_online(1)
        await concentrator.link.aclose()

    play(tmp_path, script)


def test_a_record_of_a_moment_is_no_open_alarm(tmp_path):
    async def script(headend, tasks):
        book = Book()
        book.normal = [*moments(2), clock_off(2, AT, begins=True)]
        concentrator = call(headend, tasks, book)
        await concentrator.login()
        await headend.events.look()
        assert [each.code for each in open_alarms(headend)] == [12]
        with headend.store.database.read() as connection:
            every, total = alarm_rows.alarms(connection, AlarmsWanted())
        assert total == 3
        assert {(each.code, each.open) for each in every} == {(41, False), (12, True)}
        await concentrator.link.aclose()

    play(tmp_path, script)


@pytest.mark.slow
def test_the_events_of_a_whole_concentrator_arrive(tmp_path):
    async def story(world):
        headend = world.open_headend()
        world.start()
        await world.online()
        await world.until(hours=2, minutes=30)
        codes = {each.code for each in kept(headend) if not each.important}
        assert 41 in codes  # the clocks of the meters were set at the first visit
        assert len(normal(headend)) == len(set(normal(headend)))
        await world.stop()
        await world.close_headend()

    play_whole(story, tmp_path, meters=3, hourly=False)

"""Events that terminals report are kept, each once, with point, moment and what it says."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tests.headend.stage import connect, play

from kwhub.concentrator.events_records import clock_off, clock_set
from kwhub.headend.store import event_rows
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.messages import Confirmed, Report
from kwhub.protocols.gdw1376.units import Unit

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 3, 2, 11, 30)


def unit(records, *, first=254, important=True):
    head = bytes((first, 0, first, (first + len(records)) % 256))
    body = b"".join(record.to_bytes() for record in records)
    return Unit((0,), (1 if important else 2,), head + body)


def kept(headend):
    with headend.store.database.read() as connection:
        return event_rows.events_of(connection, 1)


def test_a_record_is_kept_once_however_often_it_comes(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        records = [clock_off(2, AT, begins=True), clock_off(2, AT, begins=False)]
        for _ in range(2):
            report = Report((unit(records),), afn_0e.AFN)
            assert isinstance(await concentrator.ask(report), Confirmed)
        more = Report((unit([clock_set(3, AT, AT)], first=0, important=False),), afn_0e.AFN)
        assert isinstance(await concentrator.ask(more), Confirmed)
        found = kept(headend)
        told = [(each.point, each.code, each.important, each.number) for each in found]
        assert told == [(2, 12, True, 254), (2, 12, True, 255), (3, 41, False, 0)]
        assert [each.begins for each in found] == [True, False, True]
        assert found[0].at == int(AT.replace(tzinfo=SHANGHAI).timestamp())
        assert found[2].body == clock_set(3, AT, AT).body
        await concentrator.link.aclose()

    play(tmp_path, script)


def test_records_that_are_cut_off_are_kept_as_a_sample(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        whole = unit([clock_off(2, AT, begins=True)])
        broken = Unit(whole.points, whole.functions, whole.data[:-1])
        answer = await concentrator.ask(Report((broken,), afn_0e.AFN))
        assert isinstance(answer, Confirmed)
        assert kept(headend) == []
        assert headend.front.counters["strays"] == 1
        await concentrator.link.aclose()

    play(tmp_path, script)

"""A terminal that logs in again and again is one alarm with what was seen, which ends by itself."""

import datetime as dt
from collections import Counter
from hashlib import sha256

import msgspec
import pytest
from sqlalchemy import select
from tests.headend.stage import connect, play
from tests.headend.web_world import client, filled, signed_in
from tests.headend.world import NOON, open_store

from kwhub.headend.front.flapping import FLAPS_MAX, Flapping
from kwhub.headend.people.rights import Role
from kwhub.headend.store import alarm_rows, schema, schema_archive
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.event_rows import FLAPPING, Evidence, Happening, keep, open_of

TERMINAL = KnownTerminal(1, "4101", 2082)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> dt.datetime:
        return self.time

    def wait(self, **time: float) -> None:
        self.time += dt.timedelta(**time)


def flapping():
    clock = Hands()
    return Flapping(Counter(), clock), clock  # type: ignore[arg-type]


def came(watched, clock, times, **pause):
    found = []
    for number in range(times):
        found.append(watched.came(TERMINAL, f"10.0.0.{number % 2}:{4000 + number}"))
        clock.wait(**pause)
    return [each for each in found if each]


def test_many_log_ins_within_an_hour_are_one_alarm_with_evidence():
    watched, clock = flapping()
    (alarm,) = came(watched, clock, 40, minutes=1)
    assert (alarm.code, alarm.begins, alarm.important) == (FLAPPING, True, True)
    evidence = msgspec.json.decode(alarm.body, type=Evidence)
    assert (evidence.logins, evidence.within_s) == (FLAPS_MAX, 60 * (FLAPS_MAX - 1))
    assert set(evidence.peers) == {"10.0.0.0", "10.0.0.1"}
    assert watched.terminals == 1


@pytest.mark.parametrize("minutes", [12, 30, 600])
def test_a_few_log_ins_an_hour_are_none(minutes):
    watched, clock = flapping()
    assert came(watched, clock, 30, minutes=minutes) == []


def test_it_ends_when_the_terminal_is_steady_and_begins_anew():
    watched, clock = flapping()
    assert len(came(watched, clock, 10, minutes=1)) == 1
    assert list(watched.ended()) == []
    clock.wait(minutes=35)
    assert list(watched.ended()) == []  # there were too many within the hour
    clock.wait(minutes=30)
    (end,) = watched.ended()
    assert not end.begins
    assert list(watched.ended()) == []
    assert watched._logins == watched._peers == {}
    assert len(came(watched, clock, 10, minutes=1)) == 1


def test_an_alarm_that_is_open_in_the_store_goes_on_after_a_start(address):
    store = open_store(address)
    watched, clock = flapping()
    (alarm,) = came(watched, clock, FLAPS_MAX, minutes=1)
    with store.database.write() as connection:
        keep(connection, [alarm])
        assert open_of(connection, FLAPPING) == {1}
    again, clock = flapping()
    clock.wait(hours=3)
    again.take_over({1})
    assert list(again.ended()) == []
    clock.wait(hours=1)
    (end,) = again.ended()
    with store.database.write() as connection:
        keep(connection, [end])
        assert open_of(connection, FLAPPING) == set()
        ((found,), total) = alarm_rows.alarms(connection, AlarmsWanted())
    assert (total, found.code, found.ended_at) == (1, FLAPPING, clock.now())
    store.close()


def test_codes_of_terminals_keep_their_digests():
    """They are keys of rows in old stores."""
    row = Happening(1, 0, 3, True, 7, True, 0, NOON, b"\x01")
    assert row.digest == sha256(bytes((1, 7, 3)) + b"\x01").digest()


def test_a_terminal_that_comes_and_goes_is_seen_and_is_steady_again(tmp_path):
    async def script(headend, tasks):
        for _ in range(FLAPS_MAX + 2):
            concentrator = connect(headend, tasks)
            await concentrator.login()
            await concentrator.link.aclose()
            await headend.clock.sleep(30)
        assert headend.front.counters["flaps"] == 1
        with headend.store.database.read() as connection:
            rows = connection.execute(select(schema.terminal_event)).all()
        assert [(row.code, bool(row.begins)) for row in rows] == [(FLAPPING, True)]
        await headend.clock.sleep(2 * 3600)
        with headend.store.database.read() as connection:
            ((found,), _) = alarm_rows.alarms(connection, AlarmsWanted())
        assert found.ended_at is not None
        assert headend.front.flapping.terminals == 0

    play(tmp_path, script)


def test_the_alarm_is_told_in_both_languages_and_counted_for_prometheus(tmp_path):
    headend = filled(tmp_path / "headend.sqlite")
    evidence = Evidence(6, 290, ("10.0.0.1", "10.0.0.2"))
    body = msgspec.json.encode(evidence)
    at = int(NOON.timestamp())
    row = Happening(1, 0, FLAPPING, True, 0, True, at, NOON, body)
    with headend.store.database.write() as connection:
        keep(connection, [row])
    headend.front.counters["flaps"] = 3
    with client(headend) as reader:
        english = reader.get("/alarms", headers={"Accept-Language": "en"}).text
        assert "6 log-ins within 5 min from 10.0.0.1, 10.0.0.2" in english
        assert "Terminal logs in again and again" in english
        chinese = reader.get("/alarms", headers={"Accept-Language": "zh"}).text
        assert "终端频繁登录" in chinese
        assert "5 分钟内登录 6 次" in chinese
        told = reader.get("/api/v1/metrics")
        assert told.headers["content-type"].startswith("text/plain")
        lines = told.text.splitlines()
        assert "kwhub_front_flaps_total 3.0" in lines
        assert any(line.startswith("kwhub_terminals_online ") for line in lines)
        assert "4101" not in told.text


def test_who_sees_one_organisation_only_is_not_told_the_metrics_of_all(tmp_path):
    headend = filled(tmp_path / "headend.sqlite")
    with headend.store.database.write() as connection:
        row = {"id": 1, "code": "O1", "name": "North", "name_zh": "北"}
        connection.execute(schema_archive.organisation.insert().values(**row))
    with client(headend, role=None) as reader:
        assert reader.get("/api/v1/metrics").status_code == 401
        signed_in(headend, reader, Role.VIEWER, organisation=1)
        assert reader.get("/api/v1/metrics").status_code == 403

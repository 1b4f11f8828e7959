"""Concentrators log in, report and go away: two real sessions, virtual time."""

import asyncio
import datetime as dt
from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.headend.concentrator import FakeConcentrator
from tests.headend.stage import CURVE, DAY, WALL, connect, curve_of, play
from tests.headend.world import DAYS, NOON, config, open_store

from kwhub.domain.errors import LinkDown, NoAnswer, Refusal
from kwhub.headend.app import HeadEnd
from kwhub.headend.front import front
from kwhub.headend.front.doubles import FLAPS, HEARD_S, PROBE_S
from kwhub.headend.ingest.decode import decode
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import (
    Confirmed,
    Denied,
    Heartbeat,
    Login,
    Logout,
    Report,
)
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.virtual import run_virtual


def test_a_report_is_stored_and_then_confirmed(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        assert isinstance(await concentrator.ask(Report((CURVE.to_unit(),))), Confirmed)
        assert curve_of(headend) == [Decimal("1.25"), None, Decimal("1.50"), None]
        (terminal,) = headend.queries.terminals()
        assert terminal.online
        assert terminal.last_seen_at == headend.clock.now()
        assert isinstance(await concentrator.ask(Logout()), Confirmed)
        await asyncio.sleep(0.1)
        (session,) = headend.queries.sessions()
        assert session.end_reason == "logged out"
        assert not headend.queries.terminals()[0].online

    play(tmp_path, script)


def test_the_same_report_again_is_confirmed_and_changes_nothing(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        for _ in range(3):
            assert isinstance(await concentrator.ask(Report((CURVE.to_unit(),))), Confirmed)
        packing = await headend.pack()
        assert (packing.readings, packing.repeated, packing.conflicts) == (9, 6, 0)

    play(tmp_path, script)


def test_a_store_that_fails_confirms_nothing(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        broken = True

        def fail(*_):
            if broken:
                raise OperationalError("INSERT", None, Exception("disk full"))

        engine = headend.store.database.engine
        event.listen(engine, "before_cursor_execute", fail)
        report = Report((CURVE.to_unit(),))
        asked = tasks.create_task(concentrator.ask(report))
        await asyncio.sleep(15)  # the second attempt fails as well
        assert not asked.done()
        assert headend.front.counters["not_stored"] == 2
        broken = False
        assert isinstance(await asked, Confirmed)
        event.remove(engine, "before_cursor_execute", fail)
        assert curve_of(headend)[0] == Decimal("1.25")

    play(tmp_path, script)


def test_a_stranger_is_denied_and_shown(tmp_path):
    async def script(headend, tasks):
        stranger = connect(headend, tasks, number=9)
        assert isinstance(await stranger.ask(Login()), Denied)
        await asyncio.sleep(0.1)
        with pytest.raises(LinkDown):
            await stranger.link.read()
        (session,) = headend.queries.sessions()
        assert (session.terminal, session.known) == (9, False)
        assert session.end_reason == "denied: unknown terminal"
        assert headend.front.counters["denied"] == 1

    play(tmp_path, script)


def test_data_before_login_is_denied(tmp_path):
    async def script(headend, tasks):
        heard = []
        address = TerminalAddress("4101", 2082)
        for request in (Report((CURVE.to_unit(),)), Heartbeat(), Logout()):
            here, there = pair()
            tasks.create_task(headend.attend(there))
            await here.write(initiated_frame(request, address, 0).to_bytes())
            heard.append(await here.read())
        assert headend.front.counters["denied"] == 3
        assert all(b"\x00\x00\x02\x00" in raw for raw in heard)  # p0 F2: all denied
        assert curve_of(headend)[0] is None

    play(tmp_path, script)


def test_a_second_login_replaces_one_that_does_not_answer(tmp_path):
    """A modem that lost its network calls again: its old connection is half dead, and must not keep it out."""

    async def script(headend, tasks):
        first = connect(headend, tasks)
        await first.login()
        first.deaf = True
        await asyncio.sleep(HEARD_S + 1)
        second, called_at = connect(headend, tasks), headend.clock.monotonic()
        await second.login()
        assert headend.clock.monotonic() - called_at < PROBE_S + 1
        await asyncio.sleep(0.1)
        with pytest.raises(LinkDown):
            await first.link.read()
        assert isinstance(await second.ask(Report((CURVE.to_unit(),))), Confirmed)
        newest, oldest = headend.queries.sessions()
        assert oldest.end_reason == "replaced by a new log-in"
        assert newest.ended_at is None
        assert headend.queries.terminals()[0].online
        assert headend.front.counters["replaced"] == 1

    play(tmp_path, script)


@pytest.mark.parametrize("silent_s", [0, 1, 100])
def test_a_second_login_beside_one_that_lives_is_refused_and_shown(tmp_path, silent_s):
    """Whoever knows the address of a terminal does not throw it out."""

    async def script(headend, tasks):
        first = connect(headend, tasks)
        await first.login()
        await asyncio.sleep(silent_s)
        for _ in range(2):
            other = connect(headend, tasks)
            assert isinstance(await other.ask(Login()), Denied)
            await asyncio.sleep(0.1)
            with pytest.raises(LinkDown):
                await other.link.read()
        assert isinstance(await first.ask(Report((CURVE.to_unit(),))), Confirmed)
        shown, own = headend.queries.sessions()  # of the two the first is written down
        assert shown.end_reason.startswith("denied: logged in already, from ")
        assert (shown.known, shown.ended_at == shown.began_at) == (True, True)
        assert own.ended_at is None
        assert headend.front.is_online(1)
        counters = headend.front.counters
        assert (counters["doubled"], counters["denied"], counters["replaced"]) == (2, 2, 0)

    play(tmp_path, script)


def test_a_terminal_at_work_for_somebody_has_more_time_to_answer(tmp_path):
    async def script(headend, tasks):
        first = connect(headend, tasks, meters=lambda _: b"\x68")
        await first.login()
        await asyncio.sleep(HEARD_S + 1)
        first.deaf = True
        asked = asyncio.ensure_future(headend.front.forward(1, 1, b"ask", 2.0))
        await asyncio.sleep(1)
        other = connect(headend, tasks)
        login = tasks.create_task(other.ask(Login()))
        await asyncio.sleep(PROBE_S + 5)
        assert not login.done()
        first.deaf = False
        with pytest.raises(NoAnswer):
            await asked
        assert isinstance(await login, Denied)
        assert headend.front.is_online(1)

    play(tmp_path, script)


def test_of_two_who_come_back_at_once_one_is_let_in(tmp_path):
    async def script(headend, tasks):
        first = connect(headend, tasks)
        await first.login()
        first.deaf = True
        await asyncio.sleep(HEARD_S + 1)
        others = [connect(headend, tasks) for _ in range(2)]
        answers = await asyncio.gather(*(each.ask(Login()) for each in others))
        assert sorted(type(each).__name__ for each in answers) == ["Confirmed", "Denied"]
        await asyncio.sleep(0.1)
        assert headend.front.online == 1
        open_now = [each for each in headend.queries.sessions() if each.ended_at is None]
        assert len(open_now) == 1

    play(tmp_path, script)


def test_log_ins_of_one_terminal_again_and_again_are_an_alarm(tmp_path):
    async def script(headend, tasks):
        first = connect(headend, tasks)
        await first.login()
        with capture_logs() as logs:
            for _ in range(2 * FLAPS):
                await connect(headend, tasks).ask(Login())
        alarms = [each for each in logs if each["event"] == "terminal_logged_in_twice"]
        assert [each["terminal"] for each in alarms] == ["4101-02082"] * 2
        assert alarms[0]["log_level"] == "error"
        assert headend.front.counters["flapping"] == 2

    play(tmp_path, script)


def test_a_request_without_an_answer_is_no_sign_of_life(tmp_path):
    """Whoever is asked all the time and says nothing is taken for dead all the same."""

    async def script(headend, tasks):
        first = connect(headend, tasks)
        await first.login()
        first.deaf = True
        until = headend.clock.monotonic() + headend.front.idle_s + 60
        while headend.clock.monotonic() < until and headend.front.is_online(1):
            with suppress(NoAnswer, LinkDown):
                await headend.front.forward(1, 1, b"ask", 2.0)
        assert not headend.front.is_online(1)
        await asyncio.sleep(0.1)
        assert headend.queries.sessions()[0].end_reason.startswith("silent for ")

    play(tmp_path, script)


def test_a_terminal_counts_as_online_when_it_can_be_asked(tmp_path, monkeypatch):
    async def script(headend, tasks):
        front = headend.front
        real = front.seen
        before = []

        async def seen(connection):
            """Between the row of the session and the confirmation of the log-in."""
            number = connection.terminal.id
            before.append(front.is_online(number))
            with pytest.raises(LinkDown, match="not connected"):
                await front.forward(number, 2, b"question", 5.0)
            await real(connection)

        monkeypatch.setattr(front, "seen", seen)
        concentrator = connect(headend, tasks)
        assert not front.is_online(1)
        await concentrator.login()
        assert before == [False]
        assert front.is_online(1)

    play(tmp_path, script)


def test_three_missed_heartbeats_end_a_connection(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        for _ in range(3):
            await asyncio.sleep(800)
            clock = headend.clock.now().astimezone(DAYS.zone).replace(tzinfo=None)
            assert isinstance(await concentrator.ask(Heartbeat(clock)), Confirmed)
        assert headend.queries.terminals()[0].last_seen_at == headend.clock.now()
        await asyncio.sleep(901)
        (session,) = headend.queries.sessions()
        assert session.end_reason == "silent for 900 s"
        assert not headend.front.is_online(1)

    play(tmp_path, script)


def test_who_does_not_log_in_is_disconnected(tmp_path):
    async def script(headend, tasks):
        here, there = pair()
        attending = tasks.create_task(headend.attend(there))
        await here.write(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.sleep(31)
        assert attending.done()
        assert headend.queries.sessions() == []

    play(tmp_path, script)


def test_data_without_a_place_is_confirmed_and_kept_apart(tmp_path):
    units = (
        CurveUnit(77, 101, WALL, (Decimal(1),)).to_unit(),  # no such point
        CurveUnit(2, 97, WALL, (Decimal(1),)).to_unit(),  # increments have no register yet
        CurveUnit(2, 101, WALL, (Decimal(1),), density=0).to_unit(),
        CurveUnit(2, 101, WALL.replace(year=2030), (Decimal(1),)).to_unit(),
        CurveUnit(2, 89, WALL, (Decimal("229.9"),), density=3).to_unit(),
        Unit((2,), (101,), b"\xff\xff\xff\xff\xff\x01\x01\x00\x00\x00\x00"),  # no time
    )

    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        for unit in units:
            assert isinstance(await concentrator.ask(Report((unit,))), Confirmed)
        reasons = sorted(row.reason for row in headend.queries.unknown())
        assert reasons == [
            "from_the_future",
            "not_a_time",
            "unknown_density",
            "unknown_function",
            "unknown_point",
        ]
        assert all(row.terminal == "4101-02082" and row.sample for row in headend.queries.unknown())
        assert headend.front.counters["readings"] == 1

    play(tmp_path, script)


def test_units_become_readings(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    terminal = store.archive.terminals["4101", 2082]
    freeze = DayFreezeUnit(2, 161, DAY, WALL, (Decimal("10.1234"), Decimal(3), None))
    factor = CurveUnit(2, 105, WALL, (Decimal("98.5"),), density=3)
    batch = decode(terminal, 0x0D, (freeze.to_unit(), factor.to_unit()), DAYS, NOON)
    columns = batch.columns
    rows = [
        (columns.registers[number], int(interval), int(at), int(value) if quality else None)
        for number, interval, at, value, quality in zip(
            *(columns.register, columns.interval, columns.at, columns.value, columns.quality),
            strict=True,
        )
    ]
    midnight = DAYS.start_s(DAY + dt.timedelta(days=1))
    assert rows == [
        ("1-0:1.8.0", 86_400, midnight, 10_123_400),
        ("1-0:1.8.1", 86_400, midnight, 3_000_000),
        ("1-0:1.8.2", 86_400, midnight, None),
        ("1-0:13.7.0", 3_600, DAYS.start_s(DAY), 985_000),  # per cent on the wire
    ]
    too_many = DayFreezeUnit(2, 161, DAY, WALL, (Decimal(1),) * 70)
    (stray,) = decode(terminal, 0x0D, (too_many.to_unit(),), DAYS, NOON).strays
    assert stray.reason == "too_many_tariffs"
    store.close()


def test_forwarding_and_what_may_come_of_it(tmp_path):
    answers = {1: b"\x68answer", 2: b"", 3: None}

    async def script(headend, tasks):
        with pytest.raises(LinkDown, match="not connected"):
            await headend.front.forward(1, 1, b"ask", 2.0)
        concentrator = connect(headend, tasks, meters=lambda forward: answers[forward.port])
        await concentrator.login()
        assert await headend.front.forward(1, 1, b"ask", 2.0, baud=9600) == b"\x68answer"
        forward = concentrator.forwards[0]
        assert (forward.payload, forward.line.baud) == (b"ask", 9600)
        assert forward.message_timeout_s == 2.0
        assert await headend.front.forward(1, 2, b"ask", 2.0) == b""
        with pytest.raises(Refusal):
            await headend.front.forward(1, 3, b"ask", 2.0)
        concentrator.deaf = True
        with pytest.raises(NoAnswer, match="terminal did not answer"):
            await headend.front.forward(1, 1, b"ask", 2.0)

        async def cut():
            await asyncio.sleep(1)
            await concentrator.link.aclose()

        tasks.create_task(cut())
        with pytest.raises(LinkDown, match="went away"):
            await headend.front.forward(1, 1, b"ask", 2.0)

    play(tmp_path, script)


def test_what_a_crash_has_left_open_is_ended_at_the_next_start(tmp_path):
    settings = config(tmp_path / "headend.sqlite")

    async def main(clock):
        crashed = HeadEnd(settings, clock)
        here, there = pair()
        async with asyncio.TaskGroup() as tasks:
            attending = tasks.create_task(crashed.attend(there))
            concentrator = FakeConcentrator(here, clock)
            running = tasks.create_task(concentrator.run())
            await concentrator.login()
            again = HeadEnd(settings, clock)
            assert not again.queries.terminals()[0].online
            assert again.queries.sessions()[0].end_reason == "the head-end stopped"
            again.store.close()
            attending.cancel()
            running.cancel()
        crashed.store.close()

    run_virtual(main, start=NOON)


@pytest.mark.parametrize("delay_s", [20, 40])
def test_who_is_cut_off_while_logging_in_is_not_online(tmp_path, delay_s):
    """A slow disk: the log-in's patience ends while the session, or the last contact, is written."""

    async def slow(work):
        await asyncio.sleep(delay_s)
        return work()

    async def main(clock):
        headend = HeadEnd(config(tmp_path / "headend.sqlite"), clock, offload=slow)
        async with asyncio.TaskGroup() as tasks:
            concentrator = connect(headend, tasks)
            asked = tasks.create_task(concentrator.ask(Login()))
            await asyncio.sleep(100)
            await asyncio.wait([asked])
        assert not headend.front.is_online(1)
        assert not headend.queries.terminals()[0].online
        await headend.close()

    run_virtual(main, start=NOON)


@pytest.mark.slow
def test_data_of_a_point_that_is_named_later_is_not_lost(tmp_path):
    full = config(tmp_path / "headend.sqlite")
    (area,) = full.area
    (terminal,) = area.terminal
    fewer = msgspec.structs.replace(terminal, meter=terminal.meter[:1])
    partly = msgspec.structs.replace(area, terminal=(fewer,))
    long = CurveUnit(2, 101, WALL, (*CURVE.values, *[Decimal(2)] * 200)).to_unit()
    assert len(long.to_bytes()) > 512

    async def before(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        for _ in range(2):  # the same again is kept once
            assert isinstance(await concentrator.ask(Report((long,))), Confirmed)
        assert headend.store.unplaced_bytes(1) == len(long.to_bytes())

    async def after(headend, _tasks):
        assert headend.store.unplaced_bytes(1) == 0
        assert headend.store.waiting == 203
        assert [row.captured_at for row in headend.queries.latest(2)] == [
            DAYS.start(DAY) + dt.timedelta(seconds=900 * 202)
        ]

    async def once_more(headend, _tasks):
        assert headend.store.waiting == 0
        assert curve_of(headend)[:3] == [Decimal("1.25"), None, Decimal("1.5")]

    play(tmp_path, before, settings=msgspec.structs.replace(full, area=(partly,)))
    play(tmp_path, after, settings=full)
    play(tmp_path, once_more, settings=full)


def test_more_than_can_be_kept_is_refused_and_not_confirmed(tmp_path, monkeypatch):
    monkeypatch.setattr(front, "UNPLACED_BYTES_MAX", 64)

    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        answers = [
            await concentrator.ask(Report((CurveUnit(77, 101, wall, (Decimal(1),) * 5).to_unit(),)))
            for wall in (WALL, WALL + dt.timedelta(hours=2), WALL + dt.timedelta(hours=4))
        ]
        assert [type(each) for each in answers] == [Confirmed, Confirmed, Denied]
        assert isinstance(await concentrator.ask(Report((CURVE.to_unit(),))), Confirmed)
        assert headend.front.counters["refused"] == 1

    play(tmp_path, script)

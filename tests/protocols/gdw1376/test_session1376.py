"""Both ends back to back: login, beats, reports, requests; loss, repetition, disorder; from seeds."""

from datetime import datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.gdw1376.corpus1376 import named, own, raw_of

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376 import afn_0c, afn_00, afn_04, afn_05
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit
from kwhub.protocols.gdw1376.afn_0d import CurveUnit
from kwhub.protocols.gdw1376.afn_00 import ItemResult
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.builders import answer_frames, initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress, parse
from kwhub.protocols.gdw1376.messages import (
    Answer,
    Answered,
    Asked,
    Beat,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Heartbeat,
    HeartbeatDue,
    LoggedIn,
    LoggedOut,
    Login,
    Logout,
    Lost,
    Report,
    Reported,
    Request,
    TimedOut,
)
from kwhub.protocols.gdw1376.session import QUEUE_MAX, STALL_S, Role, Session, State
from kwhub.protocols.gdw1376.states import ANSWERS, INITIATED, TRANSITIONS
from kwhub.protocols.gdw1376.units import Unit
from kwhub.testing import Pair
from kwhub.testing.pair import drop
from kwhub.wire.events import Discarded

ADDRESS = TerminalAddress("4101", 2082)
CLOCK = afn_0c.clock_answer(datetime(2026, 3, 1, 12))
ASK_CLOCK = Unit((0,), (2,))
DEAD = {State.LOST, State.REFUSED}
PIECES = pytest.mark.parametrize("piece", [None, 1, 7])


def report(point=1):
    return Report((CurveUnit(point, 101, datetime(2026, 3, 1), (Decimal(point),) * 4),))


def confirm_all(event):
    """A station that takes everything."""
    if isinstance(event, LoggedIn | LoggedOut | Beat | Reported):
        yield Confirm(event.frame)


def answer_clock(event):
    """A terminal that knows its clock and nothing else."""
    if isinstance(event, Asked):
        known = event.frame.afn == 0x0C and event.frame.units[0].functions == (2,)
        yield Answer(event.frame, (CLOCK,)) if known else Deny(event.frame)


def terminal(**settings):
    return Session(Role.TERMINAL, ADDRESS, **settings)


def from_terminal(answer=confirm_all, **wire):
    """The terminal asks: logged in already."""
    pair = Pair(terminal(), Session(Role.STATION), answer=answer, **wire)
    pair.ask(Login())
    return pair


def from_station(answer=answer_clock, **wire):
    """The station asks: the terminal has logged in before."""
    inner = Pair(terminal(), Session(Role.STATION), answer=confirm_all)
    inner.ask(Login())
    return Pair(inner.answerer, inner.asker, answer=answer, **wire)


def states(pair):
    return pair.asker.state, pair.answerer.state


def kinds(events):
    return [type(event) for event in events]


# --- the terminal starts


@PIECES
def test_login_beat_report_logout(piece):
    pair = from_terminal(piece_bytes=piece)
    for request in (Heartbeat(datetime(2026, 3, 1, 8)), Heartbeat(), report(), Logout()):
        event = pair.ask(request)
        assert isinstance(event, Confirmed)
        assert event.request is request
    assert kinds(pair.answerer_events) == [LoggedIn, Beat, Beat, Reported, LoggedOut]
    beat, bare, reported = pair.answerer_events[1:4]
    assert (beat.clock, bare.clock) == (datetime(2026, 3, 1, 8), None)
    assert reported.units == (report().units[0].to_unit(),)
    assert not reported.repeated
    assert states(pair) == (State.ONLINE, State.ONLINE)


def test_a_denied_login_ends_it():
    pair = Pair(terminal(), Session(Role.STATION), answer=lambda event: [Deny(event.frame)])
    event = pair.ask(Login())
    assert isinstance(event, Denied)
    assert str(event.refusal) == "refused: denied"
    assert states(pair) == (State.REFUSED, State.REFUSED)
    for request in (Login(), Heartbeat(), report()):
        with pytest.raises(LocalError):
            pair.asker.send(request, pair.now)


def test_a_denied_report_leaves_the_line_up():
    def answer(event):
        yield Deny(event.frame) if isinstance(event, Reported) else Confirm(event.frame)

    pair = from_terminal(answer)
    assert isinstance(pair.ask(report()), Denied)
    assert isinstance(pair.ask(Heartbeat()), Confirmed)


def test_a_lost_confirmation_makes_the_same_frame_come_again_and_be_told_as_such():
    pair = from_terminal(to_asker=drop(1))
    assert isinstance(pair.ask(report()), Confirmed)
    first, second = pair.answerer_events[1:]
    assert (first.raw, first.repeated) == (second.raw, False)
    assert second.repeated
    assert pair.now == 10.0


def test_a_report_is_sent_four_times_and_then_the_line_is_lost():
    pair = from_terminal(to_answerer=drop(*range(1, 9)))
    waiting = report(2)
    pair.asker.send(report(1), pair.now)
    pair.asker.send(waiting, pair.now)
    pair.wait_until(39.9)
    assert states(pair)[0] is State.WAITING
    pair.wait_until(40.0)
    assert states(pair)[0] is State.LOST
    timed_out, given_up, lost = pair.asker_events[1:]
    assert isinstance(timed_out, TimedOut)
    assert given_up == TimedOut(waiting)
    assert lost == Lost()
    assert pair.asker.deadline() is None
    assert pair.answerer_events[1:] == []


def test_three_unanswered_heartbeats_lose_the_line():
    pair = from_terminal(to_answerer=drop(*range(1, 9)))
    pair.wait_until(300.0)
    assert kinds(pair.asker_events) == [Confirmed, HeartbeatDue]
    assert isinstance(pair.ask(Heartbeat()), TimedOut)
    assert pair.now == 330.0
    assert pair.asker_events[-1] == Lost()


def test_heartbeats_fall_due_in_their_period():
    pair = from_terminal()
    pair.wait_until(1000.0)
    assert kinds(pair.asker_events) == [Confirmed, HeartbeatDue, HeartbeatDue, HeartbeatDue]


def test_reports_wait_for_each_other_and_have_numbers_of_their_own():
    pair = from_terminal()
    for point in range(1, 20):
        pair.asker.send(report(point), pair.now)
    pair.exchange()
    reported = [event for event in pair.answerer_events if isinstance(event, Reported)]
    assert [event.units[0].points for event in reported] == [(n,) for n in range(1, 20)]
    assert [event.frame.sequence.number for event in reported] == [n % 16 for n in range(1, 20)]
    assert kinds(pair.asker_events) == [Confirmed] * 20


def test_a_queue_has_an_end():
    session = terminal()
    session.send(Login(), 0.0)
    for _ in range(QUEUE_MAX):
        session.send(Heartbeat(), 0.0)
    with pytest.raises(LocalError):
        session.send(Heartbeat(), 0.0)


def test_what_cannot_be_encoded_is_refused_at_once():
    pair = from_terminal()
    wrong = Report((CurveUnit(1, 101, datetime(2026, 3, 1), (Decimal("0.001"),)),))
    for request in (wrong, Report(())):
        with pytest.raises(LocalError):
            pair.asker.send(request, pair.now)
    assert isinstance(pair.ask(report()), Confirmed)


# --- the station starts


@PIECES
def test_the_station_asks_and_is_answered(piece):
    pair = from_station(piece_bytes=piece)
    request = Request(0x0C, (afn_0c.CurrentEnergyUnit(1, 129, None, (None,)),))
    clock = Request(0x0C, (ASK_CLOCK,))
    event = pair.ask(clock)
    assert isinstance(event, Answered)
    assert event.request is clock
    assert event.units == (CLOCK,)
    assert isinstance(pair.ask(request), Denied)


def test_orders_are_confirmed_whole_or_item_by_item():
    results = (ItemResult((0,), (10,), 0), ItemResult((0,), (33,), 1))

    def answer(event):
        order = event.frame.afn == 0x05
        yield Confirm(event.frame) if order else Confirm(event.frame, results)

    pair = from_station(answer)
    order = Request(0x05, (afn_05.clock_unit(datetime(2026, 3, 1)),))
    assert isinstance(pair.ask(order), Confirmed)
    denied = pair.ask(Request(0x04, (afn_04.archive_unit(()),)))
    assert isinstance(denied, Denied)
    assert denied.results == results
    assert denied.refusal.reasons == ("p0 F33 denied",)


def test_forwarding_there_and_back():
    def answer(event):
        order = Forward.from_unit(event.frame.units[0])
        assert event.frame.password == bytes(16)
        yield Answer(event.frame, (ForwardAnswer(order.port, order.payload[::-1]),))

    event = from_station(answer).ask(Request(0x10, (Forward(31, b"meter"),)))
    assert ForwardAnswer.from_unit(event.units[0]) == ForwardAnswer(31, b"retem")


@PIECES
def test_a_long_answer_comes_in_several_frames(piece):
    units = tuple(
        CurrentEnergyUnit(point, 129, datetime(2026, 3, 1), (Decimal(point),) * 5).to_unit()
        for point in range(1, 301)
    )
    pair = from_station(lambda event: [Answer(event.frame, units)], piece_bytes=piece)
    event = pair.ask(Request(0x0C, (Unit((1,), (129,)),)))
    assert isinstance(event, Answered)
    assert event.units == units
    frames = [parse(raw) for raw in event.raws]
    assert len(frames) == 11
    assert [frame.sequence.number for frame in frames] == [n % 16 for n in range(11)]
    assert [frame.sequence.first for frame in frames] == [True] + [False] * 10
    assert [frame.sequence.last for frame in frames] == [False] * 10 + [True]


def test_a_part_that_is_missing_repeated_or_out_of_order():
    asker, _ = waiting_station()
    asked = initiated_frame(Request(0x0C, (CLOCK,)), TerminalAddress("4101", 2082, 1), 0)
    units = [CLOCK] * 3
    first, second, third = (
        frame.to_bytes() for frame in answer_frames(asked, units, ADDRESS, user_bytes_max=20)
    )
    asker.receive(first + first + third + second, 0.0)
    assert [event.kind for event in asker.events()] == ["repeated", "out_of_order"]
    asker.receive(third, 0.0)
    (answered,) = asker.events()
    assert answered.units == tuple(units)


def waiting_station():
    """A station that has asked for the clock and waits."""
    pair = from_station()
    request = Request(0x0C, (ASK_CLOCK,))
    pair.asker.send(request, 0.0)
    assert pair.asker.outgoing(0.0)
    return pair.asker, request


def test_a_single_frame_without_fir_is_an_answer():
    """Terminals of the field answer with FIR = 0, FIN = 1."""
    asker, request = waiting_station()
    asked = initiated_frame(request, TerminalAddress("4101", 2082, 1), 0)
    (frame,) = answer_frames(asked, [CLOCK], ADDRESS)
    raw = bytearray(frame.to_bytes())
    raw[13] &= 0xBF
    raw[-2] = sum(raw[6:-2]) & 0xFF
    asker.receive(bytes(raw), 0.0)
    assert kinds(asker.events()) == [Answered]


def test_an_answer_that_wants_a_confirmation_gets_one():
    asker, request = waiting_station()
    asked = initiated_frame(request, TerminalAddress("4101", 2082, 1), 0)
    (frame,) = answer_frames(asked, [CLOCK], ADDRESS)
    raw = bytearray(frame.to_bytes())
    raw[13] |= 0x10
    raw[-2] = sum(raw[6:-2]) & 0xFF
    asker.receive(bytes(raw), 0.0)
    assert kinds(asker.events()) == [Answered]
    verdict = parse(asker.outgoing(0.0))
    assert (verdict.afn, verdict.units) == (0, (afn_00.ALL_CONFIRMED,))


def test_unsolicited_frames_interleave_with_an_answer():
    asker, _ = waiting_station()
    other = initiated_frame(report(), ADDRESS, 5).to_bytes()
    asker.receive(other, 0.0)
    (reported,) = asker.events()
    assert isinstance(reported, Reported)
    asker.send(Confirm(reported.frame), 0.0)
    assert asker.state is State.WAITING


def test_answers_of_others_and_late_ones_do_not_count():
    asker, request = waiting_station()
    right = initiated_frame(request, TerminalAddress("4101", 2082, 1), 0)
    late = initiated_frame(request, TerminalAddress("4101", 2082, 1), 15)
    foreign = TerminalAddress("4101", 2083)
    for asked, address in ((late, ADDRESS), (right, foreign)):
        (frame,) = answer_frames(asked, [CLOCK], address)
        asker.receive(frame.to_bytes(), 0.0)
    asker.receive(right.to_bytes(), 0.0)
    assert [event.kind for event in asker.events()] == ["out_of_order", "unexpected", "echo"]
    asker.on_deadline(9.9)
    assert asker.events() == []
    asker.on_deadline(10.0)
    assert asker.events() == [TimedOut(request)]
    (frame,) = answer_frames(right, [CLOCK], ADDRESS)
    asker.receive(frame.to_bytes(), 11.0)
    assert [event.kind for event in asker.events()] == ["unexpected"]


def test_a_repeated_request_is_told_as_such():
    session = terminal()
    raw = initiated_frame(Request(0x0C, (ASK_CLOCK,)), ADDRESS, 0).to_bytes()
    session.receive(raw + raw, 0.0)
    assert [event.repeated for event in session.events()] == [False, True]


def test_the_station_waits_for_a_login():
    station = Session(Role.STATION)
    request = Request(0x0C, (ASK_CLOCK,))
    with pytest.raises(LocalError):
        station.send(request, 0.0)
    with pytest.raises(LocalError):
        Session(Role.TERMINAL)


def test_requests_of_the_station_wait_for_each_other():
    pair = from_station()
    requests = [Request(0x0C, (ASK_CLOCK,)) for _ in range(5)]
    for request in requests:
        pair.asker.send(request, pair.now)
    pair.exchange()
    ends = [event.request for event in pair.asker_events if event.final]
    assert all(end is request for end, request in zip(ends, requests, strict=True))


def test_a_station_goes_on_denying_whom_it_denied():
    station = Session(Role.STATION)
    raw = initiated_frame(Login(), ADDRESS, 0).to_bytes()
    station.receive(raw + initiated_frame(Heartbeat(), ADDRESS, 1).to_bytes(), 0.0)
    for event in station.events():
        station.send(Deny(event.frame), 0.0)
    assert station.state is State.REFUSED
    with pytest.raises(LocalError):
        station.send(Confirm(parse(raw)), 0.0)


def test_a_terminal_that_was_asked_may_always_answer():
    session = terminal()
    session.receive(initiated_frame(Request(0x0C, (ASK_CLOCK,)), ADDRESS, 0).to_bytes(), 0.0)
    (asked,) = session.events()
    session.send(Answer(asked.frame, (CLOCK,)), 0.0)
    assert parse(session.outgoing(0.0)).units == (CLOCK,)
    assert session.state is State.CONNECTED


# --- what comes over the line


def test_a_terminal_does_not_listen_to_what_is_for_others():
    session = terminal()
    clock = Request(0x0C, (ASK_CLOCK,))
    group = TerminalAddress("4101", 2082, group=True)  # of the same number
    for address in (TerminalAddress("4101", 1), TerminalAddress("0171", 2082), group):
        session.receive(initiated_frame(clock, address, 0).to_bytes(), 0.0)
    assert [event.kind for event in session.events()] == ["foreign"] * 3
    everybody = TerminalAddress("0000", 0xFFFF, 16, group=True)
    session.receive(initiated_frame(clock, everybody, 0).to_bytes(), 0.0)
    assert kinds(session.events()) == [Asked]


def test_a_station_answers_the_terminal_that_spoke():
    pair = from_terminal()
    cascaded = TerminalAddress("4101", 2083)
    pair.answerer.receive(initiated_frame(report(), cascaded, 0).to_bytes(), 0.0)
    (event,) = pair.answerer.events()
    assert event.address == cascaded
    pair.answerer.send(Confirm(event.frame), 0.0)
    assert parse(pair.answerer.outgoing(0.0)).address == cascaded


STREAMS = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([raw_of(line) for line in own()])),
    max_size=6,
).map(b"".join)


@given(STREAMS, st.sampled_from(Role), st.sampled_from([1, 13, 1000]))
def test_whatever_comes_a_session_tells_and_does_not_raise(stream, role, piece):
    session = Session(role, TerminalAddress("0171", 2082))
    if role is Role.TERMINAL:
        session.send(Login(), 0.0)
    for at in range(0, len(stream), piece):
        session.receive(stream[at : at + piece], float(at))
        for event in session.events():
            if isinstance(event, Asked | LoggedIn | Beat | Reported) and session.state not in DEAD:
                session.send(Confirm(event.frame), float(at))
    for _ in range(10):
        moment = session.deadline()
        if moment is not None:
            session.on_deadline(moment)
    assert all(hasattr(event, "final") for event in session.events())


def test_a_verdict_that_contradicts_itself_is_no_verdict():
    session = Session(Role.TERMINAL, TerminalAddress("4404", 1633))
    session.send(Login(), 0.0)
    raw = bytearray(named("024"))
    raw[13] = 0x60  # the number of our login
    raw[-2] = sum(raw[6:-2]) & 0xFF
    session.receive(bytes(raw), 0.0)
    (event,) = session.events()
    assert isinstance(event, Discarded)
    assert event.kind == "unclear_verdict"
    assert session.state is State.LOGGING_IN


def test_a_frame_that_stops_in_the_middle_is_given_up_after_a_while():
    session = terminal()
    raw = initiated_frame(Request(0x0C, (ASK_CLOCK,)), ADDRESS, 0).to_bytes()
    session.receive(raw[:-3], 1.0)
    assert session.deadline() == 1.0 + STALL_S
    session.on_deadline(1.0 + STALL_S)
    (event,) = session.events()
    assert (event.kind, event.raw) == ("truncated", raw[:-3])
    session.receive(raw, 20.0)
    assert Asked in kinds(session.events())


def test_the_table_names_every_message_of_either_role():
    for role, states in TRANSITIONS.items():
        assert set(states) <= set(State)
        named_messages = {message for following in states.values() for message in following}
        answers = set(ANSWERS) if role is Role.TERMINAL else {Confirm, Deny}
        assert named_messages >= answers | set(INITIATED[role])


def bad_wire(chance):
    """A fifth of all writes is lost, some are cut, some come twice."""

    def wire(data):
        luck = chance.random()
        if luck < 0.2:
            return b""
        if luck < 0.3:
            return data[: chance.randrange(len(data))]
        return data * 2 if luck < 0.4 else data

    return wire


def deliver(waiting, pair):
    """Send reports over one connection until it is lost."""
    if not isinstance(pair.ask(Login()), Confirmed):
        return
    while waiting and isinstance(pair.ask(waiting[0]), Confirmed):
        waiting.pop(0)


@pytest.mark.parametrize("seed", range(12))
def test_everything_arrives_once_however_bad_the_wire(seed):
    chance = Random(seed)
    wire = bad_wire(chance)
    sent, stored = [report(point) for point in range(1, 30)], []
    waiting = list(sent)

    def take(event):
        if isinstance(event, Reported) and event.units not in stored:
            stored.append(event.units)
        yield from confirm_all(event)

    for _ in range(200):
        ends = terminal(), Session(Role.STATION)
        piece = chance.choice([None, 1, 5])
        deliver(
            waiting, Pair(*ends, answer=take, piece_bytes=piece, to_asker=wire, to_answerer=wire)
        )
        if not waiting:
            break
    assert stored == [(one.units[0].to_unit(),) for one in sent]

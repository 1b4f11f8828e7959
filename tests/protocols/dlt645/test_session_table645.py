"""Every way from state to state, and everything that is forbidden in a state, on real sessions.

``TRANSITIONS`` says what may happen where. Here each happening is made to happen in each state of the end
that can be in it: what the table has must lead where the table says, everything else must leave the
state as it is and say so, by an error to the caller or by a discarded frame.
"""

from collections.abc import Callable
from datetime import datetime

import pytest

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645 import Frame645
from kwhub.protocols.dlt645.deviations import STANDARD
from kwhub.protocols.dlt645.messages import Data, ReadData, Refused, TimedOut
from kwhub.protocols.dlt645.orders import Freeze, SetTime
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.protocols.dlt645.states import START_STATES, TRANSITIONS, Happening, State, step
from kwhub.wire.events import Discarded

METER = "000000000038"
ENERGY = 0x00010000
READ = ReadData(METER, ENERGY)
VALUE = bytes.fromhex("38000000")
ANSWER = Frame645(METER, 0x91, READ.data() + VALUE).to_bytes()
REFUSAL = Frame645(METER, 0xD1, b"\x02").to_bytes()
REQUEST = Frame645(METER, 0x11, READ.data()).to_bytes()
TO_ALL = Frame645("999999999999", 0x08, bytes.fromhex("563412021125")).to_bytes()
NOON = datetime(2026, 3, 1, 12)


def idle():
    return Session(Role.MASTER)


def waiting():
    session = Session(Role.MASTER)
    session.send(READ, 0.0)
    session.outgoing(0.0)
    return session


def listening():
    return Session(Role.METER, addresses={METER})


def asked():
    session = listening()
    session.receive(REQUEST, 0.0)
    session.events()
    return session


IN: dict[State, Callable[[], Session]] = {
    State.IDLE: idle,
    State.WAITING: waiting,
    State.LISTENING: listening,
    State.ASKED: asked,
}


def wait_long(session):
    """Let more time pass than anything may take."""
    session.on_deadline(1_000.0)


def answer_the_first_of_two(session):
    session.receive(Frame645(METER, 0x11, ReadData(METER, ENERGY + 1).data()).to_bytes(), 0.1)
    session.send(Data(METER, ENERGY, VALUE), 0.1)


BY_MASTER: dict[Happening, Callable[[Session], None]] = {
    Happening.REQUEST: lambda session: session.send(READ, 1.0),
    Happening.TOLD: lambda session: session.send(SetTime(NOON), 1.0),
    Happening.ANSWER: lambda session: session.receive(ANSWER, 1.0),
    Happening.REFUSAL: lambda session: session.receive(REFUSAL, 1.0),
    Happening.TIME_OUT: wait_long,
}
BY_METER: dict[Happening, Callable[[Session], None]] = {
    Happening.REQUEST: lambda session: session.receive(REQUEST, 1.0),
    Happening.TOLD: lambda session: session.receive(TO_ALL, 1.0),
    Happening.ANSWER: lambda session: session.send(Data(METER, ENERGY, VALUE), 1.0),
    Happening.REFUSAL: lambda session: session.send(Refused(METER, 2), 1.0),
    Happening.TIME_OUT: wait_long,
    Happening.ANSWER_TO_EARLIER: answer_the_first_of_two,
}
MASTER_STATES = (State.IDLE, State.WAITING)

CASES = [
    (state, happening, act)
    for state in State
    for happening, act in (BY_MASTER if state in MASTER_STATES else BY_METER).items()
]


def named(value):
    return value.name if isinstance(value, (State, Happening)) else ""


@pytest.mark.parametrize(
    ("state", "happening", "act"),
    [case for case in CASES if case[1] in TRANSITIONS[case[0]]],
    ids=named,
)
def test_the_table_is_followed(state, happening, act):
    session = IN[state]()
    assert session.state is state
    act(session)
    assert session.state is TRANSITIONS[state][happening]


#: What a forbidden happening leaves behind: an error to the caller, a discarded frame, or nothing.
FORBIDDEN = {
    (State.IDLE, Happening.ANSWER): "late",
    (State.IDLE, Happening.REFUSAL): "late",
    (State.IDLE, Happening.TIME_OUT): None,
    (State.WAITING, Happening.REQUEST): LocalError,
    (State.WAITING, Happening.TOLD): LocalError,
    (State.LISTENING, Happening.ANSWER): LocalError,
    (State.LISTENING, Happening.REFUSAL): LocalError,
    (State.LISTENING, Happening.TIME_OUT): None,
    (State.ASKED, Happening.TIME_OUT): None,
}


@pytest.mark.parametrize(
    ("state", "happening", "act"),
    [
        case
        for case in CASES
        if case[1] not in TRANSITIONS[case[0]] and case[1] is not Happening.ANSWER_TO_EARLIER
    ],
    ids=named,
)
def test_what_the_table_does_not_have_changes_nothing(state, happening, act):
    outcome = FORBIDDEN[state, happening]
    session = IN[state]()
    if outcome is LocalError:
        with pytest.raises(LocalError):
            act(session)
    else:
        act(session)
    kinds = [event.kind for event in session.events() if isinstance(event, Discarded)]
    assert kinds == ([outcome] if isinstance(outcome, str) else [])
    assert session.state is state
    assert session.outgoing(2.0) == b""
    with pytest.raises(LocalError):
        step(state, happening)


def test_an_answer_to_an_earlier_request_needs_two_requests():
    session = asked()
    answer_the_first_of_two(session)
    states = [session.state]
    session.send(Data(METER, ENERGY + 1, VALUE), 0.2)
    states.append(session.state)
    assert states == [State.ASKED, State.LISTENING]
    with pytest.raises(LocalError):
        session.send(Data(METER, ENERGY, VALUE), 0.3)


def test_the_master_has_no_happenings_of_a_meter():
    for state in MASTER_STATES:
        assert Happening.ANSWER_TO_EARLIER not in TRANSITIONS[state]


def test_every_state_can_be_reached_from_its_start_and_left_again():
    for role, start in START_STATES.items():
        reached = {start}
        for _ in State:
            reached |= {after for before in reached for after in TRANSITIONS[before].values()}
        assert reached == {
            state for state in State if (state in MASTER_STATES) is (role is Role.MASTER)
        }
        for state in reached:
            assert any(start == after for after in TRANSITIONS[state].values())


def test_a_request_that_nobody_answers_leaves_the_master_idle_with_one_event():
    master = idle()
    for order in (SetTime(NOON), Freeze("999999999999")):
        master.send(order, 0.0)
        assert master.state is State.IDLE
        assert master.outgoing(0.0)
        assert [event.request for event in master.events()] == [order]
        assert master.deadline() is None


def test_a_time_out_is_told_once():
    master = waiting()
    wait_long(master)
    wait_long(master)
    assert [type(event) for event in master.events()] == [TimedOut]


def test_a_refused_call_leaves_the_outstanding_request_alive():
    master = waiting()
    with pytest.raises(LocalError):
        master.send(READ, 0.5)
    master.receive(ANSWER, 0.6)
    (event,) = master.events()
    assert isinstance(event, Data)
    assert event.payload == VALUE


@pytest.mark.parametrize(
    "thing", [None, 7, "read", b"\x68", REQUEST, Data(METER, ENERGY, VALUE), Refused(METER, 2)]
)
@pytest.mark.parametrize("state", MASTER_STATES)
def test_what_is_no_request_is_told_and_changes_nothing(state, thing):
    master = IN[state]()
    with pytest.raises(LocalError, match=f"a master cannot send {type(thing).__name__}: requests"):
        master.send(thing, 1.0)
    assert master.state is state
    assert master.outgoing(1.0) == b""


@pytest.mark.parametrize("thing", [None, 7, "read", READ, SetTime(NOON)])
def test_what_is_no_answer_is_told_and_changes_nothing(thing):
    meter = asked()
    with pytest.raises(LocalError):
        meter.send(thing, 1.0)
    assert meter.state is State.ASKED
    assert meter.outgoing(1.0) == b""


def test_the_tables_of_what_is_tried_are_whole():
    tried = {(state, happening) for state, happening, _ in CASES}
    for state in State:
        for happening in Happening:
            in_table = happening in TRANSITIONS[state]
            if state in MASTER_STATES and happening is Happening.ANSWER_TO_EARLIER:
                assert not in_table
                continue
            assert (state, happening) in tried
            if not in_table and happening is not Happening.ANSWER_TO_EARLIER:
                assert (state, happening) in FORBIDDEN


def test_a_master_has_one_way_of_asking():
    with pytest.raises(LocalError, match="in one way"):
        Session(Role.MASTER, deviations=lambda _address: STANDARD)

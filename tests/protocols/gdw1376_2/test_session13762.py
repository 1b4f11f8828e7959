"""The session of both roles: the whole table of transitions, pairing, waits, reports, hostile bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376_2 import (
    Answer,
    Answered,
    Asked,
    Await,
    Batch,
    BatchEnded,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Initiate,
    Order,
    Received,
    Receiver,
    Request,
    Role,
    Session,
    State,
    Stop,
    TimedOut,
    Wait,
    Waited,
    order_of,
    parse,
)
from kwhub.protocols.gdw1376_2.afn_06 import RouteReport
from kwhub.protocols.gdw1376_2.afn_10 import Counts
from kwhub.protocols.gdw1376_2.afn_13 import Monitor, Monitored
from kwhub.protocols.gdw1376_2.afn_14 import ReadQuestion
from kwhub.protocols.gdw1376_2.afn_f1 import ParallelAnswer, ParallelRead
from kwhub.protocols.gdw1376_2.explain import explain
from kwhub.protocols.gdw1376_2.frames import Addresses, Control, Frame13762, mark_of
from kwhub.protocols.gdw1376_2.layouts import cells
from kwhub.protocols.gdw1376_2.receiver import FRAME_BYTES_MAX
from kwhub.protocols.gdw1376_2.session import WAIT_LEAST_S, answer_times
from kwhub.protocols.gdw1376_2.states import TRANSITIONS, step
from kwhub.protocols.gdw1376_2.summary import summarise, values
from kwhub.protocols.gdw1376_2.tables import TABLES, find, read_unit
from kwhub.wire.events import Discarded

SLAVE = "000000003304"
FRAME = bytes.fromhex("6804330000000068110434343445FD16")
COUNT = Request(Order(0x10, 1))
MONITOR = Request(order_of(Monitor(FRAME), SLAVE), 90.0)
ALL = (
    *(Request, Batch, Wait, Await, Stop, Initiate, Answer, Confirm, Deny),
    *(Answered, Confirmed, Denied, TimedOut, BatchEnded, Waited),
)


class Two:
    """Both ends joined by hand."""

    def __init__(self):
        self.near = Session(Role.CONCENTRATOR, master="000000000001")
        self.far = Session(Role.MODULE)

    def across(self, now=0.0):
        """Carry bytes both ways once; the events of the far and the near end."""
        self.far.receive(self.near.outgoing(now), now)
        far = self.far.events()
        self.near.receive(self.far.outgoing(now), now)
        return far, self.near.events()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("message", ALL)
def test_every_cell_of_the_table(role, state, message):
    following = TRANSITIONS[role][state].get(message)
    if following is None:
        with pytest.raises(LocalError):
            step(role, state, message)
    else:
        assert step(role, state, message) is following


def test_an_answer_ends_its_request():
    two = Two()
    two.near.send(COUNT, 0.0)
    (asked,), _ = two.across()
    assert isinstance(asked, Asked)
    with pytest.raises(LocalError):
        two.near.send(COUNT, 0.0)
    two.far.send(Answer(asked.frame, order_of(Counts(7, 1024))), 1.0)
    _, (answered,) = two.across(1.0)
    assert answered.unit == Counts(7, 1024)
    assert answered.request is COUNT
    assert two.near.state is State.IDLE
    assert two.near.deadline() is None


def test_a_denial_has_words():
    two = Two()
    two.near.send(MONITOR, 0.0)
    (asked,), _ = two.across()
    assert asked.frame.addresses == Addresses("000000000001", SLAVE)
    two.far.send(Deny(asked.frame, 9), 0.0)
    _, (denied,) = two.across()
    assert (denied.busy, denied.silent, denied.words) == (True, False, "master node busy")


def test_a_confirmation_before_the_data_only_prolongs_the_wait():
    two = Two()
    two.near.send(MONITOR, 0.0)
    (asked,), _ = two.across()
    two.far.send(Confirm(asked.frame, 60), 80.0)
    assert two.across(80.0)[1] == []
    assert two.near.deadline() == pytest.approx(80 + 60 + 90)
    two.far.send(Answer(asked.frame, order_of(Monitored(FRAME), SLAVE)), 100.0)
    _, (answered,) = two.across(100.0)
    assert answered.unit.frame == FRAME


READ = Request(order_of(Monitor(FRAME), SLAVE), 90.0, adapts=True)


def read(two, after_s, now=0.0):
    """Ask the slave; the answer comes so much later, or never when that is longer than the wait."""
    two.near.send(READ, now)
    (asked,), _ = two.across(now)
    wait_s = two.near.deadline() - now
    if after_s > wait_s:
        two.near.on_deadline(now + wait_s)
    else:
        two.far.send(Answer(asked.frame, order_of(Monitored(FRAME), SLAVE)), now + after_s)
        two.across(now + after_s)
    return wait_s


def test_a_slave_whose_times_are_known_is_not_waited_for_as_long_as_any_other():
    two = Two()
    two.near = Session(Role.CONCENTRATOR, times=answer_times())
    assert read(two, 8.0) == 90.0
    assert read(two, 8.0, 100.0) == pytest.approx(8.0 + 4 * 4.0)
    for turn in range(2, 30):
        read(two, 2.0, 100.0 * turn)
    assert read(two, 99.0, 4_000.0) == WAIT_LEAST_S
    two.near.send(MONITOR, 5_000.0)  # what does not adapt, such as a frame of the head-end
    assert two.near.deadline() == 5_090.0
    two.near.on_deadline(5_090.0)
    other = Request(order_of(Monitor(FRAME), "000000009999"), 90.0, adapts=True)
    two.near.send(other, 6_000.0)
    assert two.near.deadline() == 6_090.0


def test_a_slave_that_answered_a_repeat_gets_more_time_next():
    two, times = Two(), answer_times()
    two.near = Session(Role.CONCENTRATOR, times=times)
    for turn in range(30):
        read(two, 2.0, 100.0 * turn)
    assert read(two, 99.0, 4_000.0) == WAIT_LEAST_S
    read(two, 1.0, 4_020.0)
    assert times.of(SLAVE).answers == 30  # it tells no time
    assert read(two, 1.0, 5_000.0) == 1.5 * 21.0


def test_the_word_of_a_module_that_a_slave_is_silent_is_no_answer_time():
    two, times = Two(), answer_times()
    two.near = Session(Role.CONCENTRATOR, times=times)
    two.near.send(Request(order_of(ParallelRead(FRAME), SLAVE), 90.0, adapts=True), 0.0)
    (asked,), _ = two.across()
    two.far.send(Answer(asked.frame, order_of(ParallelAnswer(b""), SLAVE)), 8.0)
    assert isinstance(two.across(8.0)[1][-1], Answered)
    assert times.of(SLAVE).answers == 0


def test_a_late_answer_and_one_of_another_slave_are_no_answers():
    two = Two()
    two.near.send(MONITOR, 0.0)
    (asked,), _ = two.across()
    two.far.send(Answer(asked.frame, order_of(Monitored(FRAME), "000000000042")), 1.0)
    _, (foreign,) = two.across(1.0)
    assert isinstance(foreign, Discarded)
    two.near.on_deadline(90.0)
    (late,) = two.near.events()
    assert late == TimedOut(MONITOR)
    two.far.send(Answer(asked.frame, order_of(Monitored(FRAME), SLAVE)), 91.0)
    _, (stray,) = two.across(91.0)
    assert stray.kind == "unexpected"


def test_reports_are_confirmed_and_repeated_ones_known():
    two = Two()
    two.near.send(Await(frozenset({(6, 3)}), 60.0), 0.0)
    two.far.send(Initiate(order_of(RouteReport(2))), 0.0)
    raw = two.far.outgoing(0.0)
    two.near.receive(raw, 0.0)
    reported, waited = two.near.events()
    assert waited.reported is reported
    assert reported.unit == RouteReport(2)
    two.near.outgoing(0.0)  # the confirmation gets lost
    two.far.on_deadline(6.0)
    assert two.far.outgoing(6.0) == raw
    two.near.receive(raw, 6.0)
    (again,) = two.near.events()
    assert again.repeated
    two.far.receive(two.near.outgoing(6.0), 6.0)
    (confirmed,) = two.far.events()
    assert isinstance(confirmed, Confirmed)


def test_a_question_that_comes_again_still_wants_its_answer():
    two = Two()
    two.far.send(Initiate(order_of(ReadQuestion(SLAVE, 1, 1))), 0.0)
    raw = two.far.outgoing(0.0)
    two.near.receive(raw, 0.0)
    (asked,) = two.near.events()
    two.near.send(Await(frozenset({(0x14, 1)}), 60.0), 1.0)
    two.near.receive(raw, 6.0)
    again, waited = two.near.events()
    assert again.repeated
    assert again.wants_answer
    assert (asked.raw, waited.reported) == (raw, again)


def test_a_report_that_nobody_confirms_is_given_up():
    two = Two()
    two.far.send(Initiate(order_of(RouteReport(1))), 0.0)
    for now in (6.0, 12.0, 18.0):
        two.far.on_deadline(now)
    assert isinstance(two.far.events()[0], TimedOut)
    assert two.far.state is State.IDLE


@pytest.mark.parametrize("request_", [Wait(3_600.0), Await(frozenset({(0x06, 3)}), 3_600.0)])
def test_who_listens_can_be_stopped(request_):
    two = Two()
    two.near.send(request_, 0.0)
    with pytest.raises(LocalError, match="LISTENING"):
        two.near.send(COUNT, 1.0)
    two.near.send(Stop(), 1.0)
    assert two.near.events() == [Waited(request_)]
    assert two.near.deadline() is None
    two.near.send(COUNT, 1.0)
    (asked,), _ = two.across(1.0)
    assert (asked.frame.afn, asked.frame.function) == (0x10, 1)


def test_a_batch_ends_with_its_last_answer():
    two = Two()
    two.near.send(Batch((COUNT, Request(Order(0x12, 2)), Request(Order(0x10, 4)))), 0.0)
    first, second, _third = two.across()[0]
    two.far.send(Confirm(second.frame), 0.0)
    two.far.send(Answer(first.frame, order_of(Counts(1, 2))), 0.0)
    assert two.across()[1] == []
    two.near.on_deadline(6.0)
    (ended,) = two.near.events()
    kinds = [type(result) for result in ended.results]
    assert kinds == [Answered, Confirmed, TimedOut]


def test_our_own_bytes_are_an_echo():
    two = Two()
    two.near.send(COUNT, 0.0)
    two.near.receive(two.near.outgoing(0.0), 0.0)
    assert two.near.events()[0].kind == "echo"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw[:-1] + b"\x17", "end_missing"),
        (lambda raw: raw[:-2] + bytes([raw[-2] ^ 1, 0x16]), "checksum_mismatch"),
        (lambda raw: b"\x69" + raw[1:], "start_missing"),
        (lambda raw: raw + b"\x00", "trailing_bytes"),
        (lambda raw: raw[:1] + bytes([raw[1] + 2]) + raw[2:], "length_mismatch"),
        (lambda raw: raw[:1] + b"\x05\x00" + raw[3:], "length_too_small"),
    ],
)
def test_damage_has_a_name(spoil, kind):
    raw = Frame13762(Control(up=False, primary=True), bytes(6), 3, mark_of(10)).to_bytes()
    with pytest.raises(DecodeError) as damage:
        parse(spoil(raw))
    assert damage.value.kind == kind
    assert not explain(spoil(raw)).ok


def test_editions_are_a_view_of_one_table():
    assert find(0x10, 21, "2013") is None
    added = find(0x10, 21, "2019")
    assert added is not None
    assert added.name == "topology"
    assert find(0x05, 80, "2019") is None
    assert sum(map(len, TABLES.values())) > 70


@given(st.binary(max_size=64), st.booleans())
def test_no_data_makes_a_function_fail(data, up):
    for afn, rows in TABLES.items():
        for row in rows.values():
            found = cells((row.up if up else row.down) or (), data)
            assert all(cell.stop <= len(data) for cell in found)
            unit = read_unit(afn, row.function, data, up=up)
            if unit is not None:
                assert read_unit(afn, row.function, unit.to_data(), up=up) == unit


FRAMES = st.builds(
    lambda control, info, afn, mark, data: Frame13762(
        Control.from_byte(control), bytes([info[0] & 0xFB]) + info[1:], afn, mark, data
    ),
    st.integers(0, 255),
    st.binary(min_size=6, max_size=6),
    st.integers(0, 255),
    st.binary(min_size=2, max_size=2),
    st.binary(max_size=80),
)


@given(FRAMES)
def test_any_frame_comes_back(frame):
    raw = frame.to_bytes()
    again = parse(raw)
    assert again == frame
    assert summarise(again)["len"] == len(raw)
    values(again)
    assert explain(raw).parts[-1].stop == len(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_explained(data):
    parts = explain(data).parts
    assert (parts[-1].stop if parts else 0) == len(data)


@given(st.lists(st.one_of(FRAMES.map(Frame13762.to_bytes), st.binary(max_size=12)), max_size=5))
def test_pieces_do_not_matter_and_no_byte_is_lost(parts):
    stream = b"".join(parts)
    whole, single = Receiver(), Receiver()
    at_once = whole.feed(stream)
    one_by_one = [item for byte in stream for item in single.feed(bytes([byte]))]
    frames = [item.raw for item in at_once if isinstance(item, Received)]
    assert frames == [item.raw for item in one_by_one if isinstance(item, Received)]
    while whole.pending:
        at_once += whole.give_up()
    assert b"".join(item.raw for item in at_once) == stream


@pytest.mark.slow
def test_a_hostile_stream_costs_linear_work():
    claim = b"\x68" + FRAME_BYTES_MAX.to_bytes(2, "little")
    receiver = Receiver()
    found = receiver.feed(claim * 60_000)
    assert not any(isinstance(item, Received) for item in found)
    assert receiver.pending <= FRAME_BYTES_MAX

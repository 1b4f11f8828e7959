"""Two real sessions back to back: the whole exchange, loss, echo, late and foreign answers."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError, Refusal
from kwhub.protocols.dlt645 import (
    AddressFound,
    Asked,
    Data,
    Edition,
    Frame645,
    ReadAddress,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    Refused,
    Role,
    Session,
    TimedOut,
)
from kwhub.protocols.dlt645.states import TRANSITIONS, Happening, State, step
from kwhub.protocols.dlt645.states import Role as StateRole

METER = "000000000038"
OTHER = "000000000039"
ENERGY = 0x00010000
VALUE = bytes.fromhex("38000000")


@dataclass
class Pair:
    """A master and a meter on one line; every transfer is one line of a test."""

    piece: int = 1000
    master: Session = field(default_factory=lambda: Session(Role.MASTER))
    meter: Session = field(default_factory=lambda: Session(Role.METER, addresses={METER}))
    now: float = 0.0

    def ask(self, request):
        self.master.send(request, self.now)
        raw = self.master.outgoing(self.now)
        self.carry(raw, self.meter)
        return self.meter.events()

    def answer(self, answer):
        self.meter.send(answer, self.now)
        raw = self.meter.outgoing(self.now)
        self.carry(raw, self.master)
        return self.master.events()

    def carry(self, raw, to):
        for at in range(0, len(raw), self.piece):
            self.now += 0.001
            to.receive(raw[at : at + self.piece], self.now)


def due(session):
    moment = session.deadline()
    assert moment is not None
    return moment


def expire(session):
    """Let the time pass that the session waits for."""
    session.on_deadline(due(session))
    return session.events()


def kinds(events):
    return [getattr(event, "kind", type(event).__name__) for event in events]


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_read(piece):
    pair = Pair(piece)
    (asked,) = pair.ask(ReadData(METER, ENERGY))
    assert asked == Asked(asked.frame, ReadData(METER, ENERGY), asked.raw)
    assert asked.raw.startswith(b"\xfe\xfe\xfe\xfe\x68")
    (data,) = pair.answer(Data(METER, ENERGY, VALUE))
    assert data == Data(METER, ENERGY, VALUE, raw=data.raw)
    assert data.raw.hex() == "68380000000000689108333334336b3333337216"
    assert data.final
    assert pair.master.state is State.IDLE
    assert pair.meter.state is State.LISTENING
    assert pair.master.deadline() is None


@pytest.mark.parametrize("edition", list(Edition))
def test_follow_ups(edition):
    pair = Pair(meter=Session(Role.METER, edition=None, addresses={METER}))
    identifier = 0x03300501 if edition is Edition.E2007 else 0x901F
    (asked,) = pair.ask(ReadData(METER, identifier, edition=edition))
    assert asked.request.edition is edition
    (first,) = pair.answer(Data(METER, identifier, bytes(48), more=True))
    assert first.more
    assert first.raw[8] == (0xB1 if edition is Edition.E2007 else 0xA1)
    for number, more in ((1, True), (2, False)):
        (asked,) = pair.ask(ReadFollowUp(METER, identifier, number, edition))
        assert asked.request.identifier == identifier
        (part,) = pair.answer(Data(METER, identifier, bytes([number] * 9), more))
        assert part.payload == bytes([number] * 9)
        assert part.more is more
        assert part.sequence == (number if edition is Edition.E2007 else None)


def test_read_address_by_wildcard():
    pair = Pair()
    (asked,) = pair.ask(ReadAddress())
    assert asked.request == ReadAddress("AAAAAAAAAAAA")
    assert pair.answer(AddressFound(METER))[0].address == METER


def test_read_again_of_1997():
    pair = Pair(meter=Session(Role.METER, edition=Edition.E1997, addresses={METER}))
    pair.ask(ReadAgain(METER, 0x9010))
    (data,) = pair.answer(Data(METER, 0x9010, VALUE))
    assert data.payload == VALUE
    assert data.raw[8] == 0x83


def test_refusal():
    pair = Pair()
    pair.ask(ReadData(METER, 0x12345678))
    (refused,) = pair.answer(Refused(METER, 0x02))
    assert refused.reasons == ("no such data",)
    assert refused.raw[8:11].hex() == "d10135"  # the error byte travels with the offset
    assert refused.final
    assert isinstance(refused.refusal, Refusal)
    assert refused.refusal.reasons == ("no such data",)
    assert pair.master.state is State.IDLE


def test_refusal_of_1997_has_its_own_words():
    pair = Pair(meter=Session(Role.METER, edition=Edition.E1997, addresses={METER}))
    pair.ask(ReadData(METER, 0x90FF, edition=Edition.E1997))
    (refused,) = pair.answer(Refused(METER, 0x02))
    assert refused.reasons == ("identifier error",)


def test_time_out_counts_from_the_end_of_the_request_on_the_wire():
    master = Session(Role.MASTER, baud=1200, answer_timeout_s=0.5)
    request = ReadData(METER, ENERGY)
    master.send(request, 10.0)
    assert master.deadline() is None
    sent = master.outgoing(10.0)
    expected = 10.0 + len(sent) * 11 / 1200 + 0.5
    assert master.deadline() == pytest.approx(expected)
    master.on_deadline(expected - 0.01)
    assert master.events() == []
    master.on_deadline(expected)
    (event,) = master.events()
    assert event == TimedOut(request)
    assert event.timed_out
    assert master.state is State.IDLE


def test_an_answer_that_has_begun_in_time_may_end_late():
    pair = Pair()
    pair.ask(ReadData(METER, ENERGY))
    pair.meter.send(Data(METER, ENERGY, VALUE), 0.0)
    raw = pair.meter.outgoing(0.0)
    last = due(pair.master) - 0.01
    pair.master.receive(raw[:7], last)
    assert pair.master.deadline() == pytest.approx(last + 0.5)
    pair.master.on_deadline(last + 0.4)
    pair.master.receive(raw[7:], last + 0.4)
    assert kinds(pair.master.events()) == ["Data"]


def test_noise_without_end_does_not_keep_the_master_waiting():
    master = Session(Role.MASTER)
    master.send(ReadData(METER, ENERGY), 0.0)
    master.outgoing(0.0)
    now = 0.0
    events: list[object] = []
    while not any(isinstance(event, TimedOut) for event in events):
        now += 0.1
        master.receive(b"\x55", now)
        if due(master) <= now:
            master.on_deadline(now)
        events += master.events()
        assert now < 10
    assert now < 2.0 + 212 * 11 / 600 + 0.2


def test_lost_request_then_a_second_try():
    pair = Pair()
    pair.master.send(ReadData(METER, ENERGY), 0.0)
    pair.master.outgoing(0.0)  # lost on the way
    assert kinds(expire(pair.master)) == ["TimedOut"]
    pair.ask(ReadData(METER, ENERGY))
    assert kinds(pair.answer(Data(METER, ENERGY, VALUE))) == ["Data"]


@pytest.mark.parametrize("piece", [1, 1000])
def test_own_echo_is_dropped(piece):
    pair = Pair(piece)
    pair.master.send(ReadData(METER, ENERGY), 0.0)
    sent = pair.master.outgoing(0.0)
    pair.carry(sent, pair.master)
    pair.carry(sent, pair.meter)
    pair.meter.events()
    assert kinds(pair.answer(Data(METER, ENERGY, VALUE))) == ["echo", "Data"]


def test_what_is_not_the_answer_is_dropped_with_a_reason():
    pair = Pair()
    request = ReadFollowUp(METER, ENERGY, 2)
    pair.ask(request)
    identifier = ENERGY.to_bytes(4, "little")
    for frame, kind in (
        (Frame645(OTHER, 0x92, identifier + VALUE + b"\x02"), "foreign_address"),
        (Frame645("AAAAAAAAAAAA", 0x92, identifier + VALUE + b"\x02"), "foreign_address"),
        (Frame645(METER, 0x91, identifier + VALUE), "other_function"),
        (Frame645(METER, 0x92, bytes(4) + VALUE + b"\x02"), "other_identifier"),
        (Frame645(METER, 0x92, identifier + VALUE + b"\x01"), "other_sequence"),
        (Frame645(METER, 0x92, identifier), "bad_length_for_function"),
        (Frame645(METER, 0xD2, b"\x02\x00"), "bad_length_for_function"),
        (Frame645(OTHER, 0x11, identifier), "foreign_request"),
    ):
        pair.master.receive(frame.to_bytes(), 0.1)
        assert kinds(pair.master.events()) == [kind]
        assert pair.master.state is State.WAITING
    assert kinds(pair.answer(Data(METER, ENERGY, VALUE))) == ["Data"]


def test_late_answer_of_the_request_before():
    pair = Pair()
    pair.ask(ReadData(METER, 0x02010100))
    pair.meter.send(Data(METER, 0x02010100, b"\x01\x22"), 0.0)
    late = pair.meter.outgoing(0.0)
    expire(pair.master)
    pair.master.receive(late, 3.0)
    assert kinds(pair.master.events()) == ["late"]
    pair.ask(ReadData(METER, ENERGY))
    pair.master.receive(late, 4.0)
    assert kinds(pair.master.events()) == ["other_identifier"]
    assert kinds(pair.answer(Data(METER, ENERGY, VALUE))) == ["Data"]


@pytest.mark.parametrize(
    ("asked", "answered", "taken"),
    [
        ("AAAAAAAAAAAA", METER, True),
        ("AAAAAAAAAAAA", "AAAAAAAAAAAA", True),
        ("AAAAAAAA0038", METER, True),
        ("AAAAAAAA0038", OTHER, False),
        ("999999999999", METER, True),
        (METER, OTHER, False),
    ],
)
def test_wildcard_rule_for_answers(asked, answered, taken):
    master = Session(Role.MASTER)
    master.send(ReadData(asked, ENERGY), 0.0)
    master.outgoing(0.0)
    master.receive(Frame645(answered, 0x91, bytes.fromhex("00000100") + VALUE).to_bytes(), 0.1)
    assert kinds(master.events()) == (["Data"] if taken else ["foreign_address"])


def test_damaged_answer_is_named_when_the_line_is_quiet():
    pair = Pair()
    pair.ask(ReadData(METER, ENERGY))
    pair.meter.send(Data(METER, ENERGY, VALUE), 0.0)
    raw = bytearray(pair.meter.outgoing(0.0))
    raw[13] ^= 4
    pair.master.receive(bytes(raw), 0.1)
    assert pair.master.events() == []
    assert kinds(expire(pair.master)) == ["checksum_mismatch"]
    assert kinds(expire(pair.master)) == ["TimedOut"]


def test_half_a_frame_is_given_up_after_the_byte_gap():
    pair = Pair()
    raw = Frame645(METER, 0x11, bytes.fromhex("00000100"), 4).to_bytes()
    pair.meter.receive(raw[:9], 0.0)
    assert pair.meter.deadline() == pytest.approx(0.5)
    pair.meter.receive(raw, 0.6)  # nobody has called on_deadline: the pause counts all the same
    assert kinds(pair.meter.events()) == ["truncated", "Asked"]
    pair.meter.receive(raw[:9], 1.0)
    pair.meter.on_deadline(1.5)
    assert kinds(pair.meter.events()) == ["truncated"]
    assert pair.meter.deadline() is None


def test_only_one_request_at_a_time():
    pair = Pair()
    pair.ask(ReadData(METER, ENERGY))
    with pytest.raises(LocalError):
        pair.master.send(ReadData(METER, ENERGY), 0.0)


@pytest.mark.parametrize(
    "request_",
    [
        ReadData(METER, 1 << 32),
        ReadData(METER, 0x10000, edition=Edition.E1997),
        ReadData(METER, ENERGY, bytes(197)),
        ReadData("38", ENERGY),
        ReadFollowUp(METER, ENERGY, 0),
        ReadFollowUp(METER, ENERGY, 256),
    ],
)
def test_impossible_requests_leave_the_master_free(request_):
    master = Session(Role.MASTER)
    with pytest.raises(LocalError):
        master.send(request_, 0.0)
    assert master.state is State.IDLE
    assert master.outgoing(0.0) == b""


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (Frame645(OTHER, 0x11, bytes(4)), "foreign_address"),
        (Frame645("AAAAAAAA0039", 0x11, bytes(4)), "foreign_address"),
        (Frame645("999999999999", 0x11, bytes(4)), "broadcast_refused"),
        (Frame645(METER, 0x91, bytes(8)), "foreign_answer"),
        (Frame645(METER, 0x01, bytes(2)), "unknown_function"),
        (Frame645(METER, 0x31, bytes(4)), "unknown_function"),
        (Frame645(METER, 0x11, bytes(3)), "bad_length_for_function"),
        (Frame645(METER, 0x12, bytes(4)), "bad_length_for_function"),
    ],
)
def test_a_meter_is_silent_about_what_is_not_for_it(frame, kind):
    pair = Pair()
    pair.meter.receive(frame.to_bytes(), 0.0)
    assert kinds(pair.meter.events()) == [kind]
    assert pair.meter.outgoing(0.0) == b""
    with pytest.raises(LocalError):
        pair.meter.send(Data(METER, 0, b""), 0.0)


@pytest.mark.parametrize("asked", [METER, "AAAAAAAAAAAA", "AAAAAAAAAA38"])
def test_a_meter_is_meant_by_its_address_and_by_wildcards(asked):
    pair = Pair()
    (event,) = pair.ask(ReadData(asked, ENERGY))
    assert event.request.address == asked
    assert pair.answer(Data(METER, ENERGY, VALUE))[0].address == METER


def test_a_meter_may_know_its_addresses_by_a_function():
    asked = []

    def is_mine(address):
        asked.append(address)
        return True

    meter = Session(Role.METER, addresses=is_mine)
    meter.receive(Frame645(OTHER, 0x11, bytes(4)).to_bytes(), 0.0)
    assert kinds(meter.events()) == ["Asked"]
    assert asked == [OTHER]


def test_1997_meters_answer_reads_to_the_broadcast_address():
    meter = Session(Role.METER, edition=Edition.E1997, addresses={METER})
    meter.receive(Frame645("999999999999", 0x01, b"\x10\x90").to_bytes(), 0.0)
    assert kinds(meter.events()) == ["Asked"]


def test_answers_take_the_preamble_that_is_set():
    for count in (0, 1, 4):
        meter = Session(Role.METER, addresses={METER}, preamble=count)
        meter.receive(Frame645(METER, 0x11, bytes(4)).to_bytes(), 0.0)
        meter.events()
        meter.send(Data(METER, 0, VALUE), 0.0)
        assert meter.outgoing(0.0)[: count + 1] == b"\xfe" * count + b"\x68"


def test_a_newer_request_replaces_the_older_one():
    pair = Pair()
    old, new = ReadData(METER, 1), ReadData(METER, 2)
    for request in (old, new):
        pair.meter.receive(Frame645(METER, 0x11, request.data()).to_bytes(), 0.0)
    assert [event.request for event in pair.meter.events()] == [old, new]
    pair.meter.send(Data(METER, 1, VALUE), 0.0)
    assert pair.meter.state == State.ASKED
    pair.meter.send(Data(METER, 2, VALUE), 0.0)
    assert pair.meter.state.value == "listening"
    with pytest.raises(LocalError):
        pair.meter.send(Data(METER, 1, VALUE), 0.0)


def test_requests_that_are_left_unanswered_are_given_up():
    pair = Pair()
    for number in (1, 2, 3):
        pair.meter.receive(Frame645(METER, 0x11, bytes([number, 0, 0, 0])).to_bytes(), 0.0)
    pair.meter.send(Data(METER, 3, VALUE), 0.0)
    assert pair.meter.state is State.LISTENING
    with pytest.raises(LocalError):
        pair.meter.send(Data(METER, 1, VALUE), 0.0)


def test_only_functions_of_the_edition_are_asked():
    @dataclass
    class Calibrate:
        address: str = METER
        edition: Edition = Edition.E1997
        function: int = 0x05

    with pytest.raises(LocalError, match="no function 05"):
        Session(Role.MASTER).send(Calibrate(), 0.0)


def test_its_own_answer_coming_back_is_an_echo():
    pair = Pair()
    pair.ask(ReadData(METER, ENERGY))
    pair.meter.send(Data(METER, ENERGY, VALUE), 0.0)
    pair.meter.receive(pair.meter.outgoing(0.0), 0.0)
    assert kinds(pair.meter.events()) == ["echo"]


def test_every_way_of_the_table_and_no_other():
    assert set(TRANSITIONS) == set(State)
    for state in State:
        for happening in Happening:
            if happening in TRANSITIONS[state]:
                assert step(state, happening) is TRANSITIONS[state][happening]
            else:
                with pytest.raises(LocalError):
                    step(state, happening)
    assert Role is StateRole


@given(st.lists(st.tuples(st.binary(max_size=30), st.floats(0, 3)), max_size=10), st.booleans())
def test_no_bytes_and_no_times_upset_a_session(chunks, asking):
    for session in (
        Session(Role.MASTER),
        Session(Role.METER, edition=None, addresses=lambda _: True),
    ):
        now = 0.0
        if asking and session.role is Role.MASTER:
            session.send(ReadData(METER, ENERGY), now)
            session.outgoing(now)
        for data, pause in chunks:
            now += pause
            moment = session.deadline()
            if moment is not None and moment <= now:
                session.on_deadline(now)
            session.receive(data, now)
            session.events()
        while (moment := session.deadline()) is not None:
            now = max(now, moment)
            session.on_deadline(now)
        assert session.state in (State.IDLE, State.LISTENING, State.ASKED)

"""Sessions of both roles: every request with everything that may come, and back to back over bad lines."""

from random import Random

import pytest

from kwhub.domain.errors import LocalError
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import ACK_FRAME, FrameMbus
from kwhub.protocols.mbus.messages import (
    Acknowledged,
    Answered,
    Asked,
    Pause,
    Paused,
    Read,
    Repeated,
    Reply,
    Reset,
    Retune,
    Retuned,
    Send,
    Sent,
    TimedOut,
)
from kwhub.protocols.mbus.session import LATENCY_S, Role, Session, answer_times
from kwhub.testing import Pair

REQUESTS = {
    "reset": Reset(5),
    "send": Send(5, c.CI_SEND, b"\x01\x7a\x08"),
    "read": Read(5),
    "read selected": Read(c.ADDRESS_SELECTED),
    "alarms": Read(5, alarms=True),
    "all": Send(c.ADDRESS_ALL, c.CI_RESET),
    "pause": Pause(3.0),
}
ANSWER = FrameMbus.long(c.RSP_UD, 5, c.CI_VARIABLE, bytes(12))
HEARD = {
    "nothing": b"",
    "acknowledgement": b"\xe5",
    "answer": ANSWER.to_bytes(),
    "answer of another": FrameMbus.long(c.RSP_UD, 6, c.CI_VARIABLE, bytes(12)).to_bytes(),
    "a master's frame": FrameMbus.short(c.REQ_UD2 | c.FCB, 9).to_bytes(),
    "noise": b"\xfc\x00",
    "half an answer": ANSWER.to_bytes()[:9],
}
ENDS = {
    ("reset", "acknowledgement"): Acknowledged,
    ("send", "acknowledgement"): Acknowledged,
    ("alarms", "acknowledgement"): Acknowledged,
    ("read", "answer"): Answered,
    ("alarms", "answer"): Answered,
    ("read selected", "answer"): Answered,
    ("read selected", "answer of another"): Answered,
}
LATE = {"all": Sent, "pause": Paused}


@pytest.mark.parametrize("heard", HEARD)
@pytest.mark.parametrize("asked", REQUESTS)
def test_every_request_with_everything_that_may_come(asked, heard):
    session = Session(Role.MASTER)
    session.send(REQUESTS[asked], 0.0)
    out = session.outgoing(0.0)
    with pytest.raises(LocalError):
        session.send(REQUESTS[asked], 0.0)
    session.receive(HEARD[heard], 0.05)
    expected = ENDS.get((asked, heard))
    ends = [event for event in session.events() if event.final]
    assert [type(end) for end in ends] == ([] if expected is None else [expected])
    if expected is None:
        for _ in range(2):  # a frame that has begun is waited for first
            deadline = session.deadline()
            if deadline is not None:
                session.on_deadline(deadline - 0.001)
                assert not [event for event in session.events() if event.final]
                session.on_deadline(deadline)
                ends += [event for event in session.events() if event.final]
        assert [type(end) for end in ends] == [LATE.get(asked, TimedOut)]
        if isinstance(ends[0], TimedOut):
            several = heard in ("noise", "half an answer", "acknowledgement", "answer")
            assert bool(ends[0].heard) == (several or heard == "answer of another")
    session.send(REQUESTS[asked], 9.0)
    again = session.outgoing(9.0)
    counted = isinstance(REQUESTS[asked], Read | Send)
    went_on = expected is not None or asked == "all"
    assert (again == out) == (not counted or not went_on)


def test_after_a_reset_that_nobody_heard_the_bit_is_set():
    session = Session(Role.MASTER)
    for request, control in ((Read(5), 0x7B), (Read(5), 0x5B), (Reset(5), 0x40), (Read(5), 0x7B)):
        session.send(request, 0.0)
        assert session.outgoing(0.0)[1] == control
        if isinstance(request, Read):
            session.receive(ANSWER.to_bytes(), 0.1)
        else:
            session.on_deadline(session.deadline() or 0)
        session.events()


def test_each_address_has_its_own_bit_and_a_reset_of_all_sets_them_all():
    session = Session(Role.MASTER)

    def controls(*addresses):
        found = []
        for address in addresses:
            session.send(Send(address, c.CI_SEND, b"\x2f"), 0.0)
            found.append(session.outgoing(0.0)[4])
            session.receive(b"\xe5", 0.1)
        return found

    assert controls(5, 6, 5, c.ADDRESS_SELECTED) == [0x73, 0x73, 0x53, 0x73]
    session.send(Reset(c.ADDRESS_ALL), 0.0)
    assert session.outgoing(0.0)[1] == c.SND_NKE
    session.on_deadline(session.deadline() or 0)
    assert controls(6, c.ADDRESS_SELECTED) == [0x73, 0x73]


def test_another_speed_is_an_event_and_changes_the_waits():
    session = Session(Role.MASTER)
    session.send(Retune(300), 0.0)
    assert session.outgoing(0.0) == b""
    assert [type(event) for event in session.events()] == [Retuned]
    session.send(Read(5), 0.0)
    assert (session.deadline() or 0) > 1.2
    with pytest.raises(LocalError, match="1234"):
        Session(Role.MASTER).send(Retune(1234), 0.0)
    with pytest.raises(LocalError):
        Session(Role.MASTER).send(Reply(ACK_FRAME), 0.0)
    with pytest.raises(LocalError):
        Session(Role.SLAVE).send(Read(5), 0.0)


def asked(session, frame):
    """What a slave's session tells and says at once."""
    session.receive(frame.to_bytes(), 0.0)
    return [type(event) for event in session.events()], session.outgoing(0.0)


def test_a_slave_gives_its_last_answer_again_by_itself():
    slave = Session(Role.SLAVE)
    first, second = FrameMbus.short(0x7B, 5), FrameMbus.short(0x5B, 5)
    assert asked(slave, first) == ([Asked], b"")
    slave.send(Reply(ANSWER), 0.0)
    assert slave.outgoing(0.0) == ANSWER.to_bytes()
    assert asked(slave, first) == ([Repeated], ANSWER.to_bytes())
    assert asked(slave, second) == ([Asked], b"")
    slave.send(Reply(ACK_FRAME), 0.0)
    slave.outgoing(0.0)
    assert asked(slave, FrameMbus.short(c.SND_NKE, 5))[0] == [Asked]
    assert asked(slave, second) == ([Asked], b"")  # forgotten


def test_a_selection_is_never_a_repeat():
    slave = Session(Role.SLAVE)
    select = FrameMbus.long(0x73, c.ADDRESS_SELECTED, c.CI_SELECT, b"\xff" * 8)
    for _ in range(2):
        assert asked(slave, select)[0] == [Asked]
        slave.send(Reply(ACK_FRAME), 0.0)
        slave.outgoing(0.0)


def test_a_slave_without_memory_is_asked_every_time():
    slave = Session(Role.SLAVE, remembers=False)
    for _ in range(2):
        assert asked(slave, FrameMbus.short(0x7B, 5))[0] == [Asked]
        slave.send(Reply(ANSWER), 0.0)
        slave.outgoing(0.0)


def worse(chance, permille):
    """A wire that loses, cuts, turns bits of, and adds noise to what is written."""

    def hook(data):
        if chance.randrange(1000) >= permille:
            return data
        kind = chance.randrange(4)
        if kind == 0:
            return b""
        if kind == 1:
            return data[: chance.randrange(len(data))]
        if kind == 2:
            return chance.randbytes(3) + data
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    return hook


@pytest.mark.parametrize("seed", range(30))
def test_both_roles_over_a_bad_line_count_every_read_once(seed):
    """A number is handed out for each read; the bit keeps a repeat from taking the next one."""
    chance = Random(seed)
    handed = iter(range(10_000))

    def answer(event):
        if not isinstance(event, Asked):
            return None
        if event.frame.control & ~c.FCB != c.REQ_UD2:
            return [Reply(ACK_FRAME)]
        number = next(handed).to_bytes(4, "little")
        return [Reply(FrameMbus.long(c.RSP_UD, 5, c.CI_VARIABLE, bytes(12) + b"\x04\x13" + number))]

    pair = Pair(
        Session(Role.MASTER),
        Session(Role.SLAVE),
        answer=answer,
        piece_bytes=chance.choice((None, 1, 7)),
    )
    assert isinstance(pair.ask(Reset(5)), Acknowledged)
    pair.to_answerer, pair.to_asker = worse(chance, 300), worse(chance, 300)
    heard = []
    for _ in range(40):
        for _ in range(20):
            event = pair.ask(Read(5))
            if isinstance(event, Answered):
                heard.append(int.from_bytes(event.frame.data[-4:], "little"))
                break
            pair.now += 2.0
        else:
            pytest.fail("twenty attempts")
    assert heard == list(range(40))


def wait_of(session, request, now=0.0):
    """How long a session waits for an answer, from the end of the request on the wire."""
    session.send(request, now)
    sent = len(session.outgoing(now)) * 11 / session.baud
    return session.deadline() - now - sent


def answered(session, after_s, request=None, now=0.0):
    """A request whose answer begins after some seconds."""
    session.send(request or Read(5), now)
    at = now + len(session.outgoing(now)) * 11 / session.baud + after_s
    raw = ANSWER.to_bytes()
    session.receive(raw, at + len(raw) * 11 / session.baud)
    assert isinstance(session.events()[-1], Answered)


METER_S = 330 / 2400 + 0.05
"""What a meter has by EN 13757-2."""


def test_a_gateway_that_is_faster_than_it_was_told_is_not_waited_for():
    times = answer_times(2400, latency_s=3.0)
    session = Session(Role.MASTER, latency_s=3.0, times=times, meter="5")
    assert wait_of(Session(Role.MASTER, latency_s=3.0), Read(5)) == pytest.approx(METER_S + 3.0)
    assert wait_of(session, Read(5)) == pytest.approx(METER_S + 3.0)
    session.on_deadline(9.0)
    for _ in range(20):
        answered(session, 0.02, now=20.0)
    assert wait_of(session, Read(5)) == pytest.approx(METER_S + LATENCY_S)
    other = Session(Role.MASTER, latency_s=3.0, times=times, meter="6")
    assert wait_of(other, Read(6)) == pytest.approx(METER_S + 3.0)
    everybody = Session(Role.MASTER, latency_s=3.0, times=times, meter="5")
    to_all = Send(c.ADDRESS_ALL, c.CI_RESET)
    assert wait_of(everybody, to_all) == pytest.approx(METER_S + 3.0)


def test_a_meter_that_answers_too_late_gets_more_time():
    times = answer_times(2400)
    session = Session(Role.MASTER, times=times, meter="5")
    first = wait_of(session, Read(5), now=100.0)
    session.on_deadline(100.4)
    assert isinstance(session.events()[-1], TimedOut)
    session.send(Read(5), 100.4)  # again, and now the answer to the first one comes
    session.outgoing(100.4)
    session.receive(ANSWER.to_bytes(), 100.6)
    assert times.of("5").answers == 0  # it tells no time
    assert wait_of(session, Read(5), now=110.0) > 1.5 * 0.4 > first
    session.on_deadline(120.0)
    assert times.of("5").silences == 1


def test_another_speed_begins_anew():
    session = Session(Role.MASTER, times=answer_times(9600), baud=9600, meter="5")
    for _ in range(20):
        answered(session, 0.02)
    session.send(Retune(300), 0.0)
    session.events()
    assert wait_of(session, Read(5)) == pytest.approx(330 / 300 + 0.05 + LATENCY_S)

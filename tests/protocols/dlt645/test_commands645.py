"""Commands of both editions: published bytes, both ends, answers that do not fit."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import own, shared

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645 import (
    AddressFound,
    Asked,
    Authenticate,
    Authority,
    ChangePassword,
    ChangeRate,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Data,
    Done,
    Edition,
    Frame645,
    Freeze,
    Key,
    ReadAddress,
    ReadData,
    Refused,
    RelayOrder,
    Role,
    Sent,
    Session,
    SetOutput,
    SetTime,
    TimedOut,
    WriteAddress,
    WriteData,
    parse,
)
from kwhub.protocols.dlt645.checks import function_problem
from kwhub.protocols.dlt645.control import FUNCTIONS, edition_of
from kwhub.protocols.dlt645.services import REQUESTS, request_in
from kwhub.protocols.dlt645.times import wall_time_bytes

METER = "000000000038"
NOON = datetime(2026, 3, 2, 12, 0, 5)
KEY = Key(0x02, "123456")
WHO = Authority(KEY, "00000017")
E1997 = Edition.E1997

COMMANDS = [
    (WriteData(METER, 0x04000401, bytes(6), WHO), "14"),
    (WriteAddress("000000000039"), "15"),
    (Freeze(METER), "16"),
    (ChangeRate(METER, 0x08), "17"),
    (ChangePassword(METER, KEY, Key(0x02, "654321"), 0x04000C03), "18"),
    (ClearDemand(METER, WHO), "19"),
    (ClearMeter(METER, WHO), "1A"),
    (ClearEvents(METER, WHO), "1B"),
    (ClearEvents(METER, WHO, 0x030500FF), "1B"),
    (ClearEvents(METER, Authority(Key(0x98)), cipher=bytes(20)), "1B"),
    (ControlRelay(METER, WHO, RelayOrder(0x1A, NOON).to_bytes()), "1C"),
    (SetOutput(METER, 1), "1D"),
    (WriteData(METER, 0xC010, bytes(4), Authority(KEY), E1997), "04"),
    (WriteAddress("000000000039", "999999999999", E1997), "0A"),
    (ChangeRate(METER, 0x04, E1997), "0C"),
    (ChangePassword(METER, KEY, Key(0x00, "000001"), edition=E1997), "0F"),
    (ClearDemand(METER, Authority(KEY), edition=E1997), "10"),
]


def pair(edition=Edition.E2007):
    return Session(Role.MASTER), Session(Role.METER, edition=edition, addresses={METER})


def ask(master, meter, request):
    master.send(request, 0.0)
    meter.receive(master.outgoing(0.0), 0.1)
    return meter.events()


def kinds(events):
    return [getattr(event, "kind", type(event).__name__) for event in events]


@pytest.mark.parametrize(("request_", "control"), COMMANDS, ids=str)
def test_a_command_and_its_answer(request_, control):
    master, meter = pair(request_.edition)
    (asked,) = ask(master, meter, request_)
    assert asked == Asked(asked.frame, request_, asked.raw)
    assert f"{asked.frame.control:02X}" == control
    answering = request_.new_address if isinstance(request_, WriteAddress) else METER
    meter.send(Done(answering), 0.2)
    master.receive(meter.outgoing(0.2), 0.3)
    (done,) = master.events()
    assert isinstance(done, Done)
    assert done.address == answering
    assert parse(done.raw).control == request_.function | 0x80
    assert function_problem(parse(done.raw), request_.edition) is None


@pytest.mark.parametrize(("request_", "control"), COMMANDS, ids=str)
def test_a_refused_command(request_, control):
    master, meter = pair(request_.edition)
    ask(master, meter, request_)
    meter.send(Refused(METER, 0x04, function=request_.function), 0.2)
    raw = meter.outgoing(0.2)
    assert raw[8] == int(control, 16) | 0xC0
    master.receive(raw, 0.3)
    if control == "15":  # has no refusal; and the meter does not have the new address yet
        assert kinds(master.events()) == ["unknown_function"]
    else:
        assert "password wrong" in master.events()[0].reasons[0]


def test_published_requests_are_read_and_written_alike():
    lines = [line for line in own("dlt645.jsonl") if line["valid"]]
    seen = set()
    for line in lines:
        raw = bytes.fromhex(line["hex"])
        frame = parse(raw)
        if not frame.is_answer:
            request = request_in(frame, edition_of(frame.control))
            seen.add(type(request).__name__)
            again = Frame645(request.address, request.function, request.data(), frame.preamble)
            assert again.to_bytes() == raw
    assert {"ReadData", "SetTime", "ControlRelay", "WriteData", "ChangeRate"} <= seen


def test_requests_of_the_corpus_are_read_and_written_alike():
    for line in shared("dlt645.jsonl"):
        if not line["valid"] or line.get("level") == "data":
            continue
        raw = bytes.fromhex(line["hex"])
        frame = parse(raw)
        if frame.is_answer or line["id"] == "v07-080":  # year first: no time
            continue
        request = request_in(frame, edition_of(frame.control))
        again = Frame645(request.address, request.function, request.data(), frame.preamble)
        assert again.to_bytes() == raw, line["id"]
        expect = line["expect"]
        authority = getattr(request, "authority", None)
        if authority is not None:
            assert f"{authority.key.level:02X}" == expect["pa"]
            assert authority.key.password == expect["password"]
            assert authority.operator == expect.get("operator", "00000000")
        if "command" in expect and not expect["valid_until"].startswith("2000-00"):
            order = RelayOrder.from_bytes(request.order)
            assert f"{order.command:02X}" == expect["command"]
            assert order.to_bytes() == request.order


def test_the_time_for_all_meters_is_sent_once_and_answered_by_nobody():
    master, meter = pair()
    request = SetTime(NOON)
    (told,) = ask(master, meter, request)
    assert told.silent
    assert told.request == request
    assert master.events() == [Sent(request)]
    assert master.deadline() is None
    with pytest.raises(LocalError):
        meter.send(Done(METER), 0.2)
    master.send(ReadData(METER, 0x00010000), 0.3)


def test_a_time_that_does_not_exist_is_not_taken():
    _, meter = pair()
    frame = Frame645("999999999999", 0x08, bytes.fromhex("251102123456"))
    meter.receive(frame.to_bytes(), 0.0)
    assert kinds(meter.events()) == ["time_not_valid"]


def test_a_freeze_without_digits_is_not_taken():
    _, meter = pair()
    meter.receive(Frame645(METER, 0x16, b"\x0a\x00\x00\x00").to_bytes(), 0.0)
    assert kinds(meter.events()) == ["time_not_valid"]


def test_a_freeze_for_all_meters_is_silent_and_for_one_is_answered():
    master, meter = pair()
    (told,) = ask(master, meter, Freeze("999999999999", "99990000"))
    assert told.silent
    assert parse(told.raw).data.hex() == "00009999"
    master.events()
    (asked,) = ask(master, meter, Freeze(METER))
    assert not asked.silent


def test_an_answer_that_repeats_other_data_is_not_believed():
    master, meter = pair()
    ask(master, meter, ChangeRate(METER, 0x08))
    meter.send(Done(METER, data=b"\x04"), 0.2)
    master.receive(meter.outgoing(0.2), 0.3)
    assert kinds(master.events()) == ["other_parameter"]
    master.on_deadline(master.deadline() or 0.0)
    assert kinds(master.events()) == ["TimedOut"]


def test_the_new_address_answers():
    master, _ = pair()
    master.send(WriteAddress("000000000039", METER), 0.0)
    master.outgoing(0.0)
    for address, taken in (("000000000040", False), ("000000000039", True)):
        master.receive(Frame645(address, 0x95).to_bytes(), 0.1)
        assert (kinds(master.events()) == ["Done"]) is taken


def test_security_commands_carry_data_both_ways():
    master, meter = pair()
    (asked,) = ask(master, meter, Authenticate(METER, 0x070000FF, bytes(24), "00000017"))
    assert asked.request == Authenticate(METER, 0x070000FF, bytes(24), "00000017")
    meter.send(Data(METER, 0x070000FF, bytes(12)), 0.2)
    master.receive(meter.outgoing(0.2), 0.3)
    (data,) = master.events()
    assert data.payload == bytes(12)
    assert data.raw[8] == 0x83
    ask(master, meter, Authenticate(METER, 0x070000FF, bytes(24)))
    master.receive(Frame645(METER, 0x83, bytes(8)).to_bytes(), 0.3)
    assert kinds(master.events()) == ["other_identifier"]
    meter.send(Refused(METER, 0x0100, size=2, function=0x03), 0.4)
    master.receive(meter.outgoing(0.4), 0.5)
    assert master.events()[0].reasons == ("meter suspended",)


def test_answers_of_the_wrong_kind_are_not_sent():
    master, meter = pair()
    ask(master, meter, ReadData(METER, 0x00010000))
    for answer in (
        Done(METER),
        Done(METER, function=0x14),
        Refused(METER, 1, function=0x14),
        Data(METER, 0x00020000, bytes(4)),
        Data("000000000039", 0x00010000, bytes(4)),
    ):
        with pytest.raises(LocalError):
            meter.send(answer, 0.2)
    master.on_deadline(master.deadline() or 0.0)
    assert isinstance(master.events()[0], TimedOut)
    ask(master, meter, ReadAddress())
    with pytest.raises(LocalError):
        meter.send(Done(METER), 0.2)


def test_obedience_is_bound_to_its_function():
    master, meter = pair()
    ask(master, meter, WriteData(METER, 1, b"", WHO))
    with pytest.raises(LocalError):
        meter.send(Done(METER, function=0x19), 0.2)
    with pytest.raises(LocalError):
        meter.send(AddressFound(METER), 0.2)
    meter.send(Done(METER, function=0x14), 0.2)
    assert meter.outgoing(0.2)[8] == 0x94


def test_passwords_do_not_show():
    shown = repr(ChangePassword(METER, Key(0x02, "135790"), Key(0x02, "246801")))
    assert "135790" not in shown
    assert "246801" not in shown
    assert "987654" not in repr(Authority(Key(0x04, "987654")))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Key(0x02, "12345").to_bytes(),
        lambda: Key(0x100).to_bytes(),
        lambda: Authority(KEY, "12").to_bytes(Edition.E2007),
        lambda: RelayOrder(0x11A, NOON).to_bytes(),
        lambda: wall_time_bytes(NOON.replace(year=1999)),
        lambda: Freeze(METER, "now").data(),
        lambda: ChangeRate(METER, 256).data(),
        lambda: WriteAddress("38").data(),
    ],
)
def test_impossible_commands(build):
    with pytest.raises(LocalError):
        build()


def test_relay_orders():
    assert RelayOrder(0x1A, None).to_bytes().hex() == "1a00" + "99" * 6
    assert RelayOrder.from_bytes(bytes.fromhex("1a00" + "99" * 6)) == RelayOrder(0x1A, None)
    order = RelayOrder(0x1D, NOON, 5)
    assert RelayOrder.from_bytes(order.to_bytes()) == order
    for raw in ("1a00" + "00" * 6, "1a00"):
        with pytest.raises(DecodeError):
            RelayOrder.from_bytes(bytes.fromhex(raw))


def test_every_function_has_its_request_class():
    assert set(REQUESTS) == set(FUNCTIONS)


@given(st.sampled_from(sorted(FUNCTIONS, key=str)), st.binary(max_size=200))
def test_any_data_field_is_a_request_or_an_error(key, data):
    edition, code = key
    frame = Frame645(METER, code, data)
    try:
        request = request_in(frame, edition)
    except DecodeError as error:
        assert error.kind in ("bad_length_for_function", "time_not_valid")
    else:
        assert request.data() == data

"""Reading conversations against a real METER session, whole and byte by byte."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.exchange.meter645 import ADDRESS, Meter

from kwhub.domain.errors import DecodeError, LocalError, NoAnswer, Refusal, SequenceError
from kwhub.domain.readings import Register
from kwhub.exchange.read import (
    CurvePoint,
    read_address,
    read_clock,
    read_curve,
    read_day_freeze,
    read_items,
    read_registers,
)
from kwhub.exchange.transfer import FOLLOW_UPS_MAX, READS_MAX
from kwhub.protocols.dlt645 import Data, Edition, ReadData, ReadFollowUp
from kwhub.protocols.dlt645.items import encode
from kwhub.protocols.dlt645.load_record import encode_record

PIECES = pytest.mark.parametrize("piece_bytes", [None, 1], ids=["whole", "byte by byte"])
ENERGY = encode(0x00010000, [Decimal("0.38")])
BLOCK = encode(0x0001FF00, [Decimal(value) for value in ("10.00", "1.00", "2.00", "3.00", "4.00")])


def registers(*codes: str) -> list[Register]:
    return [Register(code) for code in codes]


@PIECES
def test_items_in_their_order_with_what_went_wrong(piece_bytes):
    meter = Meter({0x00010000: ENERGY, 0x02010100: b"\x00\x22\x00", 0x02800002: b"\x1a\x50"})
    answers = meter.talk(
        read_items(ADDRESS, [0x02010100, 0x00010000, 0x04000501, 0x02800002]), piece_bytes
    )
    long, energy, refused, unreadable = answers
    assert isinstance(long.error, DecodeError)
    assert long.error.kind == "value_length_mismatch"
    assert long.values is None
    assert len(long.raw) == 1
    assert [(value.value, value.unit) for value in energy.values] == [(Decimal("0.38"), "kWh")]
    assert isinstance(refused.error, Refusal)
    assert isinstance(unreadable.error, DecodeError)
    assert unreadable.error.kind == "not_bcd"


@PIECES
def test_follow_up_frames_are_joined(piece_bytes):
    payload = encode(0x000100FF, [Decimal(number) for number in range(13)])
    meter = Meter({0x000100FF: payload}, frame_bytes=7)
    (answer,) = meter.talk(read_items(ADDRESS, [0x000100FF]), piece_bytes)
    assert [value.value for value in answer.values] == list(range(13))
    assert len(answer.raw) == 8
    assert [request.sequence for request in meter.asked[1:]] == [1, 2, 3, 4, 5, 6, 7]


@PIECES
def test_follow_ups_of_a_1997_meter_have_no_number(piece_bytes):
    values = [Decimal(number) for number in range(5)]
    payload = encode(0x901F, values, Edition.E1997) + b"\xaa"
    meter = Meter({0x901F: payload}, Edition.E1997, frame_bytes=8)
    (answer,) = meter.talk(read_items(ADDRESS, [0x901F], Edition.E1997), piece_bytes)
    assert [value.value for value in answer.values] == values


def test_a_lost_follow_up_of_1997_begins_the_read_anew():
    """Asked again, the meter would go on behind the lost frame."""
    values = [Decimal(number) for number in range(5)]
    meter = Meter({0x901F: encode(0x901F, values, Edition.E1997)}, Edition.E1997, frame_bytes=8)
    (answer,) = meter.talk(read_items(ADDRESS, [0x901F], Edition.E1997), lost=[1])
    assert [value.value for value in answer.values] == values
    assert [type(request).__name__ for request in meter.asked] == [
        *("ReadData", "ReadFollowUp"),
        *("ReadData", "ReadFollowUp", "ReadFollowUp"),
    ]


def test_a_follow_up_of_1997_that_is_always_lost():
    meter = Meter({0x901F: bytes(20)}, Edition.E1997, frame_bytes=8)
    (answer,) = meter.talk(read_items(ADDRESS, [0x901F], Edition.E1997), lost=[1, 3, 5])
    assert isinstance(answer.error, NoAnswer)
    assert len(meter.asked) == 2 * READS_MAX


def test_a_wildcard_is_followed_up_by_the_address_that_answered():
    conversation = read_items("AAAAAAAAAAAA", [0x00010000])
    assert next(conversation) == ReadData("AAAAAAAAAAAA", 0x00010000)
    request = conversation.send(Data(ADDRESS, 0x00010000, ENERGY[:2], more=True))
    assert request == ReadFollowUp(ADDRESS, 0x00010000, 1)


def test_follow_ups_come_to_an_end():
    conversation = read_items(ADDRESS, [0x00010000])
    next(conversation)
    endless = Data(ADDRESS, 0x00010000, b"", more=True)
    for _ in range(FOLLOW_UPS_MAX):
        conversation.send(endless)
    with pytest.raises(StopIteration) as done:
        conversation.send(endless)
    ((answer,),) = done.value.args
    assert isinstance(answer.error, SequenceError)


def test_a_silent_meter_is_not_asked_for_everything():
    meter = Meter({}, silent={0x00010000, 0x00020000})
    answers = meter.talk(read_items(ADDRESS, [0x00010000, 0x00020000, 0x02800002]))
    assert meter.identifiers == [0x00010000, 0x00020000]
    assert [type(answer.error) for answer in answers] == [NoAnswer] * 3


def test_one_silence_is_not_the_end():
    meter = Meter({0x00010000: ENERGY}, silent={0x00020000})
    first, second = meter.talk(read_items(ADDRESS, [0x00020000, 0x00010000]))
    assert isinstance(first.error, NoAnswer)
    assert second.values is not None


@PIECES
def test_registers_of_one_quantity_are_one_request(piece_bytes):
    volts = encode(0x0201FF00, [Decimal("225.6"), None, Decimal("230.1")])
    meter = Meter({0x0001FF00: BLOCK, 0x0201FF00: volts, 0x02800002: b"\x98\x49"})
    wanted = registers(
        "1-0:32.7.0", "1-0:1.8.4", "1-0:72.7.0", "1-0:14.7.0", "1-0:52.7.0", "1-0:1.8.0"
    )
    answers = meter.talk(read_registers(ADDRESS, wanted), piece_bytes)
    assert [answer.register for answer in answers] == wanted
    expected = ["225.6", "4.00", "230.1", "49.98", None, "10.00"]
    assert [answer.value for answer in answers] == [
        None if text is None else Decimal(text) for text in expected
    ]
    assert [answer.unit for answer in answers] == ["V", "kWh", "V", "Hz", "V", "kWh"]
    assert answers[0].identifier == "0201FF00"
    assert answers[0].raw
    assert not any(answer.error for answer in answers)
    assert meter.identifiers == [0x0201FF00, 0x0001FF00, 0x02800002]


def test_a_meter_that_refuses_blocks_is_asked_one_by_one():
    meter = Meter({0x00010000: ENERGY, 0x00010100: ENERGY})
    answers = meter.talk(read_registers(ADDRESS, registers("1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2")))
    assert [answer.value for answer in answers] == [Decimal("0.38"), Decimal("0.38"), None]
    assert isinstance(answers[2].error, Refusal)
    assert meter.identifiers == [0x0001FF00, 0x00010000, 0x00010100, 0x00010200]


def test_a_tariff_that_the_block_does_not_bring_is_asked_for_alone():
    meter = Meter({0x0001FF00: BLOCK})
    answers = meter.talk(read_registers(ADDRESS, registers("1-0:1.8.1", "1-0:1.8.5")))
    assert answers[0].value == Decimal("1.00")
    assert isinstance(answers[1].error, Refusal)
    assert meter.identifiers == [0x0001FF00, 0x00010500]


def test_registers_of_a_silent_meter():
    meter = Meter({}, silent={0x0201FF00, 0x00010000})
    wanted = registers("1-0:32.7.0", "1-0:52.7.0", "1-0:1.8.0", "1-0:14.7.0")
    answers = meter.talk(read_registers(ADDRESS, wanted))
    assert [type(answer.error) for answer in answers] == [NoAnswer] * 4
    assert meter.identifiers == [0x0201FF00, 0x00010000]


def test_a_register_that_the_edition_does_not_know():
    meter = Meter({0x9010: ENERGY}, Edition.E1997)
    unknown, energy = meter.talk(
        read_registers(ADDRESS, registers("1-0:15.8.0", "1-0:1.8.0"), Edition.E1997)
    )
    assert isinstance(unknown.error, LocalError)
    assert energy.value == Decimal("0.38")


def test_maximum_demand_gives_the_demand_and_not_its_time():
    payload = encode(0x01010000, [Decimal("1.2345"), "2026-03-01 12:15"])
    (answer,) = Meter({0x01010000: payload}).talk(read_registers(ADDRESS, registers("1-0:1.6.0")))
    assert (answer.value, answer.unit) == (Decimal("1.2345"), "kW")


START = datetime(2026, 3, 1, 23, 45)


def _records(request: ReadData) -> bytes:
    """Energies every quarter from the asked time on."""
    count = int(request.argument[:1].hex())
    start = datetime.strptime(request.argument[:0:-1].hex(), "%y%m%d%H%M")  # noqa: DTZ007
    return b"".join(
        encode_record(
            start + number * timedelta(minutes=15),
            {4: [Decimal(number), Decimal(0), Decimal(-number), None]},
            faulty=number == 2,
        )
        for number in range(count)
    )


@PIECES
def test_load_records_from_a_time_on(piece_bytes):
    meter = Meter({0x06040001: _records})
    points = meter.talk(read_curve(ADDRESS, START, 24), piece_bytes)
    assert [point.time for point in points] == [
        START + number * timedelta(minutes=15) for number in range(24)
    ]
    assert points[1] == CurvePoint(
        datetime(2026, 3, 2, 0, 0),
        {
            Register("1-0:1.8.0"): Decimal(1),
            Register("1-0:2.8.0"): Decimal(0),
            Register("1-0:3.8.0"): Decimal(-1),
            Register("1-0:4.8.0"): None,
        },
    )
    assert [point.faulty for point in points[:4]] == [False, False, True, False]
    assert meter.asked[0].argument == bytes.fromhex("244523010326")
    assert len(meter.asked) > 1


def test_no_load_record_is_an_answer_too():
    assert Meter({0x06020001: b""}).talk(read_curve(ADDRESS, START, 1, load_class=2)) == []


@pytest.mark.parametrize(("count", "load_class"), [(0, 4), (100, 4), (1, 7)])
def test_load_records_that_cannot_be_asked_for(count, load_class):
    with pytest.raises(LocalError):
        next(read_curve(ADDRESS, START, count, load_class))


FREEZE = encode(0x05060001, ["2026-03-02 00:00"])


@PIECES
def test_the_daily_freeze(piece_bytes):
    meter = Meter({0x05060001: FREEZE, 0x05060101: BLOCK})
    freeze = meter.talk(read_day_freeze(ADDRESS), piece_bytes)
    assert freeze.time == datetime(2026, 3, 2, 0, 0)
    assert freeze.values == {
        Register(f"1-0:1.8.{tariff}"): Decimal(value)
        for tariff, value in enumerate(("10.00", "1.00", "2.00", "3.00", "4.00"))
    }


def test_a_freeze_that_moves_up_while_it_is_read():
    """The meter's midnight falls between the time and the energies: never one day's with another's."""
    stamps = iter(["2026-03-02 00:00", "2026-03-03 00:00", "2026-03-03 00:00"])
    energies = iter([Decimal("11.00"), Decimal("12.00")])
    meter = Meter(
        {
            0x05060001: lambda _: encode(0x05060001, [next(stamps)]),
            0x05060101: lambda _: encode(0x05060101, [next(energies)]),
        }
    )
    freeze = meter.talk(read_day_freeze(ADDRESS))
    assert freeze.time == datetime(2026, 3, 3, 0, 0)
    assert freeze.values == {Register("1-0:1.8.0"): Decimal("12.00")}


def test_a_freeze_that_never_stands_still():
    stamps = (f"2026-03-{day:02d} 00:00" for day in range(1, 31))
    meter = Meter({0x05060001: lambda _: encode(0x05060001, [next(stamps)]), 0x05060101: BLOCK})
    with pytest.raises(SequenceError):
        meter.talk(read_day_freeze(ADDRESS))


def test_a_freeze_that_the_meter_does_not_have():
    with pytest.raises(Refusal):
        Meter({}).talk(read_day_freeze(ADDRESS, 3))
    with pytest.raises(Refusal):
        Meter({0x05060003: b"\xff" * 5, 0x05060103: BLOCK}).talk(read_day_freeze(ADDRESS, 3))
    with pytest.raises(LocalError):
        next(read_day_freeze(ADDRESS, 63))


@PIECES
@pytest.mark.parametrize(
    ("edition", "day", "time"),
    [(Edition.E2007, 0x04000101, 0x04000102), (Edition.E1997, 0xC010, 0xC011)],
)
def test_the_clock(edition, day, time, piece_bytes):
    meter = Meter(
        {
            day: encode(day, ["2026-03-01"], edition),
            time: encode(time, ["12:13:14"], edition),
        },
        edition,
    )
    moment = meter.talk(read_clock(ADDRESS, edition), piece_bytes)
    assert moment == datetime(2026, 3, 1, 12, 13, 14)


def test_the_clock_at_midnight():
    days = iter(["2026-03-01", "2026-03-02"])
    meter = Meter(
        {
            0x04000101: lambda _: encode(0x04000101, [next(days)]),
            0x04000102: encode(0x04000102, ["00:00:01"]),
        }
    )
    assert meter.talk(read_clock(ADDRESS)) == datetime(2026, 3, 2, 0, 0, 1)


def test_a_clock_that_shows_no_moment():
    meter = Meter(
        {
            0x04000101: encode(0x04000101, ["2099-99-99"]),
            0x04000102: encode(0x04000102, ["00:10:01"]),
        }
    )
    with pytest.raises(DecodeError) as caught:
        meter.talk(read_clock(ADDRESS))
    assert caught.value.kind == "bad_time"


@PIECES
def test_the_address(piece_bytes):
    assert Meter({}).talk(read_address(), piece_bytes) == ADDRESS


def test_nobody_tells_an_address():
    conversation = read_address()
    next(conversation)
    with pytest.raises(SequenceError):
        conversation.send(Data(ADDRESS, 0x00010000, ENERGY))

"""The bugs that public implementations of DL/T 645 have again and again, one test each.

The numbers are those of the collection that they were drawn from. A bug that needs a whole exchange is
played with two sessions back to back.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645 import Frame645, parse
from kwhub.protocols.dlt645.authority import Authority, Key, RelayOrder
from kwhub.protocols.dlt645.contents import RATES_2007
from kwhub.protocols.dlt645.control import FUNCTIONS
from kwhub.protocols.dlt645.diagnose import diagnose
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode, encode, find
from kwhub.protocols.dlt645.messages import Asked, Data, ReadData, ReadFollowUp, Refused
from kwhub.protocols.dlt645.orders import ClearDemand, ControlRelay, Freeze, SetTime
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.protocols.dlt645.summary import summarise
from kwhub.protocols.dlt645.writing import ChangePassword, WriteData
from kwhub.wire.events import Discarded

METER = "123456789012"
ENERGY = 0x00010000
AUTHORITY = Authority(Key(2, "123456"), "00000001")


def wire(request, preamble=0):
    return Frame645(request.address, request.function, request.data(), preamble).to_bytes()


def answered(request, frame, first=b""):
    """What a master makes of bytes that come after its request."""
    master = Session(Role.MASTER)
    master.send(request, 0.0)
    raw = master.outgoing(0.0)
    master.receive((raw if first is None else first) + frame, 0.1)
    return master.events()


def frames_in(raw):
    receiver = Receiver()
    found = receiver.feed(raw) + receiver.flush()
    return [item.frame for item in found if isinstance(item, Received)]


def test_01_addresses_go_low_pair_first():
    assert wire(ReadData(METER, ENERGY))[1:7].hex() == "129078563412"
    assert parse(wire(ReadData(METER, ENERGY))).address == METER


@pytest.mark.parametrize("count", range(5))
def test_02_any_number_of_wake_up_bytes(count):
    raw = wire(ReadData(METER, ENERGY), count)
    assert parse(raw).preamble == count
    assert frames_in(raw) == [parse(raw)]


def test_03_wake_up_bytes_are_not_summed():
    bare, woken = wire(ReadData(METER, ENERGY)), wire(ReadData(METER, ENERGY), 4)
    assert woken[-2] == bare[-2]
    summed = bytearray(woken)
    summed[-2] = sum(woken[:-2]) & 0xFF
    with pytest.raises(DecodeError, match="it should be"):
        parse(bytes(summed))


def test_04_the_error_byte_carries_the_offset():
    refused = Frame645(METER, 0xD1, b"\x02").to_bytes()
    assert refused[10] == 0x35
    (event,) = answered(ReadData(METER, ENERGY), refused)
    assert isinstance(event, Refused)
    assert event.error == 2
    assert event.reasons == ("no such data",)


def test_05_the_offset_is_put_on_once_and_wraps_round():
    assert wire(ReadData(METER, ENERGY))[10:14].hex() == "33333433"
    block = wire(ReadData(METER, 0x0001FF00))
    assert block[10:14].hex() == "33323433"
    assert parse(block).data.hex() == "00ff0100"


def test_06_sixteen_and_sixty_eight_inside_a_frame_are_data():
    data = bytes.fromhex("00000100") + bytes((byte - 0x33) & 0xFF for byte in b"\x16\x68\x16\x68")
    raw = Frame645("686868161668", 0x91, data).to_bytes()
    assert raw.count(0x68) > 4
    assert raw.count(0x16) > 3
    assert [frame.data for frame in frames_in(raw * 2)] == [data, data]


def test_07_an_echo_is_not_the_answer():
    request = ReadData(METER, ENERGY)
    answer = Frame645(METER, 0x91, bytes.fromhex("0000010038000000")).to_bytes()
    echo, data = answered(request, answer, first=None)
    assert isinstance(echo, Discarded)
    assert echo.kind == "echo"
    assert isinstance(data, Data)


def test_08_the_sign_is_no_digit():
    (value,) = decode(0x02020100, bytes.fromhex("341280"))
    assert value.value == Decimal("-1.234")
    (unsigned,) = decode(ENERGY, bytes.fromhex("34120080"))
    assert unsigned.value == Decimal("800012.34")


@pytest.mark.parametrize("tariffs", [1, 4, 12])
def test_09_a_block_has_as_many_values_as_the_meter_has(tariffs):
    energies = [Decimal(number) for number in range(tariffs + 1)]
    values = decode(0x0001FF00, encode(0x0001FF00, energies))
    assert [value.value for value in values] == energies
    phases = decode(0x0201FF00, bytes.fromhex("5622FFFFFFFF"))
    assert [value.value for value in phases] == [Decimal("225.6"), None, None]


def test_10_only_the_answer_to_this_request_is_taken():
    request = ReadData(METER, ENERGY)
    data = bytes.fromhex("0000010038000000")
    for other, kind in (
        (Frame645("000000000039", 0x91, data), "foreign_address"),
        (Frame645(METER, 0x91, bytes.fromhex("0000020038000000")), "other_identifier"),
        (Frame645(METER, 0x92, data + b"\x01"), "other_function"),
    ):
        (event,) = answered(request, other.to_bytes())
        assert isinstance(event, Discarded)
        assert event.kind == kind
    wildcard = Frame645("AAAAAAAAAAAA", 0x91, data).to_bytes()
    (left_in,) = answered(ReadData("AAAAAAAAAAAA", ENERGY), wildcard)
    assert isinstance(left_in, Data)
    (without_identifier,) = answered(request, Frame645(METER, 0xD1, b"\x02").to_bytes())
    assert isinstance(without_identifier, Refused)


def test_11_identifiers_go_low_byte_first():
    assert ReadData(METER, 0x02800002).data().hex() == "02008002"
    assert summarise(parse(wire(ReadData(METER, 0x02800002)))).identifier == "02800002"


def test_12_identifiers_mean_what_the_table_says():
    for identifier, register in (
        (0x02800002, "1-0:14.7.0"),
        (0x00010000, "1-0:1.8.0"),
        (0x00020000, "1-0:2.8.0"),
    ):
        item = find(identifier)
        assert item is not None
        assert item.register == register
    assert find(0x02800000) is None


def test_13_every_byte_of_a_value_counts_once():
    (value,) = decode(ENERGY, bytes.fromhex("78563412"))
    assert value.value == Decimal("123456.78")


def test_14_the_baud_word_has_one_bit():
    assert {baud: word for word, baud in RATES_2007.items()} == {
        600: 0x02, 1200: 0x04, 2400: 0x08, 4800: 0x10, 9600: 0x20, 19200: 0x40,
    }  # fmt: skip
    problem = diagnose(Frame645(METER, 0x17, b"\x16"))
    assert problem is not None
    assert problem.kind == "baud_word_not_one_bit"


def test_15_clearing_has_another_code_in_each_edition():
    assert ClearDemand(METER, AUTHORITY).function == 0x19
    assert ClearDemand(METER, AUTHORITY, edition=Edition.E1997).function == 0x10
    assert (Edition.E2007, 0x10) not in FUNCTIONS


def test_16_follow_ups_are_numbered_and_passwords_have_their_length():
    assert ReadFollowUp(METER, ENERGY, 7).data().hex() == "0000010007"
    change = ChangePassword(METER, Key(2, "111111"), Key(2, "222222"), 0x04000C03)
    assert len(change.data()) == 12
    unnumbered = Frame645(METER, 0x12, bytes.fromhex("00000100"))
    assert getattr(diagnose(unnumbered), "kind", "") == "bad_length_for_function"
    old_length = Frame645(METER, 0x18, bytes(8))
    assert getattr(diagnose(old_length), "kind", "") == "bad_length_for_function"


def test_17_a_freeze_time_goes_minute_first():
    freeze = Freeze.from_frame(Frame645(METER, 0x16, bytes.fromhex("30129999")), Edition.E2007)
    assert freeze.data().hex() == "30129999"
    assert diagnose(Frame645(METER, 0x16, bytes.fromhex("30129999"))) is None
    month_first = Frame645(METER, 0x16, bytes.fromhex("12312359"))
    assert getattr(diagnose(month_first), "kind", "") == "time_not_valid"


def test_18_a_block_of_1997_may_end_with_aa_or_not():
    payload = encode(0x901F, [Decimal(5), Decimal(2), Decimal(3)], Edition.E1997)
    bare = decode(0x901F, payload, Edition.E1997)
    assert decode(0x901F, payload + b"\xaa", Edition.E1997) == bare
    assert [value.value for value in bare] == [5, 2, 3]
    with pytest.raises(DecodeError):
        decode(0x901F, payload + b"\xaa\xaa", Edition.E1997)
    with pytest.raises(DecodeError):
        decode(0x0001FF00, payload + b"\xaa")


def test_19_values_of_one_meter_do_not_show_up_in_another():
    first = decode(ENERGY, bytes.fromhex("11000000"))
    second = decode(ENERGY, bytes.fromhex("22000000"))
    assert (first[0].value, second[0].value) == (Decimal("0.11"), Decimal("0.22"))
    first.clear()
    assert len(decode(ENERGY, bytes.fromhex("33000000"))) == 1


def test_20_a_pasted_checksum_is_told_with_the_right_one():
    edited = bytearray(wire(ReadData(METER, ENERGY)))
    edited[1] = 0x13  # another meter, the checksum left as it was
    with pytest.raises(DecodeError, match="checksum is 68, it should be 69") as caught:
        parse(bytes(edited))
    assert caught.value.kind == "checksum_mismatch"


def test_21_bytes_of_a_wrong_parity_or_rate_are_noise_and_no_value():
    raw = wire(ReadData(METER, ENERGY))
    with_parity_as_data = bytes(
        byte & 0x7F | (byte.bit_count() & 1) << 7 for byte in raw
    )  # eight bits read as seven and even parity, or the other way round
    assert with_parity_as_data != raw
    assert frames_in(with_parity_as_data) == []
    assert frames_in(raw) != []


def test_22_a_relay_order_expires_and_an_impossible_expiry_is_told():
    until = datetime(2026, 3, 1, 12, 30, 15)
    order = ControlRelay(METER, AUTHORITY, RelayOrder(0x1A, until).to_bytes())
    assert order.data()[-6:].hex() == "153012010326"
    assert RelayOrder.from_bytes(order.data()[-8:]).valid_until == until
    zero = Frame645(METER, 0x1C, order.data()[:-6] + bytes(6))
    assert getattr(diagnose(zero), "kind", "") == "time_not_valid"
    with pytest.raises(DecodeError):
        RelayOrder.from_bytes(zero.data[-8:])
    assert RelayOrder.from_bytes(order.data()[-8:-6] + b"\x99" * 6).valid_until is None


def test_23_the_time_for_all_meters_goes_second_first_and_has_six_bytes():
    moment = datetime(2025, 11, 2, 12, 34, 56)
    assert SetTime(moment).data().hex() == "563412021125"
    year_first = diagnose(Frame645("999999999999", 0x08, bytes.fromhex("251102123456")))
    assert year_first is not None
    assert year_first.kind == "time_not_valid"
    assert "year first it would be 2025-11-02 12:34:56" in year_first.detail
    five = diagnose(Frame645("999999999999", 0x08, bytes.fromhex("3412021125")))
    assert getattr(five, "kind", "") == "bad_length_for_function"


def test_24_more_frames_to_follow_is_no_error():
    raw = Frame645(METER, 0xB1, bytes.fromhex("0000010011223344")).to_bytes()
    (event,) = answered(ReadData(METER, ENERGY), raw)
    assert isinstance(event, Data)
    assert event.more
    assert event.payload.hex() == "11223344"


def test_25_a_write_carries_level_password_and_operator():
    write = WriteData(METER, 0x04000103, b"\x12", AUTHORITY)
    assert write.data().hex() == "03010004" + "02563412" + "01000000" + "12"
    bare = Frame645(METER, 0x14, bytes.fromhex("0301000412"))
    assert getattr(diagnose(bare), "kind", "") == "bad_length_for_function"
    meter = Session(Role.METER, addresses={METER})
    meter.receive(bare.to_bytes(), 0.0)
    assert not [event for event in meter.events() if isinstance(event, Asked)]


def test_26_a_refused_write_is_told_apart_and_can_be_read_back():
    """Some meters refuse and change all the same: the refusal is an event that says so, not a doubt."""
    write = WriteData(METER, 0x04000103, b"\x12", AUTHORITY)
    (event,) = answered(write, Frame645(METER, 0xD4, b"\x04").to_bytes())
    assert isinstance(event, Refused)
    assert event.reasons == ("password wrong or not authorised",)
    master = Session(Role.MASTER)
    master.send(write, 0.0)
    master.outgoing(0.0)
    master.receive(Frame645(METER, 0xD4, b"\x04").to_bytes(), 0.1)
    master.send(ReadData(METER, 0x04000103), 0.2)  # the line is free to read it back at once
    assert parse(master.outgoing(0.2)).data.hex() == "03010004"

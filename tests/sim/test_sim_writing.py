"""What may be written into a meter, by whom, and what it says to everybody else."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.sim.line import (
    ADDRESS,
    DAY_SLOTS,
    NO_SUCH_DATA,
    NOT_AUTHORISED,
    OTHER,
    RATE_FIXED,
    TARIFFS,
    WALL,
    YEAR_ZONES,
    Line,
    authority,
    made,
)

from kwhub.protocols.dlt645 import (
    Authenticate,
    ChangePassword,
    ChangeRate,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Data,
    Done,
    Key,
    ReadAddress,
    ReadData,
    Refused,
    RelayOrder,
    SetOutput,
    SetTime,
    TimedOut,
    WriteAddress,
    WriteData,
)
from kwhub.sim.climate import DAY_S
from kwhub.sim.passwords import FAILURES_MAX, LOCK_S

SCREENS = 0x0400_0301
ZONES_2 = 0x0402_0000
DAY_TABLE_2_1 = 0x0402_0001


@pytest.mark.parametrize(
    ("identifier", "values"),
    [
        (SCREENS, [Decimal(9)]),
        (0x0400_0402, ["123456789012"]),
        (0x0400_0403, ["ASSET 7"]),
        (0x0400_0201, [Decimal(14)]),
        (0x0400_0205, [Decimal(254)]),
        (0x0400_0801, ["3E"]),
        (0x0400_0901, ["3F"]),
        (0x0400_0106, ["2026-07-01 00:00"]),
        (0x0400_0106, ["2000-00-00 00:00"]),
        (0x0400_0B02, ["15 12"]),
        (0x0400_1401, [Decimal(15)]),
        (ZONES_2, ["01-01 01"] * 13 + ["12-31 08"]),
        (DAY_TABLE_2_1, ["00:00 04"] * 13 + ["23:59 01"]),
        (0x0403_0001, ["2026-10-01 02"]),
    ],
)
def test_what_is_written_can_be_read_back(identifier, values):
    line = Line(made())
    assert line.write(identifier, *values) == 0
    assert line.values(identifier) == values


@pytest.mark.parametrize(
    ("identifier", "payload", "error"),
    [
        (0x0400_0201, "15", YEAR_ZONES),
        (0x0400_0201, "00", OTHER),
        (0x0400_0202, "09", DAY_SLOTS),
        (0x0400_0203, "15", DAY_SLOTS),
        (0x0400_0204, "05", TARIFFS),
        (0x0400_0204, "03", OTHER),
        (0x0400_0802, "09", DAY_SLOTS),
        (ZONES_2, "010101" * 13 + "090101", DAY_SLOTS),
        (ZONES_2, "010101" * 13 + "013113", OTHER),
        (DAY_TABLE_2_1, "010000" * 13 + "050023", TARIFFS),
        (DAY_TABLE_2_1, "010000" * 13 + "016023", OTHER),
        (DAY_TABLE_2_1, "010000" * 13 + "000023", OTHER),
        (0x0403_0001, "09011026", DAY_SLOTS),
        (0x0403_0001, "01300226", OTHER),
        (0x0400_0103, "60", OTHER),
        (0x0400_0106, "0000320126", OTHER),
        (0x0400_0703, "30", RATE_FIXED),
        (0x0400_0B01, "9999", OTHER),
        (0x0400_0B01, "0029", OTHER),
        (0x0400_1203, "6000", OTHER),
        (SCREENS, "", OTHER),
        (SCREENS, "0909", OTHER),
        (SCREENS, "0A", OTHER),
        (SCREENS, "FF", OTHER),
        (0x0400_0101, "01300226", OTHER),
        (0x0400_0102, "006010", OTHER),
        (0x0400_0401, "999999999999", OTHER),
        (0x0400_0409, "001200", NOT_AUTHORISED),  # the meter constant is for reading only
        (0x0400_0503, "0000", NO_SUCH_DATA),
        (0x0400_0C05, "00000004", NOT_AUTHORISED),  # passwords have a function of their own
        (0x0001_0000, "00000000", NO_SUCH_DATA),
        (0x04FF_FFFF, "00", NO_SUCH_DATA),
    ],
)
def test_what_must_not_be_written_is_refused_with_its_bit(identifier, payload, error):
    line = Line(made())
    request = WriteData(ADDRESS, identifier, bytes.fromhex(payload), authority())
    assert line.error(request) == error
    assert line.meter.body.memory.parameters == {}


ORDER = RelayOrder(0x2A, None).to_bytes()


@pytest.mark.parametrize(
    ("request_of", "weakest"),
    [
        (lambda who: WriteData(ADDRESS, SCREENS, b"\x09", who), 4),
        (lambda who: ClearDemand(ADDRESS, who), 4),
        (lambda who: ControlRelay(ADDRESS, who, ORDER), 4),
        (lambda who: ClearMeter(ADDRESS, who), 2),
        (lambda who: ClearEvents(ADDRESS, who), 2),
    ],
    ids=["write", "clear demand", "relay", "clear meter", "clear events"],
)
def test_every_order_wants_a_password_of_a_level(request_of, weakest):
    line = Line(made())
    for level in range(10):
        wanted = 0 if level <= weakest else NOT_AUTHORISED
        assert line.error(request_of(authority(level))) == wanted
    assert line.error(request_of(authority(0, "000001"))) == NOT_AUTHORISED
    assert line.error(request_of(authority(0x98))) == NOT_AUTHORISED
    assert line.error(request_of(authority(0x99))) == NOT_AUTHORISED
    assert line.error(request_of(authority(0x42))) == NOT_AUTHORISED


def test_too_many_wrong_passwords_lock_the_meter_for_a_day():
    line = Line(made())
    wrong = WriteData(ADDRESS, SCREENS, b"\x09", authority(4, "111111"))
    for _ in range(FAILURES_MAX - 1):
        assert line.error(wrong) == NOT_AUTHORISED
    assert line.write(SCREENS, Decimal(7)) == 0  # the right one starts the count again
    for _ in range(FAILURES_MAX):
        assert line.error(wrong) == NOT_AUTHORISED
    assert line.write(SCREENS, Decimal(9)) == NOT_AUTHORISED
    assert line.relay(0x2A) == NOT_AUTHORISED
    assert line.values(SCREENS) == [7]  # reading needs no password
    line.later(LOCK_S + 1)
    assert line.write(SCREENS, Decimal(9)) == 0


def test_the_programming_key_is_needed_where_there_is_one():
    line = Line(made(), key=False)
    assert line.write(SCREENS, Decimal(9)) == NOT_AUTHORISED
    assert line.word(3) >> 3 & 1 == 0
    line.meter.press_programming_key(line.at_s, for_s=600)
    assert line.word(3) >> 3 & 1 == 1
    assert line.write(SCREENS, Decimal(9)) == 0
    line.later(601)
    assert line.write(SCREENS, Decimal(8)) == NOT_AUTHORISED
    assert Line(made(has_programming_key=False), key=False).write(SCREENS, Decimal(9)) == 0


def test_a_wildcard_may_only_read():
    line = Line(made())
    assert isinstance(line.ask(ReadData("AAAAAAAA0038", SCREENS)), Data)
    write = WriteData("AAAAAAAA0038", SCREENS, b"\x09", authority())
    assert isinstance(line.ask(write), TimedOut)
    assert line.values(SCREENS) == [6]


def change(level, old, new="654321", *, identifier=None):
    identifier = 0x0400_0C01 + level if identifier is None else identifier
    return ChangePassword(ADDRESS, old, Key(level, new), identifier)


def test_a_password_is_changed_by_its_own_or_a_stronger_level():
    line = Line(made())
    assert line.error(change(4, Key(4))) == 0
    assert line.write(SCREENS, Decimal(9)) == NOT_AUTHORISED
    changed = WriteData(ADDRESS, SCREENS, b"\x08", authority(4, "654321"))
    assert line.error(changed) == 0
    assert line.error(change(4, Key(2), "000000")) == 0
    assert line.write(SCREENS, Decimal(9)) == 0


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (change(2, Key(4)), NOT_AUTHORISED),
        (change(4, Key(4, "111111")), NOT_AUTHORISED),
        (change(4, Key(0x98)), NOT_AUTHORISED),
        (change(4, Key(4), identifier=0x0400_0C06), OTHER),
        (change(4, Key(4), identifier=0x0400_0301), NO_SUCH_DATA),
        (change(4, Key(4), "ABCDEF"), OTHER),
    ],
)
def test_a_password_is_not_changed(request_, error):
    line = Line(made())
    assert line.error(request_) == error
    assert set(line.meter.body.memory.passwords.values()) == {"000000"}


def test_passwords_are_never_told():
    assert Line(made()).read_error(0x0400_0C05) == NOT_AUTHORISED


def test_the_address_is_changed_with_the_key_and_answers_at_once():
    line = Line(made())
    answer = line.ask(WriteAddress("000000000077"))
    assert isinstance(answer, Done)
    assert answer.address == "000000000077"
    assert line.ask(ReadAddress()).address == "000000000077"
    assert line.values(0x0400_0401) == ["000000000077"]
    assert isinstance(line.ask(ReadData(ADDRESS, SCREENS)), TimedOut)
    assert line.write(0x0400_0401, ADDRESS) == 0  # the same by code 14
    assert line.ask(ReadAddress()).address == ADDRESS


@pytest.mark.parametrize(("new", "key"), [("000000000077", False), ("999999999999", True)])
def test_an_address_that_is_not_taken_meets_with_silence(new, key):
    line = Line(made(), key=key)
    assert isinstance(line.ask(WriteAddress(new)), TimedOut)
    assert line.ask(ReadAddress()).address == ADDRESS


def test_two_meters_with_one_address_answer_at_once_which_nobody_understands():
    line = Line(made(), made("000000000039"))
    line.write(SCREENS, Decimal(9))
    line.ask(WriteAddress("000000000039", address=ADDRESS))
    assert isinstance(line.ask(ReadData("000000000039", SCREENS)), TimedOut)
    assert line.pair.asker_events[-2].kind == "checksum_mismatch"


@pytest.mark.parametrize(
    ("word", "baud"), [(0x02, 600), (0x04, 1200), (0x08, 2400), (0x20, 9600), (0x40, 19200)]
)
def test_the_rate_is_changed(word, baud):
    line = Line(made())
    answer = line.ask(ChangeRate(ADDRESS, word))
    assert isinstance(answer, Done)
    assert answer.data == bytes([word])
    assert line.meter.baud == baud


@pytest.mark.parametrize("word", [0x00, 0x01, 0x03, 0x16, 0x80, 0xFF])
def test_a_rate_that_is_none_is_refused(word):
    line = Line(made())
    assert line.error(ChangeRate(ADDRESS, word)) == RATE_FIXED
    assert line.meter.baud == 2400


def test_outputs():
    line = Line(made())
    for output in (0, 1, 2):
        assert line.ask(SetOutput(ADDRESS, output)).data == bytes([output])
        assert line.meter.body.memory.output == output
    assert line.error(SetOutput(ADDRESS, 3)) == OTHER
    line.ask(SetOutput("9" * 12, 1))
    line.later(1)
    assert line.meter.body.memory.output == 1
    line.meter.body.cut_power(line.at_s)
    line.meter.body.restore_power(line.at_s + 5)
    assert line.meter.body.memory.output == 0


def test_security_is_refused_with_a_word_of_its_own():
    answer = Line(made()).ask(Authenticate(ADDRESS, 0x0700_00FF, bytes(24)))
    assert isinstance(answer, Refused)
    assert (answer.error, answer.size) == (4, 2)
    assert answer.reasons == ("ESAM check failed",)


@pytest.mark.parametrize(
    ("off_s", "taken"), [(300, True), (-300, True), (301, False), (-301, False), (86_400, False)]
)
def test_a_broadcast_time_is_taken_when_the_clock_is_nearly_right(off_s, taken):
    line = Line(made())
    line.ask(SetTime(WALL + timedelta(seconds=off_s)))
    line.later(1)
    expected = WALL + timedelta(seconds=1 + (off_s if taken else 0))
    assert line.wall == expected
    assert line.values(0x0400_010C) == [f"{expected:%Y-%m-%d %H:%M:%S}"]


def test_one_broadcast_time_a_day():
    line = Line(made(), made("000000000039"))
    for shift_s in (60, 60):
        line.ask(SetTime(line.wall + timedelta(seconds=shift_s)))
        line.later(10)
    assert line.wall == WALL + timedelta(seconds=80)
    assert line.meters[1].clock.wall(line.at_s) == line.meter.clock.wall(line.at_s)
    line.later(DAY_S)
    line.ask(SetTime(line.wall + timedelta(seconds=60)))
    line.later(10)
    assert line.wall == WALL + timedelta(seconds=DAY_S + 150)
    assert line.values(0x0330_0400) == [0]  # broadcasts are no entry of the event book


@pytest.mark.parametrize(
    ("identifier", "value", "expected"),
    [
        (0x0400_0101, "2026-03-20", datetime(2026, 3, 20, 10, 7)),
        (0x0400_0102, "06:05:04", datetime(2026, 3, 16, 6, 5, 4)),
        (0x0400_010C, "2027-01-02 03:04:05", datetime(2027, 1, 2, 3, 4, 5)),
    ],
)
def test_the_clock_is_set_and_the_book_says_so(identifier, value, expected):
    line = Line(made())
    assert line.write(identifier, value) == 0
    line.later(30 - line.pair.now)
    assert abs(line.wall - expected - timedelta(seconds=30)) <= timedelta(seconds=1)
    operator, before, after = line.values(0x0330_0401)
    assert operator == "00001234"
    assert before == "2026-03-16 10:07:00"
    assert after == f"{expected:%Y-%m-%d %H:%M:%S}"
    assert line.values(0x0330_0400) == [1]

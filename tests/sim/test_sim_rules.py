"""Every rule by which a meter refuses, with its bit: one row a rule.

Source: the facts on DL/T 645-2007 (clause 7, ERR; code 03, SERR; code 1C, error word) and DL/T 645-1997.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.sim.line import (
    ADDRESS,
    DAY_SLOTS,
    NO_SUCH_DATA,
    NOT_AUTHORISED,
    OPERATOR,
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
    Authority,
    ChangePassword,
    ChangeRate,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ControlRelay,
    Edition,
    Freeze,
    Key,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    RelayOrder,
    SetOutput,
    SetTime,
    WriteAddress,
    WriteData,
)

E1997 = Edition.E1997
SCREENS = 0x0400_0301
NINE = bytes.fromhex("09")
RESTORE = RelayOrder(0x1D, None, 1).to_bytes()
TRIP = RelayOrder(0x1A, None).to_bytes()
TO_ALL = "9" * 12
ANY = "AAAAAAAAAAAA"
SUSPENDED_WORD = Authority(Key(0x98, "010000"), OPERATOR)


def read(identifier):
    return ReadData(ADDRESS, identifier)


def write(identifier, payload, who=None):
    return WriteData(ADDRESS, identifier, bytes.fromhex(payload), who or authority())


def new_password(identifier, new, old=None):
    return ChangePassword(ADDRESS, old or Key(2, "000000"), new, identifier)


def relay(order, who=None):
    return ControlRelay(ADDRESS, who or authority(), order)


#: What is forbidden, the request, and the error word that the meter answers with.
RULES_2007 = [
    ("no such item", read(0x0001_4100), NO_SUCH_DATA),
    ("a tariff that the meter does not have", read(0x0001_0500), NO_SUCH_DATA),
    ("a settlement beyond the twelfth", read(0x0001_000D), NO_SUCH_DATA),
    ("an event that has not happened so often", read(0x0330_0001), NO_SUCH_DATA),
    ("a freeze that has not been made", read(0x0501_0001), NO_SUCH_DATA),
    ("a phase that a single-phase meter does not have", read(0x0029_0000), NO_SUCH_DATA),
    ("a class that the mode word leaves out", read(0x0606_0002), NO_SUCH_DATA),
    ("reading a password", read(0x0400_0C03), NOT_AUTHORISED),
    ("a follow-up of nothing", ReadFollowUp(ADDRESS, 0x0001_0000, 1), NO_SUCH_DATA),
    ("writing what is not kept", write(0x0407_0001, "09"), NO_SUCH_DATA),
    ("writing what is read only", write(0x0400_0409, "000000"), NOT_AUTHORISED),
    ("writing a password as a parameter", write(0x0400_0C03, "00000000"), NOT_AUTHORISED),
    ("a wrong password", write(SCREENS, "09", authority(4, "111111")), NOT_AUTHORISED),
    ("too weak a level", write(SCREENS, "09", authority(5)), NOT_AUTHORISED),
    ("a level that there is not", write(SCREENS, "09", authority(0x0A)), NOT_AUTHORISED),
    ("cipher without a secure element", write(SCREENS, "09", authority(0x98)), NOT_AUTHORISED),
    ("a MAC without a secure element", write(SCREENS, "09", authority(0x99)), NOT_AUTHORISED),
    ("a value that is no digits", write(SCREENS, "0A"), OTHER),
    ("a value that is too long", write(SCREENS, "0909"), OTHER),
    ("no value", write(SCREENS, "FF"), OTHER),
    ("a day that the calendar has not", write(0x0400_0101, "00310226"), OTHER),
    ("a settlement on the 29th", write(0x0400_0B01, "0029"), OTHER),
    ("a switch time in month 13", write(0x0400_0106, "0000011326"), OTHER),
    ("a load record every 61 minutes", write(0x0400_0A02, "6100"), OTHER),
    ("a load record every 0 minutes", write(0x0400_0A02, "0000"), OTHER),
    ("an address that is none", write(0x0400_0401, "AAAAAAAAAAAA"), OTHER),
    ("15 year zones", write(0x0400_0201, "15"), YEAR_ZONES),
    ("9 day tables", write(0x0400_0202, "09"), DAY_SLOTS),
    ("15 slots a day", write(0x0400_0203, "15"), DAY_SLOTS),
    ("5 tariffs", write(0x0400_0204, "05"), TARIFFS),
    ("a zone with day table 9", write(0x0401_0000, "090101" * 14), DAY_SLOTS),
    ("a slot with tariff 5", write(0x0401_0001, "050000" * 14), TARIFFS),
    ("a slot at 24:00", write(0x0401_0001, "010024" * 14), OTHER),
    ("a holiday with day table 9", write(0x0403_0001, "09011026"), DAY_SLOTS),
    ("a speed word that is none, as a parameter", write(0x0400_0703, "03"), RATE_FIXED),
    ("a speed word that is none", ChangeRate(ADDRESS, 0x03), RATE_FIXED),
    ("a freeze in month 13", Freeze(ADDRESS, "13010000"), OTHER),
    ("the password of no level", new_password(0x0400_0C0B, Key(0, "111111")), NO_SUCH_DATA),
    ("the password of another level", new_password(0x0400_0C05, Key(3, "111111")), OTHER),
    ("a password of letters", new_password(0x0400_0C05, Key(4, "ABCDEF")), OTHER),
    ("an old password that is wrong", new_password(0x0400_0C05, Key(4, "111111"), Key(4, "9" * 6)),
     NOT_AUTHORISED),
    ("the old password of a weaker level", new_password(0x0400_0C03, Key(2, "111111"),
     Key(4, "000000")), NOT_AUTHORISED),
    ("clearing demand with level 5", ClearDemand(ADDRESS, authority(5)), NOT_AUTHORISED),
    ("clearing the meter with level 4", ClearMeter(ADDRESS, authority(4)), NOT_AUTHORISED),
    ("clearing events with level 4", ClearEvents(ADDRESS, authority(4)), NOT_AUTHORISED),
    ("clearing events that there are not", ClearEvents(ADDRESS, authority(2), 0x0001_00FF),
     NO_SUCH_DATA),
    ("clearing the record of meter clears", ClearEvents(ADDRESS, authority(2), 0x0330_01FF),
     NOT_AUTHORISED),
    ("clearing the record of event clears", ClearEvents(ADDRESS, authority(2), 0x0330_03FF),
     NOT_AUTHORISED),
    ("a relay order with level 5", relay(TRIP, authority(5)), NOT_AUTHORISED),
    ("a relay order that is over",
     relay(RelayOrder(0x1A, WALL - timedelta(minutes=1)).to_bytes()), OTHER),
    ("no relay order", relay(bytes([0x77]) + TRIP[1:]), OTHER),
    ("a restore after no time", relay(bytes([0x1D, 0]) + RESTORE[2:]), OTHER),
    ("a trip with a time of restore", relay(bytes([0x1A, 1]) + TRIP[2:]), OTHER),
    ("a cipher order, status word wanted: bit 2 of two bytes", relay(bytes(8), SUSPENDED_WORD), 4),
    ("an output that there is not", SetOutput(ADDRESS, 3), OTHER),
    ("security without a secure element: bit 2 of two bytes",
     Authenticate(ADDRESS, 0x0700_00FF, bytes(24)), 4),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "error"), [row[1:] for row in RULES_2007],
                         ids=[row[0] for row in RULES_2007])  # fmt: skip
def test_what_a_rule_forbids_is_refused_with_its_bit(request_, error):
    line = Line(made())
    memory = line.meter.body.memory
    before = (dict(memory.parameters), dict(memory.passwords), memory.address, memory.output)
    assert line.error(request_) == error
    after = (dict(memory.parameters), dict(memory.passwords), memory.address, memory.output)
    assert after == before
    assert not memory.relay.is_open
    assert memory.cleared_s is None
    assert not memory.demand_cleared_s


def old_write(identifier, payload, digits="000000"):
    who = Authority(Key(4, digits))
    return WriteData(ADDRESS, identifier, bytes.fromhex(payload), who, E1997)


RULES_1997 = [
    ("no such item", ReadData(ADDRESS, 0x9FFF, edition=E1997), 2),
    ("nothing was said before", ReadAgain(ADDRESS), 2),
    ("a follow-up of nothing", ReadFollowUp(ADDRESS, 0x9010, 0, E1997), 2),
    ("reading a password", ReadData(ADDRESS, 0xC212, edition=E1997), 4),
    ("a wrong password", old_write(0xC113, "09", "111111"), 4),
    ("writing what is not kept", old_write(0xC0FF, "09"), 2),
    ("a value that is no digits", old_write(0xC113, "0A"), 1),
    ("15 year zones", old_write(0xC310, "15"), 16),
    ("9 day tables", old_write(0xC311, "09"), 32),
    ("11 slots", old_write(0xC312, "11"), 32),
    ("5 tariffs", old_write(0xC313, "05"), 64),
    ("a speed word that is none", ChangeRate(ADDRESS, 0x03, E1997), 1),
]


@pytest.mark.parametrize(("request_", "error"), [row[1:] for row in RULES_1997],
                         ids=[row[0] for row in RULES_1997])  # fmt: skip
def test_what_a_rule_of_1997_forbids_is_refused_with_its_bit(request_, error):
    line = Line(made(edition=E1997))
    assert line.error(request_) == error
    assert line.meter.body.memory.parameters == {}


def protected(line):
    assert line.relay(0x3A) == 0


def tripped(line):
    assert line.relay(0x1A) == 0


def locked(line):
    for _ in range(5):
        assert line.error(write(SCREENS, "09", authority(4, "111111"))) == NOT_AUTHORISED


def keyless(line):
    for meter in line.meters:
        meter.press_programming_key(line.at_s, for_s=0)


#: The same, where something else has been before.
RULES_AFTER = [
    ("a trip of a protected supply", protected, relay(TRIP), NOT_AUTHORISED),
    ("a restore of a protected supply", protected, relay(RESTORE), NOT_AUTHORISED),
    ("a restore of an open relay", tripped, relay(RESTORE), OTHER),
    ("anything after five wrong passwords", locked, write(SCREENS, "09"), NOT_AUTHORISED),
    ("writing without the programming key", keyless, write(SCREENS, "09"), NOT_AUTHORISED),
]


@pytest.mark.parametrize(("before", "request_", "error"), [row[1:] for row in RULES_AFTER],
                         ids=[row[0] for row in RULES_AFTER])  # fmt: skip
def test_what_is_forbidden_after_something(before, request_, error):
    line = Line(made())
    before(line)
    assert line.error(request_) == error


#: What has no abnormal answer, or must not be answered: the meter is silent and does nothing.
SILENT = [
    ("a time 301 s off", SetTime(WALL + timedelta(seconds=301)), None),
    ("a new address without the programming key", WriteAddress("000000000077"), keyless),
    ("an order by wildcard", ClearDemand(ANY, authority()), None),
    ("a write by wildcard", WriteData(ANY, SCREENS, NINE, authority()), None),
    ("an order of the other edition", old_write(0xC113, "09"), None),
]


@pytest.mark.parametrize(("request_", "before"), [row[1:] for row in SILENT],
                         ids=[row[0] for row in SILENT])  # fmt: skip
def test_what_meets_with_silence(request_, before):
    line = Line(made())
    if before is not None:
        before(line)
    line.ask(request_)
    line.later(3)
    memory = line.meter.body.memory
    assert (memory.address, memory.clock_steps, memory.parameters) == (ADDRESS, [], {})
    assert not memory.demand_cleared_s
    assert line.meter.body.memory.failures == 0


def test_one_broadcast_time_a_day():
    line = Line(made())
    line.ask(SetTime(WALL + timedelta(seconds=100)))
    line.later(1)
    line.ask(SetTime(WALL + timedelta(seconds=200)))
    line.later(1)
    assert len(line.meter.body.memory.clock_steps) == 1


def test_all_seven_bits_stand_in_the_table():
    bits = {error for _, request_, error in RULES_2007 if not isinstance(request_, Authenticate)}
    everything = {OTHER, NO_SUCH_DATA, NOT_AUTHORISED, RATE_FIXED, YEAR_ZONES, DAY_SLOTS, TARIFFS}
    assert bits == everything
    assert Line(made()).write(SCREENS, Decimal(9)) == 0  # and what no rule forbids is done

"""What a simulated meter answers, heard through real sessions."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.load_record import decode_records
from kwhub.protocols.dlt645.messages import (
    AddressFound,
    Asked,
    Data,
    ReadAddress,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    Refused,
    TimedOut,
)
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.sim.bus import MeterBus
from kwhub.sim.climate import DAY_S, Climate, day_number
from kwhub.sim.clockwork import ClockStep, MeterClock, wall_datetime, wall_seconds
from kwhub.sim.faults import MeterFaults, Span
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

OFFSET_S = 28_800
FIRST = day_number(date(2026, 1, 5))
NOW = FIRST * DAY_S - OFFSET_S + 70 * DAY_S + 10 * 3600 + 7 * 60
WALL = datetime(2026, 3, 16, 10, 7)
ADDRESS = "000000000038"


def made(address=ADDRESS, kind=Kind.SHOP, **knobs):
    load = CustomerLoad(kind, 3, Climate(1, FIRST), utc_offset_s=OFFSET_S)
    return SimulatedMeter(address, load, seed=9, initial=(10, 20, 30, 40), **knobs)


METERS = {phases: made(phases=phases) for phases in (1, 3)}


class Line:
    """A master and a bus of meters, wired by hand."""

    def __init__(self, *meters, edition=Edition.E2007):
        self.bus = MeterBus(meters, epoch_s=NOW)
        self.master = Session(Role.MASTER, edition=edition)
        self.now = 0.0

    def ask(self, request):
        self.master.send(request, self.now)
        while True:
            self.bus.receive(self.master.outgoing(self.now), self.now)
            self.bus.events()
            self.master.receive(self.bus.outgoing(self.now), self.now)
            for event in self.master.events():
                if event.final:
                    return event
            deadlines = [each.deadline() for each in (self.bus, self.master)]
            self.now = min(deadline for deadline in deadlines if deadline is not None)
            self.bus.on_deadline(self.now)
            self.master.on_deadline(self.now)

    def values(self, identifier, address=ADDRESS):
        answer = self.ask(ReadData(address, identifier))
        assert isinstance(answer, Data), answer
        return [value.value for value in decode(identifier, answer.payload)]

    def whole(self, identifier, argument=b""):
        """Value bytes, follow-ups joined."""
        answer = self.ask(ReadData(ADDRESS, identifier, argument))
        payload, sequence = answer.payload, 0
        while answer.more:
            sequence += 1
            answer = self.ask(ReadFollowUp(ADDRESS, identifier, sequence))
            payload += answer.payload
        return payload


def test_energy_total_and_tariffs():
    meter = made(phases=3)
    line = Line(meter)
    (total,) = line.values(0x0001_0000)
    assert total == Decimal(meter.registers.total(NOW)).scaleb(-2)
    block = line.values(0x0001_FF00)
    assert block[0] == total == sum(block[1:])
    assert line.values(0x0001_0300) == [block[3]]
    assert line.values(0x0000_0000) == [total]
    assert line.values(0x0002_FF00) == [Decimal("0.00")] * 5
    (reactive,) = line.values(0x0003_0000)
    assert 0 < reactive < total
    assert line.values(0x0005_0000) == [reactive]


def test_settlements_are_the_ends_of_months():
    meter = made()
    payload = Line(meter).whole(0x0001_00FF)
    values = [value.value for value in decode(0x0001_00FF, payload)]
    assert len(values) == 13
    month_start = NOW - int((WALL - datetime(2026, 3, 1)).total_seconds())
    assert values[1] == Decimal(meter.registers.total(month_start)).scaleb(-2)
    assert values[3:] == [Decimal("1.00")] * 10  # before it was installed


def test_phases_agree_with_each_other():
    line = Line(made(phases=3))
    voltages, currents, powers, factors = (
        line.values(identifier)
        for identifier in (0x0201_FF00, 0x0202_FF00, 0x0203_FF00, 0x0206_FF00)
    )
    assert powers[0] == sum(powers[1:])
    for voltage, current, power, factor in zip(
        voltages, currents, powers[1:], factors[1:], strict=True
    ):
        assert abs(voltage * current * factor / 1000 - power) < Decimal("0.0005")
    assert line.values(0x0203_0100) == [powers[1]]


def test_a_single_phase_meter_has_no_other_phases():
    line = Line(made(kind=Kind.HOUSEHOLD))
    voltages = line.values(0x0201_FF00)
    assert voltages[0] > 200
    assert voltages[1:] == [None, None]
    assert line.values(0x0201_0200) == [None]


def test_demand_and_its_time():
    line = Line(made(phases=3))
    power, stamp = line.values(0x0101_0000)
    assert power > 0
    assert "2026-03-01 00:15" <= stamp <= "2026-03-16 10:00"
    before, earlier = line.values(0x0101_0001)
    assert before > 0
    assert earlier[:7] == "2026-02"
    assert line.values(0x0102_0000)[0] == 0


def test_date_time_numbers_and_words():
    line = Line(made())
    assert line.values(0x0400_0101) == ["2026-03-16"]
    assert line.values(0x0400_0102) == ["10:07:00"]
    assert line.values(0x0400_0401) == line.values(0x0400_0402) == [ADDRESS]
    assert line.values(0x0400_05FF) == ["0000"] * 7
    assert line.values(0x0280_0002)[0] == pytest.approx(50, abs=1)
    assert line.values(0x0280_0003)[0] > 0
    assert line.values(0x0280_0004)[0] > 0


def test_a_clock_that_is_wrong_stamps_wrongly():
    line = Line(made(clock=MeterClock(offset_s=-600)))
    assert line.values(0x0400_0102) == ["09:57:00"]


def test_daily_freezes():
    meter = made(phases=3)
    line = Line(meter)
    midnight = NOW - 10 * 3600 - 7 * 60
    for index in (1, 2, 62):
        frozen = midnight - (index - 1) * DAY_S
        wall = wall_datetime(meter.clock.wall(frozen))
        assert line.values(0x0506_0000 + index) == [f"{wall:%Y-%m-%d} 00:00"]
        energies = line.values(0x0506_0100 + index)
        assert energies[0] == Decimal(meter.registers.total(frozen)).scaleb(-2) == sum(energies[1:])
    assert len(line.values(0x0506_1001)) == 8
    assert len(line.values(0x0506_0901)) == 10


@pytest.mark.parametrize(
    "identifier",
    [
        0x0506_003F,  # the 63rd daily freeze
        0x0506_1101,
        0x0500_0001,
        0x0001_0500,  # a fifth tariff
        0x0001_000D,
        0x0009_0000,
        0x0101_0500,
        0x0103_0000,
        0x0201_0400,
        0x0201_0001,
        0x0207_FF00,
        0x0280_000A,
        0x0400_0E01,
        0x0330_0001,
        0x0605_0002,  # a load record class that is not kept
    ],
)
def test_what_it_does_not_keep_is_refused(identifier):
    argument = b"\x01" if identifier >> 24 == 6 else b""
    answer = Line(made()).ask(ReadData(ADDRESS, identifier, argument))
    assert isinstance(answer, Refused)
    assert answer.reasons == ("no such data",)


IDENTIFIERS = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(
        lambda *octets: int.from_bytes(octets),
        st.sampled_from([*range(7), 0x10, 0x13, 0x1D, 0x1E]),
        st.sampled_from([*range(18), 0x30, 0x80, 0xFF]),
        st.sampled_from([*range(18), 0xFF]),
        st.sampled_from([*range(14), 0x3E, 0x3F, 0xFF]),
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("phases", [1, 3])
@given(identifier=IDENTIFIERS, argument=st.binary(max_size=8), later=st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_whatever_is_asked_is_answered_in_the_form_of_the_tables(
    phases, identifier, argument, later
):
    meter = METERS[phases]
    reply = meter.answer(ReadData(ADDRESS, identifier, argument), NOW + later)
    assert reply is not None
    if isinstance(reply.message, Refused):
        return
    assert isinstance(reply.message, Data)
    if not reply.message.more:
        values = decode(identifier, reply.message.payload)
        assert values or identifier >> 24 == 6


def test_registers_start_again_after_their_last_digit():
    initial = (99_999_900, 0, 0, 0)
    load = CustomerLoad(Kind.SHOP, 3, Climate(1, FIRST), utc_offset_s=OFFSET_S)
    line = Line(SimulatedMeter(ADDRESS, load, initial=initial))
    drawn = Decimal(load.joules(NOW) // 36_000).scaleb(-2)
    assert line.values(0x0001_0000) == [drawn - 1]
    assert line.values(0x0000_0000) == [drawn + Decimal("999999.00") - 800_000]


def test_a_load_beyond_the_display_shows_the_most_it_can():
    load = CustomerLoad(
        Kind.WORKSHOP, 3, Climate(1, FIRST), utc_offset_s=OFFSET_S, scale_permille=20_000
    )
    line = Line(SimulatedMeter(ADDRESS, load, phases=3))
    assert line.values(0x0203_0000) == [Decimal("79.9999")]
    assert line.values(0x0101_0000)[0] == Decimal("79.9999")
    assert line.values(0x0280_0004) == [Decimal("79.9999")]


def test_freezes_from_before_it_was_installed_are_refused():
    load = CustomerLoad(Kind.SHOP, 3, Climate(1, FIRST + 65), utc_offset_s=OFFSET_S)
    line = Line(SimulatedMeter(ADDRESS, load))
    assert isinstance(line.ask(ReadData(ADDRESS, 0x0506_0106)), Data)
    assert isinstance(line.ask(ReadData(ADDRESS, 0x0506_0107)), Refused)


def from_time(count, wall):
    return bytes.fromhex(f"{count:02d}{wall:%M%H%d%m%y}")


def test_load_records_come_in_several_frames():
    meter = made(phases=3)
    line = Line(meter)
    start = datetime(2026, 3, 15, 0, 0)
    records = decode_records(line.whole(0x0604_0001, from_time(96, start)))
    assert [record.time for record in records] == [
        start + timedelta(minutes=15 * number) for number in range(96)
    ]
    for record in records[::7]:
        moment = meter.clock.moment(wall_seconds(record.time))
        assert record.classes[4][0] == Decimal(meter.registers.total(moment)).scaleb(-2)
    totals = [record.classes[4][0] for record in records]
    assert all(total is not None for total in totals)
    assert totals == sorted(total for total in totals if total is not None)


def test_load_records_of_all_classes_the_latest_and_the_earliest():
    line = Line(made())
    (latest,) = decode_records(line.whole(0x0600_0002, b"\x01"))
    assert latest.time == datetime(2026, 3, 16, 10, 0)
    assert sorted(latest.classes) == [1, 2, 3, 4]
    assert latest.classes[1][1] is None  # phase B
    earliest = decode_records(line.whole(0x0601_0000, b"\x03"))
    assert len(earliest) == 3
    assert earliest[0].time == datetime(2026, 1, 13, 10, 15)  # 62 days of quarters before


def test_load_records_of_the_future_are_no_error():
    answer = Line(made()).ask(ReadData(ADDRESS, 0x0604_0001, from_time(4, WALL)))
    assert isinstance(answer, Data)
    assert answer.payload == b""


@pytest.mark.parametrize("argument", [b"\x0a" + b"\x00" * 5, b"\x01\x99\x99\x99\x99\x99", b""])
def test_a_senseless_time_is_refused(argument):
    assert isinstance(Line(made()).ask(ReadData(ADDRESS, 0x0604_0001, argument)), Refused)


def test_a_pushed_clock_leaves_a_hole_in_the_records():
    pushed = MeterClock(steps=(ClockStep(NOW - 3 * 3600, 1_800),))
    records = decode_records(
        Line(made(clock=pushed)).whole(0x0604_0001, from_time(16, datetime(2026, 3, 16, 6, 0)))
    )
    times = [record.time for record in records]
    assert datetime(2026, 3, 16, 7, 0) in times
    assert datetime(2026, 3, 16, 7, 15) not in times


def test_a_part_may_be_asked_for_again():
    line = Line(made())
    first = line.ask(ReadData(ADDRESS, 0x0001_FFFF))
    assert first.more
    once, again = (line.ask(ReadFollowUp(ADDRESS, 0x0001_FFFF, 1)) for _ in range(2))
    assert once == again
    assert not once.more
    values = decode(0x0001_FFFF, first.payload + once.payload)
    assert len(values) == 5 * 13
    assert isinstance(line.ask(ReadFollowUp(ADDRESS, 0x0001_FFFF, 2)), Refused)
    assert isinstance(line.ask(ReadFollowUp(ADDRESS, 0x0001_00FF, 1)), Refused)


def test_the_address_is_told_when_one_meter_is_on_the_line():
    assert Line(made()).ask(ReadAddress()) == AddressFound(
        ADDRESS, raw=bytes.fromhex("68380000000000689306 6b3333333333 0b16".replace(" ", ""))
    )
    several = Line(made(), made("000000000039"))
    assert isinstance(several.ask(ReadAddress()), TimedOut)


def test_a_wildcard_reaches_the_one_that_it_fits():
    line = Line(made(), made("000000000039"))
    answer = line.ask(ReadData("AAAAAAAA0039", 0x0001_0000))
    assert answer.address == "000000000039"
    assert isinstance(line.ask(ReadData("000000000040", 0x0001_0000)), TimedOut)


def test_a_request_in_the_shadow_of_half_a_frame_is_answered_after_the_gap():
    bus = MeterBus([made()], epoch_s=NOW)
    master = Session(Role.MASTER)
    master.send(ReadData(ADDRESS, 0x0001_0000), 0.0)
    bus.receive(bytes.fromhex("68 38 00 00 00 00 00 68 11 c8") + master.outgoing(0.0), 0.0)
    assert not any(isinstance(event, Asked) for event in bus.events())
    bus.on_deadline(0.5)
    assert any(isinstance(event, Asked) for event in bus.events())
    bus.on_deadline(0.52)
    master.receive(bus.outgoing(0.52), 0.52)
    assert isinstance(master.events()[-1], Data)


def test_two_meters_with_one_address_are_refused():
    with pytest.raises(LocalError, match="same address"):
        MeterBus([made(), made()], epoch_s=NOW)


def test_meters_do_not_speak_of_their_own_accord():
    with pytest.raises(LocalError, match="nobody asked"):
        MeterBus([made()], epoch_s=NOW).send(ReadAddress(), 0.0)


def test_a_dead_meter_is_silent_and_counts_on():
    dead = made(faults=MeterFaults(dead=(Span(NOW, NOW + 60),)))
    line = Line(dead)
    assert isinstance(line.ask(ReadData(ADDRESS, 0x0001_0000)), TimedOut)
    line.now = 61.0
    assert line.values(0x0001_0000)[0] == Decimal(made().registers.total(NOW + 61)).scaleb(-2)


def test_a_reset_meter_starts_from_nothing_and_keeps_what_was_frozen():
    line = Line(made(faults=MeterFaults(reset_s=NOW - 3600)))
    (total,) = line.values(0x0001_0000)
    assert total < 10
    block = line.values(0x0001_FF00)
    assert sum(block[1:]) == total
    assert line.values(0x0506_0101)[0] > 1000
    assert line.values(0x0101_0000)[1] > "2026-03-16 09"


def test_a_late_answer_comes_late_and_a_wrong_address_is_no_answer():
    late = Line(made(faults=MeterFaults(late_permille=1000, late_s=1.0)))
    late.values(0x0001_0000)
    assert late.now == pytest.approx(1.02)
    wrong = Line(made(faults=MeterFaults(wrong_address_permille=1000)))
    assert isinstance(wrong.ask(ReadData(ADDRESS, 0x0001_0000)), TimedOut)


def test_an_answer_to_a_request_that_was_given_up_is_spoken_all_the_same():
    bus = MeterBus(
        [made(faults=MeterFaults(late_permille=1000, late_s=5.0)), made("39".rjust(12, "0"))],
        epoch_s=NOW,
    )
    master = Session(Role.MASTER)
    master.send(ReadData(ADDRESS, 0x0001_0000), 0.0)
    bus.receive(master.outgoing(0.0), 0.0)
    other = Session(Role.MASTER)
    other.send(ReadData("000000000039", 0x0400_0102), 3.0)
    bus.receive(other.outgoing(3.0), 3.0)
    bus.on_deadline(3.02)
    assert bus.outgoing(3.02)
    bus.on_deadline(5.02)
    assert bus.outgoing(5.02).startswith(bytes.fromhex("683800"))


@dataclass(frozen=True)
class Write:
    """A request that changes something."""

    address: str = ADDRESS
    edition: Edition = Edition.E2007


def test_without_a_key_nothing_may_be_changed():
    reply = made().answer(Write(), NOW)
    assert reply.message == Refused(ADDRESS, 4)
    assert reply.message.refusal.reasons == ("password wrong or not authorised",)


class Line1997(Line):
    """A meter of 1997."""

    def __init__(self, **knobs):
        super().__init__(made(edition=Edition.E1997, **knobs))

    def old(self, identifier):
        answer = self.ask(ReadData(ADDRESS, identifier, edition=Edition.E1997))
        assert isinstance(answer, Data), answer
        return [value.value for value in decode(identifier, answer.payload, Edition.E1997)]


def test_a_meter_of_1997():
    line = Line1997(phases=3)
    modern = Line(made(phases=3))
    assert line.old(0x9010) == modern.values(0x0001_0000)
    assert line.old(0x901F) == modern.values(0x0001_FF00)
    assert line.old(0xB611) == [modern.values(0x0201_0100)[0] // 1]
    assert abs(line.old(0xB621)[0] - modern.values(0x0202_0100)[0]) < Decimal("0.01")
    assert line.old(0xB630) == modern.values(0x0203_0000)
    assert line.old(0xC011) == ["10:07:00"]
    assert line.old(0xC032) == [ADDRESS]
    again = line.ask(ReadAgain(ADDRESS, 0xC032))
    assert isinstance(again, Data)
    refused = line.ask(ReadData(ADDRESS, 0x9810, edition=Edition.E1997))
    assert refused.reasons == ("identifier error",)


def test_each_edition_is_deaf_to_the_other():
    assert isinstance(Line1997().ask(ReadData(ADDRESS, 0x0001_0000)), TimedOut)
    old = ReadData(ADDRESS, 0x9010, edition=Edition.E1997)
    assert isinstance(Line(made()).ask(old), TimedOut)


def test_nothing_to_repeat():
    assert isinstance(Line1997().ask(ReadAgain(ADDRESS)), Refused)

"""What a handheld asks of a terminal, over real sessions, and what becomes of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.terminal.box import ADDRESS, START_US, WRITER, S, Table

from kwhub.catalog.terminal_profile import (
    ChannelKind,
    ChannelStatus,
    EventKind,
    FreezeKind,
    RoundState,
    TerminalStatus,
    point_address,
)
from kwhub.domain.errors import Refusal
from kwhub.domain.readings import Register
from kwhub.exchange.change import Verdict
from kwhub.exchange.clock import adjust_clock, compare_clock, set_clock
from kwhub.exchange.freeze import FreezePattern, freeze
from kwhub.exchange.passwords import change_password
from kwhub.exchange.read import read_curve, read_day_freeze, read_items, read_registers
from kwhub.exchange.terminal import (
    Profile,
    read_channel,
    read_channel_curve,
    read_channels,
    read_frozen,
    read_profile,
    read_round,
    read_status,
    read_terminal_events,
    start_round,
)
from kwhub.exchange.terminal_settings import (
    ChannelSettings,
    PortMeter,
    read_channel_settings,
    read_freeze_times,
    read_initial,
    read_points,
    read_port_meter,
    write_channel_settings,
    write_freeze_times,
    write_initial,
    write_point,
    write_port_meter,
)
from kwhub.protocols.dlt645 import Authority, Key, SetTime
from kwhub.terminal.clockwork import wall_moment

ENERGY = Register("1-0:1.8.0")


@pytest.fixture
def table(tmp_path):
    made = Table(tmp_path)
    yield made
    made.memory.close()


def kinds(table: Table) -> list[EventKind | int]:
    return [event.kind for event in table.ask(read_terminal_events(ADDRESS))]


def test_it_says_what_it_is(table):
    assert table.ask(read_profile(ADDRESS)) == Profile(1, 16)
    assert table.ask(read_status(ADDRESS)) is TerminalStatus.CLOCK_INVALID
    assert table.ask(read_points(ADDRESS))[15] == point_address(ADDRESS, 16)


def test_all_channels_come_in_one_frame(table):
    table.pulses(2, 1_234)
    channels = table.ask(read_channels(ADDRESS))
    assert len(channels) == 16
    assert (channels[1].pulses, channels[1].register) == (1_234, Decimal("1.23"))
    assert channels[1].power_kw == 18  # 1000 imp/kWh, five pulses a second
    assert channels[1].status == ChannelStatus.IN_USE | ChannelStatus.UNSET
    assert channels[0].pulses == 0
    assert channels[2].status == ChannelStatus(0)
    frames = [event for event in table.pair.answerer_events if hasattr(event, "request")]
    assert len(frames) == 1


def test_pulses_are_live(table):
    for count in (1, 2, 3):
        table.pulses(1, 1)
        assert table.ask(read_channel(ADDRESS, 1)).pulses == count


def test_a_measuring_point_answers_like_a_meter(table):
    table.pulses(1, 500)
    point = point_address(ADDRESS, 1)
    (answer,) = table.ask(read_registers(point, [ENERGY]))
    assert (answer.value, answer.unit) == (Decimal("0.50"), "kWh")
    power, number, nothing = table.ask(read_items(point, [0x02030000, 0x04000401, 0x02010100]))
    assert power.values[0].value == 18
    assert number.values[0].value == point
    assert isinstance(nothing.error, Refusal)
    (unused,) = table.ask(read_registers(point_address(ADDRESS, 3), [ENERGY]))
    assert isinstance(unused.error, Refusal)


def test_a_new_point_address_is_answered_from_then_on_and_kept(table):
    change = table.ask(write_point(ADDRESS, 1, "000000000038", WRITER))
    assert change.verdict is Verdict.DONE
    assert table.ask(write_point(ADDRESS, 2, "000000000038", WRITER)).verdict is Verdict.REFUSED
    table.power_cut()
    table.power_up()
    (answer,) = table.ask(read_registers("000000000038", [ENERGY]))
    assert answer.value == 0


def test_constant_and_reading_are_set_and_kept(table):
    table.pulses(1, 10)
    settings = ChannelSettings(constant=3_200, current_max_a=Decimal(100), debounce_ms=5)
    assert table.ask(write_channel_settings(ADDRESS, 1, settings, WRITER)).verdict is Verdict.DONE
    assert table.ask(write_initial(ADDRESS, 1, Decimal("4711.08"), WRITER)).verdict is Verdict.DONE
    table.pulses(1, 3_200)
    table.power_cut()
    table.power_up()
    assert table.ask(read_channel_settings(ADDRESS, 1)) == replace(settings)
    assert table.ask(read_initial(ADDRESS, 1)) == Decimal("4711.08")
    now = table.ask(read_channel(ADDRESS, 1))
    assert (now.pulses, now.register) == (3_210, Decimal("4712.08"))
    assert now.status is ChannelStatus.IN_USE
    assert {EventKind.SETTINGS_CHANGED, EventKind.INITIAL_SET} < set(kinds(table))


@pytest.mark.parametrize(
    ("channel", "settings"),
    [
        (1, ChannelSettings(constant=0)),
        (1, ChannelSettings(current_max_a=Decimal(0))),
        (1, ChannelSettings(phases=0)),
        (15, ChannelSettings(kind=ChannelKind.METER)),
    ],
)
def test_settings_that_no_meter_has_are_refused(table, channel, settings):
    before = table.ask(read_channel_settings(ADDRESS, channel))
    change = table.ask(write_channel_settings(ADDRESS, channel, settings, WRITER))
    assert change.verdict is Verdict.REFUSED
    assert table.ask(read_channel_settings(ADDRESS, channel)) == before


def test_who_does_not_know_the_password_writes_nothing(table):
    for authority in (Authority(Key(4, "000000")), Authority(Key(3, "271828"))):
        change = table.ask(write_initial(ADDRESS, 1, Decimal(1), authority))
        assert change.verdict is Verdict.REFUSED
    assert table.ask(read_initial(ADDRESS, 1)) is None
    assert kinds(table).count(EventKind.PASSWORD_REFUSED) == 2


def test_five_wrong_passwords_lock_the_terminal_also_over_a_power_cut(table):
    for _ in range(5):
        table.ask(write_initial(ADDRESS, 1, Decimal(1), Authority(Key(4, "111111"))))
    table.power_cut()
    table.power_up()
    assert table.ask(write_initial(ADDRESS, 1, Decimal(1), WRITER)).verdict is Verdict.REFUSED
    table.wait(3_600)
    assert table.ask(write_initial(ADDRESS, 1, Decimal(1), WRITER)).verdict is Verdict.DONE


def test_a_changed_password_holds_and_the_old_one_does_not(table):
    new = Key(4, "161803")
    change = table.ask(change_password(ADDRESS, WRITER.key, new))
    assert change.verdict.good
    table.power_cut()
    table.power_up()
    assert table.ask(write_initial(ADDRESS, 1, Decimal(1), WRITER)).verdict is Verdict.REFUSED
    ok = table.ask(write_initial(ADDRESS, 1, Decimal(1), Authority(new)))
    assert ok.verdict is Verdict.DONE


def test_the_clock_drifts_and_is_put_right(tmp_path):
    table = Table(tmp_path, drift_ppm=50)

    def true() -> datetime:
        return datetime(2026, 3, 2, 10) + timedelta(microseconds=table.true_us - START_US)

    assert table.ask(set_clock(ADDRESS, true, WRITER)).verdict is Verdict.DONE
    assert TerminalStatus.CLOCK_INVALID not in table.ask(read_status(ADDRESS))
    table.wait(5 * 86_400, step_s=7_200)
    assert 20 < table.ask(compare_clock(ADDRESS, true)).offset_s < 23  # 50 ppm of five days
    table.ask(adjust_clock(ADDRESS, true))
    assert abs(table.ask(compare_clock(ADDRESS, true)).offset_s) < 1.5
    table.power_cut()
    table.power_up()
    assert abs(table.ask(compare_clock(ADDRESS, true)).offset_s) < 1.5
    assert EventKind.CLOCK_SET in kinds(table)
    table.memory.close()


def test_a_clock_that_is_two_days_behind_at_power_up_is_told_until_it_is_set(table):
    table.ask(set_clock(ADDRESS, lambda: table.wall, WRITER))
    table.wait(3600)
    table.power_cut()
    right_us = table.true_us
    table.true_us -= 2 * 86_400 * S  # its battery was empty
    for _ in range(2):  # seen again after another cut, although no later moment was ever kept
        table.power_up()
        assert TerminalStatus.CLOCK_INVALID in table.ask(read_status(ADDRESS))
        table.wait(1800)
        table.power_cut()
    table.power_up()
    assert kinds(table).count(EventKind.CLOCK_BEHIND) == 3
    wall = wall_moment(table.box.wall_s(right_us))
    table.ask(set_clock(ADDRESS, lambda: wall, WRITER))
    assert TerminalStatus.CLOCK_INVALID not in table.ask(read_status(ADDRESS))
    table.power_cut()
    table.power_up()
    assert TerminalStatus.CLOCK_INVALID not in table.ask(read_status(ADDRESS))


def test_a_clock_that_the_machine_puts_right_by_itself_is_trusted_again(table):
    table.ask(set_clock(ADDRESS, lambda: table.wall, WRITER))
    table.wait(3600)
    table.power_cut(warned=False)
    table.true_us -= 2 * 86_400 * S
    table.power_up()
    table.wait(600)
    assert TerminalStatus.CLOCK_INVALID in table.ask(read_status(ADDRESS))
    table.wait(2 * 86_400, step_s=2 * 86_400)  # one look, and it is two days later
    assert TerminalStatus.CLOCK_INVALID not in table.ask(read_status(ADDRESS))


def test_a_broadcast_time_is_taken_once_a_day_and_only_when_it_is_near(table):
    def true() -> datetime:
        return datetime(2026, 3, 2, 10, 4)

    table.ask(set_clock(ADDRESS, lambda: datetime(2026, 3, 2, 10), WRITER))
    first = table.wall
    table.desk.answer(SetTime(first + timedelta(minutes=6)), table.true_us, table.now_us)
    assert table.wall == first, "six minutes off"
    table.desk.answer(SetTime(true()), table.true_us, table.now_us)
    assert table.wall == true()
    table.desk.answer(SetTime(first), table.true_us, table.now_us)
    assert table.wall == true(), "once a day"


def test_days_are_frozen_at_midnight_and_read_like_those_of_a_meter(table):
    table.pulses(1, 100)
    table.wait(16 * 3_600, step_s=590)
    table.pulses(1, 100)
    frozen = table.ask(read_frozen(ADDRESS, FreezeKind.DAILY))
    assert (frozen[0].time, frozen[0].register) == (datetime(2026, 3, 3), Decimal("0.10"))
    assert frozen[2].register is None
    day = table.ask(read_day_freeze(point_address(ADDRESS, 1)))
    assert (day.time, day.values[ENERGY]) == (datetime(2026, 3, 3), Decimal("0.10"))
    with pytest.raises(Refusal):
        table.ask(read_frozen(ADDRESS, FreezeKind.DAILY, 2))


def test_freeze_times_are_settable(table):
    patterns = (FreezePattern.daily(12, 30), FreezePattern.monthly(2, 11, 0))
    change = table.ask(write_freeze_times(ADDRESS, patterns, WRITER))
    assert change.verdict is Verdict.DONE
    assert table.ask(read_freeze_times(ADDRESS)) == patterns
    once = FreezePattern.once(datetime(2026, 3, 2, 10, 15))
    assert table.ask(freeze(ADDRESS, once)).verdict is Verdict.DONE  # takes the first place
    table.pulses(1, 10)
    table.wait(3_700)
    newest, oldest = (table.ask(read_frozen(ADDRESS, FreezeKind.TIMED, n))[0] for n in (1, 2))
    assert (oldest.time, newest.time) == (datetime(2026, 3, 2, 10, 15), datetime(2026, 3, 2, 11))
    assert newest.register == Decimal("0.01")
    assert table.ask(read_freeze_times(ADDRESS)) == patterns[1:], "what was once is forgotten"


def test_nothing_is_frozen_twice_by_a_clock_that_is_set_back(table):
    table.ask(set_clock(ADDRESS, lambda: datetime(2026, 3, 2, 23, 59), WRITER))
    table.wait(120)
    table.ask(set_clock(ADDRESS, lambda: datetime(2026, 3, 2, 23, 59), WRITER))
    table.pulses(1, 100)
    table.wait(120)
    assert table.ask(read_frozen(ADDRESS))[0].register == 0
    with pytest.raises(Refusal):
        table.ask(read_frozen(ADDRESS, FreezeKind.DAILY, 2))


def test_a_small_push_over_midnight_still_freezes_a_large_one_does_not(table):
    table.ask(set_clock(ADDRESS, lambda: datetime(2026, 3, 2, 23, 58), WRITER))
    table.desk.answer(SetTime(datetime(2026, 3, 3, 0, 1)), table.true_us, table.now_us)
    assert table.ask(read_frozen(ADDRESS))[0].time == datetime(2026, 3, 3)
    table.ask(set_clock(ADDRESS, lambda: datetime(2026, 3, 9, 0, 1), WRITER))
    assert table.ask(read_frozen(ADDRESS))[0].time == datetime(2026, 3, 3)


def test_curves_have_a_point_every_quarter_and_none_without_power(table):
    table.pulses(1, 100)
    table.wait(2_000)
    table.power_cut()
    table.true_us += 3_600_000_000
    table.power_up()
    table.wait(1_200)
    start = datetime(2026, 3, 2, 10)
    points = table.ask(read_channel_curve(ADDRESS, 1, start, 96))
    minutes = [(point.time - start) // timedelta(minutes=1) for point in points]
    assert minutes == [15, 30, 105]
    assert {point.register for point in points} == {Decimal("0.10")}
    records = table.ask(read_curve(point_address(ADDRESS, 1), start, 2))
    assert [record.values[ENERGY] for record in records] == [Decimal("0.10")] * 2
    assert records[0].values["1-0:2.8.0"] is None
    assert table.ask(read_channel_curve(ADDRESS, 1, start + timedelta(days=1), 4)) == []
    assert kinds(table) == [EventKind.POWER_UP, EventKind.POWER_DOWN, EventKind.POWER_UP]


def test_a_long_curve_comes_in_several_frames(table):
    table.wait(86_400, step_s=590)
    assert len(table.ask(read_channel_curve(ADDRESS, 1, datetime(2026, 3, 2, 10), 96))) == 96


def test_a_round_needs_no_password_and_is_the_instant_freeze(table):
    table.pulses(1, 100)
    change = table.ask(start_round(ADDRESS))
    assert change.verdict is Verdict.DONE
    table.pulses(1, 100)
    last = table.ask(read_round(ADDRESS))
    assert (last.number, last.state, last.channels) == (1, RoundState.DONE, frozenset({1, 2}))
    assert table.ask(read_frozen(ADDRESS, FreezeKind.INSTANT))[0].register == Decimal("0.10")


def test_a_round_waits_for_the_meter_on_the_port(table):
    meter = PortMeter("000000000038", 1997, 1_200)
    settings = ChannelSettings(kind=ChannelKind.METER)
    table.ask(write_channel_settings(ADDRESS, 16, settings, WRITER))
    assert table.ask(read_port_meter(ADDRESS)) is None
    assert table.ask(write_port_meter(ADDRESS, meter, WRITER)).verdict is Verdict.DONE
    assert table.ask(read_port_meter(ADDRESS)) == meter
    assert ChannelStatus.NOT_ANSWERING in table.ask(read_channel(ADDRESS, 16)).status
    assert table.ask(start_round(ADDRESS)).verdict is Verdict.PENDING
    table.box.port_answered(Decimal("81.50"), table.true_us)
    assert 16 in table.ask(read_round(ADDRESS)).channels
    assert table.ask(read_frozen(ADDRESS, FreezeKind.INSTANT))[15].register == Decimal("81.50")
    assert table.ask(read_channel(ADDRESS, 16)).register == Decimal("81.50")
    table.ask(start_round(ADDRESS))
    table.box.port_answered(None, table.true_us)
    assert 16 not in table.ask(read_round(ADDRESS)).channels
    assert TerminalStatus.PORT_SILENT in table.ask(read_status(ADDRESS))
    assert kinds(table)[-1] is EventKind.METER_SILENT


def test_events_are_kept_in_order_and_read_from_a_time(table):
    table.box.cover(table.true_us, is_open=True)
    table.wait(600)
    table.box.cover(table.true_us, is_open=False)
    assert TerminalStatus.COVER_OPEN not in table.ask(read_status(ADDRESS))
    events = table.ask(read_terminal_events(ADDRESS, 2))
    assert [event.kind for event in events] == [EventKind.COVER_OPENED, EventKind.COVER_CLOSED]
    later = table.ask(read_terminal_events(ADDRESS, 99, datetime(2026, 3, 2, 10, 5)))
    assert [event.kind for event in later] == [EventKind.COVER_CLOSED]
    assert later[0].number == events[1].number


def test_too_fast_pulses_are_an_event_of_their_channel(table):
    table.pulses(1, 20, apart_us=40_000)
    now = table.ask(read_channel(ADDRESS, 1))
    assert ChannelStatus.IMPLAUSIBLE in now.status
    assert now.pulses < 20
    last = table.ask(read_terminal_events(ADDRESS, 1))[0]
    assert (last.kind, last.channel) == (EventKind.OVERSPEED, 1)


def test_counts_survive_a_cut_with_a_warning(table):
    table.pulses(1, 77)
    table.power_cut()
    table.power_up()
    assert table.ask(read_channel(ADDRESS, 1)).pulses == 77


def test_a_broken_store_is_told(table):
    def broken(_name: str, _data: bytes) -> None:
        raise OSError("worn out")

    table.flash.append = broken
    table.pulses(1, 5)
    table.box.commit(table.true_us)
    assert TerminalStatus.STORE_FAULT in table.ask(read_status(ADDRESS))
    assert table.ask(read_channel(ADDRESS, 1)).pulses == 5
    assert kinds(table).count(EventKind.STORE_FAULT) == 1


def test_a_terminal_does_not_answer_what_is_not_for_it(table):
    assert not table.desk.knows("000000000038")
    assert table.desk.knows("AAAAAAAAAAAA")

"""Writing, relay, freezing, clearing, passwords, address: judged by what the meter shows afterwards."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.exchange.obedient645 import ADDRESS, Obedient

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.exchange.address import change_address, write_address
from kwhub.exchange.change import ORDERS_MAX, Verdict
from kwhub.exchange.clearing import clear_demand, clear_events, clear_meter
from kwhub.exchange.freeze import FreezePattern, freeze
from kwhub.exchange.parameters import ELSEWHERE, write_parameter, write_payload
from kwhub.exchange.passwords import change_password
from kwhub.exchange.ports import Output, change_rate, set_output
from kwhub.exchange.relay import RelayCommand, control_relay, read_relay
from kwhub.protocols.dlt645 import (
    Authority,
    ChangePassword,
    ClearDemand,
    ControlRelay,
    Edition,
    Freeze,
    Key,
    ReadData,
    RelayOrder,
    WriteAddress,
    WriteData,
)
from kwhub.protocols.dlt645.addresses import BROADCAST

WRITER = Authority(Key(4, "123456"), "00000077")
CLEARER = Authority(Key(2, "020202"))
STRANGER = Authority(Key(4, "999999"))
PERIOD = 0x04000103


def meter(**knobs):
    return Obedient(store={PERIOD: b"\x15"}, **knobs)


def test_a_parameter_is_written_and_read_back():
    peer = meter()
    done = peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER))
    assert done.verdict is Verdict.DONE
    assert done.verdict.good
    assert (done.before.payload, done.after.payload) == (b"\x15", b"\x30")
    assert done.after.raw
    assert peer.asked[1].authority.operator == "00000077"


def test_a_refused_write_is_read_back_too():
    done = meter().talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], STRANGER))
    assert done.verdict is Verdict.REFUSED
    assert isinstance(done.error, Refusal)
    assert done.after.payload == b"\x15"


def test_a_meter_that_refuses_and_changes_all_the_same_is_found_out():
    """Seen on a real meter: C3 came back, and the data were other than before."""
    done = meter(changes_anyway=True).talk(
        write_parameter(ADDRESS, PERIOD, [Decimal(30)], STRANGER)
    )
    assert done.verdict is Verdict.REFUSED_BUT_CHANGED
    assert done.after.payload == b"\x30"


def test_a_lost_answer_does_not_make_a_write_a_failure_nor_repeat_it():
    peer = meter()
    done = peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER), lost=[1])
    assert done.verdict is Verdict.DONE
    assert isinstance(done.error, NoAnswer)
    assert peer.commands == ["WriteData"]


def test_a_lost_request_is_sent_again():
    peer = meter()
    done = peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER), lost_requests=[1])
    assert done.verdict is Verdict.DONE
    assert done.orders == 2
    assert done.error is None


def test_a_meter_that_is_deaf_to_writes():
    peer = meter(deaf=(WriteData,))
    done = peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER))
    assert done.verdict is Verdict.NO_ANSWER
    assert not done.verdict.good
    assert done.orders == ORDERS_MAX


def test_a_meter_that_agrees_and_does_nothing():
    peer = meter(does_nothing=True)
    done = peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER))
    assert done.verdict is Verdict.NOT_DONE


def test_nothing_is_written_to_a_silent_meter():
    peer = meter(deaf=(ReadData,))
    with pytest.raises(NoAnswer):
        peer.talk(write_parameter(ADDRESS, PERIOD, [Decimal(30)], WRITER))
    assert peer.commands == []


def test_bytes_go_to_an_item_that_no_table_knows():
    peer = Obedient()
    done = peer.talk(write_payload(ADDRESS, 0x04FE0102, b"\x01\x02", WRITER))
    assert done.verdict is Verdict.DONE
    assert done.before is None


def test_a_write_only_item_proves_nothing():
    done = Obedient().talk(write_parameter(ADDRESS, 0x04001006, [Decimal("1.00")], WRITER))
    assert done.verdict is Verdict.TAKEN
    assert done.after is None


def test_a_1997_parameter():
    peer = Obedient(store={0xC111: b"\x15"}, edition=Edition.E1997)
    done = peer.talk(write_parameter(ADDRESS, 0xC111, [Decimal(30)], WRITER, Edition.E1997))
    assert done.verdict is Verdict.DONE


@pytest.mark.parametrize("identifier", sorted(ELSEWHERE))
def test_what_has_a_conversation_of_its_own_is_not_written_blindly(identifier):
    edition = Edition.E1997 if identifier < 0x10000 else Edition.E2007
    with pytest.raises(LocalError):
        next(write_payload(ADDRESS, identifier, b"\0" * 4, WRITER, edition))


@pytest.mark.parametrize("identifier", [0x00010000, 0x04000501, 0x12345678])
def test_what_cannot_be_written(identifier):
    with pytest.raises(LocalError):
        next(write_parameter(ADDRESS, identifier, [Decimal(1)], WRITER))


@pytest.mark.parametrize(
    ("command", "word", "verdict", "after"),
    [
        (RelayCommand.TRIP, 0x0000, Verdict.DONE, 0x0050),
        (RelayCommand.CLOSE, 0x0050, Verdict.DONE, 0x0000),
        (RelayCommand.PERMIT_CLOSING, 0x0050, Verdict.DONE, 0x0010),
        (RelayCommand.PROTECT, 0x0000, Verdict.DONE, 0x1000),
        (RelayCommand.UNPROTECT, 0x1000, Verdict.DONE, 0x0000),
        (RelayCommand.ALARM_ON, 0x0000, Verdict.TAKEN, 0x0000),
    ],
)
def test_relay_orders(command, word, verdict, after):
    done = Obedient(word=word).talk(control_relay(ADDRESS, command, CLEARER))
    assert done.verdict is verdict
    assert (done.before.word, done.after.word) == (word, after)


def test_a_relay_that_waits():
    """The warning time runs, or the current is too large: ordered, but not open yet."""
    done = Obedient(stuck_relay=True).talk(control_relay(ADDRESS, RelayCommand.TRIP, CLEARER))
    assert done.verdict is Verdict.PENDING
    assert done.after.ordered_open
    assert not done.after.is_open


def test_an_order_ends_by_the_clock_of_the_meter():
    """By the true time the meter, a day fast, would find every order expired."""
    peer = Obedient(offset_s=86_400.0)
    conversation = control_relay(ADDRESS, RelayCommand.TRIP_THEN_CLOSE, CLEARER, restore_minutes=15)
    assert peer.talk(conversation).verdict is Verdict.DONE
    (request,) = [request for request in peer.asked if isinstance(request, ControlRelay)]
    order = RelayOrder.from_bytes(request.order)
    assert order == RelayOrder(0x1D, datetime(2026, 3, 3, 12, 5), restore_steps=3)


def test_a_relay_order_whose_answer_is_lost_is_given_once():
    peer = Obedient()
    done = peer.talk(control_relay(ADDRESS, RelayCommand.TRIP, CLEARER), lost=[3])
    assert done.verdict is Verdict.DONE
    assert peer.commands == ["ControlRelay"]


def test_a_wrong_password_trips_nothing():
    done = Obedient().talk(control_relay(ADDRESS, RelayCommand.TRIP, STRANGER))
    assert done.verdict is Verdict.REFUSED
    assert not done.after.is_open


@pytest.mark.parametrize("minutes", [0, 3, 1280, -5])
def test_times_to_restore_that_do_not_exist(minutes):
    with pytest.raises(LocalError):
        next(
            control_relay(ADDRESS, RelayCommand.TRIP_THEN_PERMIT, CLEARER, restore_minutes=minutes)
        )


def test_a_plain_trip_takes_no_time_to_restore():
    with pytest.raises(LocalError):
        next(control_relay(ADDRESS, RelayCommand.TRIP, CLEARER, restore_minutes=5))


def test_the_state_of_the_relay():
    state = Obedient(word=0x10D8).talk(read_relay(ADDRESS))
    assert (state.is_open, state.ordered_open, state.warns, state.is_protected) == (True,) * 4


def test_an_instant_freeze_shows_among_the_last_ones():
    peer = Obedient(store={0x05010000 | n: b"\xff" * 5 for n in (1, 2, 3)})
    done = peer.talk(freeze(ADDRESS, FreezePattern.now()))
    assert done.verdict is Verdict.DONE
    assert done.after.times == ("2026-03-02 12:00", None, None)


def test_an_instant_freeze_that_did_not_happen():
    peer = Obedient(
        store={
            0x05010001: bytes.fromhex("0011020326"),
            0x05010002: b"\xff" * 5,
            0x05010003: b"\xff" * 5,
        }
    )
    peer.does_nothing = True
    assert peer.talk(freeze(ADDRESS, FreezePattern.now())).verdict is Verdict.NOT_DONE


def test_a_freeze_order_is_never_doubled_because_its_answer_got_lost():
    peer = Obedient(store={0x05010000 | n: b"\xff" * 5 for n in (1, 2, 3)})
    done = peer.talk(freeze(ADDRESS, FreezePattern.now()), lost=[3])
    assert done.verdict is Verdict.DONE
    assert peer.commands == ["Freeze"]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (FreezePattern.hourly(30), "99999930"),
        (FreezePattern.daily(0, 0), "99990000"),
        (FreezePattern.monthly(1, 0, 5), "99010005"),
        (FreezePattern.once(datetime(2026, 2, 28, 23, 59)), "02282359"),
    ],
)
def test_a_timed_freeze_is_kept_by_the_meter(pattern, text):
    assert pattern.text == text
    done = Obedient().talk(freeze(ADDRESS, pattern))
    assert done.verdict is Verdict.DONE
    assert done.after.pattern == text


def test_a_freeze_of_all_meters_is_answered_by_none():
    done = Obedient().talk(freeze(BROADCAST, FreezePattern.now()))
    assert done.verdict is Verdict.SENT


@pytest.mark.parametrize(
    "text", ["9999999", "99992560", "13010000", "02300000", "0199hhmm", "01990000"]
)
def test_patterns_that_are_no_moment(text):
    with pytest.raises(LocalError):
        FreezePattern(text)


@pytest.mark.parametrize(
    ("conversation", "counter"),
    [
        (clear_demand, 0x03300200),
        (clear_meter, 0x03300100),
        (clear_events, 0x03300300),
    ],
)
def test_clearing_is_proved_by_its_counter(conversation, counter):
    peer = Obedient(store={counter: b"\x41\x00\x00"})
    done = peer.talk(conversation(ADDRESS, CLEARER))
    assert (done.verdict, done.before, done.after) == (Verdict.DONE, 41, 42)


def test_a_counter_that_stands_still():
    peer = Obedient(store={0x03300200: b"\x41\x00\x00"}, refuses=(ClearDemand,))
    done = peer.talk(clear_demand(ADDRESS, CLEARER))
    assert (done.verdict, done.after) == (Verdict.REFUSED, 41)


def test_a_meter_without_counter_is_believed():
    peer = Obedient(does_nothing=True)
    assert peer.talk(clear_demand(ADDRESS, CLEARER)).verdict is Verdict.TAKEN


def test_a_password_is_changed():
    peer = Obedient()
    done = peer.talk(change_password(ADDRESS, Key(2, "020202"), Key(4, "654321")))
    assert done.verdict is Verdict.DONE
    assert peer.passwords[4] == "654321"
    assert peer.asked[0].identifier == 0x04000C05
    assert "654321" not in repr(done)
    assert done.answer == b""


def test_a_password_whose_answer_is_lost_is_tried():
    peer = Obedient()
    done = peer.talk(change_password(ADDRESS, Key(4, "123456"), Key(4, "654321")), lost=[0])
    assert done.verdict is Verdict.DONE
    assert len(peer.asked) == 2


def test_a_meter_that_agrees_and_keeps_the_old_password_is_found_out():
    peer = Obedient(does_nothing=True)
    done = peer.talk(change_password(ADDRESS, Key(4, "123456"), Key(4, "654321")))
    assert done.verdict is Verdict.NOT_DONE
    assert len(peer.asked) == 2


def test_a_password_that_was_agreed_but_cannot_be_tried():
    peer = Obedient()
    change = change_password(ADDRESS, Key(4, "123456"), Key(4, "654321"))
    assert peer.talk(change, lost=[1]).verdict is Verdict.TAKEN


def test_a_password_that_a_deaf_meter_did_not_take():
    peer = Obedient(deaf=(ChangePassword,))
    done = peer.talk(change_password(ADDRESS, Key(4, "123456"), Key(4, "654321")))
    assert done.verdict is Verdict.NO_ANSWER


def test_a_wrong_old_password_is_tried_once():
    peer = Obedient()
    done = peer.talk(change_password(ADDRESS, Key(4, "000000"), Key(4, "654321")))
    assert done.verdict is Verdict.REFUSED
    assert len(peer.asked) == 1


@pytest.mark.parametrize(("old", "new"), [(4, 2), (0, 10)])
def test_passwords_that_nobody_may_change(old, new):
    with pytest.raises(LocalError):
        next(change_password(ADDRESS, Key(old), Key(new)))


def test_the_only_meter_gets_a_new_address():
    done = Obedient().talk(write_address("000000000123"))
    assert (done.verdict, done.before, done.after) == (Verdict.DONE, ADDRESS, "000000000123")


def test_a_meter_whose_key_is_not_pressed_keeps_its_address():
    done = Obedient(deaf=(WriteAddress,)).talk(write_address("000000000123"))
    assert (done.verdict, done.after) == (Verdict.NO_ANSWER, ADDRESS)


def test_a_1997_meter_gets_a_new_address():
    peer = Obedient(edition=Edition.E1997)
    done = peer.talk(write_address("000000000123", Edition.E1997))
    assert done.verdict is Verdict.TAKEN
    assert peer.address == "000000000123"


def test_one_meter_of_many_gets_a_new_address():
    done = Obedient().talk(change_address(ADDRESS, "000000000123", WRITER))
    assert (done.verdict, done.before, done.after) == (Verdict.DONE, ADDRESS, "000000000123")


def test_a_meter_that_refuses_a_new_address():
    done = Obedient().talk(change_address(ADDRESS, "000000000123", STRANGER))
    assert (done.verdict, done.after) == (Verdict.REFUSED, ADDRESS)


def test_the_signal_of_the_terminal():
    peer = Obedient()
    assert peer.talk(set_output(ADDRESS, Output.DEMAND_PERIOD)).verdict is Verdict.TAKEN
    assert peer.asked[0].output == 1
    assert peer.talk(set_output(BROADCAST, Output.SECOND_PULSE)).verdict is Verdict.SENT


def test_the_speed_of_a_port():
    peer = Obedient()
    assert peer.talk(change_rate(ADDRESS, 9600)).verdict is Verdict.TAKEN
    assert peer.asked[0].word == 0x20
    with pytest.raises(LocalError):
        next(change_rate(ADDRESS, 115_200))


def test_an_order_is_valid_for_as_long_as_asked():
    peer = Obedient()
    peer.talk(control_relay(ADDRESS, RelayCommand.TRIP, CLEARER, valid_for=timedelta(seconds=30)))
    (request,) = [request for request in peer.asked if isinstance(request, ControlRelay)]
    assert RelayOrder.from_bytes(request.order).valid_until == datetime(2026, 3, 2, 12, 0, 30)


def test_a_freeze_request_is_minute_first_on_the_wire():
    peer = Obedient()
    peer.talk(freeze(ADDRESS, FreezePattern.monthly(1, 23, 45)))
    (request,) = [request for request in peer.asked if isinstance(request, Freeze)]
    assert request.data() == bytes.fromhex("45230199")

"""Master and simulated M-Bus meters back to back: read, select, move, change speed, with faults."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kwhub.catalog.mbus_readings import readings_of
from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.exchange.mbus import (
    TELEGRAMS_MAX,
    change_rate,
    read_meter,
    reset_application,
    scan_primary,
    set_address,
)
from kwhub.links.drive_speed import SpeedDriver
from kwhub.links.memory import pair as cable
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role, Session
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.mbus import MbusBus, MbusFaults, MbusMeter, serve_mbus
from kwhub.testing import Pair

NOW = 1_767_225_600 + 40_000
WATER = Identity.parse("12345678-KAM-01-07")
HEAT = Identity.parse("12349999-SEN-02-04")
GAS = Identity.parse("0500023E-LGB-03-03")
POWER = Identity.parse("00000001-EMU-10-02")
COOLING = Identity.parse("00000002-KAM-10-0A")


def bus(*meters, **options):
    master = Session(Role.MASTER)
    return Pair(master, MbusBus(meters, epoch_s=NOW, **options))


def asked(pair, conversation, attempts=3):
    """With the retries that a driver makes."""
    event = None
    while True:
        try:
            request = conversation.send(event)
        except StopIteration as done:
            return done.value
        for _ in range(attempts if getattr(request, "repeatable", True) else 1):
            event = pair.ask(request)
            if not getattr(event, "timed_out", False):
                break


def test_all_telegrams_of_a_meter_come_in_order():
    pair = bus(MbusMeter(WATER, 5, parts=3), MbusMeter(HEAT, 6))
    telegrams = pair.run(read_meter(5))
    assert [each.more for each in telegrams] == [True, True, False]
    assert [each.records[0].storage for each in telegrams] == [0, 1, 2]
    assert {each.identity for each in telegrams} == {WATER}
    now = pair.run(read_meter(WATER))[0].records[0]
    assert now.value == telegrams[0].records[0].value > telegrams[2].records[0].value


def test_history_is_spread_over_two_telegrams_and_dated():
    pair = bus(MbusMeter(HEAT, 5, parts=2, history=6))
    found = readings_of(pair.run(read_meter(5)))
    energies = [each for each in found if each.register == "6-0:1.0.0"]
    assert [each.storage for each in energies] == list(range(7))
    values = [each.value for each in energies if each.value is not None]
    assert len(values) == 7
    assert values == sorted(values, reverse=True)
    assert [each.at for each in energies[:3]] == [
        datetime(2026, 1, 1, 11, 6),
        datetime(2026, 1, 1),
        datetime(2025, 12, 1),
    ]


@pytest.mark.parametrize(
    ("identity", "registers"),
    [
        (WATER, {"8-0:1.0.0", "8-0:2.0.0"}),
        (GAS, {"7-0:3.0.0", "7-0:43.0.0"}),
        (HEAT, {f"6-0:{stem}.0" for stem in ("1.0", "2.0", "8.0", "9.0", "10.0", "11.0", "12.0")}),
        (COOLING, {f"5-0:{stem}.0" for stem in ("1.0", "2.0", "8.0", "10.0", "11.0")}),
        (POWER, {f"1-0:{stem}.0" for stem in ("1.8", "2.8", "16.7", "12.7", "11.7")}),
    ],
)
def test_registers_of_each_medium(identity, registers):
    found = readings_of(bus(MbusMeter(identity, 1)).run(read_meter(1)))
    assert {each.register for each in found} == registers
    assert all(isinstance(each.value, Decimal) and each.value > 0 for each in found)


def test_two_on_one_address_are_heard_and_one_can_be_moved():
    first, second = MbusMeter(WATER, 1), MbusMeter(HEAT, 1)
    pair = bus(first, second)
    with pytest.raises(NoAnswer):
        pair.run(read_meter(1))
    assert pair.run(scan_primary(0, 3)) == {1: False}
    pair.run(set_address(HEAT, 2))
    assert (first.address, second.address) == (1, 2)
    assert pair.run(scan_primary(0, 3)) == {1: True, 2: True}


def test_a_meter_that_says_more_for_ever_is_left():
    (telegram,) = bus(MbusMeter(WATER, 1, faults=MbusFaults(endless=True))).run(read_meter(1))
    assert telegram.more
    many = MbusMeter(WATER, 1, parts=40)
    assert len(bus(many).run(read_meter(1))) == TELEGRAMS_MAX


def test_a_read_begins_at_the_first_telegram_whatever_was_read_before():
    meter = MbusMeter(WATER, 1, parts=3)
    pair = bus(meter)
    many = read_meter(1)
    request = next(many)
    for _ in range(2):  # the reset and the first telegram, then no more
        request = many.send(pair.ask(request))
    many.close()
    assert meter.answers == 2
    assert len(pair.run(read_meter(1))) == 3


def test_the_first_word_after_power_on_may_be_lost():
    meter = MbusMeter(WATER, 1, faults=MbusFaults(first_lost=True))
    assert len(bus(meter).run(read_meter(1))) == 1


def test_too_many_readouts_are_a_refusal():
    pair = bus(MbusMeter(WATER, 1, faults=MbusFaults(readouts_a_day=2)))
    pair.run(read_meter(1))
    pair.run(read_meter(1))
    with pytest.raises(Refusal, match="too many readouts"):
        pair.run(read_meter(1))
    pair.now += 86_400
    assert len(pair.run(read_meter(1))) == 1


def test_an_echo_is_passed_over():
    pair = bus(MbusMeter(WATER, 1, parts=2), echo=True)
    assert len(pair.run(read_meter(WATER))) == 2


def test_application_reset_begins_anew_and_knows_its_scopes():
    meter = MbusMeter(WATER, 1, parts=3)
    pair = bus(meter)
    pair.run(reset_application(1, 0x50))
    with pytest.raises(LocalError, match="load management"):
        next(reset_application(1, 0x51))


@pytest.mark.parametrize("seed", range(20))
def test_a_meter_is_read_whole_over_a_bad_line(seed):
    faults = MbusFaults(seed, lost_permille=150, flipped_permille=150)
    meter = MbusMeter(HEAT, 3, parts=3, history=6, faults=faults)
    pair = bus(meter)
    try:
        telegrams = asked(pair, read_meter(HEAT if seed % 2 else 3))
    except NoAnswer:
        assert meter.answers >= 4  # not for want of asking
        return
    assert [each.more for each in telegrams] == [True, True, False]
    assert len(readings_of(telegrams)) == 7 + 2 * 6
    assert [each.access_number for each in telegrams] == sorted(
        {each.access_number for each in telegrams}
    )


def test_few_of_those_lines_are_too_bad():
    failed = 0
    for seed in range(200):
        faults = MbusFaults(seed, lost_permille=150, flipped_permille=150)
        pair = bus(MbusMeter(HEAT, 3, parts=3, history=6, faults=faults))
        try:
            asked(pair, read_meter(3))
        except NoAnswer:
            failed += 1
    assert failed <= 4


def test_a_count_bit_that_is_ignored_costs_a_telegram_but_never_repeats_one():
    faults = MbusFaults(3, lost_permille=200, ignores_count_bit=True)
    pair = bus(MbusMeter(HEAT, 3, parts=4, faults=faults))
    telegrams = asked(pair, read_meter(3))
    numbers = [each.access_number for each in telegrams]
    assert len(numbers) == len(set(numbers))


def speeds(meter):
    master = Session(Role.MASTER)
    pair = Pair(master, MbusBus([meter], epoch_s=NOW, line_baud=lambda: master.baud))
    return pair, master


def test_another_speed():
    meter = MbusMeter(WATER, 1)
    pair, master = speeds(meter)
    assert pair.run(change_rate(1, 9600, old_baud=2400)) == 9600
    assert (meter.baud, master.baud) == (9600, 9600)
    pair.now += 100
    assert len(pair.run(read_meter(1))) == 1


def test_a_meter_that_stays_is_found_at_its_old_speed():
    meter = MbusMeter(WATER, 1, faults=MbusFaults(keeps_rate=True))
    pair, master = speeds(meter)
    assert pair.run(change_rate(1, 9600, old_baud=2400)) == 2400
    assert (meter.baud, master.baud) == (2400, 2400)


def test_a_meter_that_is_not_heard_at_its_new_speed_falls_back():
    meter = MbusMeter(WATER, 1)
    pair, master = speeds(meter)
    pair.to_answerer = lambda data: b"" if master.baud == 9600 else data
    assert pair.run(change_rate(1, 9600, old_baud=2400)) == 2400
    assert (meter.baud, master.baud) == (2400, 2400)


def test_speeds_that_there_are_not():
    with pytest.raises(LocalError, match="1234"):
        next(change_rate(1, 1234, old_baud=2400))


def test_the_driver_opens_the_line_at_the_new_speed():
    opened = []

    async def main(clock):
        meter = MbusMeter(WATER, 1)
        async with asyncio.TaskGroup() as tasks:

            async def reopen(baud):
                opened.append(baud)
                near, far = cable(baud=baud)
                tasks.create_task(serve_mbus(far, [meter], clock))
                return near

            driver = SpeedDriver(await reopen(2400), Session(Role.MASTER), clock, reopen=reopen)
            assert await driver.run(change_rate(1, 9600, old_baud=2400)) == 9600
            assert driver.link.facts.baud == 9600
            await driver.aclose()

    run_virtual(main, start=datetime(2026, 3, 1, tzinfo=UTC))
    assert opened == [2400, 9600]

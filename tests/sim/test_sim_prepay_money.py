"""Energy costs money in the meter: tariffs, tiers, alarms, overdraft, trip and allow-close, the wallet."""

from dataclasses import replace
from datetime import datetime

import pytest
from tests.sim.prepay_site import CUSTOMER, METER, START, Site

from kwhub.prepay.conversations import recharge
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.orders import control
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.sessions import log_in, read_back
from kwhub.prepay.tariff import TARIFF_NOW
from kwhub.protocols.dlt645 import ReadData
from kwhub.protocols.dlt645.items import decode
from kwhub.sim.prepay_store import Limits

HOUR = 3_600


def used(site, since):
    registers = site.meter.registers
    return registers.total(site.at_s) - registers.total(since)


def plain(site, identifier):
    return [
        each.value for each in decode(identifier, site.ask(ReadData(METER, identifier)).payload)
    ]


def write(site, identifier, text):
    site.write(identifier, bytes.fromhex(text)[::-1])


@pytest.mark.slow
def test_the_balance_falls_with_the_registers_by_tariff_and_to_the_last_fraction():
    site = Site(watts=1_234, opened=50_000)
    site.price((9_000, 7_000, 5_000, 3_000))
    before, since = site.store.account, site.at_s
    ticks = site.meter.registers.tariffs(since)
    site.later(3 * 86_400 + 1_111)
    spent = [
        now - old for now, old in zip(site.meter.registers.tariffs(site.at_s), ticks, strict=True)
    ]
    cost = sum(
        tick * price for tick, price in zip(spent, (9_000, 7_000, 5_000, 3_000), strict=True)
    )
    assert site.unit.consumption.settle(site.at_s).balance == before.balance - cost
    assert min(spent) > 0
    assert str(plain(site, 0x0090_0200)[0]) == f"{(before.balance - cost) // 10_000 / 100:.2f}"


def test_tiers_make_it_dearer_and_begin_anew_with_their_period():
    site = Site(watts=4_000, opened=500_000)
    site.price((5_000,) * 4, limits=(1_000,), surcharges=(0, 1_000), period_starts=("030300",))
    since = site.at_s
    balance = site.store.account.balance
    site.later(datetime_s(2026, 3, 3) - site.at_s)
    ticks = used(site, since)
    paid = balance - site.unit.consumption.settle(site.at_s).balance
    first = paid - ticks * 5_000
    assert first == (ticks - 1_000) * 1_000  # all before the third of March, above 10 kWh
    start, middle = site.at_s, site.store.account.balance
    site.later(2 * HOUR)
    ticks = used(site, start)
    assert ticks < 1_000
    assert middle - site.unit.consumption.settle(site.at_s).balance == ticks * 5_000


def datetime_s(*day):
    """Midnight on the wall."""
    return int((datetime(*day) - datetime(1970, 1, 1)).total_seconds()) - 8 * HOUR


def test_consumption_is_copied_to_the_wallet_each_quarter_and_run_information_written():
    site = Site(watts=8_000, opened=5_000)
    site.price()
    site.later(10 * 60)
    assert site.element.wallet == (5_000, 1)
    site.later(5 * 60)
    money, count = site.element.wallet
    assert (money, count) == (site.store.account.cents, 1)
    assert money == 5_000 - used(site, site.at_s - 900) // 2 - used(site, site.at_s - 900) % 2
    session = site.run(log_in(site.master, site.target))
    raw = site.run(read_back(site.master, session, RUN_INFORMATION, 0, 50))
    told = RunInformation.from_bytes(raw)
    assert (told.money, told.count, told.customer) == (money, 1, CUSTOMER)
    assert (told.meter.hex(), told.key_state, told.state) == (METER, 0xFF, 0b101)


def test_alarm_warns_then_trips_once_then_overdraft_then_nothing():
    site = Site(watts=10_000, opened=1_000)
    site.price((10_000,) * 4)
    write(site, 0x0400_1001, "00000800")
    write(site, 0x0400_1002, "00000500")
    write(site, 0x0400_1003, "00000200")
    alarms = [site.unit.consumption.alarms]
    while site.balance > 800:
        site.later(60)
        assert not site.relay_open
    alarms.append(site.unit.consumption.alarms)
    assert alarms == [False, True]
    while not site.relay_open:
        site.later(60)
    assert 490 <= site.balance <= 500
    balance = site.balance
    site.later(HOUR)
    assert site.balance == balance  # nothing flows
    assert not site.meter.body.push_relay_key(site.at_s)
    site.unit.consumption.permit(site.at_s)  # what a medium does
    assert site.meter.body.push_relay_key(site.at_s)
    while not site.relay_open:
        site.later(60)
    assert -205 <= site.balance <= -200
    assert plain(site, 0x0090_0201)[0] * 100 == -site.balance
    site.unit.consumption.permit(site.at_s)
    assert not site.meter.body.push_relay_key(site.at_s)


def test_a_recharge_lets_close_again_when_it_is_enough():
    site = Site(watts=10_000, opened=100)
    site.price((10_000,) * 4)
    site.store.keep_limits(Limits(0, 0, 300))
    while not site.relay_open:
        site.later(60)
    for count, amount, closes in ((2, 200, False), (3, 200, True)):
        assert site.run(recharge(site.master, site.target, amount, count, CUSTOMER)).outcome.good
        assert site.meter.body.push_relay_key(site.at_s) is closes
    assert not site.relay_open
    site.later(60)
    assert site.balance < 400


def test_the_moment_of_the_trip_is_found_between_two_quarters():
    site = Site(watts=10_000, opened=100)
    site.price((10_000,) * 4)
    site.later(5 * HOUR)  # in one go
    trip = site.meter.body.power.last
    assert trip.relay_open
    assert trip.at_s % 900
    assert site.balance == 0


def test_money_does_not_close_what_the_head_end_has_opened():
    site = Site(opened=1_000)
    site.trip()
    assert site.run(recharge(site.master, site.target, 5_000, 2, CUSTOMER)).outcome.good
    site.later(HOUR)
    assert site.relay_open
    assert not site.meter.body.push_relay_key(site.at_s)


def test_a_protected_supply_stays_until_the_protection_ends():
    site = Site(watts=10_000, opened=100)
    site.price((10_000,) * 4)
    site.run(control(site.master, site.target, 0x3A))
    site.later(2 * HOUR)
    assert (site.relay_open, site.balance < -1_000) == (False, True)
    site.run(control(site.master, site.target, 0x3B))
    site.later(901)
    assert site.relay_open


def test_prices_to_come_are_taken_at_their_time():
    site = Site(watts=3_600, opened=50_000)
    site.price((5_000,) * 4)
    write(site, 0x0405_02FF, "00010000" * 4)
    write(site, 0x0400_0108, "2603020000")
    switch = datetime_s(2026, 3, 2)
    site.later(switch - site.at_s - 1)
    assert site.store.tariff(TARIFF_NOW).prices == (5_000,) * 4
    before, since = site.store.account, site.store.account.settled_s
    site.later(HOUR)
    assert site.store.tariff(TARIFF_NOW).prices == (10_000,) * 4
    registers = site.meter.registers
    early = registers.total(switch) - registers.total(since)
    late = registers.total(site.at_s) - registers.total(switch)
    after = site.unit.consumption.settle(site.at_s)
    assert before.balance - after.balance == early * 5_000 + late * 10_000


def test_before_an_account_is_open_and_in_remote_mode_energy_costs_nothing():
    site = Site(watts=5_000)
    site.price()
    site.later(HOUR)
    assert site.balance == 0
    remote = Site(watts=5_000, opened=1_000)
    remote.store.keep(replace(remote.store.account, is_local=False))
    remote.later(HOUR)
    assert remote.balance == 1_000
    assert not remote.relay_open


def test_purchases_are_remembered_the_newest_first():
    site = Site(opened=1_000)
    for count in range(2, 14):
        site.later(60)
        site.run(recharge(site.master, site.target, count, count, CUSTOMER))
    assert [str(plain(site, 0x0333_0001 + (field << 8))[0]) for field in range(2, 7)] == [
        "13",
        "0.13",
        "10.77",
        "10.90",
        "10.90",
    ]
    assert plain(site, 0x0333_020A)[0] == 4
    assert str(plain(site, 0x0333_0101)[0]).startswith("2026-03-01 18:12")
    assert site.ask(ReadData(METER, 0x0333_010B)).error == 2
    assert site.ask(ReadData(METER, 0x0333_0701)).error == 2


def test_a_power_cut_of_the_supply_costs_nothing_and_ends_sessions():
    site = Site(watts=5_000, opened=1_000)
    site.price()
    site.run(log_in(site.master, site.target))
    site.meter.body.cut_power(site.at_s)
    balance = site.balance
    site.at_s += 5 * HOUR
    site.meter.body.restore_power(site.at_s)
    assert site.balance == balance
    assert site.unit.core.window.until_s == 0


@pytest.mark.parametrize("quarters", [1, 3])
def test_asking_often_and_asking_once_cost_the_same(quarters):
    often, once = (Site(watts=777, opened=50_000) for _ in range(2))
    for site in (often, once):
        site.price((9_999, 7_777, 5_555, 3_333), limits=(50,), surcharges=(1, 2))
    for _ in range(quarters * 90):
        often.later(10)
        often.ask(ReadData(METER, 0x0090_0200))
    once.later(quarters * 900)
    assert often.at_s == once.at_s > START
    settled = [site.unit.consumption.settle(site.at_s).balance for site in (often, once)]
    assert settled[0] == settled[1]

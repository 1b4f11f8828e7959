"""Threats to a cost-control meter, each with what stops it: replay, mutation, open windows, guessing, test keys."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.sim.prepay_site import CUSTOMER, FOR_EVER, OTHER_METER, PowerCutError, Site, draw, frame

from kwhub.prepay.conversations import Outcome, recharge
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.keys import Purpose
from kwhub.prepay.orders import control, open_infrared, sealed_control, update_keys
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.sessions import (
    ForgedAnswerError,
    SecurityRefusal,
    ask,
    log_in,
    read_back,
    read_status,
)
from kwhub.prepay.trip_tickets import relay_operation
from kwhub.prepay.wire import REQUESTS, requests
from kwhub.protocols.dlt645 import Authority, Key, ReadData, WriteData
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.dlt645.orders import Authenticate, ControlRelay
from kwhub.sim.bus import MeterBus
from kwhub.sim.prepay_core import FAILURES_MAX

NEXT_DAY = 30_000
TRIP, CLOSE = 0x1A, 0x1C


def last(site, kind):
    return next(each for each in reversed(site.requests) if isinstance(each, kind))


def failures(site):
    site.unit.core.now_s = site.at_s
    return site.unit.core.failures.today


def test_t01_a_recorded_relay_frame_moves_nothing():
    site = Site(opened=5_000)
    site.trip()
    tripped = last(site, ControlRelay)
    site.run(control(site.master, site.target, CLOSE))
    assert not site.relay_open
    replays = {
        "same session": lambda: None,
        "new session": lambda: site.run(log_in(site.master, site.target)),
        "after reboot": site.boot,
        "session after reboot": lambda: site.run(log_in(site.master, site.target)),
        "after six minutes": lambda: site.later(360),
        "session after six minutes": lambda: site.run(log_in(site.master, site.target)),
    }
    for when, prepare in replays.items():
        prepare()
        before, is_open = failures(site), site.unit.core.window.until_s > site.at_s
        assert isinstance(site.ask(tripped), Refused), when
        assert not site.relay_open, when
        assert failures(site) == before + is_open, when
    counted = site.ask(reading(site, 0x0330_1400)).payload[::-1].hex()
    assert int(counted) == site.unit.core.failures.ever > 2


def reading(site, identifier):
    return ReadData(site.number, identifier)


def test_t01_a_fresh_order_that_is_held_up_is_too_late():
    site = Site(opened=5_000)
    ticket = site.ticket(relay_operation(TRIP), timedelta(minutes=2))
    conversation = control(site.master, site.target, TRIP, ticket=ticket)
    held = conversation.send(None)
    while not isinstance(held, ControlRelay):
        held = conversation.send(site.ask(held))
    site.at_s += 121
    assert site.ask(held).error == 0x10
    assert not site.relay_open


MUTATIONS: dict[str, tuple[dict[str, Any], SecurityError]] = {
    "another customer": ({"customer": bytes(6)}, SecurityError.CUSTOMER),
    "more money": ({"amount": 9_999}, SecurityError.ELEMENT),
    "count skipped": ({"count": 3}, SecurityError.COUNT),
    "old count": ({"count": 1}, SecurityError.REPEATED),
    "money MAC": ({"money_mac": b"1234"}, SecurityError.ELEMENT),
    "customer MAC": ({"customer_mac": b"1234"}, SecurityError.ELEMENT),
}


def voucher(site, number=None):
    """A purchase that is signed for the site's meter, or for another one, in the site's session."""
    session = site.run(log_in(site.master, site.target))
    login = session.login
    if number is not None:
        login = replace(login, factor=replace(site.target, number=number).factor)
    made = site.master.recharge(login, session.nonce, 100, 2, CUSTOMER)
    return requests.Purchase(100, 2, made.money_mac, CUSTOMER, made.customer_mac)


def present(site, data):
    return site.ask(Authenticate(site.number, data.IDENTIFIER, data.payload()))


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_t03_a_changed_voucher_brings_nothing(mutation):
    changes, bit = MUTATIONS[mutation]
    site = Site(opened=5_000)
    assert present(site, replace(voucher(site), **changes)).error == bit
    assert site.element.wallet == (5_000, 1)
    assert site.store.account.cents == 5_000


def test_t03_a_voucher_of_another_meter_brings_nothing():
    site = Site(opened=5_000)
    assert present(site, voucher(site, OTHER_METER)).error == SecurityError.ELEMENT
    assert site.element.wallet == (5_000, 1)


@pytest.mark.slow
def test_t04_a_replayed_login_opens_a_window_and_nothing_else():
    site = Site(opened=5_000)
    site.run(log_in(site.master, site.target))
    recorded = last(site, Authenticate)
    site.boot()
    assert isinstance(site.ask(recorded), Data)  # a fact of this protocol
    before = state(site)
    tries = 0
    while not site.unit.core.is_suspended:
        for identifier, layout in sorted(REQUESTS.items()):
            if layout in (requests.AuthenticateIdentity, requests.EndAuthentication):
                continue
            if layout in (requests.QueryStatus, requests.CompareFirmware, requests.ReadBack):
                continue
            size = {0x0703_01FF: 40, 0x0700_05FF: 23, 0x0700_04FF: 11}.get(identifier)
            guess = guessed(layout, size)
            site.ask(Authenticate(site.number, identifier, guess))
            tries += 1
        for level in (0x98, 0x99):
            who = Authority(Key(level), "00000001")
            site.ask(WriteData(site.number, 0x0400_1001, bytes(8 if level == 0x99 else 20), who))
        for command in range(256):
            sealed = bytes((command,)) + bytes(19)
            if command in (TRIP, CLOSE):
                site.ask(sealed_control(site.target, sealed))
        site.at_s += 1
        site.ask(recorded)
    assert tries > 30
    assert state(site) == before
    result = site.run(recharge(site.master, site.target, 100, 2, CUSTOMER))
    assert result.error == SecurityError.SUSPENDED
    site.later(NEXT_DAY)
    assert site.run(recharge(site.master, site.target, 100, 2, CUSTOMER)).outcome.good


def guessed(layout, size):
    """Data that a stranger makes up; for a purchase everything right but the MACs."""
    if issubclass(layout, requests.Purchase):
        count = 2 if layout is requests.Purchase else 1
        return layout(100, count, b"1234", CUSTOMER, b"1234").payload()
    for length in [size] if size else range(128):
        try:
            return layout.from_payload(bytes(length)).payload()
        except Exception:  # noqa: BLE001, S112 - the next length
            continue
    raise AssertionError(layout)


def test_t04_the_infrared_port_needs_a_fresh_answer():
    site = Site(opened=5_000)
    site.run(open_infrared(site.master, site.target, draw("ir")), infrared=True)
    halves = [each for each in site.requests if isinstance(each, Authenticate)][-2:]
    site.boot()
    events = [site.ask(request, infrared=True) for request in halves]
    assert events[-1].error == SecurityError.IDENTITY
    assert site.ask(reading(site, 0x0400_1001), infrared=True).error == 4


def test_t05_guessing_is_counted_through_power_cuts_and_ends_after_two_hundred():
    site = Site(opened=5_000)
    good = voucher(site)
    for number in range(FAILURES_MAX):
        session = site.run(log_in(site.master, site.target))
        assert session is not None
        wrong = replace(good, customer_mac=number.to_bytes(4))
        assert present(site, wrong).error == SecurityError.ELEMENT
        if number % 3 == 0:
            site.boot()
        assert failures(site) == number + 1
    assert present(site, replace(good, customer_mac=bytes(4))).error == SecurityError.SUSPENDED
    site.boot()
    assert present(site, voucher(site)).error == SecurityError.SUSPENDED
    site.run(log_in(site.master, site.target))
    assert site.ask(sealed_control(site.target, bytes(20))).error == 1
    with pytest.raises(Exception, match="not authorised"):
        site.write(0x0400_1001, bytes(4))


def test_t05_cutting_the_power_before_the_count_is_written_is_counted_too():
    site = Site(opened=5_000)
    counted = 0
    for steps in range(12):
        wrong = replace(voucher(site), customer_mac=b"1234")
        before = failures(site)
        site.supply.left = steps
        try:
            answered = present(site, wrong)
        except PowerCutError:
            answered = None
        site.supply.left = FOR_EVER
        site.boot()
        assert answered is None or failures(site) == before + 1
        counted += failures(site) > before
    assert counted


@pytest.mark.parametrize("purpose", Purpose)
def test_t24_a_meter_with_any_test_key_takes_no_money(purpose):
    site = Site(opened=5_000)
    site.run(update_keys(site.master, site.target, 2, formal=False, purposes=(purpose,)))
    result = site.run(recharge(site.master, site.target, 100, 2, CUSTOMER))
    assert (result.outcome, result.error) == (Outcome.REFUSED, SecurityError.OTHER)
    assert result.account.key_state == 0xFF & ~(1 << purpose)
    site.run(update_keys(site.master, site.target, 2, purposes=(purpose,)))
    assert site.run(recharge(site.master, site.target, 100, 2, CUSTOMER)).outcome.good


def test_t11_what_is_read_back_cannot_be_changed_or_taken_from_before():
    site = Site(opened=5_000)
    session = site.run(log_in(site.master, site.target))
    reading_back = read_back(site.master, session, RUN_INFORMATION, 0, 50)
    told = site.ask(reading_back.send(None))
    with pytest.raises(StopIteration):
        reading_back.send(told)
    for place in range(8, len(told.payload)):
        changed = bytearray(told.payload)
        changed[place] ^= 0x10
        again = read_back(site.master, session, RUN_INFORMATION, 0, 50)
        again.send(None)
        with pytest.raises(ForgedAnswerError):
            again.send(Data(site.number, told.identifier, bytes(changed)))
    later = site.run(log_in(site.master, site.target))
    old = read_back(site.master, later, RUN_INFORMATION, 0, 50)
    old.send(None)
    with pytest.raises(ForgedAnswerError):
        old.send(told)


def test_t11_money_and_count_of_a_status_cannot_be_exchanged():
    site = Site(opened=5_000)
    session = site.run(log_in(site.master, site.target))
    conversation = read_status(site.master, session)
    told = site.ask(conversation.send(None))
    payload = told.payload
    swapped = payload[8:16] + payload[:8] + payload[16:]
    with pytest.raises(ForgedAnswerError):
        conversation.send(replace(told, payload=swapped))


def test_a_yes_that_the_element_has_not_signed_is_not_believed():
    site = Site(opened=5_000)
    conversation = recharge(site.master, site.target, 100, 2, CUSTOMER)
    request = conversation.send(None)
    while request.identifier != requests.Purchase.IDENTIFIER:
        request = conversation.send(site.ask(request))
    asking = conversation.send(Data(site.number, request.identifier, b""))  # it has heard nothing
    told = site.ask(asking)
    with pytest.raises(ForgedAnswerError):
        conversation.send(told)


# Everything that ever was on the line


def day(site):
    """What a meter hears on one day."""
    site.run(recharge(site.master, site.target, 700, 2, CUSTOMER))
    site.trip()
    site.run(control(site.master, site.target, CLOSE))
    site.write(0x0400_1001, bytes.fromhex("00200000"))
    site.write(0x0400_1003, bytes.fromhex("00100000"))
    site.run(update_keys(site.master, site.target, 2))
    site.run(open_infrared(site.master, site.target, draw("ir")), infrared=True)
    site.run(control(site.master, site.target, 0x3A))
    site.run(control(site.master, site.target, 0x3B))


def state(site):
    relay = site.meter.body.memory.relay
    chip = [bytes(site.unit.core.driver.read(file, 0, 16)) for file in (2, 3, 4, 6)]
    account = site.store.account
    return (
        site.element.wallet,
        (account.cents, account.count, account.customer),
        site.store.limits,
        (relay.is_open, relay.is_protected, relay.permitted),
        chip,
    )


def replay(site, raws, *, infrared):
    bus = MeterBus([site.meter], epoch_s=site.at_s, infrared=infrared)
    now = 0.0
    for raw in raws:
        bus.receive(raw, now)
        now += 0.5
        bus.on_deadline(now)
        assert bus.outgoing(now) is not None
    return bus.answers


@pytest.mark.parametrize("infrared", [False, True])
def test_a_bus_tap_gains_nothing_anywhere_at_any_time(infrared):
    site = Site(opened=5_000)
    day(site)
    raws = [frame(each) for each in site.requests]
    assert len(raws) > 25
    before = state(site)
    for prepare in (lambda: None, site.boot, lambda: site.later(400), lambda: site.later(86_400)):
        prepare()
        assert replay(site, raws, infrared=infrared) > 10
        assert replay(site, raws[::-1], infrared=infrared) > 10
        assert state(site) == before
    # a meter whose master has the same roots, but which is another one under the same address
    other = Site(OTHER_METER, opened=5_000)
    other.meter.body.memory.address = site.number
    before = state(other)
    assert replay(other, raws, infrared=infrared) > 10
    assert state(other) == before


def test_the_infrared_refusals_of_a_stranger_are_counted():
    site = Site(opened=5_000)
    with pytest.raises(SecurityRefusal):
        site.run(
            open_infrared_wrongly(site),
            infrared=True,
        )
    assert failures(site) == 1


def open_infrared_wrongly(site):
    yield from ask(site.target, requests.RequestInfrared(bytes(8)))
    yield from ask(site.target, requests.AuthenticateInfrared(bytes(8)))

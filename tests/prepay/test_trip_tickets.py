"""Who has only the master crypto trips nobody, and who has only the guard neither."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.keys import MasterKeys, Purpose, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.master_crypto import ControlOrder, deadline_of, update_header
from kwhub.prepay.medium_load import RECHARGES, Load, parameters_for
from kwhub.prepay.run_information import ALARM_1, ALARM_2, SWITCH_TIME, UPDATE_FLAGS
from kwhub.prepay.tariff import TARIFF_NOW
from kwhub.prepay.trip_guard import TripGuard, TripRules
from kwhub.prepay.trip_tickets import (
    TRIP_COMMANDS,
    TicketGate,
    TicketPress,
    parameter_operation,
    relay_operation,
    written_operation,
)
from kwhub.prepay.wire.parameters import sealed_file, sealed_parameter

METER, OTHER = "202611200001", "202611200002"
KEYS = MasterKeys({1: bytes(range(16))})
NOW = 1_772_323_200
UNTIL = datetime.fromtimestamp(NOW + 300, UTC)
DEADLINE = deadline_of(UNTIL, ZoneInfo("Asia/Shanghai"))
NONCE = bytes(4)
TRIP = relay_operation(0x1A)


class World:
    """A guard, and a master crypto that knows its public key."""

    def __init__(self):
        self.now_s = NOW
        self.press = TicketPress()
        self.guard = TripGuard(
            TripRules(delay_s=60), {"a": 1_000}, frozenset({OTHER}), press=self.press, newest_s=NOW
        )
        gate = TicketGate(self.press.public, lambda: self.now_s)
        self.master = SoftwareMaster(KEYS, bytes, gate)

    def released(self, meter=METER):
        order = self.guard.order(meter, "a", "ann", self.now_s)
        self.guard.release(self.guard.newest_s + 60)
        return order.number

    def ticket(self, operation=TRIP, meter=METER):
        number = self.released(meter)
        return self.guard.ticket(number, operation, DEADLINE, int(UNTIL.timestamp()))

    def seal(self, ticket, *, command=0x1A, delay=0, deadline=DEADLINE, meter=METER):
        login = self.master.login(factor_of(meter))
        return self.master.control(login, NONCE, ControlOrder(command, delay, deadline), ticket)


@pytest.fixture
def world():
    return World()


def test_a_ticket_seals_one_trip_of_its_meter_once(world):
    ticket = world.ticket()
    assert len(world.seal(ticket)) == 20
    with pytest.raises(Refusal, match="was used"):
        world.seal(ticket)


@pytest.mark.parametrize("command", sorted(TRIP_COMMANDS))
def test_t08_who_has_only_the_master_crypto_trips_nobody(world, command):
    with pytest.raises(Refusal, match="needs a ticket"):
        world.seal(None, command=command)
    alone = SoftwareMaster(KEYS, bytes)
    with pytest.raises(Refusal, match="no guard stands before it"):
        alone.control(alone.login(factor_of(METER)), NONCE, ControlOrder(command, 0, DEADLINE))


@pytest.mark.parametrize("command", [0x1B, 0x1C, 0x2A, 0x2B, 0x3A, 0x3B])
def test_what_leaves_the_light_on_needs_no_ticket(world, command):
    assert len(world.seal(None, command=command)) == 20


FORGED: dict[str, dict[str, Any]] = {
    "another meter": {"meter": OTHER},
    "another order": {"command": 0x1E},
    "restored later": {"command": 0x1D, "delay": 9},
    "no deadline": {"deadline": b"\x99" * 6},
    "a later deadline": {"deadline": deadline_of(UNTIL + timedelta(hours=1), UTC)},
}


@pytest.mark.parametrize("how", FORGED)
def test_t08_a_ticket_is_for_nothing_else(world, how):
    ticket = world.ticket()
    with pytest.raises(Refusal, match="ticket"):
        world.seal(ticket, **FORGED[how])
    assert world.seal(ticket)  # it was not used up by that


@pytest.mark.parametrize(
    "change", [{"meter": OTHER}, {"until_s": NOW + 10**6}, {"number": 7}, {"signature": bytes(64)}]
)
def test_t08_a_ticket_that_was_changed_or_signed_by_another_guard_is_none(world, change):
    with pytest.raises(Refusal, match="not issued by this guard"):
        world.seal(replace(world.ticket(), **change), meter=change.get("meter", METER))
    stranger = World()
    with pytest.raises(Refusal, match="not issued by this guard"):
        world.seal(stranger.ticket())


def test_an_old_ticket_is_none_and_a_clock_set_back_does_not_make_it_young(world):
    ticket = world.ticket()
    world.now_s += 301
    with pytest.raises(Refusal, match="too old"):
        world.seal(ticket)
    world.now_s -= 301
    with pytest.raises(Refusal, match="too old"):
        world.seal(ticket)


def test_the_guard_gives_a_ticket_for_what_it_has_released_and_once(world):
    until_s = int(UNTIL.timestamp())
    order = world.guard.order(METER, "a", "ann", NOW)
    with pytest.raises(Refusal, match="the order is waiting"):
        world.guard.ticket(order.number, TRIP, DEADLINE, until_s)
    world.guard.cancel(order.number, NOW)
    with pytest.raises(Refusal, match="the order is cancelled"):
        world.guard.ticket(order.number, TRIP, DEADLINE, until_s)
    number = world.released()
    world.guard.ticket(number, TRIP, DEADLINE, until_s)
    with pytest.raises(Refusal, match="has its ticket"):
        world.guard.ticket(number, TRIP, DEADLINE, until_s)
    with pytest.raises(Refusal, match="protected supply"):
        world.ticket(meter=OTHER)
    judge = TripGuard(TripRules(), {"a": 1})
    with pytest.raises(LocalError, match="no key to sign"):
        judge.ticket(1, TRIP, DEADLINE, until_s)


# Limits of money and prices trip as well: the meter opens its own relay


def sign(world, file, offset, data, ticket=None):
    login, header = world.master.login(factor_of(METER)), update_header(file, offset, len(data))
    return world.master.mac(login, NONCE, Purpose.PARAMETER, header, data, ticket)


@pytest.mark.parametrize(
    ("file", "offset", "size", "identifier"),
    [
        (2, ALARM_1, 4, 0x0400_1001),
        (2, ALARM_2, 4, 0x0400_1002),
        (TARIFF_NOW, 4, 16, 0x0405_01FF),
    ],
)
def test_t08_limits_and_prices_need_a_ticket_of_their_own(world, file, offset, size, identifier):
    with pytest.raises(Refusal, match="needs a ticket"):
        sign(world, file, offset, bytes(size))
    with pytest.raises(Refusal, match="the ticket is for relay"):
        sign(world, file, offset, bytes(size), world.ticket())
    ticket = world.ticket(parameter_operation(identifier))
    assert len(sign(world, file, offset, bytes(size), ticket)) == 4
    with pytest.raises(Refusal, match="was used"):
        sign(world, file, offset, bytes(size), ticket)


@pytest.mark.parametrize(
    ("file", "offset", "size"),
    [(2, SWITCH_TIME, 16), (2, ALARM_1 + 1, 2), (2, UPDATE_FLAGS, 30), (TARIFF_NOW, 0, 100)],
)
def test_t08_a_write_over_more_than_one_place_is_none(world, file, offset, size):
    with pytest.raises(LocalError, match="no parameter begins and ends there"):
        sign(world, file, offset, bytes(size), world.ticket())


def test_other_parameters_need_none(world):
    assert written_operation(update_header(2, SWITCH_TIME, 5), 5) is None
    assert len(sign(world, 2, SWITCH_TIME, bytes(5))) == 4


def test_t08_an_enciphered_limit_needs_a_ticket_too(world):
    login, identifier = world.master.login(factor_of(METER)), 0x0400_1401
    plain = sealed_parameter(identifier, bytes(2))
    header = update_header(sealed_file(identifier), 0, len(plain))
    with pytest.raises(Refusal, match="needs a ticket"):
        world.master.seal_parameter(login, NONCE, header, plain)
    ticket = world.ticket(parameter_operation(identifier))
    assert world.master.seal_parameter(login, NONCE, header, plain, ticket)


def test_t08_a_medium_carries_no_limits(world):
    plain = parameters_for(bytes.fromhex(METER), bytes(6))
    load = Load(RECHARGES, 100, 2, bytes(4), plain)
    serial, challenge = bytes(8), bytes(8)
    assert world.master.sign_load(factor_of(METER), serial, challenge, load.to_bytes())
    changed = bytearray(plain)
    changed[ALARM_2] = 0x99
    limits = replace(load, parameters=bytes(changed)).to_bytes()
    with pytest.raises(LocalError, match="carries no parameters"):
        world.master.sign_load(factor_of(METER), serial, challenge, limits)

"""Master and simulated M-Bus meters back to back: read, select, search, move."""

import pytest

from kwhub.domain.errors import NoAnswer
from kwhub.exchange.mbus import read_meter, scan_primary, search, set_address
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role, Session
from kwhub.sim.mbus import MbusBus, MbusMeter
from kwhub.testing import Pair

NOW = 1_767_225_600 + 40_000
WATER = Identity.parse("12345678-KAM-01-07")
HEAT = Identity.parse("12349999-SEN-02-04")
GAS = Identity.parse("0500023E-LGB-03-03")


def bus(*meters):
    return Pair(Session(Role.MASTER), MbusBus(meters, epoch_s=NOW))


def test_all_telegrams_of_a_meter_come_in_order():
    pair = bus(MbusMeter(WATER, 5, parts=3), MbusMeter(HEAT, 6))
    telegrams = pair.run(read_meter(5))
    assert [each.more for each in telegrams] == [True, True, False]
    assert [each.records[0].storage for each in telegrams] == [0, 1, 2]
    assert {each.identity for each in telegrams} == {WATER}
    now = pair.run(read_meter(WATER))[0].records[0]
    assert now.value == telegrams[0].records[0].value > telegrams[2].records[0].value


def test_a_search_tells_meters_apart_also_with_hexadecimal_digits():
    pair = bus(*(MbusMeter(each, 0) for each in (WATER, HEAT, GAS)))
    found = pair.run(search())
    assert set(found.meters) == {WATER, HEAT, GAS}
    assert found.clashes == ()


def test_two_on_one_address_are_heard_and_one_can_be_moved():
    first, second = MbusMeter(WATER, 1), MbusMeter(HEAT, 1)
    pair = bus(first, second)
    with pytest.raises(NoAnswer):
        pair.run(read_meter(1))
    pair.run(set_address(HEAT, 2))
    assert (first.address, second.address) == (1, 2)
    assert pair.run(scan_primary(0, 3)) == {1: True, 2: True}

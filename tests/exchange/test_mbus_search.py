"""Wildcard search on a bus where answers overlay each other: up to 32 meters, equal and near-equal addresses."""

from random import Random

import pytest

from kwhub.domain.errors import LocalError
from kwhub.exchange.mbus import Selection, read_meter
from kwhub.exchange.mbus_search import Found, Step, search, verify
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role, Session
from kwhub.sim.mbus import MbusBus, MbusFaults, MbusMeter
from kwhub.testing import Pair

NOW = 1_767_225_600
MAKERS = ("KAM", "SEN", "LGB", "EMU", "ZRI")
MEDIA = (2, 3, 4, 6, 7)


def hunted(*meters, noise=None, **options):
    pair = Pair(Session(Role.MASTER), MbusBus(meters, epoch_s=NOW))
    if noise is not None:
        pair.to_asker = noise
    return pair, pair.run(search(**options))


def identity(text):
    return Identity.parse(text)


def test_an_empty_bus_takes_one_probe():
    _, found = hunted()
    assert (found.meters, found.clashes, found.probes, found.complete) == ([], [], 1, True)


def test_a_single_meter_takes_its_own_name():
    one = identity("12345678-KAM-01-07")
    _, found = hunted(MbusMeter(one, 17))
    assert [(each.identity, each.address) for each in found.meters] == [(one, 17)]
    assert found.probes == 3  # the wildcard, its own name, its fabrication number


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_32_meters_that_all_answer_at_once(seed):
    chance = Random(seed)
    digits = "0123456789ABCDE" if seed % 2 else "0123456789"
    head = "1234" if seed >= 2 else ""
    meters = [
        MbusMeter(
            Identity(
                (head + "".join(chance.choices(digits, k=8)))[:8],
                identity(f"00000000-{chance.choice(MAKERS)}").manufacturer,
                chance.randrange(255),
                chance.choice(MEDIA),
            ),
            chance.randrange(251),
            parts=chance.choice((1, 2)),
        )
        for _ in range(32)
    ]
    _, found = hunted(*meters)
    assert found.identities == {meter.identity for meter in meters}
    assert len(found.meters) == 32
    assert {each.address for each in found.meters} == {meter.address for meter in meters}
    assert found.clashes == []


@pytest.mark.parametrize(
    "names",
    [
        ("00000000-KAM-01-07", "00000000-KAM-01-06"),  # another medium
        ("00000000-KAM-01-07", "00000000-KAM-01-7B"),  # a medium that is not in the table
        pytest.param(("00000000-KAM-01-07", "00000000-KAM-02-07"), marks=pytest.mark.slow),
    ],
)
def test_equal_numbers(names):
    meters = [MbusMeter(identity(name), 0) for name in names]
    for meter in meters:
        if meter.identity.medium == 0x7B:
            meter.identity = identity(names[1])
    known = [meter for meter in meters if meter.identity.medium != 0x7B]
    _, found = hunted(*known)
    assert found.identities == {meter.identity for meter in known}
    assert found.clashes == []


@pytest.mark.slow
def test_another_manufacturer_only():
    names = ("00000000-KAM-01-07", "00000000-SEN-01-07")
    # A fabrication number that tells nothing: both have the same.
    _, found = hunted(*(MbusMeter(identity(name), 0) for name in names))
    assert found.identities == {identity(name) for name in names}


@pytest.mark.slow
def test_the_same_whole_address_is_told_apart_by_the_fabrication_number():
    same = identity("00000000-KAM-01-07")
    numbers = ("11112222", "11113333", "98765432")
    pair, found = hunted(*(MbusMeter(same, 0, fabrication=number) for number in numbers))
    assert len(found.meters) == 3
    assert found.clashes == []
    for meter in found.meters:
        assert len(pair.run(read_meter(meter.selection))) == 1
    assert {meter.fabrication for meter in found.meters} == set(numbers)
    assert str(found.meters[0].selection) == "00000000-KAM-01-07+98765432"
    again = pair.run(verify(meter.selection for meter in found.meters))
    assert again.meters == found.meters


@pytest.mark.slow
def test_the_same_whole_address_that_nothing_tells_apart_is_reported():
    same = identity("00000000-KAM-01-07")
    meters = [
        MbusMeter(same, address, fabrication=f"1111222{address}", enhanced=False)
        for address in (4, 9)
    ]
    other = identity("00000001-KAM-01-07")
    _, found = hunted(*meters, MbusMeter(other, 3))
    assert other in found.identities
    assert found.clashes == [Selection(same)]


def test_answers_that_are_equal_bit_for_bit_are_one_meter():
    """Nothing on the wire differs: currents add up to the same bits."""
    same = identity("00000000-KAM-01-07")
    _, found = hunted(MbusMeter(same, 1), MbusMeter(same, 1))
    assert [each.identity for each in found.meters] == [same]


def test_noise_is_asked_about_once_more_before_it_is_believed():
    bursts = iter([b"\xa7"])
    pair = Pair(Session(Role.MASTER), MbusBus([], epoch_s=NOW, echo=True))
    pair.to_asker = lambda data: next(bursts, b"") if data[0] == 0x68 else b""
    found = pair.run(search())
    assert (found.meters, found.clashes, found.probes) == ([], [], 2)


def test_a_start_and_what_is_told():
    names = ("12345678-KAM-01-07", "22345678-KAM-01-07")
    steps: list[Step] = []
    kept = Found()
    _, found = hunted(
        *(MbusMeter(identity(name), 0) for name in names), start="1fffffff", told=steps.append,
        found=kept,
    )  # fmt: skip
    assert found is kept
    assert found.identities == {identity(names[0])}
    assert [step.outcome for step in steps] == ["answer"]
    with pytest.raises(LocalError):
        next(search("12"))
    with pytest.raises(LocalError):
        next(search(makers=["x"]))


@pytest.mark.parametrize("seed", range(6))
def test_a_silent_meter_is_no_meter_and_the_others_are_found(seed):
    chance = Random(seed)
    meters = [
        MbusMeter(Identity(f"{chance.randrange(10**8):08d}", 0x2C2D, 1, 7), number)
        for number in range(4)
    ]
    meters[0].deaf = True
    _, found = hunted(*meters)
    assert found.identities == {meter.identity for meter in meters[1:]}


def test_a_meter_that_was_found_is_looked_up_with_one_probe():
    one, gone = identity("12345678-KAM-01-07"), identity("12345679-KAM-01-07")
    meter = MbusMeter(one, 1, faults=MbusFaults())
    pair = Pair(Session(Role.MASTER), MbusBus([meter], epoch_s=NOW))
    found = pair.run(verify([Selection(one), Selection(gone)]))
    assert found.identities == {one}
    assert found.probes == 4

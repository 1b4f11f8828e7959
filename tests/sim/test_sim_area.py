"""A transformer area: who is in it, and what its supply meter says."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from kwhub.sim.area import THEFT_AFTER_DAYS, TransformerArea

START = datetime(2026, 3, 8, 16, tzinfo=UTC)  # midnight in China
DAY = timedelta(days=1)


@pytest.mark.slow
def test_the_area_is_the_same_for_the_same_seed():
    one, same, other = (TransformerArea(seed, start=START) for seed in (7, 7, 8))
    assert [(p.meter.address, p.name_zh, p.kind, p.bus, p.point) for p in one.places] == [
        (p.meter.address, p.name_zh, p.kind, p.bus, p.point) for p in same.places
    ]
    at = int(START.timestamp())
    energies = [
        [place.meter.registers.total(at) for place in area.places] for area in (one, same, other)
    ]
    assert energies[0] == energies[1]
    assert energies[0] != energies[2]


def test_sixty_meters_on_two_concentrators():
    area = TransformerArea(7, start=START)
    assert len(area.places) == 60
    assert len({place.meter.address for place in area.places}) == 60
    assert len({place.name for place in area.places}) == 60
    kinds = Counter(place.kind for place in area.places)
    assert kinds == {"supply": 1, "shop": 9, "workshop": 2, "household": 48}
    for number in (1, 2):
        places = area.of_concentrator(number)
        assert [place.point for place in places] == list(range(1, 31))
    assert sum(len(area.bus(bus + 1)) for bus in range(area.bus_count)) == 60
    assert {place.bus for place in area.of_concentrator(2)} == {3, 4}
    assert area.supply.meter.ratio > 1
    assert all(p.meter.phases == (1 if p.kind == "household" else 3) for p in area.places)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("month", [1, 4, 7, 11])
def test_line_loss_is_believable_and_jumps_with_the_theft(seed, month):
    start = datetime(2026, month, 5, 16, tzinfo=UTC)
    area = TransformerArea(seed, start=start)
    theft = area.theft_from
    assert theft == start + THEFT_AFTER_DAYS * DAY
    before, after = (
        area.loss_permille(theft - 2 * DAY, theft),
        area.loss_permille(theft, theft + DAY),
    )
    assert 20 < before < 70
    assert after > before + 10
    assert 40 <= area.loss_permille(start, start + 7 * DAY) <= 80


@pytest.mark.slow
def test_without_a_thief_nobody_counts_too_little():
    honest = TransformerArea(7, start=START, thief=False)
    assert honest.thief is None
    week = honest.loss_permille(START, START + 7 * DAY)
    assert week < TransformerArea(7, start=START).loss_permille(START, START + 7 * DAY)


@pytest.mark.slow
def test_the_registers_tell_the_same_loss():
    area = TransformerArea(7, start=START)

    def counted(meter):
        ticks = [meter.registers.total(int((START + day * DAY).timestamp())) for day in (0, 1)]
        return (ticks[1] - ticks[0]) * meter.ratio

    supplied = counted(area.supply.meter)
    sold = sum(counted(place.meter) for place in area.places if place is not area.supply)
    assert abs((supplied - sold) * 1000 / supplied - area.loss_permille(START, START + DAY)) < 3


@pytest.mark.parametrize(("meters", "concentrators"), [(3, 1), (10, 3), (200, 4)])
def test_other_sizes(meters, concentrators):
    area = TransformerArea(1, start=START, meters=meters, concentrators=concentrators, buses=1)
    assert len(area.places) == meters
    assert {place.concentrator for place in area.places} == set(range(1, concentrators + 1))
    assert len({place.name for place in area.places}) == meters


def test_an_area_too_small_is_refused():
    with pytest.raises(ValueError, match="do not make an area"):
        TransformerArea(1, start=START, meters=2)


def test_a_start_without_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        TransformerArea(1, start=datetime(2026, 3, 1))

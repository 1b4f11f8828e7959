"""The optical channel: what the budget says is what happens, and the receiver's rules hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.infrared import uart
from kwhub.infrared.channel import (
    Arrival,
    Emitter,
    Eye,
    OpticalChannel,
    Scene,
    margin_db,
    range_m,
    threshold,
)
from kwhub.infrared.pulses import Pulses
from kwhub.runtime.chance import seeded

FRAME = bytes.fromhex("FEFEFEFE68335536ABAA683433333433")
"""At 2400 baud no burst of it is longer than 1.8 ms."""
PLACES = [
    Scene(),
    Scene(lux=20_000),
    Scene(lux=100_000, angle_deg=15),
    Scene(ballast_mw_m2=5),
    Scene(lamp_mw_m2=1_000, lux=3_000, angle_deg=30),
]


def passes(scene: Scene, seed: int = 1, carrier_hz: float = 38_000.0) -> bool:
    """Whether a frame without long bursts comes through."""
    channel = OpticalChannel(scene, seeded(seed, "edge"))
    seen = channel.transmit(uart.encode(FRAME, uart.Line(baud=2400), carrier_hz=carrier_hz))
    return seen.pulses is not None and uart.receive(seen.pulses, uart.Line(baud=2400)).data == FRAME


@pytest.mark.parametrize("scene", PLACES)
@pytest.mark.parametrize("carrier_hz", [38_000.0, 36_000.0, 40_000.0])
def test_the_verdict_changes_where_the_budget_says(scene: Scene, carrier_hz: float) -> None:
    edge = range_m(scene, carrier_hz=carrier_hz)
    near = Scene(edge * 0.93, scene.angle_deg, scene.lux, scene.lamp_mw_m2, scene.ballast_mw_m2)
    far = Scene(edge * 1.07, scene.angle_deg, scene.lux, scene.lamp_mw_m2, scene.ballast_mw_m2)
    assert all(passes(near, seed, carrier_hz) for seed in range(5))
    assert not any(passes(far, seed, carrier_hz) for seed in range(5))


def test_inverse_square_and_half_power_angle() -> None:
    assert margin_db(Scene(1.0)) - margin_db(Scene(2.0)) == pytest.approx(20 * math.log10(2))
    half = margin_db(Scene(1.0)) - margin_db(Scene(1.0, angle_deg=20.0))
    assert half == pytest.approx(10 * math.log10(2))
    assert range_m(Scene(3.0, lux=500)) == pytest.approx(range_m(Scene(7.0, lux=500)))


def test_everything_that_disturbs_takes_margin() -> None:
    quiet = margin_db(Scene())
    assert margin_db(Scene(lux=20_000)) < quiet - 8
    assert margin_db(Scene(ballast_mw_m2=1)) < quiet - 3
    assert margin_db(Scene(), carrier_hz=45_000) == pytest.approx(
        quiet + 10 * math.log10(Eye().passes(45_000))
    )
    assert quiet - 0.1 < margin_db(Scene(lamp_mw_m2=50)) < quiet
    assert margin_db(Scene(), owed=True) == pytest.approx(quiet - Eye().long_burst_db)
    assert threshold(Scene(lux=8_200)) == pytest.approx(Eye().daylight_mw_m2)
    assert Emitter().toward(0) == Emitter().intensity_mw_sr


def test_short_bursts_vanish_and_short_gaps_close() -> None:
    cycle = 1e6 / 38_000
    channel = OpticalChannel(Scene(), seeded(1, "rules"))
    seen = channel.transmit(
        Pulses((20 * cycle, 40 * cycle, 6 * cycle, 40 * cycle, 20 * cycle), 38e3)
    )
    assert seen.pulses is not None
    assert len(seen.pulses.marks) == 2
    joined = channel.transmit(Pulses((20 * cycle, 3 * cycle, 20 * cycle), 38e3))
    assert joined.pulses is not None
    assert len(joined.pulses.marks) == 1


def test_marks_come_out_longer_by_at_most_a_cycle() -> None:
    train = uart.encode(FRAME)
    seen = OpticalChannel(Scene(), seeded(3, "stretch")).transmit(train)
    assert seen.pulses is not None
    for sent, got in zip(train.marks, seen.pulses.marks, strict=True):
        assert sent <= got + 1e-6
        assert got <= sent + 1e6 / 38_000 + 1e-6


def test_long_bursts_cost_gain_until_the_dark_is_made_up() -> None:
    """Zeros on the line are 8.3 ms of light each; what follows is lost near the edge only."""
    edge = range_m(Scene())
    owed = range_m(Scene(), owed=True)
    zeros = uart.encode(bytes(6))
    for distance, lost in ((owed * 0.95, False), ((edge + owed) / 2, True)):
        seen = OpticalChannel(Scene(distance), seeded(1, "long")).transmit(zeros)
        assert (seen.marks_lost > 0) is lost


def test_a_second_transmitter_spoils_what_it_meets_in_time_and_only_that() -> None:
    train = uart.encode(FRAME)
    channel = OpticalChannel(Scene(), seeded(1, "second"))
    others = uart.encode(bytes.fromhex("0F55AA33"))
    met = channel.transmit(train, disturbed_by=[Arrival(others, 10.0, 20_000.0)])
    assert met.pulses is not None
    assert uart.receive(met.pulses, uart.Line()).data != FRAME
    weak = channel.transmit(train, disturbed_by=[Arrival(others, -10.0, 20_000.0)])
    assert weak.pulses is not None
    assert uart.receive(weak.pulses, uart.Line()).data == FRAME
    assert weak.marks_lost == len(others.marks)


def test_own_light_comes_back_from_glass() -> None:
    channel = OpticalChannel(Scene(4.0), seeded(1, "glass"), echo=0.05)
    back = channel.reflection(uart.encode(FRAME))
    assert back is not None
    assert back.margin_db > 0
    assert OpticalChannel(Scene(4.0), seeded(1, "glass")).reflection(uart.encode(FRAME)) is None


@given(
    st.floats(0.01, 100),
    st.floats(0, 89),
    st.floats(0, 200_000),
    st.lists(st.floats(1, 1e5), max_size=12),
)
def test_any_train_is_seen_or_not(
    distance: float, angle: float, lux: float, durations: list[float]
) -> None:
    channel = OpticalChannel(Scene(distance, angle, lux), seeded(1, "any"))
    train = Pulses(tuple(durations), 38_000.0)
    seen = channel.transmit(train)
    count = 0 if seen.pulses is None else len(seen.pulses.marks)
    assert count + seen.marks_lost <= len(train.marks)


@pytest.mark.parametrize("scene", [(0.0, 0.0), (1.0, 90.0), (math.nan, 0.0)])
def test_places_that_cannot_be(scene: tuple[float, float]) -> None:
    with pytest.raises(LocalError):
        Scene(*scene)

"""A device under test as numbers: what its infrared port does, well or badly.

Source: our own model; the usual values are those of the published meter circuits (38 kHz, duty of
a third, 940 nm, answers after 20 to 500 ms), the spread between devices is invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.infrared.channel import Emitter, Eye
from kwhub.runtime.chance import seeded

__all__ = ["FAULTS", "DeviceModel", "draw_device", "with_fault"]


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """The truth about one simulated device."""

    serial: str = "000000000038"
    carrier_hz: float = 38_000.0
    duty: float = 1 / 3
    jitter_us: float = 0.05  #: standard deviation of a period
    peak_nm: float = 940.0
    width_nm: float = 45.0  #: full width at half maximum
    turn_round_ms: float = 60.0
    byte_gap_ms: float = 0.5  #: dark between two bytes of the answer
    emitter: Emitter = field(default_factory=Emitter)
    eye: Eye = field(default_factory=Eye)
    lamp_leak: float = 1.0  #: how much more of 100 Hz passes than the band-pass lets through
    ballast_leak: float = 1.0  #: the same for 45 kHz
    second_leak: float = 1.0  #: the same for the second transmitter
    wrong_parity: bool = False  #: the last byte of an answer has the wrong parity bit
    wrong_sum: bool = False  #: the check sum of an answer is wrong
    mute: bool = False  #: does not answer
    energy: bytes = bytes.fromhex("38000000")  #: what it answers; 00 travels as 33H


FAULTS: Mapping[str, tuple[dict[str, Any], frozenset[str]]] = {
    "carrier-low": ({"carrier_hz": 36_600.0}, frozenset({"carrier"})),
    "carrier-high": ({"carrier_hz": 39_600.0}, frozenset({"carrier"})),
    "duty": ({"duty": 0.62}, frozenset({"duty"})),
    "jitter": ({"jitter_us": 2.0}, frozenset({"jitter"})),
    "red": ({"peak_nm": 870.0}, frozenset({"wavelength_peak", "wavelength_centroid"})),
    "broad": ({"width_nm": 120.0}, frozenset({"wavelength_width"})),
    "hasty": ({"turn_round_ms": 12.0}, frozenset({"turn_round"})),
    "slow": ({"turn_round_ms": 620.0}, frozenset({"turn_round"})),
    "halting": ({"byte_gap_ms": 560.0}, frozenset({"byte_gap"})),
    "weak": ({"emitter": Emitter(intensity_mw_sr=3.5)}, frozenset({"distance"})),
    "narrow": ({"emitter": Emitter(half_angle_deg=4.0)}, frozenset({"angle"})),
    "dazzled": ({"eye": Eye(daylight_mw_m2=5.0)}, frozenset({"sunlight"})),
    "hum": ({"lamp_leak": 60.0}, frozenset({"lamp_100hz"})),
    "ballast": ({"ballast_leak": 4.0}, frozenset({"ballast_45khz"})),
    "crosstalk": ({"second_leak": 5.0}, frozenset({"second_transmitter"})),
    "parity": ({"wrong_parity": True}, frozenset({"answer"})),
    "sum": (
        {"wrong_sum": True},
        frozenset(
            {
                "answer",
                "distance",
                "angle",
                "sunlight",
                "lamp_100hz",
                "ballast_45khz",
                "second_transmitter",
            }
        ),
    ),
}
"""Name of a fault: what it changes, and the measurements that then fail with the default limits."""


def with_fault(model: DeviceModel, name: str) -> DeviceModel:
    """The device with a fault, ``mute`` or one of ``FAULTS``; raises ``LocalError`` for another."""
    if name == "mute":
        return replace(model, mute=True)
    if name not in FAULTS:
        known = ", ".join([*FAULTS, "mute"])
        raise LocalError(f"there is no fault {name!r}; there are {known}")
    return replace(model, **FAULTS[name][0])


def draw_device(seed: int, serial: str, *, faulty: float = 0.0) -> DeviceModel:
    """A device with the spread of a production line.

    Args:
        seed: the same seed and serial number give the same device.
        serial: its serial number.
        faulty: share of devices with one of ``FAULTS``, 0 to 1.
    """
    chance = seeded(seed, "device", serial)
    model = DeviceModel(
        serial=serial,
        carrier_hz=chance.gauss(38_000.0, 120.0),
        duty=chance.gauss(1 / 3, 0.01),
        jitter_us=abs(chance.gauss(0.05, 0.02)) + 0.005,
        peak_nm=chance.gauss(940.0, 4.0),
        width_nm=chance.gauss(45.0, 2.0),
        turn_round_ms=chance.uniform(30.0, 110.0),
        byte_gap_ms=chance.uniform(0.1, 2.0),
        emitter=Emitter(chance.gauss(100.0, 8.0), chance.gauss(20.0, 1.0)),
        eye=Eye(daylight_mw_m2=chance.gauss(1.2, 0.12)),
    )
    if chance.random() < faulty:
        model = with_fault(model, chance.choice(list(FAULTS)))
    return model

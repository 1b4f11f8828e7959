"""How far light carries: a link budget without chance.

Source: our own model.  Irradiance falls with the square of the distance and with the cosine power
of the emitter's half-power angle; the receiver's threshold grows with the shot noise of daylight
and with lamps that pass its band.  The figures of a receiver (threshold in the dark, growth in
daylight, band-pass of f/7) are typical of data sheets of 38 kHz receiver modules; they are defaults
and not limits of any standard.
"""

import math
from dataclasses import dataclass

from kwhub.domain.errors import LocalError

__all__ = ["Emitter", "Eye", "Scene", "margin_db", "range_m", "threshold"]

LAMP_HZ = 100.0
BALLAST_HZ = 45_000.0
LUX_MAX = 200_000.0
DISTANCE_M_MAX = 1_000.0
ANGLE_DEG_MAX = 89.0
LUX_PER_W_M2 = 820.0  #: daylight of 5900 K: 10 W/m2 within the filter are 8.2 klx


@dataclass(frozen=True, slots=True)
class Emitter:
    """A light-emitting diode behind its window."""

    intensity_mw_sr: float = 100.0  #: radiant intensity on the axis, mW/sr
    half_angle_deg: float = 20.0  #: off the axis, where half of it is left

    def toward(self, angle_deg: float) -> float:
        """Radiant intensity at an angle off the axis, mW/sr."""
        power = math.log(0.5) / math.log(math.cos(math.radians(self.half_angle_deg)))
        return self.intensity_mw_sr * math.pow(math.cos(math.radians(angle_deg)), power)


@dataclass(frozen=True, slots=True)
class Eye:
    """A receiver module."""

    threshold_mw_m2: float = 0.15  #: least irradiance in the dark, mW/m2
    daylight_mw_m2: float = 1.0  #: least irradiance at 8.2 klx of daylight, mW/m2
    carrier_hz: float = 38_000.0  #: centre of the band
    quality: float = 7.0  #: centre over width of the band
    burst_cycles_min: int = 10  #: shorter bursts are not seen
    gap_cycles_min: int = 14  #: less dark between bursts is not seen
    long_burst_us: float = 1_800.0  #: from here on as much dark is needed somewhere
    long_burst_db: float = 3.0  #: what the gain control takes away while that dark is owed
    stretch_cycles: float = 1.0  #: how much longer a mark comes out at most

    def passes(self, frequency_hz: float) -> float:
        """Share of a tone that the band-pass lets through, 0 to 1."""
        ratio = frequency_hz / self.carrier_hz
        return 1 / math.hypot(1.0, self.quality * (ratio - 1 / ratio))


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the two stand and what else shines.  Raises ``LocalError`` for what cannot be."""

    distance_m: float = 1.0
    angle_deg: float = 0.0  #: of the receiver off the emitter's axis
    lux: float = 0.0  #: daylight on the receiver
    lamp_mw_m2: float = 0.0  #: amplitude of an incandescent lamp's 100 Hz in the filter, mW/m2
    ballast_mw_m2: float = 0.0  #: amplitude of a fluorescent lamp's 45 kHz, mW/m2

    def __post_init__(self) -> None:
        """Refuse what is no place."""
        for name, value, least, most in (
            ("distance_m", self.distance_m, 0.001, DISTANCE_M_MAX),
            ("angle_deg", self.angle_deg, 0.0, ANGLE_DEG_MAX),
            ("lux", self.lux, 0.0, LUX_MAX),
            ("lamp_mw_m2", self.lamp_mw_m2, 0.0, 1e6),
            ("ballast_mw_m2", self.ballast_mw_m2, 0.0, 1e6),
        ):
            if not least <= value <= most:
                raise LocalError(f"{name} must be {least:g} to {most:g}, not {value:g}")


def threshold(scene: Scene, eye: Eye | None = None) -> float:
    """Least irradiance at the centre of the band that is seen, mW/m2.

    Noise adds by power: the dark threshold, the shot noise of daylight (its power grows with the
    light), and what the band-pass leaves of the lamps.
    """
    eye = eye or Eye()
    per_lux = (eye.daylight_mw_m2**2 - eye.threshold_mw_m2**2) / (10 * LUX_PER_W_M2)
    return math.sqrt(
        eye.threshold_mw_m2**2
        + per_lux * scene.lux
        + (scene.lamp_mw_m2 * eye.passes(LAMP_HZ)) ** 2
        + (scene.ballast_mw_m2 * eye.passes(BALLAST_HZ)) ** 2
    )


def margin_db(
    scene: Scene,
    *,
    carrier_hz: float = 38_000.0,
    emitter: Emitter | None = None,
    eye: Eye | None = None,
    owed: bool = False,
) -> float:
    """How much stronger than needed the light is, in optical decibels (10 log10 of irradiance).

    Args:
        scene: distance, angle and ambient light.
        carrier_hz: of the emitter; off the centre of the band less passes.
        emitter: the default is ``Emitter()``.
        eye: the default is ``Eye()``.
        owed: reckon with the gain that a long burst costs until the dark after it is made up.

    Returns:
        At 0 the verdict changes; 6 dB are a factor of two in distance.
    """
    eye, emitter = eye or Eye(), emitter or Emitter()
    irradiance = emitter.toward(scene.angle_deg) / scene.distance_m**2 * eye.passes(carrier_hz)
    if irradiance <= 0:
        return -math.inf
    margin = 10 * math.log10(irradiance / threshold(scene, eye))
    return margin - eye.long_burst_db if owed else margin


def range_m(
    scene: Scene,
    *,
    carrier_hz: float = 38_000.0,
    emitter: Emitter | None = None,
    eye: Eye | None = None,
    owed: bool = False,
) -> float:
    """The distance at which ``margin_db`` is 0 with all else as in the scene, metres."""
    margin = margin_db(scene, carrier_hz=carrier_hz, emitter=emitter, eye=eye, owed=owed)
    return scene.distance_m * math.pow(10.0, margin / 20)

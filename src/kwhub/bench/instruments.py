"""What the bench needs of its instruments, whoever makes them.

One interface each for the two-axis stage, the lamps, the spectrometer, the optical power meter, the
logic analyser, the reading head with the supply of the device, the second transmitter and the
loader.  The simulated bench and the SCPI driver both implement them.

Source: the parts of the published test system for infrared ports of meters (two servo axes,
simulated daylight, spectrometer, power meter); the cut into interfaces is our own.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import LinkError, LocalError

__all__ = [
    "ROLES",
    "Analyser",
    "Bench",
    "Capture",
    "Disturber",
    "Head",
    "InstrumentError",
    "Lamp",
    "Light",
    "Loader",
    "PowerMeter",
    "Spectrometer",
    "Spectrum",
    "Stage",
    "Way",
]

Way: TypeAlias = Literal["light", "wire"]
Edges: TypeAlias = NDArray[np.int64]

ROLES = ("stage", "lamp", "spectrometer", "power_meter", "analyser", "head", "disturber", "loader")
"""The places of a bench; ``disturber`` and ``loader`` may be empty."""


class InstrumentError(LinkError):
    """An instrument is missing, silent, or says what it must not say; names the instrument."""


@dataclass(frozen=True, slots=True)
class Light:
    """What the lamps of the bench shine on the window."""

    daylight_lux: float = 0.0
    lamp_mw_m2: float = 0.0  #: amplitude of the 100 Hz of an incandescent lamp
    ballast_mw_m2: float = 0.0  #: amplitude of the 45 kHz of a fluorescent lamp


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A spectrum table.  Raises ``LocalError`` when it is none."""

    wavelengths_nm: tuple[float, ...]  #: rising
    powers: tuple[float, ...]  #: in any unit, as many as wavelengths

    def __post_init__(self) -> None:
        """Refuse what is no table."""
        if len(self.wavelengths_nm) != len(self.powers) or len(self.powers) < 5:
            raise LocalError("a spectrum has at least five rows of wavelength and power")
        if not np.isfinite([*self.wavelengths_nm, *self.powers]).all():
            raise LocalError("a spectrum holds finite numbers only")
        if (np.diff(self.wavelengths_nm) <= 0).any():
            raise LocalError("the wavelengths of a spectrum rise")


@dataclass(frozen=True, slots=True)
class Capture:
    """Two channels of a logic analyser as edges.

    Each channel is dark at the beginning; its edges go up and down in turn.
    """

    rate_hz: float  #: samples a second
    request: Edges  #: light of the reading head (or level of the wire), in samples
    answer: Edges  #: light of the device, in samples


class Stage(Protocol):
    """Two axes: distance between head and device, and the turn of the device."""

    async def identify(self) -> str:
        """Maker, model, serial number, firmware."""

    async def move(self, distance_m: float, angle_deg: float) -> None:
        """Return when both axes stand still."""


class Lamp(Protocol):
    """Simulated daylight, an incandescent lamp and a fluorescent lamp."""

    async def identify(self) -> str:
        """See Stage."""

    async def shine(self, light: Light) -> None:
        """Return when the light is steady."""


class Spectrometer(Protocol):
    """Looks at the light of the device's answers."""

    async def identify(self) -> str:
        """See Stage."""

    async def spectrum(self) -> Spectrum:
        """A table of at least the band of the diode."""


class PowerMeter(Protocol):
    """Looks at the light of the device's answers from where the head stands."""

    async def identify(self) -> str:
        """See Stage."""

    async def irradiance_mw_m2(self) -> float:
        """Mean within a mark, over whole periods of the carrier, mW/m2."""


class Analyser(Protocol):
    """A logic analyser at the head's drive and at a photodiode before the device's window."""

    async def identify(self) -> str:
        """See Stage."""

    async def arm(self) -> None:
        """Begin to record at the next request."""

    async def capture(self) -> Capture:
        """What was recorded since; empty channels when nothing came."""


class Head(Protocol):
    """The reading head and the supply of the device under test."""

    async def identify(self) -> str:
        """See Stage."""

    async def power(self, *, on: bool) -> None:
        """Switch the supply of the device."""

    async def ask(self, request: bytes, way: Way = "light") -> bytes:
        """Send a request; the bytes of the answer as they came, empty when none came."""


class Disturber(Protocol):
    """A second transmitter that shines on the device with another carrier."""

    async def identify(self) -> str:
        """See Stage."""

    async def disturb(self, irradiance_mw_m2: float, carrier_hz: float) -> None:
        """Send all the time from now on; 0 mW/m2 switches it off."""


class Loader(Protocol):
    """Puts the next device into place."""

    async def identify(self) -> str:
        """See Stage."""

    async def load(self, serial: str) -> None:
        """Return when this device stands on the stage and is connected."""


@dataclass(slots=True)
class Bench:
    """A complete bench."""

    stage: Stage
    lamp: Lamp
    spectrometer: Spectrometer
    power_meter: PowerMeter
    analyser: Analyser
    head: Head
    disturber: Disturber | None = None
    loader: Loader | None = None
    resolution_deg: float = 0.5  #: of the stage's turn
    distance_least_m: float = 0.1
    distance_most_m: float = 10.0
    angle_most_deg: float = 60.0
    spectrometer_nm: float = 1.0  #: uncertainty of its wavelengths (k = 2)
    clock_ppm: float = 20.0  #: uncertainty of the analyser's clock (k = 2)
    extra: dict[str, Any] = field(default_factory=dict)  #: facts for the report

    async def identities(self) -> dict[str, str]:
        """Role and identity of every instrument; raises ``InstrumentError`` for a silent one."""
        found: dict[str, str] = {}
        for role in ROLES:
            instrument = getattr(self, role)
            if instrument is not None:
                found[role] = await instrument.identify()
        return found

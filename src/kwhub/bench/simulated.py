"""A whole bench without hardware: every instrument looks at the same simulated device.

Light passes ``infrared.channel`` both ways; what the instruments read has their own errors, drawn
from the seed.  The truth is the device's model and the link budget.

Source: our own model.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kwhub.bench.device_model import DeviceModel, draw_device, with_fault
from kwhub.bench.instruments import Bench, Capture, Light, Spectrum, Way
from kwhub.domain.errors import DecodeError
from kwhub.infrared.channel import Arrival, Emitter, Eye, OpticalChannel, Scene, threshold
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import bytes_to_pulses, decode
from kwhub.protocols.dlt645.frames import ANSWER, Frame645, parse
from kwhub.runtime.chance import seeded

__all__ = ["HEAD_EMITTER", "HEAD_EYE", "RATE_HZ", "SimulatedBench", "Site", "simulated_bench"]

RATE_HZ = 10e6  #: samples a second of the simulated logic analyser
HEAD_EMITTER = Emitter(intensity_mw_sr=110.0)
HEAD_EYE = Eye()
BAUD = 1200
ANSWER_PREAMBLE = 3
LEAD_S = 0.001
SPECTRUM_NM = (780.0, 1100.0, 1.0)
SPECTRUM_NOISE = 0.004
POWER_SPREAD = 0.02
DISTURBER_US = (560.0, 560.0)


@dataclass(slots=True)
class Site:
    """How the bench is set."""

    distance_m: float = 0.5
    angle_deg: float = 0.0
    light: Light = field(default_factory=Light)
    disturber_mw_m2: float = 0.0
    disturber_hz: float = 56_000.0
    powered: bool = True


class SimulatedBench:
    """All instruments in one object; ``simulated_bench`` makes a ``Bench`` of it.

    Args:
        device: the device on the stage.
        seed: of all chance.
        faulty: share of faulty devices among those that ``load`` puts on the stage.
        fault: a fault that every loaded device has.
    """

    def __init__(
        self,
        device: DeviceModel | None = None,
        seed: int = 1,
        *,
        faulty: float = 0.0,
        fault: str | None = None,
    ) -> None:
        self.seed = seed
        self.site = Site()
        self.asked = 0
        self._faulty = faulty
        self._fault = fault
        self._capture = Capture(RATE_HZ, _none(), _none())
        self._armed = False
        self.put(device or DeviceModel())

    def put(self, device: DeviceModel) -> None:
        """Place a device; chance begins anew, so that a result does not depend on who came before."""
        self.device = device
        self._chance = seeded(self.seed, "bench", device.serial)
        self._rng = np.random.default_rng(self._chance.getrandbits(64))

    async def identify(self) -> str:
        """See instruments."""
        return f"kwhub,simulated bench,seed {self.seed},1"

    async def load(self, serial: str) -> None:
        """See instruments: a device drawn from the seed and its serial number."""
        device = draw_device(self.seed, serial, faulty=self._faulty)
        self.put(with_fault(device, self._fault) if self._fault else device)

    async def move(self, distance_m: float, angle_deg: float) -> None:
        """See instruments."""
        self.site.distance_m, self.site.angle_deg = distance_m, angle_deg

    async def shine(self, light: Light) -> None:
        """See instruments."""
        self.site.light = light

    async def disturb(self, irradiance_mw_m2: float, carrier_hz: float) -> None:
        """See instruments."""
        self.site.disturber_mw_m2, self.site.disturber_hz = irradiance_mw_m2, carrier_hz

    async def power(self, *, on: bool) -> None:
        """See instruments."""
        self.site.powered = on

    async def arm(self) -> None:
        """See instruments."""
        self._capture = Capture(RATE_HZ, _none(), _none())
        self._armed = True

    async def capture(self) -> Capture:
        """See instruments."""
        return self._capture

    async def spectrum(self) -> Spectrum:
        """See instruments: a bell curve, noise and a little stray light."""
        device = self.device
        nm = np.arange(*SPECTRUM_NM)
        sigma = device.width_nm / (2 * math.sqrt(2 * math.log(2)))
        lit = float(device.emitter.intensity_mw_sr > 0 and self.site.powered and not device.mute)
        power = lit * np.exp(-0.5 * ((nm - device.peak_nm) / sigma) ** 2) + 0.01
        power += self._rng.normal(0.0, SPECTRUM_NOISE, len(nm))
        return Spectrum(tuple(nm.tolist()), tuple(np.maximum(power, 0.0).tolist()))

    async def irradiance_mw_m2(self) -> float:
        """See instruments."""
        if self.device.mute or not self.site.powered:
            return 0.0
        light = self.device.emitter.toward(abs(self.site.angle_deg)) / self.site.distance_m**2
        return light * self._chance.gauss(1.0, POWER_SPREAD / 2)

    async def ask(self, request: bytes, way: Way = "light") -> bytes:
        """See instruments: the request goes out, the device may answer, the head may see it."""
        self.asked += 1
        sent = bytes_to_pulses(request, BAUD)
        heard = request if way == "wire" else self._heard(sent)
        answer = self._answer(heard)
        flash = None if answer is None else self._answer_pulses(answer)
        if self._armed:
            self._armed = False
            self._record(sent, flash)
        if answer is None or flash is None:
            return b""
        return answer if way == "wire" else self._seen(flash)

    def _heard(self, sent: Pulses) -> bytes:
        """What the device makes of the head's light."""
        site, device = self.site, self.device
        scene = self._scene(0.0)
        scene = replace(
            scene,
            lamp_mw_m2=scene.lamp_mw_m2 * device.lamp_leak,
            ballast_mw_m2=scene.ballast_mw_m2 * device.ballast_leak,
        )
        channel = OpticalChannel(scene, self._chance, emitter=HEAD_EMITTER, eye=device.eye)
        others = []
        if site.disturber_mw_m2 > 0:
            passes = device.eye.passes(site.disturber_hz) * device.second_leak
            margin = 10 * math.log10(site.disturber_mw_m2 * passes / threshold(scene, device.eye))
            count = int(sent.length_us / sum(DISTURBER_US)) + 1
            train = Pulses(DISTURBER_US * count, site.disturber_hz)
            others.append(Arrival(train, margin, self._chance.uniform(-500.0, 0.0)))
        seen = channel.transmit(sent, disturbed_by=others).pulses
        return b"" if seen is None else _clean(seen)

    def _seen(self, flash: Pulses) -> bytes:
        """What the head makes of the device's light."""
        scene = self._scene(abs(self.site.angle_deg))
        quiet = replace(scene, lux=0.0, lamp_mw_m2=0.0, ballast_mw_m2=0.0)  # behind the lamps
        channel = OpticalChannel(quiet, self._chance, emitter=self.device.emitter, eye=HEAD_EYE)
        seen = channel.transmit(flash).pulses
        return b"" if seen is None else decode(seen, BAUD).data

    def _scene(self, angle_deg: float) -> Scene:
        light = self.site.light
        return Scene(
            distance_m=self.site.distance_m,
            angle_deg=angle_deg,
            lux=light.daylight_lux,
            lamp_mw_m2=light.lamp_mw_m2,
            ballast_mw_m2=light.ballast_mw_m2,
        )

    def _answer(self, heard: bytes) -> bytes | None:
        if self.device.mute or not self.site.powered:
            return None
        try:
            asked = parse(heard)
        except DecodeError:
            return None
        data = asked.data + self.device.energy
        frame = Frame645(
            self._address(asked.address), asked.control | ANSWER, data, ANSWER_PREAMBLE
        )
        raw = bytearray(frame.to_bytes())
        if self.device.wrong_sum:
            raw[-2] ^= 0x01
        return bytes(raw)

    def _address(self, asked: str) -> str:
        """The device's own address; the one that was asked when its serial number is none."""
        serial = self.device.serial
        return serial if len(serial) == 12 and serial.isdecimal() else asked

    def _answer_pulses(self, answer: bytes) -> Pulses:
        """The device's light, byte by byte with its gaps."""
        device = self.device
        durations: list[float] = []
        for place, value in enumerate(answer):
            wrong = device.wrong_parity and place == len(answer) - 1
            one = bytes_to_pulses(bytes([value]), BAUD, "odd" if wrong else "even").durations_us
            durations.extend(one)
            durations[-1] += device.byte_gap_ms * 1000
        return Pulses(tuple(durations), device.carrier_hz, device.duty)

    def _record(self, sent: Pulses, flash: Pulses | None) -> None:
        request = _edges(sent, LEAD_S, None, self._rng)
        answer = _none()
        if flash is not None:
            begin = LEAD_S + sent.length_us / 1e6 + self.device.turn_round_ms / 1000
            answer = _edges(flash, begin, self.device.jitter_us, self._rng)
        self._capture = Capture(RATE_HZ, request, answer)


def _clean(seen: Pulses) -> bytes:
    """The bytes of a train; none when a byte is wrong."""
    text = decode(seen, BAUD)
    return text.data if text.clean else b""


def _none() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _edges(
    pulses: Pulses, begin_s: float, jitter_us: float | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Edges of a train's carrier in samples; each period has its own length."""
    period = 1e6 / (pulses.carrier_hz or 38_000.0)
    duty = pulses.duty or 1 / 3
    bounds = begin_s * 1e6 + np.cumsum([0.0, *pulses.durations_us])
    found = []
    for start, end in zip(bounds[:-1:2], bounds[1::2], strict=False):
        count = round((end - start) / period)
        steps = np.full(count, period)
        if jitter_us:
            steps += rng.normal(0.0, jitter_us, count)
        rises = start + np.concatenate(([0.0], np.cumsum(steps)[:-1]))
        found.append(np.column_stack((rises, rises + duty * period)).ravel())
    samples: NDArray[np.int64] = np.round(np.concatenate(found) * (RATE_HZ / 1e6)).astype(np.int64)
    return samples


def simulated_bench(simulated: SimulatedBench) -> Bench:
    """A bench whose every instrument is the simulated one.

    >>> simulated_bench(SimulatedBench()).distance_most_m
    10.0
    """
    return Bench(
        stage=simulated,
        lamp=simulated,
        spectrometer=simulated,
        power_meter=simulated,
        analyser=simulated,
        head=simulated,
        disturber=simulated,
        loader=simulated,
    )

"""The whole examination of one device, in a fixed order.

Source: the published test system for infrared ports: carrier, duty, wavelength, distance in set
light, interference.  Nothing is left out silently: what cannot be measured is a verdict, too.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from kwhub import __version__
from kwhub.bench.evidence import CAPTURE, PROBES, SPECTRUM, Evidence
from kwhub.bench.instruments import Bench, Capture, Light, Spectrum
from kwhub.bench.limits import LimitFile
from kwhub.bench.response import Edge, Responder
from kwhub.bench.results import Measurement, MeterResult, Verdict, digest, judge, overall
from kwhub.bench.spectrum import wavelengths
from kwhub.bench.waveform import Waveform, analyse
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.runtime.clock import Clock

__all__ = ["SERIAL", "UNITS", "Configuration", "examine", "request_for"]

SERIAL: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
READ: Final = 0x11
ANYBODY: Final = "A" * 12
POWER_SHARE: Final = 0.04  #: uncertainty of the power meter and the distance together (k = 2)

UNITS: Final = {
    "carrier": "Hz",
    "duty": "%",
    "jitter": "µs",
    "wavelength_peak": "nm",
    "wavelength_centroid": "nm",
    "wavelength_width": "nm",
    "radiant_intensity": "mW/sr",
    "turn_round": "ms",
    "byte_gap": "ms",
    "answer": "",
    "zero_bytes": "",
    "distance": "m",
    "angle": "°",
    "sunlight": "lx",
    "lamp_100hz": "%",
    "ballast_45khz": "%",
    "second_transmitter": "%",
}
COUNTED: Final = frozenset({"lamp_100hz", "ballast_45khz", "second_transmitter", "sunlight"})
"""Their uncertainty is that of counting or of a step: no verdict is called close for it."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a result depends on besides the device."""

    limits: LimitFile
    simulated: bool
    seed: int | None = None
    setting: dict[str, object] = field(default_factory=dict)  #: instruments, faults asked for

    @property
    def hash(self) -> str:
        """Of everything in it and of the limits' numbers."""
        return digest([self.limits, self.simulated, self.seed, self.setting])


@dataclass(slots=True)
class _Examination:
    bench: Bench
    limits: LimitFile
    responder: Responder
    found: list[Measurement] = field(default_factory=list)
    capture: Capture | None = None
    spectrum: Spectrum | None = None

    def add(  # noqa: PLR0913 - a row of the report
        self,
        key: str,
        value: float | None,
        uncertainty: float | None,
        evidence: str,
        *,
        note: tuple[str, str] = ("", ""),
        at_bound: bool = False,
        verdict: Verdict | None = None,
    ) -> None:
        limit = self.limits.of(key)
        judged, close = judge(value, uncertainty, limit)
        if key == "zero_bytes" and judged == "fail":
            judged = "warn"
        self.found.append(
            Measurement(
                key,
                value,
                None if value is None else uncertainty,
                UNITS[key],
                verdict or judged,
                limit,
                close=close and key not in COUNTED,
                at_bound=at_bound,
                note=note[0],
                note_zh=note[1],
                evidence=evidence,
            )
        )


def request_for(serial: str, limits: LimitFile) -> bytes:
    """The request that the device is asked: to its address, or to anybody when it is not known."""
    address = serial if len(serial) == 12 and serial.isdecimal() else ANYBODY
    identifier = bytes.fromhex(limits.setup.identifier)[::-1]
    return Frame645(address, READ, identifier, limits.setup.preamble).to_bytes()


async def examine(
    bench: Bench, configuration: Configuration, clock: Clock, *, serial: str, pallet: str = ""
) -> tuple[MeterResult, Evidence]:
    """Measure the device that stands on the stage.

    Raises:
        InstrumentError: an instrument is silent or says what it must not.
        LocalError: the serial number cannot be the name of a file.
    """
    if not SERIAL.fullmatch(serial):
        raise LocalError(f"serial number {serial!r}: up to 40 letters, digits, '.', '_' and '-'")
    limits = configuration.limits
    started = clock.now()
    identities = await bench.identities()
    responder = Responder(bench, limits.setup, request_for(serial, limits))
    run = _Examination(bench, limits, responder)
    await bench.head.power(on=True)
    try:
        await _reference(run)
        await _reach(run)
        await _immunity(run)
    finally:
        await bench.head.power(on=False)
    measurements = tuple(run.found)
    result = MeterResult(
        serial=serial,
        pallet=pallet,
        verdict=overall(measurements),
        measurements=measurements,
        started=started,
        finished=clock.now(),
        instruments=identities,
        limits=limits.name,
        configuration=configuration.hash,
        software=f"kwhub {__version__}",
        simulated=configuration.simulated,
        seed=configuration.seed,
    )
    return result, Evidence(run.capture, run.spectrum, tuple(responder.probes))


async def _reference(run: _Examination) -> None:
    """At the reference place in the dark: waveform, spectrum, power."""
    bench, setup = run.bench, run.limits.setup
    await bench.stage.move(setup.reference_m, 0.0)
    await bench.lamp.shine(Light())
    if bench.disturber is not None:
        await bench.disturber.disturb(0.0, setup.second_hz)
    await bench.analyser.arm()
    await bench.head.ask(run.responder.request, setup.way)
    run.capture = await bench.analyser.capture()
    trouble = ("", "")
    waveform = None
    try:
        waveform = analyse(run.capture, bench.clock_ppm)
    except DecodeError as error:
        trouble = (str(error), "记录中没有可测量的应答")
    _carrier(run, waveform, trouble)
    run.spectrum = await bench.spectrometer.spectrum()
    _wavelength(run)
    irradiance = await bench.power_meter.irradiance_mw_m2()
    intensity = irradiance * setup.reference_m**2
    run.add("radiant_intensity", intensity or None, POWER_SHARE * intensity, "power meter")
    _times(run, waveform, trouble)


def _carrier(run: _Examination, waveform: Waveform | None, trouble: tuple[str, str]) -> None:
    where = f"{CAPTURE}#answer"
    if waveform is None:
        for key in ("carrier", "duty", "jitter"):
            run.add(key, None, None, where, note=trouble)
        return
    carrier = waveform.carrier
    periods = (f"{carrier.cycles} periods", f"{carrier.cycles} 个周期")
    run.add("carrier", carrier.frequency_hz, carrier.frequency_u, where, note=periods)
    run.add("duty", 100 * carrier.duty, 100 * carrier.duty_u, where)
    run.add("jitter", carrier.jitter_us, carrier.jitter_u, where)


def _wavelength(run: _Examination) -> None:
    keys = ("wavelength_peak", "wavelength_centroid", "wavelength_width")
    assert run.spectrum is not None  # noqa: S101 - it was measured a line before
    try:
        found = wavelengths(run.spectrum)
    except DecodeError as error:
        for key in keys:
            run.add(key, None, None, SPECTRUM, note=(str(error), "光谱中没有可测量的峰"))
        return
    uncertainty = run.bench.spectrometer_nm + found.scatter_nm
    for key, value in zip(keys, (found.peak_nm, found.centroid_nm, found.width_nm), strict=True):
        run.add(key, value, uncertainty, SPECTRUM)


def _times(run: _Examination, waveform: Waveform | None, trouble: tuple[str, str]) -> None:
    where = f"{CAPTURE}"
    if waveform is None:
        for key in ("turn_round", "byte_gap", "answer"):
            run.add(key, None, None, where, note=trouble)
        return
    run.add("turn_round", waveform.turn_round_ms, waveform.time_u_ms, where)
    run.add("byte_gap", waveform.longest_gap_ms, waveform.time_u_ms, where)
    said = waveform.answer.hex(" ").upper()
    errors = "; ".join(waveform.errors[:3])
    run.add(
        "answer",
        float(len(waveform.errors)),
        0.0,
        where,
        note=(f"{said} {errors}".rstrip(), f"{said} {errors}".rstrip()),
    )
    note = ("", "")
    if waveform.zero_bytes:
        note = (
            "00H is 7.5 ms of light and 0.8 ms of dark: receivers with gain control may lose it",
            "00H 连续发光 7.5 ms、仅 0.8 ms 无光：带自动增益的接收头可能丢失",
        )
    run.add("zero_bytes", float(waveform.zero_bytes), 0.0, where, note=note)


async def _reach(run: _Examination) -> None:
    setup = run.limits.setup
    for key, edge, note in (
        (
            "distance",
            await run.responder.distance(),
            (f"at {setup.distance_lux:g} lx", f"照度 {setup.distance_lux:g} lx"),
        ),
        (
            "angle",
            await run.responder.angle(),
            (f"at {setup.angle_distance_m:g} m", f"距离 {setup.angle_distance_m:g} m"),
        ),
    ):
        if edge is None:
            nothing = ("no answer even at the nearest place", "在最近处也没有应答")
            run.add(key, None, None, f"{PROBES}#{key}", note=nothing)
        else:
            _add_edge(run, key, edge, note)


async def _immunity(run: _Examination) -> None:
    setup, responder = run.limits.setup, run.responder
    if not any(probe.answered for probe in responder.probes):
        nothing = ("no answer even without disturbance", "无干扰时也没有应答")
        for key in ("sunlight", "lamp_100hz", "ballast_45khz", "second_transmitter"):
            run.add(key, None, None, f"{PROBES}#{key}", note=nothing)
        return
    where = (f"at {setup.sunlight_distance_m:g} m", f"距离 {setup.sunlight_distance_m:g} m")
    _add_edge(run, "sunlight", await responder.sunlight(), where)
    for key, name, level in (
        ("lamp_100hz", "lamp_mw_m2", setup.lamp_mw_m2),
        ("ballast_45khz", "ballast_mw_m2", setup.ballast_mw_m2),
    ):
        edge = await responder.immunity(key, Light(**{name: level}))
        _add_edge(run, key, edge, _conditions(run, level))
    key = "second_transmitter"
    if run.bench.disturber is None:
        words = ("the bench has no second transmitter", "测试台没有第二发射源")
        run.add(key, None, None, "", note=words, verdict="skipped")
        return
    edge = await responder.immunity(key, second_mw_m2=setup.second_mw_m2)
    await run.bench.disturber.disturb(0.0, setup.second_hz)
    _add_edge(run, key, edge, _conditions(run, setup.second_mw_m2))


def _conditions(run: _Examination, level: float) -> tuple[str, str]:
    metres, tries = run.limits.setup.immunity_distance_m, run.limits.setup.immunity_tries
    return (
        f"{tries} requests at {metres:g} m, {level:g} mW/m²",
        f"距离 {metres:g} m，{level:g} mW/m²，请求 {tries} 次",
    )


def _add_edge(run: _Examination, key: str, edge: Edge, note: tuple[str, str]) -> None:
    run.add(key, edge.value, edge.uncertainty, f"{PROBES}#{key}", note=note, at_bound=edge.at_bound)

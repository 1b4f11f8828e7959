"""Carrier, times and bytes of a recorded request and its answer.

Source: our own method.  Times after DL/T 645-2007: the turn-round begins with the end of the
request's last stop bit, the gap between bytes with the end of each stop bit.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kwhub.bench.instruments import Capture
from kwhub.domain.errors import DecodeError
from kwhub.infrared.carrier_edges import CARRIER_HZ_HIGHEST, CARRIER_HZ_LOWEST
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import Line, UartText, receive
from kwhub.protocols.dlt645.frames import parse

__all__ = ["CarrierMeasure", "Waveform", "analyse", "marks_of"]

LINE = Line(1200)
GAP_PERIODS = 2.5
PERIOD_SLACK = 1.4
CYCLES_LEAST = 30  #: fewer are no carrier worth a number


@dataclass(frozen=True, slots=True)
class CarrierMeasure:
    """A carrier with expanded uncertainties (k = 2)."""

    frequency_hz: float
    frequency_u: float
    duty: float
    duty_u: float
    jitter_us: float  #: standard deviation of a period, what sampling adds taken off
    jitter_u: float
    cycles: int


@dataclass(frozen=True, slots=True)
class Waveform:
    """Everything that one capture says."""

    carrier: CarrierMeasure
    answer: bytes
    errors: tuple[str, ...]  #: parity, stop bits, frame; empty for a good answer
    turn_round_ms: float
    longest_gap_ms: float
    time_u_ms: float
    zero_bytes: int
    pulses: Pulses


def analyse(capture: Capture, clock_ppm: float) -> Waveform:
    """Measure a capture; raises ``DecodeError`` when there is no answer or no request in it."""
    tick_us = 1e6 / capture.rate_hz
    request_begin, request = marks_of(capture.request, capture.rate_hz, "request")
    answer_begin, answer = marks_of(capture.answer, capture.rate_hz, "answer")
    carrier = _carrier(capture.answer, tick_us, clock_ppm)
    asked, said = receive(request, LINE), receive(answer, LINE)
    if not asked.characters or not said.characters:
        raise DecodeError("no_answer", "no bytes in the light", field="answer")
    end_us = request_begin + asked.characters[-1].start_us + LINE.bits * LINE.bit_us
    begin_us = answer_begin + said.characters[0].start_us
    turn_ms = (begin_us - end_us) / 1000
    period_us = 1e6 / carrier.frequency_hz
    return Waveform(
        carrier,
        said.data,
        _errors(said),
        turn_ms,
        _longest_gap_ms(said),
        2 * math.hypot(tick_us, period_us / 4, abs(turn_ms) * clock_ppm * 1e-3) / 1000,
        said.data.count(0),
        answer,
    )


def marks_of(edges: NDArray[np.int64], rate_hz: float, name: str) -> tuple[float, Pulses]:
    """Time of the first mark in microseconds, and the train without its carrier.

    Raises ``DecodeError`` when the edges hold no carrier of 30 to 60 kHz.
    """
    rises = edges[: len(edges) // 2 * 2 : 2].astype(float)
    if len(rises) < CYCLES_LEAST:
        raise DecodeError("no_answer", f"the {name} was not seen", field=name)
    usual = _usual(np.diff(rises), rate_hz, name)
    breaks = np.flatnonzero(np.diff(rises) > GAP_PERIODS * usual) + 1
    begins = rises[np.concatenate(([0], breaks))]
    stops = rises[np.concatenate((breaks - 1, [len(rises) - 1]))] + usual
    bounds = np.column_stack((begins, stops)).ravel()
    durations = np.diff(bounds) * (1e6 / rate_hz)
    return float(begins[0]) * 1e6 / rate_hz, Pulses(tuple(durations.tolist()))


def _usual(periods: NDArray[np.float64], rate_hz: float, name: str) -> float:
    shortest = rate_hz / CARRIER_HZ_HIGHEST / PERIOD_SLACK
    longest = rate_hz / CARRIER_HZ_LOWEST * PERIOD_SLACK
    likely = periods[(periods > shortest) & (periods < longest)]
    if len(likely) < len(periods) / 2:
        raise DecodeError("no_carrier", f"the {name} has no carrier of 30 to 60 kHz", field=name)
    return float(np.median(likely))


def _carrier(edges: NDArray[np.int64], tick_us: float, clock_ppm: float) -> CarrierMeasure:
    rises, falls = edges[: len(edges) // 2 * 2 : 2], edges[1::2]
    periods = np.diff(rises) * tick_us
    usual = float(np.median(periods))
    whole = np.abs(periods - usual) < usual / 2
    kept = periods[whole]
    widths = ((falls - rises)[:-1] * tick_us)[whole]
    count, period = len(kept), float(kept.mean())
    if count < CYCLES_LEAST:
        raise DecodeError("no_carrier", "too few periods of a carrier", field="answer")
    frequency = 1e6 / period
    spread = float(kept.std())
    jitter = math.sqrt(max(spread**2 - tick_us**2 / 6, 0.0))
    share = 2 * spread / math.sqrt(count) / period
    width_u = math.hypot(float(widths.std()) / math.sqrt(count), tick_us / math.sqrt(12))
    return CarrierMeasure(
        frequency,
        frequency * math.hypot(share, clock_ppm * 1e-6),
        float(widths.mean()) / period,
        2 * width_u / period,
        jitter,
        2 * math.hypot(jitter / math.sqrt(2 * count), tick_us / 10),
        count,
    )


def _longest_gap_ms(text: UartText) -> float:
    length = LINE.bits * LINE.bit_us
    starts = [character.start_us for character in text.characters]
    gaps = [(after - before - length) / 1000 for before, after in pairwise(starts)]
    return max(0.0, max(gaps, default=0.0))


def _errors(text: UartText) -> tuple[str, ...]:
    found = [f"{error.kind}: {error.detail}" for error in text.errors]
    try:
        frame = parse(text.data)
        if not frame.is_answer:
            found.append("frame: it is no answer of a meter")
    except DecodeError as error:
        found.append(f"frame: {error}")
    return tuple(found)

"""JSON lines: one train a line.

Source: our own, after the shape of published collections of captures.
"""

import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.infrared.formats.trains import SEPARATORS, Train, bad, from_runs, number
from kwhub.infrared.pulses import CARRIER_HZ_MAX, CARRIER_HZ_MIN, Pulses

__all__ = ["read_jsonl", "write_jsonl"]

DURATIONS = ("durations_us", "durations", "pulses", "raw")
CARRIERS = ("carrier_hz", "frequency_hz", "frequency")
DUTIES = ("duty", "duty_cycle")
DARK_FIRST = re.compile(
    r"(space|dark)[ _-]*first|(begin|start)\w*[ _-]+(with[ _-]+)?(a[ _-]+)?(space|dark)",
    re.IGNORECASE,
)


def read_jsonl(text: str) -> list[Train]:
    """A train for each line that is not empty; a line that cannot be read has an error instead."""
    trains = []
    for place, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                trains.append(_train(line, place))
            except DecodeError as problem:
                trains.append(Train(Pulses(()), extra=_extra(line), error=problem))
    return trains


def _extra(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return {"id": found["id"]} if isinstance(found, dict) and "id" in found else {}


def _train(line: str, place: int) -> Train:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise bad(f"no JSON: {problem}", place) from None
    if isinstance(found, list):
        found = {"durations_us": found}
    if not isinstance(found, dict):
        raise bad("neither an object nor a list of durations", place)
    carrier, duty = _carrier(found), _duty(found)
    extra = {key: value for key, value in found.items() if key not in DURATIONS}
    try:
        pulses = Pulses(_durations(found, place), carrier, duty)
    except DecodeError as problem:
        raise bad(problem.detail.removeprefix(f"line {place}: "), place) from None
    return Train(pulses, str(found.get("id", "")), extra)


def _durations(found: Mapping[str, Any], place: int) -> tuple[float, ...]:
    if "edge_samples" in found and not any(key in found for key in DURATIONS):
        rate = number(found.get("samplerate_hz"), place)
        if rate <= 0:
            raise bad("samplerate_hz must be above zero", place)
        edges = [number(edge, place) for edge in _list(found["edge_samples"], place)]
        values = [(b - a) * 1e6 / rate for a, b in pairwise(edges)]
    else:
        key = next((key for key in DURATIONS if key in found), None)
        if key is None:
            raise bad("no durations_us", place)
        values = [number(value, place) for value in _list(found[key], place)]
    signed = any(value < 0 for value in values)
    dark_first = DARK_FIRST.search(str(found.get("polarity", ""))) is not None
    return from_runs(
        (value > 0 if signed else (number_in + dark_first) % 2 == 0, abs(value))
        for number_in, value in enumerate(values)
    )


def _list(value: Any, place: int) -> list[Any]:
    if isinstance(value, str):
        return [word for word in SEPARATORS.split(value) if word]
    if not isinstance(value, list):
        raise bad("durations_us is no list", place)
    return value


def _carrier(found: Mapping[str, Any]) -> float | None:
    """A carrier that makes no sense is taken for unknown: the pulses are what counts."""
    for key in CARRIERS:
        value = _maybe(found.get(key))
        if value is not None and CARRIER_HZ_MIN <= value <= CARRIER_HZ_MAX:
            return value
    return None


def _duty(found: Mapping[str, Any]) -> float | None:
    for key in DUTIES:
        value = _maybe(found.get(key))
        if value is not None and 0 < value < 1:
            return value
    return None


def _maybe(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def write_jsonl(pulses: Pulses) -> str:
    """Nothing is lost."""
    found: dict[str, Any] = {"durations_us": list(pulses.durations_us)}
    if pulses.carrier_hz is not None:
        found["carrier_hz"] = pulses.carrier_hz
    if pulses.duty is not None:
        found["duty"] = pulses.duty
    return json.dumps(found) + "\n"

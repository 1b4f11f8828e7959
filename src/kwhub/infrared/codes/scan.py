"""Every frame of a train, whatever code it is in.

Source: our own; the codes' sources stand in their modules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared import uart
from kwhub.infrared.codes import biphase, leaders, serial_light
from kwhub.infrared.codes.answers import Decoded, Miss
from kwhub.infrared.pulses import Pulses

__all__ = ["AUTO", "CODES", "decode", "encode"]

AUTO = "auto"
Matcher = Callable[[Sequence[float], int], Decoded]

MATCHERS: Mapping[str, Matcher] = {
    "NEC": leaders.match_nec,
    "REMOTE_MODULE": leaders.match_remote_module,
    "RC5": biphase.match_rc5,
    "RC6": biphase.match_rc6,
    "SIRC": leaders.match_sirc,
}
WRITERS: Mapping[str, Callable[[Mapping[str, Any]], Pulses]] = {
    "NEC": leaders.write_nec,
    "REMOTE_MODULE": leaders.write_remote_module,
    "RC5": biphase.write_rc5,
    "RC6": biphase.write_rc6,
    "SIRC": leaders.write_sirc,
    "IRDA_SIR": serial_light.write_sir,
    "UART": serial_light.write_uart,
}
CODES = tuple(WRITERS)
"""Names of the codes; ``decode`` says ``UART_8E1`` for the last."""
BLOCK_GAP_US = 500_000.0
"""Dark that ends what a meter says: DL/T 645-2007 allows 500 ms between bytes."""
SIR_GAP_US = 50_000.0
SWAPPED = 0.8
"""What is left of the confidence when light and dark had to be swapped."""
SIR_PULSE_MAX_US = 89.0
NO_CODE = "no known code fits"


def encode(code: str, fields: Mapping[str, Any]) -> Pulses:
    """One frame of a code; raises LocalError for an unknown code, DecodeError for a wrong field."""
    return WRITERS[_known(code)](fields)


def _known(code: str) -> str:
    name = code.upper().replace("-", "").replace(" ", "_")
    name = {"REMOTEMODULE": "REMOTE_MODULE", "SIR": "IRDA_SIR", "IRDASIR": "IRDA_SIR"}.get(
        name, name
    )
    if name not in WRITERS:
        raise LocalError(f"unknown code {code!r}; there are {', '.join(CODES)}")
    return name


def decode(
    pulses: Pulses,
    code: str = AUTO,
    *,
    baud: int | None = None,
    parity: uart.Parity = "even",
) -> list[Decoded]:
    """Every frame of a train in order, and one answer without a protocol for what lies between.

    With ``auto`` the code of each frame is found. A train with no frame at all is tried once more
    with light and dark swapped, as a receiver of the other polarity gives it. An empty train gives
    an empty list. Raises LocalError for an unknown code.
    """
    name = AUTO if code == AUTO else _known(code)
    found = _both(pulses, name, baud, parity)
    if not any(answer.protocol for answer in found) and len(pulses.durations_us) > 2:
        swapped = replace(pulses, durations_us=pulses.durations_us[1:])
        again = _both(swapped, name, baud, parity)
        if any(answer.protocol for answer in again):
            found = [
                replace(
                    answer,
                    first=answer.first + 1,
                    end=answer.end + 1,
                    confidence=round(SWAPPED * answer.confidence, 4),
                )
                for answer in again
            ]
    return [replace(answer, carrier_hz=pulses.carrier_hz) for answer in found]


def _both(pulses: Pulses, name: str, baud: int | None, parity: uart.Parity) -> list[Decoded]:
    """Codes of single frames and codes of bytes; whichever explains a block of pulses better."""
    matchers = MATCHERS if name == AUTO else {key: MATCHERS[key] for key in MATCHERS if key == name}
    frames = _scan(pulses.durations_us, matchers) if matchers else []
    if name in MATCHERS or (frames and all(answer.confidence > 0.8 for answer in frames)):
        return frames
    found: list[Decoded] = []
    for first, end in _blocks(pulses.durations_us, SIR_GAP_US if _is_sir(pulses) else BLOCK_GAP_US):
        inside = [answer for answer in frames if first <= answer.first < end]
        part = replace(pulses, durations_us=pulses.durations_us[first:end])
        found += _better(inside, _bytes(part, first, name, baud, parity))
    return found


def _is_sir(pulses: Pulses) -> bool:
    return bool(pulses.durations_us) and max(pulses.durations_us[::2]) < SIR_PULSE_MAX_US


def _blocks(durations: Sequence[float], gap_us: float) -> Iterator[tuple[int, int]]:
    first = 0
    for place in range(1, len(durations), 2):
        if durations[place] > gap_us:
            yield first, place
            first = place + 1
    if first < len(durations):
        yield first, len(durations)


def _bytes(pulses: Pulses, first: int, name: str, baud: int | None, parity: uart.Parity) -> Decoded:
    """What a block says as bytes, or that it says nothing."""
    end = first + len(pulses.durations_us)
    reason = NO_CODE
    if name in (AUTO, "IRDA_SIR"):
        try:
            return serial_light.read_sir(pulses, first)
        except Miss as miss:
            reason = miss.reason if name != AUTO else reason
    if name in (AUTO, "UART"):
        try:
            return serial_light.read_uart(pulses, first, baud=baud, parity=parity)
        except Miss as miss:
            reason = miss.reason if name != AUTO else reason
    return _refusal(first, end, reason)


def _better(frames: list[Decoded], whole: Decoded) -> list[Decoded]:
    """The frames, unless the bytes explain the block better."""
    if whole.protocol is None:
        return frames or [whole]
    total = sum(answer.end - answer.first for answer in frames)
    said = sum(answer.confidence * (answer.end - answer.first) for answer in frames)
    return [whole] if not total or whole.confidence > said / total else frames


def _scan(durations: Sequence[float], matchers: Mapping[str, Matcher]) -> list[Decoded]:
    """Frames from left to right; stretches between them are refused with the best reason."""
    found: list[Decoded] = []
    place = start = 0
    worst = Miss(NO_CODE, -1)
    while place < len(durations):
        best, miss = _match(durations, place, matchers)
        if best is None:
            worst = miss if miss.reached > worst.reached else worst
            place += 2
            continue
        if start < place:
            found.append(_refusal(start, place - 1, worst.reason))
        found.append(best)
        place = start = best.end + best.end % 2
        worst = Miss(NO_CODE, place - 1)
    if start < len(durations):
        found.append(_refusal(start, len(durations), worst.reason))
    return found


def _match(
    durations: Sequence[float], place: int, matchers: Mapping[str, Matcher]
) -> tuple[Decoded | None, Miss]:
    best: Decoded | None = None
    furthest = Miss(NO_CODE, -1)
    for matcher in matchers.values():
        try:
            answer = matcher(durations, place)
        except Miss as miss:
            if miss.reached > max(furthest.reached, place):
                reason = miss.reason if len(matchers) == 1 else f"{NO_CODE}; nearest: {miss.reason}"
                furthest = Miss(reason, miss.reached)
            continue
        if best is None or answer.confidence > best.confidence:
            best = answer
    return best, furthest


def _refusal(first: int, end: int, reason: str) -> Decoded:
    error = DecodeError("no_code", f"{end - first} pulses: {reason}", field="durations_us")
    return Decoded(None, error=error, first=first, end=end)

"""Bytes as light: IrDA SIR, and the UART over a carrier as meters speak it.

Source: IrDA serial infrared as in the data sheet of SMSC's FDC37B72x (a 0 is a pulse of 3/16 of a
bit or of 1.63 us, a 1 is dark, 8N1, shortest pulse 1.41 us); meters: DL/T 645-2007, clause 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.infrared import uart
from kwhub.infrared.codes.answers import (
    TOLERANCE,
    Decoded,
    Miss,
    confidence,
    integer,
)
from kwhub.infrared.pulses import Pulses

__all__ = ["SIR_RATES", "read_sir", "read_uart", "write_sir", "write_uart"]

SIR_RATES: Mapping[int, tuple[float, float]] = {
    115_200: (1.6, 2.71),
    57_600: (3.22, 3.69),
    38_400: (4.8, 5.53),
    19_200: (9.7, 11.07),
    9_600: (19.5, 22.13),
    4_800: (39.0, 44.27),
    2_400: (78.0, 88.55),
}
"""Bits a second: typical and longest pulse, microseconds."""
SIR_SHORTEST_US = 1.41
SIR_SHORT_US = 1.63
SIR_SHORT_MAX_US = 2.71
BYTES_MAX = 65_536
FLASH_BITS_MAX = 0.25
FLASH_SHARE = 10
"""A train in which more than one mark in so many is a flash is no train of bits at that rate."""
RATE_CHECKS = 3
"""What choosing among eight rates takes from the proof."""


def read_sir(pulses: Pulses, first: int = 0) -> Decoded:
    """The bytes of a train of short pulses, at the slowest rate that explains every one."""
    durations = pulses.durations_us
    reason = "pulses are too long for IrDA SIR"
    for baud in sorted(SIR_RATES):
        longest = SIR_RATES[baud][1]
        if max(durations[::2]) > longest:
            continue
        try:
            data, off = _sir_bytes(durations, baud)
        except Miss as miss:
            reason = miss.reason
            continue
        fields = {"bytes": data.hex().upper(), "baud": baud}
        checks = 2 * len(data)
        sure = confidence(off, checks)
        return Decoded(
            "IRDA_SIR", fields, sure, 8 * len(data), first=first, end=first + len(durations)
        )
    raise Miss(reason, first)


def _sir_bytes(durations: Sequence[float], baud: int) -> tuple[bytes, list[float]]:
    bit_us = 1e6 / baud
    starts = list(accumulate(durations, initial=0.0))[:-1:2]
    typical = SIR_RATES[baud][0]
    off = []
    for width in durations[::2]:
        if width < SIR_SHORTEST_US:
            raise Miss("a pulse is too short for IrDA SIR", 0)
        if not (width <= SIR_SHORT_MAX_US or abs(width / typical - 1) <= TOLERANCE):
            raise Miss(f"no pulses of {baud} baud", 0)
    data, place = bytearray(), 0
    while place < len(starts):
        begin, value, bit = starts[place], 0xFF, 0
        while place < len(starts) and (starts[place] - begin) / bit_us < 9.5:
            exact = (starts[place] - begin) / bit_us
            bit = round(exact)
            off.append(abs(exact - bit) / TOLERANCE)
            if off[-1] > 1 or bit == 9:
                raise Miss(f"a pulse between the bits of {baud} baud", 2 * place)
            if bit:
                value &= ~(1 << bit - 1)
            place += 1
        data.append(value)
    return bytes(data), off


def write_sir(fields: Mapping[str, Any]) -> Pulses:
    """``bytes`` as hexadecimal, ``baud``; ``short`` for pulses of 1.63 us at every rate."""
    baud = integer(fields, "baud", 115_200, 9_600)
    if baud not in SIR_RATES:
        detail = f"IrDA SIR has {', '.join(map(str, sorted(SIR_RATES)))} baud, not {baud}"
        raise DecodeError("field", detail, field="baud")
    bit_us = 1e6 / baud
    width = SIR_SHORT_US if fields.get("short") in (True, 1, "1", "true") else bit_us * 3 / 16
    starts = [
        (10 * number + place) * bit_us
        for number, value in enumerate(_payload(fields))
        for place in range(9)
        if place == 0 or not value >> place - 1 & 1
    ]
    durations: list[float] = []
    for place, start in enumerate(starts):
        durations.append(width)
        if place + 1 < len(starts):
            durations.append(starts[place + 1] - start - width)
    return Pulses(tuple(durations))


def _payload(fields: Mapping[str, Any]) -> bytes:
    text = str(fields.get("bytes", ""))
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if not 0 < len(data) <= BYTES_MAX:
        detail = f"bytes must be 1 to {BYTES_MAX} bytes as hexadecimal, not {text[:40]!r}"
        raise DecodeError("field", detail, field="bytes")
    return data


def read_uart(
    pulses: Pulses, first: int = 0, *, baud: int | None = None, parity: uart.Parity = "even"
) -> Decoded:
    """The bytes of a meter; raises Miss for parity errors and for pulses that are no bits."""
    found: list[tuple[float, int, bytes]] = []
    reason = "pulses are no whole numbers of bits at any rate"
    for rate in uart.BAUDS if baud is None else (baud,):
        clean = _without_flashes(pulses.durations_us, FLASH_BITS_MAX * 1e6 / rate)
        off = _off_grid(clean, 1e6 / rate)
        if max(off, default=2.0) > 1:
            continue
        text = uart.decode(replace(pulses, durations_us=clean), baud=rate, parity=parity)
        if text.errors or not text.data:
            reason = f"{len(text.errors)} errors in {len(text.data)} bytes at {rate} baud"
            continue
        checks = (1 + (parity != "none")) * len(text.data) + len(off) // 2
        checks -= RATE_CHECKS if baud is None else 0
        if checks < 1:
            reason = "too few pulses to tell a rate"
            continue
        found.append((confidence(off, checks), rate, text.data))
    if not found:
        raise Miss(reason, first)
    sure, rate, data = max(found, key=lambda item: (round(item[0], 1), -item[1]))
    letter = parity[0].upper()
    fields = {"bytes": data.hex().upper(), "baud": rate, "parity": letter}
    size, end = (8 + (parity != "none")) * len(data), first + len(pulses.durations_us)
    return Decoded(f"UART_8{letter}1", fields, sure, size, first=first, end=end)


def _without_flashes(durations: Sequence[float], shortest: float) -> tuple[float, ...]:
    """The train without the few marks that are too short for a bit; the dark goes on there."""
    flashes = sum(mark < shortest for mark in durations[::2])
    if flashes * FLASH_SHARE > len(durations[::2]):
        return tuple(durations)
    kept: list[float] = []
    for place in range(0, len(durations), 2):
        space = sum(durations[place + 1 : place + 2])
        if durations[place] >= shortest:
            kept += durations[place : place + 2]
        elif kept:
            kept[-1] += durations[place] + space
    return tuple(kept)


def _off_grid(durations: Sequence[float], bit_us: float) -> list[float]:
    """How far each run inside a byte is from whole bits, in shares of the tolerance."""
    runs = [
        (place, run) for place, run in enumerate(durations) if place % 2 == 0 or run < 10.5 * bit_us
    ]
    over = [
        (run - max(1, round(run / bit_us)) * bit_us) * (1 if place % 2 == 0 else -1)
        for place, run in runs
    ]
    stretch = sorted(over)[len(over) // 2]
    return [abs(miss - stretch) / (TOLERANCE * bit_us) for miss in over]


def write_uart(fields: Mapping[str, Any]) -> Pulses:
    """``bytes`` as hexadecimal, ``baud`` (1200) and ``parity`` (E, O or N)."""
    parities: dict[str, uart.Parity] = {"E": "even", "O": "odd", "N": "none"}
    letter = str(fields.get("parity", "E"))[:1].upper()
    if letter not in parities:
        raise DecodeError("field", f"parity is E, O or N, not {letter!r}", field="parity")
    baud = integer(fields, "baud", uart.BAUDS[-1], 1200)
    if baud not in uart.BAUDS:
        detail = f"baud is one of {', '.join(map(str, uart.BAUDS))}, not {baud}"
        raise DecodeError("field", detail, field="baud")
    sent = uart.bytes_to_pulses(_payload(fields), baud=baud, parity=parities[letter])
    ends_dark = len(sent.durations_us) % 2 == 0
    return Pulses(sent.durations_us[: -1 if ends_dark else None], sent.carrier_hz, sent.duty)

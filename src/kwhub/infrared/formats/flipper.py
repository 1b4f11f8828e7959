"""Files of the Flipper Zero: raw and parsed signals.

Source: the device's documented text format (Filetype: IR signals file, Version: 1).
"""

from collections.abc import Iterator, Mapping

from kwhub.domain.errors import DecodeError
from kwhub.infrared.codes import encode
from kwhub.infrared.formats.trains import Train, bad, from_runs, number
from kwhub.infrared.pulses import Pulses

__all__ = ["read_flipper", "write_flipper"]

PARSED: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "NEC": ("NEC", {}),
    "NECext": ("NEC", {}),
    "RC5": ("RC5", {}),
    "RC5X": ("RC5", {}),
    "RC6": ("RC6", {}),
    "SIRC": ("SIRC", {"bits": 12}),
    "SIRC15": ("SIRC", {"bits": 15}),
    "SIRC20": ("SIRC", {"bits": 20}),
}
"""Name in the file: our code and what it fixes."""
HEAD = "Filetype: IR signals file\nVersion: 1\n"
VALUES_A_LINE = 1024
DEFAULT_HZ, DEFAULT_DUTY = 38_000, 0.33


def read_flipper(text: str) -> list[Train]:
    """A train for each signal; a signal that cannot be read has an error instead."""
    trains = []
    for line, entry in _entries(text):
        try:
            trains.append(_train(entry, line))
        except DecodeError as problem:
            trains.append(Train(Pulses(()), entry.get("name", ""), error=problem))
    return trains


def _entries(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    begin, entry = 0, dict[str, str]()
    for place, row in enumerate(text.splitlines(), 1):
        key, colon, value = row.strip().partition(":")
        if not key or key.startswith("#"):
            continue
        if not colon:
            raise bad(f"{row[:40]!r} is no 'key: value'", place)
        if key == "name" and entry:
            yield begin, entry
            entry = {}
        if key == "name" or entry:
            begin = begin if entry else place
            value = value.strip()
            entry[key] = f"{entry[key]} {value}" if key == "data" and key in entry else value
    if entry:
        yield begin, entry


def _train(entry: Mapping[str, str], line: int) -> Train:
    name = entry["name"]
    if entry.get("type") == "raw":
        values = [number(word, line) for word in entry.get("data", "").split()]
        runs = [(place % 2 == 0, abs(value)) for place, value in enumerate(values)]
        carrier = number(entry.get("frequency", DEFAULT_HZ), line)
        duty = number(entry.get("duty_cycle", DEFAULT_DUTY), line)
        return Train(Pulses(from_runs(runs), carrier, duty), name)
    if entry.get("type") != "parsed":
        raise bad(f"signal {name!r} is neither raw nor parsed", line)
    protocol = entry.get("protocol", "")
    if protocol not in PARSED:
        raise bad(f"signal {name!r}: protocol {protocol!r} is none of {', '.join(PARSED)}", line)
    return Train(_parsed(entry, protocol, line), name)


def _parsed(entry: Mapping[str, str], protocol: str, line: int) -> Pulses:
    code, fixed = PARSED[protocol]
    address, command = (_little(entry.get(key, ""), line) for key in ("address", "command"))
    if protocol == "NECext":
        if command & 0xFF ^ command >> 8 != 0xFF:
            raise bad("a NECext command without its inverse is not known", line)
        command &= 0xFF
    fields = {"address": address, "command": command, **fixed}
    if protocol == "SIRC20":
        fields |= {"address": address & 0x1F, "extended": address >> 5}
    return encode(code, fields)


def _little(text: str, line: int) -> int:
    try:
        return int.from_bytes(bytes.fromhex(text), "little")
    except ValueError:
        raise bad(f"{text[:40]!r} is not hexadecimal", line) from None


def write_flipper(pulses: Pulses, name: str = "signal") -> str:
    """Raw; durations become whole microseconds; without carrier or duty 38000 and 0.33 are put."""
    carrier = DEFAULT_HZ if pulses.carrier_hz is None else pulses.carrier_hz
    duty = DEFAULT_DUTY if pulses.duty is None else pulses.duty
    values = [str(max(1, round(duration))) for duration in pulses.durations_us]
    data = "".join(
        f"data: {' '.join(values[place : place + VALUES_A_LINE])}\n"
        for place in range(0, len(values), VALUES_A_LINE)
    )
    head = f"# \nname: {name}\ntype: raw\nfrequency: {round(carrier)}\nduty_cycle: {duty:.6f}\n"
    return HEAD + head + data

"""Recordings of logic analysers: VCD text and sigrok's .sr files.

Source: VCD: IEEE 1364-2005, clause 18; .sr: sigrok's file format, version 2 (a zip of ``version``,
``metadata`` and ``logic-1-N``, units of whole bytes, lowest probe in the lowest bit).
"""

import configparser
import io
import re
import zipfile
import zlib
from itertools import accumulate

import numpy as np

from kwhub.infrared.formats.trains import Train, bad, from_edges, number
from kwhub.infrared.pulses import Pulses

__all__ = ["read_sr", "read_vcd", "write_sr", "write_vcd"]

VCD_UNITS_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "ps": 1e-6, "fs": 1e-9}
RATE_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
SAMPLES_MAX = 256_000_000
"""Bytes of samples that are unpacked at most."""
SR_RATE_HZ = 1_000_000
SR_LEAD_US = 1_000
SR_TEXT_MAX = 1_000_000
CHANNELS_MAX = 64
LIKELY = ("ir", "rx", "irrx", "light", "irdetect")


def _choose(names: list[str], wanted: str | None) -> int:
    """The place of a channel, by its name or its number from 0; else the one that looks it."""
    if wanted is not None:
        if wanted in names:
            return names.index(wanted)
        if wanted.isdigit() and int(wanted) < len(names):
            return int(wanted)
        raise bad(f"no channel {wanted!r}; there are {', '.join(names)}")
    for place, name in enumerate(names):
        if "irrx" in name.lower():
            return place
    for place, name in enumerate(names):
        if set(re.split(r"\W+", name.lower())) & set(LIKELY):
            return place
    return 0


def read_vcd(text: str, *, channel: str | None = None, inverted: bool | None = None) -> list[Train]:
    """One wire of a VCD file."""
    unit = 1e-3
    found = re.search(r"\$timescale\s+(\d+)\s*([munpf]?s)\s+\$end", text)
    if found:
        unit = int(found[1]) * VCD_UNITS_US[found[2]]
    wires = re.findall(r"\$var\s+\w+\s+1\s+(\S+)\s+(.+?)\s+\$end", text)
    if not wires:
        raise bad("the file names no wire ($var) of one bit")
    place = _choose([name for _, name in wires], channel)
    symbol, name = wires[place]
    edges, end = _vcd_edges(text, symbol)
    scaled = [(at * unit, level) for at, level in edges]
    durations = from_edges(scaled, end * unit, inverted=inverted)
    return [Train(Pulses(tuple(round(d, 6) or d for d in durations)), name)]


def _vcd_edges(text: str, symbol: str) -> tuple[list[tuple[float, bool]], float]:
    edges: list[tuple[float, bool]] = []
    at = 0.0
    inside = False
    for place, line in enumerate(text.splitlines(), 1):
        if not inside:
            inside = "$enddefinitions" in line
            continue
        for word in line.split():
            if word.startswith("#"):
                until = number(word[1:], place)
                if until < at:
                    raise bad("the time goes back", place)
                at = until
            elif word[1:] == symbol and word[0] in "01xXzZ":
                level = word[0] == "1"
                if not edges or edges[-1][1] != level:
                    edges.append((at, level))
    return edges, at


def write_vcd(pulses: Pulses) -> str:
    """Times in whole nanoseconds; carrier and duty are lost."""
    lines = [
        "$timescale 1 ns $end",
        "$scope module kwhub $end",
        "$var wire 1 ! light $end",
        "$upscope $end",
        "$enddefinitions $end",
        "#0 0!",
    ]
    times = accumulate(pulses.durations_us, initial=SR_LEAD_US * 1.0)
    lines += [f"#{round(at * 1000)} {1 - place % 2}!" for place, at in enumerate(times)]
    return "\n".join(lines) + "\n"


def read_sr(
    data: bytes, *, channel: str | None = None, inverted: bool | None = None
) -> list[Train]:
    """One channel of a sigrok file; raises ``DecodeError`` for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            settings = _metadata(archive)
            samples = _samples(archive, settings.get("capturefile", "logic-1"))
    except (zipfile.BadZipFile, KeyError, RuntimeError, EOFError, zlib.error) as problem:
        raise bad(f"no sigrok file: {problem}") from None
    except (OSError, ValueError) as problem:
        raise bad(f"damaged sigrok file: {problem}") from None
    unit = round(number(settings.get("unitsize", "1")))
    rate = _rate(settings.get("samplerate", ""))
    probes = sorted(
        (int(key[5:]), value) for key, value in settings.items() if re.fullmatch(r"probe\d+", key)
    )
    if not probes or not 1 <= unit <= CHANNELS_MAX // 8:
        raise bad("the metadata of the sigrok file names no probe or no unit size")
    bit, name = probes[_choose([label for _, label in probes], channel)]
    if not 1 <= bit <= 8 * unit:
        raise bad(f"probe {bit} does not fit into {unit} bytes")
    column = np.frombuffer(samples[: len(samples) // unit * unit], np.uint8)[(bit - 1) // 8 :: unit]
    levels = (column >> ((bit - 1) % 8)) & 1
    places = np.flatnonzero(np.diff(levels)) + 1
    edges = (
        [(float(at) * 1e6 / rate, bool(levels[at])) for at in (0, *places)] if len(levels) else []
    )
    durations = from_edges(edges, len(levels) * 1e6 / rate, inverted=inverted)
    settled = tuple(round(d, 6) or d for d in durations)
    return [Train(Pulses(settled), name, {"samplerate_hz": rate})]


def _metadata(archive: zipfile.ZipFile) -> dict[str, str]:
    if archive.getinfo("metadata").file_size > SR_TEXT_MAX:
        raise bad("the metadata of the sigrok file is too long")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(archive.read("metadata").decode("utf-8", "replace"))
    except configparser.Error as problem:
        raise bad(f"metadata of the sigrok file: {str(problem).splitlines()[0]}") from None
    for section in parser.sections():
        if section.startswith("device"):
            return dict(parser[section])
    raise bad("the metadata of the sigrok file names no device")


def _samples(archive: zipfile.ZipFile, stem: str) -> bytes:
    parts = {
        int(name[len(stem) + 1 :] or 0): name
        for name in archive.namelist()
        if name == stem or re.fullmatch(re.escape(stem) + r"-\d+", name)
    }
    if not parts:
        raise bad(f"the sigrok file has no {stem}")
    if sum(archive.getinfo(name).file_size for name in parts.values()) > SAMPLES_MAX:
        raise bad(f"more than {SAMPLES_MAX} bytes of samples")
    return b"".join(archive.read(parts[place]) for place in sorted(parts))


def _rate(text: str) -> float:
    found = re.fullmatch(r"\s*([\d.]+)\s*([kKmMgG]?)(?:[hH][zZ])?\s*", text)
    value = number(found[1]) * RATE_UNITS[found[2].lower()] if found else 0.0
    if value <= 0:
        raise bad(f"samplerate {text[:40]!r} of the sigrok file is no rate")
    return value


def write_sr(pulses: Pulses, rate_hz: int = SR_RATE_HZ) -> bytes:
    """Sampled at 1 MHz: times become whole microseconds; carrier and duty are lost."""
    edges = [
        round(at * rate_hz / 1e6) for at in accumulate(pulses.durations_us, initial=SR_LEAD_US)
    ]
    if edges[-1] + SR_LEAD_US > SAMPLES_MAX:
        raise bad(f"the train is longer than {SAMPLES_MAX} samples")
    levels = np.zeros(edges[-1] + SR_LEAD_US, np.uint8)
    for begin, end in zip(edges[::2], edges[1::2], strict=False):
        levels[begin:end] = 1
    metadata = (
        "[global]\nsigrok version=0.5.2\n\n[device 1]\ncapturefile=logic-1\ntotal probes=1\n"
        f"samplerate={rate_hz} Hz\ntotal analog=0\nprobe1=light\nunitsize=1\n"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("version", b"2"),
            ("metadata", metadata.encode()),
            ("logic-1-1", levels.tobytes()),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()

"""Light to bytes: eleven seconds of meter frames, sampled a million times a second.

Against real time, from samples with the carrier in them to bytes: by edges for clean samples, and by
mixing for a photodiode's signal with noise. Against sigrok-cli's decoder ``uart``, which takes no
carrier out: both read the same samples without a carrier, and the time that sigrok-cli needs to start
is taken off.
"""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks._peers import rate
from benchmarks.result import Result
from kwhub.infrared.carrier import (
    Scene,
    demodulate_edges,
    demodulate_iq,
    illuminate,
    levels_to_pulses,
    synthesize,
)
from kwhub.infrared.uart import Line, bytes_to_pulses, receive

__all__ = ["run"]

RATE_HZ = 1_000_000
BAUD = 1200
FRAME = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
FRAMES = 60
ROUNDS = 5
REAL_TIME = 50.0
LEAST_RATIO = 3.0
DATA = FRAME * FRAMES
LINE = Line(BAUD)
REAL = "real time, 1 MS/s"


def _check(data: bytes) -> None:
    if data != DATA:
        raise SystemExit(
            "the bytes that were read are not those that were sent: nothing to compare"
        )


def _sigrok(program: str, file: Path) -> bytes:
    answer = subprocess.run(  # noqa: S603 - a fixed command on a file of our own
        [
            program,
            *("-i", str(file), "-I", f"binary:numchannels=1:samplerate={RATE_HZ}"),
            *("-P", f"uart:rx=0:baudrate={BAUD}:parity=even", "-A", "uart=rx-data"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    if answer.stderr:
        raise SystemExit(answer.stderr)
    return bytes.fromhex("".join(line.partition(": ")[2] for line in answer.stdout.splitlines()))


def _against_sigrok() -> Result:
    """Million samples a second, from the levels of a receiver's output to bytes."""
    program = shutil.which("sigrok-cli")
    if program is None:
        raise SystemExit("sigrok-cli is missing: install the package sigrok-cli")
    bare = synthesize(
        bytes_to_pulses(DATA, BAUD, carrier_hz=None), RATE_HZ, lead_us=5e4, tail_us=5e4
    )
    low = ~bare
    _check(receive(levels_to_pulses(low, RATE_HZ), LINE).data)
    ours = rate(lambda: receive(levels_to_pulses(low, RATE_HZ), LINE).data, 1, ROUNDS)
    with TemporaryDirectory() as folder:
        short, long = Path(folder, "short.bin"), Path(folder, "long.bin")
        short.write_bytes(low[:1000].astype(np.uint8).tobytes())
        long.write_bytes(low.astype(np.uint8).tobytes())
        _check(_sigrok(program, long))
        start = 1 / rate(lambda: _sigrok(program, short), 1, ROUNDS)
        theirs = 1 / (1 / rate(lambda: _sigrok(program, long), 1, ROUNDS) - start)
    size = len(low) / 1e6
    name = "infrared levels to bytes"
    return Result(
        name, ours * size, theirs * size, "MS/s", "sigrok-cli uart", least_ratio=LEAST_RATIO
    )


def run() -> list[Result]:
    """Million samples a second; 1 is real time."""
    sent = bytes_to_pulses(DATA, BAUD)
    clean = synthesize(sent, RATE_HZ, lead_us=5e4, tail_us=5e4)
    light = illuminate(clean, RATE_HZ, Scene(noise=0.3, dc=2.0), np.random.default_rng(1))
    size = len(clean) / 1e6
    ways = {
        "infrared light to bytes, by edges": lambda: receive(
            demodulate_edges(clean, RATE_HZ)[0], LINE
        ),
        "infrared light to pulses, by edges": lambda: demodulate_edges(clean, RATE_HZ),
        "infrared light to pulses, by mixing": lambda: demodulate_iq(light, RATE_HZ),
    }
    _check(receive(demodulate_edges(clean, RATE_HZ)[0], LINE).data)
    _check(receive(demodulate_iq(light, RATE_HZ)[0], LINE).data)
    results = [
        Result(name, rate(call, 1, ROUNDS) * size, 1.0, "MS/s", REAL, least_ratio=REAL_TIME)
        for name, call in ways.items()
    ]
    return [*results, _against_sigrok()]

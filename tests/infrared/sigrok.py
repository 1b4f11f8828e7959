"""sigrok-cli as an independent reader of what we synthesise."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kwhub.infrared.carrier import demodulate_edges, synthesize
from kwhub.infrared.pulses import Pulses

RATE_HZ = 1_000_000
REQUIRED = os.environ.get("KWHUB_REQUIRE_ALL") == "1"


def need_sigrok() -> None:
    """Skips, or fails when everything is demanded, where there is no sigrok-cli."""
    if shutil.which("sigrok-cli") is None:
        message = "no sigrok-cli: install the package sigrok-cli"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)


def write_sr(path: Path, samples: NDArray[np.bool_], rate_hz: int) -> None:
    """A sigrok session file with one logic channel."""
    metadata = (
        "[global]\nsigrok version=0.5.2\n\n[device 1]\ncapturefile=logic-1\n"
        f"total probes=1\nsamplerate={rate_hz} Hz\nprobe1=IR\nunitsize=1\n"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("version", "2")
        file.writestr("metadata", metadata)
        file.writestr("logic-1-1", samples.astype(np.uint8).tobytes())


def ask_sigrok(path: Path, decoder: str, *annotations: str) -> list[str]:
    """The texts of some annotations; a word on standard error is a failure."""
    names = ":".join(annotations)
    name = decoder.split(":", maxsplit=1)[0]
    answer = subprocess.run(
        ["sigrok-cli", "-i", str(path), "-P", decoder, "-A", f"{name}={names}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.stderr == ""
    assert answer.returncode == 0
    return [line.partition(": ")[2] for line in answer.stdout.splitlines()]


def as_receiver_sees(pulses: Pulses) -> NDArray[np.bool_]:
    """Modulated, demodulated and inverted, as the output of a receiver chip."""
    light = synthesize(pulses, RATE_HZ, lead_us=20_000, tail_us=20_000)
    train, _ = demodulate_edges(light, RATE_HZ)
    bare = Pulses(train.durations_us)
    return ~synthesize(bare, RATE_HZ, lead_us=20_000, tail_us=30_000)

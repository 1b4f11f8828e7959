"""The raw data behind the numbers: written beside the results, read again for reports."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from kwhub.bench.instruments import Capture, Spectrum
from kwhub.bench.response import Probe
from kwhub.domain.errors import LocalError

__all__ = ["CAPTURE", "PROBES", "SPECTRUM", "Evidence", "load_evidence", "save_evidence"]

CAPTURE: Final = "capture.npz"
SPECTRUM: Final = "spectrum.csv"
PROBES: Final = "probes.json"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the instruments said of one device."""

    capture: Capture | None = None
    spectrum: Spectrum | None = None
    probes: tuple[Probe, ...] = ()


def save_evidence(evidence: Evidence, folder: Path) -> dict[str, str]:
    """Write the files; returns their names and SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {PROBES: msgspec.json.format(msgspec.json.encode(evidence.probes))}
    if evidence.capture is not None:
        file = io.BytesIO()
        capture = evidence.capture
        np.savez_compressed(
            file, rate_hz=capture.rate_hz, request=capture.request, answer=capture.answer
        )
        files[CAPTURE] = file.getvalue()
    if evidence.spectrum is not None:
        rows = zip(evidence.spectrum.wavelengths_nm, evidence.spectrum.powers, strict=True)
        text = "wavelength_nm,power\n" + "".join(f"{nm!r},{power!r}\n" for nm, power in rows)
        files[SPECTRUM] = text.encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def load_evidence(folder: Path) -> Evidence:
    """Read what is there; raises ``LocalError`` for a damaged file."""
    try:
        return Evidence(_capture(folder), _spectrum(folder), _probes(folder))
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise LocalError(f"{folder}: the raw data are damaged: {error}") from error


def _capture(folder: Path) -> Capture | None:
    if not (folder / CAPTURE).exists():
        return None
    with np.load(folder / CAPTURE, allow_pickle=False) as file:
        return Capture(float(file["rate_hz"]), file["request"], file["answer"])


def _spectrum(folder: Path) -> Spectrum | None:
    if not (folder / SPECTRUM).exists():
        return None
    lines = (folder / SPECTRUM).read_text().splitlines()[1:]
    rows = [tuple(map(float, line.split(","))) for line in lines]
    return Spectrum(tuple(row[0] for row in rows), tuple(row[1] for row in rows))


def _probes(folder: Path) -> tuple[Probe, ...]:
    if not (folder / PROBES).exists():
        return ()
    return msgspec.json.decode((folder / PROBES).read_bytes(), type=tuple[Probe, ...])

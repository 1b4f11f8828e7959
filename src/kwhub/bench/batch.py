"""Many devices, one after the other; a run that was killed goes on where it stopped.

Each result is a file of its own, written beside and renamed after its data are on the disk, so that
it is there whole or not at all.  A device whose result is there is not measured again; one that was
being measured when the run died is measured from its beginning.
"""

import csv
import io
import os
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from kwhub.bench.evidence import Evidence, save_evidence
from kwhub.bench.procedure import SERIAL, Configuration
from kwhub.bench.results import MeterResult
from kwhub.domain.errors import ConfigError, LocalError

__all__ = ["METERS_MAX", "Job", "Store", "parse_jobs", "read_jobs", "run_batch"]

METERS_MAX: Final = 100_000
RESULTS: Final = "results"
EVIDENCE: Final = "evidence"
CONFIGURATION: Final = "configuration.json"
SERIAL_NAMES: Final = ("serial", "meter", "address", "资产编号", "表号")
PALLET_NAMES: Final = ("pallet", "box", "托盘", "箱号")

Examine = Callable[["Job"], Coroutine[Any, Any, tuple[MeterResult, Evidence]]]


class Job(msgspec.Struct, frozen=True):
    """One device to measure."""

    serial: str
    pallet: str = ""


def read_jobs(path: Path) -> list[Job]:
    """The devices of a file; raises ``ConfigError`` with the line of the first mistake."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=str(path)) from error
    return parse_jobs(text, str(path))


def parse_jobs(text: str, name: str = "") -> list[Job]:
    r"""Serial numbers, one a line, or CSV with a column ``serial`` and perhaps ``pallet``.

    >>> [job.serial for job in parse_jobs("000000000038\n000000000039\n")]
    ['000000000038', '000000000039']
    """
    rows = [
        (number, [cell.strip() for cell in row])
        for number, row in enumerate(csv.reader(io.StringIO(text)), 1)
        if any(cell.strip() for cell in row) and not row[0].startswith("#")
    ]
    if not rows:
        raise ConfigError("there is no meter in it", file=name)
    heads = [cell.lower() for cell in rows[0][1]]
    serial_at = next((heads.index(word) for word in SERIAL_NAMES if word in heads), None)
    pallet_at = next((heads.index(word) for word in PALLET_NAMES if word in heads), None)
    if serial_at is not None:
        rows = rows[1:]
    elif len(heads) > 1:
        raise ConfigError("the first line must name a column 'serial'", file=name, line=1)
    jobs: dict[str, Job] = {}
    for number, row in rows:
        serial = row[serial_at or 0] if len(row) > (serial_at or 0) else ""
        pallet = row[pallet_at] if pallet_at is not None and len(row) > pallet_at else ""
        if not SERIAL.fullmatch(serial):
            what = f"{serial!r} is no serial number: up to 40 letters, digits, '.', '_' and '-'"
            raise ConfigError(what, file=name, line=number)
        if serial in jobs:
            raise ConfigError(f"meter {serial} is listed twice", file=name, line=number)
        jobs[serial] = Job(serial, pallet)
    if not jobs or len(jobs) > METERS_MAX:
        raise ConfigError(f"1 to {METERS_MAX} meters are allowed, not {len(jobs)}", file=name)
    return list(jobs.values())


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of a run."""

    folder: Path

    def claim(self, configuration: Configuration) -> None:
        """Make the folder, or check that it belongs to the same configuration.

        Raises:
            LocalError: what is there was measured with other limits, instruments or chance.
        """
        (self.folder / RESULTS).mkdir(parents=True, exist_ok=True)
        path = self.folder / CONFIGURATION
        if path.exists():
            told = _load(path, dict[str, Any]).get("hash")
            if told != configuration.hash:
                raise LocalError(
                    f"{self.folder}: measured with another configuration ({told}, now "
                    f"{configuration.hash}); give a new folder or the same limits and instruments"
                )
            return
        text = {
            "hash": configuration.hash,
            "limits": configuration.limits,
            "seed": configuration.seed,
        }
        _write(
            path,
            msgspec.json.format(msgspec.json.encode(text | {"setting": configuration.setting})),
        )

    def done(self, serial: str) -> MeterResult | None:
        """The result of a device, when it is there."""
        path = self._path(serial)
        return _load(path, MeterResult) if path.exists() else None

    def results(self, jobs: Iterable[Job]) -> list[MeterResult]:
        """All results that are there, in the order of the jobs."""
        return [found for job in jobs if (found := self.done(job.serial)) is not None]

    def evidence_of(self, serial: str) -> Path:
        """The folder of a device's raw data."""
        return self.folder / EVIDENCE / serial

    def keep(self, result: MeterResult, evidence: Evidence) -> MeterResult:
        """Write raw data and result; after it returns, both outlive a cut of the power."""
        folder = self.evidence_of(result.serial)
        hashes = save_evidence(evidence, folder)
        for name in hashes:
            _synchronise(folder / name)
        result = msgspec.structs.replace(result, evidence=hashes)
        _write(self._path(result.serial), msgspec.json.format(msgspec.json.encode(result)))
        return result

    def _path(self, serial: str) -> Path:
        return self.folder / RESULTS / f"{serial}.json"


async def run_batch(
    jobs: Iterable[Job],
    store: Store,
    examine: Examine,
    progress: Callable[[Job, MeterResult, bool], None],
) -> list[MeterResult]:
    """Measure what is not measured yet; ``progress`` is told each result and whether it is new."""
    results = []
    for job in jobs:
        result = store.done(job.serial)
        fresh = result is None
        if result is None:
            result = store.keep(*await examine(job))
        results.append(result)
        progress(job, result, fresh)
    return results


def _load(path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise LocalError(f"{path}: damaged ({error}); delete it to measure again") from error


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _synchronise(path.parent)


def _synchronise(path: Path) -> None:
    """Have a file or the entries of a folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

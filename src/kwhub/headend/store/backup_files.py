"""The books of sales in a backup: SQLite files beside the store, copied at one moment while they are in use."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from kwhub.domain.errors import LocalError

__all__ = ["check_files", "copy_files", "placed"]

FOLDER = "files"
"""Of the archive, in which they lie."""

BUSY_S = 30.0
"""So long a sale in progress is waited for."""

MODE = 0o600


def copy_files(archive: ZipFile, files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Put databases into an archive, all as they are at one moment: nobody writes to any of them meanwhile.

    Args:
        archive: that is being written.
        files: paths by name; one that is not there is left out.

    Returns:
        size and SHA-256 by name.

    Raises:
        LocalError: one of them cannot be read.
    """
    there = {name: path for name, path in files.items() if path.exists()}
    told = {}
    try:
        with ExitStack() as stack, TemporaryDirectory() as folder:
            for path in there.values():
                held = stack.enter_context(closing(_opened(path)))
                held.execute("BEGIN IMMEDIATE")  # readers go on, and a sale waits
            for name, path in there.items():
                copy = Path(folder) / name
                with closing(_opened(path)) as source, closing(sqlite3.connect(copy)) as target:
                    source.backup(target)
                body = copy.read_bytes()
                archive.writestr(f"{FOLDER}/{name}", body)
                told[name] = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    except sqlite3.Error as error:
        names = ", ".join(map(str, there.values()))
        raise LocalError(f"the books of sales cannot be copied ({names}): {error}") from error
    return told


def check_files(told: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Refuse before anything is written what could not be put in its place.

    Raises:
        LocalError: the settings name no place for a file of the backup, or something is there.
    """
    for name in told:
        if name not in files:
            raise LocalError(
                f"the backup holds the {name} of sales: name a place for it in [vending] of the settings"
            )
        if files[name].exists():
            raise LocalError(f"{files[name]} is there already: move it away before you restore")


@contextmanager
def placed(archive: ZipFile, told: Mapping[str, Any], files: Mapping[str, Path]) -> Iterator[None]:
    """Write the files beside their places, and into them when everything inside has gone well.

    Raises:
        LocalError: one is damaged, or cannot be written.
    """
    parts = {name: files[name].with_name(f"{files[name].name}.part") for name in told}
    try:
        for name, part in parts.items():
            body = archive.read(f"{FOLDER}/{name}")
            if hashlib.sha256(body).hexdigest() != told[name]["sha256"]:
                raise LocalError(f"the backup is damaged: {name} is not what was written")
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        yield
        for name, part in parts.items():
            part.replace(files[name])
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None
    )

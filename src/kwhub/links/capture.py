"""The capture format: one JSON object a line, each a piece of bytes that went one way.

``{"t": 12.25, "at": "2026-03-02T00:00:12.250000Z", "dir": "tx", "hex": "fefefefe68"}``: ``t`` is
monotonic seconds (differences mean something, the origin does not), ``at`` is RFC 3339 in UTC,
``dir`` is seen from the side that captured, ``hex`` is what was read or written in one piece.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kwhub.domain.errors import ConfigError

__all__ = ["Direction", "Record", "read_capture"]

Direction: TypeAlias = Literal["rx", "tx"]
"""``rx``: received by the side that captured; ``tx``: written by it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of bytes."""

    time_s: float  #: monotonic
    at: datetime  #: aware, UTC
    direction: Direction
    data: bytes

    def to_line(self) -> str:
        """The record as one line, with its line end."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return (
            f'{{"t": {self.time_s:.6f}, "at": "{at}",'
            f' "dir": "{self.direction}", "hex": "{self.data.hex()}"}}\n'
        )


def read_capture(path: str | Path) -> list[Record]:
    """Read a capture file.

    A last line without its end is left out: whoever captured was cut off in the middle of it.

    Raises:
        ConfigError: the file cannot be read or a line is not a record; names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the capture cannot be read: {error}", file=str(path)) from error
    whole = text[: text.rfind("\n") + 1]
    return list(_records(whole.splitlines(), str(path)))


def _records(lines: Iterable[str], file: str) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _record(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                what = f"not a record of a capture: {error}"
                raise ConfigError(what, file=file, line=number) from error


def _record(row: Any) -> Record:
    if row["dir"] not in ("rx", "tx"):
        raise ValueError(f"dir is {row['dir']!r}, not rx or tx")
    at = datetime.fromisoformat(row["at"])
    return Record(float(row["t"]), at.astimezone(UTC), row["dir"], bytes.fromhex(row["hex"]))

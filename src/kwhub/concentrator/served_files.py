"""AFN 0F: a file that comes in segments is kept, can be resumed, is checked, and is never run.

Source: Q/GDW 1376.1-2013, clause 5.14, F1. A segment may come again, in any order and after a restart; one
that contradicts what is kept is refused. The file is complete when every segment is there; its SHA-256 is
kept for the person who decides what to do with it.
"""

import asyncio
import hashlib
from typing import NamedTuple

from kwhub.concentrator.database import Database
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.afn_0f import FileSegment

__all__ = ["ALL_BYTES_MAX", "FILE_BYTES_MAX", "SEGMENTS_AT_ONCE", "Files", "KeptFile"]

FILE_BYTES_MAX = 32 * 1024 * 1024
"""Of all segments of a file together."""

ALL_BYTES_MAX = 64 * 1024 * 1024
"""Of all files together; they are not part of the limit of the store, which is for readings."""

SEGMENTS_AT_ONCE = 64
"""So many are hashed before others have their turn."""

_CLEAR = 0


class KeptFile(NamedTuple):
    """What is known of a file."""

    file: int
    segments: int
    received: int
    sha256: str | None  #: None: not complete


class _Held(NamedTuple):
    """What is kept of a file, counted as it comes."""

    segments: int
    size: int


class Files:
    """Methods may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clearings = 0
        self._held: dict[int, _Held] = {
            file: _Held(segments, size)
            for file, segments, size in database.rows(
                "SELECT file, count(*), sum(length(data)) FROM file_segment GROUP BY file"
            )
        }

    def used_bytes(self) -> int:
        """Of all files together."""
        return sum(held.size for held in self._held.values())

    def take(self, segment: FileSegment) -> bool:
        """Keep a segment; file 0 forgets all files.

        Returns:
            Whether every segment is there now, so that ``complete`` is to follow.

        Raises:
            LocalError: it contradicts what is kept, or is too much.
        """
        if segment.file == _CLEAR:
            self._clear()
            return False
        if segment.command or not 0 <= segment.segment < segment.segments or not segment.data:
            raise LocalError("a segment without data, beyond the last one, or of another way")
        if segment.last != (segment.segment == segment.segments - 1):
            raise LocalError("the attribute and the number of the segment contradict")
        known = self.kept(segment.file)
        if known is not None and known.segments != segment.segments:
            raise LocalError(f"the file has {known.segments} segments, not {segment.segments}")
        if not self._is_kept(segment):
            self._keep(segment)
        is_whole = self._held[segment.file].segments == segment.segments
        return is_whole and (known is None or known.sha256 is None)

    async def complete(self, file: int, now: int) -> None:
        """Hash a file of which every segment is there, a few at a time, and keep the hash.

        Args:
            file: number of the file.
            now: seconds since 1970 UTC.

        Raises:
            LocalError: it was forgotten meanwhile.
        """
        known, clearings = self.kept(file), self._clearings
        digest = hashlib.sha256()
        hashed = 0
        while known is not None and hashed < known.segments:
            rows = self._database.rows(
                "SELECT data FROM file_segment WHERE file = ? AND segment >= ? AND segment < ?",
                (file, hashed, hashed + SEGMENTS_AT_ONCE),
            )
            if not rows or clearings != self._clearings:
                raise LocalError(f"file {file} was forgotten")
            for (data,) in rows:
                digest.update(data)
            hashed += len(rows)
            await asyncio.sleep(0)
        if known is None or clearings != self._clearings:
            raise LocalError(f"file {file} was forgotten")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE file SET sha256 = ?, completed_at = ? WHERE file = ?",
                (digest.hexdigest(), now, file),
            )

    def kept(self, file: int) -> KeptFile | None:
        """What is known of a file."""
        rows = self._database.rows(
            "SELECT file, segments, sha256 FROM file WHERE file = ?", (file,)
        )
        if not rows:
            return None
        received = self._held[file].segments if file in self._held else 0
        segments, sha256 = rows[0][1:]
        return KeptFile(file, segments, received, sha256)

    def content(self, file: int) -> bytes:
        """The whole file. Raises LocalError when it is not complete."""
        known = self.kept(file)
        if known is None or known.sha256 is None:
            raise LocalError(f"file {file} is not complete")
        rows = self._database.rows(
            "SELECT data FROM file_segment WHERE file = ? ORDER BY segment", (file,)
        )
        content = b"".join(data for (data,) in rows)
        if hashlib.sha256(content).hexdigest() != known.sha256:
            raise LocalError(f"file {file} is damaged")
        return content

    def _is_kept(self, segment: FileSegment) -> bool:
        rows = self._database.rows(
            "SELECT data FROM file_segment WHERE file = ? AND segment = ?",
            (segment.file, segment.segment),
        )
        if rows and rows[0][0] != segment.data:
            raise LocalError(f"segment {segment.segment} came with other data before")
        return bool(rows)

    def _keep(self, segment: FileSegment) -> None:
        size = len(segment.data)
        held = self._held.get(segment.file, _Held(0, 0))
        if held.size + size > FILE_BYTES_MAX:
            raise LocalError(f"a file has at most {FILE_BYTES_MAX} bytes")
        if self.used_bytes() + size > ALL_BYTES_MAX:
            raise LocalError(
                f"all files have at most {ALL_BYTES_MAX} bytes: have them forgotten by file 0"
            )
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO file (file, segments) VALUES (?, ?)",
                (segment.file, segment.segments),
            )
            connection.execute(
                "INSERT INTO file_segment VALUES (?, ?, ?)",
                (segment.file, segment.segment, segment.data),
            )
        self._held[segment.file] = _Held(held.segments + 1, held.size + size)

    def _clear(self) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM file_segment")
            connection.execute("DELETE FROM file")
        self._held.clear()
        self._clearings += 1

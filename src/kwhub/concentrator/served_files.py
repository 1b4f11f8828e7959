"""AFN 0F: a file that comes in segments is kept, can be resumed, is checked, and is never run.

Source: Q/GDW 1376.1-2013, clause 5.14, F1. A segment may come again, in any order and after a restart; one
that contradicts what is kept is refused. The file is complete when every segment is there; its SHA-256 is
kept for the person who decides what to do with it.
"""

import hashlib
from typing import NamedTuple

from kwhub.concentrator.database import Database
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.afn_0f import FileSegment

__all__ = ["FILE_BYTES_MAX", "Files", "KeptFile"]

FILE_BYTES_MAX = 32 * 1024 * 1024
"""Of all segments of a file together."""

_CLEAR = 0


class KeptFile(NamedTuple):
    """What is known of a file."""

    file: int
    segments: int
    received: int
    sha256: str | None  #: None: not complete


class Files:
    """Every method is one transaction and may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, segment: FileSegment, now: int) -> None:
        """Keep a segment; file 0 forgets all files.

        Args:
            segment: of any file.
            now: seconds since 1970 UTC.

        Raises:
            LocalError: it contradicts what is kept, or is too much.
        """
        if segment.file == _CLEAR:
            self._clear()
            return
        if segment.command or not 0 <= segment.segment < segment.segments or not segment.data:
            raise LocalError("a segment without data, beyond the last one, or of another way")
        if segment.last != (segment.segment == segment.segments - 1):
            raise LocalError("the attribute and the number of the segment contradict")
        known = self.kept(segment.file)
        if known is not None and known.segments != segment.segments:
            raise LocalError(f"the file has {known.segments} segments, not {segment.segments}")
        if self._is_kept(segment):
            return
        self._keep(segment, now)

    def kept(self, file: int) -> KeptFile | None:
        """What is known of a file."""
        rows = self._database.rows(
            "SELECT file, segments, (SELECT count(*) FROM file_segment AS each"
            " WHERE each.file = file.file), sha256 FROM file WHERE file = ?",
            (file,),
        )
        return KeptFile(*rows[0]) if rows else None

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

    def _keep(self, segment: FileSegment, now: int) -> None:
        file = (segment.file,)
        with self._database.transaction() as connection:
            size = connection.execute(
                "SELECT coalesce(sum(length(data)), 0) FROM file_segment WHERE file = ?", file
            ).fetchone()[0]
            if size + len(segment.data) > FILE_BYTES_MAX:
                raise LocalError(f"a file has at most {FILE_BYTES_MAX} bytes")
            connection.execute(
                "INSERT OR IGNORE INTO file (file, segments) VALUES (?, ?)",
                (segment.file, segment.segments),
            )
            connection.execute(
                "INSERT INTO file_segment VALUES (?, ?, ?)",
                (segment.file, segment.segment, segment.data),
            )
            rows = (
                connection.execute(
                    "SELECT data FROM file_segment WHERE file = ? ORDER BY segment", file
                ).fetchall()
                if self._is_whole(segment)
                else []
            )
            if rows:
                digest = hashlib.sha256(b"".join(data for (data,) in rows)).hexdigest()
                connection.execute(
                    "UPDATE file SET sha256 = ?, completed_at = ? WHERE file = ?",
                    (digest, now, segment.file),
                )

    def _is_whole(self, segment: FileSegment) -> bool:
        known = self.kept(segment.file)
        return known is not None and known.received == segment.segments

    def _clear(self) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM file_segment")
            connection.execute("DELETE FROM file")

"""Where the log of a command goes: standard error, in lines for people or JSON for programs.

A log that cannot be written (full disk, closed pipe) costs its lines, and nothing else: the work that is told of
goes on.
"""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase
from pathlib import Path
from typing import Annotated, Literal, TextIO, TypeAlias, cast

import structlog
from cyclopts import Parameter

__all__ = ["LogLevel", "LogLevelOption", "configure"]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogLevelOption: TypeAlias = Annotated[LogLevel, Parameter(help="Least weight of what is logged.")]


class _Lossy(TextIOBase):
    """Hands each piece of text to ``put``; drops what cannot be written."""

    def __init__(self, put: Callable[[str], object]) -> None:
        self._put = put

    def write(self, text: str) -> int:
        """Write, or drop."""
        with suppress(OSError, ValueError):  # ValueError: it was closed
            self._put(text)
        return len(text)


def _to_standard_error(text: str) -> None:
    """Write to whatever stream that is at the moment; it lets go of every line by itself."""
    sys.stderr.write(text)


def configure(level: LogLevel, *, json: bool = False, path: Path | None = None) -> None:
    """Set up the log of the process; it never goes to standard output.

    Args:
        level: least weight that is logged.
        json: one JSON object a line, for collectors.
        path: a file that is written to instead of standard error, when a screen fills the terminal.

    Raises:
        OSError: the file cannot be opened.
    """
    if path is None:
        out, colors = _Lossy(_to_standard_error), sys.stderr.isatty()
    else:
        # Open for as long as the process lives; without a buffer, which would fail again and again.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        out, colors = _Lossy(lambda text: os.write(file, text.encode())), False
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=colors)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", out)),
    )

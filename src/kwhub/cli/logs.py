"""Where the log of a command goes: standard error, in lines for people or JSON for programs."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import structlog
from cyclopts import Parameter

__all__ = ["LogLevel", "LogLevelOption", "configure"]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogLevelOption: TypeAlias = Annotated[LogLevel, Parameter(help="Least weight of what is logged.")]


def configure(level: LogLevel, *, json: bool = False, path: Path | None = None) -> None:
    """Set up the log of the process; it never goes to standard output.

    Args:
        level: least weight that is logged.
        json: one JSON object a line, for collectors.
        path: a file that is written to instead of standard error, when a screen fills the terminal.

    Raises:
        OSError: the file cannot be opened.
    """
    # It stays open for as long as the process lives.
    out = sys.stderr if path is None else path.open("a", encoding="utf-8", buffering=1)
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
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
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )

"""The command tree, and the one place where an error becomes a line of text and an exit code."""

import asyncio
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from kwhub import __version__
from kwhub.cli.output import Exit, complain
from kwhub.domain.errors import ConfigError, KwhubError, LocalError, Refusal

__all__ = ["app", "run"]

app = App(
    name="kwhub",
    version=__version__,
    help="Read meters, run concentrators and the head-end, decode what passes between them.",
    help_format="markdown",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command("kwhub.cli.demo:demo", name="demo")
app.command("kwhub.cli.decode:decode_frames", name="decode")
app.command("kwhub.cli.read:read", name="read")
app.command("kwhub.cli.scan:scan", name="scan")
app.command("kwhub.cli.write:write", name="write")
app.command("kwhub.cli.clock:clock", name="clock")
app.command("kwhub.cli.freeze:freeze_command", name="freeze")
app.command("kwhub.cli.relay:relay", name="relay")
app.command("kwhub.cli.capture:capture", name="capture")
app.command("kwhub.cli.explain:explain_capture", name="explain")

meter = App(name="meter", help="Simulated meters.")
meter.command("kwhub.cli.meter:simulate", name="simulate")
app.command(meter)

concentrator = App(
    name="concentrator", help="The concentrator: reads meters, reports to the head-end."
)
concentrator.command("kwhub.cli.concentrator:run_concentrator", name="run")
app.command(concentrator)

headend = App(
    name="headend", help="The head-end: takes reports, stores readings, serves the pages."
)
headend.command("kwhub.cli.headend:run_headend", name="run")
app.command(headend)


CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (ConfigError, Exit.USAGE),
    (LocalError, Exit.USAGE),
    (Refusal, Exit.NO),
    (KwhubError, Exit.LINK),
    (FileExistsError, Exit.USAGE),
    (FileNotFoundError, Exit.USAGE),
    (IsADirectoryError, Exit.USAGE),
    (NotADirectoryError, Exit.USAGE),
    (PermissionError, Exit.USAGE),
    (OSError, Exit.LINK),
)
"""The first class that fits decides."""


def _leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


def _report(error: Exception) -> int:
    leaves = _leaves(error)
    if not all(isinstance(leaf, KwhubError | OSError) for leaf in leaves):
        raise error
    leaf = leaves[0]
    if isinstance(leaf, OSError) and leaf.filename is not None:
        complain(f"{leaf.filename}: {leaf.strerror}")
    else:
        complain(str(leaf))
    return next(code for kind, code in CODES if isinstance(leaf, kind))


def _missing(error: ImportError) -> int:
    """A library of an extra that is not installed; anything else is a bug."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    name = getattr(cause, "name", None) or ""
    if not isinstance(cause, ModuleNotFoundError) or name.startswith("kwhub"):
        raise error
    complain(f"this command needs {name}; it comes with: pip install 'kwhub[headend]'")
    return Exit.USAGE


def run(arguments: Sequence[str]) -> int:
    """Run one command; never shows a traceback for trouble that has a name."""
    try:
        return int(app(list(arguments), exit_on_error=False) or Exit.OK)
    except CycloptsError:
        return Exit.USAGE
    except (BrokenPipeError, KeyboardInterrupt, asyncio.CancelledError):
        return Exit.OK
    except ImportError as error:
        return _missing(error)
    except (KwhubError, OSError, ExceptionGroup) as error:
        return _report(error)

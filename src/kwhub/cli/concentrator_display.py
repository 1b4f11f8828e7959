"""``kwhub concentrator display``, and the screen and its socket beside ``kwhub concentrator run``."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from kwhub.cli.output import Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.concentrator import config as concentrator_config
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.display.attached import AttachedPanel
from kwhub.concentrator.display.preferences import Preferences
from kwhub.concentrator.display.serving import Answerer, serve_panel, socket_path
from kwhub.concentrator.panel import CurrentPanel
from kwhub.concentrator.panel_views import AskBuses, AskHead, AskNetwork, AskStatus, Query
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.runtime.clock import SystemClock

__all__ = ["check_terminal", "log_path", "panel_beside", "show_display", "show_here"]


async def show_display(
    config: Path, *, json: JsonFlag = False, language: LanguageOption = None
) -> int:
    """Show the screen of a concentrator that is running, for four arrows, Enter and Esc.

    It may be opened and closed at any time; reading goes on. With --json, print once what the status
    pages show. Example:

        kwhub concentrator display concentrator.toml

    Parameters
    ----------
    config
        The settings that the concentrator runs with.
    """
    store = concentrator_config.load(config).concentrator.store
    async with AttachedPanel(socket_path(store)) as panel:
        if not json:
            check_terminal()
            await _show(panel, store, pick_language(language))
            return Exit.OK
        queries: dict[str, Query[Any]] = {
            "head": AskHead(),
            "status": AskStatus(),
            "network": AskNetwork(),
            "buses": AskBuses(),
        }
        print_json({name: await panel.ask(query) for name, query in queries.items()})
    return Exit.OK


def check_terminal() -> None:
    """Raises LocalError where there is nothing to show a screen on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LocalError("the screen needs a terminal; --json prints what it would show")
    if not sys.stderr.isatty():
        raise LocalError("the screen is drawn through standard error: leave it on the terminal")


def log_path(store: str) -> Path:
    """Where the log goes while the terminal shows the screen."""
    return Path(f"{store}.log")


@asynccontextmanager
async def panel_beside(current: Callable[[], Concentrator], store: str) -> AsyncIterator[None]:
    """Serve screens while the block runs; a socket that cannot be made is told, and no more."""
    async with AsyncExitStack() as stack:
        try:
            panel = CurrentPanel(current)
            await stack.enter_async_context(serve_panel(panel, socket_path(store)))
        except (KwhubError, OSError) as error:
            structlog.get_logger("kwhub.concentrator").warning("no panel", error=str(error))
        yield


async def show_here(current: Callable[[], Concentrator], store: str) -> None:
    """Show the screen of a concentrator of this process until it is closed, whatever happens to it."""
    log = structlog.get_logger("kwhub.concentrator")
    try:
        await _show(CurrentPanel(current), store, pick_language())
    except Exception:  # a screen must not stop the reading
        log.exception("the screen has failed; the concentrator goes on")
    say("The screen is closed; the concentrator goes on. Ctrl-C stops it.")


async def _show(panel: Answerer, store: str, language: str) -> None:
    from kwhub.concentrator.display.screen import PanelScreen  # noqa: PLC0415 - an extra brings it

    preferences = Preferences(Path(f"{store}.panel.json"))
    screen = PanelScreen(panel, preferences, clock=SystemClock(), language=language)
    await screen.run_async(mouse=False)

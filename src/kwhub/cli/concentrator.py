"""``kwhub concentrator``: the concentrator as a service, from its settings."""

import asyncio
import os
from contextlib import closing
from pathlib import Path
from secrets import randbits

from kwhub.cli.concentrator_display import check_terminal, log_path, panel_beside, show_here
from kwhub.cli.logs import LogLevelOption, configure
from kwhub.cli.output import Exit, JsonFlag, print_json, say
from kwhub.cli.signals import call_on_hangup, cancel_on_terminate
from kwhub.concentrator import config as concentrator_config
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.notify import Notifier
from kwhub.concentrator.service import Service
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

__all__ = ["run_concentrator"]


async def run_concentrator(
    config: Path,
    *,
    display: bool = False,
    json: JsonFlag = False,
    log_level: LogLevelOption = "info",
) -> int:
    """Run a concentrator until Ctrl-C: read its meters by plan and report to the head-end.

    What was read is kept until the head-end has confirmed it. SIGHUP takes over changed settings. Its screen
    may be opened at any time with `kwhub concentrator display`. Example:

        kwhub concentrator run concentrator.toml

    Parameters
    ----------
    config
        The settings, a TOML file.
    display
        Show the screen in this terminal; the log then goes to a file beside the store.
    """
    log = None
    if display:
        check_terminal()
        log = log_path(concentrator_config.load(config).concentrator.store)
    configure(log_level, json=json, path=log)
    cancel_on_terminate()
    chance = seeded(randbits(63))  # jitter must differ from one concentrator to the next
    clock = SystemClock()
    service = Service(
        lambda: concentrator_config.load(config),
        lambda settings: Concentrator(settings, clock, chance=chance),
        clock=clock,
        notifier=Notifier(os.environ),
    )
    call_on_hangup(service.reload)
    with closing(service):
        settings = service.concentrator.config
        identity = settings.concentrator
        name = f"{identity.region}-{identity.terminal:05d}"
        meters = sum(len(bus.meters) for bus in service.concentrator.buses)
        if json:
            print_json({"terminal": name, "meters": meters, "uplink": settings.uplink.address})
        else:
            say(f"Concentrator {name}: {meters} meters, head-end {settings.uplink.address}")
        async with panel_beside(lambda: service.concentrator, identity.store):
            await _run(service, identity.store, display=display)
    return Exit.OK


async def _run(service: Service, store: str, *, display: bool) -> None:
    """Run until cancelled; with the screen, should it be wanted here."""
    async with asyncio.TaskGroup() as tasks:
        if display:
            tasks.create_task(show_here(lambda: service.concentrator, store))
        await service.run()

"""``kwhub concentrator run`` and ``kwhub headend run``: the services, from their settings."""

import asyncio
from contextlib import closing
from pathlib import Path
from secrets import randbits

from kwhub.cli.logs import LogLevelOption, configure
from kwhub.cli.output import Exit, JsonFlag, print_json, say
from kwhub.cli.signals import cancel_on_terminate
from kwhub.concentrator import config as concentrator_config
from kwhub.concentrator.app import Concentrator
from kwhub.domain.errors import ConfigError
from kwhub.headend import config as headend_config
from kwhub.headend.app import HeadEnd
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve as serve_pages
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

__all__ = ["run_concentrator", "run_headend"]


async def run_concentrator(
    config: Path, *, json: JsonFlag = False, log_level: LogLevelOption = "info"
) -> int:
    """Run a concentrator until Ctrl-C: read its meters by plan and report to the head-end.

    What was read is kept until the head-end has confirmed it. Example:

        kwhub concentrator run concentrator.toml

    Parameters
    ----------
    config
        The settings, a TOML file.
    """
    configure(log_level, json=json)
    settings = concentrator_config.load(config)
    cancel_on_terminate()
    chance = seeded(randbits(63))  # jitter must differ from one concentrator to the next
    with closing(Concentrator(settings, SystemClock(), chance=chance)) as concentrator:
        identity = settings.concentrator
        name = f"{identity.region}-{identity.terminal:05d}"
        meters = sum(len(bus.meter) for bus in settings.bus)
        if json:
            print_json({"terminal": name, "meters": meters, "uplink": settings.uplink.address})
        else:
            say(f"Concentrator {name}: {meters} meters, head-end {settings.uplink.address}")
        await concentrator.run()
    return Exit.OK


async def run_headend(
    config: Path, *, json: JsonFlag = False, log_level: LogLevelOption = "info"
) -> int:
    """Run the head-end until Ctrl-C: take reports, store readings, serve the pages.

    Listens on loopback unless the settings say otherwise. Example:

        kwhub headend run headend.toml

    Parameters
    ----------
    config
        The settings and the archive, a TOML file.
    """
    configure(log_level, json=json)
    settings = headend_config.load(config)
    host, port = _web(settings.headend.web, config)
    cancel_on_terminate()
    headend = HeadEnd(settings, SystemClock())

    def ready(address: str) -> None:
        if json:
            print_json({"web": address, "uplink": headend.address})
        else:
            say(f"Pages at {address}  concentrators at {headend.address}")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(headend.run())
            await headend.running.wait()
            tasks.create_task(serve_pages(create_app(headend), host, port, ready=ready))
    finally:
        await headend.close()
    return Exit.OK


def _web(text: str, file: Path) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(
            f"must be host:port such as 127.0.0.1:8080, not {text!r}",
            file=str(file),
            key="headend.web",
        )
    return host, int(port)

"""``kwhub headend``: the head-end with its pages as a service, from its settings."""

import asyncio
from pathlib import Path

from kwhub.cli.logs import LogLevelOption, configure
from kwhub.cli.output import Exit, JsonFlag, print_json, say
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import ConfigError
from kwhub.headend import config as headend_config
from kwhub.headend.app import HeadEnd
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve as serve_pages
from kwhub.runtime.clock import SystemClock

__all__ = ["run_headend"]

SET_UP = """
Nobody has an account yet. Open {address}setup and make the first one with this one-time secret
还没有任何账户。请打开 {address}setup，用以下一次性口令建立第一个账户：

    {secret}
"""


async def run_headend(
    config: Path, *, json: JsonFlag = False, log_level: LogLevelOption = "info"
) -> int:
    """Run the head-end until Ctrl-C: take reports, store readings, serve the pages.

    Listens on loopback unless the settings say otherwise. As long as nobody has an account, it prints a
    one-time secret with which the first one is made. Example:

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
    secret = headend.people.offer_setup()

    def ready(address: str) -> None:
        if json:
            told = {"web": address, "uplink": headend.address}
            print_json({**told, "setup": secret} if secret else told)
        else:
            say(f"Pages at {address}  concentrators at {headend.address}")
            if secret:
                say(SET_UP.format(address=address, secret=secret))

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

"""``kwhub bench serve``: simulated instruments that speak SCPI, to rehearse a configuration."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from kwhub.bench.instruments import ROLES
from kwhub.bench.scpi_server import ScpiSimulator
from kwhub.bench.simulated import SimulatedBench
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import SystemClock

__all__ = ["bench_serve"]

PORT: Final = 5025
"""The port that SCPI instruments usually listen on."""


async def bench_serve(
    *,
    port: Annotated[int, Parameter(help="On 127.0.0.1; 0 takes a free one.")] = PORT,
    write: Annotated[Path | None, Parameter(help="Write the file for --instruments here.")] = None,
    seed: int = 1,
    faulty: Annotated[float, Parameter(help="Share of devices with some fault.")] = 0.0,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Be all instruments of a bench over SCPI on this computer, until Ctrl-C.

    With --write the file for the bench is written, too. Example:

        kwhub bench serve --write bench.toml

    Parameters
    ----------
    seed
        The same seed gives the same devices.
    """
    cancel_on_terminate()
    simulator = ScpiSimulator(SimulatedBench(seed=seed, faulty=faulty))
    server = await serve(f"tcp-listen:127.0.0.1:{port}", simulator.serve, SystemClock())
    try:
        address = server.call_address
        if write is not None:
            tables = [f'[{role}]\nlink = "{address}"\n' for role in ROLES]
            write.write_text("\n".join(tables), encoding="utf-8")
        if json:
            print_json({"link": address})
        else:
            spoken = pick_language(language) == EN
            say(f"{'Listening at' if spoken else '正在监听'} {address}")
        await asyncio.Event().wait()
    finally:
        await server.aclose()
    return Exit.LINK

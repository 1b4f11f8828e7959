"""A small obedient meter behind real loopback TCP, for the commands that change one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.cli.live_meters import served
from tests.exchange.obedient645 import ADDRESS, Obedient

from kwhub.cli.app import run
from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.clock import Clock

ZONE = "Asia/Shanghai"


@dataclass
class Living(Obedient):
    """Its clock runs with the true time of the zone."""

    def true(self) -> datetime:
        return datetime.now(ZoneInfo(ZONE)).replace(tzinfo=None)


@contextmanager
def at(peer: Obedient) -> Iterator[str]:
    """The meter on a link; gives the address to call."""

    async def answer(link: Link, clock: Clock) -> None:
        session = Session(Role.METER, edition=peer.edition, addresses=peer.is_mine)
        await attend(link, session, clock, peer.answer)

    with served(answer) as address:
        yield address


def ask(command: str, peer: Obedient, *arguments: str) -> int:
    """Run a command against the meter."""
    with at(peer) as address:
        return run([command, address, *arguments, "--language", "en", "--timeout", "0.5"])


def answer_of(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON that a command printed."""
    return json.loads(capsys.readouterr().out)


METER = ("--meter", ADDRESS)

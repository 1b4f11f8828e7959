"""A small obedient meter behind real loopback TCP, for the commands that change one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
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
HEARD_WITHIN_S = 5.0


@dataclass
class Living(Obedient):
    """Its clock runs with the true time of the zone."""

    heard: Event = field(default_factory=Event)

    def true(self) -> datetime:
        return datetime.now(ZoneInfo(ZONE)).replace(tzinfo=None)

    def answer(self, event: Any) -> list[Any]:
        answers = super().answer(event)
        self.heard.set()
        return answers


@contextmanager
def at(peer: Obedient) -> Iterator[str]:
    """The meter on a link; gives the address to call."""

    async def answer(link: Link, clock: Clock) -> None:
        session = Session(Role.METER, edition=peer.edition, addresses=peer.is_mine)
        await attend(link, session, clock, peer.answer)

    with served(answer) as address:
        yield address


def ask(command: str, peer: Living, *arguments: str) -> int:
    """Run a command against the meter, and let the meter hear what nobody answers."""
    with at(peer) as address:
        code = run([command, address, *arguments, "--language", "en", "--timeout", "0.5"])
        if code == 0:
            assert peer.heard.wait(HEARD_WITHIN_S)
        return code


def answer_of(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON that a command printed."""
    return json.loads(capsys.readouterr().out)


METER = ("--meter", ADDRESS)

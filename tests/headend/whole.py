"""A whole concentrator with simulated meters and the real head-end, on virtual time and one memory link."""

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.concentrator.world import START, World

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.served_rights import Rights
from kwhub.domain.errors import LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Area, Config, Meter, Ordering, Service, Terminal
from kwhub.headend.store.database import Database
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual

__all__ = ["START", "Whole", "play_whole"]

PASSWORD = bytes(range(16))
RIGHTS = Rights(PASSWORD, Authority(Key(2, "000000"), "00000000"))


@cache
def empty_store() -> bytes:
    """A store with every table and no row: to make one takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "headend.sqlite"
        Database(str(path)).close()
        return path.read_bytes()


class Whole(World):
    """The concentrator calls the head-end, or a station that confirms everything and keeps it for itself.

    Attributes:
        headend: takes the calls as long as ``answers``.
        lost: the station takes them instead.
    """

    def __init__(self, clock, folder: Path, **more: Any) -> None:
        super().__init__(clock, folder / "concentrator.sqlite", **more)
        self.folder = folder
        self.headend: Any = None
        self.answers = True
        self.lost = False
        self._links: list[Any] = []
        self._running: Any = None

    def settings(self, **orders: Any) -> Config:
        """The head-end's: the same meters as in the area, passwords in files."""
        (self.folder / "pw").write_text(PASSWORD.hex())
        (self.folder / "meters").write_text("000000\n")
        meters = tuple(
            Meter(
                address=place.meter.address,
                point=place.point,
                port=place.bus + 1,
                phases=3 if place.meter.phases == 3 else 1,
                baud=9600,
                hourly=self.config.plan.hourly,
                curve_minutes=self.config.plan.curve_minutes,
            )
            for place in self.area.places
        )
        terminal = Terminal(region="4101", terminal=2082, name="Pole 7", meter=meters)
        files = {
            "password_file": str(self.folder / "pw"),
            "relay_password_file": str(self.folder / "meters"),
            "write_password_file": str(self.folder / "meters"),
        }
        return Config(
            headend=Service(store=str(self.folder / "headend.sqlite"), uplink="", power_safe=False),
            orders=Ordering(**{**files, **orders}),
            area=(Area(code="A1", name="Willow Lane", terminal=(terminal,)),),
        )

    def open_headend(self, **orders: Any) -> HeadEnd:
        """Start the head-end, as a fresh process would."""
        store = self.folder / "headend.sqlite"
        if not store.exists():
            store.write_bytes(empty_store())
        made = HeadEnd(self.settings(**orders), self.clock)
        self.headend = made
        self._running = self._spawn(made.run())
        return made

    async def close_headend(self, *, crash: bool = False) -> None:
        """Stop it in good order, or at once."""
        self._running.cancel()
        await asyncio.wait([self._running])
        await self.hang_up()
        await (self.headend.front.close() if crash else self.headend.close())
        if crash:
            self.headend.store.close()

    def start(self, *_args: Any, **_more: Any) -> Any:
        """Start the concentrator, which knows the passwords."""
        self.concentrator = Concentrator(
            self.config,
            self.clock,
            chance=seeded(self.seed, "concentrator"),
            open_link=self._open_link,
            rights=RIGHTS,
        )
        self._task = self._spawn(self.concentrator.run())
        return self._task

    async def online(self) -> None:
        """Wait until the head-end may ask."""
        async with asyncio.timeout(3_600):
            while not self.headend.front.is_online(1):
                await self.clock.sleep(1)

    async def hang_up(self) -> None:
        """Cut the line."""
        for link in self._links:
            await link.aclose()
        self._links.clear()
        await self.station.hang_up()

    async def _open_link(self, address: str) -> Any:
        if address != "station:" or self.lost:
            return await super()._open_link(address)
        if not self.answers:
            raise LinkDown("nobody there")
        here, there = pair()
        self._links.append(here)
        self._spawn(self.headend.attend(there))
        return here


def play_whole(story: Any, folder: Path, **settings: Any) -> Any:
    """Run ``story(world)`` on virtual time; what it returns."""

    async def main(clock: Any) -> Any:
        return await story(Whole(clock, folder, **settings))

    return run_virtual(main, start=START)

"""Mutual handshakes with a device's identity, both ends on one core, against plain ``ssl`` in the same run.

Ours is what one contact of a handheld costs: TLS 1.3 with certificates on both sides through a link, the dates held against
our own clock, one request, its look-up in the register (state, generation, device) and its durable transaction. Plain
``ssl`` does the greeting of TLS alone, with the same certificates, in memory.
"""

import asyncio
import os
import ssl
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.result import Result
from kwhub.domain.errors import LinkDown
from kwhub.exchange.device_messages import Greet, Welcome
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.identity import Identity
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.records import Description
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store.database import Database
from kwhub.links.base import Link
from kwhub.links.layers.secure import SecureLink
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

ROUNDS = 3
GREETINGS = 150
NAME = "head-end.kwhub"


def _shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """One greeting in memory, without anything around it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=NAME)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    open_ends = [here, there]
    while open_ends:
        for end in tuple(open_ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.remove(end)


def _plain(client: ssl.SSLContext, server: ssl.SSLContext) -> float:
    start = perf_counter()
    for _ in range(GREETINGS):
        _shake(client, server)
    return GREETINGS / (perf_counter() - start)


class _Field:
    """A head-end and a device, both in this process."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup) -> None:
        clock, self._tasks = SystemClock(), tasks
        self.database = Database(str(folder / "headend.sqlite"))
        settings = Devices(folder=str(folder / "ca"))
        self.service = DeviceService.build(settings, self.database, clock, in_place, Ordering())
        vault = Vault(folder / "vault", FileKeyStore(folder / "secret")).create("4711")
        allocation = self.service.registry.allocate(Description(), "benchmark")
        Identity.prepare(vault, self.service.code(allocation))
        self.identity = Identity(vault, clock, seeded(1))
        self.channel = Channel(self.identity, self.dial)

    async def dial(self, *, enrolment: bool = False) -> Link:
        near, far = pair()
        listener = self.service.listener
        attend = listener.attend_enrolment if enrolment else listener.attend
        self._tasks.create_task(_attended(attend(far), far))
        return near

    async def greetings(self) -> float:
        """TLS alone, through a link, without a request."""
        start = perf_counter()
        for _ in range(GREETINGS):
            held = self.identity.held
            secure = SecureLink(await self.dial(), self.identity.context(held), NAME)
            await secure.shake_hands()
            await secure.aclose()
        return GREETINGS / (perf_counter() - start)

    async def contacts(self) -> float:
        """Whole contacts: greeting, one request with its transaction, farewell."""
        start = perf_counter()
        for _ in range(GREETINGS):
            await self.channel.aclose()
            if not isinstance(await self.channel.ask(Greet()), Welcome):
                raise SystemExit("not welcome: nothing was measured")
        return GREETINGS / (perf_counter() - start)


async def _attended(work: Coroutine[Any, Any, None], link: Link) -> None:
    with suppress(LinkDown):
        await work
    await link.aclose()


def _contexts(field: _Field, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Client and server with the very same certificates."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    server.num_tickets = 0
    server.load_cert_chain(folder / "ca" / "listener.pem")
    server.load_verify_locations(folder / "ca" / "root.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    return field.identity.context(field.identity.held), server


async def _measured(folder: Path) -> tuple[float, float, float]:
    plain = greeted = contacts = 0.0
    async with asyncio.TaskGroup() as tasks:
        field = _Field(folder, tasks)
        await enrol(field.identity, partial(field.dial, enrolment=True))
        await field.channel.ask(Greet())
        client, server = _contexts(field, folder)
        for _ in range(ROUNDS):
            plain = max(plain, _plain(client, server))
            greeted = max(greeted, await field.greetings())
            contacts = max(contacts, await field.contacts())
        await field.channel.aclose()
    field.database.close()
    return plain, greeted, contacts


def run() -> list[Result]:
    """The best of some rounds."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 - a fresh folder in it
    with tempfile.TemporaryDirectory(dir=place) as name:
        plain, greeted, contacts = asyncio.run(_measured(Path(name)))
    against = f"ssl in memory, {ssl.OPENSSL_VERSION.split(' ')[1]}"
    return [
        Result("mutual handshake, both ends", greeted, plain, "shakes/s", against),
        Result("contact: handshake and request", contacts, plain, "shakes/s", against),
    ]

"""The two ends of a GATT connection as links: the master's and the slave's.

Neither end sees packets: bytes go in and come out as on a wire, in pieces of any size. Each holds the
other back when its reader is slow: every so many chunks are written with response, or indicated in
place of notified, and the answer comes when there is room.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from bumble.att import ATT_Error, ATT_Handle_Value_Confirmation, Attribute
from bumble.core import UUID
from bumble.device import Connection, Peer
from bumble.gatt import (
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
    Characteristic,
    CharacteristicValue,
    Service,
)
from bumble.gatt_client import CharacteristicProxy, Client
from bumble.hci import HCI_Constant

from kwhub.bluetooth.profiles import MTU_LEAST, MTU_WANTED, Profile, chunks
from kwhub.bluetooth.stack import StationDevice, as_link_errors, end, peer_text
from kwhub.bluetooth.words import ENDED, in_words
from kwhub.domain.errors import LinkDown
from kwhub.links.base import INBOX_BYTES_MAX, Inbox, LinkFacts

__all__ = ["MasterLink", "SlaveLink", "SlaveSocket", "pick_profile"]

ANSWERED_EVERY = 32
"""Of so many chunks one is written with response, or indicated: the answer comes when there is room.

A reader that makes no room in 30 s loses its link.  Source: Core 5.4, Vol 3, Part F, 3.3.3.
"""

FLUSH_S = 2.0
ENDED_HERE = 0x16
"""Connection terminated by the local host."""

NO_ROOM = 0x14
"""Remote device terminated connection due to low resources; what a module that was cut off is told."""

READ_NOT_PERMITTED = 0x02
"""Source: Core 5.4, Vol 3, Part F, 3.4.1.1."""

DRAIN_BYTES = 4_096
"""So much is handed to the controller before waiting until it has left."""

Properties = Characteristic.Properties
GIVING = Properties.NOTIFY | Properties.INDICATE
"""How a slave of ours gives; a module that only notifies cannot be held back."""

WRITE_COMMAND, NOTIFICATION = 0x52, 0x1B
"""Of the attribute protocol.  Source: Core 5.4, Vol 3, Part F, 3.4.5.3 and 3.4.7.1."""

NOTIFIED, INDICATED = 0x01, 0x02
"""Bits of the client characteristic configuration.  Source: Core 5.4, Vol 3, Part G, 3.3.3.3."""


def _refuse_to_read(_connection: Connection) -> bytes:
    """There is nothing to be read; without an answer whoever asks would wait until the link ends."""
    raise ATT_Error(error_code=READ_NOT_PERMITTED)


def _packet(code: int, handle: int, value: bytes) -> bytes:
    """A packet that nobody answers; the stack would also describe each in words that nobody reads."""
    return bytes([code]) + handle.to_bytes(2, "little") + value


class _GattLink:
    """What both ends have in common."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.peer = peer_text(connection)
        self.facts = LinkFacts(f"ble:{self.peer}")
        self.reason: int | None = None  #: why the link has ended, a code of the standard
        self._down = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._inbox = Inbox(self._on_room)
        self._cutting: asyncio.Future[None] | None = None  # the end of a link that was cut
        self._writing = asyncio.Lock()  # what one writer gives stays in one piece
        connection.on(connection.EVENT_DISCONNECTION, self._on_disconnection)

    @property
    def is_up(self) -> bool:
        """Whether bytes can still arrive."""
        return not self._inbox.closed

    async def read(self) -> bytes:
        """See Link."""
        return await self._inbox.read()

    async def aclose(self) -> None:
        """See Link; ends the connection."""
        self._inbox.close(f"{self.facts.address}: closed by this side", drop=True)
        self._on_room()
        self._down.set()
        if self.connection.handle in self.connection.device.connections and self.reason is None:
            self.reason = ENDED_HERE
            try:
                with as_link_errors(self.facts.address):
                    await self._flush()
            except LinkDown:
                pass  # it was down already
            await end(self.connection)

    async def _flush(self) -> None:
        """Let what was written arrive before the connection ends."""
        await self.connection.drain()

    async def wait_down(self, seconds: float) -> None:
        """Wait until the link has ended, but no longer than so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._down.wait()
        except TimeoutError:
            return

    def put(self, data: bytes) -> None:
        """Bytes have arrived; a sender that ignores a full inbox loses its link at once.

        What has come by then can be read; what would come after it would have a hole in front.
        """
        self._inbox.put(data)
        if self._inbox.full:
            self._room.clear()
        if self._inbox.size > 2 * INBOX_BYTES_MAX and self._cutting is None:
            self._inbox.close(f"{self.facts.address}: sends faster than it is read")
            self._on_room()
            self._down.set()
            self._cutting = asyncio.ensure_future(end(self.connection, NO_ROOM))

    @property
    def has_room(self) -> bool:
        """Whether more can be taken now."""
        return self._room.is_set()

    def _on_room(self) -> None:
        self._room.set()

    def _check(self) -> None:
        if self._inbox.closed:
            raise LinkDown(f"{self.facts.address}: the link is closed")

    def _on_disconnection(self, reason: int) -> None:
        self.reason = reason
        name = HCI_Constant.error_name(reason)  # type: ignore[no-untyped-call]
        self._inbox.close(f"{self.facts.address}: {ENDED}: {in_words(name)}")
        self._on_room()
        self._down.set()


class _PatientClient(Client):
    """Confirms an indication when its link has room for more; until then the slave waits."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.link: MasterLink | None = None
        self._held: ATT_Handle_Value_Confirmation | None = None

    def send_confirmation(self, confirmation: ATT_Handle_Value_Confirmation) -> None:
        """Now, or when there is room."""
        if self.link is not None and not self.link.has_room:
            self._held = confirmation
        else:
            super().send_confirmation(confirmation)

    def go_on(self) -> None:
        """There is room again."""
        held, self._held = self._held, None
        if held is not None:
            super().send_confirmation(held)

    async def listen(self, gives: CharacteristicProxy[bytes], link: "MasterLink") -> None:
        """Have what the slave gives put into a link: indicated too, where it can be."""
        self.link = link
        if gives.properties & GIVING != GIVING:
            await gives.subscribe(link.put)
            return
        await self.discover_descriptors(gives)
        wishes = gives.get_descriptor(GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR)
        if wishes is None:
            raise LinkDown(f"{link.facts.address}: cannot be asked to notify")
        self.notification_subscribers[gives.handle] = {link.put}
        self.indication_subscribers[gives.handle] = {link.put}
        value = (NOTIFIED | INDICATED).to_bytes(2, "little")
        await self.write_value(wishes, value, with_response=True)


class MasterLink(_GattLink):
    """The master's end. Made by `MasterLink.join`."""

    def __init__(
        self,
        connection: Connection,
        takes: CharacteristicProxy[bytes],
        client: _PatientClient,
    ) -> None:
        super().__init__(connection)
        self._takes = takes
        self._client = client
        self._commands = 0

    @classmethod
    async def join(cls, connection: Connection, profiles: tuple[Profile, ...]) -> "MasterLink":
        """Find the service on a connection and listen to it.

        Raises:
            LinkDown: the connection ended, or has none of the profiles.
        """
        with as_link_errors(f"ble:{peer_text(connection)}"):
            client = connection.gatt_client = _PatientClient(connection)
            peer = Peer(connection)
            if await peer.request_mtu(MTU_WANTED) < MTU_LEAST:  # nobody may say so
                connection.on_att_mtu_update(MTU_LEAST)
            services = await peer.discover_services()
            profile = pick_profile({bytes(service.uuid) for service in services}, profiles)
            if profile is None:
                names = ", ".join(each.name for each in profiles)
                raise LinkDown(f"ble:{peer_text(connection)}: offers none of the profiles {names}")
            service = next(each for each in services if each.uuid == UUID(profile.service))
            await service.discover_characteristics()
            takes, gives = (
                service.get_required_characteristic_by_uuid(UUID(uuid))
                for uuid in (profile.takes, profile.gives)
            )
            link = cls(connection, takes, client)
            await client.listen(gives, link)
        return link

    async def write(self, data: bytes) -> None:
        """See Link; waits for the slave every now and then, so that it is not flooded."""
        async with self._writing:
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        self._check()
        with as_link_errors(self.facts.address):
            for chunk in chunks(data, self.connection.att_mtu):
                self._commands = (self._commands + 1) % ANSWERED_EVERY
                if self._commands == 0:
                    await self._takes.write_value(chunk, with_response=True)
                else:
                    self._client.send_gatt_pdu(_packet(WRITE_COMMAND, self._takes.handle, chunk))
        self._check()

    async def answers(self, seconds: float) -> bool:
        """Whether the slave's own stack answers a question, if only by a refusal, in so many seconds."""
        try:
            with as_link_errors(self.facts.address):
                async with asyncio.timeout(seconds):
                    await self._takes.read_value()
        except LinkDown as error:
            return isinstance(error.__cause__, ATT_Error)
        return True

    def _on_room(self) -> None:
        super()._on_room()
        if self.connection.handle in self.connection.device.connections:
            self._client.go_on()

    async def _flush(self) -> None:
        """Write commands are not answered; whatever is asked after them is, if only by a refusal."""
        if self._commands:
            async with asyncio.timeout(FLUSH_S):
                with suppress(ATT_Error):
                    await self._takes.read_value()


class SlaveLink(_GattLink):
    """The slave's end of a connection with one master.

    Attributes:
        unheard_bytes: given while the master had not asked to be notified.
    """

    def __init__(self, connection: Connection, gives: Sequence[Characteristic[bytes]]) -> None:
        super().__init__(connection)
        self.unheard_bytes = 0
        self._offered = gives  # one for each profile; a master listens to one of them
        self._undrained = 0
        self._given = 0

    async def write(self, data: bytes) -> None:
        """See Link; to this master alone, and no faster than it reads."""
        async with self._writing:
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        self._check()
        device = self.connection.device
        gives, wishes = self._wished()
        if not wishes:
            self.unheard_bytes += len(data)
            return
        with as_link_errors(self.facts.address):
            for chunk in chunks(data, self.connection.att_mtu):
                self._given = (self._given + 1) % ANSWERED_EVERY
                if wishes & INDICATED and (self._given == 0 or not wishes & NOTIFIED):
                    given = device.indicate_subscriber(self.connection, gives, chunk)
                    await self._while_up(given)
                    continue
                device.gatt_server.send_gatt_pdu(
                    self.connection, _packet(NOTIFICATION, gives.handle, chunk)
                )
                self._undrained += len(chunk)
                if self._undrained >= DRAIN_BYTES:
                    self._undrained = 0
                    await self.connection.drain()
        self._check()

    def _wished(self) -> tuple[Characteristic[bytes], int]:
        """To what the master listens, and how it wants to be told."""
        read = self.connection.device.gatt_server.read_cccd
        wishes = [(gives, read(self.connection, gives)[0]) for gives in self._offered]
        return next((each for each in wishes if each[1]), wishes[0])

    async def _while_up(self, given: Coroutine[Any, Any, None]) -> None:
        """Wait for the confirmation; the stack would wait for it beyond the end of the link."""
        work = asyncio.ensure_future(given)
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait((work, down), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            work.cancel()
            down.cancel()

    async def take(self, data: bytes) -> None:
        """The master has written; the answer to a write request waits for room."""
        self.put(data)
        await self._room.wait()


class SlaveSocket:
    """The service that a slave offers; knows which link a write belongs to."""

    def __init__(self, device: StationDevice, profile: Profile) -> None:
        """Offer the service of a profile on a device."""
        self.profile = profile
        self.links: dict[int, SlaveLink] = {}  #: by connection handle
        self.refused_writes = 0  #: from masters that are not trusted
        takes = Properties.WRITE | Properties.WRITE_WITHOUT_RESPONSE
        value = CharacteristicValue[bytes](read=_refuse_to_read, write=self._on_write)
        permissions = Attribute.Permissions.WRITEABLE | Attribute.Permissions.READABLE
        if profile.is_single:
            both = takes | GIVING
            self.gives: Characteristic[bytes] = Characteristic(
                profile.takes, both, permissions, value
            )
            offered = [self.gives]
        else:
            self.gives = Characteristic(profile.gives, GIVING, Attribute.Permissions.READABLE, b"")
            offered = [Characteristic(profile.takes, takes, permissions, value), self.gives]
        device.add_service(Service(profile.service, offered))

    def attach(self, connection: Connection, others: Iterable["SlaveSocket"] = ()) -> SlaveLink:
        """Let a master in, also by the services that were offered before: it may know them, or find them first."""
        sockets = [self, *(each for each in others if each is not self)]
        link = SlaveLink(connection, [each.gives for each in sockets])
        for each in sockets:
            each.admit(link)
        return link

    def admit(self, link: SlaveLink) -> None:
        """From now on its master's writes are for it."""
        handle = link.connection.handle
        self.links[handle] = link
        link.connection.on(
            link.connection.EVENT_DISCONNECTION, lambda _reason: self.links.pop(handle, None)
        )

    async def _on_write(self, connection: Connection, data: bytes) -> None:
        link = self.links.get(connection.handle)
        if link is None:
            self.refused_writes += 1
            raise ATT_Error(error_code=0x05)  # insufficient authentication
        await link.take(data)


def pick_profile(services: set[bytes], profiles: tuple[Profile, ...]) -> Profile | None:
    """The first of the profiles whose service is offered.

    Args:
        services: UUIDs in wire form.
        profiles: in the order of preference.
    """
    return next((each for each in profiles if bytes(UUID(each.service)) in services), None)

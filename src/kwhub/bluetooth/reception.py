"""The slave side of a station: who may come in, how many, and after what proof."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bumble.device import AdvertisingType, Connection
from bumble.hci import HCI_ErrorCode
from bumble.smp import ErrorCode

from kwhub.bluetooth.advertising import Beacon, advertisement
from kwhub.bluetooth.background import Background
from kwhub.bluetooth.gatt_links import SlaveLink, SlaveSocket
from kwhub.bluetooth.happenings import Happened, What
from kwhub.bluetooth.keystore import KeyFile
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.profiles import PROFILES
from kwhub.bluetooth.stack import INCOMING, StationDevice, as_link_errors, end, peer_text
from kwhub.bluetooth.words import in_words
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["Reception", "ReceptionSettings"]

NOT_AUTHENTICATED = HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR
NO_ROOM = HCI_ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES_ERROR

STRANGER_S = 5.0
"""A master that has not secured its link may stay for so long while nobody may pair."""

STRANGERS_MAX = 2
"""Who has not secured its link takes no master's place; so many may be there at once beside them."""

FAILED_S = 0.5
"""So long a master has to hear why its pairing has failed."""

AGAIN_S = 5.0
"""Advertising that the adapter refused is tried again after so long."""


@dataclass(frozen=True, slots=True)
class ReceptionSettings:
    """How masters are received."""

    advertising_ms: float
    admit_s: float  #: a master that has not secured its link in this time is sent away


@dataclass(frozen=True, slots=True)
class _Offer:
    socket: SlaveSocket
    handler: Callable[[Link], Awaitable[None]]
    masters_max: int
    name: str


class Reception:
    """Lets masters in while it is open.

    Attributes:
        pairing: the policy; may be exchanged while it runs.
    """

    def __init__(
        self,
        device: StationDevice,
        settings: ReceptionSettings,
        keys: KeyFile,
        pairing: Pairing,
        clock: Clock,
        told: Callable[[Happened], None],
    ) -> None:
        self.pairing = pairing
        self._device = device
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._told = told
        self._offer: _Offer | None = None
        self._beacon: Beacon | None = None
        self._sockets: dict[str, SlaveSocket] = {}
        self._incoming: dict[int, Connection] = {}
        self._changed = asyncio.Event()
        self._background = Background()
        self._advertises = False
        self._is_pressed = False  # somebody has just come for whom there was no room
        device.on(INCOMING, self._on_incoming)

    @property
    def masters(self) -> tuple[str, ...]:
        """Addresses of the masters that are connected, secured or not."""
        return tuple(peer_text(each) for each in self._incoming.values())

    @property
    def handles(self) -> frozenset[int]:
        """Connection handles of the masters."""
        return frozenset(self._incoming)

    @property
    def refused_writes(self) -> int:
        """Writes of masters that had not secured their link."""
        return sum(socket.refused_writes for socket in self._sockets.values())

    def open(
        self,
        handler: Callable[[Link], Awaitable[None]],
        *,
        profile: str,
        masters_max: int,
        name: str,
    ) -> None:
        """Let masters in from now on. See Station.listen."""
        socket = self._sockets.get(profile)
        if socket is None:
            socket = self._sockets[profile] = SlaveSocket(self._device, PROFILES[profile])
        self._offer, self._beacon = _Offer(socket, handler, masters_max, name), None
        self._advertise_otherwise()

    async def close(self, beacon: Beacon | None = None) -> None:
        """Let nobody in any more, and send away who is there; repeat a beacon from now on."""
        self._offer, self._beacon = None, beacon
        self._advertise_otherwise()
        for connection in tuple(self._incoming.values()):
            await end(connection, NO_ROOM)

    async def aclose(self) -> None:
        """Close, and end all that runs for masters."""
        await self.close()
        await self._background.aclose()

    def _advertise_otherwise(self) -> None:
        self._changed.set()
        if not self._advertises:
            self._advertises = True
            self._background.spawn(self._keep_advertising())

    def _on_incoming(self, connection: Connection) -> None:
        """A master has connected; it stays if it secures the link in time."""
        offer = self._offer
        self._incoming[connection.handle] = connection
        connection.on(
            connection.EVENT_DISCONNECTION, lambda reason: self._on_gone(connection, reason)
        )
        self._changed.set()
        if offer is None or not self._has_room(connection, offer):
            self._turn_away(connection)
        elif self.pairing.enforced:
            self._watch(connection, offer)
        else:
            self._admit(connection, offer)

    def _turn_away(self, connection: Connection) -> None:
        self._is_pressed = True
        self._tell(What.TURNED_AWAY, connection, "no room")
        self._background.spawn(end(connection, NO_ROOM))

    def _has_room(self, connection: Connection, offer: _Offer) -> bool:
        """Whether a new master may stay and secure its link; one with a bond is kept out by no stranger."""
        if self._admitted >= offer.masters_max:
            return False
        if not self.pairing.enforced or self._keys.is_bonded(peer_text(connection)):
            return True
        strangers = [each for each in self._incoming.values() if self._is_stranger(each)]
        return len(strangers) <= STRANGERS_MAX  # itself included

    def _is_stranger(self, connection: Connection) -> bool:
        is_in = any(connection.handle in socket.links for socket in self._sockets.values())
        return not is_in and not self._keys.is_bonded(peer_text(connection))

    @property
    def _admitted(self) -> int:
        """How many masters are attended to."""
        handles = set[int]().union(*(socket.links for socket in self._sockets.values()))
        return len(handles & set(self._incoming))

    def _watch(self, connection: Connection, offer: _Offer) -> None:
        """Admit it when the link is encrypted with the key of a bond that is kept."""
        connection.on(
            connection.EVENT_CONNECTION_ENCRYPTION_CHANGE,
            lambda: self._on_secured(connection, offer),
        )
        connection.on(connection.EVENT_PAIRING, lambda _keys: self._on_paired(connection, offer))
        connection.on(
            connection.EVENT_PAIRING_FAILURE,
            lambda reason: self._on_not_paired(connection, reason),
        )
        self._background.spawn(self._send_away_late(connection, offer))

    def _on_paired(self, connection: Connection, offer: _Offer) -> None:
        if self._keys.is_bonded(peer_text(connection)):
            self._tell(What.PAIRED, connection)
            self._on_secured(connection, offer)
        else:
            self._tell(What.PAIRING_FAILED, connection, "the bond is not authenticated")
            self._background.spawn(end(connection, NOT_AUTHENTICATED))

    def _on_not_paired(self, connection: Connection, reason: int) -> None:
        self._tell(What.PAIRING_FAILED, connection, in_words(ErrorCode(reason).name))
        self._background.spawn(self._end_failed(connection))

    async def _end_failed(self, connection: Connection) -> None:
        """A link carries one pairing: who wants to try again comes again, once it has heard why."""
        with suppress(LinkDown), as_link_errors("pairing"):
            await connection.drain()
        await self._clock.sleep(FAILED_S)
        await end(connection, NOT_AUTHENTICATED)

    def _on_secured(self, connection: Connection, offer: _Offer) -> None:
        if self._is_pairing(connection):
            return  # the key is new, and whose it is not known yet
        known = self._keys.is_bonded(peer_text(connection))
        if known and connection.is_encrypted and connection.handle not in offer.socket.links:
            self._admit(connection, offer)

    def _is_pairing(self, connection: Connection) -> bool:
        session = self._device.smp_manager.sessions.get(connection.handle)
        return session is not None and not session.completed

    def _admit(self, connection: Connection, offer: _Offer) -> None:
        if self._admitted >= offer.masters_max:  # others were faster
            self._turn_away(connection)
            return
        link = offer.socket.attach(connection, self._sockets.values())
        self._changed.set()
        self._tell(What.CONNECTED, connection)
        self._background.spawn(self._attend(link, offer))

    async def _attend(self, link: SlaveLink, offer: _Offer) -> None:
        try:
            await offer.handler(link)
        except LinkDown:
            pass  # told when the connection ended
        except KwhubError as error:
            self._told(Happened(What.ENDED, link.peer, str(error)))
        finally:
            await link.aclose()

    async def _send_away_late(self, connection: Connection, offer: _Offer) -> None:
        """A stranger may stay for a while only if he may pair."""
        patience_s = self._settings.admit_s
        short_s = min(STRANGER_S, patience_s)
        await self._clock.sleep(short_s)
        if self.pairing.is_open or self._is_pairing(connection):
            await self._clock.sleep(patience_s - short_s)
        is_here = self._incoming.get(connection.handle) is connection
        if is_here and connection.handle not in offer.socket.links:
            self._tell(What.TURNED_AWAY, connection, "not secured in time")
            await end(connection, NOT_AUTHENTICATED)

    def _on_gone(self, connection: Connection, reason: int) -> None:
        self._incoming.pop(connection.handle, None)
        self._changed.set()
        self._tell(What.ENDED, connection, f"0x{reason:02X}")

    async def _keep_advertising(self) -> None:
        """Advertise while there is room; the stack stops with every link that is made.

        One task does all of it, for the stack forbids two at a time.
        """
        try:
            is_refused = False
            while self._offer is not None or self._beacon is not None:
                self._changed.clear()
                if self._is_pressed:  # whoever comes again at once does not keep us busy
                    self._is_pressed = False
                    await self._clock.sleep(self._settings.advertising_ms / 1_000)
                try:
                    await self._advertise()
                except LinkDown as error:  # controllers refuse a command now and then
                    if not is_refused:
                        self._told(Happened(What.ADVERTISING_FAILED, "", str(error)))
                    is_refused = True
                    await self._clock.sleep(AGAIN_S)
                else:
                    is_refused = False
                    await self._changed.wait()
                if self._offer is None and self._beacon is None:
                    with suppress(LinkDown), as_link_errors("advertising"):
                        await self._device.stop_advertising()
        finally:
            self._advertises = False

    async def _advertise(self) -> None:
        """Begin to say what there is to say now."""
        offer, beacon = self._offer, self._beacon
        kind, data, response = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE, b"", b""
        if beacon is not None:
            kind, data = AdvertisingType.UNDIRECTED, beacon.payload()
        elif offer is not None and self._admitted < offer.masters_max:
            data, response = advertisement(offer.name, offer.socket.profile)
        with as_link_errors("advertising"):
            await self._device.stop_advertising()
            if data:
                await self._device.start_advertising(
                    kind,
                    advertising_data=data,
                    scan_response_data=response,
                    advertising_interval_min=self._settings.advertising_ms,
                    advertising_interval_max=self._settings.advertising_ms,
                )

    def _tell(self, what: What, connection: Connection, detail: str = "") -> None:
        self._told(Happened(what, peer_text(connection), detail))

"""One Bluetooth device of ours: it looks for slaves, connects to them, and lets masters in.

A station knows connections, not meters. Links that are not secured as the pairing policy demands
carry no byte; a master that does not secure its link in time is sent away.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bumble.device import Advertisement, Connection, Peer
from bumble.hci import (
    HCI_Error,
    HCI_ErrorCode,
    HCI_LE_Create_Connection_Cancel_Command,
    HCI_StatusError,
)

from kwhub.bluetooth.advertising import Beacon, Seen, read_advertisement
from kwhub.bluetooth.gatt_links import MasterLink, SlaveLink
from kwhub.bluetooth.happenings import Happened, What
from kwhub.bluetooth.keystore import KeyFile
from kwhub.bluetooth.pairing import Pairing, pairing_config
from kwhub.bluetooth.pairing_order import OrderedSession
from kwhub.bluetooth.profiles import MTU_WANTED, PROFILES
from kwhub.bluetooth.reception import Reception, ReceptionSettings
from kwhub.bluetooth.stack import (
    Adapter,
    BondLost,
    NotPaired,
    as_link_errors,
    canonical,
    end,
    make_device,
    open_adapter,
    peer_text,
    to_address,
)
from kwhub.domain.errors import LinkBusy, LinkDown
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["Station", "StationSettings"]

CONNECT_S = 10.0
CONNECT_BUSY_S = 3.0
"""Who is not heard in this time makes room for the next that is to be connected to."""

PAIR_S = 60.0
"""People on both sides answer questions in this time."""

LOST_KEY = frozenset(
    {
        HCI_ErrorCode.PIN_OR_KEY_MISSING_ERROR,
        HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR,
        HCI_ErrorCode.CONNECTION_TERMINATED_DUE_TO_MIC_FAILURE_ERROR,
    }
)
"""What controllers say when the other side has no key for us, or another one.

Source: Core 5.4, Vol 6, Part B, 5.1.3.1; the second is what RootCanal says in place of the first.
"""
RSSI_DBM = range(-127, 21)
"""What an RSSI can be; 127 stands for unknown."""


@dataclass(frozen=True, slots=True)
class StationSettings:
    """What a station needs to know of itself."""

    adapter: str  #: see `kwhub.bluetooth.stack.open_adapter`
    address: str | None = None  #: its own, static random; otherwise the one in its key file
    name: str = "kwhub"
    keys: Path | None = None  #: key file; in memory only without one
    advertising_ms: float = 100.0
    connect_s: float = CONNECT_S
    pair_s: float = PAIR_S


def _nobody(_happened: Happened) -> None:
    """Nobody wants to know."""


class Station:
    """A device that is switched on. Made by `Station.open`.

    Attributes:
        address: its own.
        keys: its bonds.
        told: hears what happens with peers.
    """

    def __init__(
        self, settings: StationSettings, adapter: Adapter, clock: Clock, pairing: Pairing
    ) -> None:
        self.settings = settings
        self.keys = KeyFile(settings.keys)
        self.told: Callable[[Happened], None] = _nobody
        self._adapter = adapter
        self._clock = clock
        self.address = (settings.address or self.keys.address).upper()
        device = make_device(settings.name, self.address, self.keys.irk, adapter)
        device.keystore = self.keys
        device.smp_session_proxy = OrderedSession
        device.pairing_config_factory = lambda _connection: pairing_config(self.pairing)
        self._device = device
        self._connecting = asyncio.Lock()
        self._wanted = 0  # links that are being made or wait for their turn
        manner = ReceptionSettings(settings.advertising_ms, settings.pair_s)
        self.reception = Reception(device, manner, self.keys, pairing, clock, self._pass_on)

    @classmethod
    async def open(
        cls, settings: StationSettings, clock: Clock, pairing: Pairing | None = None
    ) -> "Station":
        """Open the adapter and switch the device on.

        Raises:
            ConfigError: address, adapter or key file are wrong.
            LinkDown: the adapter cannot be opened now.
        """
        adapter = await open_adapter(settings.adapter)
        try:
            station = cls(settings, adapter, clock, pairing or Pairing())
            with as_link_errors(f"adapter {settings.adapter}"):
                await station._device.power_on()
        except BaseException:
            await adapter.aclose()
            raise
        return station

    @property
    def pairing(self) -> Pairing:
        """The pairing policy; may be changed while it runs."""
        return self.reception.pairing

    @property
    def slaves(self) -> tuple[str, ...]:
        """Addresses of the slaves that are connected."""
        masters = self.reception.handles
        own = self._device.connections
        return tuple(peer_text(own[each]) for each in own if each not in masters)

    async def aclose(self) -> None:
        """End all links and give the adapter back."""
        await self.reception.aclose()
        if not self._adapter.is_gone:
            await self._switch_off()
        await self._adapter.aclose()

    async def _switch_off(self) -> None:
        for connection in tuple(self._device.connections.values()):
            await end(connection)
        with suppress(LinkDown), as_link_errors("switching off"):  # it may go in this moment
            await self._device.stop_advertising()
            await self._device.power_off()

    async def gone(self) -> None:
        """Wait until the adapter is gone; for ever with a virtual one inside this process."""
        gone = self._adapter.gone
        await asyncio.wait([gone if gone is not None else asyncio.Future[None]()])

    async def scan(self, seconds: float) -> list[Seen]:
        """Listen for devices; each once, with the last that was heard of it, strongest first."""
        heard: dict[str, Seen] = {}

        def note(advert: Advertisement) -> None:
            seen = read_advertisement(advert)
            before = heard.get(seen.address, seen)
            heard[seen.address] = replace(
                seen,
                name=max(seen.name, before.name, key=len),
                profiles=seen.profiles or before.profiles,
                is_connectable=seen.is_connectable or before.is_connectable,
                beacon=seen.beacon or before.beacon,
            )

        self._device.on(self._device.EVENT_ADVERTISEMENT, note)
        try:
            with as_link_errors("scan"):
                await self._device.start_scanning(filter_duplicates=False)
                await self._clock.sleep(seconds)
                await self._device.stop_scanning()
        finally:
            self._device.remove_listener(self._device.EVENT_ADVERTISEMENT, note)
        return sorted(heard.values(), key=lambda seen: -seen.rssi_dbm)

    async def connect(self, address: str, *, profile: str | None = None) -> MasterLink:
        """Connect to a slave, secure the link, and find its service.

        Args:
            address: of the slave.
            profile: name of its profile; otherwise the first of the table that it offers.

        Raises:
            ConfigError: that is no address.
            LinkBusy: there is a link with it already.
            NotPaired: nobody has paired with it.
            BondLost: it does not know us any more.
            LinkDown: it is not there, or the link ended meanwhile.
        """
        if self.pairing.enforced and not self.keys.is_bonded(canonical(address)):
            raise NotPaired(f"{address} is not paired: kwhub ble pair {address}")
        connection = await self._connect(address)
        try:
            if self.pairing.enforced:
                await self._encrypt(connection)
            wanted = tuple(PROFILES.values()) if profile is None else (PROFILES[profile],)
            link = await MasterLink.join(connection, wanted)
        except BaseException:
            await end(connection)
            raise
        self._tell(What.CONNECTED, connection)
        return link

    async def pair(self, address: str) -> None:
        """Pair with a slave in the way that the policy says, and keep the bond.

        Raises:
            BondLost: another device has a bond under this address; it must be replaced.
            LinkDown: it is not there, or the pairing failed; says why.
        """
        connection = await self._connect(address)
        refused, before = self.keys.refused, self.keys.peer(canonical(address))
        try:
            with as_link_errors(f"pairing with {address}"):
                async with asyncio.timeout(self.settings.pair_s):
                    await connection.pair()
                    # Our last keys must have arrived before the link ends, or the slave has no bond:
                    # what is answered after them shows that they have.
                    await connection.drain()
                    await Peer(connection).request_mtu(MTU_WANTED)
        except BaseException as error:
            await self.keys.put_back(canonical(address), before)
            self._tell(What.PAIRING_FAILED, connection, str(error))
            lost = self.keys.refused != refused and self.keys.is_bonded(canonical(address))
            if lost and isinstance(error, LinkDown):
                raise BondLost(canonical(address)) from error
            raise
        finally:
            await end(connection)
        if self.keys.refused != refused or not self.keys.is_bonded(canonical(address)):
            self._tell(What.PAIRING_FAILED, connection, "the bond is not authenticated")
            raise LinkDown(f"pairing with {address}: the bond is not authenticated")
        self._tell(What.PAIRED, connection)

    async def rssi_dbm(self, link: MasterLink | SlaveLink) -> int | None:
        """The signal of a link; None when the adapter does not tell."""
        try:
            with as_link_errors("RSSI"):
                signal = await self._device.get_connection_rssi(link.connection)  # type: ignore[no-untyped-call]
        except LinkDown:
            return None
        return signal if signal in RSSI_DBM else None

    def listen(
        self,
        handler: Callable[[Link], Awaitable[None]],
        *,
        profile: str,
        masters_max: int,
        name: str = "",
    ) -> None:
        """Be a slave from now on: each master that has secured its link is given to ``handler``.

        Calling it again changes handler, profile or limit; masters that are there stay.

        Args:
            handler: attends to one master; its link is ended when it returns.
            profile: name of the profile that is offered.
            masters_max: more than so many are not let in.
            name: in advertisements, otherwise that of the settings.
        """
        shown = name or self.settings.name
        self.reception.open(handler, profile=profile, masters_max=masters_max, name=shown)

    async def beacon(self, beacon: Beacon) -> None:
        """Repeat a beacon; nobody can connect. Masters that are there are sent away.

        Raises:
            LocalError: there can be no such beacon.
        """
        beacon.payload()
        await self.reception.close(beacon)

    async def be_quiet(self) -> None:
        """Advertise nothing, and send away the masters that are there."""
        await self.reception.close()

    async def _connect(self, address: str) -> Connection:
        peer = to_address(address)
        async with self._turn() as patience_s:
            if str(peer) in self.slaves + self.reception.masters:
                raise LinkBusy(f"{address} is connected already")
            try:
                with as_link_errors(f"connecting to {address}"):
                    connection = await self._device.connect_le(peer, timeout=patience_s)
            except BaseException:
                await asyncio.shield(self._call_off(str(peer)))
                raise
        connection.on(
            connection.EVENT_DISCONNECTION,
            lambda reason: self._tell(What.ENDED, connection, f"0x{reason:02X}"),
        )
        return connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[float]:
        """A turn to connect, one at a time, with the seconds that it may take: few while others wait."""
        self._wanted += 1
        try:
            async with self._connecting:
                patience_s = self.settings.connect_s
                yield patience_s if self._wanted == 1 else min(CONNECT_BUSY_S, patience_s)
        finally:
            self._wanted -= 1

    async def _call_off(self, address: str) -> None:
        """Leave no half-made connection behind."""
        try:
            with as_link_errors("calling off"):
                await self._device.send_sync_command(HCI_LE_Create_Connection_Cancel_Command())
        except LinkDown:
            pass  # nothing was pending
        for connection in tuple(self._device.connections.values()):
            is_ours = connection.handle not in self.reception.handles
            if is_ours and peer_text(connection) == address:
                await end(connection)

    async def _encrypt(self, connection: Connection) -> None:
        address = peer_text(connection)
        ended: list[int] = []
        connection.on(connection.EVENT_DISCONNECTION, ended.append)
        try:
            with as_link_errors(f"securing the link with {address}"):
                await connection.encrypt()
        except LinkDown as error:
            cause = error.__cause__
            codes: set[int | None] = set(ended)
            if isinstance(cause, HCI_Error | HCI_StatusError):
                codes.add(cause.error_code)
            if codes & LOST_KEY:
                self._tell(What.BOND_LOST, connection)
                raise BondLost(address) from error
            raise

    def _pass_on(self, happened: Happened) -> None:
        self.told(happened)

    def _tell(self, what: What, connection: Connection, detail: str = "") -> None:
        self.told(Happened(what, peer_text(connection), detail))

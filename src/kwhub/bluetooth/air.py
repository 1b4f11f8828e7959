"""Virtual controllers on a virtual air: bumble's, with the faults mended that many-to-many meets.

What the stack's own virtual controller does otherwise than a real one, and what is done here:

* two masters that answer one advertisement were both told "connected": now only the first is;
* a connection that is called off was never reported as ended: now it is;
* data left under the random address even where the link uses the public one;
* a peer that is gone was never noticed: now the link ends after the supervision time-out;
* one that came back sooner had a link that the end of the one before took away: now it has to wait
  until that one has ended, and what belongs to one link never reaches the next;
* RSSI was a constant, and could not be asked for;
* a beacon that cannot be connected to looked as if it could.

Processes share an air through `AirServer`: each connection to it is one controller (HCI, H4).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSink, StreamPacketSource

from kwhub.bluetooth.radio import Ideal, Setting

__all__ = ["Air", "AirController", "AirServer", "RadioModel", "air_named", "name_air"]

ADVERTISEMENTS = (ll.AdvInd, ll.AdvExtInd)
CONNECTABLE = 0x01
"""Bit of advertising event properties and of reports.  Source: Core 5.4, Vol 4, Part E, 7.8.53."""

UNKNOWN_DBM = 127
"""An RSSI that is not available."""

PACKET_BYTES = 251
"""Longest packet with data length extension."""


class RadioModel(Protocol):
    """What `kwhub.bluetooth.radio` offers."""

    @property
    def setting(self) -> Setting:
        """The surroundings."""

    def signal_dbm(self, one: str, two: str) -> float | None:
        """Received signal in dBm; None out of reach."""

    def delay_s(self, one: str, two: str, now: float) -> float | None:
        """Seconds until a packet has arrived; None when it never does."""


def _text(address: hci.Address) -> str:
    return str(address.to_string(with_type_qualifier=False))


def _is_up(link: Connection) -> bool:
    """Whether this very link is there, and not one that was made after it."""
    return link.controller.le_connections.get(link.peer_address) is link


def _lose(*ends: Connection | None) -> None:
    """The supervision time-out has come for the ends of a link."""
    for each in ends:
        if each is not None and _is_up(each):
            each.controller.on_le_disconnected(each, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


class Air(LocalLink):
    """A medium for controllers, with a radio model."""

    def __init__(
        self, radio: RadioModel | None = None, *, packet_bytes: int = PACKET_BYTES
    ) -> None:
        """Make an air without controllers.

        Args:
            radio: how well they hear each other; everything at once by default.
            packet_bytes: longest packet that a controller takes from its host, 27 to 251.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.radio: RadioModel = radio or Ideal()
        self.packet_bytes = packet_bytes
        self._by_address: dict[hci.Address, AirController] = {}
        self._arrivals: dict[tuple[str, str], float] = {}

    def controller(self) -> "AirController":
        """Add a controller; give it to a host, and ``unplug`` it at the end."""
        return AirController(self)

    def remove_controller(self, controller: Controller) -> None:
        """Forget a controller."""
        super().remove_controller(controller)
        self._by_address.clear()

    def on_address_changed(self, controller: Controller) -> None:
        """Called by a controller."""
        del controller
        self._by_address.clear()

    def find_le_controller(self, address: hci.Address) -> "AirController | None":
        """The controller with an address; by a table, where the stack searches all links."""
        found = self._by_address.get(address)
        if found is None:
            for each in self.controllers:
                if isinstance(each, AirController):
                    for own in each.addresses():
                        self._by_address[own] = each
            found = self._by_address.get(address)
        return found

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """Let those hear it who listen; a connection request reaches its target at once."""
        if isinstance(packet, ll.ConnectInd):
            target = self.find_le_controller(packet.advertiser_address)
            if target is not None:
                target.on_ll_advertising_pdu(packet)
            return
        if not isinstance(packet, ADVERTISEMENTS):
            return
        loop = asyncio.get_running_loop()
        sender = _text(packet.advertiser_address)
        for each in tuple(self.controllers):
            if each is sender_controller or not isinstance(each, AirController):
                continue
            if each.listens and self.radio.signal_dbm(sender, each.text) is not None:
                loop.call_soon(each.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Carry a packet with the address that the link was made with, as late as radio is."""
        link = sender_controller.le_connections.get(destination_address)
        if link is None or (far := self.far_end(link)) is None:
            return
        source = link.self_address
        self._carry(link, far, lambda: far.controller.on_link_acl_data(source, transport, data))

    def send_ll_control_pdu(
        self,
        sender_address: hci.Address,
        receiver_address: hci.Address,
        packet: ll.ControlPdu,
    ) -> None:
        """Carry a control packet behind the data that was sent before it."""
        sender = self.find_le_controller(sender_address)
        link = None if sender is None else sender.le_connections.get(receiver_address)
        if link is None or (far := self.far_end(link)) is None:
            return
        self._carry(link, far, lambda: far.controller.on_ll_control_pdu(sender_address, packet))

    def far_end(self, link: Connection) -> Connection | None:
        """The other end of a link, while it is there."""
        peer = self.find_le_controller(link.peer_address)
        return None if peer is None else peer.le_connections.get(link.self_address)

    def _carry(self, link: Connection, far: Connection, deliver: Callable[[], None]) -> None:
        """Deliver to the far end, unless it is gone by then."""
        self.after(
            _text(link.self_address),
            _text(link.peer_address),
            lambda: deliver() if _is_up(far) else None,
            lost=lambda: _lose(far, link),
        )

    def after(
        self, one: str, two: str, deliver: Callable[[], None], *, lost: Callable[[], None]
    ) -> None:
        """Deliver in order, when the radio says so; or give the link up after the time-out."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        delay = self.radio.delay_s(one, two, now)
        if delay is None:
            loop.call_later(self.radio.setting.supervision_s, lost)
        elif delay == 0 and (one, two) not in self._arrivals:
            loop.call_soon(deliver)
        else:
            when = max(now + delay, self._arrivals.get((one, two), 0.0))
            self._arrivals[one, two] = when
            loop.call_at(when, deliver)


class AirController(Controller):
    """One virtual controller. Made by `Air.controller`."""

    _random_address = hci.Address.ANY_RANDOM

    def __init__(self, air: Air) -> None:
        super().__init__("air", link=air)
        self.air = air
        self.le_acl_data_packet_length = air.packet_bytes
        self._heard_dbm: int | None = None  # while an advertisement is reported
        self._heard_closed = False

    @property
    def text(self) -> str:
        """The address as text."""
        return _text(self.random_address)

    @property
    def listens(self) -> bool:
        """Whether advertisements mean anything to it now."""
        return bool(self.le_scan_enable or self.pending_le_connection)

    def addresses(self) -> tuple[hci.Address, ...]:
        """Under which it can be reached."""
        return (self.random_address, self.public_address)

    def advertises(self, address: hci.Address) -> bool:
        """Whether it can be connected to under an address in this moment."""
        legacy = self.le_legacy_advertiser
        if legacy.enabled and legacy.address == address:
            return True
        return any(
            each.enabled
            and each.address == address
            and each.parameters is not None
            and each.parameters.advertising_event_properties & CONNECTABLE
            for each in self.advertising_sets.values()
        )

    def create_le_connection(self, peer_address: hci.Address) -> None:
        """Called when an advertisement of the wanted peer was heard; the first one wins."""
        peer = self.air.find_le_controller(peer_address)
        pending = self.pending_le_connection
        if peer is None or pending is None or not peer.advertises(peer_address):
            return
        is_public = pending.own_address_type == hci.OwnAddressType.PUBLIC
        own = self.public_address if is_public else self.random_address
        if peer_address in self.le_connections or own in peer.le_connections:
            return  # the link before has not been given up yet, here or there
        super().create_le_connection(peer_address)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Call off, and say that it has ended.  Source: Core 5.4, Vol 4, Part E, 7.8.13."""
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_read_rssi_command(
        self, command: hci.HCI_Read_RSSI_Command
    ) -> hci.HCI_Read_RSSI_ReturnParameters:
        """The signal of a link.  Source: Core 5.4, Vol 4, Part E, 7.5.4."""
        link = self.find_connection_by_handle(command.handle)
        signal = (
            self.air.radio.signal_dbm(_text(link.self_address), _text(link.peer_address))
            if link is not None
            else None
        )
        known = link is not None
        return hci.HCI_Read_RSSI_ReturnParameters(
            status=hci.HCI_ErrorCode.SUCCESS
            if known
            else hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            handle=command.handle,
            rssi=round(signal) if signal is not None else UNKNOWN_DBM,
        )

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        """Report it with the signal of the radio model."""
        signal = self.air.radio.signal_dbm(_text(pdu.advertiser_address), self.text)
        sender = self.air.find_le_controller(pdu.advertiser_address)
        self._heard_dbm = round(signal) if signal is not None else UNKNOWN_DBM
        self._heard_closed = sender is None or not sender.advertises(pdu.advertiser_address)
        super().on_advertising_pdu(pdu)
        self._heard_dbm = None

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Send to the host; without the text of each packet, which costs more than the packet."""
        if self._heard_dbm is not None:
            for report in getattr(packet, "reports", ()):
                report.rssi = self._heard_dbm
                if self._heard_closed:
                    report.event_type &= ~CONNECTABLE
        if self.host is not None:
            asyncio.get_running_loop().call_soon(self.host.on_packet, bytes(packet))

    def unplug(self) -> None:
        """The host is gone: fall silent; peers notice after the supervision time-out."""
        if self not in self.air.controllers:
            return
        self.le_legacy_advertiser.stop()
        for advertising in self.advertising_sets.values():
            advertising.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
        loop = asyncio.get_running_loop()
        for link in self.le_connections.values():
            loop.call_later(self.air.radio.setting.supervision_s, _lose, self.air.far_end(link))
        self.host = None
        self.air.remove_controller(self)


class _HciPeer(StreamPacketSource):
    """A process that has called; it gets a controller of its own."""

    def __init__(self, air: Air, peers: "set[_HciPeer]") -> None:
        super().__init__()
        self._air = air
        self._peers = peers
        self._controller: AirController | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._peers.add(self)
        self._controller = self._air.controller()
        self._controller.host = StreamPacketSink(cast("asyncio.WriteTransport", transport))
        self.set_packet_sink(self._controller)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._peers.discard(self)
        if self._controller is not None:
            self._controller.unplug()


class AirServer:
    """Controllers for other processes, over TCP on loopback or a socket of the file system.

    Attributes:
        adapter: what another process names as its adapter: ``tcp-client:127.0.0.1:6402``, or
            ``unix-client:/run/air``.
    """

    def __init__(self, air: Air) -> None:
        self.air = air
        self.adapter = ""
        self._server: asyncio.Server | None = None
        self._peers: set[_HciPeer] = set()

    async def open(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Open the port; 0 takes a free one. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._peer, host, port)
        true_port = self._server.sockets[0].getsockname()[1]
        self.adapter = f"tcp-client:{host}:{true_port}"

    async def open_path(self, path: Path) -> None:
        """Open a socket of the file system. Raises OSError when it cannot be made there."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._peer, path)
        self.adapter = f"unix-client:{path}"

    def _peer(self) -> _HciPeer:
        return _HciPeer(self.air, self._peers)

    async def aclose(self) -> None:
        """Close the port, and take their controllers from those who have called."""
        if self._server is not None:
            self._server.close()
            self._server = None
        while self._peers:
            for peer in self._peers:
                peer.transport.abort()
            await asyncio.sleep(0)


_airs: dict[str, Air] = {}


def air_named(name: str) -> Air:
    """The air of a name inside this process, made when it is not there."""
    air = _airs.get(name)
    if air is None:
        air = _airs[name] = Air()
    return air


def name_air(name: str, air: Air) -> None:
    """Have stations of this process find an air under a name."""
    _airs[name] = air

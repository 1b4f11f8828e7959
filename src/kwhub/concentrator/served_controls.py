"""AFN 05: clocks, pauses of reading, unsolicited reports, and the relay of a meter.

Source: Q/GDW 1376.1-2013, clause 5.6. F1 and F2 name the measuring point whose meter's relay is meant, and so does F31
that whose clock is meant; at p0 it is the concentrator's.
Orders that this concentrator has nothing for (loudspeaker, capacitors, rounds of power control) are denied.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events import Events
from kwhub.concentrator.events_notes import CORRECTS_CLOCKS
from kwhub.concentrator.served_current import REPORTS_FORBIDDEN
from kwhub.concentrator.served_reset import FORGETTING, RESTART
from kwhub.concentrator.served_rights import Rights
from kwhub.domain.errors import LocalError, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Verdict
from kwhub.exchange.relay import RelayCommand, control_relay
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.gdw1376.afn_05 import SET_CLOCK
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.units import Item

__all__ = ["Controls", "Site", "pause_name"]

TRIP, CLOSE = 1, 2
DELETE_EVENTS = 57
"""Its length is told by no table."""
_DONE = frozenset({Verdict.DONE, Verdict.TAKEN})


def pause_name(port: int) -> str:
    """Name of the state that 05-F49 sets and 05-F50 clears."""
    return f"port {port} paused"


class Site(Protocol):
    """What orders act upon."""

    @property
    def ports(self) -> frozenset[int]:
        """Ports that have a bus."""

    def set_clock(self, wall: datetime) -> None:
        """Set the concentrator's clock to a naive wall time of the site."""

    async def set_meter_clock(
        self, point: int, wall: datetime, authority: Authority | None
    ) -> None:
        """Put a meter's clock right. See `kwhub.concentrator.served_clocks`."""

    def reload(self) -> None:
        """Read archive and schedule anew, and look at the plan at once."""

    def resume_reports(self) -> None:
        """Let the uplink follow what 05-F29 and 05-F37 say of unsolicited reports, at once."""

    def reset(self, function: int) -> None:
        """Carry out a reset of AFN 01. Raises StoreError: nothing was done."""

    async def talk(self, point: int, make: Callable[[str], Conversation[Any]]) -> Any:
        """Run a conversation with the meter at a point, whose address is given to ``make``.

        Raises:
            LocalError: there is no such meter.
            RemoteError: as the conversation.
            LinkDown: the bus is down.
        """


class Controls:
    """Carries out one item at a time."""

    def __init__(self, archive: Archive, events: Events, site: Site, rights: Rights) -> None:
        self._archive = archive
        self._events = events
        self._site = site
        self._rights = rights
        self.makers: Mapping[int, Callable[[Item], None]] = MappingProxyType(
            {
                29: lambda item: self._report(item, allowed=True),
                30: self._correction,
                SET_CLOCK: self._clock,
                37: lambda item: self._report(item, allowed=False),
                49: lambda item: self._pause(item, paused=True),
                50: lambda item: self._pause(item, paused=False),
                51: self._again,
                53: self._delete_meters,
                DELETE_EVENTS: self._delete_events,
            }
        )

    def carry_out(self, item: Item) -> None:
        """Do it now.

        Raises:
            LocalError: it cannot be done.
            DecodeError: its data makes no sense.
            StoreError: it cannot be kept.
        """
        make = self.makers.get(item.function)
        if make is None or item.point:
            raise LocalError(f"05-F{item.function} of p{item.point} is not served")
        if not item.known and item.function != DELETE_EVENTS:
            raise LocalError(f"{len(item.data)} bytes do not belong to 05-F{item.function}")
        make(item)

    def reset(self, item: Item) -> None:
        """Carry out an item of AFN 01.

        Raises:
            LocalError: it is not served; what forgets anything needs a password in the settings.
            StoreError: it cannot be done.
        """
        if item.point or not item.known or item.function not in {RESTART, *FORGETTING}:
            raise LocalError(f"01-F{item.function} of p{item.point} is not served")
        if item.function in FORGETTING and self._rights.password is None:
            raise LocalError("without a password nobody may have everything forgotten")
        self._site.reset(item.function)

    def is_of_meter(self, item: Item) -> bool:
        """Whether an order is for a meter, whose answer takes its time."""
        return item.function in {TRIP, CLOSE} or (item.function == SET_CLOCK and item.point > 0)

    def of_meter(self, item: Item) -> Awaitable[None] | None:
        """The work for an order to a meter, None for any other order."""
        if not self.is_of_meter(item):
            return None
        return self._meter_clock(item) if item.function == SET_CLOCK else self._relay(item)

    async def _relay(self, item: Item) -> None:
        """Raises LocalError, RemoteError, LinkDown: not done, or nobody knows."""
        authority = self._rights.relay
        if authority is None or not item.point or not item.known:
            raise LocalError("relays are not to be switched from here")
        if item.function == TRIP and item.data != b"\0":
            raise LocalError("only a trip at once and for good can be told to a meter")
        command = RelayCommand.TRIP if item.function == TRIP else RelayCommand.PERMIT_CLOSING
        change = await self._site.talk(
            item.point, lambda address: control_relay(address, command, authority)
        )
        if change.verdict not in _DONE:
            raise RemoteError(f"the meter has not done it: {change.verdict.value}")

    async def _meter_clock(self, item: Item) -> None:
        """Raises LocalError, DecodeError, RemoteError, LinkDown: not done, or nobody knows."""
        if not item.known:
            raise LocalError(f"{len(item.data)} bytes do not belong to 05-F{item.function}")
        await self._site.set_meter_clock(item.point, _time(item), self._rights.clock)

    def _clock(self, item: Item) -> None:
        self._site.set_clock(_time(item))

    def _correction(self, item: Item) -> None:
        if item.data[0] > 1:
            raise LocalError("meters' clocks are corrected (1) or not (0)")
        self._archive.set_state(CORRECTS_CLOCKS, item.data[0])

    def _report(self, _item: Item, *, allowed: bool) -> None:
        self._archive.set_state(REPORTS_FORBIDDEN, int(not allowed))
        self._site.resume_reports()

    def _port(self, item: Item) -> int:
        if item.data[0] not in self._site.ports:
            raise LocalError(f"port {item.data[0]} has no bus")
        return item.data[0]

    def _pause(self, item: Item, *, paused: bool) -> None:
        self._archive.set_state(pause_name(self._port(item)), int(paused))
        self._site.reload()

    def _again(self, item: Item) -> None:
        port = self._port(item)
        records = self._archive.records()
        self._archive.ask_again([record.point for record in records if record.port == port])
        self._site.reload()

    def _delete_meters(self, item: Item) -> None:
        self._archive.clear_port(item.data[0])
        self._site.reload()

    def _delete_events(self, item: Item) -> None:
        if len(item.data) != 1:
            raise LocalError("one event code belongs here")
        self._events.clear(item.data[0])


def _time(item: Item) -> datetime:
    found = A1.decode(item.data)
    if found is None:
        raise LocalError("a clock without time")
    return found.time

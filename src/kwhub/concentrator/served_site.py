"""What orders act upon: buses, archive, clock and uplink of one running concentrator."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.bus import Bus
from kwhub.concentrator.config import Config
from kwhub.concentrator.events_notes import CORRECTS_CLOCKS
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.plan import Plan, PlannedMeter
from kwhub.concentrator.served_clocks import MeterClocks
from kwhub.concentrator.served_controls import pause_name
from kwhub.concentrator.served_current import REPORTS_FORBIDDEN
from kwhub.concentrator.served_parameters import reading_rule, stations
from kwhub.concentrator.served_reset import BUT_UPLINK, RESTART, forget
from kwhub.concentrator.served_shelf import Shelf
from kwhub.concentrator.site_clock import SiteClock
from kwhub.concentrator.times import instant, wall
from kwhub.concentrator.uplink import Uplink
from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645.authority import Authority

__all__ = ["CLOCK_OFFSET", "RunningSite", "plan_of"]

CLOCK_OFFSET = "clock offset"
"""Name of the state that 05-F31 sets: seconds ahead of the machine's clock."""

_UPLINK_PARAMETERS = 1  # 04-F1
_HELD_S = 3_600
_MINUTES = 1_440
_HEARTBEATS_S = range(10, 3_601)


def plan_of(config: Config, archive: Archive, port: int) -> Plan:
    """The plan of a port: the spacing of F33, where the load record has it, before the settings."""
    minutes = reading_rule(archive, port).interval_minutes
    settings = config.plan
    if minutes in {15, 30, 60} and settings.curve_minutes:
        settings = replace(settings, curve_minutes=minutes)
    return Plan(settings, config.concentrator.tzinfo)


class RunningSite:
    """A `kwhub.concentrator.served_controls.Site`."""

    def __init__(
        self,
        config: Config,
        archive: Archive,
        outbox: Outbox,
        clock: SiteClock,
        buses: Sequence[Bus],
    ) -> None:
        self._config = config
        self._archive = archive
        self._outbox = outbox
        self._clock = clock
        self._buses = {bus.settings.port: bus for bus in buses}
        self._zone = config.concentrator.tzinfo
        self._uplink: Uplink | None = None
        self._shelf: Shelf | None = None
        self.clocks: MeterClocks | None = None  #: of the meters
        self.on_change: Callable[[], None] = lambda: (
            None
        )  #: hears of new settings and of a new clock
        for port, bus in self._buses.items():
            bus.reload = self._reloader(port)
            bus.held_until = self._holder(port)

    def attach(self, uplink: Uplink, shelf: Shelf) -> None:
        """The way up, which is made after this."""
        self._uplink = uplink
        self._shelf = shelf
        self._tune_uplink()

    @property
    def ports(self) -> frozenset[int]:
        """Ports that have a bus."""
        return frozenset(self._buses)

    def set_clock(self, wall: datetime) -> None:
        """Set the clock; the offset survives a restart."""
        moment = wall.replace(tzinfo=self._zone)
        self._archive.set_state(CLOCK_OFFSET, self._clock.offset_to(moment))
        self._clock.set(moment)
        self._renew()

    async def set_meter_clock(
        self, point: int, wall: datetime, authority: Authority | None
    ) -> None:
        """See `Site`."""
        edition = self._shelf.edition(point) if self._shelf else None
        if edition is None or self.clocks is None:
            raise LocalError(f"point {point} has no meter of DL/T 645")
        await self.clocks.set(point, wall, edition, authority, self)

    def reload(self) -> None:
        """Take over what the archive says now; a bus does it between two talks."""
        self._tune_uplink()
        for port, bus in self._buses.items():
            if bus.is_down:
                self._load(port)
        self._renew()

    def reset(self, function: int) -> None:
        """Begin anew with what the reset leaves, and with the settings file for the rest."""
        if function == RESTART:
            self._archive.ask_again([record.point for record in self._archive.records()])
        else:
            states = [CORRECTS_CLOCKS, *map(pause_name, self._buses)]
            if function != BUT_UPLINK:
                states.append(REPORTS_FORBIDDEN)
            forget(self._outbox.database, function, states)
            self._archive.seed(self._config)
        self.reload()

    def resume_reports(self) -> None:
        """Let the uplink go on, or stop it."""
        self._tune_uplink()

    async def talk(self, point: int, make: Callable[[str], Conversation[Any]]) -> Any:
        """See `Site`."""
        for record in self._archive.records():
            bus = self._buses.get(record.port)
            if record.point == point and bus is not None:
                return await bus.talk(make(record.address))
        raise LocalError(f"point {point} has no meter on a bus")

    def _renew(self) -> None:
        self.on_change()
        for bus in self._buses.values():
            bus.renew()

    def _reloader(self, port: int) -> Callable[[], None]:
        return lambda: self._load(port)

    def _load(self, port: int) -> None:
        """Give a bus its plan and its meters, and the store the meters of their points."""
        bus = self._buses[port]
        meters = self._archive.meters(bus.settings)
        bus.assign(plan_of(self._config, self._archive, port), meters)
        now = int(self._clock.now().timestamp())
        self._outbox.adopt(((meter.point, meter.address) for meter in meters), now)
        self._outbox.dismiss(record.point for record in self._archive.records())
        if self._shelf is not None:
            self._shelf.assign(_planned(self._buses.values()))

    def _holder(self, port: int) -> Callable[[int], int]:
        return lambda now: self._held_until(port, now)

    def _held_until(self, port: int, now: int) -> int:
        """When a port may be read again; 0 when it may be read now."""
        if self._archive.state(pause_name(port)):
            return now + _HELD_S
        rule = reading_rule(self._archive, port)
        if not rule.slots and not rule.is_off:
            return 0
        time = wall(now, self._zone).replace(second=0)
        for later in range(_MINUTES):
            then = time + timedelta(minutes=later)
            if rule.allows(then.hour * 60 + then.minute):
                return instant(then, self._zone) if later else 0
        return now + _HELD_S

    def _tune_uplink(self) -> None:
        """Let the uplink follow 04-F1, 04-F3 and 05-F37."""
        uplink = self._uplink
        if uplink is None:
            return
        configured = (self._config.uplink, self._config.standby)
        for way, settings in zip(uplink.ways, configured, strict=False):
            if settings is not None:
                way.settings = settings
                way.stations = stations(self._archive, settings.address)
        uplink.reports_allowed = not self._archive.state(REPORTS_FORBIDDEN)
        for row in self._archive.parameters(_UPLINK_PARAMETERS, 0):
            timeout_s, heartbeat_s = (
                int.from_bytes(row.data[2:4], "little") & 0xFFF,
                row.data[5] * 60,
            )
            for way in uplink.ways:
                if timeout_s:
                    limit_s = float(min(timeout_s, 300))
                    way.settings = replace(way.settings, answer_timeout_s=limit_s)
                if heartbeat_s in _HEARTBEATS_S:
                    way.settings = replace(way.settings, heartbeat_s=heartbeat_s)
        uplink.news.set()


def _planned(buses: Iterable[Bus]) -> list[PlannedMeter]:
    return [meter for bus in buses for meter in bus.meters]

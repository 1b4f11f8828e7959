"""A read-only view of a running concentrator for its screen, and a live look at one meter.

The only part of the screen that knows how the concentrator is made. It changes nothing: it looks at
buses, counters and store, and its one talk with a meter (``ReadNow``) is an order that goes before the
work of the plan and can be cancelled at any moment.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from msgspec.structs import asdict

from kwhub import __version__
from kwhub.catalog.registers import describe
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.bus import Bus
from kwhub.concentrator.outbox import MeterState
from kwhub.concentrator.panel_live import look
from kwhub.concentrator.panel_store import PanelStore, Place
from kwhub.concentrator.panel_troubles import abnormal_meters, failures, is_silent
from kwhub.concentrator.panel_views import (
    ROWS_MAX,
    Abnormal,
    AbnormalView,
    Archive,
    AskAbnormal,
    AskArchive,
    AskBuses,
    AskEvents,
    AskFailures,
    AskHead,
    AskMeter,
    AskNetwork,
    AskSettings,
    AskStatus,
    Buses,
    BusView,
    Events,
    EventView,
    Failures,
    Head,
    MeterDetail,
    MeterRow,
    Network,
    Query,
    Reading,
    ReadNow,
    SettingsView,
    Snapshot,
    Status,
    UplinkView,
    View,
)
from kwhub.concentrator.plan import Plan, PlannedMeter
from kwhub.concentrator.served_site import CLOCK_OFFSET
from kwhub.concentrator.uplink_ways import Way
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.event_records import EventRecord

__all__ = ["CurrentPanel", "Panel"]

T = TypeVar("T")
V = TypeVar("V")

_EVENTS = (
    "SELECT code, number, at, important, reported_at, body FROM event"
    " ORDER BY at DESC, id DESC LIMIT ? OFFSET ?"
)


class CurrentPanel:
    """Answers about whatever concentrator runs now: new settings may put another in its place."""

    def __init__(self, current: Callable[[], Concentrator]) -> None:
        self._current = current
        self._panel = Panel(current())

    async def ask(self, query: Query[V]) -> V:
        """See ``Panel.ask``."""
        if not self._panel.shows(self._current()):
            self._panel = Panel(self._current())
        return await self._panel.ask(query)


class Panel:
    """Answers the questions of ``kwhub.concentrator.panel_views`` about one concentrator."""

    def __init__(self, concentrator: Concentrator) -> None:
        self._concentrator = concentrator
        self._config = concentrator.config
        self._clock = concentrator.clock
        self._zone = self._config.concentrator.tzinfo
        self._plan = Plan(self._config.plan, self._zone)
        self._look = PanelStore(concentrator)
        self._started_at = self._look.now()
        self._makers: Mapping[type[Query[Any]], Callable[[Any], View]] = {
            AskHead: self._head,
            AskStatus: self._status,
            AskNetwork: self._network,
            AskArchive: self._archive,
            AskMeter: self._meter,
            AskBuses: self._buses,
            AskFailures: self._failures,
            AskAbnormal: self._abnormal,
            AskEvents: self._events,
            AskSettings: self._settings,
        }

    def shows(self, concentrator: Concentrator) -> bool:
        """Whether this is the concentrator that is shown."""
        return self._concentrator is concentrator

    async def ask(self, query: Query[V]) -> V:
        """Answer a question with the view that belongs to it.

        Raises:
            LocalError: there is no such point, or nothing reads it.
            StoreError: the store cannot be read.
            LinkDown, NoAnswer: of ``ReadNow``: the bus is down, or the meter is silent.
        """
        view: Any
        if isinstance(query, ReadNow):
            view = await self.read_now(query.point)
        else:
            view = self._makers[type(query)](query)
        answer: V = view
        return answer

    async def read_now(self, point: int) -> Snapshot:
        """Read a meter before the work of the plan; see ``ask`` for what may go wrong."""
        place = self._look.place(point)
        if place.bus is None or place.meter is None:
            raise LocalError(f"point {point} is on no bus that is read")
        return await look(place.bus, place.meter, self._clock)

    # --- the pages

    def _head(self, _: AskHead) -> Head:
        identity = self._config.concentrator
        uplink = self._concentrator.uplink
        return Head(
            self._look.now(),
            identity.zone,
            self._look.terminal(),
            _way(uplink.ways),
            self._concentrator.counters.uplink.logged_in,
            self._look.cached("alarms", self._alarms),
        )

    def _alarms(self) -> int:
        silent = sum(state.silent_since is not None for state in self._look.states().values())
        down = sum(bus.is_down for bus in self._concentrator.buses)
        return silent + down + len(self._concentrator.events.unreported())

    def _status(self, _: AskStatus) -> Status:
        concentrator = self._concentrator
        states = self._look.states()
        places = self._look.places()
        waiting, withheld, gaps_open, gaps_lost = self._look.counts()
        important, normal = concentrator.events.counters()
        return Status(
            name=self._config.concentrator.name,
            terminal=self._look.terminal(),
            version=__version__,
            started_at=self._started_at,
            clock_offset_s=concentrator.archive.state(CLOCK_OFFSET),
            meters=len(places),
            meters_silent=sum(is_silent(states.get(point)) for point in places),
            buses=len(concentrator.buses),
            buses_down=sum(bus.is_down for bus in concentrator.buses),
            waiting=waiting,
            withheld=withheld,
            gaps_open=gaps_open,
            gaps_lost=gaps_lost,
            events_important=important,
            events_normal=normal,
        )

    def _network(self, _: AskNetwork) -> Network:
        uplink = self._concentrator.uplink
        counters = self._concentrator.counters.uplink
        ways = [
            UplinkView(
                way.name,
                " ".join(way.stations),
                way.logged_in_at is not None,
                way.counters.connects,
                way.counters.failures,
                way.counters.last_failure,
            )
            for way in uplink.ways
        ]
        return Network(
            tuple(ways),
            counters.logged_in,
            uplink.reports_allowed,
            uplink.ways[0].settings.heartbeat_s,
            counters.connects,
            counters.failures,
            counters.reports,
            counters.reports_denied,
            counters.reports_unanswered,
            counters.readings_delivered,
            counters.requests_answered,
            counters.requests_denied,
            *self._look.tasks(),
        )

    def _archive(self, query: AskArchive) -> Archive:
        places = self._look.places()
        states = self._look.states()
        points = _piece(sorted(places), query.offset, query.limit)
        rows = [self._row(places[point], states.get(point)) for point in points]
        return Archive(len(places), query.offset, tuple(rows))

    def _row(self, place: Place, state: MeterState | None) -> MeterRow:
        meter = place.settings
        register = place.registers[0]
        latest = self._look.latest(place, register)
        return MeterRow(
            meter.point,
            meter.address,
            meter.name,
            place.bus.settings.name if place.bus else "",
            state.silent_since if state else None,
            _text(latest.decimal) if latest else None,
            describe(register).unit,
            latest.at if latest else None,
        )

    def _meter(self, query: AskMeter) -> MeterDetail:
        place = self._look.place(query.point)
        state = self._look.states().get(query.point)
        entries = [self._look.latest(place, register) for register in place.registers]
        known = [entry for entry in entries if entry is not None]
        gaps = self._look.rows(
            "SELECT state, count(*) FROM gap WHERE point = ? GROUP BY state", (query.point,)
        )
        counts = dict(gaps)
        return MeterDetail(
            row=self._row(place, state),
            protocol=place.settings.protocol,
            phases=place.settings.phases,
            last_contact=max((entry.received_at for entry in known), default=None),
            attempts=state.attempts if state else 0,
            clock_error_s=state.clock_error_s if state else None,
            clock_read_at=state.clock_read_at if state else None,
            gaps_open=counts.get("open", 0),
            gaps_lost=counts.get("lost", 0),
            readings=tuple(
                Reading(
                    entry.register, _text(entry.decimal), describe(entry.register).unit, entry.at
                )
                for entry in known
            ),
            abnormal=tuple(each for each in self._all_abnormal() if each.point == query.point),
        )

    def _buses(self, _: AskBuses) -> Buses:
        hour = self._plan.settled_hour(self._look.now())
        progress = self._concentrator.outbox.progress()
        states = self._look.states()
        return Buses(
            hour,
            tuple(self._bus(bus, hour, progress, states) for bus in self._concentrator.buses),
        )

    def _bus(
        self,
        bus: Bus,
        hour: int,
        progress: Mapping[tuple[int, str], int],
        states: Mapping[int, MeterState],
    ) -> BusView:
        counters = bus.counters
        return BusView(
            name=bus.settings.name,
            address=bus.settings.address,
            is_up=not bus.is_down,
            meters=len(bus.meters),
            meters_done=sum(_is_done(meter, hour, progress) for meter in bus.meters),
            meters_silent=sum(is_silent(states.get(meter.point)) for meter in bus.meters),
            rounds=counters.rounds,
            requests=counters.requests,
            retries=counters.retries,
            discarded=counters.discarded,
            link_failures=counters.link_failures,
        )

    def _failures(self, query: AskFailures) -> Failures:
        found = self._look.cached("failures", lambda: failures(self._look))
        return Failures(len(found), query.offset, tuple(_piece(found, query.offset, query.limit)))

    def _abnormal(self, query: AskAbnormal) -> Abnormal:
        found = self._all_abnormal()
        return Abnormal(len(found), query.offset, tuple(_piece(found, query.offset, query.limit)))

    def _all_abnormal(self) -> list[AbnormalView]:
        notes = self._concentrator.notes
        return self._look.cached("abnormal", lambda: abnormal_meters(self._look, notes))

    def _events(self, query: AskEvents) -> Events:
        limit, offset = max(0, min(query.limit, ROWS_MAX)), max(0, query.offset)
        ((total,),) = self._look.rows("SELECT count(*) FROM event")
        rows = self._look.rows(_EVENTS, (limit, offset))
        return Events(total, offset, tuple(_event(*row) for row in rows))

    def _settings(self, _: AskSettings) -> SettingsView:
        config = self._config
        identity, uplink = config.concentrator, self._config.uplink
        rows: list[tuple[str, Any]] = [
            ("concentrator.region", identity.region),
            ("concentrator.terminal", identity.terminal),
            ("concentrator.name", identity.name),
            ("concentrator.zone", identity.zone),
            ("uplink.heartbeat_s", uplink.heartbeat_s),
            ("uplink.answer_timeout_s", uplink.answer_timeout_s),
            *((f"plan.{name}", value) for name, value in asdict(config.plan).items()),
        ]
        for bus in self._concentrator.buses:
            line = bus.settings
            rows += [
                (f"{line.name}.address", line.address),
                (f"{line.name}.port", line.port),
                (f"{line.name}.baud", line.baud),
                (f"{line.name}.attempts", line.attempts),
            ]
        return SettingsView(tuple((name, str(value)) for name, value in rows))


def _way(ways: Sequence[Way]) -> str:
    """The name of the way that is used, else of the first."""
    return next((way for way in ways if way.logged_in_at is not None), ways[0]).name


def _piece(rows: Sequence[T], offset: int, limit: int) -> Sequence[T]:
    begin = max(0, offset)
    return rows[begin : begin + max(0, min(limit, ROWS_MAX))]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _is_done(meter: PlannedMeter, hour: int, progress: Mapping[tuple[int, str], int]) -> bool:
    return all(progress.get((meter.point, series.kind), 0) >= hour for series in meter.series)


def _event(
    code: int, number: int, at: int, important: int, reported_at: int | None, body: bytes
) -> EventView:
    record = EventRecord(code, body)
    places = (cell.told for cell in record.cells() if cell.name == "point" and cell.told)
    return EventView(
        code,
        number,
        at,
        bool(important),
        reported_at is not None,
        *record.words(),
        *next(places, ("", "")),
    )

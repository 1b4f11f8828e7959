"""What may be asked of a running concentrator by its screen, and what it answers.

Every structure goes over the local socket as one JSON object (see ``kwhub.concentrator.display.serving``).
Moments are seconds since 1970 UTC; values are text, so that no digit is lost; ``None`` is "not known".
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

__all__ = [
    "ANSWERS",
    "ROWS_MAX",
    "Abnormal",
    "AbnormalView",
    "Archive",
    "AskAbnormal",
    "AskArchive",
    "AskBuses",
    "AskEvents",
    "AskFailures",
    "AskHead",
    "AskMeter",
    "AskNetwork",
    "AskSettings",
    "AskStatus",
    "BusView",
    "Buses",
    "EventView",
    "Events",
    "FailureView",
    "Failures",
    "Head",
    "LiveValue",
    "MeterDetail",
    "MeterRow",
    "Network",
    "Query",
    "ReadNow",
    "Reading",
    "SettingsView",
    "Snapshot",
    "Status",
    "UplinkView",
    "View",
]

V = TypeVar("V")

ROWS_MAX = 100
"""Rows of a list in one answer."""


# --- answers


class Head(Struct, frozen=True):
    """What stands on every page."""

    now: int  #: by the site's clock
    zone: str  #: IANA zone of the site
    terminal: str  #: region and number, such as ``4101-02082``
    way: str  #: to the head-end, as it is used or tried: ``uplink`` or ``standby``
    is_online: bool  #: logged in at the head-end
    alarms: int  #: silent meters, buses that are down, important events not yet reported


class Status(Struct, frozen=True):
    """How the concentrator is."""

    name: str
    terminal: str
    version: str
    started_at: int
    clock_offset_s: int  #: ahead of the machine's clock, as the head-end has set it
    meters: int
    meters_silent: int
    buses: int
    buses_down: int
    waiting: int  #: readings not yet confirmed by the head-end
    withheld: int
    gaps_open: int
    gaps_lost: int
    events_important: int  #: EC1
    events_normal: int  #: EC2


class UplinkView(Struct, frozen=True):
    """One way up."""

    name: str  #: ``uplink`` or ``standby``
    address: str
    is_used: bool  #: the connection that there is goes this way
    connects: int
    failures: int
    last_failure: str


class Network(Struct, frozen=True):
    """The way to the head-end."""

    uplinks: tuple[UplinkView, ...]
    is_online: bool
    reports_allowed: bool
    heartbeat_s: int
    connects: int
    failures: int
    reports: int
    reports_denied: int
    reports_unanswered: int
    readings_delivered: int
    requests_answered: int
    requests_denied: int
    tasks: int  #: report tasks that are switched on
    task_reports: int
    task_reports_waiting: int


class MeterRow(Struct, frozen=True):
    """One measuring point in the list."""

    point: int
    address: str
    name: str
    bus: str
    silent_since: int | None
    value: str | None  #: newest total of the energy, or of what else is read first
    unit: str
    at: int | None


class Archive(Struct, frozen=True):
    """A piece of the list."""

    total: int
    offset: int
    rows: tuple[MeterRow, ...]


class Reading(Struct, frozen=True):
    """The newest value of a register in the store."""

    register: str
    value: str | None
    unit: str
    at: int


class MeterDetail(Struct, frozen=True):
    """One measuring point."""

    row: MeterRow
    protocol: str
    phases: int
    last_contact: int | None  #: when the newest reading was received
    attempts: int  #: unanswered rounds in a row
    clock_error_s: float | None
    clock_read_at: int | None
    gaps_open: int
    gaps_lost: int
    readings: tuple[Reading, ...]
    abnormal: "tuple[AbnormalView, ...]" = ()


class BusView(Struct, frozen=True):
    """One bus."""

    name: str
    address: str
    is_up: bool
    meters: int
    meters_done: int  #: settled up to the newest full hour
    meters_silent: int
    rounds: int
    requests: int
    retries: int
    discarded: int
    link_failures: int


class Buses(Struct, frozen=True):
    """All of them."""

    hour: int  #: the full hour that the present round is for
    rows: tuple[BusView, ...]


class FailureView(Struct, frozen=True):
    """Values of one point that are missing for one reason."""

    point: int
    address: str
    state: str  #: ``open``: will be asked again; ``lost``: for good; ``silent``: the meter itself
    cause: str  #: a word of ``kwhub.concentrator.ledger_causes``
    reason: str  #: for people, as it was noted
    count: int
    first: int
    last: int
    next_try: int | None


class Failures(Struct, frozen=True):
    """A piece of the list."""

    total: int
    offset: int
    rows: tuple[FailureView, ...]


class AbnormalView(Struct, frozen=True):
    """One thing that is wrong with a meter now."""

    point: int
    address: str
    kind: str  #: a key of ``kwhub.concentrator.events_words.ABNORMAL``
    since: int
    detail: str  #: such as how far a clock is off, or the phase; may be empty
    text_en: str
    text_zh: str


class Abnormal(Struct, frozen=True):
    """A piece of the list."""

    total: int
    offset: int
    rows: tuple[AbnormalView, ...]


class EventView(Struct, frozen=True):
    """One event record."""

    code: int  #: ERC
    number: int
    at: int
    is_important: bool
    is_reported: bool
    text_en: str
    text_zh: str
    place_en: str = ""  #: point, and whether it begins or ends there; empty where a record has none
    place_zh: str = ""


class Events(Struct, frozen=True):
    """A piece of the list."""

    total: int
    offset: int
    rows: tuple[EventView, ...]


class SettingsView(Struct, frozen=True):
    """Names as in the settings file, and values."""

    rows: tuple[tuple[str, str], ...]


class LiveValue(Struct, frozen=True):
    """One register as the meter shows it now."""

    register: str
    value: str | None
    unit: str
    error: str = ""  #: why there is no value


class Snapshot(Struct, frozen=True):
    """One meter as it is now."""

    point: int
    address: str
    at: int  #: by the site's clock, at the end of the talk
    took_s: float
    is_free: (
        bool  #: may be asked again and again; a battery pays for the readouts of an M-Bus meter
    )
    meter_clock: str | None  #: the meter's own wall time
    values: tuple[LiveValue, ...]


# --- questions


class Query(Struct, Generic[V], frozen=True, tag_field="ask"):
    """Base of all questions, each with the view that answers it; ``ask`` names them on the socket."""


class AskHead(Query[Head], frozen=True, tag="head"):
    """What stands on every page."""


class AskStatus(Query[Status], frozen=True, tag="status"):
    """How the concentrator is."""


class AskNetwork(Query[Network], frozen=True, tag="network"):
    """The way to the head-end."""


class AskArchive(Query[Archive], frozen=True, tag="archive"):
    """The measuring points, from a place in the list on."""

    offset: int = 0
    limit: int = ROWS_MAX


class AskMeter(Query[MeterDetail], frozen=True, tag="meter"):
    """One measuring point."""

    point: int


class AskBuses(Query[Buses], frozen=True, tag="buses"):
    """The buses and how far their rounds are."""


class AskFailures(Query[Failures], frozen=True, tag="failures"):
    """What is missing and why, from a place in the list on."""

    offset: int = 0
    limit: int = ROWS_MAX


class AskAbnormal(Query[Abnormal], frozen=True, tag="abnormal"):
    """Which meters are abnormal now, and why, from a place in the list on."""

    offset: int = 0
    limit: int = ROWS_MAX


class AskEvents(Query[Events], frozen=True, tag="events"):
    """The event records, newest first, from a place in the list on."""

    offset: int = 0
    limit: int = ROWS_MAX


class AskSettings(Query[SettingsView], frozen=True, tag="settings"):
    """The settings that the concentrator works by."""


class ReadNow(Query[Snapshot], frozen=True, tag="read_now"):
    """Read one meter now, before the work of the plan."""

    point: int


View: TypeAlias = (
    Abnormal
    | Archive
    | Buses
    | Events
    | Failures
    | Head
    | MeterDetail
    | Network
    | SettingsView
    | Snapshot
    | Status
)

ANSWERS: Mapping[type[Query[Any]], type[View]] = MappingProxyType(
    {
        AskHead: Head,
        AskStatus: Status,
        AskNetwork: Network,
        AskArchive: Archive,
        AskMeter: MeterDetail,
        AskBuses: Buses,
        AskFailures: Failures,
        AskAbnormal: Abnormal,
        AskEvents: Events,
        AskSettings: SettingsView,
        ReadNow: Snapshot,
    }
)
"""What each question is answered with."""

"""What a concentrator has done since it was started, for screens, tests and JSON."""

from dataclasses import asdict, dataclass, field

__all__ = ["BusCounters", "Counters", "UplinkCounters", "WatchCounters", "WayCounters"]


@dataclass(slots=True)
class BusCounters:
    """One bus."""

    rounds: int = 0
    sessions: int = 0  #: meters talked to
    silent_sessions: int = 0  #: meters that did not say a word
    broken_sessions: int = 0  #: talks that a bug of ours has ended
    requests: int = 0
    retries: int = 0  #: requests sent again
    discarded: int = 0  #: pieces of noise, damaged and foreign frames
    bytes_out: int = 0
    bytes_in: int = 0
    readings: int = 0
    gaps_opened: int = 0
    gaps_filled: int = 0
    lost: int = 0
    forwarded: int = 0  #: frames of the head-end that were answered
    forwarded_silent: int = 0  #: and those that were not
    link_failures: int = 0


@dataclass(slots=True)
class WayCounters:
    """One of the ways to the head-end."""

    connects: int = 0
    failures: int = 0  #: connections that ended badly or could not be made
    last_failure: str = ""
    probes: int = 0  #: attempts to connect while another way was used
    probes_failed: int = 0


@dataclass(slots=True)
class UplinkCounters:
    """The connection to the head-end, whatever way it takes."""

    way: str = ""  #: the one that is used or tried
    switches: int = 0  #: from one way to another
    connects: int = 0
    failures: int = 0  #: connections that ended badly or could not be made
    last_failure: str = ""
    logged_in: bool = False
    reports: int = 0  #: confirmed by the head-end
    reports_denied: int = 0
    reports_unanswered: int = 0
    readings_delivered: int = 0
    readings_withheld: int = 0
    heartbeats: int = 0
    requests_answered: int = 0
    requests_denied: int = 0
    requests_failed: int = 0  #: denied because of a bug
    requests_stale: int = 0  #: older than their time tag permits; not answered
    events_reported: int = 0  #: confirmed by the head-end
    events_denied: int = 0  #: each time; a record that is denied is offered again later
    task_reports: int = 0  #: of 04-F65 and F66, confirmed by the head-end
    task_reports_denied: int = 0  #: each time; they are offered again later
    tasks_broken: int = 0  #: runs of report tasks that a bug of ours has ended
    broken: int = 0  #: times that a bug of ours has ended a connection or the making of reports


@dataclass(slots=True)
class WatchCounters:
    """Clocks and events of the meters."""

    looks: int = 0  #: status words read
    events: int = 0  #: records made of what meters told
    clocks_told: int = 0  #: meters that were told the time
    clocks_adjusted: int = 0  #: meters that took it
    broken_visits: int = 0  #: that a bug of ours has ended


@dataclass(slots=True)
class Counters:
    """All of it."""

    buses: dict[str, BusCounters] = field(default_factory=dict)  #: by name of the bus
    uplink: UplinkCounters = field(default_factory=UplinkCounters)
    ways: dict[str, WayCounters] = field(default_factory=dict)  #: by name: uplink, standby
    watch: WatchCounters = field(default_factory=WatchCounters)

    def as_dict(self) -> dict[str, object]:
        """Plain types, for JSON."""
        return asdict(self)

"""The pages about the concentrator itself: status, way up, rounds, what is missing, events."""

from typing import Any

from kwhub.concentrator.display.layout import LABEL_CELLS, WIDE, Look, ends, facts, fit
from kwhub.concentrator.display.pages import FactsPage, ListPage, Page
from kwhub.concentrator.display.pages_meters import MeterPage
from kwhub.concentrator.panel_views import (
    AbnormalView,
    AskAbnormal,
    AskBuses,
    AskEvents,
    AskFailures,
    AskNetwork,
    AskSettings,
    AskStatus,
    Buses,
    EventView,
    FailureView,
    Network,
    Query,
    SettingsView,
    Status,
    UplinkView,
)

__all__ = [
    "AbnormalPage",
    "EventPage",
    "EventsPage",
    "FailurePage",
    "FailuresPage",
    "NetworkPage",
    "RoundsPage",
    "StatusPage",
    "WorkingPage",
]

_DAY_S = 86_400
_BAR_CELLS = 20


class StatusPage(FactsPage):
    """How the concentrator is."""

    title = "status"

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return AskStatus()

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        status: Status = self.view
        told = look.texts
        running = (look.now or status.started_at) - status.started_at
        pairs = [
            ("terminal", status.terminal),
            ("name", status.name or told("word.none")),
            ("running", _span(running, look)),
            ("meters", str(status.meters)),
            ("silent", str(status.meters_silent)),
            ("buses", str(status.buses)),
            ("down", str(status.buses_down)),
            ("waiting", str(status.waiting)),
            ("withheld", str(status.withheld)),
            ("open", str(status.gaps_open)),
            ("lost", str(status.gaps_lost)),
            ("important", str(status.events_important)),
            ("normal", str(status.events_normal)),
            ("offset", told("word.seconds", count=status.clock_offset_s)),
            ("version", status.version),
        ]
        return facts([(told(f"status.{key}"), value) for key, value in pairs], look.width)


class NetworkPage(FactsPage):
    """The way to the head-end."""

    title = "network"

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return AskNetwork()

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        network: Network = self.view
        told = look.texts
        pairs = [
            ("state", told("word.online" if network.is_online else "word.offline")),
            ("allowed", told.yes_no(value=network.reports_allowed)),
            ("heartbeat", told("word.seconds", count=network.heartbeat_s)),
            ("connects", str(network.connects)),
            ("failures", str(network.failures)),
            ("reports", str(network.reports)),
            ("denied", str(network.reports_denied)),
            ("unanswered", str(network.reports_unanswered)),
            ("delivered", str(network.readings_delivered)),
            ("answered", str(network.requests_answered)),
            ("requests_denied", str(network.requests_denied)),
            ("tasks", str(network.tasks)),
            ("task_reports", str(network.task_reports)),
            ("tasks_waiting", str(network.task_reports_waiting)),
        ]
        named = [(told(f"network.{key}"), value) for key, value in pairs]
        for way in network.uplinks:
            named += _way(way, look)
        return facts(named, look.width)


def _way(way: UplinkView, look: Look) -> list[tuple[str, str]]:
    told = look.texts
    used = f" ({told('network.used')})" if way.is_used else ""
    pairs = [
        (told(f"network.{way.name}") + used, way.address),
        (told("network.connects"), str(way.connects)),
        (told("network.failures"), str(way.failures)),
    ]
    if way.last_failure:
        pairs.append((told("network.failure"), way.last_failure))
    return pairs


class RoundsPage(FactsPage):
    """How far the buses are."""

    title = "rounds"

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return AskBuses()

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        buses: Buses = self.view
        told = look.texts
        lines = facts([(told("rounds.hour"), look.moment(buses.hour))], look.width)
        for bus in buses.rows:
            state = told("rounds.up" if bus.is_up else "rounds.down")
            lines += [ends(f"- {bus.name}", state, min(look.width, WIDE))]
            done = f"{_bar(bus.meters_done, bus.meters, look)}{bus.meters_done}/{bus.meters}"
            pairs = [
                ("done", done),
                ("silent", str(bus.meters_silent)),
                ("rounds", str(bus.rounds)),
                ("requests", str(bus.requests)),
                ("retries", str(bus.retries)),
                ("discarded", str(bus.discarded)),
                ("failures", str(bus.link_failures)),
            ]
            lines += facts([(told(f"rounds.{key}"), value) for key, value in pairs], look.width)
        return lines


def _bar(done: int, count: int, look: Look) -> str:
    """A bar of the progress where there is room for it."""
    if look.width < WIDE or not count:
        return ""
    full = _BAR_CELLS * done // count
    return f"[{'#' * full}{'.' * (_BAR_CELLS - full)}] "


class FailuresPage(ListPage):
    """What is missing, and why."""

    title = "failures"

    def query(self, height: int) -> Query[Any]:
        """See Page."""
        return AskFailures(*self.window(height))

    def line(self, item: FailureView, look: Look) -> str:
        """See ListPage."""
        told = look.texts
        left = f"{item.point:>4} {told(f'state.{item.state}')} "
        if look.width >= WIDE:
            left = f"{item.point:>4}  {item.address:<14}{fit(told(f'state.{item.state}'), 8)}"
        right = "" if item.state == "silent" else f" {item.count}"
        return ends(f"{left}{told.cause(item.cause)}", right, look.width)

    def opened(self, item: FailureView) -> Page:
        """See ListPage."""
        return FailurePage(item)


class FailurePage(FactsPage):
    """One failure; needs no question."""

    title = "failure"

    def __init__(self, failure: FailureView) -> None:
        super().__init__()
        self._failure = failure

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        failure, told = self._failure, look.texts
        pairs = [
            ("point", str(failure.point)),
            ("state", told(f"state.{failure.state}")),
            ("cause", told.cause(failure.cause)),
            ("count", str(failure.count)),
            ("first", look.moment(failure.first)),
            ("last", look.moment(failure.last)),
        ]
        if failure.next_try is not None:
            pairs.append(("next", look.moment(failure.next_try)))
        if failure.reason:
            pairs.append(("reason", failure.reason))
        named = [(told(f"failures.{key}"), value) for key, value in pairs]
        named.insert(1, (told("meter.address"), failure.address or told("word.unknown")))
        return facts(named, look.width)


class AbnormalPage(ListPage):
    """Which meters are abnormal, and why."""

    title = "abnormal"

    def query(self, height: int) -> Query[Any]:
        """See Page."""
        return AskAbnormal(*self.window(height))

    def line(self, item: AbnormalView, look: Look) -> str:
        """See ListPage."""
        name = f"{item.point:>4} {item.address:<13}" if look.width >= WIDE else f"{item.point:>4} "
        words = look.texts.either(item.text_en, item.text_zh)
        return ends(f"{name}{words}", f" {look.moment(item.since)}", look.width)

    def opened(self, item: AbnormalView) -> Page:
        """See ListPage."""
        return MeterPage(item.point)


class EventsPage(ListPage):
    """The event records, newest first."""

    title = "events"

    def query(self, height: int) -> Query[Any]:
        """See Page."""
        return AskEvents(*self.window(height))

    def line(self, item: EventView, look: Look) -> str:
        """See ListPage."""
        mark = "!" if item.is_important else " "
        place = look.texts.either(item.place_en, item.place_zh)
        return f"{mark}{look.moment(item.at)} {look.texts.event(item.code)} {place}".rstrip()

    def opened(self, item: EventView) -> Page:
        """See ListPage."""
        return EventPage(item)


class EventPage(FactsPage):
    """One event; needs no question."""

    title = "event"

    def __init__(self, event: EventView) -> None:
        super().__init__()
        self._event = event

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        event, told = self._event, look.texts
        weight = told("events.important" if event.is_important else "events.normal")
        pairs = [
            ("code", f"ERC{event.code} {told.event(event.code)}"),
            ("number", str(event.number)),
            ("at", look.moment(event.at)),
            ("weight", weight),
            ("reported", told.yes_no(value=event.is_reported)),
            ("record", told.either(event.text_en, event.text_zh)),
        ]
        return facts([(told(f"events.{key}"), value) for key, value in pairs], look.width)


class WorkingPage(FactsPage):
    """The settings that the concentrator works by, named as in its file."""

    title = "working"

    def query(self, height: int) -> Query[Any]:  # noqa: ARG002
        """See Page."""
        return AskSettings()

    def lines(self, look: Look) -> list[str]:
        """See FactsPage."""
        view: SettingsView = self.view
        wide = look.width >= WIDE + LABEL_CELLS
        return facts(view.rows, look.width if wide else min(look.width, WIDE - 1))


def _span(seconds: int, look: Look) -> str:
    days, rest = divmod(max(0, seconds), _DAY_S)
    time = f"{rest // 3_600:02d}:{rest // 60 % 60:02d}"
    return look.texts("word.days", days=days, time=time)

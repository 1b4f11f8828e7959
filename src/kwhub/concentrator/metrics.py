"""Metrics for Prometheus over HTTP on this machine; never a meter number among the labels.

Source: Prometheus text format 0.0.4 and its naming practices (base units, ``_total`` for counters).
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kwhub.domain.errors import LinkDown

if TYPE_CHECKING:
    from kwhub.concentrator.app import Concentrator

__all__ = ["Metrics", "serve_metrics"]

REQUEST_S = 5.0
"""How long a caller may take over its request."""

REQUEST_BYTES_MAX = 8_192

_BUS = (
    ("rounds", "Rounds over all meters of a bus."),
    ("sessions", "Meters talked to."),
    ("silent_sessions", "Meters that did not say a word."),
    ("broken_sessions", "Talks with a meter that a bug has ended."),
    ("requests", "Requests sent to meters."),
    ("retries", "Requests sent again."),
    ("discarded", "Pieces of noise, damaged and foreign frames."),
    ("bytes_out", "Bytes sent."),
    ("bytes_in", "Bytes received."),
    ("readings", "New readings kept."),
    ("gaps_opened", "Planned values that did not come."),
    ("gaps_filled", "Of these, values that came later."),
    ("lost", "Planned values that cannot be had any more."),
    ("forwarded", "Frames of the head-end that were answered."),
    ("link_failures", "Times that the link of the bus failed."),
)
_UPLINK = (
    ("switches", "Changes from one way to another."),
    ("reports", "Reports that the head-end confirmed."),
    ("reports_denied", "Reports that the head-end denied."),
    ("reports_unanswered", "Reports that the head-end did not answer."),
    ("readings_delivered", "Readings that the head-end confirmed."),
    ("readings_withheld", "Readings that are kept back."),
    ("heartbeats", "Heartbeats sent."),
    ("requests_answered", "Requests of the head-end that were answered."),
    ("requests_denied", "Requests of the head-end that were denied."),
    ("requests_failed", "Requests of the head-end that were denied because of a bug."),
    ("events_reported", "Event records that the head-end confirmed."),
    ("events_denied", "Event records that the head-end denied, each time."),
    ("task_reports", "Reports of report tasks that the head-end confirmed."),
    ("task_reports_denied", "Reports of report tasks that the head-end denied, each time."),
    ("tasks_broken", "Runs of report tasks that a bug has ended."),
    ("broken", "Times that a bug has ended a connection or the making of reports."),
)
_WATCH = (
    ("status_reads", "looks", "Times that the status words of a meter were read."),
    ("events", "events", "Event records made of what meters told."),
    ("clocks_told", "clocks_told", "Meters that were told the time."),
    ("clocks_adjusted", "clocks_adjusted", "Of these, meters that took it."),
    ("visits_broken", "broken_visits", "Looks at a meter that a bug has ended."),
)
_WAY = (
    ("connects", "Connections made."),
    ("failures", "Connections that ended badly or could not be made."),
    ("probes", "Attempts to connect while another way was used."),
    ("probes_failed", "Of these, those that failed."),
)


class Metrics(Collector):
    """What a concentrator counts, and how it stands."""

    def __init__(self, concentrator: "Concentrator") -> None:
        self._concentrator = concentrator

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        yield from self._counters()
        yield from self._store()
        yield from self._state()

    def _counters(self) -> Iterator[Metric]:
        counters = self._concentrator.counters
        for name, words in _BUS:
            family = CounterMetricFamily(f"kwhub_bus_{name}", words, labels=["bus"])
            for bus, counts in counters.buses.items():
                family.add_metric([bus], getattr(counts, name))
            yield family
        for name, words in _UPLINK:
            yield CounterMetricFamily(f"kwhub_uplink_{name}", words, getattr(counters.uplink, name))
        for name, field, words in _WATCH:
            yield CounterMetricFamily(f"kwhub_meter_{name}", words, getattr(counters.watch, field))
        for name, words in _WAY:
            family = CounterMetricFamily(f"kwhub_way_{name}", words, labels=["way"])
            for way, each in counters.ways.items():
                family.add_metric([way], getattr(each, name))
            yield family

    def _store(self) -> Iterator[Metric]:
        size, database = self._concentrator.size, self._concentrator.outbox.database
        sql = (
            "SELECT (SELECT count(*) FROM reading WHERE delivered_at IS NULL AND withheld IS NULL),"
            " (SELECT count(*) FROM gap WHERE state = 'open'),"
            " (SELECT count(*) FROM task_report)"
        )
        waiting, gaps, told = database.rows(sql)[0]
        for name, words, value in (
            ("store_waiting_readings", "Readings that the head-end has not confirmed.", waiting),
            ("store_waiting_task_reports", "Reports of report tasks that wait.", told),
            ("store_open_gaps", "Planned values that are still asked for.", gaps),
            ("store_used_bytes", "Size of the store.", size.used_bytes()),
            ("store_limit_bytes", "Limit of it.", size.limit_bytes),
            ("store_full", "1 while it is full of what is not delivered.", size.is_full),
        ):
            yield GaugeMetricFamily(f"kwhub_{name}", words, value)
        yield CounterMetricFamily(
            "kwhub_store_dropped_readings", "Delivered readings that gave way.", size.dropped
        )

    def _state(self) -> Iterator[Metric]:
        watch, counters = self._concentrator.watch, self._concentrator.counters
        for name, words, value in (
            ("meters", "Meters of the plan.", sum(len(b.meters) for b in self._concentrator.buses)),
            ("meters_silent", "Meters that do not answer.", len(watch.silent)),
            ("store_trouble", "1 while the store cannot be used.", bool(watch.trouble)),
            ("uplink_logged_in", "1 while the head-end knows us.", counters.uplink.logged_in),
        ):
            yield GaugeMetricFamily(f"kwhub_{name}", words, value)
        yield CounterMetricFamily("kwhub_clock_jumps", "Times that the clock was set.", watch.jumps)
        down = GaugeMetricFamily("kwhub_bus_up", "1 while the link of a bus is up.", labels=["bus"])
        for bus in self._concentrator.buses:
            down.add_metric([bus.settings.name], not bus.is_down)
        yield down
        used = GaugeMetricFamily("kwhub_way_used", "1 for the way that is used.", labels=["way"])
        for way in counters.ways:
            used.add_metric([way], way == counters.uplink.way)
        yield used


async def serve_metrics(concentrator: "Concentrator", host: str, port: int) -> asyncio.Server:
    """Answer ``GET /metrics`` until the server is closed.

    Raises:
        LinkDown: the port cannot be opened.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(concentrator))

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, registry))
                await writer.drain()
        writer.close()

    try:
        return await asyncio.start_server(attend, host, port, limit=REQUEST_BYTES_MAX)
    except OSError as error:
        raise LinkDown(f"metrics on {host}:{port}: {error.strerror or error}") from error


def _answer(head: bytes, registry: CollectorRegistry) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method != b"GET" or path != b"/metrics":
        return b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    body = generate_latest(registry)
    lines = (
        "HTTP/1.1 200 OK",
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

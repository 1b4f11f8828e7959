"""What a head-end counts, for Prometheus; never a meter or a terminal among the labels.

Source: Prometheus text format 0.0.4 and its naming practices (base units, ``_total`` for counters).
"""

from collections.abc import Iterator
from datetime import timedelta

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from kwhub.headend.api.site import Site
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import area_days, fleet, schema
from kwhub.headend.store.schema_quality import hole
from kwhub.headend.store.views import OrderState

__all__ = ["ROUTES", "HeadEndMetrics", "metrics"]

_FRONT = (
    ("reports", "Reports of terminals that were confirmed."),
    ("readings", "Readings in them."),
    ("strays", "Values that have no register."),
    ("denied", "Messages of terminals that were denied."),
    ("replaced", "Log-ins that took the place of a dead connection."),
    ("doubled", "Log-ins that were refused beside a terminal that lives."),
    ("flapping", "Times that two log-ins of one terminal alternated."),
    ("flaps", "Alarms of terminals that log in again and again."),
    ("refused", "Reports that were refused."),
    ("cut", "Connections that were cut."),
    ("discarded", "Pieces of noise and damaged frames."),
    ("foreign", "Frames for another address."),
    ("not_stored", "Times that the store did not take something."),
    ("throttled", "Times that a terminal had to wait."),
    ("other_profile", "Frames in another profile."),
    ("unknown_protocol", "Callers who speak something else."),
    ("late", "Callers who did not log in in time."),
    ("full", "Callers who found no place."),
    ("crowded", "Callers of an address with too many."),
    ("crowded_out", "Strangers who made room."),
)

_OPEN = [each.value for each in OrderState if not each.final]


class HeadEndMetrics(Collector):
    """What a head-end counts, and how it stands."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """Called by the registry. Raises StoreError."""
        counters = self._site.front.counters
        for name, words in _FRONT:
            yield CounterMetricFamily(f"kwhub_front_{name}", words, counters[name])
        yield from self._state()

    def _state(self) -> Iterator[Metric]:
        site, yesterday = self._site, self._site.today() - timedelta(days=1)
        with site.queries.reading() as connection:
            terminals, online = fleet.connected(connection)
            kept = area_days.sums(connection, yesterday, yesterday).get(yesterday)
            orders = schema.orders
            waiting = connection.execute(
                select(func.count()).where(orders.c.state.in_(_OPEN))
            ).scalar_one()
            holes = connection.execute(
                select(func.count()).where(hole.c.state == "open")
            ).scalar_one()
        for name, words, value in (
            ("terminals", "Active terminals.", terminals),
            ("terminals_online", "Terminals that are connected.", online),
            (
                "terminals_flapping",
                "Terminals that log in again and again.",
                site.front.flapping.terminals,
            ),
            ("journal_waiting_readings", "Readings that are not packed yet.", site.store.waiting),
            ("orders_open", "Orders that are not over.", waiting),
            ("ledger_open_holes", "Series of a meter and day that are still asked for.", holes),
        ):
            yield GaugeMetricFamily(f"kwhub_{name}", words, value)
        if kept is not None and kept.expected:
            yield GaugeMetricFamily(
                "kwhub_completeness_ratio",
                "Part of what was owed for yesterday that came.",
                kept.got / kept.expected,
            )


@get("/metrics", media_type=MediaType.TEXT, sync_to_thread=True, opt=needs(Right.SEE))
def metrics(site: NamedDependency[Site], caller: NamedDependency[Caller]) -> Response[bytes]:
    """What the head-end counts, for Prometheus; needs the right to see every organisation."""
    if caller.scope() is not None:
        raise PermissionDeniedException("metrics need the right in all organisations")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HeadEndMetrics(site))
    media = "text/plain; version=0.0.4; charset=utf-8"
    return Response(generate_latest(registry), media_type=media)


ROUTES = (metrics,)

"""Metrics: what Prometheus fetches, over HTTP on this machine."""

import asyncio

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families
from tests.concentrator.world import START, World

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import MetricsSettings, loads
from kwhub.concentrator.metrics import serve_metrics
from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock


async def fetch(port, request=b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


@pytest.fixture
async def concentrator(tmp_path):
    world = World(LoopClock(START), tmp_path / "store.sqlite")
    made = Concentrator(world.config, world.clock, chance=seeded(1), open_link=world._open_link)
    yield made
    made.close()


async def test_what_is_fetched(concentrator):
    concentrator.counters.buses["bus-1"].requests = 17
    concentrator.counters.uplink.way = "uplink"
    concentrator.counters.watch.clocks_told = 5
    server = await serve_metrics(concentrator, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    head, _, body = (await fetch(port)).partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }
    assert samples["kwhub_bus_requests_total", "bus-1"] == 17
    assert samples["kwhub_meters",] == 4
    assert samples["kwhub_meter_clocks_told_total",] == 5
    assert samples["kwhub_way_used", "uplink"] == 1
    assert samples["kwhub_uplink_logged_in",] == 0
    assert samples["kwhub_store_limit_bytes",] == 1 << 30
    assert 0 < samples["kwhub_store_used_bytes",] < 1 << 20
    labels = {
        name
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        for name in sample.labels
    }
    assert labels == {"bus", "way"}
    for bus in concentrator.buses:
        for meter in bus.meters:
            assert meter.settings.address not in body
    for request in (b"GET / HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n"):
        assert (await fetch(port, request)).startswith("HTTP/1.1 404")
    assert await fetch(port, b"G" * 20_000 + b"\r\n\r\n") == ""
    with pytest.raises(LinkDown, match=f"metrics on 127.0.0.1:{port}: .*in use"):
        await serve_metrics(concentrator, "127.0.0.1", port)
    server.close()
    await server.wait_closed()


def test_metrics_are_of_this_machine_only():
    assert MetricsSettings("127.0.0.1:9110").where() == ("127.0.0.1", 9110)
    assert MetricsSettings("[::1]:9110").where() == ("::1", 9110)
    text = (
        '[concentrator]\nregion = "4101"\nterminal = 1\n[uplink]\naddress = "tcp:a:1"\n'
        '[metrics]\naddress = "{}"\n[[bus]]\nname = "b"\naddress = "tcp:b:1"\nport = 2\n'
    )
    for wrong in ("0.0.0.0:9110", "127.0.0.1", "localhost:9110", "127.0.0.1:99999"):
        with pytest.raises(ConfigError, match=r":7: metrics.address: must be an address of this"):
            loads(text.format(wrong))
    assert structs.asdict(loads(text.format("")).metrics) == {"address": ""}

"""Serving inside a running loop: a free port, a clean end, signals left alone."""

import asyncio
import signal
import socket

import httpx
import pytest
from tests.headend.web_world import filled

from kwhub.domain.errors import LinkDown
from kwhub.headend.web.app import create_app, serve

pytestmark = pytest.mark.slow


@pytest.fixture
def app(tmp_path):
    headend = filled(tmp_path / "headend.sqlite")
    yield create_app(headend)
    headend.store.close()


async def test_pages_are_served_on_a_free_port_until_cancelled(app):
    before = signal.getsignal(signal.SIGINT)
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(app, "127.0.0.1", 0, ready=told.set_result))
        address = await told
        assert signal.getsignal(signal.SIGINT) is before
        async with httpx.AsyncClient(base_url=address, trust_env=False) as reader:
            answer = await reader.get("/healthz")
            assert answer.json() == {"status": "ok"}
            assert "server" not in answer.headers
        serving.cancel()
    port = httpx.URL(address).port
    assert port
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


async def test_a_taken_port_is_said(app):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkDown, match=f"127.0.0.1:{port}"):
            await serve(app, "127.0.0.1", port)

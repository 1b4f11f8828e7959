"""Read now, from the page through a real concentrator to a simulated meter and back."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.headend.web_live import SILENT, alone, live
from tests.headend.web_world import (
    BASE,
    ENERGY,
    NOW,
    address,
    client,
    filled,
    form_token,
    way_in,
)

from kwhub.headend.web.app import create_app
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

pytestmark = pytest.mark.slow

PARTS = {"HX-Request": "true", "HX-Target": "order"}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


@asynccontextmanager
async def reader(folder) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's requests to the pages of a live head-end, all on one loop."""
    headers = {"Accept-Language": "en", "Origin": BASE}
    async with live(folder) as headend:
        way = httpx.ASGITransport(create_app(headend))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=way, base_url=BASE, headers=headers) as made:
            await made.get(way_in(headend))
            made.headers["X-CSRF-Token"] = form_token(headend, made)
            yield made


async def card(pages: httpx.AsyncClient, first: str) -> str:
    """Follow the card of an order as the page does, until it asks no more."""
    html = first
    async with asyncio.timeout(10):
        while asks := re.search(r'hx-get="(/orders/\d+/card)" hx-trigger="every 500ms"', html):
            await asyncio.sleep(0.02)
            html = (await pages.get(asks[1], headers=PARTS)).text
    return html


async def test_read_now_shows_the_value_with_both_frames_explained(tmp_path):
    async with reader(tmp_path) as pages:
        placed = await pages.post("/meters/2/orders", data={"register": ENERGY}, headers=PARTS)
        assert placed.status_code == 200
        done = await card(pages, placed.text)
        text = words(done)
        assert re.search(r"Order 1 done 2026-03-04 12:40:\d\d · took \d+\.\d s · admin", text), text
        assert re.search(r"1-0:1\.8\.0 · 00010000 [\d,]+\.\d\d kWh", text), text
        assert "Request, as sent to the meter" in text
        assert text.count(address(2)) == 2  # decoded out of the request and out of the answer
        assert "33 33 34 33" in text  # the identifier as it is on the wire
        assert "broken" not in done
        page = words((await pages.get("/orders/1")).text)
        assert "Order 1" in page
        assert "done" in page
        history = words((await pages.get("/meters/2/orders")).text)
        assert "done" in history


async def test_what_was_read_now_is_the_latest_value(tmp_path):
    async with reader(tmp_path) as pages:
        placed = await pages.post("/meters/2/orders", data={"register": ENERGY}, headers=PARTS)
        await card(pages, placed.text)
        assert "instant" in words((await pages.get("/meters/2/latest", headers=PARTS)).text)


@pytest.mark.parametrize(
    ("connected", "english", "chinese"),
    [
        (True, ("no answer", "did not answer in time", "Nothing came back"), "电表没有应答"),
        (False, ("terminal offline", "nothing could be sent"), "终端未连接"),
    ],
)
def test_the_reason_why_not_is_told_in_both_languages(tmp_path, connected, english, chinese):
    async def order(clock: LoopClock) -> None:
        world = live(tmp_path) if connected else alone(tmp_path, clock)
        async with world as headend:
            await headend.orders.wait(await headend.orders.read_now(SILENT, [ENERGY], by="test"))

    run_virtual(order, start=NOW)  # its seconds of waiting take no time
    headend = filled(tmp_path / "headend.sqlite")
    try:
        with client(headend, **{"Accept-Language": "en"}) as pages:
            text = words(pages.get("/orders/1").text)
        with client(headend, **{"Accept-Language": "zh"}) as pages:
            other = words(pages.get("/orders/1").text)
    finally:
        headend.store.close()
    assert [each for each in english if each not in text] == []
    assert ("Request, as sent to the meter" in text) is connected
    assert f"未抄到 {chinese}" in other


async def test_a_register_that_the_meter_lacks_does_not_spoil_the_others(tmp_path):
    async with reader(tmp_path) as pages:
        registers = [ENERGY, "1-0:32.7.0", "1-0:14.7.0"]
        placed = await pages.post("/meters/1/orders", data={"register": registers}, headers=PARTS)
        text = words(await card(pages, placed.text))
        assert re.search(r"2\d\d\.\d V", text), text
        assert "kWh" in text


async def test_without_scripts_the_form_leads_to_the_page_of_the_order(tmp_path):
    async with reader(tmp_path) as pages:
        answer = await pages.post("/meters/2/orders", data={"register": ENERGY})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/orders/1"


async def test_the_api_reads_a_meter(tmp_path):
    async with reader(tmp_path) as pages:
        placed = await pages.post("/api/v1/meters/2/orders", json={"registers": ["1.8.0"]})
        assert placed.status_code == 202
        async with asyncio.timeout(10):
            while not (order := (await pages.get("/api/v1/orders/1")).json())["final"]:  # noqa: ASYNC110 - asked as users ask
                await asyncio.sleep(0.02)
        item = order["items"][0]
        assert order["state"] == "done"
        assert re.fullmatch(r"\d+\.\d\d", item["value"])
        assert item["unit"] == "kWh"
        assert item["answer"].endswith("16")
        assert item["error"] is None

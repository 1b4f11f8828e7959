"""The head-end's pages and API that give handhelds work and orders, and the second person."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from cryptography import x509
from playwright.async_api import async_playwright
from sqlalchemy import select, update
from tests.headend.test_web_accessibility import AXE, RUN
from tests.headend.test_web_chromium import CHROMIUM, FLAGS, REQUIRED
from tests.headend.web_world import (
    NOW,
    StandingClock,
    address,
    client,
    settings,
    signed_in,
    way_in,
)
from tests.identity.test_databases import request

from kwhub.exchange.device_messages import Carry, Denied, DeviceReading, Upload
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.records import Description, Visitor
from kwhub.headend.people import trail
from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.schema_devices import device_grant, device_order, device_work
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve

NAME = "device-000001"
ROUND = {"allow": ["read"], "uses": "2", "hours": "24"}
TRIP = {"meter": address(2), "operation": "relay-trip", "detail": "", "minutes": "30"}


def made(folder):
    """A head-end with root keys, two organisations, and a handheld at work."""
    keys = folder / "roots"
    keys.write_text("11" * 16)
    keys.chmod(0o600)
    config = msgspec.structs.replace(
        settings(folder / "h.sqlite"),
        devices=Devices(folder=str(folder / "ca"), root_key=str(keys)),
        orders=Ordering(trips_per_hour=5, trip_share_per_hour=1.0),
    )
    headend = HeadEnd(config, StandingClock())
    with headend._database.write() as connection:
        for number in (1, 2):
            row = {"id": number, "code": f"O{number}", "name": f"Org {number}", "name_zh": ""}
            connection.execute(schema_archive.organisation.insert().values(**row))
            where = schema.area.c.id == number
            connection.execute(update(schema.area).where(where).values(organisation_id=number))
    return headend


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    headend = made(tmp_path_factory.mktemp("giving"))
    visitor = at_work(headend)
    yield headend, visitor
    headend.devices.close()
    headend.store.close()


def at_work(headend):
    """A device that has used its identity once; as the head-end sees it."""
    registry = headend.devices.registry
    given = registry.allocate(Description("T5", "0815", "ann", "TQ-31"), "admin")
    first = registry.enrol(given.device, given.secret, request())
    serial = x509.load_pem_x509_certificate(first.chain.encode()).serial_number
    with headend._database.write() as connection:
        visitor = registry.admit(connection, f"{serial:x}", NOW)
    assert isinstance(visitor, Visitor)
    return visitor


@pytest.fixture
def browser(office):
    with client(office[0]) as found:
        yield found


def rows(headend, table):
    with headend._database.read() as connection:
        return connection.execute(select(table).order_by(table.c.id)).all()


def number_of(answer):
    return int(str(answer.url).rpartition("/")[2])


def test_meters_are_chosen_by_area_terminal_and_search(browser):
    page = browser.get(f"/devices/{NAME}/give").text
    assert "Choose an area or search above" in page
    assert "<option>TQ-31</option>" in page
    page = browser.get(f"/devices/{NAME}/give?area=TQ-31").text
    assert page.count('name="meter"') == 54
    assert "54 meters fit" in page
    assert "Pole 7" in page
    page = browser.get(f"/devices/{NAME}/give?area=TQ-31&terminal=Pole+9").text
    assert page.count('name="meter"') == 0
    assert "No active meter fits" in page
    page = browser.get(f"/devices/{NAME}/give?search=flat+1").text
    assert page.count('name="meter"') == 10  # Flat 10 to Flat 19
    assert "共 10 块表" in browser.get(f"/devices/{NAME}/give?search=flat+1&lang=zh").text
    browser.get("/devices?lang=en")


def test_a_round_is_given_watched_and_recalled(office, browser):
    headend, visitor = office
    form = ROUND | {
        "meter": [address(2), address(3)],
        "addresses": f"{address(4)}, {address(2)}",
        "allow": ["read", "freeze"],
        "note": "<before the holidays>",
    }
    answer = browser.post(f"/devices/{NAME}/give", data=form)
    number = number_of(answer)
    assert "0 of 3 meters read" in answer.text
    assert "&lt;before the holidays&gt;" in answer.text
    service = headend.devices
    with headend._database.write() as connection:
        (order,) = (e for e in service.work.open_work(connection, visitor).orders if e.id == number)
        assert [each.address for each in order.meters] == [address(2), address(3), address(4)]
        assert {(each.operation, each.uses) for each in order.grants} == {
            ("read", 2),
            ("freeze", 2),
        }
        at = int(NOW.timestamp())
        readings = (
            DeviceReading(address(2), "1-0:1.8.0", Decimal("77.25"), "kWh", at),
            DeviceReading(address(9), "1-0:1.8.0", Decimal(1), "kWh", at),  # not of this round
        )
        used = ((order.grants[0].id, 1),)
        service.work.take(connection, visitor, Upload(f"upload-{number}", number, readings, used))
    part = browser.get(
        f"/device-work/{number}", headers={"HX-Request": "true", "HX-Target": "round"}
    ).text
    assert "<html" not in part
    assert "1 of 3 meters read" in part
    assert "77.25" in part
    assert "1/4" in part  # of two uses to read and two to freeze
    assert "1/3" in browser.get(f"/devices/{NAME}").text
    lines = browser.get(f"/device-work/{number}?table=round&as=csv").text.splitlines()
    assert len(lines) == 4
    gone = browser.post(f"/device-work/{number}/recall")
    assert "recalled" in gone.text
    with headend._database.write() as connection:
        open_now = [each.id for each in service.work.open_work(connection, visitor).orders]
    assert number not in open_now


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"meter": []}, "choose at least one meter"),
        ({"meter": ["000000000001"]}, "has no active meter 000000000001"),
        ({"allow": []}, "may be allowed read"),
        ({"allow": ["read", "relay-trip"]}, "may be allowed read"),
        ({"uses": "0"}, "1 to 100 times"),
        ({"uses": "many"}, "many is no number"),
        ({"hours": "9999"}, "1 to 720 hours"),
        ({"register": "1-0:77.77.7"}, "1-0:77.77.7"),
        ({"note": "x" * 301}, "at most 300 characters"),
    ],
)
def test_wrong_rounds_are_told_and_give_nothing(office, browser, change, told):
    before = len(rows(office[0], device_work))
    form: dict[str, Any] = ROUND | {"meter": [address(2)], "area": "TQ-31"} | change
    answer = browser.post(f"/devices/{NAME}/give", data=form)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'name="meter"' in answer.text  # the choice is still there
    assert len(rows(office[0], device_work)) == before


def test_an_order_waits_for_a_second_person_and_then_reaches_the_device(office, browser):
    headend, visitor = office
    answer = browser.post(f"/devices/{NAME}/orders", data=TRIP)
    assert answer.status_code == 200
    order = rows(headend, device_order)[-1]
    assert (order.state, order.ordered_by) == ("unapproved", "admin")
    assert "Orders that wait for a second person" in answer.text
    approve, page = f"/device-orders/{order.id}/approve", browser.get("/devices").text
    assert address(2) in page
    assert approve not in page  # not for who has ordered it
    refused = browser.post(approve)
    assert (refused.status_code, "a second person must approve" in refused.text) == (400, True)
    with headend._database.write() as connection:
        step = headend.devices.orders.step(connection, visitor, Carry(order.id, 0))
        assert isinstance(step, Denied)
    with client(headend, role=None) as second:
        signed_in(headend, second, Role.ENGINEER)
        assert approve in second.get("/devices").text
        done = second.post(approve)
        assert f"Order {order.id} goes with it." in done.text
        assert "approved by engineer" in second.get(f"/devices/{NAME}").text
    assert rows(headend, device_order)[-1].approved_by == "engineer"
    with headend._database.write() as connection:
        works = headend.devices.work.open_work(connection, visitor).orders
    assert order.id in {each.carry for each in works}
    browser.post(f"/device-orders/{order.id}/recall")
    assert rows(headend, device_order)[-1].state == "recalled"
    assert rows(headend, device_work)[-1].state == "recalled"
    with headend._database.read() as connection:
        steps = {each.action for each in trail.entries(connection, limit=20)}
    assert steps >= {"device_order", "device_order_approve", "device_order_recall"}


def test_wrong_orders_are_told(browser):
    for change, told in (
        ({"operation": "explode"}, "is none of"),
        ({"minutes": "0"}, "1 to 1440 minutes"),
        ({"meter": "000000000001"}, "has no active meter"),
        ({"operation": "keys", "detail": "two"}, "version of the new keys"),
    ):
        answer = browser.post(f"/devices/{NAME}/orders", data=TRIP | change)
        assert (answer.status_code, told in answer.text) == (400, True)
    gone = browser.post("/device-orders/99/approve")
    assert (gone.status_code, "there is no order 99" in gone.text) == (400, True)
    assert browser.get("/device-work/99").status_code == 404
    assert browser.get("/devices/none/give").status_code == 404


def test_who_handles_another_organisation_gives_approves_and_recalls_nothing(office):
    headend, _ = office
    with client(headend) as admin:
        number = number_of(
            admin.post(f"/devices/{NAME}/give", data=ROUND | {"meter": [address(5)]})
        )
        admin.post(f"/devices/{NAME}/orders", data=TRIP | {"meter": address(6)})
    order = rows(headend, device_order)[-1]
    with client(headend, role=None) as made:
        signed_in(headend, made, Role.ENGINEER, 2)
        own = made.post("/api/v1/devices", json={"area": "TQ-32"}).json()["device"]
        assert made.get(f"/device-work/{number}").status_code == 404
        assert made.post(f"/device-work/{number}/recall").status_code == 404
        assert made.get(f"/devices/{NAME}/give").status_code == 404
        assert "No active meter fits" in made.get(f"/devices/{own}/give?search=Flat").text
        other = made.post(f"/devices/{own}/give", data=ROUND | {"meter": [address(5)]})
        assert (other.status_code, "where you have order" in other.text) == (400, True)
        assert str(order.id) not in made.get("/devices").text.partition("second person")[2][:900]
        assert made.post(f"/device-orders/{order.id}/approve").status_code == 400
        assert made.post(f"/device-orders/{order.id}/recall").status_code == 400
    with client(headend, role=Role.OPERATOR) as made:
        assert made.post(f"/devices/{NAME}/give", data=ROUND).status_code == 403
        assert made.post(f"/devices/{NAME}/orders", data=TRIP).status_code == 403
    assert rows(headend, device_order)[-1].state == "unapproved"
    assert rows(headend, device_work)[-1].state == "open"
    headend.devices.orders.recall(order.id, "admin")


def test_the_same_over_the_api(office, browser):
    headend, _ = office
    wanted = {"meters": [address(7), address(8)], "uses": 1, "note": "api"}
    given = browser.post(f"/api/v1/devices/{NAME}/work", json=wanted)
    assert given.status_code == 201
    number = given.json()["work"]
    told = browser.get(f"/api/v1/device-work/{number}").json()
    assert (told["state"], told["total"], told["read"]) == ("open", 2, 0)
    assert [each["meter"] for each in told["meters"]] == [address(7), address(8)]
    assert {row.uses for row in rows(headend, device_grant) if row.work_id == number} == {1}
    wrong = browser.post(f"/api/v1/devices/{NAME}/work", json={"meters": []})
    assert (wrong.status_code, "choose at least one meter" in wrong.text) == (400, True)
    recalled = browser.post(f"/api/v1/device-work/{number}/recall").json()
    assert recalled["state"] == "recalled"
    assert browser.post(f"/api/v1/device-work/{number}/recall").status_code == 400
    assert browser.get("/api/v1/device-work/99").status_code == 404
    body = {"meter": address(7), "operation": "relay-permit"}
    order = browser.post(f"/api/v1/devices/{NAME}/orders", json=body).json()["order"]
    assert [e["order"] for e in browser.get("/api/v1/device-orders").json()] == [order]
    assert browser.post(f"/api/v1/device-orders/{order}/approve").status_code == 400
    with client(headend, role=None) as second:
        signed_in(headend, second, Role.ENGINEER)
        work = second.post(f"/api/v1/device-orders/{order}/approve").json()["work"]
        assert second.get(f"/api/v1/device-work/{work}").json()["kind"] == "relay-permit"
        assert second.post(f"/api/v1/device-orders/{order}/recall").status_code == 204
    assert browser.get("/api/v1/device-orders").json() == []


@pytest.mark.slow
@pytest.mark.skipif(
    not (CHROMIUM.exists() and AXE.exists()) and not REQUIRED,
    reason="needs chromium, and axe-core, which an editable install fetches",
)
def test_the_pages_have_no_barrier_and_fit(tmp_path):
    headend = made(tmp_path)
    at_work(headend)
    devices = headend.devices
    assert devices
    devices.order(NAME, (address(2), "relay-trip", ""), "boss", 60)
    told = asyncio.run(_looked_at(headend, tmp_path))
    devices.close()
    headend.store.close()
    assert told == []


async def _looked_at(headend, folder):
    """Choice, round and device in dark English on a phone and in light Chinese on a desk."""
    ready = asyncio.get_running_loop().create_future()
    told: list[str] = []

    def complain(error):
        told.append(str(error))

    serving = asyncio.create_task(
        serve(create_app(headend), "127.0.0.1", 0, ready=ready.set_result)
    )
    base = await ready
    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        looks: Any = (("en-GB", "dark", 360), ("zh-CN", "light", 1400))
        for locale, scheme, width in looks:
            context = await chromium.new_context(
                base_url=base,
                locale=locale,
                color_scheme=scheme,
                viewport={"width": width, "height": 800},
            )
            page = await context.new_page()
            page.on("pageerror", complain)
            await page.goto(way_in(headend))
            for name in ("give", "round", "device"):
                if name == "give":
                    await page.goto(f"/devices/{NAME}/give?area=TQ-31")
                elif name == "round":
                    await page.locator("main form.stack button").click()
                    await page.wait_for_selector("#round")
                else:
                    await page.goto(f"/devices/{NAME}")
                await page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
                await page.evaluate(AXE.read_text())
                told += [f"{name} {each}" for each in await page.evaluate(RUN)]
                if await page.evaluate("document.documentElement.scrollWidth") > width:
                    told.append(f"{name} is wider than {width}")
        await chromium.close()
    serving.cancel()
    return told

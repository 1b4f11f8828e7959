"""The head-end's pages and API of handhelds: allocate once, lock, lose, retire, and what one could still do."""

import asyncio
import html
import re
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal

import msgspec
import pytest
from cryptography import x509
from playwright.async_api import async_playwright
from sqlalchemy import update
from tests.headend.test_web_accessibility import AXE, RUN
from tests.headend.test_web_chromium import CHROMIUM, FLAGS, REQUIRED
from tests.headend.web_world import NOW, StandingClock, client, settings, signed_in, way_in
from tests.identity.test_databases import request

from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import Certified, DeviceReading, Upload, WorkMeter
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Devices
from kwhub.headend.identity.records import Description, Visitor
from kwhub.headend.identity.work import NewWork
from kwhub.headend.people import trail
from kwhub.headend.people.rights import Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve

METERS = tuple(WorkMeter(f"{202603000000 + number}") for number in range(1, 4))
CODE = re.compile(r"kwhub-device:[^<\s]+")


@contextmanager
def office(folder):
    """A head-end with two areas of two organisations, and one handheld at work in the first."""
    config = msgspec.structs.replace(
        settings(folder / "h.sqlite"), devices=Devices(folder=str(folder / "ca"))
    )
    headend = HeadEnd(config, StandingClock())
    with headend._database.write() as connection:
        for number in (1, 2):
            row = {"id": number, "code": f"O{number}", "name": f"Org {number}", "name_zh": ""}
            connection.execute(schema_archive.organisation.insert().values(**row))
            where = schema.area.c.id == number
            connection.execute(update(schema.area).where(where).values(organisation_id=number))
    at_work(headend, Description("T5", "0815", "ann", "TQ-31"))
    yield headend
    headend.store.close()


def at_work(headend, description):
    """A device that is enrolled, with rights at three meters, two of whose uses it has told."""
    service = headend.devices
    given = service.registry.allocate(description, "admin")
    first = service.registry.enrol(given.device, given.secret, request())
    assert isinstance(first, Certified)
    serial = x509.load_pem_x509_certificate(first.chain.encode()).serial_number
    with headend._database.write() as connection:
        visitor = service.registry.admit(connection, f"{serial:x}", NOW)
        assert isinstance(visitor, Visitor)
    work = NewWork("collect", METERS, operations=("read", "set-time"), uses=3)
    number = service.work.give(given.device, work, "boss")
    service.orders.order(given.device, (METERS[0].address, "relay-permit", ""), "boss")
    at = int(NOW.timestamp())
    reading = DeviceReading(METERS[0].address, "1-0:1.8.0", Decimal("1.5"), "kWh", at)
    with headend._database.write() as connection:
        (order,) = service.work.open_work(connection, visitor).orders
        used = ((order.grants[0].id, 2),)
        service.work.take(connection, visitor, Upload("upload-1", number, (reading,), used))
    return given.device


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    with office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture(scope="module")
def browser(headend):
    with client(headend) as made:
        yield made


def audited(headend, action):
    with headend._database.read() as connection:
        return [e for e in trail.entries(connection, limit=200) if e.action == action]


def test_the_list_shows_state_and_is_searched_and_downloaded(browser):
    page = browser.get("/devices").text
    assert "device-000001" in page
    assert "TQ-31" in page
    assert "no handhelds" not in browser.get("/devices?search=ANN&state=active").text.casefold()
    assert "No handhelds." in browser.get("/devices?search=nobody").text
    assert "No handhelds." in browser.get("/devices?state=lost").text
    assert "没有手持终端" in browser.get("/devices?state=lost&lang=zh").text
    browser.get("/devices?lang=en")
    lines = browser.get("/devices.csv").text.splitlines()
    assert lines[0].startswith("device,model,serial,owner,area,state,")
    assert lines[1].startswith("device-000001,T5,0815,ann,TQ-31,active,")
    assert browser.get("/devices.xlsx").content[:2] == b"PK"
    assert 'href="/devices"' in browser.get("/meters").text  # the navigation leads there


def shown_code(answer):
    """The enrolment code of an answer's page."""
    found = CODE.search(answer.text)
    assert found
    return EnrolmentCode.parse(html.unescape(found[0]))


def test_a_code_is_shown_once_and_works_once(headend, browser):
    form = {"model": "T6", "serial": "1", "owner": "<bob>", "area": "TQ-32"}
    answer = browser.post("/devices", data=form)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "<svg" in answer.text
    code = shown_code(answer)
    assert code.secret not in browser.get("/devices").text
    assert code.secret not in browser.get(f"/devices/{code.device}").text
    assert "&lt;bob&gt;" in browser.get(f"/devices/{code.device}").text
    registry = headend.devices.registry
    assert isinstance(registry.enrol(code.device, code.secret, request()), Certified)
    assert not isinstance(registry.enrol(code.device, code.secret, request()), Certified)
    assert audited(headend, "device_allocate")[0].who == "admin"
    assert code.secret not in str([e.detail for e in audited(headend, "device_allocate")])


def test_wrong_forms_are_told_and_change_nothing(headend, browser):
    count = len(headend.devices.registry.devices())
    wrong = browser.post("/devices", data={"model": "x" * 101})
    assert (wrong.status_code, "at most 100 characters" in wrong.text) == (400, True)
    wrong = browser.post("/devices", data={"area": "nowhere"})
    assert (wrong.status_code, "is no area" in wrong.text) == (400, True)
    wrong = browser.post("/devices/device-000001/close", data={"step": "explode"})
    assert (wrong.status_code, "is none of" in wrong.text) == (400, True)
    assert browser.get("/devices/device-999999").status_code == 404
    assert browser.post("/devices/device-999999/allocate").status_code == 404
    assert len(headend.devices.registry.devices()) == count
    assert headend.devices.registry.devices()[0].state == "active"


def test_the_page_says_what_a_device_could_still_do(browser):
    page = browser.get("/devices/device-000001").text
    assert "16 uses at 3 meters" in page  # 3 meters x 2 rights x 3 uses, two of them told
    assert page.count("set the time") == 3
    assert "permit switching on" in page
    assert not re.search(r">[^<]*relay-permit", page)  # no raw kind
    assert "Readings and work lie on it sealed" in page
    assert "With its PIN it would be let in" in page
    chinese = browser.get("/devices/device-000001?lang=zh").text
    assert "3 块表共 16 次" in chinese
    assert "设备上没有任何电表密码或密钥" in chinese
    browser.get("/devices?lang=en")


def test_lock_lose_retire_and_allocate_again(headend, browser):
    name = at_work(headend, Description("T7", "", "eve", "TQ-31"))
    path = f"/devices/{name}"
    answer = browser.post(f"{path}/close", data={"step": "lose", "reason": "left on the bus"})
    assert answer.status_code == 200  # after the redirect: the page of the device
    assert "left on the bus" in answer.text
    assert "The head-end lets it in no more." in answer.text
    assert "16 uses at 3 meters" in answer.text  # it has not heard of the recall
    assert "recalled" in answer.text
    again = browser.post(f"{path}/allocate")
    assert again.headers["cache-control"] == "no-store"
    assert shown_code(again).device == name
    assert browser.post(f"{path}/close", data={"step": "retire"}).status_code == 200
    gone = browser.post(f"{path}/allocate")
    assert (gone.status_code, "was retired" in gone.text) == (400, True)
    assert "Retire for ever" not in browser.get(path).text
    steps = [(e.who, e.subject) for e in audited(headend, "device_lost")]
    assert steps == [("admin", name)]


def test_the_same_over_the_api(headend, browser):
    made = browser.post("/api/v1/devices", json={"model": "T8", "area": "TQ-31"})
    assert made.status_code == 201
    name = made.json()["device"]
    assert EnrolmentCode.parse(made.json()["code"]).device == name
    listed = browser.get("/api/v1/devices?limit=1").json()
    assert listed["items"][0]["name"] == "device-000001"
    assert listed["next_cursor"]
    assert browser.get(f"/api/v1/devices/{name}").json()["state"] == "allocated"
    held = browser.get("/api/v1/devices/device-000001/exposure").json()
    assert sum(each["uses"] for each in held["grants"]) == 16
    locked = browser.post(f"/api/v1/devices/{name}/lock", json={"reason": "suspicion"}).json()
    assert (locked["state"], locked["grants"]) == ("locked", [])
    again = browser.post(f"/api/v1/devices/{name}/allocate").json()
    assert again["code"] != made.json()["code"]
    assert browser.post(f"/api/v1/devices/{name}/lose", json={}).json()["state"] == "lost"
    assert browser.post(f"/api/v1/devices/{name}/retire", json={}).json()["state"] == "retired"
    refused = browser.post(f"/api/v1/devices/{name}/lock", json={})
    assert (refused.status_code, "retired" in refused.text) == (400, True)
    assert browser.get("/api/v1/devices/none").status_code == 404
    assert browser.post("/api/v1/devices", json={"area": "?"}).status_code == 400


def test_who_handles_devices_in_one_organisation_sees_those_of_its_areas(headend):
    with client(headend, role=None) as made:
        signed_in(headend, made, Role.ENGINEER, 2)
        assert "device-000001" not in made.get("/devices").text
        assert made.get("/devices/device-000001").status_code == 404
        assert made.get("/api/v1/devices/device-000001/exposure").status_code == 404
        closed = made.post("/devices/device-000001/close", data={"step": "lock"})
        assert closed.status_code == 404
        assert made.post("/devices", data={"area": "TQ-31"}).status_code == 400
        assert made.post("/devices", data={"area": ""}).status_code == 400
        own = made.post("/devices", data={"area": "TQ-32", "owner": "zoe"})
        assert (own.status_code, "zoe" in made.get("/devices").text) == (200, True)
    with client(headend, role=Role.OPERATOR) as made:
        assert made.get("/devices").status_code == 403
        assert 'href="/devices"' not in made.get("/meters").text
    assert headend.devices.registry.devices()[0].state == "active"


def test_without_devices_the_page_says_how_to_have_them(tmp_path):
    headend = HeadEnd(settings(tmp_path / "h.sqlite"), StandingClock())
    with client(headend) as made:
        assert "[devices]" in made.get("/devices").text
        assert made.get("/api/v1/devices").status_code == 404
        assert made.post("/devices", data={}).status_code == 404
    headend.store.close()


@pytest.mark.slow
@pytest.mark.skipif(
    not (CHROMIUM.exists() and AXE.exists()) and not REQUIRED,
    reason="needs chromium, and axe-core, which an editable install fetches",
)
def test_the_pages_have_no_barrier_and_fit(tmp_path):
    with office(tmp_path) as headend:
        told, seen = asyncio.run(_looked_at(headend, tmp_path))
    assert told == []
    assert seen == 6


async def _looked_at(headend, folder):
    """List, page and code in dark English on a phone and in light Chinese on a desk."""
    ready = asyncio.get_running_loop().create_future()
    told: list[str] = []
    seen = 0

    def complain(error):
        told.append(str(error))

    serving = asyncio.create_task(
        serve(create_app(headend), "127.0.0.1", 0, ready=ready.set_result)
    )
    base = await ready
    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        looks: tuple[tuple[str, Literal["dark", "light"], int], ...]
        looks = (("en-GB", "dark", 360), ("zh-CN", "light", 1400))
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
            for name in ("devices", "device", "code"):
                if name == "code":
                    await page.goto("/devices")
                    await page.locator("main form.stack button").click()
                    await page.wait_for_selector(".qr svg")
                else:
                    await page.goto("/devices" if name == "devices" else "/devices/device-000001")
                await page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
                await page.evaluate(AXE.read_text())
                told += [f"{name} {each}" for each in await page.evaluate(RUN)]
                if await page.evaluate("document.documentElement.scrollWidth") > width:
                    told.append(f"{name} is wider than {width}")
                seen += 1
        await chromium.close()
    serving.cancel()
    return told, seen

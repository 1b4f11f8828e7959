"""The whole process: over loopback TCP on the machine's own clock, and packing by itself."""

import asyncio
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from tests.headend.concentrator import FakeConcentrator
from tests.headend.stage import CURVE, connect, curve_of, play
from tests.headend.world import config

from kwhub.headend.app import HeadEnd
from kwhub.headend.store import schema
from kwhub.links.address import open_link
from kwhub.protocols.gdw1376.messages import Confirmed, Report
from kwhub.runtime.clock import SystemClock


async def test_a_report_over_tcp(tmp_path):
    settings = config(tmp_path / "headend.sqlite")
    service = msgspec.structs.replace(settings.headend, uplink="tcp-listen:127.0.0.1:0")
    clock = SystemClock()
    headend = HeadEnd(msgspec.structs.replace(settings, headend=service), clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(headend.run())
        await headend.running.wait()
        address = headend.address.replace("tcp-listen:", "tcp:")
        link = await open_link(address, clock=clock)
        concentrator = FakeConcentrator(link, clock)
        tasks.create_task(concentrator.run())
        await concentrator.login()
        assert isinstance(await concentrator.ask(Report((CURVE.to_unit(),))), Confirmed)
        assert curve_of(headend)[0] == Decimal("1.25")
        (session,) = headend.queries.sessions()
        assert session.peer.startswith("tcp:127.0.0.1:")
        await link.aclose()
        running.cancel()
    await headend.close()
    assert headend.address == ""


def journal_rows(headend):
    with headend.store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(schema.journal)).scalar_one()


def test_packing_begins_when_enough_waits_or_enough_time_has_passed(tmp_path):
    settings = config(tmp_path / "headend.sqlite", pack_rows=6, pack_interval_s=1000)

    async def script(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        await concentrator.ask(Report((CURVE.to_unit(),)))
        await asyncio.sleep(1)
        assert journal_rows(headend) == 1  # three values wait
        await concentrator.ask(Report((CURVE.to_unit(),)))
        await asyncio.sleep(1)
        assert journal_rows(headend) == 0
        await concentrator.ask(Report((CURVE.to_unit(),)))
        assert journal_rows(headend) == 1
        await asyncio.sleep(1001)
        assert journal_rows(headend) == 0
        assert headend.store.waiting == 0

    play(tmp_path, script, settings=settings)


def test_closing_packs_what_waits(tmp_path):
    settings = config(tmp_path / "headend.sqlite")

    async def first(headend, tasks):
        concentrator = connect(headend, tasks)
        await concentrator.login()
        await concentrator.ask(Report((CURVE.to_unit(),)))

    async def second(headend, _tasks):
        assert headend.store.waiting == 0
        assert curve_of(headend)[0] == Decimal("1.25")
        (session,) = headend.queries.sessions()
        assert session.end_reason == "the head-end stops"

    play(tmp_path, first, settings=settings)
    play(tmp_path, second, settings=settings)

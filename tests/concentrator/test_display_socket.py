"""The screen's socket: a real concentrator in this process, asked over a real Unix socket."""

import asyncio
import json
import stat
from contextlib import asynccontextmanager, closing, suppress

import pytest
from msgspec import structs

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import loads
from kwhub.concentrator.display.attached import AttachedPanel
from kwhub.concentrator.display.serving import CONNECTIONS_MAX, serve_panel, socket_path
from kwhub.concentrator.panel import CurrentPanel
from kwhub.concentrator.panel_views import AskArchive, AskHead, AskMeter, AskStatus, ReadNow
from kwhub.domain.errors import LinkDown, LocalError, NoAnswer
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

SETTINGS = """
[concentrator]
region = "4101"
terminal = 7
[uplink]
address = "memory:nobody"
[plan]
curve_minutes = 0
hourly = false
day_freeze = false
[[bus]]
name = "west"
address = "memory:west"
port = 2
answer_timeout_s = 0.1
attempts = 1
meter = [{address = "@", point = 1}, {address = "000000000099", point = 2}]
"""


@asynccontextmanager
async def running(folder):
    """A concentrator with one meter that answers and one that does not, and the path of its socket."""
    clock = SystemClock()
    area = TransformerArea(1, start=clock.now(), meters=3, concentrators=1, buses=1)
    meter = area.bus(1)[0]
    config = loads(SETTINGS.replace("@", meter.address))
    identity = structs.replace(config.concentrator, store=str(folder / "c.sqlite"))
    config = structs.replace(config, concentrator=identity)

    async def open_link(address):
        if address != "memory:west":
            raise LinkDown("nobody is there")
        near, far = pair()
        tasks.create_task(serve_meters(far, [meter], clock))
        return near

    async with asyncio.TaskGroup() as tasks:
        made = Concentrator(config, clock, chance=seeded(1), open_link=open_link)
        with closing(made) as concentrator:
            path = socket_path(identity.store)
            async with serve_panel(CurrentPanel(lambda: concentrator), path):
                work = tasks.create_task(concentrator.run())
                while concentrator.buses[0].is_down:
                    await clock.sleep(0)
                yield path
                work.cancel()
                await asyncio.wait([work])


async def talk(path, *lines, answers):
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"".join(line + b"\n" for line in lines))
    found = [json.loads(await reader.readline()) for _ in range(answers)]
    writer.close()
    return found


@pytest.mark.slow
async def test_the_same_answers_as_inside(tmp_path):
    async with running(tmp_path) as path, AttachedPanel(path) as panel:
        assert (await panel.ask(AskHead())).terminal == "4101-00007"
        assert (await panel.ask(AskStatus())).meters == 2
        rows = (await panel.ask(AskArchive(0, 1))).rows
        assert [row.point for row in rows] == [1]
        snapshot = await panel.ask(ReadNow(1))
        assert snapshot.address == rows[0].address
        assert {value.unit for value in snapshot.values} >= {"kWh", "V", "A", "kW"}


async def test_the_socket_is_for_its_owner_and_goes_with_the_service(tmp_path):
    async with running(tmp_path) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.is_socket()
    assert not path.exists()


async def test_errors_keep_their_kind(tmp_path):
    async with running(tmp_path) as path, AttachedPanel(path) as panel:
        with pytest.raises(LocalError, match="no point 99"):
            await panel.ask(AskMeter(99))
        with pytest.raises(NoAnswer):
            await panel.ask(ReadNow(2))


async def test_a_cancelled_question_frees_the_bus(tmp_path):
    async with running(tmp_path) as path, AttachedPanel(path) as panel:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await panel.ask(ReadNow(2))
        assert (await panel.ask(ReadNow(1))).values


async def test_several_questions_at_once_over_one_connection(tmp_path):
    async with running(tmp_path) as path, AttachedPanel(path) as panel:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(panel.ask(AskMeter(point))) for point in (1, 2, 1)]
        assert [task.result().row.point for task in asked] == [1, 2, 1]


async def test_no_service_is_a_link_that_is_down_and_may_come_back(tmp_path):
    path = socket_path(str(tmp_path / "c.sqlite"))
    async with AttachedPanel(path) as panel:
        with pytest.raises(LinkDown, match="no concentrator answers"):
            await panel.ask(AskHead())
        async with running(tmp_path):
            assert (await panel.ask(AskHead())).terminal == "4101-00007"
        with pytest.raises(LinkDown):
            await panel.ask(AskHead())
        async with running(tmp_path):
            assert (await panel.ask(AskHead())).terminal == "4101-00007"


async def test_a_socket_left_over_by_a_killed_process_is_replaced(tmp_path):
    import socket

    path = socket_path(str(tmp_path / "c.sqlite"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    assert path.is_socket()
    async with running(tmp_path), AttachedPanel(path) as panel:
        assert (await panel.ask(AskStatus())).meters == 2


async def test_the_socket_of_a_living_service_is_not_taken(tmp_path):
    async with running(tmp_path) as path, AttachedPanel(path) as panel:
        with pytest.raises(LocalError, match="another concentrator"):
            async with serve_panel(panel, path):
                pass
        assert (await panel.ask(AskHead())).terminal == "4101-00007"


async def test_a_path_that_is_too_long_is_told(tmp_path):
    async with AttachedPanel(tmp_path) as panel:
        with pytest.raises(LocalError, match="107 bytes"):
            async with serve_panel(panel, tmp_path / ("x" * 120)):
                pass


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"nonsense", "malformed"),
        (b'{"id": 5}', "there is no question ''"),
        (b'{"id": 5, "ask": "reboot"}', "there is no question 'reboot'"),
        (b'{"id": 5, "ask": "meter"}', "point"),
        (b'{"id": 5, "ask": "meter", "point": "x"}', "point"),
        (b'["head"]', "object"),
        (b'{"id": 5, "ask": "\xff\xfe"}', "utf-8"),
        (b"\xff", "malformed"),
    ],
)
async def test_what_is_no_question_is_answered_with_why(tmp_path, line, text):
    async with running(tmp_path) as path:
        bad, good = await talk(path, line, b'{"id": 6, "ask": "head"}', answers=2)
        assert bad["error"] == "LocalError"
        assert text in bad["text"]
        assert good["view"]["terminal"] == "4101-00007"


async def test_a_line_without_end_is_cut_off_and_others_go_on(tmp_path):
    async with running(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"x" * 3_000_000)
        with suppress(ConnectionError):  # what was not read makes it a reset
            assert await reader.read() == b""
        writer.close()
        (good,) = await talk(path, b'{"id": 6, "ask": "head"}', answers=1)
        assert good["id"] == 6


class Broken:
    """A panel with a bug."""

    async def ask(self, query):
        raise ZeroDivisionError(query)


async def test_a_screen_whose_question_hits_a_bug_gives_its_place_free(tmp_path):
    path = tmp_path / "p.panel"
    heard = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, facts: heard.append(facts))
    async with serve_panel(Broken(), path):
        for _ in range(2 * CONNECTIONS_MAX):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b'{"id": 1, "ask": "head"}\n')
            assert await reader.read() == b""
            writer.close()
        # Each of them was taken in, and none was turned away at the door.
        assert len(heard) == 2 * CONNECTIONS_MAX


async def test_only_so_many_screens(tmp_path):
    async with running(tmp_path) as path:
        screens = [await asyncio.open_unix_connection(str(path)) for _ in range(CONNECTIONS_MAX)]
        for reader, writer in screens:
            writer.write(b'{"id": 1, "ask": "head"}\n')
            assert b"view" in await reader.readline()
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await reader.read() == b""
        writer.close()
        for _, writer in screens:
            writer.close()

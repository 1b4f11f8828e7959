"""Setting a terminal up from the handheld: seen at once, changed by an order that a second person has agreed to."""

from decimal import Decimal
from types import MappingProxyType

import pytest
from tests.handheld.screen_stage import on_screens
from tests.handheld.terminal_world import ADDRESS, METERS, terminal_at_work
from tests.handheld.world import ZONE, outing
from tests.identity.field import Headend

from kwhub.catalog.terminal_profile import ChannelKind, TerminalStatus
from kwhub.domain.errors import LocalError, Refusal
from kwhub.exchange.device_messages import WorkMeter
from kwhub.headend.identity.makers import either, no_master
from kwhub.headend.identity.terminal_orders import check_terminal_order, terminal_orders
from kwhub.headend.identity.work import NewWork
from kwhub.links.address import open_link
from kwhub.protocols.dlt645.authority import Authority, Key

WORD = "271828"
AUTHORITY = Authority(Key(4, WORD), "00000007")
ALL = ("read", "set-time", "freeze")


def knowing(world_or_stage, folder):
    """Let the head-end know the password of terminals, and the terminal its own."""
    (folder / "word").write_text(WORD)
    clock = world_or_stage.clock
    make = either(no_master, terminal_orders(AUTHORITY, clock.now, ZONE))
    world_or_stage.headend.orders._make = make


def agreed(headend: Headend, number, by="boss"):
    """A second person agrees: the order goes with work, as the service does it."""
    with headend.database.write() as connection:
        row = headend.orders.approve(connection, number, by)
        meters = (WorkMeter(ADDRESS, ADDRESS),)
        work = NewWork(row.operation, meters, (), 1, None, row.detail, number, row.not_after)
        return headend.work.give_in(connection, row.name, work, by)


def at_the_terminal(place, story):
    """Run ``story(stage, tasks, terminal)`` with work at the measuring points of a terminal that has a password."""

    async def main(stage):
        await stage.working()
        knowing(stage, place)
        stage.order(meters=METERS, operations=ALL, uses=20)
        tasks = stage.tasks(dial=lambda address: open_link(address, clock=stage.clock))
        await tasks.delivery.synchronise()
        async with terminal_at_work(place, stage.clock, stage.field.tasks, word="word") as terminal:
            await story(stage, tasks, terminal)
            await tasks.visiting.ways.aclose()

    outing(place, main)


async def carried(stage, tasks, operation, detail):
    """Propose, agree, fetch, carry; what the head-end says of it."""
    order = await tasks.visiting.propose(tasks.places()[0], operation, detail)
    work = agreed(stage.headend, order)
    await tasks.delivery.fetch()
    ended = await tasks.visiting.carry(work)
    assert not tasks.visiting.ways.current.pieces
    return ended


def test_settings_of_all_channels_are_seen(place):
    async def story(stage, tasks, terminal):
        found = await tasks.visiting.channel_settings(tasks.places()[0])
        assert [each.constant for each in found[:2]] == [1600, 3200]
        assert {each.kind for each in found[2:]} == {ChannelKind.OFF}
        assert len(found) == 16

    at_the_terminal(place, story)


def test_a_channel_a_reading_freeze_times_and_a_far_clock_are_set_by_carried_orders(place):
    async def story(stage, tasks, terminal):
        box = terminal.box
        assert TerminalStatus.CLOCK_INVALID in box.status
        assert (await carried(stage, tasks, "terminal-channel", "3 800 40 220 1 5")).obeyed
        assert (box.channels[3].settings.constant, box.channels[3].settings.debounce_ms) == (800, 5)
        assert (await carried(stage, tasks, "terminal-reading", "3 123.45")).obeyed
        assert box.channels[3].register == Decimal("123.45")
        freezes = "99990000 99991200"
        assert (await carried(stage, tasks, "terminal-freeze", freezes)).obeyed
        assert box.freeze_times == freezes.split()
        assert (await carried(stage, tasks, "terminal-clock", "")).obeyed
        assert TerminalStatus.CLOCK_INVALID not in box.status
        actions = stage.headend.actions()
        assert actions.count("device_order_approve") == actions.count("device_order_end") == 4
        seen = [who for who, action, _, _ in stage.headend.audit if action == "device_order"]
        assert all(who.startswith("device-000001#") and "ann" in who for who in seen)

    at_the_terminal(place, story)


def test_nothing_happens_before_somebody_else_has_agreed(place):
    async def story(stage, tasks, terminal):
        where = tasks.places()[0]
        order = await tasks.visiting.propose(where, "terminal-channel", "3 800 40 220 1 5")
        await tasks.delivery.fetch()
        assert all(each.carry is None for each in tasks.orders())
        for own in ("ann", "device-000001#2 (ann)"):  # owner and operator of the device
            with pytest.raises(LocalError, match="a second person must approve"):
                agreed(stage.headend, order, own)
        assert terminal.box.channels[3].settings.kind is ChannelKind.OFF

    at_the_terminal(place, story)


def test_no_password_of_a_terminal_stays_on_the_device(place):
    async def story(stage, tasks, terminal):
        assert (await carried(stage, tasks, "terminal-reading", "1 7.00")).obeyed
        await tasks.aclose()
        shown = bytes(byte + 0x33 for byte in AUTHORITY.key.to_bytes())
        for path in stage.device.folder.rglob("*"):
            if path.is_file():
                raw = path.read_bytes()
                assert WORD.encode() not in raw
                assert shown not in raw

    at_the_terminal(place, story)


@pytest.mark.parametrize(
    ("operation", "detail", "told"),
    [
        ("terminal-channel", "17 1600 60 220 1 2", "wants channel"),
        ("terminal-channel", "3 0 60 220 1 2", "wants channel"),
        ("terminal-channel", "3 1600 60 220 4 2", "wants channel"),
        ("terminal-channel", "3", "wants channel"),
        ("terminal-reading", "3 -1", "wants a channel and its reading"),
        ("terminal-reading", "3 1.234", "wants a channel and its reading"),
        ("terminal-freeze", "", "MMDDhhmm"),
        ("terminal-freeze", "99999999", "MMDDhhmm"),
        ("terminal-clock", "now", "has no detail"),
        ("relay-trip", "", "only orders to collecting terminals"),
    ],
)
def test_what_is_no_order_is_refused_with_what_is_wanted(place, operation, detail, told):
    async def story(stage, tasks, terminal):
        with pytest.raises(Refusal, match=told):
            await tasks.visiting.propose(tasks.places()[0], operation, detail)

    at_the_terminal(place, story)
    if operation != "relay-trip":
        with pytest.raises(LocalError, match=told):
            check_terminal_order(operation, detail)


def test_a_terminal_of_nobodys_work_is_refused(place):
    async def story(stage, tasks, terminal):
        where = tasks.places()[0]
        stage.headend.work.recall(where.work, "admin")
        with pytest.raises(Refusal, match="neither in the work"):
            await tasks.visiting.propose(where, "terminal-clock", "")

    at_the_terminal(place, story)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            MappingProxyType({"waits": "Order 1 waits for a second person", "done": "has obeyed"}),
        ),
        ("zh", MappingProxyType({"waits": "命令 1 待主站另一人审批", "done": "电表已执行"})),
    ],
    ids=["en", "zh"],
)
def test_a_channel_is_set_up_on_the_screens(place, language, words):
    async def story(stage):
        world = stage.world
        knowing(world, place)
        async with terminal_at_work(place, world.clock, world.field.tasks, word="word") as terminal:
            await stage.sign_in()
            await stage.press("enter", "enter", "enter", "s", wait_s=5)
            text = stage.seen("setup")
            assert "1600 imp/kWh" in text
            await stage.press("down", "enter")
            await stage.press("ctrl+u", *"6400 40 220 1 3", "enter")
            assert words["waits"] in stage.text
            agreed(world.headend, 1)
            await stage.press("escape", "escape", "escape", "escape", "down", "down", "down")
            await stage.press("enter", "s")
            await stage.press("escape", "up", "up", "up", "enter", "down", "o")
            await stage.press(*("yes" if language == "en" else "是"), "enter", wait_s=10)
            assert words["done"] in stage.text
            assert terminal.box.channels[2].settings.constant == 6400
            assert stage.device.tasks.is_closed(stage.device.tasks.orders()[1].id)

    work = {"meters": METERS, "operations": ALL, "uses": 9}
    on_screens(place, story, language=language, **work)

"""Lending the way to the head-end: one process lends, another one works through it; and the page that lends."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.handheld.screen_stage import on_screens
from tests.handheld.world import LENT_AT, outing
from tests.identity.field import CHEAP, PIN, Headend, Tapped

from kwhub.domain.errors import LinkDown, LocalError, Refusal
from kwhub.exchange.device_messages import WorkMeter
from kwhub.handheld.app import Device
from kwhub.handheld.lending import BORROWERS_MAX, ENROLMENT, FIRST_S, Lender, Lent
from kwhub.headend.identity.records import Description
from kwhub.headend.identity.work import NewWork
from kwhub.links.memory import pair
from kwhub.links.tcp_listen import serve
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

RUN = "import sys; from kwhub.cli.app import run; sys.exit(run(sys.argv[1:]))"
NOWHERE = "127.0.0.1:1"
"""A head-end that the borrower cannot reach by itself."""


def host(server):
    return server.address.removeprefix("tcp-listen:")


async def command(*words):
    """A process of its own, as somebody types it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, "handheld", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def enrolled(headend, clock, folder, ways, at=""):
    """A device on the disk, with work that waits at the head-end."""
    enrol = await serve(
        "tcp-listen:127.0.0.1:0", lambda link: headend.attend(link, enrolment=True), clock
    )
    ways.push_async_callback(enrol.aclose)
    allocation = headend.registry.allocate(Description(), "admin")
    code = replace(headend.code(allocation), at=at, enrol=host(enrol))
    device = Device(folder, clock, seeded(1), cost=CHEAP)
    await device.enrol(code.text, PIN)
    return allocation.device


async def lending(place, pin):
    """A process that lends the way of the device ``lender``, and the address at which it does."""
    at = ("--listen", "tcp-listen:127.0.0.1:0", "--pin-file", pin, "--json")
    lender = await command("lend", place / "lender", *at)
    first = json.loads(await lender.stdout.readline())
    assert (first["borrowers"], first["served"]) == (0, 0)
    return lender, first["address"]


async def ended(lender):
    """What a lender has told last, when it is over."""
    lender.terminate()
    rest, _ = await lender.communicate()
    return json.loads(rest.splitlines()[-1])


def two_processes(place, story):
    """Play a story of a lender and a borrower with a head-end on this computer, all on real time.

    Args:
        place: a folder.
        story: takes the head-end, the clock, the folder, the file with the PIN and the head-end's server; brings the exit
            codes of the commands, what the last one has printed, and what the lender has told last.

    Returns:
        What the story has brought, and the generation of each device by its name.
    """
    pin = place / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)

    async def main():
        clock = SystemClock()
        headend = Headend(place, clock, None)
        server = await serve("tcp-listen:127.0.0.1:0", headend.attend, clock)
        async with asyncio.timeout(100):
            told = await story(headend, clock, place, pin, server)
        await server.aclose()
        generations = {each.name: each.generation for each in headend.registry.devices()}
        headend.database.close()
        return *told, generations

    return asyncio.run(main())


async def lent_through(headend, clock, place, pin, server):
    """What the borrower was told each time, alone and through the lender, and what the lender has told."""
    async with AsyncExitStack() as ways:
        await enrolled(headend, clock, place / "lender", ways, host(server))
        name = await enrolled(headend, clock, place / "borrower", ways, NOWHERE)
    words = ("sync", place / "borrower", "--pin-file", pin, "--json")
    alone = await command(*words)
    await alone.communicate()
    lender, address = await lending(place, pin)
    first = await command(*words, "--via", address)
    await first.communicate()
    headend.work.give(name, NewWork("read", (WorkMeter("202611200001", "t1"),)), "admin")
    second = await command(*words)  # the way is kept in the settings
    out, _ = await second.communicate()
    return (alone.returncode, first.returncode), json.loads(out), await ended(lender)


@pytest.mark.slow
def test_a_second_process_works_through_the_first_in_its_own_name(place):
    codes, out, told, generations = two_processes(place, lent_through)
    assert codes == (3, 0)
    assert out == {"delivered": 0, "orders": 1, "refused": []}
    assert (told["borrowers"], told["served"] >= 2) == (0, True)
    assert generations == {
        "device-000001": 0,
        "device-000002": 2,
    }  # the lender asked nothing itself


def test_a_device_whose_identity_does_not_hold_lends_nothing(place):
    async def main(world):
        device = await world.gadget()
        with pytest.raises(LocalError, match="nobody has signed in"):
            await device.lend("memory:here")
        tasks = device.sign_in(PIN)
        tasks.identity.keep(closed="locked")
        with pytest.raises(Refusal, match="locked"):
            await device.lend("memory:here")
        await device.sign_out()

    outing(place, main)


def test_borrowers_are_few_and_one_that_says_nothing_costs_no_connection(place):
    async def main(world):
        device = await world.gadget()
        device.sign_in(PIN)
        dialled: list[str] = []
        seen: list[Lent] = []

        async def dial(address):
            dialled.append(address)
            raise LinkDown("no network")

        links = [pair() for _ in range(BORROWERS_MAX + 1)]
        lender = Lender(device.tasks.identity, dial, world.clock, seen.append)
        tasks = [world.field.tasks.create_task(lender._attend(far)) for _, far in links]
        await world.clock.sleep(1)
        assert seen[-1].borrowers == BORROWERS_MAX
        with pytest.raises(LinkDown):
            await links[-1][0].read()  # one too many
        assert dialled == []
        await links[0][0].write(b"x")
        with pytest.raises(LinkDown):
            await links[0][0].read()
        assert dialled == ["tcp:h:1"]
        assert seen[-1].borrowers == BORROWERS_MAX - 1
        for task in tasks:
            task.cancel()
        await device.sign_out()

    outing(place, main)


async def lent_to_enrol(headend, clock, place, pin, server):
    """What a new device was told that reaches neither port by itself, and what its lender has told."""
    async with AsyncExitStack() as ways:
        await enrolled(headend, clock, place / "lender", ways, host(server))
        enrol = await serve(
            "tcp-listen:127.0.0.1:0", lambda link: headend.attend(link, enrolment=True), clock
        )
        ways.push_async_callback(enrol.aclose)
        device = Device(place / "lender", clock, seeded(1))
        identity = device.sign_in(PIN).identity
        identity.keep(enrol=host(enrol))
        await device.sign_out()
        allocation = headend.registry.allocate(Description(), "admin")
        code = replace(headend.code(allocation), at=NOWHERE, enrol=NOWHERE)
        lender, address = await lending(place, pin)
        words = ("enrol", place / "new", "--code", code.text, "--pin-file", pin, "--json")
        new = await command(*words, "--via", address)
        out, _ = await new.communicate()
        synced = await command("sync", place / "new", "--pin-file", pin, "--json")
        await synced.communicate()
        told = await ended(lender)
    return (new.returncode, synced.returncode), json.loads(out), told


@pytest.mark.slow
def test_a_second_process_is_enrolled_through_the_first(place):
    codes, out, told, generations = two_processes(place, lent_to_enrol)
    assert codes == (0, 0)
    assert out == {"device": "device-000002"}
    assert (told["borrowers"], told["served"] >= 4) == (0, True)
    assert generations["device-000002"] == 2  # the first was replaced at once


class Watched:
    """A lender's opener that keeps what goes by."""

    def __init__(self, world):
        self.world, self.links, self.dialled = world, [], []

    async def __call__(self, address):
        self.dialled.append(address)
        self.links.append(Tapped(await self.world.open(address)))
        return self.links[-1]

    @property
    def seen(self):
        return b"".join(bytes(each.sent + each.heard) for each in self.links)


def borrower(world, lender, *, code=None):
    """A device without a network and without an identity, and what opens its links."""
    allocation = world.headend.registry.allocate(Description(), "admin")

    async def opener(address):
        assert address == LENT_AT
        near, far = pair()
        world.field.tasks.create_task(lender._attend(far))
        return near

    folder = world.folder / allocation.device
    device = Device(folder, world.clock, seeded(4), opener=opener, cost=CHEAP)
    return device, code or world.headend.code(allocation)


def test_a_new_device_is_enrolled_through_another_that_sees_neither_secret_nor_key(place):
    async def main(world):
        device = await world.gadget()
        device.sign_in(PIN)
        watched = Watched(world)
        lender = Lender(device.tasks.identity, watched, world.clock, lambda _lent: None)
        new, code = borrower(world, lender)
        await new.change(via=LENT_AT)
        assert await new.enrol(code.text, PIN) == code.device
        assert watched.dialled == ["tcp:h:2"] * 2
        await new.enrol(code.text, PIN)  # the answer had arrived: nobody is called
        assert watched.dialled == ["tcp:h:2"] * 2
        identity = new.sign_in(PIN).identity
        await new.tasks.delivery.synchronise()
        assert watched.dialled == ["tcp:h:2", "tcp:h:2", "tcp:h:1", "tcp:h:1"]
        key = x509.load_pem_x509_certificate(identity.held.chain.encode())
        assert code.secret.encode() not in watched.seen
        assert identity.held.key not in watched.seen
        assert key.public_bytes(Encoding.DER) not in watched.seen
        assert code.device.encode() not in watched.seen
        await new.sign_out()
        await device.sign_out()

    outing(place, main)


def test_a_lender_that_answers_in_place_of_the_head_end_gets_no_secret(place):
    async def main(world):
        device = await world.gadget()
        device.sign_in(PIN)
        (place / "false").mkdir()
        (place / "false" / "headend.sqlite").write_bytes((place / "headend.sqlite").read_bytes())
        fake = Headend(place / "false", world.clock, world.field.tasks)

        async def dial(_address):
            return await fake.dial(enrolment=True)

        lender = Lender(device.tasks.identity, dial, world.clock, lambda _lent: None)
        new, code = borrower(world, lender)
        await new.change(via=LENT_AT)
        with pytest.raises(Refusal, match="not the head-end that has allocated"):
            await new.enrol(code.text, PIN)
        assert fake.audit == []
        fake.database.close()
        await device.sign_out()

    outing(place, main)


def test_the_wish_to_be_enrolled_may_come_in_pieces_and_who_stops_makes_room(place):
    async def main(world):
        device = await world.gadget()
        device.sign_in(PIN)
        watched = Watched(world)
        lender = Lender(device.tasks.identity, watched, world.clock, lambda _lent: None)
        near, far = pair()
        attending = world.field.tasks.create_task(lender._attend(far, patience_s=FIRST_S))
        for each in ENROLMENT:
            await near.write(bytes([each]))
            await world.clock.sleep(0.1)
        assert watched.dialled == []
        await near.write(b"\x16")
        await world.clock.sleep(1)
        assert (watched.dialled, bytes(watched.links[0].sent)) == (["tcp:h:2"], b"\x16")
        attending.cancel()
        silent, far = pair()
        attending = world.field.tasks.create_task(lender._attend(far, patience_s=FIRST_S))
        await world.clock.sleep(FIRST_S - 1)
        assert lender._lent.borrowers == 1
        await world.clock.sleep(2)
        assert lender._lent.borrowers == 0
        with pytest.raises(LinkDown):
            await silent.read()
        await device.sign_out()

    outing(place, main)


def test_a_lender_that_is_locked_meanwhile_stops_lending(place):
    async def main(world):
        device = await world.gadget()
        device.sign_in(PIN)
        lender = Lender(device.tasks.identity, world.open, world.clock, lambda _lent: None)
        running = asyncio.create_task(lender.run(LENT_AT))
        await world.clock.sleep(1)
        device.tasks.identity.keep(closed="locked")
        near = await world.open(LENT_AT)
        await near.write(b"x")
        with pytest.raises(LinkDown):
            await near.read()
        with pytest.raises(Refusal, match="locked"):
            await running
        await device.sign_out()

    outing(place, main)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "told"), [("en", "Borrow now"), ("zh", "当前借用")], ids=["en", "zh"]
)
def test_the_page_lends_while_it_is_open(place, language, told):
    async def story(stage):
        await stage.sign_in()
        await stage.press("down", "down", "down", "enter", "l")
        await stage.press(*["ctrl+u"], *"memory:lent", "enter")
        assert told in stage.seen("lend")
        assert "memory:lent" in stage.text
        await stage.press("escape")
        assert told not in stage.text
        assert not stage.app.screen.is_busy

    on_screens(place, story, language=language)

"""A second code: after one that was mistyped, and after a lock, with readings that the head-end does not have yet."""

from dataclasses import replace

import pytest
from tests.handheld.world import outing
from tests.identity.field import CHEAP, PIN

from kwhub.domain.errors import LocalError, Refusal
from kwhub.handheld.app import Device
from kwhub.headend.identity.records import Description
from kwhub.runtime.chance import seeded


def device_of(world, name):
    return Device(world.folder / name, world.clock, seeded(3), opener=world.open, cost=CHEAP)


def again(world, name="device-000001"):
    return world.headend.code(world.headend.registry.allocate_again(name, "admin")).text


def test_a_mistyped_code_gives_way_to_the_right_one(place):
    async def main(world):
        device = device_of(world, "mistyped")
        wrong = replace(world.code, secret="A" * 26)
        with pytest.raises(Refusal, match="secret is wrong"):
            await device.enrol(wrong.text, PIN)
        assert await device.enrol(world.code.text, PIN) == "device-000001"
        with pytest.raises(LocalError, match="is device-000001 already"):
            await device.enrol(again(world), PIN)  # it works: nothing of it is given up for a code

    outing(place, main)


def test_a_code_of_another_device_is_taken_as_long_as_there_is_no_identity(place):
    async def main(world):
        device = device_of(world, "swapped")
        late = replace(world.code, secret="B" * 26)
        with pytest.raises(Refusal):
            await device.enrol(late.text, PIN)
        other = world.headend.registry.allocate(Description(), "admin")
        assert await device.enrol(world.headend.code(other).text, PIN) == other.device

    outing(place, main)


async def locked(world):
    """A device with two readings of a day off-line, which the head-end has locked meanwhile."""
    device = await world.gadget()
    tasks = device.sign_in(PIN)
    for each in tasks.places()[:2]:
        await tasks.visiting.read(each)
    world.headend.registry.lock("device-000001", "admin", "a copy?")
    with pytest.raises(Refusal, match="locked"):
        await tasks.delivery.synchronise()
    await device.sign_out()
    return device


def test_readings_of_a_locked_device_are_delivered_when_it_is_allocated_again(place):
    async def main(world):
        device = await locked(world)
        with pytest.raises(Refusal, match="locked"):
            device.sign_in(PIN)
        await device.sign_out()
        await device.enrol(again(world), PIN)
        tasks = device.sign_in(PIN)
        assert tasks.delivery.waiting == 2
        assert tasks.identity.state.grants == ()
        assert await tasks.delivery.synchronise() == 2
        assert tasks.orders() == []  # its work was recalled
        assert tasks.identity.held.generation > 2
        await device.sign_out()

    outing(place, main)


def test_no_code_opens_a_locked_device_but_one_that_its_head_end_certifies(place):
    async def main(world):
        device = await locked(world)
        forged = replace(world.code, secret="C" * 26)
        with pytest.raises(Refusal, match="secret is wrong"):
            await device.enrol(forged.text, PIN)
        with pytest.raises(Refusal, match="locked"):
            device.sign_in(PIN)
        foreign = replace(forged, root="0" * 64)
        for code in (foreign, replace(forged, device="device-000009")):
            with pytest.raises(LocalError, match="is device-000001 already"):
                await device.enrol(code.text, PIN)
        await device.enrol(again(world), PIN)
        tasks = device.sign_in(PIN)
        assert tasks.delivery.waiting == 2
        await device.sign_out()

    outing(place, main)

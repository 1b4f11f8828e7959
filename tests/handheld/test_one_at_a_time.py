"""One process at a time in the folder of a device: the second is told so, and the first loses nothing."""

import subprocess
import sys

import pytest
from tests.handheld.world import outing
from tests.identity.field import CHEAP, PIN

from kwhub.domain.errors import LocalError, Refusal
from kwhub.handheld.app import Device
from kwhub.handheld.claim import Claim
from kwhub.handheld.screens.words import words
from kwhub.runtime.chance import seeded

HOLDER = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def second(world):
    return Device(world.folder / "gadget", world.clock, seeded(4), opener=world.open, cost=CHEAP)


def test_a_second_sign_in_is_refused_so_grants_and_readings_are_counted_once(place):
    async def main(world):
        device = await world.gadget(uses=2)
        tasks = device.sign_in(PIN)
        other = second(world)
        with pytest.raises(LocalError, match="in use by another process"):
            other.sign_in(PIN)
        with pytest.raises(LocalError, match="in use by another process"):
            await other.enrol(world.code.text, PIN)
        place = tasks.places()[0]
        tasks.budget.spend(place.meter, "read")
        await device.sign_out()
        tasks = other.sign_in(PIN)
        assert tasks.budget.left(place.meter, "read") == 1
        with pytest.raises(LocalError, match="in use by this process"):
            other.sign_in(PIN)
        await other.sign_out()

    outing(place, main)


def test_a_wrong_pin_and_a_wrong_setting_leave_the_folder_free(place):
    async def main(world):
        device = await world.gadget()
        with pytest.raises(Refusal, match="wrong PIN; 9 tries"):
            device.sign_in("0000")
        other = second(world)
        assert len(other.sign_in(PIN).places()) == 6
        await other.sign_out()
        await other.sign_out()

    outing(place, main)


def test_another_process_holds_the_folder_until_it_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-S", "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        claim = Claim(tmp_path)
        with pytest.raises(LocalError, match="in use by another process") as refused:
            claim.take()
        holder.kill()
        holder.wait()
        claim.take()
        claim.release()
    assert list(tmp_path.iterdir()) == []
    assert words("zh").error(refused.value) == "设备正被另一进程使用，请先在该处退出"

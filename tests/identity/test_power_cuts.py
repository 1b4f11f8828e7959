"""T-H5 in full: the power fails before and after every single write on both sides, and answers get lost."""

import itertools
import shutil

import pytest
from sqlalchemy import event
from tests.identity.field import Handheld, Headend, PowerCut, Stage, on_stage, quick

from kwhub.domain.errors import KwhubError
from kwhub.headend.identity.records import DeviceState

DAYS_5 = 5 * 86_400


class Switch:
    """Cuts the power at the n-th moment of a run."""

    def __init__(self):
        self.moments, self.at = 0, None

    def moment(self):
        self.moments += 1
        if self.moments == self.at:
            self.at = None
            raise PowerCut

    def arm(self, at):
        self.moments, self.at = 0, at


def watched_write(switch):
    """Each write has three moments: before it, half-way, and behind it."""

    def write(path, data):
        switch.moment()
        path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
        switch.moment()
        quick(path, data)
        switch.moment()

    return write


def watch_store(headend, switch):
    """Before every statement and commit, and behind every commit, when the answer is not sent yet."""
    engine = headend.database.engine

    def before(connection, cursor, statement, *rest):
        switch.moment()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", lambda connection: switch.moment())
    answer = headend.desk.answer

    def answered(*arguments):
        found = answer(*arguments)
        switch.moment()
        return found

    headend.desk.answer = answered
    enrol = headend.desk.enrol

    def enrolled(*arguments):
        found = enrol(*arguments)
        switch.moment()
        return found

    headend.desk.enrol = enrolled


async def contact(device):
    """One contact, which renews; whatever is lost in between is an error that may be met in the field."""
    try:
        await device.channel.aclose()
        await device.greet()
    except KwhubError:
        return False
    return True


def is_sound(headend):
    states = [state for _, state in headend.generations()]
    assert states.count("current") == 1
    assert headend.state().state is DeviceState.ACTIVE


@pytest.fixture
def enrolled(place):
    """A head-end and a device, to be copied for each cut."""

    async def main(stage):
        await stage.working()
        await stage.device.channel.aclose()

    on_stage(place, main)
    return place


async def contact_with_cut(stage, switch, at, side):
    """Renew, and lose the power of one side at a moment; whether it was lost."""
    write = watched_write(switch) if side == "device" else quick
    device = Handheld(stage.folder / "device", stage.headend, stage.clock, write=write)
    device.boot()
    if side == "head-end":
        watch_store(stage.headend, switch)
    switch.arm(at)
    try:
        await contact(device)
    except PowerCut:
        return True
    return at is not None and switch.at is None


def left(stage, device):
    """What a cut has left on both sides, as far as it can differ."""
    state = device.identity.state
    held = [None if each is None else bool(each.chain) for each in (state.current, state.next)]
    return (*stage.headend.generations(), *held, device.identity.renewal_due)


async def is_well_afterwards(stage, seen):
    """Both sides start again: the device is let in, renews as ever, and nobody took it for a copy.

    The next renewal, five days on, is tried once for each state that a cut can leave.
    """
    await stage.clock.sleep(1)
    stage.headend.restart()
    device = Handheld(stage.folder / "device", stage.headend, stage.clock)
    device.boot()
    found = left(stage, device)
    assert await contact(device), "locked out"
    assert stage.headend.generations()[-1] == (3, "current")
    is_sound(stage.headend)
    if found not in seen:
        await stage.clock.sleep(DAYS_5)
        assert await contact(device)
        assert stage.headend.generations()[-1] == (4, "current")
        is_sound(stage.headend)
    seen.add(found)
    assert "device_copied" not in stage.headend.actions()


def run_cut(origin, folder, at, side, seen):
    """One contact with one cut on a copy of the place; how many moments there were, and whether it came."""
    shutil.copytree(origin, folder)

    async def main(stage):
        switch = Switch()
        await stage.clock.sleep(DAYS_5)
        cut = await contact_with_cut(stage, switch, at, side)
        moments = switch.moments
        switch.arm(None)
        await is_well_afterwards(stage, seen)
        return moments, cut

    result = on_existing(folder, main)
    shutil.rmtree(folder)
    return result


def on_existing(folder, main):
    class Again(Stage):
        def __init__(self, folder, clock, tasks):
            self.folder, self.clock = folder, clock
            self.headend = Headend(folder, clock, tasks)

    return on_stage(folder, main, stage=Again)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["device", "head-end"])
def test_h5_no_cut_at_any_write_locks_out_or_leaves_two_generations(
    enrolled, tmp_path_factory, side
):
    base = tmp_path_factory.mktemp("cuts")
    seen: set[tuple[object, ...]] = set()
    moments, cut = run_cut(enrolled, base / "none", None, side, seen)
    assert not cut
    assert moments >= 9
    for at in range(1, moments + 1):
        _, cut = run_cut(enrolled, base / str(at), at, side, seen)
        assert cut, at
    assert len(seen) >= 3


async def first_contact(device):
    """From the code to the first use and the first renewal."""
    try:
        await device.enrol()
        await device.greet()
    except KwhubError:
        return False
    return True


async def first_contact_with_cut(stage, switch, at, side):
    write = watched_write(switch) if side == "device" else quick
    device = Handheld(stage.folder / "device", stage.headend, stage.clock, write=write)
    device.boot()
    if side == "head-end":
        watch_store(stage.headend, switch)
    switch.arm(at)
    try:
        await first_contact(device)
    except PowerCut:
        return True
    return at is not None and switch.at is None


def run_first_cut(origin, folder, at, side):
    shutil.copytree(origin, folder)

    async def main(stage):
        switch = Switch()
        cut = await first_contact_with_cut(stage, switch, at, side)
        moments = switch.moments
        switch.arm(None)
        await stage.clock.sleep(1)
        stage.headend.restart()
        device = Handheld(stage.folder / "device", stage.headend, stage.clock)
        device.boot()
        assert await first_contact(device), "locked out"
        assert stage.headend.generations()[-1] == (2, "current")
        is_sound(stage.headend)
        assert device.identity.state.secret == ""
        assert not {"device_copied", "device_refused"} & set(stage.headend.actions())
        return moments, cut

    result = on_existing(folder, main)
    shutil.rmtree(folder)
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("side", "step"), [("device", 1), ("head-end", 3)])
def test_h2_no_cut_while_enrolling_wastes_the_secret(place, tmp_path_factory, side, step):
    """At the head-end every third statement, for time; renewal, above, is cut at every one."""

    async def prepare(stage):
        stage.device.prepare(stage.code)

    on_stage(place, prepare)
    base = tmp_path_factory.mktemp("cuts")
    moments, cut = run_first_cut(place, base / "none", None, side)
    assert not cut
    assert moments >= 9
    for at in range(1, moments + 1, step):
        _, cut = run_first_cut(place, base / str(at), at, side)
        assert cut, at


@pytest.mark.parametrize("lost", [1_500, 2_200, 2_600])
def test_h5_answers_lost_at_any_place(place, lost):
    async def main(stage):
        device = await stage.working()
        for number in itertools.count(3):
            await stage.clock.sleep(DAYS_5)
            device.deaf_bytes = lost
            device.deaf = True
            await contact(device)
            device.deaf = False
            assert await contact(device)
            is_sound(stage.headend)
            if number == 4:
                break
        assert "device_copied" not in stage.headend.actions()

    on_stage(place, main)

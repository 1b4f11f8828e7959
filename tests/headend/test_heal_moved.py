"""Holes of meters that were moved are asked for where the meter was, and keep nobody else waiting."""

import pytest
from tests.headend.test_archive_dated import FIRST, SECOND, THIRD
from tests.headend.test_archive_desk import at_desk
from tests.headend.test_archive_moves import look
from tests.headend.world import DAYS

from kwhub.domain.errors import NoAnswer
from kwhub.headend import heal
from kwhub.headend.heal import Healer
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store import sessions
from kwhub.headend.validation.ledger import State


class Silent:
    """A front whose terminals are there and say nothing."""

    def __init__(self, *online: int) -> None:
        self.online = set(online)
        self.asked: list[int] = []

    def is_online(self, terminal_id: int) -> bool:
        return terminal_id in self.online

    async def ask(self, terminal_id, _afn, units):
        self.asked.append(terminal_id)
        raise NoAnswer

    async def missing_values(self, terminal_id, point, day):
        raise NoAnswer


async def moved(desk, store):
    """Meter 3 is behind terminal 2 since the 3rd; nothing was ever read."""
    await desk.save("terminal", {"terminal": "4101-99", "area": "A1"}, "ann")
    with store.database.write() as connection:
        sessions.begin(connection, "4101", 99, "", terminal_id=2, at=DAYS.start(FIRST))
    ledger = look(store)
    await desk.save("meter", {"terminal": "4101-99", "point": "1"}, "ann", row_id=3, from_day=THIRD)
    return ledger


def healer(desk, store, ledger, *online):
    front = Silent(*online)
    return Healer(store, front, None, ledger, desk.clock, in_place), front  # type: ignore[arg-type]


def tried(ledger, day):
    found, _ = ledger.holes(day, day, states=tuple(State), meter_id=3, limit=1_000)
    assert found
    return {one.tries > 0 for one in found}


def test_holes_that_nobody_can_be_asked_for_do_not_keep_others_waiting(address, monkeypatch):
    async def script(desk, store):
        ledger = await moved(desk, store)
        _, total = ledger.holes(FIRST, THIRD, meter_id=3, limit=1)
        assert total > 6
        monkeypatch.setattr(heal, "HOLES_AT_ONCE", 2)
        work, front = healer(desk, store, ledger, 2)
        for _ in range(total):
            await work.heal()
        assert set(front.asked) == {2}
        assert tried(ledger, THIRD) == {True}
        assert tried(ledger, SECOND) == tried(ledger, FIRST) == {False}
        waiting, _ = ledger.holes(FIRST, SECOND, meter_id=3, limit=1_000)
        assert all(one.next_at > desk.clock.now() for one in waiting)

    at_desk(address, script)


@pytest.mark.parametrize("online", [1, 2])
def test_the_old_place_is_asked_or_the_new_one_when_the_old_is_out_of_service(tmp_path, online):
    async def script(desk, store):
        ledger = await moved(desk, store)
        if online == 2:
            for meter in (1, 2):
                await desk.retire("meter", meter, "ann", from_day=THIRD)
            await desk.retire("terminal", 1, "ann", from_day=THIRD)
        work, front = healer(desk, store, ledger, 2, online)
        await work.heal()
        assert online in front.asked
        assert tried(ledger, SECOND) == {True}

    at_desk(tmp_path / "s.sqlite", script)

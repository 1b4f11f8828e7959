"""What comes late on a shared line is no answer to a frame that is carried."""

import pytest
from tests.handheld.world import outing

from kwhub.domain.errors import NoAnswer
from kwhub.handheld.line import Line
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.frames import Frame645

CONTROL, READ = 0x1C, 0x11
OURS, OTHER = "202611200001", "202611200002"


def said(address, control):
    return Frame645(address, control, b"").to_bytes()


def test_a_late_answer_is_passed_over(place):
    async def main(world):
        near, far = pair()
        line = Line(near, world.clock)
        right = said(OURS, 0x80 | CONTROL)
        await far.write(said(OTHER, 0x80 | CONTROL) + said(OURS, 0x80 | READ) + right)
        assert await line.exchange(said(OURS, CONTROL)) == right
        await far.write(said(OTHER, 0x80 | CONTROL))
        with pytest.raises(NoAnswer):
            await line.exchange(said(OURS, CONTROL))
        refused = said(OURS, 0xC0 | CONTROL)
        await far.write(refused)
        assert await line.exchange(said(OURS, CONTROL)) == refused
        found = said(OURS, 0x80 | 0x13)
        await far.write(found)
        assert await line.exchange(said("A" * 12, 0x13)) == found

    outing(place, main)

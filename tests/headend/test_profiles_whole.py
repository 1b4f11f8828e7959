"""A concentrator and a head-end in the profile of a province or of an older edition, and in two that differ."""

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs
from tests.concentrator.world import START
from tests.headend.whole import Whole

from kwhub.concentrator import config as concentrator
from kwhub.domain.errors import ConfigError
from kwhub.headend import config as headend
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.profiles import PROFILES
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.settings import parse_toml
from kwhub.runtime.virtual import run_virtual

JILIN = 573_908_832  #: that of a vector: 60 27 35 22 on the wire


class Provincial(Whole):
    """Concentrator and head-end with profiles of their own."""

    def __init__(self, clock, folder, *, below, above, terminal):
        super().__init__(clock, folder)
        self.above, self.number = above, terminal
        identity = replace(self.config.concentrator, terminal=terminal, profile=below)
        self.config = replace(self.config, concentrator=identity)

    def settings(self, **orders):
        config = super().settings(**orders)
        area = config.area[0]
        terminal = replace(area.terminal[0], terminal=self.number)
        return replace(
            config,
            headend=replace(config.headend, profile=self.above),
            area=(replace(area, terminal=(terminal,)),),
        )


def played(story, folder, **settings):
    async def main(clock):
        world = Provincial(clock, folder, **settings)
        world.open_headend()
        world.start()
        try:
            return await story(world)
        finally:
            await world.close_headend()

    return run_virtual(main, start=START)


def frames_of(world, profile):
    """What went over the line of the first terminal: the head-end's frames, and the terminal's."""
    ways = {False: Receiver(profile), True: Receiver(profile)}
    found: dict[bool, list[Frame1376]] = {False: [], True: []}
    for piece in world.headend.lookout.frames.pieces(1):
        got = ways[piece.sent].feed(piece.raw)
        found[piece.sent] += [each.frame for each in got if isinstance(each, Received)]
    return found[True], found[False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "terminal", "width", "protocol_id", "clock"),
    [("jilin", JILIN, 4, 2, True), ("2005", 2082, 2, 1, False), ("2009", 2082, 2, 2, False)],
)
def test_both_speak_the_profile_that_is_set(tmp_path, profile, terminal, width, protocol_id, clock):
    async def story(world):
        await world.online()
        await world.until(hours=2)
        units = await world.headend.front.ask(1, 0x0C, (Unit((0,), (2,)),))
        return frames_of(world, PROFILES[profile]), world.headend.front.counters, units

    (down, up), counters, units = played(
        story, tmp_path, below=profile, above=profile, terminal=terminal
    )
    assert counters["readings"] > 0
    assert counters["foreign"] == counters["discarded"] == 0
    assert units[0].functions == (2,)  # the terminal's clock was asked for, and told
    assert {(each.address.terminal, each.address.width) for each in up + down} == {
        (terminal, width)
    }
    assert {each.protocol_id for each in up + down} == {protocol_id}
    beats = {
        len(each.units[0].data) for each in up if each.afn == 2 and each.units[0].functions == (3,)
    }
    assert beats == {6 if clock else 0}


@pytest.mark.parametrize(
    ("below", "above", "terminal"),
    [("jilin", "2013", 2082), ("2013", "jilin", 2082), ("2005", "2013", 2082)],
)
def test_where_they_differ_the_log_says_so_once(tmp_path, below, above, terminal):
    async def story(world):
        await world.until(minutes=10)
        return world.headend.front

    with capture_logs() as logs:
        front = played(story, tmp_path, below=below, above=above, terminal=terminal)
    told = [each for each in logs if each["event"] == "other_profile"]
    assert [(each["speaks"], each["expected"]) for each in told] == [(below, above)]
    assert told[0]["terminal"] == "4101-02082"
    assert "profile" in told[0]["remedy"]
    assert front.counters["other_profile"] > 1
    assert front.counters["reports"] == front.online == 0


BELOW = """
[concentrator]
region = "2202"
terminal = {terminal}
profile = "{profile}"
[uplink]
address = "tcp:127.0.0.1:8001"
[[bus]]
name = "bus-1"
address = "tcp:127.0.0.1:6001"
port = 2
"""
ABOVE = """
[headend]
profile = "{profile}"
[[area]]
code = "A"
name = "A"
[[area.terminal]]
region = "2202"
terminal = {terminal}
"""


@pytest.mark.parametrize(("kind", "text"), [(concentrator.Config, BELOW), (headend.Config, ABOVE)])
@pytest.mark.parametrize(
    ("profile", "terminal", "words"),
    [
        ("atlantis", 2082, "must be one of 2013, 2009, 2005, jilin, not 'atlantis'"),
        ("2013", JILIN, "65534"),
    ],
)
def test_a_wrong_profile_or_a_number_too_large_for_it_is_told(kind, text, profile, terminal, words):
    with pytest.raises(ConfigError, match=words):
        parse_toml(text.format(profile=profile, terminal=terminal), kind)
    assert parse_toml(text.format(profile="jilin", terminal=JILIN), kind)

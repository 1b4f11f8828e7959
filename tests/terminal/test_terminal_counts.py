"""Pulses are counted to the last one, whatever the supply does."""

import os
import random
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from tests.terminal.flash import Flash, PowerLost, TornFiles
from tests.terminal.pulsetrain import DEBOUNCE_US, Oracle, train

from kwhub.catalog.terminal_profile import CHANNELS, ChannelKind
from kwhub.domain.errors import LocalError
from kwhub.exchange.terminal_settings import ChannelSettings
from kwhub.terminal.channels import Base, Channel, Channels
from kwhub.terminal.countlog import LOG_BYTES, RECORD_BYTES, CountLog, Counts, FileMedium

SETTINGS = (
    ChannelSettings(constant=3_200, current_max_a=Decimal(300), debounce_ms=DEBOUNCE_US // 1000),
) * CHANNELS
CUTS = 500
COMMIT_US = 2_000_000
PERIOD_US = 60_000
LOST_MAX = 2 * CHANNELS * COMMIT_US // PERIOD_US
"""Pulses that all channels can have counted between two commits: the hold-up loss of the documentation."""


NO_TIMES, NO_LEVELS = np.array([], np.int64), np.array([], np.bool_)


class Rig:
    """A terminal that counts for a while, again and again, on a medium that outlives it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        numbers = np.random.default_rng(seed)
        self.trains = [train(62_600, PERIOD_US, numbers) for _ in range(CHANNELS)]
        assert sum(len(each.times) for each in self.trains) >= 10_000_000

    def count(
        self, medium: Flash | TornFiles, on_us: int, off_us: int, *, warned: bool
    ) -> tuple[int, Counts]:
        """From one moment to another; returns when the last good commit was, and what was counted."""
        log = CountLog(medium)
        channels = Channels(SETTINGS, (Base(),) * CHANNELS, log.durable)
        channels.wake(on_us, sum(each.level(on_us) << n for n, each in enumerate(self.trains)))
        durable_us = on_us
        for moment in (*range(on_us + COMMIT_US, off_us, COMMIT_US), off_us):
            if moment == off_us and not warned:
                medium.cut_in = self.chance.randrange(RECORD_BYTES)
            for channel, each in zip(channels.each, self.trains, strict=True):
                first, last = np.searchsorted(each.times, (durable_us, moment), side="right")
                channel.take(each.times[first:last], each.levels[first:last], moment)
            try:
                log.commit(channels.counts(moment // 1000))
            except PowerLost:
                break
            durable_us = moment
        medium.cut_in = None
        return durable_us, channels.counts(0)

    def play(self, power_up: Callable[[], Flash | TornFiles], warnings: float) -> list[int]:
        """Switch the supply on and off; hold what is durable against the truth, and return what each cut has lost."""
        oracles = [Oracle(each) for each in self.trains]
        end_us = min(int(each.times[-1]) for each in self.trains)
        on_us, lost, durable = 1, [], Counts()
        for left in range(CUTS, -1, -1):
            share = 2 * (end_us - on_us) // (left + 1)
            off_us = on_us + self.chance.randrange(share) if left else end_us
            warned = not left or self.chance.random() < warnings
            durable_us, counted = self.count(power_up(), on_us, off_us, warned=warned)
            durable = CountLog(power_up()).durable
            lost.append(0 if warned else sum(counted.totals) - sum(durable.totals))
            assert durable.totals == counted.totals or not warned
            for oracle, total in zip(oracles, durable.totals, strict=True):
                oracle.window(on_us, durable_us)
                assert oracle.total == total
            on_us = off_us + self.chance.randrange(3 * PERIOD_US)
        self.durable = sum(durable.totals)
        assert self.durable + sum(lost) > 950_000  # the little rest came while the power was off
        return lost


@pytest.mark.slow
def test_ten_million_edges_and_five_hundred_power_cuts():
    """Half of the cuts come with a warning and lose nothing; the others tear the commit that is being
    written, and lose what was counted since the one before, never more, and nothing is invented."""
    rig = Rig(8)
    flash = Flash(rig.chance)
    lost = rig.play(lambda: flash, warnings=0.5)
    assert rig.durable > 900_000
    assert 0 < max(lost) <= LOST_MAX
    assert 200 < sum(each > 0 for each in lost) < 300


@pytest.mark.slow
def test_ten_million_edges_and_five_hundred_cuts_without_warning_on_real_files(tmp_path):
    """Every cut tears a write to the files of the terminal itself, which are then opened anew."""
    rig = Rig(9)
    media: list[TornFiles] = []

    def power_up() -> TornFiles:
        if media:
            media[-1].close()
        media.append(TornFiles(tmp_path / "counts", rig.chance))
        return media[-1]

    lost = rig.play(power_up, warnings=0)
    media[-1].close()
    assert sum(each.torn + each.emptied for each in media) == CUTS
    assert all(sum(getattr(each, how) for each in media) > 30 for how in ("torn", "emptied"))
    assert sum(each.spoilt for each in media) > 0.3 * CUTS
    assert 0 < max(lost) <= LOST_MAX
    assert sum(each > 0 for each in lost) > 0.9 * CUTS


def test_a_cut_at_every_byte_of_every_write_leaves_the_old_or_the_new_record():
    for cut_in in range(RECORD_BYTES + 1):
        flash = Flash(random.Random(cut_in))
        log = CountLog(flash)
        for number in range(1, 4):
            log.commit(Counts((number,) * CHANNELS))
        flash.cut_in = cut_in
        try:
            log.commit(Counts((4,) * CHANNELS))
        except PowerLost:
            assert CountLog(flash).durable.totals[0] == 3
        else:
            assert CountLog(flash).durable.totals[0] == 4


def test_full_logs_are_emptied_only_while_the_other_holds_the_newest():
    chance = random.Random(3)
    flash = Flash(chance)
    log = CountLog(flash)
    for number in range(1, 3 * LOG_BYTES // RECORD_BYTES):
        flash.cut_in = None if chance.random() < 0.9 else chance.randrange(RECORD_BYTES)
        try:
            log.commit(Counts((number,) * CHANNELS))
        except PowerLost:
            flash.cut_in = None
            log = CountLog(flash)
            assert log.durable.totals[0] in (number - 1, number)
            log.commit(Counts((number,) * CHANNELS))
        assert max(map(len, flash.files.values())) <= LOG_BYTES
    assert CountLog(flash).durable.totals[0] == number


class Failing(Flash):
    """A medium that refuses now and then, as a full or worn one does."""

    broken = False

    def append(self, name, data):
        if self.broken:
            self.files.setdefault(name, bytearray()).extend(data[:100])
            raise OSError("no space left")
        super().append(name, data)


def test_a_refused_write_leaves_what_was_durable_and_is_tried_again():
    medium = Failing(random.Random(1))
    log = CountLog(medium)
    log.commit(Counts((1,) * CHANNELS))
    medium.broken = True
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            log.commit(Counts((2,) * CHANNELS))
        assert CountLog(medium).durable.totals[0] == 1
    medium.broken = False
    log.commit(Counts((3,) * CHANNELS))
    assert CountLog(medium).durable.totals[0] == 3


def test_files_keep_the_counts(tmp_path):
    medium = FileMedium(tmp_path / "counts")
    log = CountLog(medium)
    log.commit(Counts((7,) * CHANNELS, (2,) * CHANNELS, levels=0b101, at_ms=1_772_000_000_000))
    log.commit(Counts((8,) * CHANNELS, (2,) * CHANNELS, levels=0b100, at_ms=1_772_000_001_000))
    medium.close()
    with (tmp_path / "counts" / "counts-b.log").open("ab") as file:
        file.write(os.urandom(77))
    again = FileMedium(tmp_path / "counts")
    found = CountLog(again).durable
    again.close()
    assert found == Counts((8,) * CHANNELS, (2,) * CHANNELS, 0b100, 1_772_000_001_000)


def test_two_terminals_never_count_in_one_folder(tmp_path):
    first = FileMedium(tmp_path / "counts", alone=True)
    with pytest.raises(LocalError, match="counts is in use by another terminal"):
        FileMedium(tmp_path / "counts", alone=True)
    first.close()
    FileMedium(tmp_path / "counts", alone=True).close()


def test_counts_never_go_back():
    log = CountLog(Flash(random.Random(1)))
    log.commit(Counts((5,) * CHANNELS))
    with pytest.raises(LocalError, match="never goes back"):
        log.commit(Counts((4,) * CHANNELS))


def pulses_at(*moments: int, channel: Channel) -> None:
    times = np.array([edge for at in moments for edge in (at, at + 30_000)], np.int64)
    levels = np.array([True, False] * len(moments))
    channel.take(times, levels, moments[-1] + 60_000)


def test_a_register_follows_constant_and_reading():
    channel = Channel(ChannelSettings(constant=1_000), Base(), 0, 0)
    channel.base = Base(Decimal("123.45"), channel.total, Decimal("123.45"))
    pulses_at(*range(10**6, 10**6 + 25 * 10**6, 10**6), channel=channel)
    assert channel.register == Decimal("123.47")
    channel.use(ChannelSettings(constant=100))
    assert channel.register == Decimal("123.47")
    pulses_at(30 * 10**6, channel=channel)
    assert channel.register == Decimal("123.48")  # 123.475 and a hundredth


def test_power_falls_while_no_pulse_comes():
    channel = Channel(ChannelSettings(constant=1_000), Base(), 0, 0)
    pulses_at(1_000_000, 4_600_000, channel=channel)
    assert channel.power_kw(4_700_000) == 1
    assert channel.power_kw(4_600_000 + 36_000_000) == Decimal("0.1")


def test_what_no_load_can_cause_is_counted_apart():
    channel = Channel(ChannelSettings(constant=1_600, current_max_a=Decimal(5)), Base(), 0, 0)
    pulses_at(1_000_000, 1_100_000, 3_000_000, channel=channel)
    assert (channel.total, channel.implausible) == (2, 1)


def test_an_input_that_bounces_without_end_is_a_fault():
    channel = Channel(ChannelSettings(), Base(), 0, 0)
    times = np.arange(0, 1_000_000, 500, dtype=np.int64)
    told = channel.take(times, np.arange(len(times)) % 2 == 0, 1_000_000)
    assert told.faulty
    assert channel.total == 0
    assert not channel.take(NO_TIMES, NO_LEVELS, 2_000_000).faulty


def test_channels_that_are_off_or_read_a_meter_count_nothing():
    for kind in (ChannelKind.OFF, ChannelKind.METER):
        channel = Channel(ChannelSettings(kind=kind, constant=0), Base(), 0, 0)
        pulses_at(1_000_000, 2_000_000, channel=channel)
        assert channel.total == 0


def test_a_pulse_that_began_without_power_counts_once():
    counts = Counts(levels=0b01)  # channel 1 was active when the power went, channel 2 was not
    channels = Channels(SETTINGS, (Base(),) * CHANNELS, counts)
    channels.wake(1_000_000, 0b11)
    for channel in channels.each:
        channel.take(NO_TIMES, NO_LEVELS, 2_000_000)
    assert [channels[number].total for number in (1, 2, 3)] == [0, 1, 0]

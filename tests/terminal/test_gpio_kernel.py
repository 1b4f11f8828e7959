"""Real lines of the kernel, simulated by its module gpio-sim: where that is loaded (as root: ``modprobe gpio-sim``).

Elsewhere these are skipped; ``test_terminal_service`` and ``test_gpio_library`` then stand for them.
"""

import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.terminal.test_terminal_service import TEXT

from kwhub.domain.errors import LinkDown
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal
from kwhub.terminal.gpio import GpioInputs, LinesNotHad

SIMULATED = Path("/sys/kernel/config/gpio-sim")
LINES, COVER = tuple(range(16)), 16
NOBODY = 65_534
DEBOUNCE_US = 15_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.access(SIMULATED, os.W_OK), reason="the kernel's gpio-sim is not loaded"
    ),
]


class SimulatedChip:
    """A chip of seventeen lines; ``level`` is what a meter's output does to one."""

    def __init__(self, name):
        self._made = [SIMULATED / name, SIMULATED / name / "bank0"]
        for each in self._made:
            each.mkdir()
        (self._made[1] / "num_lines").write_text("17")
        (self._made[0] / "live").write_text("1")
        device = (self._made[0] / "dev_name").read_text().strip()
        chip = (self._made[1] / "chip_name").read_text().strip()
        self.path = f"/dev/{chip}"
        self._lines = Path("/sys/devices/platform") / device / chip

    def level(self, line, *, closed):
        """Close an open collector, or let it go."""
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-down" if closed else "pull-up")

    def close(self):
        (self._made[0] / "live").write_text("0")
        for each in reversed(self._made):
            each.rmdir()


@pytest.fixture
def chip(request):
    with closing(SimulatedChip(request.node.name[:30])) as made:
        yield made


def taken(inputs):
    return inputs.edges(int(time.monotonic() * 1e6))


def looked_on(terminal, for_s):
    """The kernel's clock is real, and pulses are longer than bounce."""
    ends = time.monotonic() + for_s
    while time.monotonic() < ends:
        terminal.look()


def test_edges_levels_and_moments_are_those_of_the_lines(chip):
    with closing(GpioInputs(chip.path, LINES, cover=COVER)) as inputs:
        assert (inputs.levels(), inputs.cover_open()) == (0, True)
        before = time.monotonic()
        chip.level(3, closed=True)
        chip.level(15, closed=True)
        chip.level(COVER, closed=True)
        assert (inputs.levels(), inputs.cover_open()) == (0b1000_0000_0000_1000, False)
        chip.level(3, closed=False)
        after = time.monotonic()
        found = taken(inputs)
        assert {n: list(levels) for n, (_, levels) in found.items()} == {
            4: [True, False],
            16: [True],
        }
        moments = [moment / 1e6 for times, _ in found.values() for moment in times]
        assert before - 0.001 <= min(moments) <= max(moments) <= after
        assert inputs.lost() == {}


def test_active_high_lines_are_idle_when_they_are_low(chip):
    with closing(GpioInputs(chip.path, (0, 1), active_low=False)) as inputs:
        assert inputs.levels() == 0
        chip.level(1, closed=False)  # pulled up
        assert inputs.levels() == 0b10
        assert {n: list(levels) for n, (_, levels) in taken(inputs).items()} == {2: [True]}


def test_what_the_kernel_drops_is_counted(chip):
    inputs = GpioInputs(chip.path, (0, 1))
    with closing(inputs):
        with inputs._turn:  # the thread cannot empty the kernel's buffer meanwhile
            for number in range(1_500):
                chip.level(0, closed=number % 2 == 0)
        times, _ = taken(inputs)[1]
        assert len(times) + inputs.lost()[1] == 1_500
        assert len(times) == 1_024


class Noting:
    """Inputs that keep what they told."""

    def __init__(self, inner):
        self._inner, self.told = inner, []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def edges(self, now_us):
        found = self._inner.edges(now_us)
        self.told += [
            (int(moment), n, bool(level))
            for n, (times, levels) in found.items()
            for moment, level in zip(times, levels, strict=True)
        ]
        return found


def pulses(told, channel, ends_us):
    """Levels that stayed 15 ms, worked out one edge after the other: this machine may be slow, and stall within a bounce."""
    edges = [(at, level) for at, n, level in told if n == channel]
    counted, before = 0, False
    for (at, level), (until, _) in zip(edges, [*edges[1:], (ends_us, None)], strict=True):
        if until - at >= DEBOUNCE_US:
            counted += level and not before
            before = level
    return counted


def test_a_terminal_counts_every_pulse_of_real_lines(chip, tmp_path):
    (tmp_path / "word").write_text("271828")
    path = tmp_path / "terminal.toml"
    plate = 'constant = 1600\ncurrent_max_a = "3000"\ndebounce_ms = 15'
    path.write_text(TEXT.replace("constant = 1600", plate))
    inputs = Noting(GpioInputs(chip.path, (5, 7), cover=COVER))
    config = terminal_config.load(path)
    with closing(Terminal(config, SystemClock(), chance=seeded(1), inputs=inputs)) as terminal:
        for _ in range(20):
            for closed in (True, False, True):  # a contact that bounces
                chip.level(5, closed=closed)
            looked_on(terminal, 0.04)
            chip.level(5, closed=False)
            looked_on(terminal, 0.04)
        assert [level for _, _, level in inputs.told] == [True, False, True, False] * 20
        assert {n for _, n, _ in inputs.told} == {1}
        total = terminal.box.channels[1].total
        assert total == pulses(inputs.told, 1, int(time.monotonic() * 1e6))
        assert total >= 20


def test_a_line_that_somebody_has_is_named(chip):
    with (
        closing(GpioInputs(chip.path, (4,))),
        pytest.raises(LinesNotHad, match=rf"{chip.path}: in use: 4 \(kwhub terminal\)") as told,
    ):
        GpioInputs(chip.path, LINES)
    assert told.value.chinese == f"{chip.path}: 已被占用：4 (kwhub terminal)"


def test_a_line_that_is_not_there_is_named(chip):
    with pytest.raises(LinkDown, match="it has 17 lines, from 0; there is no 17, 40"):
        GpioInputs(chip.path, (0, 17, 40))


def test_who_may_not_open_the_chip_is_told(chip):
    os.seteuid(NOBODY)
    try:
        with pytest.raises(LinkDown, match="this user may not open it; add the user to the group"):
            GpioInputs(chip.path, LINES)
    finally:
        os.seteuid(0)

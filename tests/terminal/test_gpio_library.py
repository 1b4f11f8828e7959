"""What the package gpiod says when lines cannot be had, in plain words; its own types, and itself where no chip is needed."""

import errno
import threading

import gpiod
import pytest

from kwhub.terminal.gpio import GpioInputs, LinesNotHad

CHIP = "/dev/gpiochip0"


def info(offset, consumer=""):
    return gpiod.LineInfo(
        offset,
        f"line {offset}",
        bool(consumer),
        consumer,
        gpiod.line.Direction.INPUT.value,
        False,
        gpiod.line.Bias.UNKNOWN.value,
        gpiod.line.Drive.PUSH_PULL.value,
        gpiod.line.Edge.NONE.value,
        gpiod.line.Clock.MONOTONIC.value,
        False,
        0,
    )


class Chip:
    """A chip of eight lines; somebody has line 5."""

    def __init__(self, _path):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_trouble):
        pass

    def get_line_info(self, line):
        return info(line, "heating" if line == 5 else "")

    def get_info(self):
        return gpiod.ChipInfo("gpiochip0", "box", 8)


def refused(monkeypatch, error, lines=(4, 5), **settings):
    def request(*_args, **_settings):
        raise error

    monkeypatch.setattr(gpiod, "request_lines", request)
    monkeypatch.setattr(gpiod, "Chip", Chip)
    with pytest.raises(LinesNotHad) as told:
        GpioInputs(CHIP, lines, **settings)
    return str(told.value), told.value.chinese


@pytest.mark.parametrize(
    ("chip", "english", "chinese"),
    [
        ("/dev/no-such-chip", "there is no such chip", "没有此芯片"),
        ("/dev/null", "this is no GPIO chip", "这不是 GPIO 芯片"),
        ("/", "this is no GPIO chip", "这不是 GPIO 芯片"),
    ],
)
def test_what_is_no_chip_is_told_by_the_library_itself(chip, english, chinese):
    with pytest.raises(LinesNotHad, match=f"^{chip}: {english}") as told:
        GpioInputs(chip, range(16))
    assert told.value.chinese.startswith(f"{chip}: {chinese}")
    assert "Errno" not in str(told.value)


def test_who_has_a_line_is_told(monkeypatch):
    busy = OSError(errno.EBUSY, "Device or resource busy")
    english, chinese = refused(monkeypatch, busy)
    assert english == f"{CHIP}: in use: 5 (heating)"
    assert chinese == f"{CHIP}: 已被占用：5 (heating)"
    assert refused(monkeypatch, busy, (1,), cover=5)[0] == f"{CHIP}: in use: 5 (heating)"
    gone, _ = refused(monkeypatch, busy, (1, 2))  # let go of meanwhile
    assert gone == f"{CHIP}: Device or resource busy"


def test_a_line_that_is_not_there_is_told(monkeypatch):
    english, chinese = refused(monkeypatch, ValueError("line offset of out range"), (7, 8, 40))
    assert english == f"{CHIP}: it has 8 lines, from 0; there is no 8, 40"
    assert chinese == f"{CHIP}: 共 8 条线，从 0 起；没有 8, 40"


def test_no_right_and_unknown_trouble_are_told(monkeypatch):
    for number in (errno.EACCES, errno.EPERM):
        english, _ = refused(monkeypatch, OSError(number, "no"))
        assert english.startswith(f"{CHIP}: this user may not open it; add the user to the group")
    english, chinese = refused(monkeypatch, OSError(errno.EIO, "Input/output {error}"))
    assert english == chinese == f"{CHIP}: Input/output (error)"


class Alone:
    """A request that notices when two threads use it at once, as the library forbids."""

    def __init__(self):
        self.busy = threading.Lock()
        self.met = False

    def _use(self):
        if not self.busy.acquire(blocking=False):
            self.met = True
            return
        threading.Event().wait(0.0005)
        self.busy.release()

    def wait_edge_events(self, _timeout):
        self._use()
        return False

    def get_values(self, lines):
        self._use()
        return [gpiod.line.Value.ACTIVE for _ in lines]

    def release(self):
        pass


def test_a_request_is_used_by_one_thread_at_a_time(monkeypatch):
    request = Alone()
    monkeypatch.setattr(gpiod, "request_lines", lambda *_args, **_settings: request)
    monkeypatch.setattr("kwhub.terminal.gpio._EMPTY_S", 0.0)
    inputs = GpioInputs(CHIP, (1, 2), cover=3)
    for _ in range(40):
        inputs.levels()
        inputs.cover_open()
    inputs.close()
    assert not request.met

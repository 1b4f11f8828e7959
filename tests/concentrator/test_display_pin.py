"""The PIN of the screen: no default, kept as a hash, locked after wrong tries, also over a restart."""

import json
import stat

import pytest

from kwhub.concentrator.display.preferences import (
    LOCK_FIRST_S,
    LOCK_MOST_S,
    TRIES_MAX,
    Preferences,
)
from kwhub.domain.errors import LocalError

NOW = 1_772_380_800
PIN = "394817"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.panel.json"


@pytest.fixture
def kept(path):
    preferences = Preferences(path)
    preferences.set_pin(PIN)
    return preferences


def wrong(preferences, now=NOW, count=TRIES_MAX):
    for _ in range(count):
        assert not preferences.is_right("000000", now)


def test_there_is_no_default_pin(path):
    preferences = Preferences(path)
    assert not preferences.has_pin
    for guess in ("", "000000", "123456"):
        with pytest.raises(LocalError, match="no PIN"):
            preferences.is_right(guess, NOW)


def test_the_file_is_its_owners_and_knows_only_a_hash(kept, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PIN not in path.read_text()
    assert kept.is_right(PIN, NOW)
    assert Preferences(path).is_right(PIN, NOW)


def test_the_same_pin_has_another_hash_elsewhere(kept, path, tmp_path):
    other = Preferences(tmp_path / "other")
    other.set_pin(PIN)
    hashes = {json.loads(file.read_text())["pin"] for file in (path, tmp_path / "other")}
    assert len(hashes) == 2


@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345a", "１２３４５６"])
def test_a_pin_has_six_digits(path, pin):
    with pytest.raises(LocalError, match="6 digits"):
        Preferences(path).set_pin(pin)


def test_wrong_tries_lock_also_the_right_pin_and_over_a_restart(kept, path):
    assert kept.tries_left == TRIES_MAX
    wrong(kept)
    for preferences in (kept, Preferences(path)):
        assert preferences.locked_s(NOW) == LOCK_FIRST_S
        with pytest.raises(LocalError, match="locked"):
            preferences.is_right(PIN, NOW + LOCK_FIRST_S - 1)
    assert kept.is_right(PIN, NOW + LOCK_FIRST_S)
    assert kept.tries_left == TRIES_MAX


def test_each_lock_is_twice_as_long_up_to_an_hour(kept):
    now, locks = NOW, []
    for _ in range(5):
        wrong(kept, now)
        locks.append(kept.locked_s(now))
        now += locks[-1]
    assert locks == [300, 600, 1_200, 2_400, LOCK_MOST_S]


def test_a_clock_that_was_wrong_does_not_lock_for_ever(kept):
    wrong(kept, NOW + 10**9)
    assert kept.locked_s(NOW) == LOCK_MOST_S


class Pulled(str):
    """A PIN at which the plug is pulled as soon as it is looked at."""

    __slots__ = ()

    def encode(self, *_args, **_names):
        raise SystemExit


def test_a_try_is_written_down_before_it_is_judged(kept, path):
    with pytest.raises(SystemExit):
        kept.is_right(Pulled("000000"), NOW)
    assert Preferences(path).tries_left == TRIES_MAX - 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"pin": 5}'])
def test_a_damaged_file_lets_nobody_in(kept, path, damage):
    path.write_bytes(damage)
    with pytest.raises(LocalError, match=r"panel\.json"):
        Preferences(path)
    with pytest.raises(LocalError, match=r"panel\.json"):
        kept.is_right(PIN, NOW)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(LocalError, match="gone"):
        Preferences(tmp_path / "gone" / "file").set_pin(PIN)


def test_choices_survive_a_restart(path):
    Preferences(path).choose(language="zh", idle_s=0, is_dark=True)
    again = Preferences(path)
    assert (again.language, again.idle_s, again.is_dark) == ("zh", 0, True)
    again.choose(language="en")
    assert (Preferences(path).language, Preferences(path).idle_s) == ("en", 0)

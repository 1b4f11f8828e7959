"""Every node a process of its own: an hour of readings, each of them once, and no link that is a ghost.

The air is a process too; all that they have in common is sockets and, so that an hour takes no hour,
the time (`tests.bluetooth.shared_time`).
"""

import json
import subprocess
import sys

import pytest
from tests.bluetooth.mesh_processes import (
    AFTER_S,
    BACK_S,
    COLLECTOR,
    GLANCES,
    KILLED_S,
    MASTERS,
    ROUNDS,
    SLAVES,
)
from tests.bluetooth.nodes import address

pytestmark = [pytest.mark.slow, pytest.mark.sim]

PATIENCE_S = 900.0
SUPERVISION_S = 2.0


@pytest.fixture
def play(tmp_path):
    """Runs one of the worlds; gives what its processes have told."""

    def run(name, pairing):
        command = [sys.executable, "-m", "tests.bluetooth.mesh_processes", name]
        words = [*command, str(tmp_path), pairing]
        ended = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert ended.returncode == 0, ended.stderr[-4_000:]
        told = json.loads(ended.stdout)
        return told["results"], told["killed"]

    return run


def ends(results, kind, count):
    """What the processes of a kind have told."""
    return [results[address(kind, number)] for number in range(count)]


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_five_masters_read_twenty_meters_for_an_hour(play, pairing):
    results, _ = play("mesh", pairing)
    slaves = [address(1, number) for number in range(SLAVES)]
    masters = [address(2, number) for number in range(MASTERS)]
    for each in ends(results, 2, MASTERS):
        assert each["read"] == SLAVES * ROUNDS
        assert each["slaves"] == slaves
        assert each["up"] == SLAVES
        assert each["encrypted"] == (SLAVES if pairing == "paired" else 0)
    for each in ends(results, 1, SLAVES):
        assert each["masters"] == masters
        assert sum(each["asked"]) == MASTERS * ROUNDS  # no question twice
        assert each["wrong"] == {}


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_three_masters_above_one_meter_have_their_own_answers_for_an_hour(play, pairing):
    results, _ = play("three", pairing)
    assert [each["read"] for each in ends(results, 2, 3)] == [ROUNDS, ROUNDS, 2 * ROUNDS]
    (meter,) = ends(results, 1, 1)
    assert meter["masters"] == [address(2, number) for number in range(3)]
    assert sum(meter["asked"]) == 4 * ROUNDS
    assert meter["wrong"] == {}


def test_a_collector_between_two_masters_and_five_meters_for_an_hour(play):
    results, _ = play("middle", "paired")
    masters = ends(results, 2, 2)
    assert [each["read"] for each in masters] == [5 * ROUNDS] * 2
    assert [each["different"] for each in masters] == [5 * ROUNDS] * 2
    middle = results[COLLECTOR]
    assert middle["masters"] == [address(2, number) for number in range(2)]
    assert middle["slaves"] == [address(1, number) for number in range(5)]
    assert (middle["states"], middle["unanswered"], middle["wrong"]) == (["online"], 0, {})
    for each in ends(results, 1, 5):
        assert each["masters"] == [COLLECTOR]
        assert each["wrong"] == {}


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_a_master_is_killed_and_back_before_its_link_has_been_given_up(play, pairing):
    """kill -9, and 0.5 s later it is there again, with the keys that it had."""
    results, killed = play("death", pairing)
    again = results[f"{address(2, 0)} again"]
    assert killed == {address(2, 0): KILLED_S}
    assert BACK_S < again["linked_s"] - KILLED_S <= SUPERVISION_S + 1
    assert again["read"] == (AFTER_S - SUPERVISION_S) // 10 + 1  # every 10 s, all at once answered
    assert results[address(1, 0)]["masters"] == [address(2, 0)]


def test_the_time_waits_for_whoever_works_and_for_what_is_on_its_way(play):
    assert play("work", "unpaired")[0] == {"works": 6.0, "waits": ["done", 5.0]}


def test_who_is_spoken_to_looks_at_the_right_time(play):
    """It was told the time after the one who spoke to it, and its patience had begun in the past."""
    results, _ = play("glance", "unpaired")
    assert results["looks"] == [10.0 * (number + 1) for number in range(GLANCES)]


def test_who_waits_for_ever_is_told(play):
    with pytest.raises(AssertionError, match="wait for ever"):
        play("vain", "unpaired")

"""Changes at run time are kept over a restart; what is written into the settings file since goes first."""

import json

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.bluetooth.nodes import address, node
from tests.bluetooth.stations import METER, on_air

from kwhub.bluetooth import node_settings
from kwhub.bluetooth.commands import answer_command
from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.node_settings import NodeSettings, Role, SlaveSettings
from kwhub.cli.ble_file import read_node_file
from kwhub.domain.errors import ConfigError
from kwhub.wire.passing import Kind


def begun_with(kept, settings, *commands):
    """A node is begun, is told something at its serial face, and ends; its settings then."""

    async def main(clock, air):
        async with node(clock, air, METER, settings, kept=kept) as made:
            for each in commands:
                assert await answer_command(each, made, made._station) == ["+OK"]
            return made.settings

    return on_air(main)


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "node.json"


def test_what_the_file_forbids_now_is_not_allowed_by_an_older_command(kept):
    open_ = NodeSettings(inspection=InspectionMode.REPORT, masters_max=2)
    changed = begun_with(kept, open_, "AT+INSPECT=off", "AT+MAXUP=5")
    assert (changed.inspection, changed.masters_max) == (InspectionMode.OFF, 5)
    strict = msgspec.structs.replace(open_, inspection=InspectionMode.REFUSE)
    with capture_logs() as logs:
        after = begun_with(kept, strict)
    assert after.inspection is InspectionMode.REFUSE
    assert after.masters_max == 5  # the file says what it said then
    assert [each["settings"] for each in logs if "settings" in each] == [["inspection"]]


def test_what_no_command_can_change_is_always_as_the_file_says(kept):
    begun_with(kept, NodeSettings(), "AT+ROLE=both")
    tight = NodeSettings(
        allow=(Kind.READ,), meters=("000000000001",), subscribers=(address(1, 1),), answer_s=5.0
    )
    after = begun_with(kept, tight)
    assert after == msgspec.structs.replace(tight, role=Role.BOTH)


def test_a_command_given_after_the_file_was_changed_is_kept_again(kept):
    begun_with(kept, NodeSettings(), "AT+INSPECT=off")
    strict = NodeSettings(inspection=InspectionMode.REPORT)
    assert begun_with(kept, strict, "AT+INSPECT=refuse").inspection is InspectionMode.REFUSE
    assert begun_with(kept, strict).inspection is InspectionMode.REFUSE


def test_slaves_that_were_added_go_when_the_file_allows_fewer(kept):
    settings = NodeSettings(role=Role.MASTER, slaves_max=3)
    added = [f"AT+CONN={address(5, number)}" for number in range(3)]
    assert len(begun_with(kept, settings, *added).slaves) == 3
    assert len(begun_with(kept, settings).slaves) == 3
    fewer = msgspec.structs.replace(settings, slaves_max=2)
    assert begun_with(kept, fewer) == fewer


def test_a_change_that_was_taken_back_leaves_nothing(kept):
    settings = NodeSettings(slaves=(), role=Role.MASTER)
    begun_with(kept, settings, f"AT+CONN={address(5, 1)}", f"AT+DISCON={address(5, 1)}")
    assert json.loads(kept.read_text())["changed"] == {}
    more = msgspec.structs.replace(settings, slaves=(SlaveSettings(address(5, 2)),))
    assert begun_with(kept, more) == more


@pytest.mark.parametrize("text", ["", "{", '{"role": "slave"}', '{"file": 1, "changed": {}}'])
def test_a_damaged_file_is_told(kept, text):
    kept.write_text(text)
    with pytest.raises(ConfigError, match="remove it to begin anew"):
        node_settings.load(kept, NodeSettings())


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", "kwhub-kwhub-kwhub-kwhub-kwhub", "of 1 to 26 characters"),
        ("beacon_uuid", "xyz", "a UUID in quotes"),
    ],
)
def test_what_can_be_no_advertisement_is_refused_with_words(tmp_path, key, value, words):
    path = tmp_path / "node.toml"
    path.write_text(f'adapter = "usb:0"\n[node]\nrole = "beacon"\n{key} = "{value}"\n')
    with pytest.raises(ConfigError, match=rf"node.toml:4: node.{key}: must be .*{words}"):
        read_node_file(path)


@pytest.mark.parametrize(
    ("rows", "is_right"),
    [
        ("silent_s = 30", False),
        ("silent_s = 68.9", False),  # a node may be made a master, which waits 3 s for an answer
        ("silent_s = 69", True),
        ("answer_s = 1.0\nsilent_s = 63", True),
        ("answer_s = 10.0\nsilent_s = 63", False),
        ("heartbeat_s = 300", False),
    ],
)
def test_who_is_idle_must_not_count_as_silent(tmp_path, rows, is_right):
    path = tmp_path / "node.toml"
    path.write_text(f'adapter = "usb:0"\n[node]\n{rows}\n')
    assert read_node_file(path).node.silent_s  # it watches nobody
    slave = '[[node.slaves]]\naddress = "F0:00:00:00:00:01"'
    path.write_text(f'adapter = "usb:0"\n[node]\n{rows}\n{slave}\n')
    if is_right:
        assert read_node_file(path).node.silent_s
        return
    told = r"node\.silent_s: must be at least \d+ with heartbeat_s = \d+ and a wait of \d+ s"
    with pytest.raises(ConfigError, match=told):
        read_node_file(path)


def test_a_role_that_was_kept_goes_with_the_tightest_silence_that_the_file_may_have(kept):
    tight = NodeSettings(silent_s=69.0, slaves=(SlaveSettings("F0:00:00:00:00:01"),))
    begun_with(kept, tight, "AT+ROLE=master")
    assert begun_with(kept, tight).role is Role.MASTER

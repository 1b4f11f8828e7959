"""What is told of a device stands there in the reader's language, its reason too."""

import json
import re
from datetime import UTC, datetime

import pytest
from tests.bluetooth.stations import METER

from kwhub.bluetooth.registry import NodeView, StateChange
from kwhub.bluetooth.states import STATES, Cause, NodeState, Why
from kwhub.cli import ble_nodes
from kwhub.concentrator.devices import Trouble, abnormal_words

CAUSES = [Why(cause, 12, 20) for cause in Cause if cause is not Cause.NONE]
ALIKE = re.compile(r"dBm|F0(:[0-9A-F]{2}){5}")
"""What is the same in both languages: a unit, an address."""


def latin(text):
    return re.findall("[A-Za-z]+", ALIKE.sub("", text))


def test_every_state_and_every_cause_has_words_in_both_languages():
    assert set(STATES) == set(NodeState)
    for english, chinese in [*STATES.values(), *(why.words for why in CAUSES)]:
        assert latin(english)
        assert chinese
        assert not latin(chinese), chinese
    assert str(Why()) == ""


@pytest.mark.parametrize("why", CAUSES, ids=lambda why: why.cause.value)
def test_a_chinese_reader_reads_no_english_reason(why, capsys):
    view = NodeView(METER, None, NodeState.SILENT, why, signal_dbm=-70)
    at = datetime(2026, 3, 2, 8, tzinfo=UTC)
    change = StateChange(at, METER, None, NodeState.ONLINE, NodeState.SILENT, why)
    ble_nodes._tell(change, "zh", json=False)
    ble_nodes._show([view], "zh", json=False)
    shown = capsys.readouterr().out
    assert why.words[1] in shown.replace("\n", "")
    assert not latin(shown), shown
    ble_nodes._tell(change, "zh", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["why"], told["detail"]) == (why.cause.value, why.words[0])


@pytest.mark.parametrize("trouble", [each for each in Trouble if each is not Trouble.NONE])
def test_the_trouble_of_a_device_is_told_in_both_languages_at_the_concentrator(trouble):
    english, chinese, rest = abnormal_words("device", f"{trouble.name.lower()} {METER}")
    assert english.startswith("Bluetooth device in trouble: ")
    assert chinese.startswith("蓝牙设备异常：")
    assert not latin(chinese)
    assert rest == METER


def test_other_troubles_keep_their_detail():
    assert abnormal_words("clock", "+400 s")[2] == "+400 s"
    assert abnormal_words("device", "")[1:] == ("蓝牙设备异常", "")
    assert abnormal_words("new", "silent x") == ("new", "new", "silent x")

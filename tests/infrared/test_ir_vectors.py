"""Real captures: our answer is that of the majority of the decoders that were asked."""

import json
import re
from collections import Counter

import pytest
from tests.infrared.corpus_ir import WRONG_WORDS, vectors

from kwhub.infrared.codes import decode
from kwhub.infrared.formats import read_trains
from kwhub.infrared.formats.light import without_carrier


def answers(line, *, light=False):
    (train,) = read_trains(json.dumps(line))
    assert train.error is None
    return decode(without_carrier(train.pulses) if light else train.pulses)


def spoken(line, **options):
    return [answer for answer in answers(line, **options) if answer.protocol is not None]


def number(text):
    return int(text.split()[0], 16)


def test_frames_agree_with_the_majority():
    told: Counter[str] = Counter()
    for line in vectors("frames"):
        if line["agree"] < 2:
            continue
        first = spoken(line)[0]
        assert first.protocol == line["protocol"], line["id"]
        assert first.fields["command"] == line["command"], line["id"]
        if line["protocol"] == "NEC":
            assert first.fields["repeat"] is line["repeat_frame"], line["id"]
        assert first.confidence > 0.55
        told[line["protocol"]] += 1
    assert told == {"NEC": 111, "RC6": 74, "RC5": 37, "SIRC": 1}


def is_known_wrong(line, oracle):
    return any(
        oracle == who and (where in line["id"] or where == line["protocol"])
        for who, where, *_ in WRONG_WORDS
    )


def test_addresses_are_those_of_every_oracle_but_for_known_wrong_words():
    compared = 0
    for line in vectors("frames"):
        if line["agree"] < 2 or line["repeat_frame"]:
            continue
        first = spoken(line)[0]
        for oracle, word in line["oracles"].items():
            if word is None or is_known_wrong(line, oracle):
                continue
            ten = oracle == "sigrok_0_5_3" and line["protocol"] == "RC5"
            assert first.fields["address"] == int(word["address"], 10 if ten else 16), line["id"]
            compared += 1
    assert compared > 250


def test_toggles_are_sigroks():
    for line in vectors("frames"):
        word = line["oracles"]["sigrok_0_5_3"] or {}
        if line["agree"] >= 2 and "toggle" in word:
            assert spoken(line)[0].fields["toggle"] == int(word["toggle"]), line["id"]


def test_what_nobody_agrees_on_is_refused_or_read_as_one_oracle_does():
    found = Counter(
        (line["protocol"], spoken(line)[0].fields["command"] == line["command"])
        if spoken(line)
        else (line["protocol"], None)
        for line in vectors("frames")
        if line["agree"] < 2
    )
    assert found == {("other", None): 27, ("NEC", True): 2, ("RC5", True): 1}


@pytest.mark.parametrize("light", [False, True], ids=["sigrok_demod", "sigrok_carrier"])
def test_whole_captures_say_the_commands_that_sigrok_found(light):
    for line in vectors("sigrok_carrier" if light else "sigrok_demod"):
        texts = [entry[-1] for entry in line["decode"]]
        if line["protocol"] == "other":
            assert not spoken(line, light=light)
            continue
        found = spoken(line, light=light)
        assert {answer.protocol for answer in found} == {line["protocol"]}
        commands = [answer.fields["command"] for answer in found if answer.bits]
        assert commands
        said = said_commands(line["protocol"], texts)
        if said:
            assert commands[: len(said)] == said[: len(commands)], line["id"]
        if light:
            assert found[0].carrier_hz == pytest.approx(line["carrier_hz_mean"], rel=1e-3)


def said_commands(protocol, texts):
    if protocol == "RC6":
        return [number(text[6:]) & 0xFF for text in texts if text.startswith("Data: ")]
    found = [text[9:] for text in texts if re.match(r"Command: ", text)]
    return [int(word.split()[0]) if protocol == "RC5" else number(word) for word in found]


def test_the_bogus_packet_is_the_only_stretch_of_its_capture_that_is_refused():
    (line,) = [found for found in vectors("sigrok_demod") if "bogus" in found["id"]]
    assert [answer.protocol for answer in answers(line)].count(None) <= 1


def test_flipper_captures():
    expected = {"NEC": "NEC", "RC5": "RC5", "NEC_LIKE": "NEC_LIKE", "SYMPHONY": None}
    for line in vectors("flipper_raw"):
        first = answers(line)[0]
        assert first.protocol == expected[line["protocol"]], line["id"]
        if first.protocol is not None:
            assert first.fields["address"] == int(line["decode"]["address"], 16)
        if first.protocol in ("NEC", "RC5"):
            assert first.fields["command"] == int(line["decode"]["command"], 16)
            assert first.carrier_hz == 38_000


def test_meters_frames_come_back_byte_for_byte():
    for line in vectors("synth_meter"):
        (answer,) = answers(line)
        assert answer.protocol == "UART_8E1"
        assert answer.fields["bytes"] == line["decode"], line["id"]
        assert answer.fields["baud"] == line["baud"]
        assert answer.confidence > 0.99

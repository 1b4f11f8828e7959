"""Every published frame: fields through ``kwhub decode --json``, bytes back, explained without a gap."""

import json

import pytest
from tests.protocols.gdw1376_2.corpus13762 import corpus

from kwhub.catalog.decoding import detect
from kwhub.cli.app import run
from kwhub.protocols.gdw1376_2.explain import explain
from kwhub.protocols.gdw1376_2.frames import parse
from kwhub.protocols.gdw1376_2.routes import DownRoute
from kwhub.protocols.gdw1376_2.tables import read_unit

HOUSE_NAMES = {"C": "control", "dir": "direction", "prm": "primary", "AFN": "afn", "f": "functions"}


@pytest.mark.slow
def test_decode_agrees_with_every_expected_field(capsys):
    vectors = corpus()
    run(["decode", "--json", *(vector["hex"] for vector in vectors)])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["protocol"] == "gdw1376.2", vector["id"]
        assert answer["valid"] is vector["valid"]
        found = {name: answer["frame"][HOUSE_NAMES.get(name, name)] for name in vector["expect"]}
        assert found == vector["expect"], vector["id"]


def test_every_frame_gives_its_bytes_back():
    for vector in corpus():
        raw = bytes.fromhex(vector["hex"])
        frame = parse(raw)
        assert frame.to_bytes() == raw
        assert detect(raw) == "gdw1376.2"
        if not isinstance(frame.route, DownRoute):
            continue
        assert frame.route.to_bytes() == frame.info


def test_typed_data_gives_its_bytes_back():
    typed = 0
    for vector in corpus():
        frame = parse(bytes.fromhex(vector["hex"]))
        unit = read_unit(frame.afn, frame.function, frame.data, up=frame.up)
        if unit is not None and frame.data:
            typed += 1
            assert unit.to_data() == frame.data, vector["id"]
    assert typed >= 10


def test_every_frame_is_explained_without_a_gap():
    for vector in corpus():
        raw = bytes.fromhex(vector["hex"])
        parts = explain(raw).parts
        assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
        assert parts[-1].stop == len(raw)
        assert all(part.meaning and part.meaning_zh for part in parts if part.stop > part.start)


def test_damaged_frames_are_still_known_and_others_are_not():
    raw = bytes.fromhex("680F00430000000000001001005416")
    assert detect(raw[:-2] + b"\x00\x16") == "gdw1376.2"
    assert detect(raw[:1] + b"\x0e" + raw[2:]) == "gdw1376.2"
    assert detect(raw * 2) == "gdw1376.2"
    assert detect(raw[:-1]) != "gdw1376.1"
    for other in (
        "6838000000000068910833333433333333339A16",
        "683200320068C97101220800027800000100E016",
        "681700430543434343434300A50905010340020200007D1B16",
    ):
        assert detect(bytes.fromhex(other)) != "gdw1376.2"

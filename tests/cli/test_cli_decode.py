"""``kwhub decode``: the JSON shape that programs rely on, exit codes, and the published vectors."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from kwhub.cli.app import run

VECTORS = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors"))
PUBLISHED = "FE FE FE 68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 72 16"


def decoded(capsys, *arguments):
    code = run(["decode", "--json", *arguments])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def corpus(name):
    path = VECTORS / name
    if not path.is_file():
        if os.environ.get("KWHUB_REQUIRE_ALL"):
            pytest.fail(f"{path} is missing and everything is required")
        pytest.skip(f"no shared vectors at {VECTORS} (KWHUB_VECTORS)")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "arguments", [[PUBLISHED], PUBLISHED.split(), [PUBLISHED.replace(" ", "")]]
)
def test_the_published_example_is_0_38_kwh(capsys, arguments):
    code, (answer,) = decoded(capsys, *arguments)
    assert code == 0
    assert answer["protocol"] == "dlt645-2007"
    assert answer["valid"] is True
    assert answer["error"] is None
    frame = answer["frame"]
    assert frame["preamble"] == 3
    assert frame["address"] == "000000000038"
    assert frame["control"] == "91"
    assert frame["identifier"] == "00010000"
    assert frame["direction"] == "answer"
    assert frame["abnormal"] is False
    assert frame["more_frames"] is False
    assert frame["errors"] == []
    (value,) = answer["values"]
    assert value == {
        "register": "1-0:1.8.0",
        "identifier": "00010000",
        "name": "forward active energy, total",
        "value": "0.38",
        "unit": "kWh",
    }


def test_a_refusal_has_words(capsys):
    code, (answer,) = decoded(capsys, "68 60 07 92 04 00 91 68 D1 01 35 65 16")
    assert code == 0
    assert answer["frame"]["abnormal"] is True
    assert answer["frame"]["errors"] == ["no such data"]


def test_the_uplink_is_found_by_itself(capsys):
    code, (answer,) = decoded(capsys, "683200320068C97101220800027900000400E416")
    assert code == 0
    assert answer["protocol"] == "gdw1376.1"
    frame = answer["frame"]
    assert {key: frame[key] for key in ("control", "region", "terminal", "msa", "afn")} == {
        "control": "C9",
        "region": "0171",
        "terminal": 2082,
        "msa": 0,
        "afn": "02",
    }
    assert (frame["fir"], frame["fin"], frame["con"], frame["sequence"]) == (True, True, True, 9)
    assert (frame["points"], frame["functions"]) == ([0], [3])


def test_damage_is_named_with_its_place(capsys):
    code, (answer,) = decoded(capsys, PUBLISHED.replace("72 16", "1A 16"))
    assert code == 1
    assert answer["valid"] is False
    assert answer["error"]["kind"] == "checksum_mismatch"
    assert answer["error"]["offset"] == 21
    assert answer["values"] == []


def test_two_frames_in_a_row_are_two(capsys):
    request = "68 38 00 00 00 00 00 68 11 04 33 33 34 33 EA 16"
    code, (first, second) = decoded(capsys, f"{request} {PUBLISHED}")
    assert code == 0
    assert first["frame"]["direction"] == "request"
    assert second["values"][0]["value"] == "0.38"


def test_a_file_and_its_comments(capsys, tmp_path):
    path = tmp_path / "frames.txt"
    path.write_text(f"# from a line\n\n{PUBLISHED}\nhello\n")
    code, (good, bad) = decoded(capsys, "--file", str(path))
    assert code == 1
    assert good["valid"]
    assert bad["error"]["kind"] == "not_hex"


def test_a_forced_protocol_is_kept(capsys):
    code, (answer,) = decoded(capsys, "--protocol", "gdw1376.1", PUBLISHED)
    assert code == 1
    assert answer["protocol"] == "gdw1376.1"
    assert answer["valid"] is False


@pytest.mark.parametrize(
    "arguments",
    [["decode"], ["decode", "--protocol", "morse", "68"], ["decode", "--file", "/no/such"]],
)
def test_wrong_use_is_told_in_one_line(capsys, arguments):
    assert run(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("kwhub: ")
    assert "Traceback" not in told


def test_text_is_in_the_readers_language(capsys, monkeypatch):
    assert run(["decode", "--language", "zh", PUBLISHED]) == 0
    assert "正向有功总电能" in capsys.readouterr().out
    monkeypatch.setenv("KWHUB_LANGUAGE", "en_GB")
    assert run(["decode", PUBLISHED]) == 0
    assert "= forward active energy, total: 0.38 kWh" in capsys.readouterr().out


SHORTER_VALUE = "v07-109"
"""Three value bytes for a voltage of two. The collection reads the first two; the rule that an unlike
length is an error, not a shorter value, is the safer one, and is what we do."""


@pytest.mark.slow
def test_every_dlt645_vector(capsys):
    vectors = [vector for vector in corpus("dlt645.jsonl") if vector.get("level") != "data"]
    _, answers = decoded(capsys, *(vector["hex"] for vector in vectors))
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["valid"] is vector["valid"], vector["id"]
        expect = vector["expect"]
        if not vector["valid"]:
            assert answer["error"], vector["id"]
            continue
        if vector["id"] == SHORTER_VALUE:
            assert answer["error"]["kind"] == "value_length_mismatch"
            continue
        assert answer["frame"]["address"] == expect["address"], vector["id"]
        assert answer["frame"]["control"] == expect["control"], vector["id"]
        for wanted, got in zip(
            expect.get("values", answer["values"]), answer["values"], strict=True
        ):
            assert got["unit"] == (wanted.get("unit") or ""), vector["id"]
            assert (got["value"] is None) == (wanted["value"] is None), vector["id"]
            if wanted["value"] is not None:
                assert _same(got["value"], str(wanted["value"])), vector["id"]


def _same(got, wanted):
    try:
        return Decimal(got) == Decimal(wanted)
    except ArithmeticError:
        return got == wanted


@pytest.mark.slow
def test_every_uplink_vector(capsys):
    vectors = corpus("gdw1376_1.jsonl")
    _, answers = decoded(capsys, *(vector["hex"] for vector in vectors))
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["protocol"] == "gdw1376.1", vector["id"]
        assert answer["valid"] is vector["valid"], vector["id"]


@pytest.mark.parametrize(
    ("frame", "item", "value"),
    [
        ("01 03 01 03 49B0", 3, None),
        ("FE FE 01 43 03 03 2C01 4169", 3, "30.0"),
        ("01 06 02 01 03 19F9", 1, "9600"),
        ("01 46 01 01 5D20", 1, None),
    ],
)
def test_the_infrared_module_is_known(capsys, frame, item, value):
    code, (answer,) = decoded(capsys, frame)
    assert (code, answer["protocol"], answer["frame"]["item"]) == (0, "irmodule", item)
    assert [one["value"] for one in answer["values"]] == ([value] if value else [])
    assert run(["decode", frame]) == 0
    assert "address" in capsys.readouterr().out


def test_an_item_that_the_infrared_module_does_not_have_is_named(capsys):
    from kwhub.protocols.irmodule import ModuleFrame

    raw = ModuleFrame(1, 0x43, b"\x09\x01").to_bytes().hex()
    code, (answer,) = decoded(capsys, "--protocol", "irmodule", raw)
    assert (code, answer["valid"], answer["error"]["kind"]) == (1, True, "unknown_item")


JILIN = "683A003A0068C9022260273522000270000001003E16"
"""Vector 1376_1-090: a log-in with four bytes for the terminal."""


def test_a_profile_of_a_province_is_taken_into_account(capsys):
    assert run(["decode", JILIN, "--profile", "jilin", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["valid"]
    assert told["frame"]["afn"] == "02"
    assert run(["decode", JILIN, "--profile", "jilin", "--language", "en"]) == 0
    told = capsys.readouterr().out
    assert "573908832" in told
    assert "F1 login" in told


def test_an_unknown_profile_is_told_with_those_there_are(capsys):
    assert run(["decode", JILIN, "--profile", "atlantis"]) == 2
    assert "there are 2013, 2009, 2005, jilin" in capsys.readouterr().err

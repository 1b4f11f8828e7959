"""``kwhub infrared decode`` and ``encode``: shapes, exit codes, one answer a line."""

import io
import json
import sys

import pytest

from kwhub.cli.app import run

NEC = ["NEC", "address=0x04", "command=0x08"]
METER = "FEFEFE68380000000000689108333334336B3333337216"


def encoded(capsys, *arguments):
    assert run(["infrared", "encode", *arguments]) == 0
    return capsys.readouterr().out


def decoded(capsys, path, *arguments):
    code = run(["infrared", "decode", str(path), "--json", *arguments])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("form", ["mode2", "raw", "pronto", "flipper", "vcd", "csv", "jsonl", "sr"])
def test_what_is_encoded_decodes(capsys, tmp_path, form):
    path = tmp_path / "pulses"
    encoded(capsys, *NEC, "--format", form, "--output", str(path))
    code, (answer,) = decoded(capsys, path)
    assert code == 0
    assert answer["protocol"] == "NEC"
    assert answer["fields"] == {"address": 4, "command": 8, "repeat": False}
    assert answer["bits"] == 32
    assert answer["confidence"] > 0.95
    if form in ("mode2", "pronto", "flipper", "jsonl"):
        assert answer["carrier_hz"] == pytest.approx(38_000, rel=0.01)
    else:
        assert answer["carrier_hz"] is None


def test_a_meters_answer_is_read_to_the_kilowatt_hour(capsys, tmp_path):
    path = tmp_path / "meter.txt"
    path.write_text(encoded(capsys, "UART", f"bytes={METER}"))
    code, (answer,) = decoded(capsys, path)
    assert code == 0
    assert answer["protocol"] == "UART_8E1"
    assert answer["fields"]["bytes"] == METER
    (frame,) = answer["fields"]["frames"]
    assert frame["protocol"] == "dlt645-2007"
    assert frame["values"][0]["value"] == "0.38"
    assert run(["infrared", "decode", str(path), "--language", "zh"]) == 0
    assert "0.38 kWh" in capsys.readouterr().out


def test_standard_input_gives_one_answer_a_line(capsys, monkeypatch):
    nec, meter = (
        json.loads(encoded(capsys, *fields, "--json")) for fields in (NEC, ["UART", "bytes=68"])
    )
    repeat = json.loads(encoded(capsys, "NEC", "repeat=true", "--json"))["durations_us"]
    lines = [
        {"id": "a", "durations_us": [*nec["durations_us"], 40_000, *repeat]},
        {"id": "b", "durations_us": "rubbish"},
        {"durations_us": [str(value) for value in nec["durations_us"]], "carrier_hz": "38000"},
        {"durations_us": []},
        {"durations_us": meter["durations_us"], "parity": "E"},
    ]
    text = "\n".join(map(json.dumps, lines))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, found = decoded(capsys, "-")
    assert code == 1
    assert [answer["protocol"] for answer in found] == ["NEC", None, "NEC", None, "UART_8E1"]
    assert [answer["fields"].get("repeat") for answer in found[0]["frames"]] == [False, True]
    assert found[1]["id"] == "b"
    assert "line 2: 'rubbish' is no number" in found[1]["error"]["detail"]
    assert found[3]["error"]["kind"] == "no_pulses"


def test_one_train_gives_a_line_for_each_frame(capsys, tmp_path):
    path = tmp_path / "hold.raw"
    frame, repeat = (
        encoded(capsys, *fields, "--format", "raw").strip() for fields in (NEC, ["NEC", "repeat=1"])
    )
    path.write_text(f"{frame} -40000 {repeat} -96000 {repeat}")
    code, found = decoded(capsys, path)
    assert code == 0
    assert [answer["fields"]["repeat"] for answer in found] == [False, True, True]


@pytest.mark.parametrize("content", ["", "hello", "pulse x", "100 200 300"])
def test_what_does_not_decode_says_so_and_exits_1(capsys, tmp_path, content):
    path = tmp_path / "bad"
    path.write_text(content)
    code, (answer,) = decoded(capsys, path)
    assert code == 1
    assert answer["protocol"] is None
    assert answer["error"]["detail"]
    assert run(["infrared", "decode", str(path)]) == 1
    assert "not decoded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decode", "absent.ir"], "absent.ir"),
        (["encode", "NEC", "command"], "is no field"),
        (["encode", "NEC", "address=1"], "command must be a number from 0 to 255"),
        (["encode", "morse"], "unknown code"),
        (["encode", *NEC, "--format", "wav"], "unknown format"),
        (["encode", *NEC, "--format", "sr"], "--output"),
    ],
)
def test_wrong_use_exits_2_and_says_what_to_do(capsys, arguments, said):
    assert run(["infrared", *arguments]) == 2
    assert said in capsys.readouterr().err

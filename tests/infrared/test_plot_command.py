import json

import pytest
from tests.infrared.sigrok import write_sr

from kwhub.cli.app import run
from kwhub.infrared.carrier import synthesize
from kwhub.infrared.codes import encode
from kwhub.infrared.formats import write
from kwhub.infrared.uart import bytes_to_pulses

FRAME = bytes.fromhex("6838000000000068110433333433EA16")
RATE_HZ = 1_000_000


@pytest.fixture
def remote(tmp_path):
    file = tmp_path / "remote.ir"
    file.write_text(str(write(encode("NEC", {"address": 4, "command": 8}), "mode2")), "utf-8")
    return file


def test_a_remote_control_in_characters(remote, capsys):
    assert run(["infrared", "plot", str(remote), "--width", "200"]) == 0
    out = capsys.readouterr().out
    assert "NEC address=0x04 command=0x08" in out
    assert "█" * 30 in out
    for byte in ("04", "FB", "08", "F7"):
        assert f" {byte} ─" in out


def test_standard_input(remote, monkeypatch, capsys):
    with remote.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert run(["infrared", "plot", "-", "--width", "200"]) == 0
    assert "NEC address=0x04" in capsys.readouterr().out


def test_a_recording_of_a_carrier_is_demodulated_first(tmp_path, capsys):
    file = tmp_path / "meter.sr"
    write_sr(file, synthesize(bytes_to_pulses(FRAME), RATE_HZ, lead_us=5e3, tail_us=5e3), RATE_HZ)
    assert run(["infrared", "plot", str(file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (train,) = answer["trains"]
    assert train["carrier_hz"] == pytest.approx(38_000, rel=1e-3)
    (frame,) = train["frames"]
    assert frame["protocol"] == "UART_8E1"
    assert frame["fields"]["bytes"] == FRAME.hex().upper()
    assert frame["begin_us"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "begin"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_picture_in_a_file(remote, tmp_path, capsys, name, begin):
    picture = tmp_path / name
    arguments = ["infrared", "plot", str(remote), "--output", str(picture), "--language", "zh"]
    assert run(arguments) == 0
    assert capsys.readouterr().out == ""
    assert picture.read_bytes().startswith(begin)


def test_what_does_not_decode_is_drawn_and_the_answer_is_no(tmp_path, capsys):
    file = tmp_path / "noise.txt"
    file.write_text("100 -5000 333 -70 41\n", "utf-8")
    assert run(["infrared", "plot", str(file)]) == 1
    assert "█" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--output", "a.gif"], ".png or .svg"),
        (["--train", "2"], "no train 2"),
        (["--code", "XMP"], "unknown code"),
    ],
)
def test_usage(remote, capsys, more, said):
    assert run(["infrared", "plot", str(remote), *more]) == 2
    assert said in capsys.readouterr().err


def test_of_several_trains_a_picture_takes_one(tmp_path, capsys):
    file = tmp_path / "two.jsonl"
    line = json.dumps({"durations_us": [9000, 4500, 560]})
    file.write_text(f"{line}\n{line}\n", "utf-8")
    output = tmp_path / "a.png"
    assert run(["infrared", "plot", str(file), "--output", str(output)]) == 2
    assert "--train" in capsys.readouterr().err
    assert not output.exists()

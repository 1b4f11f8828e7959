"""``kwhub explain``: captures and hexadecimal text."""

import json

import pytest

from kwhub.cli.app import run

REQUEST = "FE FE FE FE 68 38 00 00 00 00 00 68 11 04 33 33 34 33 EA 16"
ANSWER = "FE FE FE 68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 72 16"


def record(seconds, text, side="rx"):
    at = f"2026-03-01T00:00:{seconds:09.6f}Z"
    return json.dumps({"t": seconds, "at": at, "dir": side, "hex": text.replace(" ", "")}) + "\n"


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "bus.capture"
    path.write_text(record(1.0, REQUEST) + record(1.04, "00 00") + record(1.05, ANSWER))
    return path


def test_a_capture_in_words(capsys, capture):
    assert run(["explain", str(capture), "--language", "en"]) == 0
    out = capsys.readouterr().out
    assert "00:00:01.050Z" in out
    assert "answers #1, 50 ms" in out
    assert "forward active energy, total: 0.38 kWh" in out
    assert "2 bytes: no start byte 68: 00 00" in out


def test_a_capture_in_chinese(capsys, capture):
    assert run(["explain", str(capture), "--language", "zh"]) == 0
    out = capsys.readouterr().out
    assert "应答 #1" in out
    assert "没有起始符68" in out


def test_a_capture_for_programs(capsys, capture):
    assert run(["explain", str(capture), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    asked, noise, answered = answer["entries"]
    assert asked["frame"]["direction"] == "request"
    assert asked["partner"] == 3
    assert noise["discarded"]["kind"] == "noise"
    assert answered["delay_s"] == pytest.approx(0.05)
    assert answered["values"][0]["value"] == "0.38"
    figures = answer["statistics"]
    assert figures["frames"] == 2
    assert figures["discarded"] == {"noise": 1}
    assert figures["meters"]["000000000038"]["delay_p95_s"] == pytest.approx(0.05)


def test_every_byte_and_only_the_summary(capsys, capture):
    assert run(["explain", str(capture), "--bytes", "--language", "en"]) == 0
    assert "checksum    EA, right" in capsys.readouterr().out
    assert run(["explain", str(capture), "--summary", "--language", "en"]) == 0
    out = capsys.readouterr().out
    assert "#1" not in out
    assert "2 frames" in out


def test_text_of_hexadecimal_bytes_cut_anywhere(capsys, tmp_path):
    path = tmp_path / "dump.txt"
    words = f"{REQUEST} {ANSWER}".split()
    rows = [" ".join(words[at : at + 16]) for at in range(0, len(words), 16)]
    path.write_text("# a dump\n\n" + "\n".join(rows) + "  # its end\n")
    assert run(["explain", str(path), "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [entry["partner"] for entry in entries] == [2, 1]
    assert entries[1]["delay_s"] is None


@pytest.mark.parametrize("text", ["68 38\nmeter\n", "68 38\n68 3\n"])
def test_a_wrong_line_is_named(capsys, tmp_path, text):
    path = tmp_path / "dump.txt"
    path.write_text(text)
    assert run(["explain", str(path)]) == 2
    assert "dump.txt:2" in capsys.readouterr().err


def test_a_file_without_a_frame_is_a_no(capsys, tmp_path):
    path = tmp_path / "dump.txt"
    path.write_text("00 11 22\n")
    assert run(["explain", str(path)]) == 1
    assert run(["explain", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err

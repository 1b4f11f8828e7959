"""``kwhub bench infrared``: exit codes, JSON, files, clear errors."""

import json

import pytest

from kwhub.cli.app import run


def called(capsys, *words):
    code = run(["bench", "infrared", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.slow
def test_a_good_device_is_0_and_a_bad_one_1(capsys):
    code, out, _ = called(capsys, "--simulate", "--json")
    result = json.loads(out)
    assert (code, result["verdict"]) == (0, "pass")
    assert {one["key"] for one in result["measurements"]} >= {"carrier", "distance", "turn_round"}
    code, out, _ = called(capsys, "--simulate", "--fault", "slow", "--json")
    result = json.loads(out)
    assert code == 1
    failing = [one for one in result["measurements"] if one["verdict"] == "fail"]
    assert [one["key"] for one in failing] == ["turn_round"]
    assert failing[0]["value"] == pytest.approx(620, abs=failing[0]["uncertainty"])


@pytest.mark.slow
def test_a_table_in_both_languages_and_reports_in_a_folder(capsys, tmp_path):
    code, out, _ = called(capsys, "--simulate", "--language", "zh", "--report", str(tmp_path / "r"))
    assert code == 0
    assert "载波频率" in out
    for name in ("000000000038.html", "000000000038.pdf", "results/000000000038.json"):
        assert (tmp_path / "r" / name).stat().st_size > 1000
    assert (tmp_path / "r" / "evidence" / "000000000038" / "capture.npz").exists()
    code, out, _ = called(capsys, "--simulate", "--limits", "meter-850nm", "--language", "en")
    assert code == 1
    assert "peak wavelength" in out


@pytest.mark.slow
def test_a_small_batch_with_reports_of_the_failed(capsys, tmp_path):
    meters = tmp_path / "m.csv"
    meters.write_text("serial,pallet\n1002,B\n")
    words = ("--simulate", "--batch", str(meters), "--report", str(tmp_path / "r"))
    code, out, _ = called(capsys, *words, "--fault", "red", "--language", "en")
    assert code == 1
    assert "0 of 1 devices passed" in out
    assert (tmp_path / "r" / "devices" / "1002.html").exists()
    assert (tmp_path / "r" / "report.pdf").exists()
    code, _, err = called(capsys, *words, "--language", "en")
    assert code == 2
    assert "another configuration" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--simulate"),
        (("--simulate", "--instruments", "x.toml"), 2, "--simulate"),
        (("--simulate", "--batch", "x"), 2, "--report"),
        (("--simulate", "--limits", "none"), 2, "meter-940nm"),
        (("--simulate", "--fault", "tired"), 2, "slow"),
        (("--simulate", "--faulty", "3"), 2, "share"),
        (("--simulate", "--serial", "../x"), 2, "serial number"),
        (("--instruments", "/no/such.toml"), 2, "/no/such.toml"),
    ],
)
def test_mistakes_are_told_in_a_line(capsys, words, code, said):
    found, _, err = called(capsys, *words)
    assert found == code
    assert said in err
    assert "Traceback" not in err


def test_a_missing_instrument_is_named(capsys, tmp_path):
    roles = ("stage", "lamp", "spectrometer", "power_meter", "analyser", "head")
    path = tmp_path / "bench.toml"
    path.write_text("".join(f'[{role}]\nlink = "tcp:127.0.0.1:1"\n' for role in roles))
    code, _, err = called(capsys, "--instruments", str(path))
    assert code == 3
    assert "stage" in err
    assert "cannot be reached" in err
    path.write_text("".join(f'[{role}]\nlink = "tcp:127.0.0.1:1"\n' for role in roles[1:]))
    code, _, err = called(capsys, "--instruments", str(path))
    assert code == 2
    assert "[stage]" in err

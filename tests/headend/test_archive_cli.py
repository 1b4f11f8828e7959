"""``kwhub headend import`` and ``export`` on a real store."""

import csv
import json

import pytest
from tests.headend.test_archive_dated import freezes
from tests.headend.world import ADDRESSES, batch, open_store

from kwhub.cli.app import run

SETTINGS = """
[headend]
store = "{store}"
uplink = ""

[[area]]
code = "A1"
name = "Willow Lane"

[[area.terminal]]
region = "4101"
terminal = 2082

[[area.terminal.meter]]
address = "{address}"
point = 2
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "headend.toml"
    store = tmp_path / "headend.sqlite"
    file.write_text(SETTINGS.format(store=store, address=ADDRESSES[1]))
    return file


def headend(*words) -> int:
    code = run(["headend", *map(str, words)])
    assert isinstance(code, int)
    return code


def test_a_file_is_checked_imported_exported_and_taken_back(config, tmp_path, capsys):
    file = tmp_path / "meters.csv"
    file.write_text("address,terminal,point,name\n901,4101-02082,9,王芳\n", encoding="gbk")
    assert headend("import", config, file, "--kind", "meter", "--dry-run") == 0
    assert "1 would be new" in capsys.readouterr().out
    assert headend("import", config, file, "--kind", "meter", "--json") == 0
    job = json.loads(capsys.readouterr().out)
    assert (job["state"], job["created"], job["problems"]) == ("applied", 1, [])
    out = tmp_path / "out.csv"
    assert headend("export", config, "meter", "--out", out) == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [each["name"] for each in rows] == ["", "王芳"]
    assert headend("import", config, "--undo", job["id"], "--language", "zh") == 0
    assert "已撤销" in capsys.readouterr().out
    assert headend("import", config, "--undo", job["id"]) != 0


def test_errors_of_a_file_are_a_table(config, tmp_path, capsys):
    file = tmp_path / "meters.csv"
    file.write_text("address,terminal,point\n901,4101-00001,9\n")
    assert headend("import", config, file, "--kind", "meter") == 1
    told = capsys.readouterr()
    assert "nothing was written" in told.err
    assert "4101-00001" in told.out


@pytest.mark.parametrize(
    "words",
    [
        ("import",),
        ("import", "nowhere.csv", "--kind", "meter"),
        ("export", "readings"),
        ("export", "meter", "--out", "/nowhere/out.csv"),
    ],
)
def test_what_cannot_be_is_said_without_a_traceback(config, capsys, words):
    assert headend(words[0], config, *words[1:]) != 0
    assert "Traceback" not in capsys.readouterr().err


def test_readings_in_every_form(config, tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    store.append([batch(freezes(1, (3, 100), (4, 104)))])
    store.close()
    span = ("--from", "2026-03-02", "--to", "2026-03-03", "--interval", "1d", "--register", "1.8.0")
    sizes = []
    for form in ("csv", "ndjson", "parquet", "xlsx"):
        out = tmp_path / f"out.{form}"
        assert headend("export", config, "readings", "--out", out, "--format", form, *span) == 0
        sizes.append(out.stat().st_size)
    assert min(sizes) > 0
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [(each["interval_start"], each["value"]) for each in lines] == [
        ("2026-03-01T16:00:00Z", "100.00"),
        ("2026-03-02T16:00:00Z", "104.00"),
    ]
    out = tmp_path / "empty.csv"
    assert headend("export", config, "area", "--empty", "--bom", "--out", out) == 0
    assert out.read_text(encoding="utf-8-sig").startswith("code,name")

"""``kwhub vend`` and ``kwhub token`` on files and numbers that are none: told, without a traceback."""

import json

import pytest

from kwhub.cli.app import run

KEY = "ABABABAB949494945656565601010101"
ISSUE = ("token", "issue", "TransferElectricityCredit")


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    (tmp_path / "junk.sqlite").write_bytes(b"no database at all" * 100)
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    key = tmp_path / "root.key"
    key.write_text("00" * 16)
    key.chmod(0o600)
    monkeypatch.setenv("KWHUB_ROOT_KEY", "root.key")

    def call(*arguments):
        code = run(list(arguments))
        out, error = capfd.readouterr()
        return code, out, error

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vend", "receipt", "R-1", "--store", "junk.sqlite/x.sqlite"), "the books fail"),
        (("vend", "verify", "--store", "junk.sqlite"), "the books fail"),
        (("vend", "reconcile", "--payments", "binary"), "not text in UTF-8"),
        (("vend", "price", "day", "1e400"), "is not a price"),
        (("vend", "price", "day", "1e999999"), "is not a price"),
        ((*ISSUE, "1e999999", "--decoder-key", KEY), "is not a number"),
        ((*ISSUE, "1", "--decoder-key", "@binary"), "is not hexadecimal"),
    ],
)
def test_what_is_no_file_or_number_is_told(kwhub, arguments, words):
    code, _, error = kwhub(*arguments)
    assert (code, words in error, "Traceback" in error) == (2, True, False), error


def test_the_moment_of_issue_keeps_its_offset(kwhub):
    row = (*ISSUE, "5", "--decoder-key", KEY, "--random", "3", "--json", "--issued")
    here = json.loads(kwhub(*row, "2026-03-01T18:00:00+08:00")[1])
    there = json.loads(kwhub(*row, "2026-03-01T10:00:00")[1])
    assert here == there
    assert here["issued"].startswith("2026-03-01T10:00")

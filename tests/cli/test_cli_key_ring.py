"""``kwhub medium device`` and ``simulate``: what they refuse; the journey is tests/headend/test_vending_journey.py."""

import json

import pytest
from tests.sim.prepay_site import METER

from kwhub.cli.app import run


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    key = tmp_path / "root.key"
    key.write_text(f"1 {bytes(range(16)).hex()}\n")
    key.chmod(0o600)
    monkeypatch.setenv("KWHUB_ROOT_KEY", str(key))

    def call(*arguments):
        code = run([*arguments, "--json"])
        out, error = capfd.readouterr()
        return code, json.loads(out) if out else error

    return call


def test_wrong_uses_are_told(kwhub):
    code, error = kwhub("medium", "simulate", "12", "--folder", "m", "--link", "tcp-listen:")
    assert (code, "12 digits" in error) == (2, True)
    code, error = kwhub("medium", "device", "--medium", "ring", "--link", "ir:sim:x")
    assert (code, "give --counter" in error) == (2, True)
    code = run(["medium", "device", "--medium", "ring", "--link", "ir:sim:x"])
    assert code == 2
    code, error = kwhub("vend", "issue", METER, "--medium", "link:tcp:127.0.0.1:9")
    assert (code, "127.0.0.1:9" in error) == (3, True)

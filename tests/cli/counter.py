"""The folder of a counter on the command line: its root keys, which are those of the meters of the simulated site."""

from pathlib import Path

import pytest

__all__ = ["KEY", "counter_in"]

KEY = f"1 {bytes(range(16)).hex()}\n2 {bytes(range(16, 32)).hex()}\n"


def counter_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder, in English, with a file of root keys there; returns the path of that file."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LANG", "C")
    key = folder / "root.key"
    key.write_text(KEY)
    key.chmod(0o600)
    monkeypatch.setenv("KWHUB_ROOT_KEY", str(key))
    return key

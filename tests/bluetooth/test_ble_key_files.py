"""Key files that are damaged, or cannot be one: each is told with its name and what to do."""

import asyncio
import fcntl
import json
import os

import pytest
from bumble.keys import PairingKeys

from kwhub.bluetooth.keystore import KeyFile, StoredKeys
from kwhub.cli.app import run
from kwhub.cli.output import Exit
from kwhub.domain.errors import ConfigError

DEVICE = "F0:00:00:00:00:01"
GOOD = {"irk": "00" * 16, "address": "F3:24:2F:69:B9:CF", "peers": {}, "version": 1}
KEY = {"value": "00" * 16, "authenticated": True}


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is no whole JSON"),
        (b"{", "it is no whole JSON"),
        (b"\xff\xfe\x00", "it is no whole JSON"),
        ({"irk": "00"}, "keys are missing"),
        (GOOD | {"irk": "zz"}, "irk is wrong"),
        (GOOD | {"address": "nonsense"}, "address is wrong"),
        (GOOD | {"peers": {DEVICE: {"keys": {"ltk": {}}}}}, f"{DEVICE} is wrong"),
        (GOOD | {"peers": {DEVICE: {"keys": {"ltk": "abc"}}}}, f"{DEVICE} is wrong"),
        (
            GOOD | {"peers": {DEVICE: {"keys": {"ltk": KEY | {"value": "zz"}}}}},
            f"{DEVICE} is wrong",
        ),
        (GOOD | {"peers": {DEVICE: {"keys": {"address_type": "x"}}}}, f"{DEVICE} is wrong"),
    ],
)
def test_what_is_damaged_is_told(tmp_path, content, told):
    path = written(tmp_path / "reader.keys", content)
    with pytest.raises(ConfigError) as caught:
        KeyFile(path)
    assert caught.value.file == str(path)
    assert caught.value.what == f"is no key file ({told}); move it away and pair again"


def test_a_whole_file_with_a_bond_is_read(tmp_path):
    path = written(tmp_path / "reader.keys", GOOD | {"peers": {DEVICE: {"keys": {"ltk": KEY}}}})
    assert KeyFile(path).is_bonded(DEVICE)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="is no file; name one"):
        KeyFile(tmp_path)
    file = written(tmp_path / "file", GOOD)
    with pytest.raises(ConfigError, match="cannot be used: Not a directory") as caught:
        KeyFile(file / "reader.keys")
    assert caught.value.file == str(file)


def test_before_a_pairing_the_file_is_written_once_more(tmp_path):
    path = tmp_path / "sub" / "reader.keys"
    keys = KeyFile(path)
    before, number = path.read_bytes(), path.stat().st_ino
    keys.check()
    assert path.read_bytes() == before
    assert path.stat().st_ino != number  # it was put in its place anew
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="is no file"):
        keys.check()


def test_who_may_read_the_folder_holds_nobody_up(tmp_path):
    """Anybody can lock what he can open, and only its owner can open the file."""
    path, held = tmp_path / "reader.keys", os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        keys = KeyFile(path)
        asyncio.run(keys.update(DEVICE, PairingKeys.from_dict({"ltk": KEY})))
    finally:
        os.close(held)
    assert list(KeyFile(path).stored.peers) == [DEVICE]


def test_two_that_begin_a_file_at_once_have_the_same(tmp_path, monkeypatch):
    path = tmp_path / "reader.keys"
    load = KeyFile._load
    late: list[StoredKeys | None] = []

    def meanwhile(self):
        if not late:
            late.append(None)  # the other begins when this one has just found nothing
            late.append(KeyFile(path).stored)
            return None
        return load(self)

    monkeypatch.setattr(KeyFile, "_load", meanwhile)
    assert KeyFile(path).stored == late[1]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        ([DEVICE], "--keys FILE, made by kwhub ble pair", "--keys FILE"),
        (
            [DEVICE, "--unsecured", "--profile", "x"],
            "--profile must be one of nus",
            "--profile 须为",
        ),
        (["F0:00", "--unsecured"], "a Bluetooth address is six bytes", "蓝牙地址为六个字节"),
    ],
)
def test_wrong_words_for_a_reading_are_told_before_anything_is_opened(
    capsys, monkeypatch, words, english, chinese
):
    monkeypatch.delenv("KWHUB_BLE_KEYS", raising=False)
    for language, told in (("en", english), ("zh", chinese)):
        assert run(["ble", "read", *words, "--language", language]) == Exit.USAGE
        assert told in capsys.readouterr().err

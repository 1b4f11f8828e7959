"""What lies on the device: sealed by key store and PIN, tries counted, wiped at the end."""

import re
import subprocess
import sys

import pytest
from tests.identity.field import CHEAP, PIN, quick

from kwhub.domain.errors import ConfigError, LocalError, Refusal
from kwhub.handheld.vault import PIN_TRIES_MAX, FileKeyStore, Vault, write_whole


def made(folder, write=quick):
    vault = Vault(folder / "vault", FileKeyStore(folder / "store" / "secret"), write=write)
    return vault, vault.create(PIN, cost=CHEAP)


def test_what_was_saved_comes_back_only_with_the_pin(tmp_path):
    vault, opened = made(tmp_path, write_whole)
    opened.save(b"the customers of area 7")
    assert vault.open(PIN, 0).load() == b"the customers of area 7"
    raw = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    assert b"customers" not in raw
    with pytest.raises(Refusal, match="9 tries are left"):
        vault.open("0000", 0)


def test_without_the_key_store_the_pin_opens_nothing(tmp_path):
    vault, opened = made(tmp_path)
    opened.save(b"data")
    (tmp_path / "other").write_bytes(bytes(32))
    elsewhere = Vault(tmp_path / "vault", FileKeyStore(tmp_path / "other"), write=quick)
    with pytest.raises(Refusal, match="wrong PIN"):
        elsewhere.open(PIN, 0)
    assert vault.open(PIN, 0).load() == b"data"


def test_a_key_store_that_is_gone_is_told_and_costs_no_try(tmp_path):
    vault, opened = made(tmp_path)
    opened.save(b"data")
    secret = tmp_path / "store" / "secret"
    kept = secret.read_bytes()
    for damage in (secret.unlink, lambda: secret.write_bytes(b"short")):
        damage()
        for _ in range(PIN_TRIES_MAX + 1):
            with pytest.raises((LocalError, ConfigError), match="secret"):
                vault.open(PIN, 0)
    secret.write_bytes(kept)
    assert vault.open(PIN, 0).load() == b"data"
    with pytest.raises(Refusal, match="9 tries are left"):
        vault.open("0000", 0)


@pytest.mark.parametrize("cost", [2, 3, 1_000, 2**20 - 1])
def test_a_damaged_cost_is_no_traceback(tmp_path, cost):
    vault, _ = made(tmp_path)
    lock = tmp_path / "vault" / "lock.json"
    lock.write_text(lock.read_text().replace(f'"cost":{CHEAP}', f'"cost":{cost}'))
    if cost == CHEAP:
        vault.open(PIN, 0)
        return
    with pytest.raises(ConfigError, match="is damaged"):
        vault.open(PIN, 0)


def test_wrong_pins_wait_longer_and_longer_and_a_clock_set_back_does_not_help(tmp_path):
    vault, _ = made(tmp_path)
    now = 1_000
    for _ in range(3):
        with pytest.raises(Refusal, match="tries are left"):
            vault.open("0000", now)
    with pytest.raises(Refusal, match="tries are left"):
        vault.open("0000", now)
    with pytest.raises(Refusal, match="wait 30 s"):
        vault.open(PIN, now)
    with pytest.raises(Refusal, match="wait 30 s"):
        vault.open(PIN, 0)
    vault.open(PIN, now + 30)
    with pytest.raises(Refusal, match="9 tries are left"):
        vault.open("0000", now + 30)


def test_the_tenth_wrong_pin_destroys_the_key(tmp_path):
    vault, opened = made(tmp_path)
    opened.save(b"data")
    now = 0
    for _ in range(PIN_TRIES_MAX):
        now += 100_000
        with pytest.raises(Refusal):
            vault.open("0000", now)
    with pytest.raises(LocalError, match="wiped"):
        vault.open(PIN, now + 100_000)
    assert not vault.exists
    assert not (tmp_path / "store" / "secret").exists()


def test_cutting_the_power_wins_no_try(tmp_path):
    """The try is on the disk before the PIN is compared."""
    vault, _ = made(tmp_path)

    class Cut(Exception):
        pass

    writes: list[object] = []

    def cut_after_first(path, data):
        if writes:
            raise Cut
        writes.append(path)
        quick(path, data)

    cutting = Vault(vault.path, FileKeyStore(tmp_path / "store" / "secret"), write=cut_after_first)
    with pytest.raises(Cut):
        cutting.open(PIN, 0)
    with pytest.raises(Refusal, match="8 tries are left"):
        vault.open("0000", 0)


def test_a_new_pin_opens_the_same_and_the_old_one_nothing(tmp_path):
    vault, opened = made(tmp_path)
    opened.save(b"data")
    vault.change_pin(PIN, "12345", 0)
    assert vault.open("12345", 0).load() == b"data"
    with pytest.raises(Refusal):
        vault.open(PIN, 0)
    with pytest.raises(LocalError, match="at least 4"):
        vault.change_pin("12345", "1", 0)


def test_rows_are_bound_to_their_name_and_device(tmp_path):
    _, opened = made(tmp_path / "a")
    _, other = made(tmp_path / "b")
    row = opened.seal("reading 1", b"123")
    assert opened.unseal("reading 1", row) == b"123"
    for wrong in (lambda: opened.unseal("reading 2", row), lambda: other.unseal("reading 1", row)):
        with pytest.raises(LocalError, match="was changed"):
            wrong()
    with pytest.raises(LocalError, match="was changed"):
        opened.unseal("reading 1", b"")
    opened.close()
    with pytest.raises(LocalError, match="closed"):
        opened.unseal("reading 1", row)


def test_damage_is_told(tmp_path):
    vault, opened = made(tmp_path)
    opened.save(b"data")
    sealed = tmp_path / "vault" / "identity.sealed"
    sealed.write_bytes(sealed.read_bytes()[:-1] + b"x")
    with pytest.raises(LocalError, match=r"identity\.sealed was changed"):
        vault.open(PIN, 0).load()
    (tmp_path / "vault" / "lock.json").write_text("{}")
    with pytest.raises(ConfigError, match="damaged"):
        vault.open(PIN, 0)


def test_secrets_are_for_nobody_else_and_pins_are_no_toys(tmp_path):
    made(tmp_path, write_whole)
    for path in (tmp_path / "store" / "secret", tmp_path / "vault" / "lock.json"):
        assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(LocalError, match="at least 4"):
        Vault(tmp_path / "v", FileKeyStore(tmp_path / "s")).create("123")


TRIES = """
import sys, time
from pathlib import Path
from kwhub.domain.errors import LocalError, Refusal
from kwhub.handheld.vault import FileKeyStore, Vault, write_whole

def slowly(path, data):
    time.sleep(0.05)
    write_whole(path, data)

place = Path(sys.argv[1])
vault = Vault(place / "vault", FileKeyStore(place / "secret"), write=slowly)
print("ready", flush=True)
sys.stdin.readline()
for n in range(5):
    try:
        vault.open("0000", 10**9 * (n + 1))
    except (Refusal, LocalError) as error:
        print(error, flush=True)
"""


def test_two_processes_that_try_pins_side_by_side_have_no_more_tries_than_one(tmp_path):
    vault = Vault(tmp_path / "vault", FileKeyStore(tmp_path / "secret"))
    vault.create("4711", cost=2)
    words = [sys.executable, "-c", TRIES, str(tmp_path)]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as other,
    ):
        for each in (one, other):
            assert each.stdout
            assert each.stdin
            assert each.stdout.readline() == "ready\n"
        for each in (one, other):
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        told = one.communicate()[0] + other.communicate()[0]
    left = sorted(int(each) for each in re.findall(r"PIN; (\d+) tries are left", told))
    assert len(left) > 3
    assert left == list(range(10 - len(left), 10))  # each try was counted by itself

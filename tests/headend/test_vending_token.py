"""Root keys in a PKCS#11 token: SoftHSM2 in a folder of the test."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.headend.test_vending_service import without_a_line
from tests.headend.vending_whole import settings_in
from tests.sim.prepay_site import CUSTOMER, METER, Site

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.headend.vending_token import TokenAddress, TokenKeys, opened
from kwhub.prepay.conversations import open_account, recharge
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import KeySet, Purpose, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.sessions import Target, log_in
from kwhub.runtime.chance import seeded

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "63915274"
FACTOR = factor_of(METER)


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """The address of a token with the root keys of versions 1 and 2."""
    trouble = "" if MODULE.is_file() and shutil.which("softhsm2-util") else "SoftHSM2 is not there"
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        trouble = "python-pkcs11 is not installed"
    if trouble:
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    (folder / "pin").write_text(PIN)
    (folder / "pin").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        row = ("--init-token", "--free", "--label", "kwhub", "--so-pin", "918273645", "--pin", PIN)
        subprocess.run(["softhsm2-util", *row], check=True, capture_output=True)
        address = f"pkcs11:token=kwhub?module-path={MODULE}&pin-source=file:{folder}/pin"
        with opened(address, writable=True) as keys:
            with pytest.raises(LocalError, match="make-keys"):
                _ = keys.newest
            keys.make(1)
            keys.make(2)
        yield address


def site_of(keys):
    """A meter whose keys the token has dispersed."""
    site, memory = Site(), RamMemory(ELEMENT_BYTES)
    children = {each: keys.child(each, FACTOR, 2) for each in Purpose}
    element = SoftwareElement(memory, seeded(3, "chip").randbytes)
    element.personalise(
        b"SERIAL01", bytes.fromhex(METER), KeySet(children, frozenset(Purpose), version=2)
    )
    site.chip.content[:] = memory.content
    site.boot()
    return site


def test_a_purchase_signed_by_a_token_reaches_a_meter_with_its_keys(token):
    with opened(token) as keys:
        site, master = site_of(keys), SoftwareMaster(keys, keys.random)
        target = Target(METER, METER)
        assert site.run(open_account(master, target, 500, CUSTOMER)).outcome.good
        done = site.run(recharge(master, target, 1_000, 2, CUSTOMER))
        assert (done.outcome.good, done.account.money) == (True, 1_500)


def test_keys_differ_by_purpose_meter_and_version_and_come_again(token):
    with opened(token) as keys:
        assert keys.versions == [1, 2]
        places = [
            (each, factor, version)
            for each in Purpose
            for factor in (FACTOR, factor_of("000000000001"))
            for version in (1, 2)
        ]
        children = {keys.child(*place) for place in places}
        assert len(children) == len(places)
        assert all(len(child) == 16 for child in children)
        assert len(keys.book_key(1)) == 32
        assert keys.book_key(1) != keys.book_key(2)
        before = keys.child(Purpose.MONEY, FACTOR)
        with pytest.raises(LocalError, match="no root key of version 3"):
            keys.child(Purpose.MONEY, FACTOR, 3)
    with opened(token) as again:
        assert again.child(Purpose.MONEY, FACTOR, 2) == before


def test_both_versions_open_meters_while_keys_are_changed(token):
    with opened(token) as keys:
        site = site_of(keys)
        target = Target(METER, METER, "00000001", (1, 2))
        master = SoftwareMaster(keys, keys.random)
        assert site.run(log_in(master, target)).login.version == 2


def test_nothing_reads_a_root_key(token):
    import pkcs11

    with opened(token) as keys:
        for key in keys._keys.values():
            with pytest.raises(pkcs11.exceptions.AttributeSensitive):
                _ = key[pkcs11.Attribute.VALUE]


def test_a_token_whose_key_can_be_read_is_refused(token):
    import pkcs11

    address = TokenAddress.parse(token)
    with (
        pkcs11.lib(str(address.module))
        .get_token(token_label=address.token)
        .open(rw=True, user_pin=PIN) as session
    ):
        template = {pkcs11.Attribute.EXTRACTABLE: True, pkcs11.Attribute.SENSITIVE: False}
        weak = session.generate_key(
            pkcs11.KeyType.AES, 256, label="kwhub", id=b"\x09\x03", template=template
        )
        with pytest.raises(LocalError, match="version 9 can be read out"):
            TokenKeys(session)
        weak.destroy()
        TokenKeys(session)


def test_a_token_that_computes_wrong_answers_is_refused(token):
    class Broken:
        """A session whose keys sign wrongly."""

        def __init__(self, session):
            self.session = session

        def create_object(self, template):
            key = self.session.create_object(template)

            class Wrong:
                def sign(self, message, mechanism):
                    return bytes(key.sign(message, mechanism=mechanism))[::-1]

            return Wrong()

    with opened(token) as keys, pytest.raises(LocalError, match="wrong AES-CMAC"):
        TokenKeys(Broken(keys._session))


def test_what_cannot_be_opened_says_why_and_shows_no_pin(token, tmp_path):
    module = f"module-path={MODULE}"
    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    cases = [
        (token.replace("token=kwhub", "token=none"), "0600", "NoSuchToken|No token"),
        (f"pkcs11:token=kwhub?{module}&pin-source=file:{wrong}", "", "PinIncorrect"),
        (token.replace("libsofthsm2", "libnone"), "", "cannot be opened"),
        (f"pkcs11:token=kwhub?{module}&pin-source=file:{tmp_path}/no", "", "cannot be read"),
        ("pkcs11:token=kwhub", "", "module-path"),
    ]
    wrong.chmod(0o600)
    for address, _, words in cases:
        with pytest.raises(ConfigError, match=words) as caught, opened(address):
            pass
        assert "0000" not in str(caught.value)
        assert PIN not in str(caught.value)
    wrong.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0600"), opened(cases[1][0]):
        pass


def test_a_medium_is_issued_and_loaded_with_the_keys_of_a_token(token):
    with opened(token) as keys:
        master = SoftwareMaster(keys, keys.random)
        medium = MediumElement(RamMemory(MEDIUM_BYTES), seeded(3, "medium").randbytes)
        sealed = master.seal_pair(FACTOR, b"MEDIUM01", CUSTOMER, medium.begin_issue())
        medium.issue(b"MEDIUM01", sealed, bytes.fromhex(METER), CUSTOMER)
        assert medium.is_issued


@pytest.mark.slow
def test_the_command_sells_with_a_token(token, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("KWHUB_ROOT_KEY", token)
    assert run(["vend", "make-keys", "2"]) == 2
    assert "already" in capfd.readouterr().err
    assert run(["vend", "make-keys", "3", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"versions": [1, 2, 3]}
    assert run(["vend", "customer", CUSTOMER.hex(), METER, "Wang"]) == 0
    assert run(["vend", "issue", METER, "--medium", "m"]) == 0
    row = ["--payment", "R-1", "--medium", "m", "--operator", "ann"]
    assert run(["vend", "sell", "5", *row]) == 0
    assert run(["vend", "reconcile"]) == 0
    assert "the books agree" in capfd.readouterr().out
    assert run(["vend", "make-keys", "1", "--root-key", "root.key"]) == 2


def test_the_counter_of_a_head_end_keeps_its_token_open_for_whoever_asks(token, tmp_path):
    """The loop and the threads of a head-end ask at the same time; a token knows one log-in."""
    settings = replace(settings_in(tmp_path), root_key=token)
    one = without_a_line(settings, datetime(2026, 3, 4, tzinfo=UTC))
    with ThreadPoolExecutor(4) as pool, one._desk() as held:
        compared = [each.result() for each in [pool.submit(one.compare) for _ in range(8)]]
        keys = set(pool.map(lambda _: held.crypto._keys.child(Purpose.MONEY, FACTOR), range(50)))
    assert [each.trouble for each in compared] == [""] * 8
    assert len(keys) == 1
    with opened(token) as other:  # another part of the same process
        assert other.child(Purpose.MONEY, FACTOR) in keys
    assert one.compare().trouble == ""
    one.close()

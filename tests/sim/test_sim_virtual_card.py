"""Elements as cards: through PC/SC and the virtual reader of Debian, and without either."""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from tests.sim.prepay_site import CUSTOMER, METER, Site, draw, pair_key

from kwhub.cli.app import run
from kwhub.domain.errors import ConfigError, LinkDown, Refusal
from kwhub.links.pcsc import open_card, reader_names
from kwhub.prepay.conversations import open_account, recharge
from kwhub.prepay.element.driver import ElementDriver
from kwhub.prepay.medium import Arrival, visit
from kwhub.prepay.medium_card import ATR, MediumCard, MediumReader
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.medium_load import NOTHING, RECHARGES, Load, parameters_for
from kwhub.prepay.medium_master import MediumMaster
from kwhub.prepay.memory import RamMemory
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.virtual_card import PORT, VirtualCard

NUMBER = bytes.fromhex(METER)
SERIAL = b"MEDIUM01"
PARAMETERS = parameters_for(NUMBER, CUSTOMER)
SERVICE = Path("/run/pcscd/pcscd.comm")
LOCK = Path(tempfile.gettempdir(), "kwhub-virtual-reader.lock")
STARTS_IN_S = 10


def reachable(kind, place):
    with contextlib.suppress(OSError), socket.socket(kind) as probe:
        probe.connect(place)
        return True
    return False


def trouble():
    if not (shutil.which("pcscd") and Path("/etc/reader.conf.d/vpcd").is_file()):
        return "pcscd or its virtual reader (vsmartcard-vpcd) is not there"
    try:
        import smartcard  # noqa: F401
    except ImportError:
        return "pyscard is not installed"
    if os.getuid() and not reachable(socket.AF_UNIX, str(SERVICE)):
        return "pcscd does not run, and only root may start it"
    return ""


@pytest.fixture(scope="module")
def service():
    """A PC/SC service with a virtual reader: the one that runs, or one of our own."""
    why = trouble()
    if why:
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)
    with LOCK.open("w") as lock:  # one reader for all processes of the tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from running()


def running():
    if reachable(socket.AF_UNIX, str(SERVICE)):
        yield
        return
    process = subprocess.Popen(["pcscd", "--foreground", "--critical"])
    try:
        for _ in range(STARTS_IN_S * 20):
            if reachable(socket.AF_UNIX, str(SERVICE)):
                break
            time.sleep(0.05)
        else:
            pytest.fail("pcscd does not start")
        yield
    finally:
        process.terminate()
        process.wait(STARTS_IN_S)


def wait_for_card(*, there):
    """Until the service has seen it. Whoever connects meanwhile makes it miss the change."""
    from smartcard import scard

    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    try:
        for _ in range(STARTS_IN_S * 20):
            asked = [("Virtual PCD 00 00", scard.SCARD_STATE_UNAWARE)]
            _, states = scard.SCardGetStatusChange(context, 0, asked)
            if bool(states[0][1] & scard.SCARD_STATE_PRESENT) is there:
                return
            time.sleep(0.05)
        pytest.fail("the reader does not see the card come and go")
    finally:
        scard.SCardReleaseContext(context)


@contextlib.contextmanager
def inserted(element):
    """A card in the virtual reader."""
    card = VirtualCard(element)
    thread = threading.Thread(target=card.serve)
    thread.start()
    try:
        wait_for_card(there=True)
        yield
    finally:
        card.close()
        thread.join()
        wait_for_card(there=False)


class Direct:
    """Both sides of a card without a reader."""

    def __init__(self):
        self.memory = RamMemory(MEDIUM_BYTES)
        self.card = MediumCard(MediumElement(self.memory, draw("card")))
        self.medium = MediumReader(self.card)


def journey(medium, site):
    """Issue, load, carry twice, read the usage: all that a medium does."""
    master, factor = site.master, site.target.factor
    assert not medium.is_issued
    with pytest.raises(Refusal, match="blank"):
        _ = medium.serial
    sealed = master.seal_pair(factor, SERIAL, CUSTOMER, medium.begin_issue())
    medium.issue(SERIAL, sealed, NUMBER, CUSTOMER)
    assert (medium.serial, medium.meter, medium.customer) == (SERIAL, NUMBER, CUSTOMER)
    assert medium.is_issued
    assert (medium.load, medium.usage, medium.may_permit) == (None, None, False)
    counter = MediumMaster(master)
    late = bytes.fromhex("991231235959")
    load = Load(RECHARGES, 1_234, 2, b"\x00\x00\x00\x02", PARAMETERS, late)
    challenge = medium.challenge()
    receipt = medium.take(load.to_bytes(), counter.sign(factor, SERIAL, challenge, load))
    assert counter.has_taken(factor, SERIAL, challenge, load, receipt)
    assert (medium.load, medium.may_permit) == (load, True)
    site.meter.body.memory.relay.is_open = True
    seen = site.run(visit(medium), infrared=True)
    assert (seen.arrival, seen.told.money, seen.told.count) == (Arrival.DONE, 6_234, 2)
    assert site.run(visit(medium), infrared=True).arrival is Arrival.ALREADY
    assert counter.is_genuine(factor, SERIAL, load.nonce, medium.usage)
    assert site.element.wallet == (6_234, 2)


def test_a_medium_does_everything_as_a_card():
    direct, site = Direct(), Site(opened=5_000)
    journey(direct.medium, site)
    assert pair_key(site.target.factor, SERIAL) in bytes(direct.memory.content)


def test_a_card_says_no_in_words_and_never_gives_its_key():
    direct, site = Direct(), Site(opened=5_000)
    journey(direct.medium, site)
    key = pair_key(site.target.factor, SERIAL)
    load = Load(NOTHING, 0, 0, bytes(4), PARAMETERS).to_bytes()
    with pytest.raises(Refusal, match="step before"):
        direct.medium.take(load, bytes(32))
    direct.medium.challenge()
    with pytest.raises(Refusal, match="not the counter"):
        direct.medium.take(load, bytes(32))
    with pytest.raises(Refusal, match="not for it"):
        direct.medium.keep(b"", b"")
    for first in (0x00, 0x80):
        for instruction in range(256):
            for apdu in (b"", b"\x00", b"\x04abcd\x00"):
                answer, status = direct.card.transmit(bytes((first, instruction, 0, 0)) + apdu)
                assert key not in answer
                assert 0x6000 <= status <= 0x9FFF


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        ("", 0x6700),
        ("8010", 0x6700),
        ("8010000005ab", 0x6700),
        ("00100000", 0x6E00),
        ("80990000", 0x6D00),
    ],
)
def test_what_is_no_command_has_its_status(apdu, status):
    assert Direct().card.transmit(bytes.fromhex(apdu)) == (b"", status)


@pytest.mark.slow
def test_a_medium_does_everything_behind_a_real_reader_service(service):
    element = MediumElement(RamMemory(MEDIUM_BYTES), draw("card"))
    with inserted(MediumCard(element)), open_card("Virtual PCD") as card:
        assert card.reset() == ATR
        journey(MediumReader(card), Site(opened=5_000))


@pytest.mark.slow
def test_a_meter_whose_element_is_a_card_takes_money(service):
    site = Site()
    with inserted(site.element), open_card("Virtual PCD") as card:
        assert card.reset()[4:12] == b"SERIAL01"
        assert ElementDriver(card).serial == b"SERIAL01"
        unit = PrepaymentUnit(card, site.own)
        site.meter = SimulatedMeter(METER, site.load, prepayment=unit)
        assert site.run(open_account(site.master, site.target, 500, CUSTOMER)).outcome.good
        done = site.run(recharge(site.master, site.target, 700, 2, CUSTOMER))
        assert (done.outcome.good, done.account.money) == (True, 1_200)
        again = site.run(recharge(site.master, site.target, 700, 2, CUSTOMER))
        assert (again.outcome.good, again.account.money) == (True, 1_200)


@pytest.mark.slow
def test_readers_without_the_right_card_say_so(service):
    assert any(name.startswith("Virtual PCD") for name in reader_names())
    with pytest.raises(ConfigError, match="there are: Virtual PCD"), open_card("Other"):
        pass
    with pytest.raises(LinkDown, match="no card in"), open_card("Virtual PCD 00 01"):
        pass
    element = MediumElement(RamMemory(MEDIUM_BYTES), draw("card"))
    with inserted(MediumCard(element)), open_card("Virtual PCD") as card:
        medium = MediumReader(card)
        assert not medium.is_issued
    with pytest.raises(LinkDown):
        medium.begin_issue()


@pytest.mark.slow
def test_the_commands_sell_onto_a_card(service, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    key = tmp_path / "root.key"
    key.write_text(f"1 {bytes(range(16)).hex()}\n2 {bytes(range(16, 32)).hex()}\n")
    key.chmod(0o600)
    monkeypatch.setenv("KWHUB_ROOT_KEY", str(key))
    site, where = Site(), ["--medium", "pcsc:Virtual PCD"]
    element = MediumElement(RamMemory(MEDIUM_BYTES), draw("card"))
    with inserted(MediumCard(element)):
        assert run(["vend", "customer", CUSTOMER.hex(), METER, "Wang"]) == 0
        assert run(["vend", "issue", METER, *where]) == 0
        row = ["--payment", "R-1", "--operator", "ann", *where]
        assert run(["vend", "sell", "50", *row]) == 0
        with open_card("Virtual PCD") as card:
            seen = site.run(visit(MediumReader(card)), infrared=True)
        assert seen.arrival is Arrival.DONE
        assert run(["vend", "collect", *where]) == 0
        assert "50.00" in capfd.readouterr().out
        assert run(["medium", "show", *where]) == 0
    assert site.element.wallet == (5_000, 1)


def test_the_default_port_is_that_of_the_package():
    assert PORT == 0x8C7B

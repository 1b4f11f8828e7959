"""``kwhub concentrator check``: every trouble that can be seen before the start is told, in two languages."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.concentrator.test_served_tasks import setting
from tests.links.authority import Authority

from kwhub.bluetooth.keystore import KeyFile, Peer
from kwhub.cli.app import run
from kwhub.concentrator.archive import Archive, Parameter
from kwhub.concentrator.check import check
from kwhub.concentrator.config import load
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Register
from kwhub.links.tls_dates import validities
from kwhub.protocols.gdw1376.units import Unit

SETTINGS = """
[concentrator]
region = "4101"
terminal = 1
store = "{store}"
[uplink]
address = "{uplink}"
[store]
limit_mib = 1
{more}
[[bus]]
name = "east"
address = "{bus}"
port = 2
"""
METER = '[[bus.meter]]\naddress = "000000000038"\npoint = 1\n'


@pytest.fixture
def site(tmp_path):
    def write(*, uplink="tcp:127.0.0.1:8001", bus="pty:", store="c.sqlite", more="", tail=METER):
        path = tmp_path / "site.toml"
        path.write_text(SETTINGS.format(uplink=uplink, bus=bus, store=store, more=more) + tail)
        return path

    return write


async def found(path, now=None):
    """Level and words by what was looked at, the good news left out."""
    findings = await check(load(path), now or datetime.now(UTC))
    assert all(each.english and each.chinese for each in findings)
    return {each.what: (each.level, each.english) for each in findings if each.level != "ok"}


async def test_nothing_to_complain_about(site):
    assert await found(site()) == {}


async def test_a_clock_that_lost_the_time(site, tmp_path):
    then = datetime(2000, 1, 1, tzinfo=UTC)
    assert (await found(site(), then))["clock"] == (
        "error",
        "it shows 2000-01-01 08:00: set it first",
    )
    now = datetime.now(UTC)
    outbox = Outbox.open(str(tmp_path / "c.sqlite"))
    batch = Batch(int(now.timestamp()))
    batch.read(Slot(1, Register("1-0:1.8.0"), 900, 0), "000000000038", Decimal(1), "test")
    outbox.keep(batch)
    outbox.close()
    level, words = (await found(site(), now - timedelta(days=1)))["clock"]
    assert level == "warn"
    assert words.startswith("it is behind the newest reading of ")
    assert "clock" not in await found(site(), now)


async def test_stores_that_will_not_do(site, tmp_path):
    level, words = (await found(site(store="none/c.sqlite")))["store"]
    assert (level, words.endswith("does not exist")) == ("error", True)
    (tmp_path / "junk").write_bytes(b"this is no database at all, and never was" * 100)
    assert "file is not a database" in (await found(site(store="junk")))["store"][1]
    before = (tmp_path / "junk").read_bytes()
    Outbox.open(str(tmp_path / "newer")).close()
    outbox = Outbox.open(str(tmp_path / "newer"))
    outbox.database.rows("PRAGMA user_version = 9999")
    outbox.close()
    assert "newer program (version 9999)" in (await found(site(store="newer")))["store"][1]
    assert (tmp_path / "junk").read_bytes() == before
    if os.geteuid():
        (tmp_path / "newer").chmod(0o400)
        assert "must be writable" in (await found(site(store="newer")))["store"][1]


@pytest.mark.slow  # asks for a name that nobody has
async def test_links_that_will_not_do(site, tmp_path):
    (tmp_path / "file").touch()
    for bus, words in (
        (f"serial:{tmp_path}/none", "does not exist"),
        (f"serial:{tmp_path}/file", "is not a serial port"),
    ):
        level, told = (await found(site(bus=bus)))["bus[0].address"]
        assert level == "error"
        assert told.endswith(words)
    wrong = await found(site(bus="tcp:127.0.0.1"))
    assert wrong["bus[0].address"][0] == "error"
    standby = '[standby]\naddress = "tcp:127.0.0.1:1?interface=ppp77"'
    assert (await found(site(more=standby)))["standby.address"] == (
        "warn",
        "there is no interface ppp77 now",
    )
    nowhere = await found(site(uplink="tcp:head-end.invalid:1"))
    assert nowhere["uplink.address"] == ("warn", "head-end.invalid has no address now")
    assert (await found(site(tail="")))["bus.meter"][0] == "warn"


async def test_certificates(site, tmp_path):
    ours = Authority(tmp_path / "ca")
    cert, key = ours.issue("terminal", days=20)
    key.chmod(0o600)
    uplink = f"tls:127.0.0.1:1?ca={ours.ca}&cert={cert}&key={key}"
    soon = await found(site(uplink=uplink))
    assert list(soon) == ["uplink.address cert"]
    assert soon["uplink.address cert"][0] == "warn"
    assert " is valid until 20" in soon["uplink.address cert"][1]
    later = await found(site(uplink=uplink), datetime.now(UTC) + timedelta(days=21))
    assert later["uplink.address cert"][0] == "error"
    assert "has expired on" in later["uplink.address cert"][1]
    earlier = await found(site(uplink=uplink), datetime.now(UTC) - timedelta(days=9))
    assert "is valid from" in earlier["uplink.address ca"][1]
    key.chmod(0o644)
    assert (await found(site(uplink=uplink)))["uplink.address key"][0] == "warn"
    loud = "tls:127.0.0.1:1?insecure-do-not-verify-the-server=yes"
    assert (await found(site(uplink=loud)))["uplink.address"] == (
        "warn",
        "the head-end's certificate is not checked",
    )
    missing = await found(site(uplink="tls:127.0.0.1:1?ca=none.pem"))
    assert missing["uplink.address"] == ("error", "option ca: none.pem: none.pem does not exist")


def test_dates_of_certificates(tmp_path):
    ours = Authority(tmp_path / "ca")
    cert, _ = ours.issue("long", days=365 * 40)
    (validity,) = validities(str(cert))
    assert validity.end - validity.begin == timedelta(days=365 * 40 + 1)
    (tmp_path / "both.pem").write_bytes(cert.read_bytes() + ours.ca.read_bytes())
    assert len(validities(str(tmp_path / "both.pem"))) == 2
    (tmp_path / "none.pem").touch()
    assert validities(str(tmp_path / "none.pem")) == []
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (tmp_path / "broken.pem").write_text(broken)
    with pytest.raises(DecodeError, match="not a certificate"):
        validities(str(tmp_path / "broken.pem"))


async def test_secrets_and_ports(site, tmp_path):
    (tmp_path / "pw").write_text("not hexadecimal")
    (tmp_path / "pw").chmod(0o644)
    wrong = await found(site(more='[head_end]\npassword_file = "pw"'))
    assert wrong["head_end"][0] == "error"
    assert wrong["head_end.password_file"][0] == "warn"
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        used = await found(site(more=f'[metrics]\naddress = "127.0.0.1:{port}"'))
    assert used["metrics.address"][0] == "warn"
    assert await found(site(more=f'[metrics]\naddress = "127.0.0.1:{port}"')) == {}


def test_the_command(site, capsys):
    good = site()
    assert run(["concentrator", "check", str(good)]) == 0
    assert "will be created" in capsys.readouterr().out
    assert run(["concentrator", "check", str(good), "--language", "zh"]) == 0
    assert "将新建" in capsys.readouterr().out
    assert run(["concentrator", "check", str(site(bus="serial:/none")), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert {each["level"] for each in answer["findings"]} == {"ok", "error"}
    good.write_text(good.read_text().replace("4101", "41"))
    assert run(["concentrator", "check", str(good), "--json"]) == 2
    (only,) = json.loads(capsys.readouterr().out)["findings"]
    assert "concentrator.region: must be four digits" in only["english"]


BLUE = """
[[bluetooth]]
name = "yard"
adapter = "{adapter}"
port = 9
{keys}
[[bluetooth.meter]]
address = "000000000045"
point = 2
device = "F0:00:00:00:00:01"
"""


@pytest.mark.parametrize(
    ("adapter", "keys", "wrong"),
    [
        ("usb:0", 'keys = "no.keys"', {"bluetooth[0].keys": "error"}),
        ("usb:0", 'keys = "open.keys"', {"bluetooth[0].keys": "error"}),
        ("usb:0", 'keys = "new.keys"', {"bluetooth[0].keys": "warn"}),
        ("usb:0", "unsecured = true", {"bluetooth[0].unsecured": "warn"}),
        (
            "bus:0",
            'keys = "new.keys"',
            {"bluetooth[0].adapter": "error", "bluetooth[0].keys": "warn"},
        ),
        ("serial:no/tty,115200", 'keys = "bonded.keys"', {"bluetooth[0].adapter": "error"}),
    ],
)
async def test_bluetooth_adapters_and_bonds(site, tmp_path, adapter, keys, wrong):
    for name in ("open", "new", "bonded"):
        KeyFile(tmp_path / f"{name}.keys")
    (tmp_path / "open.keys").chmod(0o644)
    bonded = KeyFile(tmp_path / "bonded.keys")
    await bonded.put_back("F0:00:00:00:00:01", Peer(keys={"ltk": {"value": "00" * 16}}))
    told = await found(site(tail=METER + BLUE.format(adapter=adapter, keys=keys)))
    assert {what: level for what, (level, _) in told.items()} == wrong


async def test_names_that_the_system_does_not_take_are_told_with_the_rest(site):
    told = await found(site(store="x" * 300))
    assert told["store"][0] == "error"
    assert "too long" in told["store"][1]
    keys = f'keys = "{"x" * 300}"'
    told = await found(site(tail=METER + BLUE.format(adapter="usb:0", keys=keys)))
    assert told["bluetooth"][0] == "error"
    assert "too long" in told["bluetooth"][1]


async def test_report_tasks_that_name_points_without_a_meter(site, tmp_path):
    assert await found(site()) == {}
    outbox = Outbox.open(str(tmp_path / "c.sqlite"))
    archive = Archive(outbox.database)
    archive.seed(load(site()))
    for number, point in ((1, 1), (2, 7)):
        task = setting(65, number, [Unit((point,), (129,), b"")], unit=0, period=15).data
        archive.keep([Parameter(65, number, 0, task), Parameter(67, number, 0, b"\x55")])
    outbox.close()
    assert await found(site()) == {
        "task 1.2": (
            "warn",
            "names points without a meter: 7; the head-end sets tasks (04-F65, F66)",
        )
    }

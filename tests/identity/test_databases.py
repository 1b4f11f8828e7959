"""The register in each database: the life of a device from allocation to retirement."""

import shutil
from decimal import Decimal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.headend.conftest import address, postgresql_template, reused, sqlite_template
from tests.identity.field import METER, START

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.device_messages import (
    Certified,
    Denied,
    DeviceReading,
    RefusedReading,
    Taken,
    Upload,
    WorkMeter,
)
from kwhub.headend.config import Area, Config, Meter, Terminal
from kwhub.headend.identity.authority import Authority
from kwhub.headend.identity.books import book, look
from kwhub.headend.identity.records import Description, DeviceState, Rules, Visitor
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.work import FieldWork, NewWork
from kwhub.headend.people import trail
from kwhub.headend.store import journal
from kwhub.headend.store.archive import synchronise
from kwhub.headend.store.database import Database
from kwhub.runtime.chance import seeded

__all__ = ["address", "postgresql_template", "reused", "sqlite_template"]

NAME = "device-000001"
AREA = Area("A1", "North", "", (Terminal("4101", 1, "", (Meter(METER, 1, name="shop"),)),))


def request(curve=None):
    key = ec.generate_private_key(curve or ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def registry(address, fresh, tmp_path):
    shutil.copytree(fresh / "ca", tmp_path / "ca")
    database = Database(address)
    with database.write() as connection:
        synchronise(connection, Config(area=(AREA,)))
    authority, draw = Authority(tmp_path / "ca", START), seeded(1).randbytes
    yield Registry(database, authority, Rules(), lambda: START, draw, trail.record)
    with database.read() as connection:
        assert list(trail.verify(connection)) == []
    database.close()


@pytest.fixture
def active(registry):
    """A device that is at work; the serial of its certificate, and who it is."""
    given = registry.allocate(Description("T5", "S1", "ann", "A1"), "admin")
    first = registry.enrol(given.device, given.secret, request())
    assert isinstance(first, Certified)
    found = x509.load_pem_x509_certificate(first.chain.encode())
    serial = f"{found.serial_number:x}"
    with registry.database.write() as connection:
        visitor = registry.admit(connection, serial, START)
    assert isinstance(visitor, Visitor)
    return serial, visitor


def test_readings_are_booked_once_and_uses_are_counted(registry, active):
    _, visitor = active
    work = FieldWork(registry, book, look)
    number = work.give(NAME, NewWork("read", (WorkMeter(METER),)), "admin")
    at = int(START.timestamp())
    reading = DeviceReading(METER, "1-0:1.8.0", Decimal("1.5"), "kWh", at)
    unknown = DeviceReading("202611209999", "1-0:1.8.0", Decimal("1.5"), "kWh", at)
    with registry.database.write() as connection:
        orders = work.open_work(connection, visitor).orders
        assert [each.id for each in orders] == [number]
        used = ((orders[0].grants[0].id, 9),)  # more than were granted
        upload = Upload("upload-1", number, (reading, unknown), used, finished=True)
        taken = [work.take(connection, visitor, upload) for _ in range(2)]
        refused = (RefusedReading(1, "work"),)
        assert taken == [Taken("upload-1", 1, told, refused) for told in (False, True)]
        assert [len(each.columns) for each in journal.entries(connection)] == [1]
        assert [each.value for each in look(connection, METER)] == ["shop", "A1"]
        assert work.open_work(connection, visitor).orders == ()
    assert registry.exposure(NAME).grants == ()


def test_retired_is_for_ever(registry, active):
    serial, _ = active
    assert registry.retire(NAME, "admin", "old").state is DeviceState.RETIRED
    with registry.database.write() as connection:
        assert registry.admit(connection, serial, START) == Denied("retired")
    with pytest.raises(LocalError, match="was retired"):
        registry.lock(NAME, "admin", "")
    with pytest.raises(LocalError, match="was retired"):
        registry.allocate_again(NAME, "admin")


def test_the_database_itself_holds_one_current_generation(registry, active):
    _, visitor = active
    with registry.database.write() as connection:
        second = registry.renew(connection, visitor, request())
        third = registry.renew(connection, visitor, request())
        assert [each.generation for each in (second, third)] == [2, 3]
    serial = x509.load_pem_x509_certificate(second.chain.encode()).serial_number
    with registry.database.write() as connection:
        # Two answers were lost, or two ask with one identity: the last one counts.
        assert registry.admit(connection, f"{serial:x}", START) == Denied("dead")
    assert registry.allocate_again(NAME, "admin").device == NAME


@pytest.mark.parametrize(
    "wrong", ["", "-----BEGIN CERTIFICATE REQUEST-----\n", request(ec.SECP384R1())]
)
def test_what_is_no_signing_request_is_told(fresh, tmp_path, wrong):
    shutil.copytree(fresh / "ca", tmp_path / "ca")
    authority = Authority(tmp_path / "ca", START)
    with pytest.raises(DecodeError, match=r"signing request|P-256"):
        authority.certify_device(wrong, "x#1", START, 7)

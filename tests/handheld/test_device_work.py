"""Work orders from the archive, given on the command line."""

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select, update

from kwhub.cli.app import run
from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import WorkMeter
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import load
from kwhub.headend.identity.visits import meters_to_visit
from kwhub.headend.store.database import Database
from kwhub.headend.store.schema import meter as meter_table
from kwhub.headend.store.schema_archive import account, customer
from kwhub.headend.store.schema_billing import account_tariff
from kwhub.headend.store.schema_devices import device, device_grant, device_work
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.runtime.clock import SystemClock

SETTINGS = """
[headend]
store = "{place}/headend.sqlite"
uplink = ""

[devices]
folder = "{place}/ca"

[[area]]
code = "A1"
name = "North"

[[area.terminal]]
region = "3100"
terminal = 1
name = "t1"

[[area.terminal.meter]]
address = "202611200001"
point = 1
name = "house 1"

[[area.terminal.meter]]
address = "202611200002"
point = 2
name = "house 2"
"""


@pytest.fixture
def config(place):
    path = place / "headend.toml"
    path.write_text(SETTINGS.format(place=place))
    headend = HeadEnd(load(path), SystemClock())
    asyncio.run(headend.close())
    return path


@pytest.fixture
def database(config, place):
    database = Database(str(place / "headend.sqlite"))
    with database.write() as connection:
        person = connection.execute(
            customer.insert().values(
                number="1", name="Li", phone="", postal_address="1 Main Road", note=""
            )
        ).inserted_primary_key
        found = select(meter_table.c.id).where(meter_table.c.address == "202611200001")
        connection.execute(
            account.insert().values(
                number="1",
                customer_id=(person or (0,))[0],
                meter_id=connection.scalar(found),
                from_day=1,
            )
        )
    yield database
    database.close()


def test_a_technician_is_told_who_lives_behind_a_meter(database):
    with database.read() as connection:
        one, two = meters_to_visit(connection, "A1", registers=("1-0:1.8.0",))
        assert (one.address, one.terminal, one.area) == ("202611200001", "t1", "A1")
        assert (one.customer, one.place, one.balance) == ("Li", "1 Main Road", Decimal(0))
        assert (two.customer, two.place, two.balance) == ("", "house 2", None)
        assert (one.paying, two.paying) == ("postpaid", "")
        bought = meters_to_visit(connection, "A1", prepaid=[one.address])
        assert [each.paying for each in bought] == ["prepaid", ""]
    with database.write() as connection:
        given = {"account_id": 1, "code": "T", "low_balance": Decimal(20)}
        connection.execute(account_tariff.insert().values(**given, from_day=1))
    with database.read() as connection:
        assert meters_to_visit(connection, "A1")[0].paying == "prepaid"  # warned of a low balance
        assert two.protocol == "dlt645-2007"
        assert two.registers == ("1-0:1.8.0",)
        assert meters_to_visit(connection, addresses=[two.address])[0].place == "house 2"
        with pytest.raises(LocalError, match="has no active meter 000000000009"):
            meters_to_visit(connection, "A1", ["000000000009"])
        with pytest.raises(LocalError, match="'A2' has no active meters"):
            meters_to_visit(connection, "A2")


@pytest.mark.slow
def test_work_is_given_by_area_on_the_command_line(config, database, capsys):
    assert run(["headend", "device", "allocate", str(config)]) == 0
    with database.write() as connection:
        connection.execute(update(device).values(state="active"))
    capsys.readouterr()
    words = ["headend", "device", "work", str(config), "device-000001"]
    assert run([*words, "--json"]) == 2
    assert "name an --area" in capsys.readouterr().err
    allowed = ["--allow", "read", "--allow", "freeze"]
    assert run([*words, "--area", "A1", *allowed, "--uses", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"work": 1, "device": "device-000001", "meters": 2}
    with database.read() as connection:
        grants = connection.execute(select(device_grant.c.meter, device_grant.c.operation)).all()
    assert len(grants) == 4
    assert run([*words, "--meter", "202611200002", "--language", "zh"]) == 0
    assert "工单 2，共 1 块表" in capsys.readouterr().out


@pytest.mark.slow
def test_who_buys_at_the_counter_pays_before(config, database, place):
    ledger = place / "sales.sqlite"
    with closing(VendingStore(ledger)) as store:
        buyer = Customer("000000000001", "202611200002", "Wang")
        store.add_customer(buyer, datetime(2026, 3, 1, tzinfo=UTC))
    config.write_text(
        f'{config.read_text()}\n[vending]\nroot_key = "{place}/none"\nledger = "{ledger}"\n'
    )
    assert run(["headend", "device", "allocate", str(config)]) == 0
    with database.write() as connection:
        connection.execute(update(device).values(state="active"))
    assert run(["headend", "device", "work", str(config), "device-000001", "--area", "A1"]) == 0
    with database.read() as connection:
        body = connection.scalar(select(device_work.c.body))
    meters = msgspec.json.decode(body, type=tuple[WorkMeter, ...])
    assert [each.paying for each in meters] == ["postpaid", "prepaid"]

"""A head-end with readings, findings, holes, an account and a tariff, for the tests of the desks' pages."""

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Collection
from functools import cache
from pathlib import Path

from sqlalchemy import insert
from tests.headend.web_world import StandingClock, filled, settings

from kwhub.headend.app import HeadEnd
from kwhub.headend.billing.tariffs import tariff_from
from kwhub.headend.store import schema_archive, sessions
from kwhub.headend.store.schema import day_number
from kwhub.runtime.clock import Clock

__all__ = ["FIRST_DAY", "TARIFF", "furnished", "move_in"]

FIRST_DAY = dt.date(2026, 3, 2)
TARIFF = {"code": "flat", "name": "Homes", "valid_from": "2026-01-01", "prices": {"total": "0.5"}}


def furnished(path: Path, clock: Clock | None = None) -> HeadEnd:
    """Three days of readings that were validated, looked at, and can be billed; made once for each process."""
    shutil.copy(_template(), path)
    return HeadEnd(settings(path), clock or StandingClock())


@cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="kwhub-desks-")) / "headend.sqlite"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    made = filled(path)
    move_in(made)
    made.store.close()
    return path


def move_in(made: HeadEnd, accounts: Collection[int] = (1, 2)) -> None:
    """A customer with some accounts (account 1 is of meter 3), a tariff, findings and holes."""
    with made.store.database.write() as connection:
        customer = {"id": 1, "number": "C1", "name": "Li Mei <b>"}
        empty = {"phone": "", "postal_address": "Willow Lane 3", "note": ""}
        connection.execute(insert(schema_archive.customer).values(**customer, **empty))
        for account in accounts:
            row = {"id": account, "number": f"A{account}", "customer_id": 1}
            where = {"meter_id": account + 2, "from_day": day_number(FIRST_DAY)}
            connection.execute(insert(schema_archive.account).values(**row, **where))
        began = made.clock.now().replace(day=1)
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=began)
    made.store.pack()
    made.quality.check_waiting()
    made.ledger.look()
    made.billing.put_tariff(tariff_from(TARIFF), by="mei")
    made.billing.assign(1, "flat", FIRST_DAY, by="mei")

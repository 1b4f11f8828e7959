"""A head-end with a real store full of readings, for the tests of pages and API."""

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient
from tests.headend.whole import empty_store
from tests.headend.world import DAYS

from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Access, Area, Config, Meter, Service, Terminal
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.quality.expect import Duty, owed
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.journal import Batch
from kwhub.headend.web.app import create_app
from kwhub.runtime.clock import Clock

__all__ = [
    "BASE",
    "ENERGY",
    "HOLE",
    "LOSSY",
    "NOW",
    "TODAY",
    "YESTERDAY",
    "StandingClock",
    "address",
    "client",
    "filled",
    "form_token",
    "settings",
    "signed_in",
    "way_in",
]

BASE = "http://127.0.0.1:8080"
NOW = dt.datetime(2026, 3, 4, 4, 40, tzinfo=dt.UTC)  # 12:40 in Shanghai
TODAY, YESTERDAY = dt.date(2026, 3, 4), dt.date(2026, 3, 3)
ENERGY = Register("1-0:1.8.0")
HOLE = range(40, 44)
"""Quarter hours of yesterday that the first customer lacks: 10:00 to 10:45."""

LOSSY = Decimal("1.05")
"""How much the supply meter measures for each kWh that is sold."""

ACCESS = Access(password_work=10, requests_burst=1_000_000)
"""Cheap passwords; and no limit that a clock that stands still could reach."""

METERS = 54
MICRO = 1_000_000
INSTANTS = {"32": 231_400_000, "52": 230_100_000, "72": 229_800_000, "31": 1_250_000}
SOLD_PER_QUARTER = 50_000  # millionths of a kWh: 0.05 kWh, for each customer


class StandingClock:
    """A clock that stands still."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> dt.datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, and this would for {seconds} s")

    async def sleep_until(self, when: dt.datetime) -> None:
        raise AssertionError(f"nothing here waits, and this would until {when}")


def address(number: int) -> str:
    return f"{202603000000 + number:012}"


def settings(path: Path) -> Config:
    """One area of 54 meters (the first one is the supply meter, ratio 10), and an empty one."""
    meters = tuple(
        Meter(
            address=address(number),
            point=number,
            name="Supply" if number == 1 else f"Flat {number}",
            kind="supply" if number == 1 else "customer",
            ratio=10 if number == 1 else 1,
            phases=3 if number == 1 else 1,
        )
        for number in range(1, METERS + 1)
    )
    terminals = (
        Terminal(region="4101", terminal=2082, name="Pole 7", meter=meters),
        Terminal(region="4101", terminal=2083, name="Pole 9"),
    )
    areas = (
        Area(code="TQ-31", name="Willow Lane", name_zh="柳林路台区", terminal=terminals),
        Area(code="TQ-32", name="<Harbour & East>"),
    )
    return Config(headend=Service(store=str(path), uplink=""), access=ACCESS, area=areas)


def rows(meter: int) -> Iterator[tuple[int, str, int, int, int | None]]:
    """Everything that a meter owes since 2 March, up to now, but for the hole of the first customer."""
    start, now = DAYS.start_s(dt.date(2026, 3, 2)), int(NOW.timestamp())
    for series in owed(Duty(phases=3 if meter == 1 else 1)):
        begin = start + series.interval_s if series.interval_s == DAY_INTERVAL_S else start
        for at in range(begin, now + 1, series.interval_s):
            quarter = (at - start) // CURVE_INTERVAL_S
            value: int | None = INSTANTS.get(series.register[4:6], 0)
            if series.register == ENERGY:
                value = energy(meter, quarter)
            elif at == start:
                value = None
            if meter == 2 and series.interval_s == CURVE_INTERVAL_S and quarter - 96 in HOLE:
                continue
            yield (meter, series.register, series.interval_s, at, value)


def energy(meter: int, quarter: int) -> int:
    """Register of a meter so many quarter hours after 2 March 00:00, whole hundredths of a kWh."""
    step = SOLD_PER_QUARTER * (METERS - 1) * LOSSY / 10 if meter == 1 else SOLD_PER_QUARTER
    return 1234 * MICRO + int(step * quarter) // 10_000 * 10_000


def filled(path: Path, clock: Clock | None = None) -> HeadEnd:
    """A head-end whose store has three days of readings, half packed and half in the journal.

    A store that is there already is opened as it is.
    """
    if not path.exists():
        shutil.copy(_template(), path)
    return HeadEnd(settings(path), clock or StandingClock())


@cache
def _template() -> Path:
    """The store, made once for each process."""
    path = Path(tempfile.mkdtemp(prefix="kwhub-filled-")) / "headend.sqlite"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    path.write_bytes(empty_store())
    headend = HeadEnd(settings(path), StandingClock())
    for number in range(1, METERS + 1):
        columns = Columns.from_rows(rows(number))
        headend.store.append([Batch(1, NOW, "gdw1376:0D", columns)])
        if number == METERS // 2:
            headend.store.pack()
    headend.store.close()
    return path


@contextmanager
def client(
    headend: Any, *, role: Any = Role.ADMIN, **headers: str
) -> Iterator[TestClient[Litestar]]:
    """A test client that speaks to the pages of a head-end as a browser on this machine would.

    It is signed in as somebody with a role everywhere; with ``None`` nobody knows it.
    """
    with TestClient(create_app(headend), base_url=BASE, raise_server_exceptions=False) as made:
        if role is not None:
            signed_in(headend, made, role)
        made.headers.update(headers)
        yield made


def signed_in(headend: Any, browser: Any, role: Role = Role.ADMIN, organisation: int = 0) -> None:
    """Sign a test client in; from then on it sends the token of its forms."""
    answer = browser.get(way_in(headend, role, organisation), follow_redirects=False)
    assert answer.status_code == 303, answer.text
    browser.headers["X-CSRF-Token"] = form_token(headend, browser)


def way_in(headend: Any, role: Role = Role.ADMIN, organisation: int = 0) -> str:
    """The path of a one-time link, as ``kwhub demo`` makes it, of somebody with a role (0: everywhere)."""
    name = f"{role.value}{organisation or ''}"
    staff = headend.people.staff
    if name not in {each.name for each in staff.users()}:
        staff.add(name, "", [Grant(role.value, organisation)])
    return f"/link/{headend.people.link(name)}"


def form_token(headend: Any, browser: Any) -> str:
    """What the forms of a browser that is signed in send along."""
    token: str = headend.people.identify(browser.cookies["kwhub_session"], "").csrf
    assert token
    return token

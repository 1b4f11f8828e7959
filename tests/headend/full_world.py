"""A head-end in which every page has something on it, for tests that walk all of them."""

import asyncio
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, update
from tests.headend.desk_world import FIRST_DAY, furnished
from tests.headend.web_events import reported
from tests.headend.web_world import NOW, YESTERDAY

from kwhub.headend.app import HeadEnd
from kwhub.headend.archive.dated import Exchange
from kwhub.headend.orders.desk import Terms
from kwhub.headend.orders.wanted import ReadRegisters, SetTerminalClock, SwitchRelay
from kwhub.headend.people.key_rows import NewKey
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.store import schema
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.journal import Batch, Stray
from kwhub.headend.store.schema import day_number
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.desk import Plan
from kwhub.headend.tasks.scope import Scope
from kwhub.runtime.clock import Clock

__all__ = ["PAGES", "everything"]

PAGES = (
    "/",
    "/areas?day=2026-03-03",
    "/areas/1?day=2026-03-03",
    "/meters",
    "/meters/compare?meter=1&meter=2",
    "/meters/1",
    "/meters/2?measure=voltage&day=2026-03-03",
    "/terminals",
    "/terminals/1",
    "/tasks",
    "/tasks/1",
    "/tasks/2",
    "/orders/1",
    "/orders/2",
    "/alarms?state=all",
    "/completeness?first=2026-03-02",
    "/completeness/holes?state=all&first=2026-03-02",
    "/completeness/findings?state=all&first=2026-03-02",
    "/completeness/rules",
    "/loss?span=day&day=2026-03-03",
    "/loss/1?span=day&day=2026-03-03",
    "/loss/1?span=month&day=2026-03-03",
    "/loss/1/load?day=2026-03-03",
    "/loss/1/suspects?span=day&day=2026-03-03",
    "/bills",
    "/bills/statements",
    "/bills/statements/1",
    "/bills/accounts/1",
    "/bills/accounts/2?first=2026-03-03&last=2026-03-03",
    "/bills/tariffs",
    "/archive",
    "/archive/organisations",
    "/archive/meters",
    "/archive/meters/6",
    "/archive/areas/new",
    "/archive/groups/1",
    "/archive/imports",
    "/archive/imports/1",
    "/archive/imports/2",
    "/users",
    "/audit",
    "/account",
    "/settings",
)
"""A page of every kind, as a person with every right sees it."""

CSV = "address,terminal,point,name\n"


def everything(path: Path, clock: Clock | None = None) -> HeadEnd:
    """Three days of readings and whatever people have done to them. ``clock`` may be a running one."""
    made = furnished(path, clock)
    asyncio.run(_archive(made))
    asyncio.run(_orders(made))
    _money(made)
    _people(made)
    _trouble(made)
    return made


async def _archive(made: HeadEnd) -> None:
    desk, by = made.archive, "mei"
    await desk.save("organisation", {"code": "N", "name": "North", "name_zh": "北部供电公司"}, by)
    child = {"code": "NE", "name": "North-east", "name_zh": "东北供电所", "parent": "N"}
    await desk.save("organisation", child, by)
    await desk.save("area", {"organisation": "NE"}, by, row_id=1)
    await desk.save("group", {"code": "G1", "name": "Large ones", "kind": "free"}, by)
    await desk.set_members(1, [2, 3], by)
    await desk.place(6, {"ct": "20"}, YESTERDAY, by)
    told = {"1-0:1.8.0": (Decimal("1241.20"), Decimal("0.10"))}
    new = {"address": "202603000999"}
    await desk.exchange(6, Exchange(NOW - dt.timedelta(hours=2), told, new, "burnt"), by)
    for text in (f"{CSV}000000000101,4101-02083,11,Flat 11\n", f"{CSV}12ab,,14,Wrong\n"):
        await made.imports.submit(text.encode(), kind="meter", file_name="meters.csv", by=by)
    await made.imports.work_off()


async def _orders(made: HeadEnd) -> None:
    orders, by = made.orders, "mei"
    energy = ReadRegisters(("1-0:1.8.0",))
    await orders.to_meter(1, energy, by, Terms(patient=True))
    await orders.to_meter(2, SwitchRelay("trip"), by)
    await orders.to_meter(2, SwitchRelay("permit_closing"), by)
    await orders.to_terminal(1, SetTerminalClock(), by, Terms(patient=True))
    await made.tasks.make(Plan(energy, Scope(meters=(2, 3, 4)), "Spring"), by)
    await made.tasks.make(Plan(energy, Scope(meters=(5, 6)), "Second round"), by)
    failed = {"state": OrderState.NO_ANSWER, "detail": "no answer in 30 s", "finished_at": NOW}
    with made.store.database.write() as connection:
        connection.execute(
            update(schema.orders).where(schema.orders.c.task_id == 2).values(**failed)
        )


def _money(made: HeadEnd) -> None:
    made.billing.issue(1, YESTERDAY, YESTERDAY, by="mei")
    made.billing.cancel(1, by="mei", reason="a wrong reading")
    made.billing.issue(1, YESTERDAY, YESTERDAY, by="mei")
    made.billing.assign(2, "flat", FIRST_DAY, by="mei", low_balance=Decimal(20))
    made.billing.pay(1, Decimal("1500.00"), "receipt 1", by="mei", note="cash")


def _people(made: HeadEnd) -> None:
    made.people.staff.add("mei", "Mei Lin", [Grant(Role.ENGINEER.value, 0)])
    made.people.staff.add("admin", "", [Grant(Role.ADMIN.value, 0)])
    session = made.people.use_link(made.people.link("admin"), "10.0.0.7", "Browser/1.0")
    caller = made.people.identify(session, "")
    made.people.staff.add_key(caller, NewKey("robot", frozenset({Right.SEE})))


def _trouble(made: HeadEnd) -> None:
    """Alarms, data without a place, a stranger, a connection that has ended, a meter that uses little."""
    reported(made)
    stray = Stray(9, 0x0D, 97, "unknown_point", bytes.fromhex("01 01 01 0D 12 34"))
    made.store.append([Batch(1, NOW, "gdw1376:0D", Columns.from_rows([]), strays=(stray,))])
    ended = {"peer": "10.0.0.9:40112", "began_at": NOW - dt.timedelta(days=1)}
    rows: list[dict[str, Any]] = [
        {"terminal_id": 1, "region": "4101", "number": 2082, "end_reason": "closed by the peer"},
        {"terminal_id": None, "region": "4101", "number": 7777, "end_reason": "not in the archive"},
    ]
    vectors = schema.day_vector
    flat = (vectors.c.meter_id == 9) & (vectors.c.register == "1-0:1.8.0")
    with made.store.database.write() as connection:
        for row in rows:
            values = {**row, **ended, "ended_at": NOW - dt.timedelta(hours=20)}
            connection.execute(insert(schema.terminal_session).values(**values))
        connection.execute(delete(vectors).where(flat, vectors.c.day >= day_number(YESTERDAY)))

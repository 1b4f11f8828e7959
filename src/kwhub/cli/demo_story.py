"""What happens in the demonstration besides reading: customers with tariffs and balances, a task, events, and bills.

Everything goes the way that it goes in the field: the archive's desk makes the customers, the meters record what
happened to them, and the concentrators notice and report it.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from kwhub.cli.world import ZONE, World
from kwhub.headend.app import HeadEnd
from kwhub.headend.billing.tariffs import Period, Slot, Tariff, Tier
from kwhub.headend.chores import CHECK_EVERY_S
from kwhub.headend.orders.wanted import ReadRegisters
from kwhub.headend.quality.expect import GRACE_S
from kwhub.headend.tasks.desk import Plan
from kwhub.headend.tasks.scope import Scope
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock
from kwhub.sim.area import Place

__all__ = ["happen", "issue_statements", "set_up"]

TELLER = "demonstration"
HOME, TRADE = "HOME", "TRADE"
LOW_BALANCE: Final = Decimal(20)
PAID: Final = (25, 60, 90, 120, 180, 300)
"""What households have paid in advance; some of it does not last."""

PAID_BY_TRADE: Final = (500, 900, 1_200)

COVER_OPEN_S: Final = 420
HIGH_VOLTAGE_AFTER: Final = timedelta(days=1, hours=18, minutes=20)
HIGH_VOLTAGE_LASTS: Final = timedelta(hours=2, minutes=40)
COVER_AFTER_THEFT: Final = timedelta(minutes=35)
"""Whoever steals opens the terminal cover, on the night from which on the meter counts too little."""

TASK_AFTER: Final = timedelta(hours=13)
_DAY = timedelta(days=1)


def _tariffs(day: date) -> tuple[Tariff, Tariff]:
    """Prices in yuan as they are usual: tiers of a month for households, times of the day for trade."""
    home = Tariff(
        code=HOME,
        name="Households, three tiers",
        name_zh="居民阶梯电价",
        valid_from=day,
        prices={Period.TOTAL: Decimal("0.5600")},
        tiers=(Tier(Decimal(180), Decimal("0.05")), Tier(Decimal(260), Decimal("0.30"))),
    )
    slots = (
        (0, Period.VALLEY),
        (7, Period.FLAT),
        (10, Period.PEAK),
        (12, Period.FLAT),
        (17, Period.PEAK),
        (21, Period.FLAT),
        (23, Period.VALLEY),
    )
    trade = Tariff(
        code=TRADE,
        name="Trade, times of the day",
        name_zh="一般工商业分时电价",
        valid_from=day,
        prices={
            Period.PEAK: Decimal("0.9830"),
            Period.FLAT: Decimal("0.6450"),
            Period.VALLEY: Decimal("0.3320"),
        },
        schedule=tuple(Slot(time(hour), period) for hour, period in slots),
    )
    return home, trade


async def set_up(headend: HeadEnd, world: World, start: datetime) -> None:
    """Give every meter but the supply meter a customer, an account, a tariff, and money paid in advance.

    Args:
        headend: whose archive holds the meters already.
        world: the meters.
        start: aware; its local day is the first of every account.
    """
    day = start.astimezone(ZoneInfo(ZONE)).date()
    for tariff in _tariffs(day):
        headend.billing.put_tariff(tariff, by=TELLER)
    chance = seeded(world.area.seed, "payments")
    customers = [place for place in world.area.places if place.kind != "supply"]
    for number, place in enumerate(customers, 1):
        name, home = world.name_of(place), place.kind == "household"
        customer = {"number": f"C{number:04}", "name": name}
        await headend.archive.save("customer", customer, TELLER)
        account = await headend.archive.save(
            "account",
            {
                "number": f"10{number:04}",
                "customer": customer["number"],
                "meter": place.meter.address,
                "from_day": day.isoformat(),
            },
            TELLER,
        )
        code, paid = (HOME, PAID) if home else (TRADE, PAID_BY_TRADE)
        headend.billing.assign(account, code, day, by=TELLER, low_balance=LOW_BALANCE)
        amount = Decimal(chance.choice(paid))
        headend.billing.pay(account, amount, f"demo-{number:04}", by=TELLER)


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happens to a meter, for a while."""

    place: Place
    begins: datetime
    ends: datetime
    kind: str  #: ``cover``, or a phase event of the simulated meter


def _events(world: World, start: datetime) -> list[_Event]:
    """By the moment at which they begin."""
    found = []
    shop = next((each for each in world.area.places if each.kind == "shop"), None)
    if shop is not None:
        begins = start + HIGH_VOLTAGE_AFTER
        found.append(_Event(shop, begins, begins + HIGH_VOLTAGE_LASTS, "overvoltage"))
    if world.area.thief is not None:
        begins = world.area.theft_from + COVER_AFTER_THEFT
        ends = begins + timedelta(seconds=COVER_OPEN_S)
        found.append(_Event(world.area.thief, begins, ends, "cover"))
    return found


async def happen(
    headend: HeadEnd, clock: Clock, world: World, start: datetime, stop: datetime
) -> None:
    """Have the events happen, and give the task, each at its time; what would come after ``stop`` does not."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_task(headend, clock, world, start, stop))
        for event in _events(world, start):
            if event.ends < stop:
                tasks.create_task(_event(clock, event))


async def _task(
    headend: HeadEnd, clock: Clock, world: World, start: datetime, stop: datetime
) -> None:
    """On the first day after noon somebody wants the voltages of all who trade."""
    if start + TASK_AFTER >= stop:
        return
    await clock.sleep_until(start + TASK_AFTER)
    known = {meter.address: number for number, meter in headend.store.archive.meters.items()}
    trade = [each for each in world.area.places if each.kind in {"shop", "workshop"}]
    wanted = ReadRegisters(("1-0:32.7.0",))
    scope = Scope(meters=tuple(known[each.meter.address] for each in trade))
    await headend.tasks.make(Plan(wanted, scope, "Voltages of trade"), TELLER)


async def _event(clock: Clock, event: _Event) -> None:
    body = event.place.meter.body
    for moment, begins in ((event.begins, True), (event.ends, False)):
        await clock.sleep_until(moment)
        at_s = int(moment.timestamp())
        body.advance(at_s)
        if event.kind == "cover":
            change = body.happenings.cover_opened if begins else body.happenings.cover_closed
            change(at_s, terminal=True)
        else:
            move = body.disturbances.begin if begins else body.disturbances.end
            move(event.kind, 0, at_s)


def issue_statements(headend: HeadEnd, start: datetime) -> int:
    """Issue the statements of the days from ``start`` on (aware) that are validated by now; how many."""
    zone = ZoneInfo(ZONE)
    validated = headend.clock.now() - timedelta(seconds=GRACE_S + CHECK_EVERY_S)
    first, end = (moment.astimezone(zone).date() for moment in (start, validated))
    if end <= first:
        return 0
    return len(headend.billing.issue_all(first, end - _DAY, by=TELLER).issued)

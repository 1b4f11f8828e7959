"""What a terminal is to read and when: pushed from the archive, and held against what the terminal has.

Source: Q/GDW 1376.1-2013, clauses 5.5 and 5.10, F10, F33 and F65 to F68.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.headend.orders.carrier import Carrier, Work
from kwhub.headend.orders.outcome import Outcome
from kwhub.headend.orders.wanted import PushArchive, PushPlan, PushReport
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.store.views import OrderState
from kwhub.protocols.gdw1376 import afn_0a, afn_04
from kwhub.protocols.gdw1376.afn_04 import BAUD_CODES, MeterArchive, archive_unit, read_archive
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "compare_archive",
    "plan_unit",
    "push_archive",
    "push_plan",
    "push_report",
    "report_units",
]

RECORDS_PER_UNIT = 32
"""Records of F10 in one unit: below the 1024 bytes at which receivers stop."""

PLAN, SETTINGS, SWITCHES, ON, OFF = 33, (65, 66), (67, 68), 0x55, 0xAA
_PROTOCOLS = {"dlt645-2007": 30, "dlt645-1997": 1}
_SIX_WHOLE_TWO_DECIMALS = 0x09
_UNITS = {"minutes": 0, "hours": 1, "days": 2, "months": 3}
_NO_COLLECTOR = "0" * 12


def _record(meter: KnownMeter) -> MeterArchive:
    baud = BAUD_CODES.index(meter.baud) if meter.baud in BAUD_CODES else 0
    return MeterArchive(
        index=meter.point,
        point=meter.point,
        line=baud << 5 | meter.port,
        protocol=_PROTOCOLS[meter.protocol],
        address=meter.address,
        password=bytes(6),
        tariffs=4,
        digits=_SIX_WHOLE_TWO_DECIMALS,
        collector=_NO_COLLECTOR,
        user_class=0,
    )


def _essence(record: MeterArchive) -> dict[str, Any]:
    """What must agree; the rest is the terminal's business."""
    return {
        "point": record.point,
        "address": record.address,
        "port": record.port,
        "baud": record.baud,
        "protocol": record.protocol,
    }


def _differences(
    wanted: Mapping[int, MeterArchive], has: Mapping[int, MeterArchive]
) -> list[dict[str, Any]]:
    """By measuring point: what the archive wants, and what the terminal has; None: nothing."""
    found = []
    for point in sorted({*wanted, *has}):
        ours, theirs = (
            None if book.get(point) is None else _essence(book[point]) for book in (wanted, has)
        )
        if ours and theirs and not theirs["baud"]:
            theirs["baud"] = ours["baud"]  # the port's default
        if ours != theirs:
            found.append({"point": point, "archive": ours, "terminal": theirs})
    return found


async def compare_archive(carrier: Carrier, work: Work) -> Outcome:
    """Tell how a terminal's meters differ from the archive. Raises as Front.ask."""
    wanted, has = _wanted(carrier, work), await _told(carrier, work)
    return _compared(_differences(wanted, has), len(wanted))


async def push_archive(carrier: Carrier, work: Work, order: PushArchive) -> Outcome:
    """Change what differs, and compare again. Raises as Front.ask."""
    wanted, has = _wanted(carrier, work), await _told(carrier, work)
    records = []
    for each in _differences(wanted, has):
        point = each["point"]
        if point in wanted:
            records.append(wanted[point])
        elif order.delete_others:
            records.append(_deleted(has[point]))
    records = _with_room(records, has, wanted)
    groups = [
        records[at : at + RECORDS_PER_UNIT] for at in range(0, len(records), RECORDS_PER_UNIT)
    ]
    for number, group in enumerate(groups):
        work.tell(number, len(groups))
        await carrier.ask(work, afn_04.AFN, archive_unit(tuple(group)))
    left = _differences(wanted, await _told(carrier, work))
    if not order.delete_others:
        left = [each for each in left if each["archive"] is not None]
    return _compared(left, len(wanted), changed=len(records))


def _deleted(record: MeterArchive) -> MeterArchive:
    return replace(record, point=0)


def _with_room(
    records: Sequence[MeterArchive],
    has: Mapping[int, MeterArchive],
    wanted: Mapping[int, MeterArchive],
) -> list[MeterArchive]:
    """Entries that stand in another's way, by index, are deleted first."""
    taken = {each.index: each for each in has.values()}
    gone = [each for each in records if not each.point]
    there = {each.index for each in gone}
    for each in records:
        other = taken.get(each.index)
        if not each.point or other is None or other.index in there:
            continue
        if other.point != each.point and other.point not in wanted:
            gone.append(_deleted(other))
            there.add(other.index)
    return [*gone, *(each for each in records if each.point)]


def _wanted(carrier: Carrier, work: Work) -> dict[int, MeterArchive]:
    points = carrier.terminal(work.terminal_id).points
    return {point: _record(meter) for point, meter in points.items()}


async def _told(carrier: Carrier, work: Work) -> dict[int, MeterArchive]:
    units = await carrier.ask(work, afn_0a.AFN, Unit((0,), (afn_04.ARCHIVE,), b"\0\0"))
    found = [each for unit in units if unit.data for each in read_archive(unit)]
    return {each.point: each for each in found if each.point}


def _compared(left: Sequence[dict[str, Any]], count: int, *, changed: int = 0) -> Outcome:
    result = {"meters": count, "changed": changed, "differences": list(left)}
    if left:
        return Outcome(OrderState.DONE, f"{len(left)} points differ", result=result)
    return Outcome(OrderState.DONE, f"{count} meters, as in the archive", result=result)


def plan_unit(order: PushPlan, ports: Sequence[int]) -> Unit:
    """04-F33 for some ports."""
    return Unit((0,), (PLAN,), bytes([len(ports)]) + b"".join(_plan(order, each) for each in ports))


def _plan(order: PushPlan, port: int) -> bytes:
    head = bytes([port, int(order.stopped), 0])
    days, at_midnight = b"\xff\xff\xff\x7f", b"\0\0"
    broadcast = bytes.fromhex("000001")  # A.18: on the 1st, at midnight
    slots = b"".join(_clock(begin) + _clock(end) for begin, end in order.slots)
    middle = days + at_midnight + bytes([order.interval_minutes]) + broadcast
    return head + middle + bytes([len(order.slots)]) + slots


def _clock(text: str) -> bytes:
    """A.19: minute, hour in BCD."""
    hour, minute = text.split(":")
    return bytes.fromhex(minute + hour)


async def push_plan(carrier: Carrier, work: Work, order: PushPlan) -> Outcome:
    """Set the reading plan of the ports in use, and read it back. Raises as Front.ask, LocalError."""
    meters = carrier.terminal(work.terminal_id).points.values()
    ports = sorted({each.port for each in meters})
    if not ports:
        raise LocalError("the archive has no meter for this terminal")
    unit = plan_unit(order, ports)
    return await _set_and_look(
        carrier, work, (unit,), (Unit((0,), (PLAN,), bytes([len(ports), *ports])),)
    )


def report_units(order: PushReport) -> tuple[Unit, Unit]:
    """The task (F65 or F66) and its switch (F67 or F68). Raises LocalError."""
    place = order.data_class - 1
    marks = b"".join(Unit((point,), (function,), b"").to_bytes() for point, function in order.units)
    base = A1.encode(WallClock.of(order.base.replace(tzinfo=None)))
    head = bytes([_UNITS[order.unit] << 6 | order.period]) + base
    setting = head + bytes([order.factor, len(order.units)]) + marks
    return (
        Unit((order.number,), (SETTINGS[place],), setting),
        Unit((order.number,), (SWITCHES[place],), bytes([ON if order.on else OFF])),
    )


async def push_report(carrier: Carrier, work: Work, order: PushReport) -> Outcome:
    """Set a report task and switch it, and read both back. Raises as Front.ask, LocalError."""
    units = report_units(order)
    asked = tuple(Unit(each.points, each.functions, b"") for each in units)
    return await _set_and_look(carrier, work, units, asked)


async def _set_and_look(
    carrier: Carrier, work: Work, units: Sequence[Unit], asked: Sequence[Unit]
) -> Outcome:
    for each in units:
        await carrier.ask(work, afn_04.AFN, each)
    left = [each async for each in _otherwise(carrier, work, units, asked)]
    result = {"differences": left}
    if left:
        return Outcome(OrderState.DONE, f"{len(left)} settings differ", result=result)
    return Outcome(OrderState.DONE, "the terminal shows it", result=result)


async def _otherwise(
    carrier: Carrier, work: Work, units: Sequence[Unit], asked: Sequence[Unit]
) -> AsyncIterator[dict[str, Any]]:
    """Settings that the terminal tells otherwise than they were set."""
    for unit, question in zip(units, asked, strict=True):
        told = await carrier.ask(work, afn_0a.AFN, question)
        if not any(each.data == unit.data for each in told):
            function = unit.functions[0]
            shown = [each.data.hex() for each in told]
            yield {"function": function, "archive": unit.data.hex(), "terminal": shown}

"""Changes that are true from a moment on: where a meter sits and with what ratio, and its exchange."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from kwhub.catalog.registers import parse_register
from kwhub.domain.errors import KwhubError
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.known import Known, Stored
from kwhub.headend.archive.plan import Plan, parse
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.archive.reach import beyond, is_within, outside
from kwhub.headend.archive.rules import planned
from kwhub.headend.archive.write import write
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.doubts import note_history
from kwhub.headend.store.schema import to_micro

__all__ = ["Exchange", "exchange", "newest_of", "place", "withdraw"]

PLACE_FIELDS = frozenset({"terminal", "point", "port", "ct", "pt"})
"""Fields of a meter that are dated."""

_METER = KINDS["meter"]
_COLUMNS = ("terminal_id", "point", "port", "ct", "pt", "ratio")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a person writes down when a meter is exchanged.

    Attributes:
        at: the moment, aware.
        readings: per register the final value of the old meter and the first of the new one, in the
            register's unit (kWh); at least the total of the active energy.
        values: fields of the new meter: ``address`` at least, others where they differ.
        reason: in words.
    """

    at: datetime
    readings: Mapping[str, tuple[Decimal, Decimal]]
    values: Mapping[str, str]
    reason: str = ""


def place(
    connection: Connection,
    meter_id: int,
    values: Mapping[str, str],
    at: datetime,
    now: datetime,
    *,
    within: Collection[int] | None = None,
) -> Plan:
    """Give a meter another place or ratio from a moment on; what was before stays true before.

    Args:
        connection: of a writing transaction.
        meter_id: number of the meter.
        values: some of ``PLACE_FIELDS``.
        at: aware moment, a local midnight.
        now: the present.
        within: organisations to which the meter and its places must belong; None for all.

    Raises:
        ArchiveError: not possible; nothing was written.
    """
    strange = sorted(values.keys() - PLACE_FIELDS)
    if strange:
        raise ArchiveError([Problem(strange[0], "unknown_column", strange[0])])
    plan, stored = _planned(connection, meter_id, values, within)
    _not_before(connection, meter_id, at, now)
    _divide(connection, stored, plan, at)
    note_history(connection, meter_id, at)
    return plan


def exchange(
    connection: Connection,
    meter_id: int,
    told: Exchange,
    by: str,
    now: datetime,
    *,
    within: Collection[int] | None = None,
) -> tuple[int, Plan]:
    """Write down that another meter was put in the place of one; the measuring point goes on.

    ``within`` are the organisations to which the meter and what it refers to must belong; None for all.

    Returns:
        the number of the exchange, and what has changed.

    Raises:
        ArchiveError: not possible; nothing was written.
    """
    readings = _readings(told)
    if "address" not in told.values:
        raise ArchiveError([Problem("address", "missing")])
    plan, stored = _planned(connection, meter_id, told.values, within)
    _not_before(connection, meter_id, told.at, now)
    table = schema_archive.meter_exchange
    new = plan.drafts["meter"][0].final if plan.drafts["meter"] else stored
    inserted = connection.execute(
        table.insert().values(
            meter_id=meter_id,
            at=told.at,
            old_address=stored["address"],
            new_address=new["address"],
            reason=told.reason[:300],
            recorded_by=by[:100],
            recorded_at=now,
        )
    )
    (number,) = inserted.inserted_primary_key or (0,)
    rows = [
        {"exchange_id": number, "register": name, "final": final, "first": first}
        for name, (final, first) in readings.items()
    ]
    connection.execute(schema_archive.exchange_reading.insert(), rows)
    if any(new[name] != stored[name] for name in _COLUMNS):
        _divide(connection, stored, plan, told.at)
    else:
        write(connection, plan)
    note_history(connection, meter_id, told.at)
    return int(number), plan


def withdraw(
    connection: Connection, exchange_id: int, *, within: Collection[int] | None = None
) -> Plan:
    """Take back the newest exchange of a meter that was written down by mistake.

    The old address returns, and the ratio if it was changed with the meter; other fields of the new meter stay.
    ``within`` are the organisations to which the meter must belong; None for all.

    Raises:
        ArchiveError: there is no such exchange, or something was dated after it.
    """
    table, reading = schema_archive.meter_exchange, schema_archive.exchange_reading
    row = connection.execute(select(table).where(table.c.id == exchange_id)).one_or_none()
    if row is None:
        raise ArchiveError([Problem("", "unknown", f"exchange {exchange_id}")])
    if not _reaches(connection, row.meter_id, within):
        raise ArchiveError([Problem("", "unknown", f"exchange {exchange_id}")])
    newest = newest_of(connection, row.meter_id)
    if newest is not None and newest > row.at:
        raise ArchiveError([Problem("", "before_last", newest.isoformat())])
    values = {"address": row.old_address}
    history = schema_archive.placement
    before = connection.execute(
        select(history).where(history.c.meter_id == row.meter_id, history.c.valid_to == row.at)
    ).one_or_none()
    if before is not None:
        values |= {"ct": before.ct, "pt": before.pt}
        of_meter = history.c.meter_id == row.meter_id
        connection.execute(delete(history).where(of_meter, history.c.valid_from == row.at))
        connection.execute(
            update(history).where(of_meter, history.c.valid_to == row.at).values(valid_to=None)
        )
    plan, _ = _planned(connection, row.meter_id, values, within)
    write(connection, plan)
    connection.execute(delete(reading).where(reading.c.exchange_id == exchange_id))
    connection.execute(delete(table).where(table.c.id == exchange_id))
    note_history(connection, row.meter_id, row.at)
    return plan


def _reaches(connection: Connection, meter_id: int, within: Collection[int] | None) -> bool:
    known = Known(connection)
    known.want_ids(_METER, {meter_id})
    stored = known.of_id(_METER, meter_id)
    return stored is not None and is_within(known, _METER, stored, within)


def _planned(
    connection: Connection,
    meter_id: int,
    values: Mapping[str, str],
    within: Collection[int] | None,
) -> tuple[Plan, Stored]:
    """The change of the meter's row, checked, and the row as it is; out of reach no number has a row."""
    known = Known(connection)
    known.want_ids(_METER, {meter_id})
    stored = known.of_id(_METER, meter_id)
    if stored is not None and not is_within(known, _METER, stored, within):
        stored = None
    if stored is None or not stored["active"]:
        key = "unknown" if stored is None else "retired"
        raise ArchiveError([Problem("", key, f"meter {meter_id}")])
    incoming, problems = parse(_METER, {"address": stored["address"], **values})
    problems += [Problem(each, "unknown_column", each) for each in values.keys() - _names()]
    incoming.row_id = meter_id
    if problems := problems or list(beyond(known, incoming, within)):
        raise ArchiveError(problems)
    plan = planned(known, {"meter": [incoming]})
    if problems := plan.problems or outside(known, plan, within):
        raise ArchiveError(problems)
    return plan, stored


def _names() -> frozenset[str]:
    return frozenset(_METER.by_name) - {"active"}


def newest_of(connection: Connection, meter_id: int) -> datetime | None:
    """The latest moment at which anything of a meter was dated."""
    found: list[datetime] = []
    for table, column in (
        (schema_archive.placement, "valid_from"),
        (schema_archive.meter_exchange, "at"),
    ):
        query = select(func.max(table.c[column], type_=table.c[column].type))
        latest = connection.execute(query.where(table.c.meter_id == meter_id)).scalar()
        found += [latest] if latest is not None else []
    return max(found, default=None)


def _not_before(connection: Connection, meter_id: int, at: datetime, now: datetime) -> None:
    if at > now:
        raise ArchiveError([Problem("at", "in_future", at.isoformat())])
    newest = newest_of(connection, meter_id)
    if newest is not None and at <= newest:
        raise ArchiveError([Problem("at", "before_last", newest.isoformat())])


def _divide(connection: Connection, stored: Stored, plan: Plan, at: datetime) -> None:
    """End what was true, write the change, and begin what is true now."""
    table, meter = schema_archive.placement, schema.meter
    open_now = (table.c.meter_id == stored["id"], table.c.valid_to.is_(None))
    ended = connection.execute(update(table).where(*open_now).values(valid_to=at))
    if not ended.rowcount:
        connection.execute(table.insert().values(**_facts(stored), valid_to=at))
    write(connection, plan)
    new = connection.execute(select(meter).where(meter.c.id == stored["id"])).mappings().one()
    connection.execute(table.insert().values(**_facts(dict(new)), valid_from=at))


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"meter_id": row["id"], **{name: row[name] for name in _COLUMNS}}


def _readings(told: Exchange) -> dict[str, tuple[int, int]]:
    problems: list[Problem] = []
    found: dict[str, tuple[int, int]] = {}
    for name, values in told.readings.items():
        try:
            register = parse_register(name)
            final, first = (to_micro(each) for each in values)
        except KwhubError:
            problems.append(Problem("readings", "wrong", name))
            continue
        if min(final, first) < 0:
            problems.append(Problem("readings", "wrong", str(min(values))))
        found[register] = (final, first)
    if ENERGY not in found and not problems:
        problems.append(Problem("readings", "missing", ENERGY))
    if problems:
        raise ArchiveError(problems)
    return found

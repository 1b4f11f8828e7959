"""Maximum demands with their times, read from a meter when the head-end asks for them.

Source: Q/GDW 1376.1-2013, clauses 5.11 and 5.12 (A.23 and A.17); DL/T 645-2007, tables A.2 and A.6 and item 04000B01;
DL/T 645-1997, annex A (A010 and B010).

The demand of a month is that of the meter's settlement. It is the month's only when the meter settles once a month, at
midnight of the 1st; else nothing is told. Of day freezes DL/T 645-2007 keeps the active demands alone.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.read import read_item
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.layouts import Value
from kwhub.protocols.gdw1376 import afn_0c, afn_0d
from kwhub.protocols.gdw1376.formats import A15, A17, A20, A21, A23
from kwhub.protocols.gdw1376.times import PartialTime

__all__ = ["ORDERS", "DemandOrder", "Pairs", "Span", "demand_data", "read_demands"]

Pairs: TypeAlias = tuple[tuple[Decimal | None, PartialTime | None], ...]
"""Total, tariff 1, tariff 2 ...: kW or kvar, and when."""

_KINDS = (1, 3, 2, 4)
"""DI2 of forward active, forward reactive, reverse active and reverse reactive."""
_OF_1997 = (0xA01F, 0xA11F, 0xA02F, 0xA12F)
_TIMES_1997, _LAST_MONTH_1997 = 0x1000, 0x0400
_ALL_TARIFFS = 0xFF00
_DAY_TIME, _DAY_DEMANDS = 0x0506_0000, MappingProxyType({0: 0x0506_0900, 2: 0x0506_0A00})
_SETTLEMENTS = (0x0400_0B01, 0x0400_0B02, 0x0400_0B03)
_MIDNIGHT_OF_THE_FIRST = "0100"
_SETTLEMENTS_KEPT, _DAYS_KEPT, _DAY_TRIES_MAX = 12, 62, 4
_TIME_CHARACTERS = len("MM-DD hh:mm")


class Span(Enum):
    """Of what time the demand is."""

    NOW = auto()  #: since the last settlement
    SETTLED = auto()  #: up to the last settlement
    DAY = auto()  #: as a day's end has frozen it
    MONTH = auto()


class DemandOrder(NamedTuple):
    """What a function of the uplink asks for."""

    ways: tuple[
        int, ...
    ]  #: 0 to 3: forward active, forward reactive, reverse active, reverse reactive
    span: Span
    in_lists: bool = False  #: all demands before all times

    @property
    def tag_bytes(self) -> int:
        """Length of the time tag."""
        return {Span.DAY: A20.size, Span.MONTH: A21.size}.get(self.span, 0)


def _of(first: int, span: Span) -> dict[int, DemandOrder]:
    return {first + way: DemandOrder((way,), span) for way in range(4)}


def _lists(first: int, span: Span) -> dict[int, DemandOrder]:
    return {first + n: DemandOrder((2 * n, 2 * n + 1), span, in_lists=True) for n in range(2)}


_CURRENT = _of(145, Span.NOW) | _of(149, Span.SETTLED) | _lists(35, Span.NOW)
_PAST = _of(185, Span.DAY) | _of(189, Span.DAY) | _of(193, Span.MONTH)
_PAST |= _lists(3, Span.DAY) | _lists(11, Span.DAY) | _lists(19, Span.MONTH)

ORDERS: Mapping[tuple[int, int], DemandOrder] = MappingProxyType(
    {
        **{(afn_0c.AFN, function): order for function, order in _CURRENT.items()},
        **{(afn_0d.AFN, function): order for function, order in _PAST.items()},
    }
)
"""By AFN and function."""


def read_demands(
    address: str, edition: Edition, order: DemandOrder, tag: bytes, now: datetime
) -> Conversation[list[Pairs]]:
    """Read what an order asks of one meter.

    Args:
        address: of the meter.
        edition: of the meter.
        order: what is asked.
        tag: the time tag of the request.
        now: naive wall time of the site.

    Returns:
        For each way its pairs; empty where the meter does not keep them.

    Raises:
        NoAnswer, RemoteError: as usual.
        LocalError, DecodeError: the tag is none, or the meter's settlements are not those of months.
    """
    found: list[Pairs] = []
    freeze = 0
    if order.span is Span.DAY and edition is Edition.E2007:
        freeze = yield from _find_day(address, _day_of(tag), now)
    elif order.span is Span.MONTH:
        freeze = yield from _find_month(address, edition, tag, now)
    elif order.span is Span.SETTLED:
        freeze = 1
    for way in order.ways:
        identifiers = _identifiers(way, edition, order.span, freeze)
        blocks: list[tuple[Value, ...]] = []
        for identifier in identifiers:
            block = yield from _read(address, identifier, edition)
            blocks.append(block)
        found.append(_in_month(_pairs(blocks), order.span, tag))
    return found


def demand_data(
    order: DemandOrder, tag: bytes, read_at: datetime, found: Sequence[Pairs]
) -> bytes | None:
    """The data of an answer; None when there is nothing to tell. Raises LocalError."""
    count = max(map(len, found), default=0)
    if not count:
        return None
    data = tag[: order.tag_bytes] + A15.encode(read_at) + bytes([count - 1])
    for pairs in found:
        whole = (*pairs, *((None, None),) * (count - len(pairs)))
        demands = [A23.encode(value) for value, _ in whole]
        times = [A17.encode(time) for _, time in whole]
        if order.in_lists:
            data += b"".join(demands) + b"".join(times)
        else:
            data += b"".join(map(bytes.__add__, demands, times))
    return data


def _identifiers(way: int, edition: Edition, span: Span, freeze: int) -> tuple[int, ...]:
    """Under which identifiers demands and times are read; none when the meter does not keep them."""
    if edition is Edition.E1997:
        if span not in {Span.NOW, Span.SETTLED}:
            return ()
        values = _OF_1997[way] + freeze * _LAST_MONTH_1997
        return values, values + _TIMES_1997
    if span is Span.DAY:
        return (_DAY_DEMANDS[way] + freeze,) if way in _DAY_DEMANDS else ()
    return (0x0100_0000 | _KINDS[way] << 16 | _ALL_TARIFFS | freeze,)


def _read(address: str, identifier: int, edition: Edition) -> Conversation[tuple[Value, ...]]:
    """All tariffs; of a meter that refuses the block the total alone; nothing when it refuses that too."""
    answer = yield from read_item(address, identifier, edition)
    if isinstance(answer.error, Refusal):
        total = identifier & ~0xF if edition is Edition.E1997 else identifier & ~_ALL_TARIFFS
        if edition is Edition.E2007 and identifier >> 24 != 1:
            return ()
        answer = yield from read_item(address, total, edition)
    if isinstance(answer.error, Refusal):
        return ()
    if answer.error is not None:
        raise answer.error
    return answer.values or ()


def _pairs(blocks: Sequence[Sequence[Value]]) -> Pairs:
    """Demands with their times: of one block that has both by turns, or of a block each (1997).

    The total comes first in each; a tariff without a time keeps its demand.
    """
    if len(blocks) == 1:
        demands, times = blocks[0][::2], blocks[0][1::2]
    else:
        demands, times = blocks or ((), ())
    return tuple(
        (
            demand.value if isinstance(demand.value, Decimal) else None,
            _time(times[place].value) if place < len(times) else None,
        )
        for place, demand in enumerate(demands)
    )


def _time(value: object) -> PartialTime | None:
    """From a text that ends with month, day, hour and minute; None when it is no time."""
    text = str(value)[-_TIME_CHARACTERS:]
    try:
        moment = datetime.strptime(f"2000-{text}", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - of the meter
    except ValueError:
        return None
    return PartialTime(moment.month, moment.day, moment.hour, moment.minute)


# --- which freeze or settlement


def _day_of(tag: bytes) -> date:
    day = A20.decode(tag[: A20.size])
    if day is None:
        raise DecodeError("not_a_time", "a freeze without day", field="Td-d", offset=0)
    return day


def _find_day(address: str, day: date, now: datetime) -> Conversation[int]:
    """The number of the freeze of a day's end."""
    midnight = day + timedelta(days=1)
    index = (now.date() - midnight).days + 1
    tried: set[int] = set()
    while 1 <= index <= _DAYS_KEPT and index not in tried and len(tried) < _DAY_TRIES_MAX:
        tried.add(index)
        answer = yield from read_item(address, _DAY_TIME | index)
        if answer.error is not None:
            raise answer.error
        shown = str(answer.values[0].value) if answer.values else ""
        if shown == f"{midnight.isoformat()} 00:00":
            return index
        try:
            index += (datetime.fromisoformat(shown).date() - midnight).days
        except ValueError:
            break
    raise LocalError(f"the meter has no freeze of {day}")


def _find_month(address: str, edition: Edition, tag: bytes, now: datetime) -> Conversation[int]:
    """The number of the settlement that ended a month."""
    month = A21.decode(tag[: A21.size])
    if month is None:
        raise DecodeError("not_a_time", "a freeze without month", field="Td-m", offset=0)
    index = 12 * (now.year - month.year) + now.month - month.month
    if edition is not Edition.E2007 or not 1 <= index <= _SETTLEMENTS_KEPT:
        raise LocalError(f"the meter has no settlement of {month:%Y-%m}")
    days: list[str] = []
    for item in _SETTLEMENTS:
        answer = yield from read_item(address, item)
        if answer.error is not None and not (days and isinstance(answer.error, Refusal)):
            raise answer.error
        days.append("".join(str(value.value).replace(" ", "") for value in answer.values or ()))
    if days[0] != _MIDNIGHT_OF_THE_FIRST or any(
        day.isdecimal() and day[:2] != "99" for day in days[1:]
    ):
        raise LocalError("the meter does not settle once a month at midnight of the 1st")
    return index


def _in_month(pairs: Pairs, span: Span, tag: bytes) -> Pairs:
    """Nothing when a demand is of another month: the meter has settled since, or not yet."""
    month = A21.decode(tag[: A21.size]) if span is Span.MONTH else None
    if month is None:
        return pairs
    following = (month + timedelta(days=31)).month
    for _, time in pairs:
        at_end = time is not None and (time.month, time.day, time.hour) == (following, 1, 0)
        if time is not None and time.month != month.month and not at_end:
            return ()
    return pairs

"""What a meter's telegrams say, as readings: register, value in the register's unit, which storage, when.

Source: EN 13757-3: a time point of the same storage number dates the values of that storage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from kwhub.catalog.mbus import in_register_unit, register_of
from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.protocols.mbus.records import Record
from kwhub.protocols.mbus.telegrams import Telegram

__all__ = ["MbusReading", "reading_of", "readings_of"]

_TIMES = ("datetime", "date")
_ANSWERS = ("data", "fixed")


@dataclass(frozen=True, slots=True)
class MbusReading:
    """One value of one register.

    Attributes:
        value: in ``unit``; None when the meter says that there is no value,
            or sends a number that no meter can mean.
        unit: of the register, such as ``kWh`` or ``m3``.
        storage: 0 is the present value, higher numbers are stored ones.
        at: the meter's own wall time (naive) of that storage, a date when it gives no time of day; None
            when it tells none, or says that its clock is wrong.
        source: identifier on the wire, ``mbus:`` with DIF to the last VIFE.
    """

    register: Register
    value: Decimal | None
    unit: str
    storage: int
    tariff: int
    subunit: int
    function: str
    at: datetime | date | None
    source: str
    raw: bytes  #: the frame that it came from


def readings_of(telegrams: Iterable[Telegram]) -> tuple[MbusReading, ...]:
    """The registers in the telegrams of one meter, in their order; what is no register is left out.

    A register that stands twice with the same storage and function is given once: the first is the
    meter's main value.

    Args:
        telegrams: of one answer, as ``kwhub.exchange.mbus.read_meter`` returns them.
    """
    answers = [each for each in telegrams if each.kind in _ANSWERS]
    records = [record for each in answers for record in each.records]
    found: dict[tuple[Register, int, str], MbusReading] = {}
    for telegram in answers:
        for record in telegram.records:
            reading = reading_of(telegram, record, records)
            if reading is not None:
                key = (reading.register, reading.storage, reading.function)
                found.setdefault(key, reading)
    return tuple(found.values())


def reading_of(telegram: Telegram, record: Record, records: Sequence[Record]) -> MbusReading | None:
    """The reading that a record is; None when it is no register.

    Args:
        telegram: that holds the record.
        record: one of its records.
        records: of the whole answer, among them the time points.
    """
    maker = None if telegram.identity is None else telegram.identity.manufacturer
    register = register_of(telegram.medium, record, maker)
    if register is None:
        return None
    try:
        unit = describe(register).unit
    except KwhubError:
        return None
    value = None
    if isinstance(record.value, Decimal):
        value, unit_found = in_register_unit(record.value, record.unit.unit)
        if unit_found != unit:
            return None
    return MbusReading(
        register,
        value,
        unit,
        record.storage,
        record.tariff,
        record.subunit,
        record.function,
        _time_of(record, records),
        f"mbus:{record.block.hex().upper()}",
        telegram.frame.to_bytes(),
    )


def _time_of(record: Record, records: Sequence[Record]) -> datetime | date | None:
    """The time point of the same storage and function; of the same tariff where there are several."""
    dated = [
        each
        for each in records
        if each.kind in _TIMES
        and (each.storage, each.function) == (record.storage, record.function)
        and not each.marks
    ]
    dated.sort(key=lambda each: (each.tariff != record.tariff, _TIMES.index(each.kind)))
    return _moment(dated[0]) if dated else None


def _moment(record: Record) -> datetime | date | None:
    if record.detail is not None and record.detail.invalid:
        return None
    try:
        moment = datetime.fromisoformat(str(record.value))
    except ValueError:  # a day 0, every year
        return None
    return moment.date() if record.kind == "date" else moment

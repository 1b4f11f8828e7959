"""Which function carries out which kind of order."""

from kwhub.domain.errors import LocalError
from kwhub.headend.orders import archives, changing, files, reading
from kwhub.headend.orders.carrier import Carrier, Work
from kwhub.headend.orders.outcome import Outcome
from kwhub.headend.orders.wanted import (
    CompareArchive,
    PushArchive,
    PushPlan,
    PushReport,
    ReadRegisters,
    SendFile,
    SetMeterClock,
    SetParameter,
    SetTerminalClock,
    SwitchRelay,
    WriteParameter,
)
from kwhub.headend.store.archive import KnownMeter

__all__ = ["perform"]


async def perform(carrier: Carrier, work: Work) -> Outcome:
    """Carry an order out. Raises KwhubError: it came to nothing, and may be tried again."""
    if work.meter is not None:
        return await _of_meter(carrier, work, work.meter)
    return await _of_terminal(carrier, work)


async def _of_meter(carrier: Carrier, work: Work, meter: KnownMeter) -> Outcome:
    match work.wanted:
        case ReadRegisters() as wanted:
            return await reading.read(carrier, work, wanted, meter)
        case SetMeterClock():
            return await changing.set_meter_clock(carrier, work, meter)
        case SwitchRelay() as wanted:
            return await changing.switch_relay(carrier, work, wanted, meter)
        case WriteParameter() as wanted:
            return await changing.write_parameter(carrier, work, wanted, meter)
        case _:
            raise LocalError("this order is not for a meter")


async def _of_terminal(carrier: Carrier, work: Work) -> Outcome:
    match work.wanted:
        case SetTerminalClock():
            return await changing.set_clock(carrier, work, 0)
        case SetParameter() as wanted:
            return await changing.set_parameter(carrier, work, wanted)
        case SendFile() as wanted:
            return await files.send(carrier, work, wanted)
        case _:
            return await _of_book(carrier, work)


async def _of_book(carrier: Carrier, work: Work) -> Outcome:
    """What a terminal is to read, and when."""
    match work.wanted:
        case PushArchive() as wanted:
            return await archives.push_archive(carrier, work, wanted)
        case CompareArchive():
            return await archives.compare_archive(carrier, work)
        case PushPlan() as wanted:
            return await archives.push_plan(carrier, work, wanted)
        case PushReport() as wanted:
            return await archives.push_report(carrier, work, wanted)
        case _:
            raise LocalError("this order is not for a terminal")

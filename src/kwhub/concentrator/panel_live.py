"""A live look at one meter: what it shows now, before the work of the plan."""

from contextlib import suppress
from datetime import datetime

from kwhub.concentrator.bus import Bus
from kwhub.concentrator.config import MeterSettings
from kwhub.concentrator.panel_views import LiveValue, Snapshot
from kwhub.concentrator.plan import PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.errors import NoAnswer, Refusal, RemoteError
from kwhub.domain.readings import Register
from kwhub.exchange.read import RegisterAnswer, read_clock, read_registers
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["live_registers", "look"]


async def look(bus: Bus, meter: PlannedMeter, clock: Clock) -> Snapshot:
    """Read a meter of a bus.

    Of a DL/T 645 meter more is read than the plan wants, by two orders, so that an order of the head-end
    need not wait for both. An M-Bus meter tells everything at once, and its battery pays for it.

    Raises:
        LinkDown: the bus is down.
        NoAnswer: the meter is silent.
    """
    began = clock.monotonic()
    settings = meter.settings
    shown: datetime | None = None
    if isinstance(settings, MeterSettings):
        edition = Edition.E1997 if settings.protocol == "dlt645-1997" else Edition.E2007
        wanted = live_registers(settings)
        answers = await bus.talk(read_registers(settings.address, wanted, edition))
        silences = [each.error for each in answers if isinstance(each.error, NoAnswer)]
        if len(silences) == len(answers):
            raise silences[0]
        values = tuple(map(_live, answers))
        with suppress(NoAnswer, Refusal, RemoteError):  # the values are there; the clock is unknown
            shown = await bus.talk(read_clock(settings.address, edition))
    else:
        values = tuple(map(_live, await bus.read_now(meter)))
    return Snapshot(
        point=meter.point,
        address=settings.address,
        at=int(clock.now().timestamp()),
        took_s=round(clock.monotonic() - began, 3),
        is_free=isinstance(settings, MeterSettings),
        meter_clock=shown.isoformat(" ") if shown else None,
        values=values,
    )


def live_registers(meter: MeterSettings) -> tuple[Register, ...]:
    """What a live look at a meter shows: energies, then power, voltage, current, power factor by phase."""
    lines = (20, 40, 60)[: 3 if meter.phases == 3 else 1]
    codes = ["1.8.0", "16.7.0"]
    codes += [f"{line + 16}.7.0" for line in lines if meter.phases == 3]
    for quantity in (12, 11):
        codes += [f"{line + quantity}.7.0" for line in lines]
    codes += ["131.7.0", "13.7.0"]
    codes += [f"{line + 13}.7.0" for line in lines if meter.phases == 3]
    if meter.protocol == "dlt645-2007":
        codes += ["2.8.0", "14.7.0"]
    return tuple(Register(f"1-0:{code}") for code in codes)


def _live(answer: RegisterAnswer | Shown) -> LiveValue:
    value = None if answer.value is None else str(answer.value)
    return LiveValue(answer.register, value, answer.unit, str(answer.error or ""))

"""What a DL/T 645 meter shows now, as one conversation for whatever way leads to the meter."""

from collections.abc import Sequence

from kwhub.concentrator.plan import ENERGY, PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.errors import NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.exchange.read import read_registers
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["edition_of", "present"]


def edition_of(meter: PlannedMeter) -> Edition:
    """Edition of DL/T 645 that a meter speaks."""
    return Edition.E1997 if meter.settings.protocol == "dlt645-1997" else Edition.E2007


def present(meter: PlannedMeter) -> Conversation[Sequence[Shown]]:
    """Its energy and whatever else the plan reads of it at full hours.

    Raises:
        NoAnswer: it does not say a word.
    """
    planned = (register for series in meter.series for register in series.registers)
    registers = tuple(dict.fromkeys((ENERGY, *planned)))
    answers = yield from read_registers(meter.settings.address, registers, edition_of(meter))
    silences = [each.error for each in answers if isinstance(each.error, NoAnswer)]
    if len(silences) == len(answers):
        raise silences[0]
    return [Shown(each.register, each.value, each.unit, str(each.error or "")) for each in answers]

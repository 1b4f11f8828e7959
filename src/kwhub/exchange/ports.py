"""Conversations about what comes out of a meter: the signal of its terminal, the speed of its port.

Source: DL/T 645-2007, clause 7 (codes 17 and 1D); answers: single source.
"""

from enum import Enum

from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, tell
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.orders import SetOutput
from kwhub.protocols.dlt645.writing import ChangeRate

__all__ = ["Output", "change_rate", "set_output"]


class Output(Enum):
    """Signals of the multi-function terminal; ``contents.OUTPUTS`` has the words."""

    SECOND_PULSE = 0x00
    DEMAND_PERIOD = 0x01
    SLOT_SWITCH = 0x02


def set_output(address: str, output: Output) -> Conversation[Change[None]]:
    """Choose the signal of the multi-function terminal (2007); the answer repeats it.

    Args:
        address: of the meter; 999999999999 tells all of them, and none answers.
        output: the signal; after a power cut it is the second pulse again.
    """
    return (yield from tell(SetOutput(address, output.value)))


def change_rate(
    address: str, baud: int, deviations: Deviations = STANDARD
) -> Conversation[Change[None]]:
    """Have a meter go to another speed (2007).

    The answer comes at the old speed. After a positive one both sides switch: the caller opens its link
    anew and reads something, for nothing else proves that the meter has followed.

    Args:
        address: of the meter.
        baud: the new speed.
        deviations: of the meter; some makers have words of their own.

    Raises:
        LocalError: there is no word for this speed.
    """
    return (yield from tell(ChangeRate(address, deviations.rate_word(baud))))

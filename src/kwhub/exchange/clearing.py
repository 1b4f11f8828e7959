"""Conversations that clear: maximum demands, the whole meter, event records.

Each of them has a counter that goes up by one, which tells better than any answer whether it was done.

Source: DL/T 645-2007, clause 7 (codes 19, 1A, 1B) and table A.4 (033001 to 033003); DL/T 645-1997,
clause 6 (code 10) and annex A (B213).
"""

from typing import Any

from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.orders import ALL_EVENTS, ClearDemand, ClearEvents, ClearMeter

__all__ = ["clear_demand", "clear_events", "clear_meter"]

_METER_CLEARS = 0x0330_0100
_DEMAND_CLEARS = {Edition.E2007: 0x0330_0200, Edition.E1997: 0xB213}
_EVENT_CLEARS = 0x0330_0300


def clear_demand(
    address: str, authority: Authority, edition: Edition = Edition.E2007
) -> Conversation[Change[int]]:
    """Set the maximum demands to zero; ``before`` and ``after`` count how often that was done.

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was ordered.
    """
    request = ClearDemand(address, authority, edition=edition)
    return (yield from _counted(request, _DEMAND_CLEARS[edition], edition))


def clear_meter(address: str, authority: Authority) -> Conversation[Change[int]]:
    """Set energies, demands and records to zero (2007): there is no way back.

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was ordered.
    """
    return (yield from _counted(ClearMeter(address, authority), _METER_CLEARS))


def clear_events(
    address: str, authority: Authority, events: int = ALL_EVENTS
) -> Conversation[Change[int]]:
    """Clear event records (2007); a meter keeps those of clearing events and of clearing itself.

    Args:
        address: of the meter.
        authority: level 02.
        events: the kind as an identifier with FF at its end, such as 0x030100FF, or all of them.

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was ordered.
    """
    return (yield from _counted(ClearEvents(address, authority, events), _EVENT_CLEARS))


def _counted(
    request: Any, counter: int, edition: Edition = Edition.E2007
) -> Conversation[Change[int]]:
    def look() -> Conversation[int]:
        done = yield from transfer(request.address, counter, edition=edition)
        (value,) = decode(counter, done.payload, edition)
        return int(value.value or 0)

    return (yield from carry_out(lambda: request, look, _one_more))


def _one_more(before: int | None, after: int) -> Verdict | None:
    if before is None:
        return None
    return Verdict.NOT_DONE if after == before else Verdict.DONE

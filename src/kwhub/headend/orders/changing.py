"""Changes of meters and terminals: clocks, relays, parameters. Each is judged by what the device shows afterwards.

Source: DL/T 645-2007, clause 7 (codes 14 and 1C), by 10-F1; Q/GDW 1376.1-2013, clauses 5.5, 5.6 and 5.10.
"""

from typing import Any

from kwhub.domain.errors import KwhubError, LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict
from kwhub.exchange.clock import (
    AdjustProblem,
    ClockReading,
    adjust_clock,
    compare_clock,
    may_adjust,
)
from kwhub.exchange.clock import set_clock as set_clock_item
from kwhub.exchange.parameters import payload_of, write_payload
from kwhub.exchange.relay import RelayCommand, RelayState, control_relay, read_relay
from kwhub.headend.front.relay import Relay
from kwhub.headend.orders.carrier import EDITIONS, Carrier, Work
from kwhub.headend.orders.outcome import Outcome, of_change, of_error
from kwhub.headend.orders.wanted import SetParameter, SwitchRelay, WriteParameter
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.store.views import OrderState
from kwhub.prepay.sessions import SecurityRefusal
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.gdw1376 import afn_0a, afn_04, afn_05
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "check_parameter",
    "set_clock",
    "set_meter_clock",
    "set_parameter",
    "switch_relay",
    "write_parameter",
]

RELAY_COMMANDS = {
    "trip": RelayCommand.TRIP,
    "permit_closing": RelayCommand.PERMIT_CLOSING,
    "close": RelayCommand.CLOSE,
}

_NOT_DONE = (
    "sent before the head-end stopped, without an answer; the meter shows that it is not; "
    "it was not sent again"
)


async def set_clock(carrier: Carrier, work: Work, point: int) -> Outcome:
    """Put the clock of a terminal (point 0) or of a meter right. Raises as Front.ask."""
    wall = carrier.wall_now()
    unit = Unit((point,), (afn_05.SET_CLOCK,), A1.encode(WallClock.of(wall)))
    await carrier.ask(work, afn_05.AFN, unit)
    whose = "meter's" if point else "terminal's"
    return Outcome(OrderState.DONE, f"the {whose} clock is right", result={"set_to": str(wall)})


async def set_meter_clock(carrier: Carrier, work: Work, meter: KnownMeter) -> Outcome:
    """Put a meter's clock right: by its terminal, where that knows how, else by forwarded frames.

    Raises:
        LocalError: it must not be done, or needs a password that is not there.
        KwhubError: the clock cannot be read; nothing was changed.
    """
    try:
        return await set_clock(carrier, work, meter.point)
    except Refusal:
        relay = carrier.relay_to(meter)
    try:
        change = await relay.run(_put_right(carrier, meter))
    except KwhubError as error:
        return of_error(relay.trouble or error)
    return of_change(change, relay.trouble, by="forwarding")


def _put_right(carrier: Carrier, meter: KnownMeter) -> Conversation[Change[ClockReading]]:
    """By order 08 within five minutes, else written."""
    edition, now = EDITIONS[meter.protocol], carrier.wall_now
    before = yield from compare_clock(meter.address, now, edition)
    if before.is_right:
        return Change(Verdict.DONE, before, before)
    problem = may_adjust(before)
    if problem is AdjustProblem.NEAR_MIDNIGHT:
        raise LocalError("no clock is put right near midnight: a day's freeze would be taken twice")
    authority = carrier.secrets.write
    if problem is None:
        change = yield from adjust_clock(meter.address, now, edition)
        if change.verdict is Verdict.DONE or authority is None:
            return change
    if authority is None:
        raise LocalError("the clock is too far off for order 08: write_password_file is not set")
    return (yield from set_clock_item(meter.address, now, authority, edition))


async def switch_relay(
    carrier: Carrier, work: Work, wanted: SwitchRelay, meter: KnownMeter
) -> Outcome:
    """Order a relay once; an order that was sent before a restart is only looked after.

    Raises:
        LocalError: there is no password for relays, or the meter knows no such order.
        KwhubError: the meter cannot be read; nothing was ordered.
    """
    authority = carrier.secrets.relay
    if authority is None and carrier.sealer is None:
        raise LocalError(
            "no relay is switched from here: neither relay_password_file nor root_key is set"
        )
    if EDITIONS[meter.protocol] is not Edition.E2007:
        raise LocalError("relays of DL/T 645-1997 meters cannot be ordered")
    command = RELAY_COMMANDS[wanted.command]
    if command is RelayCommand.TRIP and meter.address in carrier.settings.never_trip:
        raise LocalError("no trip: protected supply")  # it may have become so since it was ordered
    relay = carrier.relay_to(meter)
    if work.was_sent:
        return _looked_after(command, await relay.run(read_relay(meter.address)))
    try:
        change = await _switched(carrier, work, command, relay, meter.address)
    except KwhubError as error:  # nothing was ordered
        return of_error(relay.trouble or error)
    return of_change(
        change, relay.trouble, before=_shown(change.before), after=_shown(change.after)
    )


async def _switched(
    carrier: Carrier, work: Work, command: RelayCommand, relay: Relay, address: str
) -> Change[RelayState]:
    """Under cipher where the meter has an element, else with the password. Raises KwhubError: nothing was ordered."""
    authority = carrier.secrets.relay
    if carrier.sealer is not None:
        try:
            return await relay.run(carrier.sealer.switch(address, command, work.ticket))
        except (SecurityRefusal, NoAnswer):  # nobody is logged in there: a meter without an element
            if authority is None or relay.trouble is not None:
                raise
    assert authority is not None  # noqa: S101 - one of the two is there
    return await relay.run(control_relay(address, command, authority))


def _shown(state: RelayState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {"open": state.is_open, "protected": state.is_protected, "warns": state.warns}


def _looked_after(command: RelayCommand, state: RelayState) -> Outcome:
    """What a relay shows after an order whose answer nobody has heard."""
    obeyed = state.is_open if command is RelayCommand.TRIP else not state.ordered_open
    if obeyed:
        result = {"verdict": Verdict.DONE.value, "after": _shown(state)}
        detail = (
            "sent before the head-end stopped, without an answer; the meter shows that it is done"
        )
        return Outcome(OrderState.DONE, detail, result=result)
    result = {"verdict": Verdict.NO_ANSWER.value, "after": _shown(state)}
    return Outcome(OrderState.FAILED, _NOT_DONE, result=result, again=False)


def check_parameter(wanted: WriteParameter, meter: KnownMeter) -> bytes:
    """The bytes that will be written. Raises LocalError when they cannot be."""
    edition = EDITIONS[meter.protocol]
    digits = 8 if edition is Edition.E2007 else 4
    if len(wanted.identifier) != digits:
        raise LocalError(f"identifier: {digits} hexadecimal digits for this meter")
    return payload_of(int(wanted.identifier, 16), wanted.values, edition)


async def write_parameter(
    carrier: Carrier, work: Work, wanted: WriteParameter, meter: KnownMeter
) -> Outcome:
    """Write an item of a meter; what shows the wanted bytes already is not written again after a restart.

    Raises:
        LocalError: there is no password for writing, or the item is none that is written so.
        KwhubError: the meter cannot be read; nothing was written.
    """
    authority = carrier.secrets.write
    if authority is None:
        raise LocalError("meters are not written from here: write_password_file is not set")
    payload = check_parameter(wanted, meter)
    identifier, edition = int(wanted.identifier, 16), EDITIONS[meter.protocol]
    relay = carrier.relay_to(meter)
    try:
        change = await relay.run(
            write_payload(meter.address, identifier, payload, authority, edition)
        )
    except KwhubError as error:
        return of_error(relay.trouble or error)
    shown = {
        name: None if stored is None else stored.payload.hex()
        for name, stored in (("before", change.before), ("after", change.after))
    }
    again = {"sent_again": True} if work.was_sent else {}
    return of_change(change, relay.trouble, **shown, **again)


async def set_parameter(carrier: Carrier, work: Work, wanted: SetParameter) -> Outcome:
    """Set a parameter of a terminal, and read it back. Raises as Front.ask."""
    data = bytes.fromhex(wanted.data)
    unit = Unit((wanted.point,), (wanted.function,), data)
    await carrier.ask(work, afn_04.AFN, unit)
    try:
        told = await carrier.ask(work, afn_0a.AFN, Unit((wanted.point,), (wanted.function,), b""))
    except KwhubError:
        return Outcome(OrderState.DONE, "the terminal has agreed; it was not read back")
    same = any(each.data == data for each in told)
    result = {"same": same, "told": [each.data.hex() for each in told]}
    if same:
        return Outcome(OrderState.DONE, "the terminal shows it", result=result)
    return Outcome(
        OrderState.DONE, "the terminal has agreed, and tells it otherwise", result=result
    )

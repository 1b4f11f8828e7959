"""Reading registers of a meter on demand."""

from collections.abc import Sequence
from decimal import Decimal

from kwhub.catalog.names import to_dlt645
from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError, NoAnswer
from kwhub.domain.readings import INSTANT, Register
from kwhub.exchange.read import RegisterAnswer, read_registers
from kwhub.headend.front.relay import Relay
from kwhub.headend.orders.carrier import EDITIONS, Carrier, Work
from kwhub.headend.orders.outcome import Outcome, state_of
from kwhub.headend.orders.wanted import ReadRegisters
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.schema import to_micro
from kwhub.headend.store.views import OrderItem, OrderState
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import identifier_text

__all__ = ["blank_items", "failed_items", "read"]


def blank_items(wanted: ReadRegisters, meter: KnownMeter) -> list[OrderItem]:
    """The items of an order before it is sent. Raises KwhubError for a register that nobody knows."""
    return [_blank(Register(each), meter) for each in wanted.registers]


def failed_items(items: Sequence[OrderItem], error: str) -> list[OrderItem]:
    """The items of an order that came to nothing."""
    return [
        OrderItem(
            each.register,
            each.identifier,
            None,
            each.unit,
            each.request_raw,
            each.answer_raw,
            each.error or error,
        )
        for each in items
    ]


async def read(carrier: Carrier, work: Work, wanted: ReadRegisters, meter: KnownMeter) -> Outcome:
    """Read; what was read is a reading like any other.

    Raises:
        StoreError: it could not be kept.
        KwhubError: whatever went wrong before anything could be read.
    """
    registers = tuple(map(Register, wanted.registers))
    relay = carrier.relay_to(meter)
    edition = EDITIONS[meter.protocol]
    answers = await relay.run(read_registers(meter.address, registers, edition))
    await _keep(carrier, work.number, meter, answers)
    return _outcome(answers, relay)


async def _keep(
    carrier: Carrier, number: int, meter: KnownMeter, answers: Sequence[RegisterAnswer]
) -> None:
    now = carrier.clock.now()
    rows = [
        (meter.id, str(each.register), INSTANT, int(now.timestamp()), to_micro(each.value))
        for each in answers
        if isinstance(each.value, Decimal)
    ]
    if rows:
        await carrier.intake.take(Batch(None, now, f"order {number}", Columns.from_rows(rows)))


def _blank(register: Register, meter: KnownMeter) -> OrderItem:
    unit, edition = describe(register).unit, EDITIONS[meter.protocol]
    try:
        identifier = identifier_text(to_dlt645(register, edition), edition)
    except KwhubError:  # the meter's edition does not have it; its answer will say so
        identifier = ""
    return OrderItem(register, identifier, None, unit, b"", b"", "")


def _outcome(answers: Sequence[RegisterAnswer], relay: Relay) -> Outcome:
    items = [_item(answer, relay) for answer in answers]
    got = sum(not item.error for item in items)
    if got:
        return Outcome(OrderState.DONE, f"{got} of {len(items)} registers", items)
    errors = [answer.error for answer in answers if answer.error is not None]
    causes: Sequence[KwhubError] = (relay.trouble,) if relay.trouble is not None else errors
    return Outcome(_state(causes), items[0].error, items)


def _state(causes: Sequence[KwhubError]) -> OrderState:
    """What to call an order that brought nothing: by its worst cause."""
    states = {state_of(error) for error in causes}
    for each in (OrderState.OFFLINE, OrderState.REFUSED):
        if each in states:
            return each
    return OrderState.NO_ANSWER if states == {OrderState.NO_ANSWER} else OrderState.FAILED


def _item(answer: RegisterAnswer, relay: Relay) -> OrderItem:
    """An item with the frames in which its identifier was asked for and answered."""
    request = reply = b""
    for exchange in relay.exchanges:
        if _identifier_of(exchange.request) == answer.identifier:
            request, reply = exchange.request_raw, exchange.answer_raw
    value = answer.value if isinstance(answer.value, Decimal) else None
    error = _words(answer, relay.trouble)
    return OrderItem(answer.register, answer.identifier, value, answer.unit, request, reply, error)


def _identifier_of(request: object) -> str:
    identifier, edition = getattr(request, "identifier", None), getattr(request, "edition", None)
    if not isinstance(identifier, int) or not isinstance(edition, Edition):
        return ""
    return identifier_text(identifier, edition)


def _words(answer: RegisterAnswer, trouble: KwhubError | None) -> str:
    """Why there is no value; empty when there is one."""
    if answer.error is None:
        if isinstance(answer.value, Decimal):
            return ""
        return f"not a number: {answer.value}" if answer.value else "the meter has no value"
    if isinstance(answer.error, NoAnswer):
        return str(trouble) if trouble is not None else "the meter did not answer"
    return str(answer.error)

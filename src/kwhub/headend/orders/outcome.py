"""What becomes of an order, whatever it was: one way to say it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kwhub.domain.errors import KwhubError, LinkDown, LocalError, NoAnswer, Refusal
from kwhub.exchange.change import Change, Verdict
from kwhub.headend.store.views import OrderItem, OrderState

__all__ = ["Outcome", "of_change", "of_error", "state_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order.

    Attributes:
        result: more about it, for programs; stands in the store as JSON.
        again: nothing was changed, so that it may be tried once more.
    """

    state: OrderState
    detail: str
    items: Sequence[OrderItem] = ()
    result: dict[str, Any] = field(default_factory=dict)
    again: bool = True


def state_of(error: KwhubError) -> OrderState:
    """What to call an order that ended with an error."""
    if isinstance(error, LinkDown):
        return OrderState.OFFLINE
    if isinstance(error, Refusal):
        return OrderState.REFUSED
    return OrderState.NO_ANSWER if isinstance(error, NoAnswer) else OrderState.FAILED


def of_error(error: KwhubError, *, again: bool = True) -> Outcome:
    """The outcome of an order that was cut short."""
    return Outcome(state_of(error), str(error), again=again and not isinstance(error, LocalError))


_STATES = {
    Verdict.REFUSED: OrderState.REFUSED,
    Verdict.REFUSED_BUT_CHANGED: OrderState.REFUSED,
    Verdict.NO_ANSWER: OrderState.NO_ANSWER,
    Verdict.NOT_DONE: OrderState.FAILED,
}

_WORDS = {
    Verdict.DONE: "the meter shows it",
    Verdict.TAKEN: "the meter has agreed; nothing shows whether it is so",
    Verdict.SENT: "told; nobody answers",
    Verdict.PENDING: "ordered; the meter waits with it",
    Verdict.NOT_DONE: "the meter has agreed, and shows that it is not so",
    Verdict.REFUSED: "the meter has refused; nothing has changed",
    Verdict.REFUSED_BUT_CHANGED: "the meter has refused, and has changed all the same",
    Verdict.NO_ANSWER: "ordered, no answer, and no sign that it was done",
}


def of_change(change: Change[Any], trouble: KwhubError | None, **result: Any) -> Outcome:
    """The outcome of a change of a meter; never one that is tried again without being ordered again."""
    state = OrderState.DONE if change.verdict.good else _STATES[change.verdict]
    cause = trouble or change.error
    detail = _WORDS[change.verdict]
    if cause is not None and not change.verdict.good:
        detail = f"{detail}: {cause}"
    return Outcome(state, detail, result={"verdict": change.verdict.value, **result}, again=False)

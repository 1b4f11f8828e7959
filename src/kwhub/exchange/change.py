"""One change of a meter: look, order, look again, and say what has become of it.

A meter's word is not enough: an answer may get lost after the meter has obeyed, refused writes have been
seen to change data, and a tripping order may still be waiting. So every change is judged by what the
meter shows afterwards. An order is sent again only when no answer came and the meter shows no sign of it.

Source: DL/T 645-2007, clause 7 (answers of codes 14 to 1C).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from kwhub.domain.errors import NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.transfer import order
from kwhub.protocols.dlt645.addresses import BROADCAST

__all__ = ["ORDERS_MAX", "Change", "ChangeError", "Look", "Verdict", "carry_out", "tell"]

T = TypeVar("T")

ORDERS_MAX = 3
"""How often an order is sent in all when it leaves neither an answer nor a trace."""

ChangeError: TypeAlias = Refusal | NoAnswer | RemoteError
"""Why an order was not obeyed, or its effect not read."""

Look: TypeAlias = Callable[[], Conversation[T]]
"""Reads what the change is about."""


class Verdict(Enum):
    """What has become of a change."""

    DONE = "done"  #: the meter shows it, whatever it answered
    TAKEN = "taken"  #: the meter has agreed; nothing shows whether it is so
    SENT = "sent"  #: told to all meters, of which none answers
    PENDING = "pending"  #: ordered, and the meter waits with it
    NOT_DONE = "not_done"  #: the meter has agreed and shows that it is not so
    REFUSED = "refused"  #: and nothing has changed, as far as can be seen
    REFUSED_BUT_CHANGED = (
        "refused_but_changed"  #: the meter has said no and changed data all the same
    )
    NO_ANSWER = "no_answer"  #: and no sign that it was done

    @property
    def good(self) -> bool:
        """Whether it went as it was wanted, as far as anybody can tell."""
        return self in (Verdict.DONE, Verdict.TAKEN, Verdict.SENT, Verdict.PENDING)


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """The story of one change.

    Attributes:
        before: what the meter showed; None when it cannot be read or was not looked at.
        after: what it shows now; the same.
        error: why the order was not answered by yes.
        look_error: why ``after`` could not be read.
        orders: how often the order was sent.
        answer: data field of the positive answer; kept out of ``repr``, for it may hold a password.
    """

    verdict: Verdict
    before: T | None
    after: T | None
    error: ChangeError | None = None
    look_error: ChangeError | None = None
    orders: int = 1
    answer: bytes = field(default=b"", repr=False)


def carry_out(
    request: Callable[[], Any],
    look: Look[T],
    proof: Callable[[T | None, T], Verdict | None],
) -> Conversation[Change[T]]:
    """Order something and judge what has become of it.

    Args:
        request: makes the request, anew for each time it is sent.
        look: reads what the change is about, before and after.
        proof: compares both: DONE, PENDING, NOT_DONE, or None when they prove nothing.

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was ordered.
        LocalError: the request is impossible.
    """
    before, error = yield from _look(look)
    if isinstance(error, NoAnswer):
        raise error
    orders = 0
    while True:
        orders += 1
        answer, refused = yield from _order(request())
        after, look_error = yield from _look(look)
        shown = None if after is None else proof(before, after)
        without_trace = isinstance(refused, NoAnswer) and shown is Verdict.NOT_DONE
        if not without_trace or orders == ORDERS_MAX:
            break
    verdict = _judge(refused, shown, changed=after is not None and after != before)
    return Change(verdict, before, after, refused, look_error, orders, answer)


def _judge(refused: ChangeError | None, shown: Verdict | None, *, changed: bool) -> Verdict:
    if isinstance(refused, NoAnswer):
        return shown if shown in (Verdict.DONE, Verdict.PENDING) else Verdict.NO_ANSWER
    if refused is not None:
        return Verdict.REFUSED_BUT_CHANGED if changed else Verdict.REFUSED
    return shown or Verdict.TAKEN


def _look(look: Look[T]) -> Conversation[tuple[T | None, ChangeError | None]]:
    try:
        return (yield from look()), None
    except (Refusal, NoAnswer, RemoteError) as error:
        return None, error


def _order(request: Any) -> Conversation[tuple[bytes, ChangeError | None]]:
    try:
        done = yield from order(request)
    except (Refusal, NoAnswer, RemoteError) as error:
        return b"", error
    return getattr(done, "data", None) or b"", None


def tell(request: Any) -> Conversation[Change[None]]:
    """Order something that leaves no trace to look at, or that goes to all meters."""
    answer, refused = yield from _order(request)
    verdict = _judge(refused, None, changed=False)
    if refused is None and request.address == BROADCAST:
        verdict = Verdict.SENT
    return Change(verdict, None, None, refused, answer=answer)

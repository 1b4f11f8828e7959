"""A talk with a meter as one conversation, so that many of them go side by side through a module.

A talk is a coroutine that awaits nothing but its talker. Here the talker hands each conversation out to
whoever steps the talk.
"""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from kwhub.domain.errors import KwhubError
from kwhub.domain.machine import Conversation

__all__ = ["HandOver", "as_conversation"]

T = TypeVar("T")


@coroutine
def _hand_over(conversation: Conversation[T]) -> Generator[Conversation[T], T, T]:
    return (yield conversation)


class HandOver:
    """A `kwhub.concentrator.collect.Talker` that lets somebody else run the conversation."""

    async def __call__(self, conversation: Conversation[T]) -> T:
        """See Talker."""
        return await _hand_over(conversation)


def as_conversation(talk: Coroutine[Any, Any, T]) -> Conversation[T]:
    """Run the conversations of a talk one after the other, as one.

    Args:
        talk: a coroutine that awaits nothing but a HandOver; closed at the end, whatever happens.

    Raises:
        Exception: whatever the talk raises.
    """
    result: Any = None
    error: KwhubError | None = None
    try:
        while True:
            try:
                conversation = talk.throw(error) if error is not None else talk.send(result)
            except StopIteration as done:
                ended: T = done.value
                return ended
            try:
                result, error = (yield from conversation), None
            except KwhubError as problem:
                error = problem
    finally:
        talk.close()

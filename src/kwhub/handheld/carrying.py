"""Carrying an order of the head-end to a meter: frames there, answers back, nothing else."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from kwhub.domain.errors import NoAnswer, SequenceError
from kwhub.exchange.device_messages import Carried, Carry, Ended
from kwhub.handheld.channel import Channel

__all__ = ["Exchange", "carry"]

Exchange: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Sends a frame to the meter and returns what it says; raises NoAnswer when it says nothing."""


async def carry(channel: Channel, order: int, exchange: Exchange) -> Ended:
    """Carry an order out, from its first frame to its end.

    Args:
        channel: to the head-end, which makes every frame.
        order: its number.
        exchange: with the meter.

    Returns:
        What became of it, in the head-end's words.

    Raises:
        Refusal: there is no such order, or its time is over.
        LinkDown, NoAnswer: the head-end is out of reach; the meter may have obeyed. Look at it.
        RemoteError: the head-end answers something else.
    """
    reply = await channel.ask(Carry(order, 0))
    while isinstance(reply, Carried):
        try:
            answer = await exchange(reply.frame)
        except NoAnswer:
            answer = b""
        reply = await channel.ask(Carry(order, reply.step, answer))
    if not isinstance(reply, Ended):
        raise SequenceError("the head-end answers an order with something else")
    return reply

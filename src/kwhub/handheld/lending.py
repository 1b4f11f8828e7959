"""Lending the channel: another device reaches the head-end through this one.

Two ways. ``carry_bytes`` passes bytes on: a device with an identity of its own speaks TLS with the head-end through it, and this
one sees nothing. ``lend`` takes plain requests over a local link from a device without one, asks them through this
device's own channel, and only those that were allowed; each bears the borrower's name in the head-end's books.
"""

import asyncio
from typing import Final

from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.exchange.device_messages import (
    Answer,
    Denied,
    Envelope,
    FetchWork,
    Query,
    Reply,
    Request,
    Unpacker,
    Upload,
    pack,
)
from kwhub.handheld.channel import Channel
from kwhub.links.base import Link

__all__ = ["LENT", "carry_bytes", "lend"]

LENT: Final[tuple[type[Request], ...]] = (Upload, Query, FetchWork)
"""What is lent unless said otherwise: never renewal, never orders."""


async def lend(
    link: Link, channel: Channel, borrower: str, allowed: tuple[type[Request], ...] = LENT
) -> None:
    """Serve a borrower on a link until it is down.

    Args:
        link: to the borrower; stays open, whoever opened it closes it.
        channel: of this device.
        borrower: its name, for the books.
        allowed: types of requests.

    Raises:
        DecodeError: what the borrower says is no message.
    """
    unpacker = Unpacker(Envelope)
    while True:
        try:
            data = await link.read()
            for envelope in unpacker.feed(data):
                if isinstance(envelope, Envelope):
                    answer = await _answer(channel, envelope.body, borrower, allowed)
                    await link.write(pack(Reply(envelope.number, channel.identity.now(), answer)))
        except LinkDown:
            return


async def carry_bytes(near: Link, far: Link) -> None:
    """Pass bytes between two links until one of them is down, then close both."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pass_on(near, far))
        tasks.create_task(_pass_on(far, near))


async def _pass_on(source: Link, sink: Link) -> None:
    try:
        while True:
            await sink.write(await source.read())
    except LinkDown:
        await source.aclose()
        await sink.aclose()


async def _answer(
    channel: Channel, body: Request, borrower: str, allowed: tuple[type[Request], ...]
) -> Answer:
    if not isinstance(body, allowed):
        return Denied("request", "this is not lent")
    try:
        return await channel.ask(body, lent_to=borrower)
    except KwhubError as error:
        return Denied("request", str(error))

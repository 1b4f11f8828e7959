"""What goes to the head-end and comes from it: readings up, work down, questions answered.

Readings wait in the book until the head-end has taken them. An upload is written down whole, with a name of its own,
before it is sent for the first time, and is sent again word by word until it is taken: a lost answer, a restart or an
offline week neither loses nor doubles anything.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from kwhub.domain.errors import SequenceError
from kwhub.exchange.device_messages import (
    DeviceReading,
    FetchWork,
    Found,
    NotTaken,
    Query,
    Row,
    Taken,
    Upload,
    Work,
)
from kwhub.handheld.book import Book, Changes
from kwhub.handheld.budget import Budget
from kwhub.handheld.channel import Channel
from kwhub.handheld.records import Batch, Contact, Group, Order, Queued, Visit

__all__ = ["Delivery", "NotBooked"]

NAME_BYTES: Final = 16

READING_KINDS: Final = frozenset({"read", "collect"})
"""Orders that are done when every meter was read; others end when a person says so."""

READINGS_PER_UPLOAD: Final = 500
"""About 100 kB: what a poor connection can bring across in one piece."""


class NotBooked(NamedTuple):
    """A reading that the head-end did not take."""

    reading: DeviceReading
    reason: NotTaken


class Delivery:
    """Uploads, work and questions of one device.

    Attributes:
        refused: readings that the head-end did not take at the last delivery; it has noted them, nothing tries again.
    """

    def __init__(
        self,
        channel: Channel,
        book: Book,
        budget: Budget,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take the channel, what waits, and where the names of uploads come from."""
        self._channel = channel
        self._book = book
        self._budget = budget
        self._draw = draw
        self.refused: tuple[NotBooked, ...] = ()
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Readings that the head-end does not have yet."""
        return len(self._book.all(Queued))

    async def synchronise(self) -> int:
        """Deliver what waits, then fetch the work that is open.

        Returns:
            How many readings were delivered and taken; ``refused`` has the others.

        Raises:
            Refusal: the head-end says no.
            LinkDown, NoAnswer, RemoteError: it is out of reach; what was delivered stays delivered.
        """
        delivered = await self.deliver()
        await self.fetch()
        with self._book.change() as changes:
            for number in self._book.all(Contact):
                changes.drop(Contact, number)
            changes.put(Contact(self._channel.identity.now(), delivered, len(self.refused)))
        return delivered

    async def deliver(self, *, finish: bool = True) -> int:
        """Deliver everything that waits, one caller at a time.

        Args:
            finish: tell of work that is done, too; it then leaves the device.

        Returns:
            How many readings were taken.

        Raises as ``synchronise``.
        """
        async with self._turn:
            return await self._deliver(finish=finish)

    async def _deliver(self, *, finish: bool) -> int:
        delivered, self.refused = 0, ()
        while (found := self._next(finish=finish)) is not None:
            number, batch = found
            answer = await self._channel.ask(batch.upload)
            if not isinstance(answer, Taken):
                raise SequenceError("the head-end answers an upload with something else")
            delivered += answer.count
            sent = batch.upload.readings
            self.refused += tuple(
                NotBooked(sent[each.place], each.reason)
                for each in answer.refused
                if each.place < len(sent)
            )
            with self._book.change() as changes:
                changes.drop(Batch, number)
                for each in batch.readings:
                    changes.drop(Queued, each)
                if batch.upload.finished and batch.upload.work is not None:
                    self._drop(changes, batch.upload.work)
        return delivered

    async def fetch(self) -> None:
        """Take over the work that is open; what was recalled goes. Raises as ``synchronise``."""
        async with self._turn:
            await self._fetch()

    async def _fetch(self) -> None:
        answer = await self._channel.ask(FetchWork())
        if not isinstance(answer, Work):
            raise SequenceError("the head-end answers a request for work with something else")
        self._budget.take(answer)
        held = {each.order.id: number for number, each in self._book.all(Order).items()}
        with self._book.change() as changes:
            for order in answer.orders:
                number = held.pop(order.id, None)
                known = self._book.all(Order)[number] if number is not None else None
                if known is None or known.order != order:
                    changes.put(Order(order), number)
            for gone in held:
                self._drop(changes, gone)

    async def query(self, meter: str) -> tuple[Row, ...]:
        """What the head-end knows of a meter, now. Raises as ``synchronise``."""
        answer = await self._channel.ask(Query(meter))
        if not isinstance(answer, Found):
            raise SequenceError("the head-end answers a question with something else")
        return answer.rows

    def _drop(self, changes: Changes, work: int) -> None:
        """Forget an order and what was done for it; readings that wait are delivered all the same."""
        for number, each in self._book.all(Order).items():
            if each.order.id == work:
                changes.drop(Order, number)
        for number, visit in self._book.all(Visit).items():
            if visit.place.work == work:
                changes.drop(Visit, number)
        for number, group in self._book.all(Group).items():
            left = tuple(each for each in group.places if each.work != work)
            if not left:
                changes.drop(Group, number)
            elif left != group.places:
                changes.put(Group(group.name, left), number)

    def _next(self, *, finish: bool) -> tuple[int, Batch] | None:
        """The upload that is under way, or the next one; it is on the disk before anybody sees it."""
        for under_way in self._book.all(Batch).items():
            return under_way
        works = [each.work for each in self._book.all(Queued).values()]
        orders = self._book.all(Order).values() if finish else ()
        finished = [each.order.id for each in orders if self._is_done(each)]
        if not works and not finished:
            return None
        work = works[0] if works else finished[0]
        queued = [
            (number, each) for number, each in self._book.all(Queued).items() if each.work == work
        ]
        taken = queued[:READINGS_PER_UPLOAD]
        upload = Upload(
            self._draw(NAME_BYTES).hex(),
            work,
            tuple(each.reading for _, each in taken),
            self._budget.used(),
            finished=work in finished and len(taken) == len(queued),
        )
        batch = Batch(upload, tuple(number for number, _ in taken))
        with self._book.change() as changes:
            number = changes.put(batch)
        return number, batch

    def _is_done(self, order: Order) -> bool:
        """Whether a person has closed it, or it was about readings and every meter was read."""
        if order.closed or order.order.kind not in READING_KINDS:
            return order.closed
        read = {
            each.place.meter
            for each in self._book.all(Visit).values()
            if each.place.work == order.order.id and each.read_at is not None
        }
        return all(meter.address in read for meter in order.order.meters)

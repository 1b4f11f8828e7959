"""What arrived at the head-end of a simulated area, value by value: new, repeated with reason, or doubled.

Two ears listen to every connection. The upper one hears what reaches the head-end, the lower one what reaches
the concentrator. A report counts as confirmed when its confirmation was heard below; until then the
concentrator has to send its values again. Source: Q/GDW 1376.1-2013, clause 4.4 (a report waits for AFN 00).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

from kwhub.domain.readings import Quality
from kwhub.headend.ingest.decode import decode
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.days import Days
from kwhub.links.base import Link
from kwhub.links.layers.layer import Layer
from kwhub.protocols.gdw1376 import afn_00
from kwhub.protocols.gdw1376.afn_00 import Verdict, read_verdict
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.runtime.clock import Clock

__all__ = ["Arrivals"]

Value: TypeAlias = tuple[tuple[int, str, int], int]
"""Meter, register and spacing in seconds; and the moment, seconds since 1970 UTC."""


class _Ear(Layer):
    """A link on which somebody listens to one direction or both."""

    def __init__(
        self,
        inner: Link,
        *,
        on_read: Callable[[bytes], None],
        on_write: Callable[[bytes], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self._on_read = on_read
        self._on_write = on_write

    async def read(self) -> bytes:
        """See Link."""
        data = await super().read()
        self._on_read(data)
        return data

    async def write(self, data: bytes) -> None:
        """See Link."""
        if self._on_write is not None:
            self._on_write(data)
        await super().write(data)


class Arrivals:
    """The values of all reports.

    Attributes:
        doubled: values that arrived again although the concentrator had the confirmation of an earlier report.
        repeated: values that arrived again because it had not.
    """

    def __init__(self, terminal: KnownTerminal, days: Days, clock: Clock) -> None:
        """Listen for one terminal.

        Args:
            terminal: gives the measuring points their meters.
            days: zone of the site.
            clock: says when something arrived.
        """
        self.doubled = 0
        self.repeated = 0
        self._terminal = terminal
        self._days = days
        self._clock = clock
        self._confirmed: defaultdict[tuple[int, str, int], dict[int, bool]] = defaultdict(dict)

    def listen(self, near: Link, far: Link) -> tuple[Link, Link]:
        """Both ends of a connection, with somebody listening.

        Args:
            near: what the concentrator reads and writes, with all that its way does to the bytes.
            far: what the head-end reads and writes.

        Returns:
            near and far, to be used instead.
        """
        call = _Call(self)
        below = _Ear(near, on_read=call.note_answer, on_write=call.note_sent)
        return below, _Ear(far, on_read=call.note_arrival)

    def arrive(self, report: Frame1376) -> None:
        """A report has reached the head-end."""
        for series, at in self._values(report):
            known = self._confirmed[series]
            if at not in known:
                known[at] = False
            elif known[at]:
                self.doubled += 1
            else:
                self.repeated += 1

    def confirm(self, report: Frame1376) -> None:
        """The confirmation of a report has reached the concentrator."""
        for series, at in self._values(report):
            self._confirmed[series][at] = True

    def _values(self, report: Frame1376) -> Iterator[Value]:
        """The values that a report brings, those without a number left out."""
        now = self._clock.now()
        columns = decode(self._terminal, report.afn, report.units, self._days, now).columns
        rows = zip(
            columns.meter.tolist(),
            columns.register.tolist(),
            columns.interval.tolist(),
            columns.at.tolist(),
            columns.quality.tolist(),
            strict=True,
        )
        for meter, register, interval_s, at, quality in rows:
            if quality != Quality.NULL:
                yield (meter, columns.registers[register], interval_s), at


class _Call:
    """One connection: which of its reports wait for their confirmation."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._above, self._sent, self._down = Receiver(), Receiver(), Receiver()
        self._waiting: dict[int, Frame1376] = {}  # by PSEQ

    def note_sent(self, data: bytes) -> None:
        """The concentrator has written."""
        for frame in _frames(self._sent, data):
            if _is_report(frame):
                self._waiting[frame.sequence.number] = frame

    def note_answer(self, data: bytes) -> None:
        """The concentrator has read."""
        for frame in _frames(self._down, data):
            report = self._waiting.pop(frame.sequence.number, None) if _confirms(frame) else None
            if report is not None:
                self._arrivals.confirm(report)

    def note_arrival(self, data: bytes) -> None:
        """The head-end has read."""
        for frame in _frames(self._above, data):
            if _is_report(frame):
                self._arrivals.arrive(frame)


def _frames(receiver: Receiver, data: bytes) -> Iterator[Frame1376]:
    return (found.frame for found in receiver.feed(data) if isinstance(found, Received))


def _is_report(frame: Frame1376) -> bool:
    return frame.up and frame.control.primary


def _confirms(frame: Frame1376) -> bool:
    return frame.afn == afn_00.AFN and read_verdict(frame.units)[0] is Verdict.CONFIRMED

"""The desk: takes a request of the head-end to whoever serves it, and says what became of it.

Source: Q/GDW 1376.1-2013, clauses 4.4 and 5. An order is carried out, and durable, before it is confirmed;
one that comes twice is carried out once. What is not known is denied: the whole frame by 00-F2, single
items by 00-F3.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.config import Config
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.events import Event, Events
from kwhub.concentrator.served_capabilities import Capabilities
from kwhub.concentrator.served_controls import CLOSE, TRIP, Controls, Site
from kwhub.concentrator.served_files import Files
from kwhub.concentrator.served_live import Live, Wanted
from kwhub.concentrator.served_parameters import Parameters
from kwhub.concentrator.served_rights import Rights
from kwhub.concentrator.served_surprises import Surprises
from kwhub.concentrator.times import instant
from kwhub.domain.errors import DecodeError, KwhubError, NoAnswer, Refusal, RemoteError
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.gdw1376 import (
    afn_0a,
    afn_0b,
    afn_0c,
    afn_0d,
    afn_0e,
    afn_0f,
    afn_01,
    afn_04,
    afn_05,
    afn_09,
    afn_10,
)
from kwhub.protocols.gdw1376.afn_0f import FILE_ERROR, FileAnswer, FileSegment
from kwhub.protocols.gdw1376.afn_00 import ItemResult
from kwhub.protocols.gdw1376.afn_10 import DirectRead, DirectReadAnswer
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.messages import Answer, Confirm, Deny
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import Item, Unit, items

__all__ = ["ORDER_AFNS", "Desk", "Parts", "Reply", "event_units"]

Reply: TypeAlias = Answer | Confirm | Deny

ORDER_AFNS = frozenset({0x01, 0x04, 0x05, 0x0F, 0x10})
"""AFNs that change something, here or in a meter."""

_DATA_AFNS = frozenset({afn_0b.AFN, afn_0c.AFN, afn_0d.AFN})

EVENTS_READ = "important events read before"
"""Name of the state that the requests of AFN 0E set: whoever asks from a record on has those before it. They do not
raise ACD any more; an answer alone confirms nothing, and what is not confirmed is still reported."""

EVENT_BYTES_MAX = 900
"""Records of AFN 0E in one unit."""

_NO, _TIMEOUT, _BAD_FRAME, _DENIED, _DATA = 0, 1, 2, 4, 5  # results of 10-F9


class Parts(NamedTuple):
    """What the store keeps for the desk."""

    archive: Archive
    events: Events
    files: Files


class Desk:
    """Serves every AFN but transparent forwarding, which needs its bus."""

    def __init__(
        self, config: Config, parts: Parts, answers: Answers, site: Site, rights: Rights
    ) -> None:
        self.parts = parts
        self._zone = config.concentrator.tzinfo
        self.rights = rights
        self.surprises = Surprises(UplinkCounters())
        self._site = site
        self._answers = answers
        self.live = Live(answers.shelf, site)
        self._parameters = Parameters(parts.archive, config.uplink)
        self._controls = Controls(parts.archive, parts.events, site, rights)
        functions = (*self._controls.makers, *((TRIP, CLOSE) if rights.relay else ()))
        self._capabilities = Capabilities(config, functions)
        self._readers: Mapping[int, Callable[[Item], list[Unit]]] = MappingProxyType(
            {
                afn_0a.AFN: self._parameters.tell,
                afn_09.AFN: self._configuration,
                afn_0e.AFN: self._events,
            }
        )
        self._orders: Mapping[int, Callable[[Frame1376, datetime], Reply | Awaitable[Reply]]] = (
            MappingProxyType(
                {
                    afn_01.AFN: lambda frame, _: self._reset(frame),
                    afn_04.AFN: lambda frame, _: self._set(frame),
                    afn_05.AFN: lambda frame, _: self._control(frame),
                    afn_0f.AFN: self._file,
                    afn_10.AFN: lambda frame, _: self._forward(frame),
                }
            )
        )

    def reply(self, frame: Frame1376, clock: datetime) -> Reply | Awaitable[Reply]:
        """What to say, or the work that ends with it.

        Args:
            frame: a request, whose time tag is not too old.
            clock: naive wall time of the site.
        """
        if not self.rights.admits(frame):
            return Deny(frame)
        try:
            return self._reply(frame, clock)
        except StoreError:
            return Deny(frame)

    def _reply(self, frame: Frame1376, clock: datetime) -> Reply | Awaitable[Reply]:
        if frame.afn in _DATA_AFNS:
            wanted = self._answers.wanted(frame)
            if lacking := self.live.lacking(wanted):
                return self._tell(frame, wanted, lacking, clock)
            return self._answer(frame, self._answers.of(wanted, clock))
        if frame.afn in self._readers:
            return self._read(frame)
        make = self._orders.get(frame.afn)
        return make(frame, clock) if make else Deny(frame)

    async def _tell(
        self, frame: Frame1376, wanted: list[Wanted], lacking: list[Wanted], clock: datetime
    ) -> Reply:
        told = await self.live.read(lacking, clock)
        try:
            return self._answer(frame, self._answers.of(wanted, clock, told))
        except StoreError:
            return Deny(frame)

    def _answer(self, frame: Frame1376, units: list[Unit]) -> Reply:
        if not units:
            return Deny(frame)
        waiting = self.parts.events.waits(self.parts.archive.state(EVENTS_READ))
        return Answer(frame, tuple(units), self.parts.events.counters() if waiting else None)

    def _read(self, frame: Frame1376) -> Reply:
        units: list[Unit] = []
        for item in _items(frame):
            try:
                units += self._readers[frame.afn](item)
            except StoreError:
                raise
            except KwhubError:
                continue  # an item that cannot be told is left out
        return self._answer(frame, units)

    def _configuration(self, item: Item) -> list[Unit]:
        data = self._capabilities.of(item.function)
        return [] if data is None else [Unit((0,), (item.function,), data)]

    def _events(self, item: Item) -> list[Unit]:
        if item.function not in {1, 2} or len(item.data) != 2:
            return []
        first, end = item.data
        important = item.function == 1
        if important and self.parts.archive.state(EVENTS_READ) != (
            read := self.parts.events.place_of(first)
        ):
            self.parts.archive.set_state(EVENTS_READ, read)
        found = self.parts.events.between(first, end, important=important)
        units = event_units(found, self.parts.events.counters(), important=important)
        head = bytes((*self.parts.events.counters(), first, first))
        return units or [Unit((0,), (item.function,), head)]

    # --- orders

    def _set(self, frame: Frame1376) -> Reply:
        results = [(item, self._attempt(self._parameters.set, item)) for item in _wanted(frame)]
        if any(done for _, done in results):
            self._site.reload()
        return _verdict(frame, results)

    def _reset(self, frame: Frame1376) -> Reply:
        return _verdict(
            frame, [(item, self._attempt(self._controls.reset, item)) for item in _wanted(frame)]
        )

    def _control(self, frame: Frame1376) -> Reply | Awaitable[Reply]:
        wanted = _wanted(frame)
        if any(self._controls.is_of_meter(item) for item in wanted):
            return self._of_meters(frame, wanted)
        return _verdict(
            frame, [(item, self._attempt(self._controls.carry_out, item)) for item in wanted]
        )

    async def _of_meters(self, frame: Frame1376, wanted: list[Item]) -> Reply:
        results = []
        for item in wanted:
            work = self._controls.of_meter(item)
            try:
                if work is None:
                    self._controls.carry_out(item)
                else:
                    await work
                results.append((item, True))
            except (KwhubError, OSError):
                results.append((item, False))
            except Exception as error:  # noqa: BLE001 - the other items go on
                self.surprises.note(error)
                results.append((item, False))
        return _verdict(frame, results)

    def _attempt(self, work: Callable[[Item], None], item: Item) -> bool:
        try:
            work(item)
        except StoreError:
            raise
        except KwhubError:
            return False
        except Exception as error:  # noqa: BLE001 - the other items go on
            self.surprises.note(error)
            return False
        return True

    def _file(self, frame: Frame1376, clock: datetime) -> Reply | Awaitable[Reply]:
        if len(frame.units) != 1 or frame.units[0].functions != (afn_0f.TRANSFER,):
            return Deny(frame)
        try:
            segment = FileSegment.from_unit(frame.units[0])
            is_whole = self.parts.files.take(segment)
        except StoreError:
            raise
        except KwhubError:
            return Answer(frame, (FileAnswer(FILE_ERROR),))
        if is_whole:
            return self._complete(frame, segment, instant(clock, self._zone))
        return Answer(frame, (FileAnswer(segment.segment),))

    async def _complete(self, frame: Frame1376, segment: FileSegment, now: int) -> Reply:
        try:
            await self.parts.files.complete(segment.file, now)
        except KwhubError:
            return Answer(frame, (FileAnswer(FILE_ERROR),))
        return Answer(frame, (FileAnswer(segment.segment),))

    def _forward(self, frame: Frame1376) -> Reply | Awaitable[Reply]:
        order = _direct_read(frame) if self.rights.direct_reads else None
        return self._direct_read(frame, order) if order else Deny(frame)

    async def _direct_read(self, frame: Frame1376, order: DirectRead) -> Reply:
        edition = Edition.E1997 if order.kind == 0 else Edition.E2007
        point = self._point_of(order)
        result, content = _NO, b""
        try:
            if point is not None and not order.relays:
                done = await self._site.talk(
                    point, lambda address: transfer(address, order.identifier, edition=edition)
                )
                identifier = order.identifier.to_bytes(4, "little")
                result, content = _DATA, identifier + done.payload
        except Refusal:
            result = _DENIED
        except NoAnswer:
            result = _TIMEOUT
        except (RemoteError, DecodeError):
            result = _BAD_FRAME
        except (KwhubError, OSError):
            result = _NO
        answer = DirectReadAnswer(order.port, order.address, result, content[:255])
        return Answer(frame, (answer,))

    def _point_of(self, order: DirectRead) -> int | None:
        for record in self.parts.archive.records():
            if (record.port, record.address) == (order.port, order.address):
                return record.point
        return None


def event_units(events: list[Event], counters: tuple[int, int], *, important: bool) -> list[Unit]:
    """Units of AFN 0E; each has records whose numbers follow one another."""
    runs: list[list[Event]] = []
    size = 0
    for event in events:
        length = len(event.record.to_bytes())
        follows = bool(runs) and runs[-1][-1].number + 1 == event.number
        if not follows or size + length > EVENT_BYTES_MAX:
            runs.append([])
            size = 0
        runs[-1].append(event)
        size += length
    return [
        Unit(
            (0,),
            (1 if important else 2,),
            bytes((*counters, run[0].number % 256, (run[-1].number + 1) % 256))
            + b"".join(event.record.to_bytes() for event in run),
        )
        for run in runs
    ]


def _items(frame: Frame1376) -> Iterator[Item]:
    for unit in frame.units:
        if not unit.points or not unit.functions:
            yield Item(0, 0, unit.data, known=False)
        yield from items(unit, layout_of(frame.afn, up=False))


def _wanted(frame: Frame1376) -> list[Item]:
    """The items of an order; one with more data than its layout takes is not known."""
    found: list[Item] = []
    for unit in frame.units:
        parts = items(unit, layout_of(frame.afn, up=False))
        if not parts:
            found.append(Item(0, 0, unit.data, known=False))
        elif parts[-1].start + len(parts[-1].data) < len(unit.data):
            parts[-1] = replace(parts[-1], known=False)
        found += parts
    return found


def _verdict(frame: Frame1376, results: list[tuple[Item, bool]]) -> Reply:
    """00-F1 when all is done, 00-F2 when nothing is, else 00-F3."""
    if results and all(done for _, done in results):
        return Confirm(frame)
    if not any(done for _, done in results):
        return Deny(frame)
    return Confirm(
        frame,
        tuple(
            ItemResult((item.point,), (item.function,), int(not done))
            for item, done in results
            if item.function
        ),
    )


def _direct_read(frame: Frame1376) -> DirectRead | None:
    unit = frame.units[0] if len(frame.units) == 1 else None
    if frame.afn != afn_10.AFN or unit is None or unit.functions != (afn_10.READ_DIRECT,):
        return None
    try:
        return DirectRead.from_unit(unit)
    except KwhubError:
        return None

"""Watches meters for events: status words every hour, counters of events every day or when a word has changed.

What is new becomes event records of Q/GDW 1376.1, each of them once. At the first look at a meter nothing is an
event: what it has counted so far is where the counting begins; only the list of abnormal meters tells of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Protocol

from kwhub.concentrator.bugs import Bugs
from kwhub.concentrator.clock_watch import ClockWatch, Talk
from kwhub.concentrator.config_watch import ClockSettings, EventSettings
from kwhub.concentrator.counters import WatchCounters
from kwhub.concentrator.events_notes import Note, Notes, Words
from kwhub.concentrator.events_records import (
    COUNTED,
    NO_VALUES,
    Values,
    counted,
    ended,
    meter_fault,
    phase_order,
    reading_failed,
    words_changed,
)
from kwhub.concentrator.events_words import BITS, WORDS_BYTES, bits_of, changed
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.outbox_rows import MeterState
from kwhub.concentrator.plan import ENERGY, PlannedMeter
from kwhub.concentrator.times import wall
from kwhub.domain.errors import KwhubError, LinkDown, LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.events import EVENTS, RECORDS_KEPT, EventLog, read_events
from kwhub.exchange.read import read_items, read_registers
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.runtime.clock import Clock

__all__ = ["MeterWatch", "WatchedBus"]

WORDS = 0x0400_05FF
"""All seven status words."""

KINDS = (*COUNTED, "clock_set")
_LINES = (20, 40, 60)
"""Value group C of the phases, for sums (IEC 62056-61)."""
_PHASE_WORDS = slice(6, 12)
"""Status words 4 to 6, of the phases."""
_SILENT = "silent"
_PHASES = {4: "A", 5: "B", 6: "C"}  # of the status words that speak of one phase each
_HOUR_S, _DAY_S = 3_600, 86_400
_IDLE_PERIOD_S = _HOUR_S


class WatchedBus(Protocol):
    """What is used of a bus."""

    @property
    def meters(self) -> Sequence[PlannedMeter]:
        """Its meters."""

    @property
    def is_down(self) -> bool:
        """Whether its link is down."""

    @property
    def tells_all(self) -> bool:
        """Whether a word to one meter costs as much as a word to all of them."""

    async def talk(self, conversation: Conversation[object]) -> object:
        """Run a conversation with one of them."""


class MeterWatch:
    """Visits the meters of a bus between the rounds of the plan."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        outbox: Outbox,
        notes: Notes,
        clock: Clock,
        zone: tzinfo,
        *,
        clocks: ClockSettings,
        events: EventSettings,
        counters: WatchCounters,
        on_important: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._notes = notes
        self._clock = clock
        self._zone = zone
        self._settings = events
        self._counters = counters
        self._on_important = on_important
        self.bugs = Bugs("watching the meters met a bug", self._count_bug)
        self.clocks = ClockWatch(notes, clock, zone, clocks, counters)

    async def serve(self, bus: WatchedBus) -> None:
        """Visit all meters of a bus again and again.

        Raises:
            StoreError: the store cannot be read or written.
        """
        while True:
            await self._clock.sleep(self._pause_s())
            states = {state.point: state for state in self._outbox.meters()}
            if bus.tells_all and not bus.is_down:
                await self.clocks.tell_all(bus.meters, states, bus.talk, self._keep)
            for meter in tuple(bus.meters):
                state = states.get(meter.point)
                if state is None or state.address != meter.settings.address:
                    continue
                try:
                    await self._attend(bus, meter, state)
                except Exception as error:
                    if isinstance(error, KwhubError | OSError):
                        raise
                    self.bugs.note(error, meter=state.address)  # the others have their turn

    async def _attend(self, bus: WatchedBus, meter: PlannedMeter, state: MeterState) -> None:
        self._judge_silence(state)
        if not bus.is_down and state.silent_since is None:
            await self.visit(meter, state, bus.talk)

    async def visit(self, meter: PlannedMeter, state: MeterState, talk: Talk) -> None:
        """Look at one meter of DL/T 645, and keep what is new; one that is silent is left alone."""
        if not meter.settings.protocol.startswith("dlt645"):
            return
        note = Note(meter.point, self._now())
        try:
            await self.clocks.visit(meter, state, talk, note)
        except (NoAnswer, Refusal, RemoteError, LocalError, LinkDown):
            self._keep(note)
            return
        try:
            if meter.has_history and self._settings.period_minutes:
                await self._look(meter, talk, note)
        except (NoAnswer, Refusal, RemoteError, LocalError, LinkDown):
            pass
        finally:
            self._keep(note)

    def _count_bug(self) -> None:
        self._counters.broken_visits += 1

    def _keep(self, note: Note) -> None:
        if note.is_empty:
            return
        self._counters.events += len(note.records)
        if self._notes.keep(note):
            self._on_important()

    # --- status words

    async def _look(self, meter: PlannedMeter, talk: Talk, note: Note) -> None:
        old = self._notes.words(meter.point)
        period_s = self._settings.period_minutes * 60
        if old is not None and 0 <= note.at - old.at < period_s - period_s // 10:
            return
        new = await self._read_words(meter, talk)
        if new is None:
            return
        self._counters.looks += 1
        before = old.words if old is not None and old.words else new
        shown = NO_VALUES
        if any(map(int.__xor__, before[_PHASE_WORDS], new[_PHASE_WORDS])):
            shown = await self._read_values(meter, talk)
        rising = self._compare(meter.point, before, new, note, shown)
        counted_at = old.counted_at if old is not None else 0
        all_due = not 0 <= note.at - counted_at < self._settings.counters_hours * _HOUR_S
        # Until the counters are read, they are due.
        note.words = Words(note.at, new, 0 if all_due or rising else counted_at)
        kinds = KINDS if all_due else rising
        await self._count(meter, talk, kinds, note, dict.fromkeys(rising, shown))
        note.words = Words(note.at, new, note.at if all_due else counted_at)

    async def _read_words(self, meter: PlannedMeter, talk: Talk) -> bytes | None:
        """All words; empty when the meter has none, None when it says nothing."""
        (answer,) = await talk(read_items(meter.settings.address, [WORDS]))
        if isinstance(answer.error, Refusal):
            return b""
        if answer.values is None:
            return None
        words = b"".join(bytes.fromhex(str(value.value))[::-1] for value in answer.values)
        return words[:WORDS_BYTES] if len(words) >= WORDS_BYTES else b""

    async def _read_values(self, meter: PlannedMeter, talk: Talk) -> Values:
        """Voltages, currents and energy of this moment; what is not said is missing."""
        lines = _LINES if meter.settings.phases == len(_LINES) else _LINES[:1]
        registers = [Register(f"1-0:{line + kind}.7.0") for kind in (12, 11) for line in lines]
        answers = await talk(read_registers(meter.settings.address, [*registers, ENERGY]))
        found = [each.value if isinstance(each.value, Decimal) else None for each in answers]
        rest = (None,) * (len(_LINES) - len(lines))
        count = len(lines)
        return Values((*found[:count], *rest), (*found[count : 2 * count], *rest), found[-1])

    def _compare(
        self, point: int, old: bytes, new: bytes, note: Note, shown: Values
    ) -> tuple[str, ...]:
        """Note what has changed; the kinds of events whose counters must have moved."""
        if not new:
            return ()
        at = wall(note.at, self._zone)
        change = changed(old, new)
        was, now = set(bits_of(old)), set(bits_of(new))
        if any(change):
            note.records.append(words_changed(point, at, change, new))
        for bit in sorted(was ^ now):
            note.records += _said(bit, point, at, shown, begins=bit in now)
        self._list(point, now, note)
        rising = [kind for bit in sorted(now - was) for kind in BITS[bit].kinds]
        return tuple(dict.fromkeys(kind for kind in rising if kind in COUNTED))

    def _list(self, point: int, bits: Iterable[tuple[int, int]], note: Note) -> None:
        """Bring the list of what is wrong up to date."""
        wrong: dict[str, list[str]] = {}
        for word, bit in sorted(bits):
            if kind := BITS[word, bit].abnormal:
                wrong.setdefault(kind, []).append(_where(word, bit))
        known = {each.kind for each in self._notes.abnormal(point)} - {"silent", "clock", "device"}
        note.begun |= {
            kind: " ".join(dict.fromkeys(where))
            for kind, where in wrong.items()
            if kind not in known
        }
        note.ended |= known - wrong.keys()

    # --- counters

    async def _count(
        self,
        meter: PlannedMeter,
        talk: Talk,
        kinds: Sequence[str],
        note: Note,
        shown: Mapping[str, Values],
    ) -> None:
        """Read counters, and the records of what is new; ``shown`` is of what lasts, by its kind.

        Raises:
            NoAnswer: the meter has fallen silent; what it said until then is noted.
        """
        if not kinds:
            return
        known = self._notes.counts(meter.point)
        address = meter.settings.address
        for log in await talk(read_events(address, kinds, 0)):
            if isinstance(log.error, NoAnswer):
                raise log.error
            most = max((fresh for _, _, fresh in _fresh(log, known)), default=0)
            told = log
            if most:
                (told,) = await talk(read_events(address, [log.kind], min(most, RECORDS_KEPT)))
                if isinstance(told.error, NoAnswer):
                    raise told.error
            if told.error is None:
                self._take(meter.point, told, known, note, shown.get(log.kind, NO_VALUES))

    def _take(
        self,
        point: int,
        log: EventLog,
        known: Mapping[tuple[str, int], int],
        note: Note,
        shown: Values,
    ) -> None:
        """Note new counts with the records that belong to them, oldest first."""
        at = wall(note.at, self._zone)
        records = {record.identifier: record for record in log.records}
        for place, count, fresh in _fresh(log, known):
            series = EVENTS[log.kind].series[place]
            note.counts[log.kind, place] = count
            for number in range(min(fresh, RECORDS_KEPT), 0, -1):
                record = records.get(series.fields + number) or records.get(series.base + number)
                if record is not None:
                    newest = shown if number == 1 else NO_VALUES
                    note.records.append(counted(log.kind, place, record, point, at, newest))

    # --- silence

    def _judge_silence(self, state: MeterState) -> None:
        """Begin or end the event that a meter cannot be read."""
        now = self._now()
        since = state.silent_since
        is_silent = since is not None and now - since >= self._settings.silent_hours * _HOUR_S
        was_silent = any(each.kind == _SILENT for each in self._notes.abnormal(state.point))
        if is_silent == was_silent or (was_silent and since is not None):
            return
        latest = self._outbox.latest(state.point, ENERGY, state.address)
        last = wall(latest.received_at, self._zone) if latest else None
        note = Note(state.point, now)
        at = wall(now, self._zone)
        energy = latest.decimal if latest else None
        note.records.append(reading_failed(state.point, at, last, energy, begins=is_silent))
        if is_silent:
            note.begun[_SILENT] = ""
        else:
            note.ended.add(_SILENT)
        self._keep(note)

    def _pause_s(self) -> float:
        """Until the next pass: a third of the period after its multiples, when rounds are over."""
        period_s = self._settings.period_minutes * 60 or _IDLE_PERIOD_S
        now = self._clock.now().astimezone(self._zone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = (now - midnight) / timedelta(seconds=1)
        return period_s - (passed - period_s / 3) % period_s

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _fresh(log: EventLog, known: Mapping[tuple[str, int], int]) -> Iterator[tuple[int, int, int]]:
    """Of each series that has moved or is new: its place, its count, and how many events are new."""
    for place, series in enumerate(EVENTS[log.kind].series):
        value = log.counters[series.place].value if series.place < len(log.counters) else None
        if not isinstance(value, Decimal):
            continue
        count, old = int(value), known.get((log.kind, place))
        if old is None:
            yield place, count, 0
        elif count != old:
            yield place, count, count - old if count > old else count  # it was cleared in between


def _where(word: int, bit: int) -> str:
    """The phase whose status word it is, else word and bit."""
    return _PHASES.get(word) or f"{word}.{bit}"


def _said(
    bit: tuple[int, int], point: int, at: datetime, shown: Values, *, begins: bool
) -> Iterator[EventRecord]:
    """The records that a bit makes by itself: what is not counted, and the end of what is."""
    word, meaning = bit[0], BITS[bit]
    if meaning.abnormal in {"battery_low", "fault"}:
        battery = meaning.abnormal == "battery_low"
        yield meter_fault(point, at, battery=battery, begins=begins)
    elif meaning.abnormal == "reversed_phase":
        yield phase_order(point, at, begins=begins)
    elif not begins and meaning.abnormal:
        phase = word - 4 if word < 7 else 0
        kinds = [kind for kind in meaning.kinds if kind in COUNTED]
        yield from (ended(kind, phase, point, at, shown) for kind in kinds)

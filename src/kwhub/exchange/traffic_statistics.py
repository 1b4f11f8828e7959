"""Figures of overheard traffic: how much, how quick, how damaged, for the line and for each meter."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from kwhub.exchange.traffic import Entry

__all__ = ["MeterStatistics", "Statistics", "percentile", "summarise"]


@dataclass(slots=True)
class MeterStatistics:
    """The same for one address, as requests name it.

    Attributes:
        requests: that ought to be answered; ``repeats``: how many of them were said again.
        unanswered: requests without any answer.
        delays_s: of the answers whose time is known.
    """

    requests: int = 0
    repeats: int = 0
    answers: int = 0
    refusals: int = 0
    unanswered: int = 0
    delays_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Statistics:
    """What was heard in all.

    Attributes:
        stray_answers: answers to nothing that was heard.
        late_answers: answers that came after another request.
        discarded: how many runs of bytes make no frame, by kind; ``discarded_bytes``: their bytes.
        errors: what is wrong with good frames, by kind.
    """

    seconds: float | None = None
    bytes: int = 0
    frames: int = 0
    requests: int = 0
    announcements: int = 0  #: requests for all meters, which nobody answers
    echoes: int = 0
    stray_answers: int = 0
    late_answers: int = 0
    discarded: Counter[str] = field(default_factory=Counter)
    discarded_bytes: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    total: MeterStatistics = field(default_factory=MeterStatistics)
    meters: dict[str, MeterStatistics] = field(default_factory=dict)


def percentile(values: Iterable[float], percent: int) -> float | None:
    """The value that so many percent do not exceed (nearest rank); None of nothing.

    >>> percentile([0.1, 0.2, 0.3, 0.4], 50), percentile([], 95)
    (0.2, None)
    """
    ranked = sorted(values)
    return ranked[max(0, ceil(len(ranked) * percent / 100) - 1)] if ranked else None


def summarise(entries: Sequence[Entry]) -> Statistics:
    """Count what was overheard."""
    figures = Statistics()
    moments = [s for entry in entries for s in (entry.starts_s, entry.ends_s) if s is not None]
    if moments:
        figures.seconds = max(moments) - min(moments)
    for entry in entries:
        figures.bytes += len(entry.raw)
        if entry.frame is None:
            figures.discarded[entry.kind] += 1
            figures.discarded_bytes += len(entry.raw)
        else:
            _count_frame(figures, entry, entries)
    return figures


def _count_frame(figures: Statistics, entry: Entry, entries: Sequence[Entry]) -> None:
    figures.frames += 1
    if entry.decoded is not None and entry.decoded.error is not None:
        figures.errors[entry.decoded.error.kind] += 1
    if entry.is_answer:
        _count_answer(figures, entry)
        return
    if entry.echo:
        figures.echoes += 1
        return
    figures.requests += 1
    if not entry.expects_answer:
        figures.announcements += 1
        return
    for each in _both(figures, _address(entry, entries)):
        each.requests += 1
        each.repeats += entry.repeats is not None
        each.unanswered += entry.partner is None


def _count_answer(figures: Statistics, entry: Entry) -> None:
    figures.stray_answers += entry.partner is None
    figures.late_answers += entry.late
    frame = entry.frame
    if frame is None:
        return
    for each in _both(figures, frame.address):
        each.answers += 1
        each.refusals += frame.is_abnormal
        if entry.delay_s is not None:
            each.delays_s.append(entry.delay_s)


def _address(request: Entry, entries: Sequence[Entry]) -> str:
    """Who was meant: asked by wildcard, it is the meter that has answered."""
    answer = None if request.partner is None else entries[request.partner - 1].frame
    frame = answer or request.frame
    return "" if frame is None else frame.address


def _both(figures: Statistics, address: str) -> tuple[MeterStatistics, MeterStatistics]:
    return figures.total, figures.meters.setdefault(address, MeterStatistics())

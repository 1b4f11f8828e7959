"""Find M-Bus meters by wildcard: digits of the identification, medium, version, manufacturer, fabrication number.

Source: EN 13757-3, selection by secondary address with wildcards and enhanced selection. Selected slaves
acknowledge with the same byte and their currents add up, so a clean E5 says "at least one".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.mbus import FABRICATION_ANY, FABRICATION_BLOCK, Selection
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.identity import Identity, manufacturer_code
from kwhub.protocols.mbus.messages import Acknowledged, Answered, Read, Reset, Send
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram

__all__ = ["MAKERS", "Found", "FoundMeter", "Step", "search", "verify"]

MAKERS = (
    "ABB", "ACW", "AMT", "APA", "BAR", "BEC", "DME", "EFE", "ELS", "ELV", "EMH", "EMU", "FIN", "GAV",
    "GMC", "HYD", "ITR", "ISK", "KAM", "LGB", "LUG", "LSE", "MAD", "NZR", "PAD", "QDS", "REL", "SBC",
    "SEN", "SLB", "SON", "SPX", "SVM", "TCH", "TLS", "WEP", "ZRI",
)  # fmt: skip
"""Manufacturers that are tried where meters have one identification, medium and version."""

_ID_DIGITS = 8
_DECIMAL, _HEXADECIMAL = "0123456789", "ABCDE"
_MEDIUM_LEVEL, _VERSION_LEVEL, _FABRICATION_LEVEL = 8, 9, 10
_MAKER_LEVEL = 18
_LEVELS = 19
_ANY = 0xFF


@dataclass(frozen=True, slots=True, order=True)
class FoundMeter:
    """A meter that a search found.

    Attributes:
        address: its primary address, None when its answer does not tell.
        fabrication: digits that are needed beside the identity, which another meter has, too.
    """

    identity: Identity
    address: int | None = None
    fabrication: str = ""

    @property
    def selection(self) -> Selection:
        """How it is spoken to."""
        return Selection(self.identity, self.fabrication)


@dataclass(frozen=True, slots=True)
class Step:
    """A probe and what came: ``silence``, ``several`` or ``answer``."""

    probes: int
    probe: Selection
    outcome: str
    found: FoundMeter | None = None


@dataclass(slots=True)
class Found:
    """What a search found.

    Attributes:
        meters: each once.
        clashes: selections to which several answer that nothing tells apart.
        probes: selections that were sent.
        complete: the search came to its end.
    """

    meters: list[FoundMeter] = field(default_factory=list)
    clashes: list[Selection] = field(default_factory=list)
    probes: int = 0
    complete: bool = False

    @property
    def identities(self) -> set[Identity]:
        """The secondary addresses that were found."""
        return {meter.identity for meter in self.meters}


def search(
    start: str = "FFFFFFFF",
    *,
    makers: Sequence[str] = MAKERS,
    found: Found | None = None,
    told: Callable[[Step], None] | None = None,
) -> Conversation[Found]:
    """Find meters by wildcard, depth first.

    Args:
        start: identification to begin with; F is open.
        makers: manufacturers' letters that are tried where everything else is equal.
        found: filled as the search goes on, so that what is found before a stop is kept.
        told: hears of every probe.

    Raises:
        LocalError: ``start`` or a manufacturer is none.
    """
    identity = Identity(start.upper())
    hunt = _Hunt(
        [manufacturer_code(each) for each in makers], Found() if found is None else found, told
    )
    yield from hunt.settle(Selection(identity), 0)
    hunt.found.complete = True
    return hunt.found


def verify(
    known: Iterable[Selection],
    *,
    found: Found | None = None,
    told: Callable[[Step], None] | None = None,
) -> Conversation[Found]:
    """Look only whether meters that were found before are there; arguments as for ``search``."""
    hunt = _Hunt([], Found() if found is None else found, told)
    for selection in known:
        _, several = yield from hunt.ask(selection)
        if several:
            hunt.found.clashes.append(selection)
    hunt.found.complete = True
    return hunt.found


class _Hunt:
    """The state of one search."""

    def __init__(
        self, makers: list[int], found: Found, told: Callable[[Step], None] | None
    ) -> None:
        self.found = found
        self._makers = makers
        self._told = told
        self._used = True
        self._plain: set[tuple[int, int]] = set()  # kinds that do not know enhanced selection

    def settle(self, probe: Selection, level: int) -> Conversation[bool]:
        """Find everything that a selection selects; whether anything was heard."""
        heard, several = yield from self.ask(probe)
        if several:
            yield from self._split(probe, level)
        return heard

    def _split(self, probe: Selection, level: int) -> Conversation[None]:
        """Several answer: go on with one more place of the selection settled."""
        while level < _LEVELS:
            if _FABRICATION_LEVEL <= level < _MAKER_LEVEL:
                if (yield from self._by_fabrication(probe, level)):
                    return
                probe, level = replace(probe, fabrication=""), _MAKER_LEVEL
                continue
            answered = False
            for child in self._children(probe, level):
                answered |= yield from self.settle(child, level + 1)
            if answered:
                return
            level += 1  # what stands here is no digit, or not known: it stays open
        self._clash(probe)

    def _by_fabrication(self, probe: Selection, level: int) -> Conversation[bool]:
        """One more digit of the fabrication number; False when that tells nobody apart.

        A meter without enhanced selection answers to every number alike.
        """
        before = list(self.found.meters)
        crowded, heard_of = [], 0
        for child in self._children(probe, level):
            heard, several = yield from self.ask(child)
            heard_of += heard
            if several:
                crowded.append(child)
        if heard_of in (0, len(_DECIMAL)):
            self.found.meters[:] = before
            return False
        for child in crowded:
            yield from self._split(child, level + 1)
        return True

    def _clash(self, probe: Selection) -> None:
        if probe not in self.found.clashes:
            self.found.clashes.append(probe)

    def _children(self, probe: Selection, level: int) -> list[Selection]:
        """The selections that settle one more place."""
        if _FABRICATION_LEVEL <= level < _MAKER_LEVEL:
            number, at = probe.fabrication or FABRICATION_ANY, level - _FABRICATION_LEVEL
            return [replace(probe, fabrication=_put(number, at, digit)) for digit in _DECIMAL]
        return [replace(probe, identity=each) for each in self._identities(probe.identity, level)]

    def _identities(self, identity: Identity, level: int) -> list[Identity]:
        if level == _MEDIUM_LEVEL:
            media = dict.fromkeys([*c.MEDIA, *range(_ANY)])
            return [replace(identity, medium=each) for each in media]
        if level == _VERSION_LEVEL:
            return [replace(identity, version=each) for each in range(_ANY)]
        if level == _MAKER_LEVEL:
            seen = [each.identity.manufacturer for each in self.found.meters]
            makers = dict.fromkeys([*seen, *self._makers])
            return [replace(identity, manufacturer=each) for each in makers]
        number = identity.number
        digits = _DECIMAL + _HEXADECIMAL if number[level] == "F" else ""
        return [replace(identity, number=_put(number, level, digit)) for digit in digits]

    def ask(self, probe: Selection) -> Conversation[tuple[bool, bool]]:
        """Whether anybody was heard, and whether there are several to be told apart."""
        event = yield from self._select(probe)
        if not isinstance(event, Acknowledged) and event.heard:
            event = yield from self._select(probe)  # noise does not come twice
        if not isinstance(event, Acknowledged):
            heard = bool(event.heard)
            self._tell(probe, "several" if heard else "silence")
            return heard, heard
        event = yield Read(c.ADDRESS_SELECTED)
        settled = False
        if isinstance(event, Answered):
            settled = yield from self._settled(probe, read_telegram(event.frame))
        if not settled:
            self._tell(probe, "several")
        return True, not settled

    def _settled(self, probe: Selection, telegram: Telegram) -> Conversation[bool]:
        """Keep the meter that a clean answer names, if it answers to its own name.

        Answers that overlay each other can look like another good one: where they differ in few bits
        the sum fits, too.
        """
        identity, address = telegram.identity, telegram.frame.address
        if identity is None:
            return False
        primary = address if address <= c.ADDRESS_MAX else None
        number = _fabrication(probe, telegram)
        meter = FoundMeter(identity, primary, number if probe.fabrication else "")
        if meter in self.found.meters:
            return False
        if (yield from self._named(meter.selection)) != identity:
            return False
        absent = yield from self._is_absent(primary)
        if absent or (yield from self._is_unknown(identity, number)):
            base = Selection(identity, probe.fabrication)
            level = _FABRICATION_LEVEL + len(probe.fabrication.rstrip("F"))
            if level < _MAKER_LEVEL and (yield from self._by_fabrication(base, level)):
                return True
            self._plain.add((identity.manufacturer, identity.version))
        if absent:
            self._clash(Selection(identity))
        self.found.meters.append(meter)
        self._tell(probe, "answer", meter)
        return True

    def _named(self, selection: Selection) -> Conversation[Identity | None]:
        """The identity that answers to a selection."""
        event = yield from self._select(selection)
        if not isinstance(event, Acknowledged):
            return None
        event = yield Read(c.ADDRESS_SELECTED)
        return read_telegram(event.frame).identity if isinstance(event, Answered) else None

    def _is_unknown(self, identity: Identity, number: str) -> Conversation[bool]:
        """Whether nobody answers to the fabrication number of an answer."""
        if not number.strip("F") or (identity.manufacturer, identity.version) in self._plain:
            return False
        event = yield from self._select(Selection(identity, number))
        return not isinstance(event, Acknowledged)

    def _is_absent(self, address: int | None) -> Conversation[bool]:
        """Whether a primary address, asked twice, is silent."""
        for _ in range(2 if address is not None else 0):
            event = yield Reset(address or 0, repeatable=False)
            if isinstance(event, Acknowledged) or event.heard:
                return False
        return address is not None

    def _select(self, probe: Selection) -> Conversation[Any]:
        """Select anew; a link that was used is reset first, one that was not would only cost a wait."""
        self.found.probes += 1
        if self._used:
            yield Reset(c.ADDRESS_SELECTED, repeatable=False)
        event = yield Send(c.ADDRESS_SELECTED, c.CI_SELECT, probe.to_bytes(), repeatable=False)
        self._used = isinstance(event, Acknowledged) or bool(event.heard)
        return event

    def _tell(self, probe: Selection, outcome: str, meter: FoundMeter | None = None) -> None:
        if self._told is not None:
            self._told(Step(self.found.probes, probe, outcome, meter))


def _fabrication(probe: Selection, telegram: Telegram) -> str:
    """The whole fabrication number if the answer carries it, else what the probe had."""
    for record in telegram.records:
        number = record.data[::-1].hex().upper()
        if record.block == FABRICATION_BLOCK and all(
            wanted in ("F", digit)
            for wanted, digit in zip(probe.fabrication or FABRICATION_ANY, number, strict=True)
        ):
            return number
    return probe.fabrication


def _put(digits: str, at: int, digit: str) -> str:
    if len(digits) != _ID_DIGITS:
        raise LocalError(f"{digits!r} has not {_ID_DIGITS} digits")
    return digits[:at] + digit + digits[at + 1 :]

"""Finding the meters on a line, also when they all answer at once.

First everybody is asked; a single meter is found by that. When the answers collide, the low pair of
the address is fixed to 00, 01 ... 99 with AA in the pairs above, and where two still collide the next
pair follows. Silence is an empty branch; it is asked again, because answers can cancel each other.
Every address that came in answer to a wildcard is confirmed by name: the byte sum of the protocol is
weak, and a collision may look like a frame of a meter that does not exist.

Source: DL/T 645-2007, clause 5.2.2 (AA in the high bytes of the address, reads only) and code 13;
DL/T 645-1997, clause 6. The order of the questions is that of tools in the field.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final

from kwhub.domain.errors import DecodeError
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_registers
from kwhub.exchange.scan_listener import Heard, Probe
from kwhub.protocols.dlt645.addresses import ADDRESS_BYTES, BROADCAST, address_text, is_plain
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.messages import ReadAddress, ReadData

__all__ = [
    "ATTEMPTS",
    "PROBES_MAX",
    "Census",
    "FoundMeter",
    "Outcome",
    "Progress",
    "Reason",
    "Scan",
    "Unresolved",
    "count_phases",
]

ATTEMPTS: Final = 2
"""How often a branch is asked before its silence is believed."""

CONFIRM_ATTEMPTS: Final = 3
"""How often a meter is asked by its full address before it counts as a ghost."""

PROBES_MAX: Final = 10_000
"""Questions of one scan; a line on which noise answers everything would never come to an end."""

_ENERGY: Final = {Edition.E2007: 0x0001_0000, Edition.E1997: 0x9010}
_ADDRESS: Final = 0x0400_0401
_DIGITS: Final = 2 * ADDRESS_BYTES
_PAIRS: Final = tuple(f"{pair:02d}" for pair in range(100))
_OTHER_PHASES: Final = (Register("1-0:52.7.0"), Register("1-0:72.7.0"))


class Outcome(Enum):
    """What a question brought."""

    SILENCE = "silence"
    ANSWER = "answer"
    SEVERAL = "several answers"
    GARBLED = "garbled"


class Reason(Enum):
    """Why a branch stays open."""

    SAME_ADDRESS = "two meters with the same address, or a disturbed line"
    NOBODY_BELOW = "answers collide, but no branch below answers"
    NO_WILDCARDS = "several meters that understand the broadcast address only"


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A meter that has answered to its own address.

    Attributes:
        energy_kwh: forward active energy, total; None when it did not say.
        delay_s: from the end of the question to the first byte of its answer.
        attempts: questions to its full address until it answered.
    """

    address: str
    edition: Edition
    energy_kwh: Decimal | None
    delay_s: float | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A part of the address space where somebody is who could not be told apart."""

    pattern: str
    edition: Edition
    reason: Reason


@dataclass(frozen=True, slots=True)
class Progress:
    """One question and what it brought.

    Attributes:
        planned: questions that are known to be needed, those asked included.
        found: the meter that this question has found, if one.
    """

    pattern: str
    edition: Edition
    outcome: Outcome
    asked: int
    planned: int
    found: FoundMeter | None = None


@dataclass(slots=True)
class Census:
    """What is known of a line.

    Attributes:
        probes: questions asked; ``collided``: whom those named that several answered.
        strays: good frames that answered nothing: late answers, or another master on the line.
        complete: False when the scan gave up at ``PROBES_MAX`` or was ended early.
    """

    meters: dict[str, FoundMeter] = field(default_factory=dict)
    unresolved: list[Unresolved] = field(default_factory=list)
    probes: int = 0
    collided: list[str] = field(default_factory=list)
    strays: int = 0
    complete: bool = False

    @property
    def collisions(self) -> int:
        """How often several answered at once."""
        return len(self.collided)


class _TooManyError(Exception):
    """The scan has asked as often as it may."""


class Scan:
    """One scan of one line at one speed. Its conversations yield :class:`Probe`, and are sent Heard.

    Attributes:
        census: what is known so far; also right when the scan is ended early.
    """

    def __init__(
        self,
        *,
        editions: Sequence[Edition] = tuple(Edition),
        attempts: int = ATTEMPTS,
        probes_max: int = PROBES_MAX,
        told: Callable[[Progress], None] | None = None,
    ) -> None:
        """Make a scan.

        Args:
            editions: of the meters that are looked for, in the order of asking.
            attempts: how often a branch is asked before its silence is believed.
            probes_max: questions after which the scan gives up.
            told: hears of every question and its outcome.
        """
        self.census = Census()
        self._editions = editions
        self._attempts = attempts
        self._probes_max = probes_max
        self._told = told
        self._planned = 0

    def run(self) -> Conversation[Census]:
        """Find every meter on the line."""
        try:
            for edition in self._editions:
                yield from self._find_all(edition)
            self.census.complete = True
        except _TooManyError:
            self.census.complete = False
        return self.census

    def check(self, addresses: Sequence[str]) -> Conversation[Census]:
        """Ask only meters whose addresses are known, one after the other."""
        self._planned = len(addresses)
        try:
            for address in addresses:
                for edition in self._editions:
                    if (yield from self._confirm(address, edition)):
                        break
            self.census.complete = True
        except _TooManyError:
            self.census.complete = False
        return self.census

    def _find_all(self, edition: Edition) -> Conversation[None]:
        everybody = "A" * _DIGITS
        if edition is Edition.E2007:
            heard = yield from self._ask(ReadAddress(everybody))
            if not heard.is_silence:
                yield from self._settle(heard, "", edition)
                return
        heard = yield from self._ask(ReadData(everybody, _ENERGY[edition], edition=edition))
        if not heard.is_silence:
            yield from self._settle(heard, "", edition)
        elif edition is Edition.E1997:
            yield from self._find_by_broadcast()

    def _find_by_broadcast(self) -> Conversation[None]:
        """Old meters that know no wildcard answer reads of the broadcast address, all at once."""
        edition = Edition.E1997
        heard = yield from self._ask(ReadData(BROADCAST, _ENERGY[edition], edition=edition))
        if heard.is_silence:
            return
        addresses = _plain_addresses(heard)
        for address in addresses:
            yield from self._confirm(address, edition)
        if heard.is_garbled or not all(address in self.census.meters for address in addresses):
            self._leave_open(BROADCAST, edition, Reason.NO_WILDCARDS)

    def _settle(self, heard: Heard, suffix: str, edition: Edition) -> Conversation[None]:
        """Somebody has answered to a wildcard: find out who, and whether there are others."""
        addresses = _plain_addresses(heard)
        if heard.answers and not addresses:
            addresses = yield from self._ask_for_address(suffix, edition)
        for address in addresses:
            if address not in self.census.meters:
                yield from self._confirm(address, edition)
        if _outcome(heard) is Outcome.ANSWER and any(a in self.census.meters for a in addresses):
            return
        yield from self._descend(suffix, edition)

    def _ask_for_address(self, suffix: str, edition: Edition) -> Conversation[list[str]]:
        """A make of meter leaves the wildcard in its answers; its address is also an item."""
        if edition is not Edition.E2007:
            return []
        heard = yield from self._ask(ReadData(suffix.rjust(_DIGITS, "A"), _ADDRESS))
        told = (address_text(item.frame.data[4:]) for item in heard.answers)
        return [a for a in told if len(a) == _DIGITS and is_plain(a) and a.endswith(suffix)]

    def _descend(self, suffix: str, edition: Edition) -> Conversation[None]:
        """Look into the hundred branches below a collision."""
        if len(suffix) == _DIGITS:
            self._leave_open(suffix, edition, Reason.SAME_ADDRESS)
            return
        self._planned += len(_PAIRS)
        silent = [f"{pair}{suffix}" for pair in _PAIRS]
        for attempt in range(self._attempts):
            if attempt:
                self._planned += len(silent)
            still: list[str] = []
            for branch in silent:
                if not (yield from self._look(branch, edition)):
                    still.append(branch)  # noqa: PERF401 - no comprehension can ask
            silent = still
        if len(silent) == len(_PAIRS):
            self._leave_open(suffix.rjust(_DIGITS, "A"), edition, Reason.NOBODY_BELOW)

    def _look(self, suffix: str, edition: Edition) -> Conversation[bool]:
        """Ask one branch; False when it is silent."""
        pattern = suffix.rjust(_DIGITS, "A")
        heard = yield from self._ask(ReadData(pattern, _ENERGY[edition], edition=edition))
        if heard.is_silence:
            return False
        yield from self._settle(heard, suffix, edition)
        return True

    def _confirm(self, address: str, edition: Edition) -> Conversation[bool]:
        """Ask a meter by its full address; True when it is there."""
        request = ReadData(address, _ENERGY[edition], edition=edition)
        for attempt in range(1, CONFIRM_ATTEMPTS + 1):
            heard = yield from self._ask(request, alone=True)
            if heard.answers:
                frame = heard.answers[0].frame
                energy_kwh = _energy_kwh(frame, edition)
                meter = FoundMeter(address, edition, energy_kwh, heard.delay_s, attempt)
                self.census.meters[address] = meter
                self._tell(request, Outcome.ANSWER, meter)
                return True
        return False

    def _ask(self, request: ReadAddress | ReadData, *, alone: bool = False) -> Conversation[Heard]:
        if self.census.probes >= self._probes_max:
            raise _TooManyError
        heard: Heard = yield Probe(request, alone=alone)
        self.census.probes += 1
        self._planned = max(self._planned, self.census.probes)
        self.census.strays += heard.strays
        outcome = _outcome(heard)
        if not alone and outcome in (Outcome.SEVERAL, Outcome.GARBLED):
            self.census.collided.append(request.address)
        self._tell(request, outcome)
        return heard

    def _tell(
        self, request: ReadAddress | ReadData, outcome: Outcome, found: FoundMeter | None = None
    ) -> None:
        if self._told is not None:
            asked = self.census.probes
            self._told(
                Progress(request.address, request.edition, outcome, asked, self._planned, found)
            )

    def _leave_open(self, pattern: str, edition: Edition, reason: Reason) -> None:
        self.census.unresolved.append(Unresolved(pattern, edition, reason))


def _outcome(heard: Heard) -> Outcome:
    if heard.is_garbled:
        return Outcome.GARBLED
    if not heard.answers:
        return Outcome.SILENCE
    return Outcome.ANSWER if len(heard.answers) == 1 else Outcome.SEVERAL


def _plain_addresses(heard: Heard) -> list[str]:
    """The meters that have told their address, each once."""
    return list(dict.fromkeys(a for a in _told_addresses(heard) if is_plain(a)))


def _told_addresses(heard: Heard) -> Iterator[str]:
    for item in heard.answers:
        frame = item.frame
        asked_for_it = isinstance(heard.probe.request, ReadAddress) and not frame.is_abnormal
        yield address_text(frame.data) if asked_for_it and frame.data else frame.address


def _energy_kwh(frame: Frame645, edition: Edition) -> Decimal | None:
    """The value in the answer, if there is one that makes sense."""
    if frame.is_abnormal:
        return None
    try:
        (value,) = decode(_ENERGY[edition], frame.data[edition.identifier_bytes :], edition)
    except DecodeError:
        return None
    return value.value if isinstance(value.value, Decimal) else None


def count_phases(address: str, edition: Edition) -> Conversation[int]:
    """Ask an ordinary session whether a meter measures one phase or three.

    Returns:
        3 when it has a voltage on its second phase, or on its third; a three-wire meter says 0 for
        the second. Else 1.
    """
    answers = yield from read_registers(address, _OTHER_PHASES, edition)
    return 3 if any(isinstance(a.value, Decimal) and a.value > 0 for a in answers) else 1

"""Protocol inspection: what passes a node is whole, valid, for somebody known, and allowed.

What is not is counted and told; whether it passes all the same is the mode's decision.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Kind, Passing

__all__ = ["Inspection", "InspectionMode", "Rules", "Violation"]

NOT_ALLOWED = "not_allowed"


class InspectionMode(Enum):
    """What becomes of a violation."""

    OFF = "off"  #: nothing is looked at: true transparency
    REPORT = "report"  #: it is counted and told, and passes
    REFUSE = "refuse"  #: it is counted and told, and does not pass


@dataclass(frozen=True, slots=True)
class Rules:
    """What may pass."""

    mode: InspectionMode = InspectionMode.REFUSE
    known: frozenset[str] = frozenset()  #: device addresses; everybody while it is empty
    kinds: frozenset[Kind] = frozenset(Kind) - {Kind.OTHER}  #: that masters may send


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that should not have come."""

    peer: str  #: Bluetooth address or other name of the one who sent it
    from_master: bool
    kind: str  #: short stable key
    raw: bytes
    detail: str = ""


def _nobody(_violation: Violation) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Inspection:
    """Judges what passes.

    Attributes:
        rules: may be exchanged at any time.
        counts: violations by kind.
        passed: frames that were in order.
    """

    dialect: Dialect
    rules: Rules = field(default_factory=Rules)
    told: Callable[[Violation], None] = _nobody
    counts: Counter[str] = field(default_factory=Counter)
    passed: int = 0

    def lets_pass(self, found: Passing | Discarded, peer: str, *, from_master: bool) -> bool:
        """Whether something that came from ``peer`` may go on."""
        if self.rules.mode is InspectionMode.OFF:
            return True
        kind = self._violation(found, from_master=from_master)
        if not kind:
            self.passed += 1
            return True
        self.counts[kind] += 1
        detail = found.detail if isinstance(found, Discarded) else found.name
        self.told(Violation(peer, from_master, kind, found.raw, detail))
        return self.rules.mode is InspectionMode.REPORT

    def refusal(self, found: Passing | Discarded) -> Passing | None:
        """What a master is told whose request is in order but not allowed; None: nothing.

        A meter that nobody may address is as silent as one that is not there.
        """
        if not isinstance(found, Passing) or not found.wants_answer:
            return None
        if self._violation(found, from_master=True) != NOT_ALLOWED:
            return None
        raw = self.dialect.refusal(found)
        return Passing(raw, found.address, is_answer=True, trouble=NOT_ALLOWED) if raw else None

    def _violation(self, found: Passing | Discarded, *, from_master: bool) -> str:
        if isinstance(found, Discarded) or found.trouble:
            return found.kind if isinstance(found, Discarded) else found.trouble
        if found.is_answer is from_master:
            return "wrong_direction"
        if from_master and found.kind not in self.rules.kinds:
            return NOT_ALLOWED
        known = self.rules.known
        if (
            known
            and found.address
            and not any(self.dialect.matches(found.address, each) for each in known)
        ):
            return "unknown_address"
        return ""

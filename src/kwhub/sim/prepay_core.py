"""What all parts of a cost-control meter share: element, memory, sessions, the count of failures.

Source: State Grid filings on security as two public meter firmwares implement them: 200 failures a day
suspend the security functions until midnight; an authentication lasts 5 minutes, that of a terminal 1, of
the infrared port 30.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kwhub.prepay.element.driver import ALL_FORMAL, ElementDriver
from kwhub.prepay.element.files import METER_OFFSET, PARAMETERS
from kwhub.prepay.element.interface import SecureElement, Status
from kwhub.prepay.memory import Memory
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.run_information import MINUTES
from kwhub.sim.body import Body
from kwhub.sim.climate import DAY_S
from kwhub.sim.denial import Denied
from kwhub.sim.prepay_store import Failures, Intent, Kind, MeterStore

__all__ = [
    "FAILURES_MAX",
    "INFRARED_S",
    "MINUTES_USUAL",
    "TERMINAL_S",
    "Core",
    "Profile",
    "Window",
    "WindowKind",
    "refused",
]

FAILURES_MAX: Final = 200
"""Failures on one day of the meter's clock that suspend it until midnight."""
MINUTES_USUAL: Final = 5
"""Validity of an authentication while none is written, minutes."""
TERMINAL_S: Final = 60
INFRARED_S: Final = 1_800

_FAILED: Final = frozenset({Status.WRONG_MAC, Status.CONDITIONS})
_NUMBER_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs from maker to maker.

    Attributes:
        has_refund: 070108 is known.
        is_2009: keys come one by one (070201 to 070204), not in sets (070301).
        firmware: the program, for comparisons.
    """

    has_refund: bool = False
    is_2009: bool = False
    firmware: bytes = bytes(range(256)) * 16


class WindowKind(Enum):
    """Who is in session."""

    NOBODY = "nobody"
    REMOTE = "remote"
    TERMINAL = "terminal"


@dataclass(slots=True)
class Window:
    """The sessions of a meter; a power cut ends them.

    Attributes:
        until_s: end of the session.
        random: the session's first random: what is read is signed over its end.
        serial: of the medium.
        spent: the session's random for writes is used up.
    """

    kind: WindowKind = WindowKind.NOBODY
    until_s: int = 0
    infrared_until_s: int = 0
    random: bytes = b""
    serial: bytes = b""
    spent: bool = False


def refused(error: SecurityError, detail: str) -> Denied:
    """A refusal of a security command."""
    return Denied(error, detail, size=2)


class Core:
    """The common part.

    Args:
        element: of the meter, personalised.
        memory: the meter's own.
        profile: of its maker.
    """

    body: Body  #: of the meter that it is built into

    def __init__(self, element: SecureElement, memory: Memory, profile: Profile) -> None:
        self.profile = profile
        self.store = self.make_store(memory)
        self.driver = ElementDriver(element, self._counted)
        self.window = Window()
        self.now_s = 0  #: the moment of what is being done
        self.boot()

    @staticmethod
    def make_store(memory: Memory) -> MeterStore:
        """The store over the meter's memory."""
        return MeterStore(memory)

    def boot(self) -> None:
        """Power is back: no session, and an account that follows the element."""
        self.driver.reset()
        self.window = Window()
        intent = self.store.intent
        if intent.kind == Kind.NOTHING:
            return
        if self._has_happened(intent):
            self.store.follow(intent)
        else:
            self.store.intend(Intent())

    def _has_happened(self, intent: Intent) -> bool:
        money, count = self.driver.wallet
        if intent.kind in (Kind.CREDIT, Kind.OPEN):
            return count == intent.number
        if intent.kind == Kind.REFUND:
            return money == intent.money - intent.amount
        return (money, count) == (intent.amount, 0)

    # Who may

    def end_window(self) -> None:
        """Nobody is in session any more; the infrared port stays open."""
        self.driver.reset()
        self.window = Window(infrared_until_s=self.window.infrared_until_s)

    def is_open(self, *kinds: WindowKind) -> bool:
        """Whether a session of one of these kinds is in force."""
        return self.window.kind in kinds and self.now_s < self.window.until_s

    def require(self, *kinds: WindowKind) -> None:
        """Insist on a session. Raises Denied."""
        if not self.is_open(*kinds):
            raise refused(SecurityError.IDENTITY, "nobody is authenticated, or not any more")

    @property
    def validity_s(self) -> int:
        """How long an authentication lasts, s."""
        digits = self.driver.read(PARAMETERS, MINUTES, 2).hex()
        return 60 * (int(digits) if digits.isdecimal() and int(digits) else MINUTES_USUAL)

    @property
    def meter_number(self) -> bytes:
        """Six bytes."""
        return self.driver.read(PARAMETERS, METER_OFFSET, _NUMBER_BYTES)

    @property
    def is_formal(self) -> bool:
        """Whether no test key is left."""
        return self.driver.key_state == ALL_FORMAL

    # Failures

    @property
    def failures(self) -> Failures:
        """As of today."""
        found = self.store.failures
        today = self.body.wall(self.now_s) // DAY_S
        return Failures(today, 0, found.ever) if today > found.day else found

    @property
    def is_suspended(self) -> bool:
        """Whether the security functions rest until midnight."""
        return self.failures.today >= FAILURES_MAX

    def require_working(self) -> None:
        """Insist on not being suspended. Raises Denied."""
        if self.is_suspended:
            raise refused(SecurityError.SUSPENDED, "too many failures today")

    def _counted(self, act: Callable[[], int]) -> int:
        """Count before the attempt, so that a power cut in time saves nobody from being counted."""
        before = self.failures
        self.store.keep_failures(Failures(before.day, before.today + 1, before.ever + 1))
        status = act()
        if status not in _FAILED:
            self.store.keep_failures(before)
        return status

    def count_failure(self) -> None:
        """Somebody did not know a key."""
        self._counted(lambda: Status.WRONG_MAC)

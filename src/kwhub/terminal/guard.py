"""Who may write: levels, passwords, the lock after too many wrong ones.

Source: DL/T 645-2007, clause 7 (codes 14 and 18). How many wrong passwords lock a device is its maker's choice.
"""

from collections.abc import Mapping
from typing import Final

from kwhub.protocols.dlt645.authority import Key
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.terminal.memory import TerminalMemory

__all__ = ["FAILURES_MAX", "LOCK_S", "WRITING_LEVEL", "Denied", "Guard"]

WRITING_LEVEL: Final = 4
"""The weakest level that writes."""
FAILURES_MAX: Final = 5
LOCK_S: Final = 3_600
"""How long nothing may be written after so many wrong passwords in a row; a power cut does not end it."""
_LEVELS: Final = range(10)


class Denied(Exception):
    """The terminal does not do this.

    Attributes:
        error: the error word.
    """

    def __init__(self, error: Error2007, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class Guard:
    """Checks passwords. A level without a password has none: nobody writes with it.

    Args:
        given: the passwords of the settings, by level; those that were changed since then are in the memory.
        memory: keeps changed passwords and the lock.
    """

    def __init__(self, given: Mapping[int, str], memory: TerminalMemory) -> None:
        self._memory = memory
        changed = memory.get("passwords") or {}
        self._passwords = dict(given) | {int(level): word for level, word in changed.items()}
        failures, until_s = memory.get("lock") or (0, 0)
        self._failures, self._locked_until_s = int(failures), int(until_s)

    def check(self, key: Key, true_s: int, weakest: int = WRITING_LEVEL) -> None:
        """Let through who knows the password of a level that is strong enough. Raises Denied."""
        if true_s < self._locked_until_s:
            raise Denied(Error2007.NOT_AUTHORISED, "locked after too many wrong passwords")
        right = self._passwords.get(key.level)
        if right is None or key.password != right:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._failures, self._locked_until_s = 0, true_s + LOCK_S
            self._memory.put({"lock": (self._failures, self._locked_until_s)})
            raise Denied(Error2007.NOT_AUTHORISED, "wrong password")
        if self._failures:
            self._failures = 0
            self._memory.put({"lock": (0, self._locked_until_s)})
        if key.level > weakest:
            raise Denied(Error2007.NOT_AUTHORISED, f"level {key.level} is too weak")

    def change(self, old: Key, new: Key, true_s: int) -> None:
        """Give a level a new password, on showing its own or that of a stronger level. Raises Denied."""
        if new.level not in _LEVELS or not new.password.isdecimal():
            raise Denied(Error2007.OTHER, "a password has six digits, its level is 0 to 9")
        self.check(old, true_s, new.level)
        passwords = self._passwords | {new.level: new.password}
        self._memory.put({"passwords": passwords})
        self._passwords = passwords

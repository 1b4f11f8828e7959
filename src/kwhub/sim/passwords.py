"""Who may do what: levels, passwords, the lock after too many wrong ones, the programming key.

Source: DL/T 645-2007, clause 7 (codes 14, 15, 18; level 02 clears the meter, level 04 writes; single
source). How many wrong passwords lock a meter is its maker's choice; the lock lasts a day.
"""

from typing import Final

from kwhub.protocols.dlt645.authority import CIPHER_LEVEL, Key
from kwhub.sim.denial import not_authorised
from kwhub.sim.memory import Memory

__all__ = [
    "CLEARING_LEVEL",
    "FAILURES_MAX",
    "LOCK_S",
    "PLAIN_LEVELS",
    "WRITING_LEVEL",
    "Passwords",
]

PLAIN_LEVELS: Final = range(10)
"""Levels with a password: 00, the strongest, to 09."""
CLEARING_LEVEL: Final = 2
"""The weakest level that clears the meter and its events."""
WRITING_LEVEL: Final = 4
"""The weakest level that writes parameters, clears the demand and switches the relay."""
FAILURES_MAX: Final = 5
"""Wrong passwords in a row after which the meter takes none."""
LOCK_S: Final = 86_400

_MAC_LEVEL: Final = CIPHER_LEVEL + 1  #: 99: plain text with a MAC


class Passwords:
    """The guard of one meter."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def check(self, key: Key, weakest: int, at_s: int) -> None:
        """Let through who knows the password of a level that is strong enough.

        Raises:
            Denied: not authorised: locked, an enciphered order (there is no secure element), too
                weak a level, or a wrong password, which counts.
        """
        memory = self._memory
        if at_s < memory.locked_until_s:
            raise not_authorised("locked after too many wrong passwords")
        if key.level in (CIPHER_LEVEL, _MAC_LEVEL):
            raise not_authorised("no secure element that could check a MAC")
        if key.level not in memory.passwords or key.password != memory.passwords[key.level]:
            memory.failures += 1
            if memory.failures >= FAILURES_MAX:
                memory.failures = 0
                memory.locked_until_s = at_s + LOCK_S
            raise not_authorised("wrong password")
        memory.failures = 0
        if key.level > weakest:
            raise not_authorised(f"level {key.level} is too weak, {weakest} is wanted")

    def change(self, old: Key, new: Key, at_s: int) -> None:
        """Give a level a new password, on showing its own or that of a stronger level.

        Raises:
            Denied: not authorised.
        """
        if new.level not in PLAIN_LEVELS:
            raise not_authorised(f"level {new.level:02X} has no password")
        self.check(old, new.level, at_s)
        self._memory.passwords[new.level] = new.password

    def has_key(self, at_s: int) -> bool:
        """Whether the programming key is in force."""
        return at_s < self._memory.key_until_s

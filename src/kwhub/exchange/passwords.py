"""Conversation that changes the password of a level. Passwords never show in what it returns.

Source: DL/T 645-2007, clause 7 (code 18) and table A.5 (04000C01 to 04000C0A); DL/T 645-1997, clause 6
(code 0F).
"""

from kwhub.domain.errors import LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, tell
from kwhub.protocols.dlt645.authority import Key
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.writing import ChangePassword

__all__ = ["LEVEL_MAX", "change_password"]

LEVEL_MAX = 9
"""The weakest permission level; 0 is the strongest."""

_LEVEL_0 = 0x0400_0C01


def change_password(
    address: str, old: Key, new: Key, edition: Edition = Edition.E2007
) -> Conversation[Change[None]]:
    """Change the password of the level of ``new``.

    When no answer comes the new password is tried by changing it to itself, which a meter only does if
    it is in force already. A wrong password is not tried twice: meters count them and lock.

    Args:
        address: of the meter.
        old: the password of that level, or of a stronger one.
        new: level and new password.
        edition: of the meter.

    Raises:
        LocalError: there is no such level, or ``old`` is a weaker one.
    """
    if not 0 <= new.level <= LEVEL_MAX:
        raise LocalError(f"permission levels are 0 to {LEVEL_MAX}, not {new.level}")
    if old.level > new.level:
        raise LocalError(f"level {old.level} is too weak to change the password of {new.level}")
    identifier = _LEVEL_0 + new.level if edition is Edition.E2007 else 0
    told = yield from tell(ChangePassword(address, old, new, identifier, edition))
    if not isinstance(told.error, NoAnswer):
        return _without_answer(told, told.verdict)
    tried = yield from tell(ChangePassword(address, new, new, identifier, edition))
    verdict = Verdict.DONE if tried.error is None else Verdict.NO_ANSWER
    return _without_answer(told, verdict)


def _without_answer(told: Change[None], verdict: Verdict) -> Change[None]:
    """The answer repeats the new password; nobody needs to see it."""
    return Change(verdict, None, None, told.error)

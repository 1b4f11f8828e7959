"""Conversation that changes the password of a level. Passwords never show in what it returns.

Source: DL/T 645-2007, clause 7 (code 18) and table A.5 (04000C01 to 04000C0A); DL/T 645-1997, clause 6
(code 0F).
"""

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, ChangeError, Verdict, tell
from kwhub.protocols.dlt645.authority import Key
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.protocols.dlt645.writing import ChangePassword

__all__ = ["LEVEL_MAX", "change_password", "check_levels"]

LEVEL_MAX = 9
"""The weakest permission level; 0 is the strongest."""

_LEVEL_0 = 0x0400_0C01


def change_password(
    address: str, old: Key, new: Key, edition: Edition = Edition.E2007
) -> Conversation[Change[None]]:
    """Change the password of the level of ``new``, and prove it.

    The answer alone proves nothing, and it may get lost. So the new password is tried by changing it to
    itself, which a meter only does if it is in force. A wrong old password is not tried twice: meters
    count them and lock.

    Args:
        address: of the meter.
        old: the password of that level, or of a stronger one.
        new: level and new password.
        edition: of the meter.

    Raises:
        LocalError: there is no such level, or ``old`` is a weaker one.
    """
    check_levels(old.level, new.level)
    identifier = _LEVEL_0 + new.level if edition is Edition.E2007 else 0
    told = yield from tell(ChangePassword(address, old, new, identifier, edition))
    if told.error is not None and not isinstance(told.error, NoAnswer):
        return _without_answer(told, told.verdict)
    tried = yield from tell(ChangePassword(address, new, new, identifier, edition))
    if tried.error is None:
        return _without_answer(told, Verdict.DONE)
    agreed_but_unknown = told.error is None and _is_wrong_password(tried.error)
    return _without_answer(told, Verdict.NOT_DONE if agreed_but_unknown else told.verdict)


def check_levels(old: int, new: int) -> None:
    """Raise LocalError unless the password of level ``old`` may change that of level ``new``."""
    if not 0 <= new <= LEVEL_MAX:
        raise LocalError(f"permission levels are 0 to {LEVEL_MAX}, not {new}")
    if old > new:
        raise LocalError(f"level {old} is too weak to change the password of {new}")


def _is_wrong_password(error: ChangeError) -> bool:
    """Both editions have the same bit for it."""
    if not isinstance(error, Refusal) or not error.raw:
        return False
    word = int.from_bytes(parse(error.raw).data[:1], "little")
    return bool(word & Error2007.NOT_AUTHORISED)


def _without_answer(told: Change[None], verdict: Verdict) -> Change[None]:
    """The answer repeats the new password; nobody needs to see it."""
    return Change(verdict, None, None, told.error)

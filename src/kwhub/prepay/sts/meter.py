"""The meter's side: which tokens it takes, and that it takes each only once.

The state is a value that the meter keeps in memory that survives a power cut; ``take`` returns the
next state together with what the token does, so that both can be written at once.

Source: IEC 62055-41, token acceptance: key, expiry, identifier list, key change sections.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from kwhub.domain.errors import DecodeError
from kwhub.prepay.sts.keys import BASE_YEARS, DecoderKey
from kwhub.prepay.sts.tokens import IDENTIFIERS, Token, decode

__all__ = ["IDENTIFIERS_KEPT", "KEY_CHANGE_WINDOW_S", "Meter", "Taken", "Verdict", "roll_over_in"]

IDENTIFIERS_KEPT = 50
"""The meter remembers at least so many identifiers; older ones than the smallest are refused."""

KEY_CHANGE_WINDOW_S = 90
"""All sections of a key change must be entered within this time.  ``single source``."""

SECTIONS = {3: 0, 4: 1, 8: 2, 9: 3}
"""Place of a key change section by its subclass."""

PARTS = {8: (0, 1), 16: (0, 2, 3, 1)}
"""Sections in the order of the new key's bytes, by its length."""

MANAGEMENT = 2


class Verdict(StrEnum):
    """What the meter shows."""

    ACCEPTED = "accepted"
    PART_OF_KEY_CHANGE = "part of key change"
    USED = "used"
    OLD = "old"
    KEY_EXPIRED = "key expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one token."""

    verdict: Verdict
    token: Token | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """What a meter remembers."""

    key: DecoderKey
    base_year: int = BASE_YEARS[0]
    key_expiry: int = 255  #: highest value of the identifier's top eight bits that is taken
    used: tuple[int, ...] = ()  #: identifiers in ascending order
    sections: Mapping[int, Token] = field(default_factory=dict)  #: of a key change under way
    window_ends_s: float = 0.0  #: on the clock given to ``take``

    def take(self, digits: str, now_s: float) -> tuple["Meter", Taken]:
        """Enter a token.

        Args:
            digits: twenty digits.
            now_s: seconds on a clock that does not jump; only for the window of a key change.

        Returns:
            The state to keep, and the answer. A token that is not accepted changes nothing.
        """
        try:
            token = decode(digits, self.key, base_year=self.base_year)
        except DecodeError as error:
            return self, Taken(Verdict.REJECTED, detail=error.detail)
        if token.kind == "Reserved":
            return self, Taken(Verdict.REJECTED, token, "the kind of token is not known")
        if token.subclass in SECTIONS and token.token_class == MANAGEMENT:
            return self._change_key(token, now_s)
        if token.identifier is None:  # a test changes nothing that is remembered
            return self, Taken(Verdict.ACCEPTED, token)
        return self._take_once(token, token.identifier)

    def _take_once(self, token: Token, identifier: int) -> tuple["Meter", Taken]:
        if identifier >> 16 > self.key_expiry:
            return self, Taken(Verdict.KEY_EXPIRED, token, "the key is no longer valid")
        if identifier in self.used:
            return self, Taken(Verdict.USED, token, "this token was entered before")
        if len(self.used) >= IDENTIFIERS_KEPT and identifier < self.used[0]:
            return self, Taken(Verdict.OLD, token, "older than the tokens that are remembered")
        used = tuple(sorted((*self.used, identifier)))[-IDENTIFIERS_KEPT:]
        return replace(self, used=used), Taken(Verdict.ACCEPTED, token)

    def _change_key(self, token: Token, now_s: float) -> tuple["Meter", Taken]:
        under_way = dict(self.sections) if now_s <= self.window_ends_s else {}
        ends_s = self.window_ends_s if under_way else now_s + KEY_CHANGE_WINDOW_S
        wanted = PARTS[len(self.key.secret)]
        if SECTIONS[token.subclass] not in wanted:
            return self, Taken(Verdict.REJECTED, token, "a section for a longer key")
        under_way[SECTIONS[token.subclass]] = token
        if len(under_way) < len(wanted):
            state = replace(self, sections=under_way, window_ends_s=ends_s)
            return state, Taken(Verdict.PART_OF_KEY_CHANGE, token)
        return self._with_new_key(under_way), Taken(Verdict.ACCEPTED, token)

    def _with_new_key(self, sections: Mapping[int, Token]) -> "Meter":
        parts = [sections[place].key_part or 0 for place in PARTS[len(self.key.secret)]]
        secret = b"".join(part.to_bytes(4) for part in parts)
        high, low = sections[0].extra, sections[1].extra
        expiry = int(high["key_expiry_high"]) << 4 | int(low["key_expiry_low"])
        rolled = bool(high["roll_over"])
        years = BASE_YEARS
        base = years[min(years.index(self.base_year) + rolled, len(years) - 1)]
        return Meter(
            DecoderKey(secret, self.key.tables),
            base_year=base,
            key_expiry=expiry,
            used=() if rolled else self.used,
        )


def roll_over_in(identifier: int) -> timedelta:
    """Return how long the base date of an identifier can still be used.

    Every meter must be given a key of the next base date before that, or it stops taking tokens.
    """
    return timedelta(minutes=IDENTIFIERS - 1 - identifier)

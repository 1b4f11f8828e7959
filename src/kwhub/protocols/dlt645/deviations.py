"""What some makers' meters do differently, as settings: the defaults are the standard.

A master that reads any meter accepts all of this without being told (a wildcard left in an answer, a
refusal of security of one byte, a closing AA, any number of wake-up bytes). Settings are needed where one
end must choose what it *sends*: the baud-rate word, wake-up bytes, and everything that a meter of such a
make answers.

Source: DL/T 645-2007, clauses 5.1, 7 and annex C; DL/T 645-1997, clause 6; deviations seen in the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.addresses import is_wildcard
from kwhub.protocols.dlt645.contents import RATES_2007
from kwhub.protocols.dlt645.control import AUTHENTICATE
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.items import find
from kwhub.protocols.dlt645.layouts import Block, OpenBlock

__all__ = ["PREAMBLE_BYTES", "STANDARD", "WAKE_UP_BYTES_MAX", "Deviations"]

PREAMBLE_BYTES: Final = 4
"""FE bytes that a master sends to wake the line (clause 5.1); meters may send none."""

WAKE_UP_BYTES_MAX: Final = 16
"""Most FE bytes before a frame; makers are known to use up to four."""

_WORD_MAX: Final = 0xFF


def _standard_words() -> Mapping[int, int]:
    return MappingProxyType({baud: word for word, baud in RATES_2007.items()})


@dataclass(frozen=True, slots=True)
class Deviations:
    """How the meters of a make speak.

    Attributes:
        request_preamble: FE bytes that they need before a request.
        answer_preamble: FE bytes that they send before an answer.
        rate_words: baud to the word of code 17 (2007).
        block_end: closes a block of values of 1997; empty for nothing.
        security_error_bytes: size of the error word in a refusal of code 03.
        keeps_wildcard: asked by wildcard, they leave it in the answer instead of their address.
    """

    request_preamble: int = PREAMBLE_BYTES
    answer_preamble: int = 0
    rate_words: Mapping[int, int] = field(default_factory=_standard_words)
    block_end: bytes = b""
    security_error_bytes: int = 2
    keeps_wildcard: bool = False

    def __post_init__(self) -> None:
        for count in (self.request_preamble, self.answer_preamble):
            if not 0 <= count <= WAKE_UP_BYTES_MAX:
                raise LocalError(f"{count} wake-up bytes: 0 to {WAKE_UP_BYTES_MAX} are possible")
        if self.security_error_bytes not in (1, 2):
            raise LocalError("an error word of code 03 has one byte or two")
        words = list(self.rate_words.values())
        if len(set(words)) < len(words) or not all(0 <= word <= _WORD_MAX for word in words):
            raise LocalError("each baud rate needs a word of one byte of its own")

    def rate_word(self, baud: int) -> int:
        """The word that stands for a speed. Raises LocalError when there is none."""
        word = self.rate_words.get(baud)
        if word is None:
            speeds = ", ".join(str(known) for known in sorted(self.rate_words))
            raise LocalError(f"no word for {baud} baud; there are {speeds}")
        return word

    def baud(self, word: int) -> int | None:
        """The speed that a word stands for, None when it is none of theirs."""
        return next((baud for baud, known in self.rate_words.items() if known == word), None)

    def answer(self, request: Any, frame: Frame645) -> Frame645:
        """The frame that such a meter sends where the standard wants ``frame``."""
        address, data = frame.address, frame.data
        if self.keeps_wildcard and is_wildcard(request.address):
            address = request.address
        if frame.is_abnormal:
            if (request.edition, request.function) == (Edition.E2007, AUTHENTICATE):
                data = data[: self.security_error_bytes]
        elif self.block_end and not frame.has_more and _is_block_1997(request):
            data += self.block_end
        return frame._replace(address=address, data=data)


def _is_block_1997(request: Any) -> bool:
    """Whether a request asks for several values at once, as 901F does."""
    identifier = getattr(request, "identifier", None)
    if request.edition is not Edition.E1997 or identifier is None:
        return False
    item = find(identifier, Edition.E1997)
    return item is not None and isinstance(item.layout, Block | OpenBlock)


STANDARD: Final = Deviations()
"""A meter that does as the standard says."""

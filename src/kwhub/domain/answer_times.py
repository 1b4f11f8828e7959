"""How long to wait for an answer: learnt from the answers that came, for each meter by itself.

The rule is that of TCP (RFC 6298): the wait is the smoothed answer time and four times its smoothed
deviation. An answer that came after a repeat tells no time, because nobody knows which of the two
requests it answers (Karn's rule); it only says how long was too short.
"""

from collections import OrderedDict
from dataclasses import dataclass

__all__ = [
    "ANSWER_TIMEOUT_FIRST_S",
    "ANSWER_TIMEOUT_LEAST_S",
    "ANSWER_TIMEOUT_MOST_S",
    "METERS_MAX",
    "AnswerTime",
    "AnswerTimes",
]

ANSWER_TIMEOUT_FIRST_S = 2.0
"""Wait for a meter that has not answered yet, s."""

ANSWER_TIMEOUT_LEAST_S = 1.0
"""Shortest wait, s: the 0.5 s that DL/T 645 gives a meter, and as much for converters on the way."""

ANSWER_TIMEOUT_MOST_S = 10.0
"""Longest wait that a slow meter earns, s."""

METERS_MAX = 10_000
"""Meters that are remembered; the one that has not been heard for longest is forgotten first."""

_GAIN = 1 / 8
_DEVIATION_GAIN = 1 / 4
_DEVIATIONS = 4
_LATE_MARGIN = 1.5


@dataclass(slots=True)
class AnswerTime:
    """What is known of one meter. Times in seconds, from the end of a request to the answer.

    Attributes:
        answers: answers that a time was taken of.
        silences: requests that ended without answer since the meter was last heard.
        smoothed_s: None until there was an answer.
        deviation_s: smoothed distance from ``smoothed_s``.
        floor_s: a wait that was seen to be needed, though no time could be taken.
    """

    answers: int = 0
    silences: int = 0
    smoothed_s: float | None = None
    deviation_s: float = 0.0
    floor_s: float = 0.0

    def take(self, delay_s: float) -> None:
        """Learn from an answer to a request that was sent once."""
        self.answers += 1
        self.silences = 0
        self.floor_s = 0.0
        if self.smoothed_s is None:
            self.smoothed_s, self.deviation_s = delay_s, delay_s / 2
            return
        self.deviation_s += _DEVIATION_GAIN * (abs(delay_s - self.smoothed_s) - self.deviation_s)
        self.smoothed_s += _GAIN * (delay_s - self.smoothed_s)


class AnswerTimes:
    """What is known of the meters on a line. Bounds in seconds."""

    def __init__(
        self,
        first_s: float = ANSWER_TIMEOUT_FIRST_S,
        *,
        least_s: float = ANSWER_TIMEOUT_LEAST_S,
        most_s: float = ANSWER_TIMEOUT_MOST_S,
    ) -> None:
        """Know nothing yet.

        Args:
            first_s: wait for a meter that has not answered yet.
            least_s: shortest wait; a smaller ``first_s`` lowers it.
            most_s: longest wait; a greater ``first_s`` raises it.
        """
        self.first_s = first_s
        self.least_s = min(least_s, first_s)
        self.most_s = max(most_s, first_s)
        self._known: OrderedDict[str, AnswerTime] = OrderedDict()

    def of(self, address: str) -> AnswerTime:
        """What is known of a meter; nothing, when it was never heard."""
        return self._known.get(address) or AnswerTime()

    def timeout_s(self, address: str) -> float:
        """How long to wait for this meter."""
        known = self._known.get(address)
        if known is None or (known.smoothed_s is None and not known.floor_s):
            return self.first_s
        learnt = (known.smoothed_s or 0.0) + _DEVIATIONS * known.deviation_s
        return min(max(learnt, known.floor_s, self.least_s), self.most_s)

    def answered(self, address: str, delay_s: float) -> None:
        """A meter has answered a request that was sent once."""
        self._heard(address).take(max(0.0, delay_s))

    def answered_late(self, address: str, delay_s: float) -> None:
        """A meter has answered after a repeat; ``delay_s`` counts from the first request."""
        known = self._heard(address)
        known.silences = 0
        known.floor_s = max(known.floor_s, _LATE_MARGIN * delay_s, self.timeout_s(address))

    def silent(self, address: str) -> None:
        """A meter that was heard before has left a request without answer."""
        known = self._known.get(address)
        if known is not None:
            known.silences += 1

    def _heard(self, address: str) -> AnswerTime:
        known = self._known.setdefault(address, AnswerTime())
        self._known.move_to_end(address)
        if len(self._known) > METERS_MAX:
            self._known.popitem(last=False)
        return known

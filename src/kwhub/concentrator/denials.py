"""Reports that the head-end denies: what is tried, so that one bad reading does not hold up the rest.

A report is offered a few times, then in halves, down to single units. A unit that is denied although the
head-end confirms others is withheld; as long as it confirms nothing, nothing is given up. What was withheld is offered again once a day: the head-end may know
the point by then, or have room again.
"""

from collections import Counter

from kwhub.concentrator.report import Parcel
from kwhub.domain.errors import Refusal

__all__ = ["DENIALS_MAX", "DENIED", "UNITS_ASIDE_MAX", "Denials"]

DENIED = "the head-end denies it"
"""Why such a reading is withheld; the word stands in the store."""

DENIALS_MAX = 3
"""So often a whole report is offered, each time on a new connection, before it is split."""

UNITS_ASIDE_MAX = 64
"""So many single units denied, and nothing confirmed: the head-end denies everything."""


class Denials:
    """What the head-end has denied and the store still offers; outlives a connection."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int]] = Counter()
        self._aside: list[tuple[Parcel, Refusal]] = []

    def count(self, parcel: Parcel) -> int:
        """How often a report was denied."""
        return self._counts[_key(parcel)]

    def add(self, parcel: Parcel) -> int:
        """Note a denial; how many there are now."""
        self._counts[_key(parcel)] += 1
        return self.count(parcel)

    def put_aside(self, parcel: Parcel, error: Refusal) -> None:
        """Go on without a unit until the head-end has confirmed another.

        Raises:
            Refusal: there are too many of them; all are to be offered again later.
        """
        self._aside.append((parcel, error))
        if len(self._aside) >= UNITS_ASIDE_MAX:
            self.give_up()

    def take(self) -> list[tuple[Parcel, Refusal]]:
        """The units that were put aside; they are forgotten here."""
        aside = self._aside
        self.forget()
        return aside

    def give_up(self) -> None:
        """Begin again with everything that was put aside. Raises the last Refusal, if there is one."""
        aside = self.take()
        if aside:
            raise aside[-1][1]

    def forget(self) -> None:
        """Begin with clean hands."""
        self._aside = []
        self._counts.clear()

    @property
    def places(self) -> frozenset[int]:
        """Places in the outbox that are put aside."""
        return frozenset(place for parcel, _ in self._aside for place in parcel.ids)


def _key(parcel: Parcel) -> tuple[int, int]:
    """What stays the same of a report that is packed anew."""
    return parcel.ids[0], len(parcel.units)

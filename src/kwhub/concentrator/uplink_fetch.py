"""Which readings are reported next."""

from collections.abc import Collection

from kwhub.concentrator.outbox import Entry, Outbox
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.protocols.gdw1376.builders import REPORT_USER_BYTES_MAX

__all__ = ["ENTRIES_PER_FETCH", "oldest"]

ENTRIES_PER_FETCH = 2_000
"""Readings taken from the store at once; they fill some ten reports."""


def oldest(outbox: Outbox, aside: Collection[int], bytes_max: int) -> list[Entry]:
    """The oldest readings that wait and are not put aside; of a day freeze all tariffs or none.

    Args:
        outbox: the store.
        aside: places in it that are left out.
        bytes_max: user data of a report; longer ones take more at once.

    Raises:
        StoreError: it cannot be read.
    """
    limit = ENTRIES_PER_FETCH * -(-bytes_max // REPORT_USER_BYTES_MAX) + len(aside)
    entries = outbox.waiting(limit)
    if len(entries) == limit and entries[-1].interval_s == DAY_INTERVAL_S:
        last = entries[-1]
        while (entries[-1].point, entries[-1].at) == (last.point, last.at):
            entries.pop()
    return [entry for entry in entries if entry.id not in aside] if aside else entries

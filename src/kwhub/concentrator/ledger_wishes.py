"""Values that the head-end asks for and that the ledger never wanted: they are fetched while the meter keeps them.

An answer is not held up: it has ``EE`` for what is not there. The value follows in a report when the meter gave it.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from kwhub.concentrator.ledger_causes import CAUSES, Cause
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.outbox_rows import Batch, Gap, Slot
from kwhub.concentrator.plan import PlannedMeter, Series
from kwhub.domain.readings import Register

__all__ = ["WISHES_MAX", "Wishes"]

WISHES_MAX = 1_000
"""Values that one question may add."""


class Wishes:
    """Notes what is to be fetched beside the plan."""

    def __init__(
        self,
        outbox: Outbox,
        now: Callable[[], int],
        keeps_days: int,
        on_wish: Callable[[int], None],
    ) -> None:
        """Make it.

        Args:
            outbox: the store.
            now: gives seconds since 1970 UTC.
            keeps_days: how long meters keep what they record.
            on_wish: hears the point of which something new is wanted.
        """
        self._outbox = outbox
        self._now = now
        self._keeps_s = int(timedelta(days=keeps_days).total_seconds())
        self._on_wish = on_wish

    def want(
        self,
        meter: PlannedMeter,
        series: Series,
        registers: Iterable[Register],
        moments: Iterable[int],
    ) -> int:
        """Want values of a series that lie before what the ledger wanted so far.

        Args:
            meter: whose they are.
            series: of its plan.
            registers: those of the series are wanted, others are not.
            moments: seconds since 1970 UTC, none of which has a value.

        Returns:
            How many are new.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if not meter.has_history:
            return 0
        wanted = frozenset(registers)
        now = self._now()
        times = sorted(at for at in moments if now - self._keeps_s < at <= now)
        since = {
            duty.register: duty.since
            for duty in self._outbox.duties((meter.point,))
            if duty.series == series.kind
        }
        states = (state for state in self._outbox.meters() if state.point == meter.point)
        adopted_at = max((state.adopted_at or 0 for state in states), default=0)
        slots = [
            Slot(meter.point, register, series.interval_s, at)
            for register in series.registers
            if register in wanted
            for at in times
            if adopted_at < at <= since.get(register, 0)
        ]
        known = self._gaps_of(meter.point) if slots else ()
        fresh = [slot for slot in slots if slot not in known][:WISHES_MAX]
        if fresh:
            batch = Batch(now)
            reason = CAUSES[Cause.ASKED][0]
            batch.gaps = [Gap(slot, "open", reason, 0, now, cause=Cause.ASKED) for slot in fresh]
            self._outbox.keep(batch)
            self._on_wish(meter.point)
        return len(fresh)

    def _gaps_of(self, point: int) -> set[Slot]:
        """What is known to be missing of a point, for now or for good."""
        return {
            gap.slot
            for state in ("open", "lost")
            for gap in self._outbox.gaps(state=state, points=(point,))
        }

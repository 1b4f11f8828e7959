"""What meters have told the counter, and what that shows about its purchases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kwhub.domain.errors import Refusal
from kwhub.headend.vending_ledger import LINE, Ledger
from kwhub.prepay.vending import Purchase, State, fits

__all__ = ["CLOCKS_DIFFER", "EVIDENCE_LASTS", "Evidence", "Source"]

_COLUMNS = "meter, count, amount, customer, operator, payment, state, signed"
_NOT_BROUGHT = "not-brought"
CLOCKS_DIFFER = timedelta(minutes=15)
"""Between the clock of a meter and that of the counter, at most."""
EVIDENCE_LASTS = timedelta(minutes=15)
"""From the last try over a line that was cut to the reading that confirms it; later, somebody else may have come in between."""


@dataclass(frozen=True, slots=True)
class Source:
    """How a meter's number was told.

    Attributes:
        name: ``LINE``; or the payment whose load the meter has signed its usage for; empty for a medium without a purchase.
        before: hundredths that it had left at the number before, signed for the same load or in the same session on the
            line; None when that is not known.
        found_in: the load has found its number in the meter when it came there first.
        keys: state word of the meter's keys, bit n set: key n is formal; None when it was not told.
        version: of the keys that opened the meter; None when that is not known.
        told_at: when a medium was told, by the meter's clock; what is old or from the future cancels nothing.
    """

    name: str = LINE
    before: int | None = None
    found_in: bool = False
    told_at: datetime | None = None
    keys: int | None = None
    version: int | None = None


class Evidence(Ledger):
    """Purchases, and the readings of meters beside them."""

    def saw_count(
        self,
        meter: str,
        count: int,
        at: datetime,
        *,
        money: int | None = None,
        source: Source = Source(),
        confirms: bool = True,
    ) -> list[Purchase]:
        """The meter's element has signed its count; confirm the purchase that this shows to be in.

        A purchase is confirmed by its own number and a balance that fits its amount; what does not fit is written down,
        see ``misfits``. A usage that a medium has told before the last sale shows nothing.

        Args:
            meter: 12 digits.
            count: its last purchase number.
            at: now.
            money: hundredths that it has left, below zero when owed; nothing is confirmed without.
            source: how it was told.
            confirms: whether the meter agreed to the purchase; False for a mere look, which confirms nothing.

        Returns:
            What is confirmed now.

        Raises:
            Refusal: it was higher before: an old usage.
        """
        with self._change():
            known, is_first = self.count_of(meter), not self.was_read(meter)
            if count < known:
                raise Refusal((f"the meter had {known} already: this usage is old",))
            sold = self._select("meter = ?", meter)
            is_fresh = source.name == LINE or not sold or source.name == sold[-1].payment
            if not (is_fresh or is_first or count > known):
                return []
            told = self._note((meter, count, money), source, sold, at)
            covered = [x for x in sold if x.state is State.ISSUED and x.count <= count]
            judged = {x.payment: self._fits(x, count, money, source, at) for x in covered}
            if money is not None:
                row = (meter, at.isoformat(), money, count)
                self._run("INSERT OR REPLACE INTO balance VALUES (?, ?, ?, ?)", *row)
            good = [x for x in covered if confirms and judged[x.payment]]
            strange = [x for x in covered if judged[x.payment] is False]
            self._settle(good, strange, told, at)
        return [self.purchase(each.payment) for each in good]

    def _note(
        self,
        row: tuple[str, int, int | None],
        source: Source,
        sold: Sequence[Purchase],
        at: datetime,
    ) -> dict[str, Any]:
        """Write down what was told, in the ledger, too."""
        meter, count, _ = row
        self._saw_keys(meter, source, at)
        told: dict[str, Any] = dict(zip(("meter", "count", "money"), row, strict=True))
        told["source"] = source.name
        if source.name != LINE and not self._in_time(source, sold, at):
            told |= {"old": True}
        is_baseline = not sold and not self.was_read(meter)
        self._log(at, "count", told | ({"first": True} if is_baseline else {}))
        values = (meter, count, at.isoformat())
        self._run("INSERT OR REPLACE INTO meter_count VALUES (?, ?, ?)", *values)
        return told

    def _saw_keys(self, meter: str, source: Source, at: datetime) -> None:
        if source.keys is not None:
            self._run(
                "INSERT INTO meter_key VALUES (?, ?, ?, ?) ON CONFLICT (meter) DO UPDATE SET "
                "state = excluded.state, version = coalesce(excluded.version, version), "
                "at = excluded.at",
                *(meter, source.keys, source.version, at.isoformat()),
            )

    def keys_of(self, meter: str) -> tuple[int, int | None] | None:
        """State word and version of a meter's keys, as it has told them last; None before that."""
        found = self._run("SELECT state, version FROM meter_key WHERE meter = ?", meter)
        return (int(found[0][0]), found[0][1]) if found else None

    def _fits(
        self, purchase: Purchase, count: int, money: int | None, source: Source, at: datetime
    ) -> bool | None:
        """Whether it has arrived; None when that cannot be known.

        A load reads the meter before it brings its number: one that has found its number in was not the one that
        brought it, unless the line has tried, too. The line reads before and after it in one session; where that was
        cut, the reading before it and one soon after it must do.
        """
        is_own = source.name == purchase.payment
        by_line = self._went_by_line(purchase)
        if is_own and source.found_in and not by_line:
            return False
        if count > purchase.count:
            return None
        if is_own and not by_line:
            return fits(purchase, count, money, source.before)
        told = source.before if is_own or (by_line and source.name == LINE) else None
        before = self._before_line(purchase, at) if told is None else max(0, told)
        return fits(purchase, count, money, before)

    def not_brought(self, purchase: Purchase, at: datetime) -> None:
        """The line has tried, and the meter has told that it was not this try that brought the number."""
        with self._change():
            self._log(at, _NOT_BROUGHT, {"meter": purchase.meter, "payment": purchase.payment})

    def _before_line(self, purchase: Purchase, at: datetime) -> int | None:
        """What the meter had left at the number before, told just before a try of which nobody knows the end; None: unknown."""
        tries = self._run(
            "SELECT number, at, kind FROM ledger WHERE kind IN ('purchase', ?) "
            "AND json_extract(content, '$.payment') = ? "
            "AND (kind = ? OR json_extract(content, '$.by') = ?) ORDER BY number DESC",
            *(_NOT_BROUGHT, purchase.payment, _NOT_BROUGHT, LINE),
        )
        kinds = [kind for _, _, kind in tries]
        for (number, tried, kind), ended in zip(tries, ["", *kinds], strict=False):
            since = at - datetime.fromisoformat(tried)
            if _NOT_BROUGHT in (kind, ended) or not timedelta() <= since <= EVIDENCE_LASTS:
                continue
            told = self._money_told_before(purchase.meter, number)
            if told is not None and told[1] == purchase.count - 1:
                return max(0, told[0])
        return None

    def is_beyond_the_line(self, purchase: Purchase, at: datetime) -> bool:
        """Whether the meter has the number, and the line can show no more whose purchase that is: nothing is left to bring."""
        is_in = self.count_of(purchase.meter) >= purchase.count
        is_open = purchase.state is State.ISSUED
        return is_open and is_in and self._before_line(purchase, at) is None

    def _money_told_before(self, meter: str, number: int) -> tuple[int, int] | None:
        """Money and purchase number, as the line has told them last before an entry of the ledger."""
        rows = self._run(
            "SELECT json_extract(content, '$.money'), json_extract(content, '$.count') FROM ledger "
            "WHERE kind = 'count' AND json_extract(content, '$.meter') = ? "
            "AND json_extract(content, '$.source') = ? AND number < ? ORDER BY number DESC LIMIT 1",
            *(meter, LINE, number),
        )
        return rows[0] if rows and rows[0][0] is not None else None

    def _went_by_line(self, purchase: Purchase) -> bool:
        query = (
            "SELECT 1 FROM ledger WHERE kind = 'purchase' AND json_extract(content, '$.payment') = ? "
            "AND json_extract(content, '$.by') = ?"
        )
        return bool(self._run(query, purchase.payment, LINE))

    def _settle(
        self,
        good: Iterable[Purchase],
        strange: Iterable[Purchase],
        told: Mapping[str, Any],
        at: datetime,
    ) -> None:
        for purchase in good:
            self._set_state(purchase, State.CONFIRMED, at)
        for purchase in strange:
            if purchase.payment not in self.misfits:
                self._log(at, "misfit", {**told, "payment": purchase.payment})

    def _in_time(self, source: Source, sold: Sequence[Purchase], at: datetime) -> bool:
        """Whether the meter has told it after the last load, by its own clock, and not later than now."""
        if source.told_at is None or not sold:
            return source.told_at is not None
        query = "SELECT at FROM purchase WHERE payment = ?"
        loaded = datetime.fromisoformat(self._run(query, sold[-1].payment)[0][0])
        return loaded - CLOCKS_DIFFER < source.told_at < at + CLOCKS_DIFFER

    def _was_read_after(self, purchase: Purchase) -> bool:
        """By the order of the ledger: by the line, or by a usage that was signed for this very load."""
        last = self._run(
            "SELECT max(number) FROM ledger WHERE kind = 'purchase' "
            "AND json_extract(content, '$.payment') = ?",
            purchase.payment,
        )[0][0]
        return bool(
            self._run(
                "SELECT 1 FROM ledger WHERE kind = 'count' AND json_extract(content, '$.meter') = ? "
                "AND number > ? AND json_extract(content, '$.source') IN (?, ?) "
                "AND json_extract(content, '$.old') IS NULL",
                *(purchase.meter, last or 0, LINE, purchase.payment),
            )
        )

    @property
    def misfits(self) -> set[str]:
        """Payments whose purchase is not what the meter has under that number, or so it seems."""
        rows = self._run(
            "SELECT json_extract(content, '$.payment') FROM ledger WHERE kind = 'misfit'"
        )
        return {str(payment) for (payment,) in rows}

    @property
    def baselines(self) -> dict[str, int]:
        """Purchase numbers of meters that were read before anything was sold for them."""
        rows = self._run(
            "SELECT json_extract(content, '$.meter'), json_extract(content, '$.count') FROM ledger "
            "WHERE kind = 'count' AND json_extract(content, '$.first')"
        )
        return dict(rows)

    def was_read(self, meter: str) -> bool:
        """Whether the meter's purchase number was ever told."""
        return bool(self._run("SELECT 1 FROM meter_count WHERE meter = ?", meter))

    def purchase(self, payment: str) -> Purchase:
        """By its payment. Raises Refusal when there is none."""
        found = self._select("payment = ?", payment)
        if not found:
            raise Refusal((f"payment {payment} is not known",))
        return found[0]

    @property
    def counts(self) -> dict[str, int]:
        """The last signed purchase number of each meter."""
        return dict(self._run("SELECT meter, count FROM meter_count"))

    def count_of(self, meter: str) -> int:
        """The last signed purchase number of a meter; 0 before the first."""
        found = self._run("SELECT count FROM meter_count WHERE meter = ?", meter)
        return int(found[0][0]) if found else 0

    # Within a change

    def _select(self, where: str, *values: Any) -> list[Purchase]:
        rows = self._run(f"SELECT {_COLUMNS} FROM purchase WHERE {where} ORDER BY id", *values)  # noqa: S608 - fixed texts
        return [
            Purchase(meter, count, amount, customer, operator, payment, State(state), bool(signed))
            for meter, count, amount, customer, operator, payment, state, signed in rows
        ]

    def _set_state(
        self, purchase: Purchase, state: State, at: datetime, *, signed: bool = True, by: str = ""
    ) -> None:
        self._run(
            "UPDATE purchase SET state = ?, signed = max(signed, ?), at = "
            "CASE ? WHEN 'issued' THEN ? ELSE at END WHERE payment = ?",
            *(state, int(signed), state, at.isoformat(), purchase.payment),
        )
        self._log_state(at, self.purchase(purchase.payment), by)

    def _log_state(self, at: datetime, purchase: Purchase, by: str = "") -> None:
        names = ("meter", "count", "amount", "customer", "operator", "payment", "state")
        content = {name: getattr(purchase, name) for name in names}
        self._log(at, "purchase", content | ({"by": by} if by else {}))

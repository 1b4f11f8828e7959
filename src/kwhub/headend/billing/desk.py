"""Money as the rest of the head-end uses it: tariffs, statements, payments, warnings."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select

from kwhub.domain.errors import LocalError
from kwhub.headend.billing import balances, corrections, figures, statements, tariff_rows
from kwhub.headend.billing.balances import Booked, Entry
from kwhub.headend.billing.energies import Unbillable, energies
from kwhub.headend.billing.pricing import price_of_a_kwh
from kwhub.headend.billing.shapes import Account, Draft, Issued
from kwhub.headend.billing.tariffs import Tariff, in_force
from kwhub.headend.people import trail
from kwhub.headend.store import archive_rows, schema, schema_archive, schema_billing
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import day_number, local_date

__all__ = ["Billing", "BillingRun", "Forecast", "Refused"]

FORECAST_DAYS = 7
"""Days before today whose use is expected to go on."""

LOOKED_AT_ONCE = 20
"""Statements that one transaction looks at, so that others get to write in between."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Refused:
    """An account for which no statement could be made, and why."""

    account_id: int
    number: str
    why: str


@dataclass(frozen=True, slots=True)
class BillingRun:
    """What billing many accounts has brought."""

    issued: list[int]  #: numbers of statements, those that were there before among them
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long the balance of an account will last."""

    account_id: int
    number: str
    customer: str
    balance: Decimal
    low_balance: Decimal | None
    day_kwh: Decimal | None  #: mean of the days that are known; None when none is
    days_left: int | None  #: None when the use or the price is not known, or is nought
    is_low: bool


@dataclass(frozen=True, slots=True)
class _Open:
    """An account and the days that are its own."""

    id: int
    number: str
    from_day: date
    last_day: date | None


class Billing:
    """Tariffs, statements and balances. Every method may be called from any thread, and raises StoreError."""

    def __init__(self, database: Database, days: Days, now: Callable[[], datetime]) -> None:
        """Work on ``database``, for the zone of ``days``; ``now`` tells the present, aware."""
        self._database = database
        self._days = days
        self._now = now

    def put_tariff(self, tariff: Tariff, *, by: str) -> None:
        """Write a version of a tariff. Raises LocalError: statements stand on what held until now."""
        with self._database.write() as connection:
            tariff_rows.put(connection, tariff, by=by, at=self._now())
            subject = f"tariff {tariff.code} from {tariff.valid_from}"
            self._record(connection, by, "put_tariff", subject)

    def tariffs(self) -> dict[str, list[Tariff]]:
        """Every tariff with its versions, the oldest first."""
        with self._database.read() as connection:
            return {
                code: tariff_rows.versions(connection, code)
                for code in tariff_rows.codes(connection)
            }

    def assign(
        self,
        account_id: int,
        code: str,
        from_day: date,
        *,
        by: str,
        low_balance: Decimal | None = None,
    ) -> None:
        """Give an account a tariff from a day on. Raises LocalError."""
        if low_balance is not None:
            balances.money(low_balance)
        with self._database.write() as connection:
            balances.lock(connection, account_id)
            tariff_rows.assign(connection, account_id, code, from_day, low_balance)
            subject = f"account {account_id}"
            self._record(connection, by, "assign_tariff", subject, f"{code} from {from_day}")

    def account(self, account_id: int) -> Account:
        """An account with its customer and meter. Raises LocalError: there is none of this number."""
        with self._database.read() as connection:
            return figures.account(connection, account_id)

    def preview(self, account_id: int, first: date, last: date) -> Draft:
        """The statement that would be issued. Raises LocalError and Unbillable."""
        with self._database.read() as connection:
            return statements.draft(connection, self._days, account_id, first, last)

    def issue(self, account_id: int, first: date, last: date, *, by: str) -> Issued:
        """Issue a statement, once. Raises LocalError and Unbillable."""
        with self._database.write() as connection:
            at = self._now()
            span = (first, last)
            made = statements.issue(connection, self._days, account_id, span, by=by, at=at)
            if made.issued_at == at:
                subject = f"statement {made.id}, account {account_id}"
                self._record(connection, by, "issue", subject, str(made.draft.total))
            return made

    def issue_all(
        self, first: date, last: date, *, by: str, areas: Collection[int] | None = None
    ) -> BillingRun:
        """Issue the statements of a span for every account; each in its own transaction.

        Of who moves in or out inside the span, the days are billed that are theirs; of who is billed in part, the rest.
        Who cannot be billed is refused with the reason, who has no tariff among them.
        """
        run = BillingRun([], [])
        for own in self._accounts(first, last, areas, with_tariff=False):
            span = max(first, own.from_day), min(last, own.last_day or last)
            try:
                run.issued.extend(self._issue_rest(own.id, *span, by=by))
            except (LocalError, Unbillable) as error:
                run.refused.append(Refused(own.id, own.number, str(error)))
        return run

    def _issue_rest(self, account_id: int, first: date, last: date, *, by: str) -> list[int]:
        """The statements of a span: those that begin in it and are there, and one for the days after them."""
        with self._database.read() as connection:
            there = statements.inside(connection, account_id, first, last)
        numbers = [number for number, _, _ in there]
        if there and there[0][1] == first:
            if there[-1][2] == last:
                return numbers
            first = there[-1][2] + _DAY
            return [*numbers, self.issue(account_id, first, last, by=by).id]
        return [self.issue(account_id, first, last, by=by).id]

    def cancel(self, statement: int, *, by: str, reason: str) -> Issued:
        """Cancel a statement; its total goes back to the account. Raises LocalError."""
        with self._database.write() as connection:
            done = statements.cancel(connection, statement, by=by, reason=reason, at=self._now())
            self._record(connection, by, "cancel", f"statement {statement}", reason)
            return done

    def statement(self, number: int) -> Issued:
        """One statement. Raises LocalError."""
        with self._database.read() as connection:
            return statements.get(connection, number)

    def statements(
        self,
        *,
        account_id: int | None = None,
        areas: Collection[int] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Issued]:
        """Statements, the newest first."""
        with self._database.read() as connection:
            return statements.find(
                connection,
                self._days,
                account_id=account_id,
                areas=areas,
                limit=limit,
                offset=offset,
            )

    def changed(self, *, areas: Collection[int] | None = None, limit: int = 50) -> list[Issued]:
        """Statements that differ from what their readings say now, the oldest first."""
        with self._database.read() as connection:
            return statements.changed(connection, self._days, areas=areas, limit=limit)

    def look_again(self) -> int:
        """Look at every statement of which a reading has changed; of how many."""
        total = 0
        while True:
            with self._database.write() as connection:
                done = corrections.look(connection, self._days, LOOKED_AT_ONCE)
            total += done
            if not done:
                return total

    def pay(
        self, account_id: int, amount: Decimal, reference: str, *, by: str, note: str = ""
    ) -> Booked:
        """Book a payment, once for each reference.

        Raises:
            LocalError: not above nought, no such account, or a reference of something else.
        """
        if balances.money(amount) <= 0:
            raise LocalError("a payment is above nought; take one back with an adjustment")
        return self._book(account_id, Entry("payment", amount, reference, note), by)

    def adjust(
        self, account_id: int, amount: Decimal, reference: str, *, by: str, note: str
    ) -> Booked:
        """Book a correction in either direction, with a reason. Raises LocalError."""
        if not note.strip():
            raise LocalError("say why: the note stays with the entry")
        return self._book(account_id, Entry("adjustment", amount, reference, note), by)

    def book(self, account_id: int, *, limit: int = 50, offset: int = 0) -> list[Booked]:
        """The entries of an account, the newest first."""
        with self._database.read() as connection:
            return balances.entries(connection, account_id, limit=limit, offset=offset)

    def forecasts(
        self, *, areas: Collection[int] | None = None, only_low: bool = False
    ) -> list[Forecast]:
        """Balance, daily use and days left of every account with a tariff, the most urgent first."""
        today = self._days.of(self._now())
        found = []
        for own in self._accounts(today, today, areas):
            with self._database.read() as connection:
                one = self._forecast(connection, own.id, own.number, today)
            if one.is_low or not only_low:
                found.append(one)
        return sorted(found, key=lambda one: (not one.is_low, _or_max(one.days_left), one.number))

    def _forecast(
        self, connection: Connection, account_id: int, number: str, today: date
    ) -> Forecast:
        own = figures.account(connection, account_id)
        left = balances.balance(connection, account_id)
        low = self._low_balance(connection, account_id, today)
        day_kwh = days_left = None
        found = archive_rows.meters(connection, meter_id=own.meter_id)
        try:
            ((code, _, _),) = tariff_rows.assigned(connection, account_id, today, today)
            ((tariff, _, _),) = in_force(tariff_rows.versions(connection, code), today, today)
            first, last = max(today - FORECAST_DAYS * _DAY, own.from_day), today - _DAY
            used = energies(connection, self._days, found[0], tariff, first, last)
            in_tiers = Decimal(0)
            since = max(figures.tier_start(tariff, today), own.from_day)
            if tariff.tiers and since < today:
                in_tiers = energies(connection, self._days, found[0], tariff, since, last).total
        except (LocalError, Unbillable, IndexError):
            pass  # not known; the balance is
        else:
            day_kwh = used.total / max(1, (today - first).days)
            each = price_of_a_kwh(tariff, used.kwh, in_tiers)
            if day_kwh * each > 0:
                days_left = max(0, int(left / (day_kwh * each)))
        is_low = low is not None and left < low
        return Forecast(account_id, number, own.customer, left, low, day_kwh, days_left, is_low)

    def _low_balance(self, connection: Connection, account_id: int, today: date) -> Decimal | None:
        table = schema_billing.account_tariff
        query = (
            select(table.c.low_balance)
            .where(table.c.account_id == account_id, table.c.from_day <= day_number(today))
            .order_by(table.c.from_day.desc())
            .limit(1)
        )
        found: Decimal | None = connection.execute(query).scalar_one_or_none()
        return found

    def _accounts(
        self, first: date, last: date, areas: Collection[int] | None, *, with_tariff: bool = True
    ) -> list[_Open]:
        """Accounts that are open on some day of a span, by number."""
        own, given = schema_archive.account, schema_billing.account_tariff
        query = (
            select(own.c.id, own.c.number, own.c.from_day, own.c.to_day)
            .where(
                own.c.from_day <= day_number(last),
                (own.c.to_day.is_(None)) | (own.c.to_day > day_number(first)),
            )
            .order_by(own.c.number)
        )
        if with_tariff:
            query = query.where(own.c.id.in_(select(given.c.account_id)))
        if areas is not None:
            meter, terminal = schema.meter, schema.terminal
            query = (
                query.join(meter, own.c.meter_id == meter.c.id)
                .join(terminal, meter.c.terminal_id == terminal.c.id)
                .where(terminal.c.area_id.in_(areas))
            )
        with self._database.read() as connection:
            return [
                _Open(
                    row.id,
                    row.number,
                    local_date(row.from_day),
                    None if row.to_day is None else local_date(row.to_day - 1),
                )
                for row in connection.execute(query)
            ]

    def _book(self, account_id: int, entry: Entry, by: str) -> Booked:
        with self._database.write() as connection:
            at = self._now()
            booked = balances.add(connection, account_id, entry, by=by, at=at)
            if booked.at == at:
                detail = f"{entry.amount} {entry.reference}"
                self._record(connection, by, entry.kind, f"account {account_id}", detail)
            return booked

    def _record(
        self, connection: Connection, by: str, action: str, subject: str, detail: str = ""
    ) -> None:
        trail.record(connection, by, action, subject, detail, self._now())


def _or_max(days: int | None) -> int:
    return 10**9 if days is None else days

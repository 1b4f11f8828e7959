"""Energy becomes money: the balance falls with the registers, warns, trips and lets close again.

Each quarter of an hour the meter charges its account, copies the consumption into the wallet of the element and
writes the run information; between two quarters it looks ahead for the moment at which a limit is reached.

Source: State Grid functions of local cost control (alarm 1 and 2, overdraft, closing limit); the interval of
15 minutes from public meter firmware.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from kwhub.prepay.element.files import PARAMETERS
from kwhub.prepay.run_information import (
    ALARM_1,
    ALARM_2,
    CURRENT,
    POTENTIAL,
    SWITCH_TIME,
    RunInformation,
)
from kwhub.prepay.tariff import MICRO, TARIFF_NOW, TARIFF_STANDBY, TIERS_OFFSET
from kwhub.sim.clockwork import wall_datetime, wall_seconds
from kwhub.sim.denial import Denied
from kwhub.sim.prepay_core import Core
from kwhub.sim.prepay_store import NEVER_S, Account

__all__ = ["BY_ITSELF", "QUARTER_S", "Consumption"]

QUARTER_S: Final = 900
BY_ITSELF: Final = "FFFFFFFF"
"""Operator of what the meter does for want of money."""

_TRIP, _PERMIT = 0x1A, 0x1B
_TIER_SWITCH: Final = 0x0400_0109
_MONEY_MAX: Final = 0xFFFF_FFFF


def _digits(raw: bytes) -> int:
    text = raw.hex()
    return int(text) if text.isdecimal() else 0


class Consumption:
    """The money side of the registers of one meter."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store
        self._planned: tuple[Account, bool, int] | None = None

    @property
    def runs(self) -> bool:
        """Whether energy costs money here: an open account in local mode."""
        return self._store.account.is_open and self._store.account.is_local

    @property
    def alarm_2(self) -> int:
        """Second alarm, hundredths."""
        return _digits(self._core.driver.read(PARAMETERS, ALARM_2, 4))

    @property
    def alarms(self) -> bool:
        """Whether the first alarm shows."""
        limit = _digits(self._core.driver.read(PARAMETERS, ALARM_1, 4))
        return self.runs and self._store.account.balance <= limit * MICRO

    def settle(self, at_s: int) -> Account:
        """Charge the account up to a moment, and keep it."""
        account = self._store.account
        if account.settled_s == NEVER_S or not self.runs:
            account = self._begun(account, at_s)
        account = self._in_period(account)  # the periods may have been written anew
        while account.settled_s < at_s:
            edge_s = min([at_s, *self._edges(account.settled_s)])
            account = self._charged(account, edge_s)
            self._switch(account.settled_s, edge_s)
            account = self._in_period(replace(account, settled_s=edge_s))
        if account != self._store.account:
            self._store.keep(account)
        return account

    def replan(self) -> None:
        """A price or a limit has changed: look ahead anew."""
        self._planned = None

    def next_s(self) -> int | None:
        """When there is something to do: at the next quarter, or when a limit is reached before."""
        if not self.runs:
            return None
        account, is_open = self._store.account, self._core.body.relay.state.is_open
        if self._planned is None or self._planned[:2] != (account, is_open):
            self._planned = account, is_open, self._look_ahead(account, is_open)
        return self._planned[2]

    def advance(self, at_s: int) -> None:
        """Do what is due."""
        due_s = self.next_s()
        if due_s is not None and due_s <= at_s:
            self.settle(at_s)
            self.act(at_s)
            if at_s % QUARTER_S == 0:
                self.copy(at_s)

    def act(self, at_s: int) -> None:
        """Trip, or permit closing, as the balance wants it."""
        account, limits = self._store.account, self._store.limits
        relay = self._core.body.relay
        alarm_2 = self.alarm_2 * MICRO
        if not self.runs:
            return
        waits = relay.state.is_open or relay.state.trip_at_s is not None
        if account.balance <= -limits.overdraft * MICRO:
            if not waits:
                self._trip(account, at_s)
        elif account.balance <= alarm_2 and not account.warned:
            if not waits:
                self._trip(replace(account, warned=True), at_s)
        elif account.cut_off and account.balance > max(alarm_2, limits.closing * MICRO):
            self.permit(at_s)
        now = self._store.account
        if now.warned and now.balance > alarm_2:
            self._store.keep(replace(now, warned=False))

    def permit(self, at_s: int) -> None:
        """Let the customer close what was opened for want of money, if the overdraft allows it."""
        account = self._store.account
        if account.cut_off and account.balance > -self._store.limits.overdraft * MICRO:
            self._core.body.relay.order(_PERMIT, 0, BY_ITSELF, at_s)
            self._store.keep(replace(account, cut_off=False))

    def ordered(self) -> None:
        """The head-end has given an order to the relay: from now on it is not open for want of money."""
        if self._store.account.cut_off:
            self._store.keep(replace(self._store.account, cut_off=False))

    def copy(self, at_s: int) -> None:
        """Make the element's wallet hold what is left, and write the run information."""
        if self.runs:
            money = self._core.driver.wallet[0]
            left = min(self._store.account.cents, _MONEY_MAX)
            if money > left:
                self._core.driver.consume(money - left)
        self._core.driver.keep_run_information(self.information(at_s).to_bytes())

    def information(self, at_s: int) -> RunInformation:
        """What goes back to the counter."""
        account, core = self._store.account, self._core
        relay_open = core.body.relay.state.is_open
        return RunInformation(
            meter=core.meter_number,
            customer=account.customer,
            money=min(account.cents, _MONEY_MAX),
            count=account.count,
            overdraft=min(account.owed, _MONEY_MAX),
            key_state=core.driver.key_state,
            illegal=min(core.failures.ever, 0xFF_FFFF),
            moment=wall_datetime(core.body.wall(at_s)),
            current_ratio=_digits(core.driver.read(PARAMETERS, CURRENT, 3)),
            potential_ratio=_digits(core.driver.read(PARAMETERS, POTENTIAL, 3)),
            state=account.is_local | relay_open << 1 | account.is_open << 2,
        )

    def _trip(self, account: Account, at_s: int) -> None:
        try:
            self._core.body.relay.order(_TRIP, 0, BY_ITSELF, at_s)
        except Denied:
            return  # the supply is protected: at the next quarter it is tried again
        self._store.keep(replace(account, cut_off=True))

    def _begun(self, account: Account, at_s: int) -> Account:
        """Energy so far costs nothing."""
        ticks = self._core.body.readout.registers.tariffs(at_s)
        return self._in_period(replace(account, ticks=ticks, settled_s=at_s))

    def _charged(self, account: Account, at_s: int) -> Account:
        ticks = self._core.body.readout.registers.tariffs(at_s)
        spent = [new - old for new, old in zip(ticks, account.ticks, strict=True)]
        used = sum(account.ticks) - account.period_ticks
        cost = self._store.tariff(TARIFF_NOW).cost(spent, used)
        return replace(account, balance=account.balance - cost, ticks=ticks)

    def _in_period(self, account: Account) -> Account:
        wall = self._wall(account.settled_s)
        start = self._store.tariff(TARIFF_NOW).period_start(wall)
        start_s = 0 if start is None else wall_seconds(start)
        if start_s == account.period_s:
            return account
        return replace(account, period_s=start_s, period_ticks=sum(account.ticks))

    def _wall(self, at_s: int) -> datetime:
        return wall_datetime(self._core.body.wall(at_s))

    def _switches(self) -> list[tuple[int, slice]]:
        """Wall seconds at which the prices and the tiers to come are taken, and which bytes those are."""
        price = self._core.driver.read(PARAMETERS, SWITCH_TIME, 5).hex()
        tier = self._core.body.settings.digits(_TIER_SWITCH)
        places = (price, slice(0, TIERS_OFFSET)), (tier, slice(TIERS_OFFSET, None))
        return [
            (wall_seconds(datetime.strptime(text, "%y%m%d%H%M")), part)  # noqa: DTZ007 - a meter's wall time
            for text, part in places
            if text.isdecimal() and int(text) and text != "9" * 10
        ]

    def _edges(self, from_s: int) -> list[int]:
        """Moments after a moment at which the price changes."""
        clock, wall_s = self._core.body.readout.clock, self._core.body.wall(from_s)
        walls = [switch_s for switch_s, _ in self._switches()]
        period = self._store.tariff(TARIFF_NOW).next_period(wall_datetime(wall_s))
        walls += [] if period is None else [wall_seconds(period)]
        moments = [clock.reached(each) for each in walls if each > wall_s]
        return [each for each in moments if each > from_s]

    def _switch(self, from_s: int, to_s: int) -> None:
        """Take the standby prices or tiers when their time has come."""
        walls = range(self._core.body.wall(from_s) + 1, self._core.body.wall(to_s) + 1)
        for switch_s, part in self._switches():
            if switch_s in walls:
                now = bytearray(self._store.tariff_bytes(TARIFF_NOW))
                now[part] = self._store.tariff_bytes(TARIFF_STANDBY)[part]
                self._store.keep_tariff(TARIFF_NOW, bytes(now))

    def _look_ahead(self, account: Account, is_open: bool) -> int:  # noqa: FBT001 - half of what the plan is for
        """The next quarter, or the second before it at which a limit is reached."""
        quarter_s = (account.settled_s // QUARTER_S + 1) * QUARTER_S
        edges = [each for each in self._edges(account.settled_s) if each < quarter_s]
        quarter_s = min([quarter_s, *edges])
        limits = [-self._store.limits.overdraft * MICRO]
        limits += [] if account.warned else [self.alarm_2 * MICRO]
        ahead = [each for each in limits if each < account.balance]
        if is_open or not ahead or self._charged(account, quarter_s).balance > max(ahead):
            return quarter_s
        low, high = account.settled_s, quarter_s
        while high - low > 1:
            middle = (low + high) // 2
            reached = self._charged(account, middle).balance <= max(ahead)
            low, high = (low, middle) if reached else (middle, high)
        return high

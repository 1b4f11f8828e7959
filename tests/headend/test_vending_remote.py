"""A purchase over the line: forwarded frames of a real meter, cuts of the head-end at every statement, lost frames."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from tests.headend.test_vending import Counter, CutError, Cutting
from tests.sim.prepay_site import CUSTOMER, METER, Site

from kwhub.domain.errors import KwhubError, LocalError, Refusal
from kwhub.headend.front.relay import Relay
from kwhub.headend.vending_remote import RemoteDesk
from kwhub.prepay.conversations import Outcome, recharge
from kwhub.prepay.medium import Arrival
from kwhub.prepay.sessions import Target
from kwhub.prepay.vending import State
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock
from kwhub.sim.prepay_core import Core

TARGET = Target(METER, METER)


class Line:
    """Takes the bytes of a frame to the meter, as 10-F1 does, and brings its answer; may lose either."""

    def __init__(self, site):
        self.site, self.frames, self.fates = site, [], iter(())

    async def carry(self, frame):
        self.frames.append(frame)
        fate = next(self.fates, "")
        if callable(fate):
            fate = fate() or ""
        if fate == "request":
            return b""
        session = Session(Role.METER, preamble=0, addresses={METER})
        session.receive(frame, 0.0)
        for asked in session.events():
            reply = self.site.meter.answer(asked.request, self.site.at_s)
            if reply is not None:
                session.send(reply.message, 0.0)
        return b"" if fate == "answer" else session.outgoing(1.0)


class Remote(Counter):
    """A counter that sells over a line."""

    def sell_remote(self, payment="P1", amount=1_000, fates=()):
        self.line = Line(self.site)
        self.line.fates = iter(fates)
        desk = RemoteDesk(self.store, self.crypto, self.now)
        relay = Relay(self.line.carry, SystemClock())
        return asyncio.run(desk.sell(relay, TARGET, amount, "ann", payment))

    @property
    def pending(self):
        return RemoteDesk(self.store, self.crypto, self.now).pending


@pytest.fixture
def remote(tmp_path):
    made = Remote(tmp_path)
    yield made
    made.close()


def test_purchases_over_the_line_are_confirmed_by_the_meter(remote):
    first = remote.sell_remote()
    assert (first.outcome, first.purchase.state) == (Outcome.DONE, State.CONFIRMED)
    second = remote.sell_remote("P2", 700)
    assert (second.purchase.count, second.account.money) == (2, 1_700)
    again = remote.sell_remote("P2", 700)
    assert (again.outcome, remote.line.frames) == (Outcome.ALREADY, [])
    assert remote.site.element.wallet == (1_700, 2)
    assert remote.kinds({"P1": 1_000, "P2": 700}) == set()


def test_line_and_medium_together_credit_once(remote):
    remote.sell(1_000, "P1")
    assert remote.visit().arrival is Arrival.DONE
    remote.site.boot()  # the session of the medium keeps the head-end out for a minute
    told = remote.sell_remote("P1")
    assert told.outcome.good
    assert told.purchase.state is State.ISSUED  # in, but who has brought it? the medium knows
    assert [each.payment for each in remote.desk.collect(remote.medium).confirmed] == ["P1"]
    remote.sell(500, "P2")
    assert remote.sell_remote("P2", 500).outcome is Outcome.DONE
    remote.site.boot()
    assert remote.visit().arrival is Arrival.ALREADY
    assert remote.site.element.wallet == (1_500, 2)
    assert remote.kinds() == set()


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("fate", ["request", "answer"])
def test_whichever_frame_is_lost_the_purchase_is_in_once(remote, place, fate):
    told = remote.sell_remote(fates=[""] * place + [fate])
    while not told.outcome.good:
        told = remote.sell_remote()
    assert remote.site.element.wallet == (1_000, 1)
    assert told.purchase.state is State.CONFIRMED


def test_a_meter_that_is_silent_leaves_the_purchase_pending_and_a_second_one_waits(remote):
    with pytest.raises(LocalError, match="nothing was sold"):
        remote.sell_remote(fates=["answer"] * 100)  # never read: its next number is not guessed
    assert remote.store.purchases == []
    assert remote.sell_remote().outcome.good
    told = remote.sell_remote("P2", fates=["answer"] * 100)
    assert (told.outcome, told.purchase.state) == (Outcome.UNKNOWN, State.RESERVED)
    assert [each.payment for each in remote.pending] == ["P2"]
    with pytest.raises(Refusal, match="not collected yet"):
        remote.sell_remote("P3")
    assert remote.sell_remote("P2").outcome.good
    assert (remote.pending, remote.site.element.wallet) == ([], (2_000, 2))


@pytest.mark.parametrize("bought", [0, 3])
def test_a_meter_with_money_of_others_gets_what_is_sold_for_it(remote, bought):
    """Books that have never read the meter do not take another desk's number for their own."""
    remote.site = Site(core=Core, opened=5_000)
    for number in range(2, 2 + bought):
        remote.site.run(recharge(remote.site.master, remote.site.target, 100, number, CUSTOMER))
    money = remote.site.element.wallet[0]
    told = remote.sell_remote("P1", 700)
    assert (told.outcome, told.purchase.state) == (Outcome.DONE, State.CONFIRMED)
    assert remote.site.element.wallet == (money + 700, 2 + bought)
    assert remote.kinds({"P1": 700}) == set()


def test_a_meter_with_keys_of_the_version_before_buys_over_the_line(remote):
    remote.site = Site(core=Core, version=1)
    for number, payment in enumerate(("P1", "P2"), 1):
        told = remote.sell_remote(payment, 700)
        assert (told.outcome, told.purchase.state) == (Outcome.DONE, State.CONFIRMED)
        assert remote.site.element.wallet == (700 * number, number)
    assert remote.kinds({"P1": 700, "P2": 700}) == set()


def test_a_number_that_another_desk_has_loaded_meanwhile_is_not_confirmed(remote):
    remote.sell_remote()
    remote.site.boot()
    remote.site.run(recharge(remote.site.master, remote.site.target, 100, 2, CUSTOMER))
    remote.site.boot()
    told = remote.sell_remote("P2", 700)
    assert (told.outcome, told.purchase.state) == (Outcome.REFUSED, State.RESERVED)
    assert remote.site.element.wallet == (1_100, 2)
    assert remote.kinds({"P1": 1_000, "P2": 700}) == {"loaded-not-signed"}
    assert remote.desk.cancel("P2").state is State.CANCELLED  # never signed: the money goes back
    third = remote.sell_remote("P3", 700)
    assert (third.purchase.count, third.purchase.state) == (3, State.CONFIRMED)


def test_a_cancelled_purchase_is_not_signed_whoever_is_on_the_way_to_the_meter(remote):
    """Cancelled after it was reserved and before it was signed: no money, and no signature."""
    remote.sell_remote()
    real = remote.crypto.login

    def login(*arguments):
        if remote.store.purchase("P2").state is State.ISSUED:
            remote.store.saw_count(METER, 1, remote.now())
            remote.desk.cancel("P2")
        return real(*arguments)

    remote.store.reserve(METER, 700, "ann", "P2", remote.now())
    remote.crypto.login = login
    with pytest.raises(Refusal, match="cancelled"):
        remote.sell_remote("P2", 700)
    assert remote.site.element.wallet == (1_000, 1)
    assert len(remote.crypto.signatures) == 1


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["store", "crypto"])
def test_a_head_end_that_stops_at_any_statement_sells_once(tmp_path, whose):
    cut, left = True, 0
    while cut:
        folder = tmp_path / str(left)
        folder.mkdir()
        remote, cut = Remote(folder), False
        places = {"store": (remote.store, "_base"), "crypto": (remote.crypto, "_book")}
        owner, name = places[whose]
        setattr(owner, name, Cutting(getattr(owner, name), left))
        try:
            remote.sell_remote()
        except CutError:
            cut = True
        remote.close()
        remote.open()
        assert remote.store.verify() is None
        for each in remote.pending or [None]:
            remote.sell_remote("P1" if each is None else each.payment)
        assert remote.site.element.wallet == (1_000, 1), left
        assert [each.state for each in remote.store.purchases] == [State.CONFIRMED]
        assert remote.kinds({"P1": 1_000}) == set()
        remote.close()
        left += 1
    assert left > {"store": 15, "crypto": 3}[whose]


def test_a_look_at_the_meter_before_the_medium_is_back_does_not_permit_to_cancel_what_is_in(remote):
    remote.sell(1_000, "P1")
    assert remote.visit().arrival is Arrival.DONE
    remote.site.boot()
    assert remote.sell_remote("P1").purchase.state is State.ISSUED
    with pytest.raises(Refusal, match="the meter has it"):
        remote.desk.cancel("P1")
    assert remote.kinds() == {"arrival-not-proven"}


# Another counter with the same root keys uses the number meanwhile


def stranger(remote, amount, count):
    """Somebody else's line: its login ends whatever session there is."""

    def buy():
        site = remote.site
        site.run(recharge(site.master, site.target, amount, count, CUSTOMER))
        site.boot()

    return buy


@pytest.mark.parametrize("amount", [100, 700])
@pytest.mark.parametrize("place", range(6))
def test_a_number_that_a_stranger_takes_before_any_frame_of_a_sale_is_not_confirmed(
    remote, place, amount
):
    """Of less, or of the same: the balance says nothing. Before the last frame the sale is in, and he comes too late."""
    remote.sell_remote()
    with suppress(KwhubError):  # its session was ended before anything was sold
        remote.sell_remote("P2", 700, fates=[""] * place + [stranger(remote, amount, 2)])
    is_ours = place == 5
    assert remote.site.store.account.paid == 1_000 + (700 if is_ours else amount)
    for _ in range(2):  # also when it is brought again, and a day later
        told = remote.sell_remote("P2", 700)
        assert (told.purchase.state is State.CONFIRMED) is is_ours
        remote.at += timedelta(days=1)
    assert bool(remote.kinds()) is not is_ours
    assert not (remote.kinds() & {"changed", "amounts-differ", "confirmed-not-loaded"})


@pytest.mark.parametrize("minutes", [1, 14, 16, 600])
def test_a_try_that_was_cut_proves_itself_only_to_who_asks_soon(remote, minutes):
    """Its answers are lost, and the session with them: within a quarter of an hour two readings around it do."""
    remote.sell_remote()
    told = remote.sell_remote("P2", 700, fates=[""] * 4 + ["answer"] * 100)
    assert (told.outcome, told.purchase.state) == (Outcome.UNKNOWN, State.ISSUED)
    remote.at += timedelta(minutes=minutes)
    state = State.CONFIRMED if minutes < 15 else State.ISSUED
    assert remote.sell_remote("P2", 700).purchase.state is state
    assert remote.site.element.wallet == (1_700, 2)
    assert remote.kinds() == (set() if minutes < 15 else {"arrival-not-proven"})


def test_a_stranger_long_after_a_try_that_was_cut_is_not_taken_for_it(remote):
    remote.sell_remote()
    remote.sell_remote("P2", 700, fates=[""] * 4 + ["request"] * 100)
    remote.at += timedelta(hours=1)
    stranger(remote, 700, 2)()
    told = remote.sell_remote("P2", 700)
    assert (told.outcome, told.purchase.state) == (Outcome.ALREADY, State.ISSUED)
    assert remote.kinds() == {"arrival-not-proven"}


@pytest.mark.parametrize("arrived", [True, False])
def test_what_stays_open_is_settled_by_a_second_person_and_by_nobody_else(remote, arrived):
    remote.sell_remote()
    with pytest.raises(Refusal, match="the purchase is confirmed"):
        remote.desk.settle("P1", "bob", arrived=arrived)
    remote.store.reserve(METER, 700, "ann", "P2", remote.now())
    remote.store.issued(remote.store.purchase("P2"), remote.now())
    with pytest.raises(Refusal, match="has not told this number"):
        remote.desk.settle("P2", "bob", arrived=arrived)
    remote.sell_remote("P2", 700, fates=[""] * 4 + ["answer"] * 100)
    remote.at += timedelta(hours=1)
    assert remote.sell_remote("P2", 700).purchase.state is State.ISSUED
    with pytest.raises(Refusal, match="another person"):
        remote.desk.settle("P2", "ann", arrived=arrived)
    told = remote.desk.settle("P2", "bob", arrived=arrived)
    assert told.state is (State.CONFIRMED if arrived else State.CANCELLED)
    assert remote.kinds() == set()
    assert "person bob" in remote.store.ledger[-1].content
    assert remote.sell_remote("P3", 100).purchase.count == 3


def test_what_the_line_cannot_prove_any_more_is_not_brought_again_every_hour(remote):
    """Each try would write into the ledger for ever."""
    remote.sell_remote()
    remote.sell_remote("P2", 700, fates=[""] * 4 + ["answer"] * 100)
    (waiting,) = remote.pending
    assert not remote.store.is_beyond_the_line(waiting, remote.now())  # the meter has not told it
    remote.at += timedelta(hours=1)
    remote.sell_remote("P2", 700)
    assert remote.store.is_beyond_the_line(remote.pending[0], remote.now())
    remote.store.reserve(METER, 100, "ann", "P3", remote.now())
    assert not remote.store.is_beyond_the_line(remote.store.purchase("P3"), remote.now())

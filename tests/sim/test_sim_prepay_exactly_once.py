"""Money arrives exactly once: power cuts after every step of both memories, lost, late and doubled frames."""

import pytest
from tests.sim.prepay_site import CUSTOMER, FOR_EVER, PowerCutError, Site

from kwhub.prepay.conversations import Outcome, initialise_wallet, open_account, recharge
from kwhub.prepay.orders import update_keys
from kwhub.prepay.sessions import ATTEMPTS_MAX, log_in
from kwhub.prepay.wire.requests import Purchase, Refund
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.dlt645.orders import Authenticate
from kwhub.runtime.chance import seeded
from kwhub.sim.prepay_core import Core, Profile
from kwhub.sim.prepay_store import MeterStore

AMOUNT, BEFORE = 1_234, 5_000
DEEP = 3  #: how many steps lie between the cuts during recovery


class NoWriteAhead(MeterStore):
    """The negative control: nothing is said before the element is told."""

    def intend(self, intent):
        pass


class NoWriteAheadCore(Core):
    @staticmethod
    def make_store(memory):
        return NoWriteAhead(memory)


def saved(site):
    return bytes(site.chip.content), bytes(site.own.content)


def restore(site, state, seed):
    site.chip.content[:], site.own.content[:] = state
    site._seed = seed
    site.supply.left = FOR_EVER
    site.boot()


def buy(site, count=2):
    return site.run(recharge(site.master, site.target, AMOUNT, count, CUSTOMER))


def cut_after(site, steps, act):
    """Run with power for so many steps; whether it was cut."""
    site.supply.left = steps
    try:
        act()
    except PowerCutError:
        return True
    finally:
        site.supply.left = FOR_EVER
    return False


def agrees(site, money, count):
    account = site.store.account
    return site.element.wallet == (money, count) and (account.cents, account.count) == (
        money,
        count,
    )


def exhaust(core=Core, *, recovery=True):
    """Cut after every step of a purchase, and after steps of what follows; (runs, failures)."""
    site = Site(opened=BEFORE, core=core)
    state, runs, failures, steps = saved(site), 0, 0, 0
    cut = True
    while cut:
        restore(site, state, ("first", steps))
        cut = cut_after(site, steps, lambda: buy(site))
        torn, again, deep = saved(site), True, 0
        while again:
            restore_only(site, torn)
            again = cut_after(site, deep, site.boot) if recovery else False
            site.boot()
            money, count = site.element.wallet
            booted = agrees(site, money, count) and (money, count) in (
                (BEFORE, 1),
                (BEFORE + AMOUNT, 2),
            )
            good = buy(site).outcome.good
            runs += 1
            failures += not (booted and good and agrees(site, BEFORE + AMOUNT, 2))
            deep += DEEP
        steps += 1
    return runs, failures


def restore_only(site, state):
    site.chip.content[:], site.own.content[:] = state
    site.supply.left = FOR_EVER


@pytest.mark.slow
def test_t02_a_cut_after_any_step_and_during_recovery_loses_and_doubles_nothing():
    runs, failures = exhaust()
    assert runs > 416
    assert failures == 0


@pytest.mark.slow
def test_t02_without_the_write_ahead_cuts_lose_money():
    """The negative control: the test above bites."""
    runs, failures = exhaust(NoWriteAheadCore, recovery=False)
    assert runs > 30
    assert failures >= 5


def each_cut(make, act, good):
    """Cut an act after every step, switch on, do it again: it must end well; how many cuts."""
    site = make()
    state, steps, cut = saved(site), 0, True
    while cut:
        restore(site, state, steps)
        cut = cut_after(site, steps, lambda: act(site))
        site.boot()
        act(site)
        assert good(site), steps
        steps += 1
    return steps


@pytest.mark.slow
def test_an_account_is_opened_once_whatever_is_cut():
    def act(site):
        return site.run(open_account(site.master, site.target, AMOUNT, CUSTOMER)).outcome

    def good(site):
        account = site.store.account
        return agrees(site, AMOUNT, 1) and (account.is_open, account.customer) == (True, CUSTOMER)

    assert each_cut(Site, act, good) > 10


@pytest.mark.slow
def test_a_refund_is_made_once_whatever_is_cut():
    def act(site):
        number = max(site.refunds.orders, default=None)  # the same order, whatever was cut
        return site.run(site.refund(200, number)).outcome

    steps = each_cut(
        lambda: Site(opened=BEFORE, profile=Profile(has_refund=True)),
        act,
        lambda site: agrees(site, BEFORE - 200, 1),
    )
    assert steps > 10


@pytest.mark.slow
def test_a_wallet_begins_with_its_money_whatever_is_cut():
    steps = each_cut(
        lambda: Site(formal=False),
        lambda site: site.run(initialise_wallet(site.master, site.target, 900)),
        lambda site: agrees(site, 900, 0),
    )
    assert steps > 10


@pytest.mark.slow
def test_a_key_update_that_was_cut_is_finished_by_the_same_set():
    site = Site(version=1)
    target = type(site.target)(site.number, site.number, "00000001", (2, 1))
    state, steps, cut = saved(site), 0, True
    while cut:
        restore(site, state, steps)
        cut = cut_after(site, steps, lambda: site.run(update_keys(site.master, target, 2)))
        site.boot()
        site.run(update_keys(site.master, target, 2))
        assert site.run(log_in(site.master, site.target)).login.version == 2
        steps += 5
    opened = site.run(open_account(site.master, site.target, AMOUNT, CUSTOMER))
    assert opened.outcome is Outcome.DONE


def of(site, kind):
    return [
        each
        for each in site.requests
        if isinstance(each, Authenticate) and each.identifier == kind.IDENTIFIER
    ]


@pytest.mark.parametrize("lost", range(1, 6))
@pytest.mark.parametrize("fate", ["request", "answer"])
def test_t02_whichever_frame_is_lost_the_purchase_is_in_once(lost, fate):
    site = Site(opened=BEFORE)
    seen = []

    def drop(request):
        seen.append(request)
        return fate if len(seen) == lost else ""

    site.drop = drop
    result = buy(site)
    assert result.outcome is Outcome.DONE
    assert (result.account.money, result.account.count) == (BEFORE + AMOUNT, 2)
    assert agrees(site, BEFORE + AMOUNT, 2)


def test_after_a_lost_answer_the_meter_is_asked_and_not_told_again():
    site = Site(opened=BEFORE)
    lost = iter(["answer"])
    site.drop = lambda request: (
        next(lost, "") if request.function == 3 and request.identifier == 0x070102FF else ""
    )
    assert buy(site).outcome is Outcome.DONE
    assert len(of(site, Purchase)) == 1


def test_silence_is_not_taken_for_an_answer():
    site = Site(opened=BEFORE)
    site.drop = lambda request: "answer" if request.function == 3 else ""
    result = buy(site)
    assert (result.outcome, result.account) == (Outcome.UNKNOWN, None)
    assert len(site.requests) == 4 + ATTEMPTS_MAX  # four of the opening
    site.drop = lambda _request: ""
    assert buy(site).outcome.good
    assert agrees(site, BEFORE + AMOUNT, 2)


def test_t02_doubled_late_and_reordered_frames_credit_once():
    site = Site(opened=BEFORE)
    assert buy(site).outcome is Outcome.DONE
    old = of(site, Purchase)[-1]
    assert isinstance(site.ask(old), Refused)  # doubled: repeat
    assert site.ask(old).error == 2
    session = site.run(log_in(site.master, site.target))
    signed = site.master.recharge(session.login, session.nonce, 100, 3, CUSTOMER)
    third = Purchase(100, 3, signed.money_mac, CUSTOMER, signed.customer_mac)
    request = Authenticate(site.number, third.IDENTIFIER, third.payload())
    assert site.ask(old).error == 4  # late, in a new session: the MAC is old
    assert isinstance(site.ask(request), Data)
    assert site.ask(old).error == 32  # after the next one
    assert site.ask(request).error == 2
    assert agrees(site, BEFORE + AMOUNT + 100, 3)


def test_a_refund_that_is_sent_twice_is_made_once():
    site = Site(opened=BEFORE, profile=Profile(has_refund=True))
    lost = iter(["answer"])
    site.drop = lambda request: (
        next(lost, "") if request.function == 3 and request.identifier == 0x070108FF else ""
    )
    result = site.run(site.refund(200))
    assert result.outcome is Outcome.ALREADY
    assert len(of(site, Refund)) == 2
    assert agrees(site, BEFORE - 200, 1)
    site.refunds.done(1, site.at_s)
    site.drop = lambda _request: "request"
    assert site.run(site.refund(1)).outcome is Outcome.UNKNOWN


def unlucky(site, chance):
    """Some power, and a line that loses something now and then."""
    site.supply.left = chance.randint(0, 140) if chance.random() < 0.35 else FOR_EVER
    fate = chance.choice(["", "", "answer", "request"])
    site.drop = lambda _request: fate if chance.random() < 0.1 else ""


@pytest.mark.slow
def test_t02_three_hundred_purchases_with_random_cuts():
    """Three thousand, with counter and medium: python -m tests.headend.vending_soak."""
    chance = seeded(20_261_121, "soak")
    site = Site(opened=BEFORE)
    total, cuts = BEFORE, 0
    for count in range(2, 302):
        amount = chance.randint(1, 900)
        total += amount
        done = False
        while not done:
            unlucky(site, chance)
            try:
                result = site.run(recharge(site.master, site.target, amount, count, CUSTOMER))
                done = result.outcome.good
            except PowerCutError:
                cuts += 1
                while cut_after(site, chance.randint(0, 60), site.boot):
                    cuts += 1
            site.at_s += 90_000 if site.unit.core.is_suspended else 0
    site.supply.left = FOR_EVER
    site.boot()
    assert agrees(site, total, 301)
    assert site.store.account.paid == total
    assert cuts > 100

"""Finding meters: every meter is a talker of its own on a wire on which those who overlap garble."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from kwhub.domain.errors import LocalError
from kwhub.exchange.scan import Outcome, Progress, Reason, Scan, count_phases
from kwhub.exchange.scan_listener import Heard, Listener, Probe
from kwhub.links.drive import Driver
from kwhub.links.layers import FaultRates, Faulty
from kwhub.links.wired import WiredBus
from kwhub.protocols.dlt645 import Edition, Frame645, ReadAddress, ReadData, Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NEW, OLD = (Edition.E2007,), (Edition.E1997,)
EVERYBODY = "A" * 12


def meter(address, edition=Edition.E2007, phases=1):
    load = CustomerLoad(Kind.SHOP, 3, Climate(1, day_number(date(2026, 1, 5))), utc_offset_s=28_800)
    return SimulatedMeter(address, load, edition=edition, phases=phases, initial=(1, 2, 3, 4))


def scanned(meters, conversation=Scan.run, delays=(), then=None, layer=None, **knobs):
    """Scan a wire with these meters; returns the census, what was told, and the driver."""
    told: list[Progress] = []

    async def main(clock):
        bus = WiredBus(clock)
        taps = []
        async with asyncio.TaskGroup() as tasks:
            for number, each in enumerate(meters):
                taps.append(tap := bus.attach())
                delay_s = delays[number] if delays else 0.02 + 0.013 * number
                tasks.create_task(serve_meters(tap, [each], clock, reply_delay_s=delay_s))
            near = layer(bus.attach()) if layer else bus.attach()
            driver = Driver(near, Listener(baud=2400), clock, attempts=1)
            census = await driver.run(conversation(Scan(told=told.append, **knobs)))
            extra = await then(near, clock) if then else None
            for tap in taps:
                await tap.aclose()
        return census, told, driver, extra

    return run_virtual(main, start=START)


def test_an_empty_line_is_asked_four_questions_and_found_empty():
    census, told, driver, _ = scanned([])
    assert census.complete
    assert not census.meters
    assert [(step.pattern, step.edition, step.outcome) for step in told] == [
        (EVERYBODY, Edition.E2007, Outcome.SILENCE),
        (EVERYBODY, Edition.E2007, Outcome.SILENCE),
        (EVERYBODY, Edition.E1997, Outcome.SILENCE),
        ("9" * 12, Edition.E1997, Outcome.SILENCE),
    ]
    assert driver.bytes_in == 0


def test_a_single_meter_is_found_by_the_first_question_and_confirmed():
    census, told, _driver, _ = scanned([meter("000000000038")], editions=NEW)
    (found,) = census.meters.values()
    assert (found.address, found.edition, found.attempts) == ("000000000038", Edition.E2007, 1)
    assert found.energy_kwh is not None
    assert found.energy_kwh > 0
    assert found.delay_s == pytest.approx(0.02, abs=0.005)
    assert census.probes == 2
    assert told[-1].found == found


@pytest.mark.parametrize("delays", [(0.02, 0.02), (0.02, 0.021), (0.02, 0.05), (0.02, 0.3)])
def test_two_meters_are_told_apart_however_their_answers_meet(delays):
    addresses = ["000000000038", "000000000039"]
    census, _, _, _ = scanned([meter(each) for each in addresses], delays=delays, editions=NEW)
    assert sorted(census.meters) == addresses
    assert census.collisions >= 1
    assert census.collided[0] == EVERYBODY
    assert not census.unresolved


def test_the_low_pair_is_fixed_first_and_only_collisions_are_looked_into():
    addresses = ["110000000138", "220000000138", "000000000039"]
    census, told, _, _ = scanned([meter(each) for each in addresses], editions=NEW, attempts=1)
    assert sorted(census.meters) == sorted(addresses)
    patterns = {step.pattern for step in told}
    assert "AAAAAAAAAA38" in patterns
    assert "AAAAAAAA0138" in patterns
    assert "AAAAAAAA0039" not in patterns  # one meter answered there: nothing to look into
    assert all(pattern.lstrip("A").isdigit() or pattern == EVERYBODY for pattern in patterns)
    by_hand = 1 + 6 * 100 + 3  # everybody, six levels below collisions, three confirmations
    assert census.probes == by_hand


def test_meters_of_1997_are_found_by_wildcard():
    addresses = ["000000000138", "000000000238"]
    meters = [meter(each, Edition.E1997) for each in addresses]
    census, _, _, _ = scanned(meters)
    assert sorted(census.meters) == addresses
    assert {each.edition for each in census.meters.values()} == {Edition.E1997}


def test_both_editions_on_one_line():
    census, _, _, _ = scanned([meter("000000000001"), meter("000000000002", Edition.E1997)])
    assert {each.address: each.edition for each in census.meters.values()} == {
        "000000000001": Edition.E2007,
        "000000000002": Edition.E1997,
    }


def test_two_meters_with_one_address_are_reported_and_not_invented():
    twins = [meter("000000000038"), meter("000000000038", phases=3)]
    census, _, _, _ = scanned(twins, editions=NEW, attempts=1, delays=(0.02, 0.03))
    assert not census.meters
    (open_branch,) = census.unresolved
    assert open_branch.pattern == "000000000038"
    assert open_branch.reason is Reason.SAME_ADDRESS


def test_a_scan_gives_up_after_its_last_question_and_says_so():
    meters = [meter("000000000038"), meter("000000000039")]
    census, _, _, _ = scanned(meters, editions=NEW, probes_max=20)
    assert not census.complete
    assert census.probes == 20


def test_known_addresses_are_only_checked():
    meters = [meter("000000000038"), meter("000000000039", Edition.E1997)]
    known = ["000000000038", "000000000039", "000000000040"]
    census, _, _, _ = scanned(meters, lambda scan: scan.check(known))
    assert sorted(census.meters) == known[:2]
    assert census.meters["000000000039"].edition is Edition.E1997
    assert census.complete


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("edition", Edition)
def test_phases_are_counted(phases, edition):
    async def count(link, clock):
        driver = Driver(link, Session(Role.MASTER), clock)
        return await driver.run(count_phases("000000000038", edition))

    meters = [meter("000000000038", edition, phases)]
    *_, counted = scanned(meters, editions=(edition,), then=count)
    assert counted == phases


@pytest.mark.parametrize("rates", [FaultRates(), FaultRates(loss=0.01, flip=0.01, echo=0.2)])
@pytest.mark.parametrize("seed", range(3))
def test_all_of_many_meters_and_no_others_are_found(seed, rates):
    chance = seeded(seed)
    addresses = [f"002604{number:06d}" for number in chance.sample(range(3000), 10)]
    meters = [
        meter(each, Edition.E1997 if chance.random() < 0.2 else Edition.E2007) for each in addresses
    ]
    delays = [chance.uniform(0.02, 0.45) for _ in meters]

    def disturbed(link):
        return Faulty(link, chance, rates)

    census, _, _, _ = scanned(meters, delays=delays, layer=disturbed)
    assert sorted(census.meters) == sorted(addresses), f"seed {seed}"
    assert census.complete
    assert not census.unresolved


# Lines that no simulated meter makes: the conversation alone, answered by hand.


class Line:
    """Answers probes from a function of the pattern that gives the frames heard and the garbage."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def run(self, conversation):
        event = None
        try:
            while True:
                probe = conversation.send(event)
                self.asked.append(probe)
                event = self.heard(probe)
        except StopIteration as done:
            return done.value

    def heard(self, probe):
        frames, garbled = self.answer(probe)
        listener = Listener()
        listener.send(probe, 0.0)
        listener.outgoing(0.0)
        listener.receive(garbled, 0.1)
        for frame in frames:
            listener.receive(frame.to_bytes(), 0.1)
        while (moment := listener.deadline()) is not None:
            listener.on_deadline(moment)
        (event,) = listener.events()
        return event


def value_of(address, probe):
    """What a meter answers to a probe."""
    if isinstance(probe.request, ReadAddress):
        return Frame645(address, 0x93, bytes.fromhex(address)[::-1])
    return Frame645(address, 0x91, probe.request.data() + bytes(4))


def is_meant(probe, address):
    return address.endswith(probe.request.address.lstrip("A"))


def test_a_ghost_that_a_collision_looked_like_is_not_believed():
    true = ("000000000011", "000000000022")

    def answer(probe):
        meant = [address for address in true if is_meant(probe, address)]
        if len(meant) == 2:
            return [value_of("000000000000", probe)], b""
        return [value_of(address, probe) for address in meant], b""

    census = Line(answer).run(Scan(editions=NEW).run())
    assert sorted(census.meters) == sorted(true)


def test_answers_that_cancel_each_other_are_found_by_asking_again():
    asked = set()

    def answer(probe):
        pattern = probe.request.address
        meant = [a for a in ("000000000111", "000000000211") if is_meant(probe, a)]
        if len(meant) == 2 and pattern != EVERYBODY and pattern not in asked:
            asked.add(pattern)
            return [], b""
        if len(meant) == 2:
            return [], bytes(20)
        return [value_of(address, probe) for address in meant], b""

    census = Line(answer).run(Scan(editions=NEW).run())
    assert sorted(census.meters) == ["000000000111", "000000000211"]
    hasty = Line(answer)
    asked.clear()
    census = hasty.run(Scan(editions=NEW, attempts=1).run())
    assert not census.meters
    assert census.unresolved[0].reason is Reason.NOBODY_BELOW


def test_a_glitch_of_the_line_is_not_an_answer():
    census = Line(lambda probe: ([], b"\x00\xff")).run(Scan(editions=NEW).run())
    assert census.complete
    assert census.collisions == 0
    assert not census.unresolved


def test_a_glitch_before_an_answer_does_no_harm():
    address = "000000000038"
    census = Line(
        lambda probe: ([value_of(address, probe)] if is_meant(probe, address) else [], b"\x00")
    ).run(Scan(editions=NEW).run())
    assert list(census.meters) == [address]
    assert census.probes == 2


def test_a_line_that_always_makes_noise_comes_to_an_end():
    census = Line(lambda probe: ([], bytes(30))).run(Scan(probes_max=500).run())
    assert not census.complete
    assert census.probes == 500


def test_a_make_that_leaves_the_wildcard_in_its_answers_is_asked_for_its_address():
    address = "000000000038"

    def answer(probe):
        request = probe.request
        if isinstance(request, ReadAddress) or not is_meant(probe, address):
            return [], b""
        raw = bytes.fromhex(address)[::-1] if request.identifier == 0x04000401 else bytes(4)
        return [Frame645(request.address, 0x91, request.data() + raw)], b""

    census = Line(answer).run(Scan(editions=NEW).run())
    assert list(census.meters) == [address]


def test_meters_that_know_only_the_broadcast_address():
    address = "000000000038"

    def answer(probe, garbled=b""):
        request = probe.request
        if request.edition is Edition.E2007 or "A" in request.address:
            return [], b""
        if request.address != address and garbled:
            return [], garbled
        return [Frame645(address, 0x81, request.data() + bytes(4))], b""

    census = Line(answer).run(Scan().run())
    assert census.meters[address].edition is Edition.E1997
    several = Line(lambda probe: answer(probe, bytes(20))).run(Scan().run())
    assert several.unresolved[0].reason is Reason.NO_WILDCARDS


def test_a_refusal_is_an_answer_too():
    address = "000000000038"

    def answer(probe):
        if isinstance(probe.request, ReadAddress) or not is_meant(probe, address):
            return [], b""
        return [Frame645(address, 0xD1, b"\x02")], b""

    census = Line(answer).run(Scan(editions=NEW).run())
    assert census.meters[address].energy_kwh is None


# The listener.


def test_the_listener_hears_everything_until_its_window_is_over():
    listener = Listener(window_s=0.6, baud=2400)
    probe = Probe(ReadData(EVERYBODY, 0x0001_0000))
    listener.send(probe, 0.0)
    with pytest.raises(LocalError):
        listener.send(probe, 0.0)
    question = listener.outgoing(0.0)
    ends_s = len(question) * 11 / 2400
    assert listener.deadline() == pytest.approx(ends_s + 0.6)
    listener.receive(question, ends_s)  # the echo of an optical head
    answer = value_of("000000000038", probe).to_bytes()
    listener.receive(answer, ends_s + 0.2)
    listener.receive(value_of("000000000039", probe).to_bytes(), ends_s + 0.5)
    assert listener.events() == []
    listener.on_deadline(ends_s + 0.5)
    assert listener.events() == []
    listener.on_deadline(ends_s + 0.6)
    (heard,) = listener.events()
    assert isinstance(heard, Heard)
    assert [item.frame.address for item in heard.answers] == ["000000000038", "000000000039"]
    assert heard.garbled == b""
    assert listener.deadline() is None


def test_a_late_answer_of_another_branch_is_a_stray():
    listener = Listener()
    listener.send(Probe(ReadData("AAAAAAAAAA01", 0x0001_0000)), 0.0)
    listener.outgoing(0.0)
    listener.receive(Frame645("000000000038", 0x91, bytes(8)).to_bytes(), 0.1)
    listener.receive(Frame645("000000000001", 0x11, bytes(4)).to_bytes(), 0.2)
    listener.on_deadline(1.0)
    (heard,) = listener.events()
    assert heard.is_silence
    assert heard.strays == 2
    listener.receive(b"nobody listens", 2.0)
    assert listener.events() == []

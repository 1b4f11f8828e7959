"""The meters behind a module: archive, periods that the module leads, what it reports by itself."""

from datetime import timedelta

import pytest
from tests.concentrator.downworld import MODULE_FIRST, play_down
from tests.concentrator.world import START
from tests.sim.plc_world import addresses

from kwhub.concentrator.downlinks.module_reports import Reports
from kwhub.concentrator.downlinks.stepped import HandOver, as_conversation
from kwhub.domain.errors import NoAnswer
from kwhub.exchange.read import read_clock
from kwhub.protocols.gdw1376.afn_04 import MeterArchive, archive_unit
from kwhub.protocols.gdw1376.messages import Confirmed
from kwhub.protocols.gdw1376_2.afn_03 import RunMode
from kwhub.protocols.gdw1376_2.afn_06 import ReadReport, RouteReport, SlaveReport
from kwhub.protocols.gdw1376_2.afn_14 import ReadQuestion
from kwhub.protocols.gdw1376_2.frames import Control, frame
from kwhub.protocols.gdw1376_2.messages import Reported
from kwhub.protocols.gdw1376_2.routes import UpRoute
from kwhub.protocols.gdw1376_2.states import State
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.plc_network import PlcSettings

QUIET = PlcSettings(loss_permille=0)


def missing(world, hours):
    return world.planned(START + timedelta(hours=hours)) - world.delivered()


def play(story, path, **more):
    return play_down(story, path, **{"meters": 3, "line": QUIET, "hourly": False, **more})


def test_the_archive_of_the_module_follows_settings_and_orders(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        assert set(world.module.archive) == set(addresses(3))
        record = MeterArchive(
            MODULE_FIRST + 2, 0, 31, 30, addresses(3)[2], bytes(6), 4, 5, "0" * 12, 0
        )
        added = MeterArchive(1500, 1500, 31, 1, "000000700077", bytes(6), 4, 5, "0" * 12, 0)
        event = await world.station.ask(4, archive_unit((record, added)))
        assert isinstance(event, Confirmed)
        await world.until(minutes=20)
        assert world.module.archive == {
            **dict.fromkeys(addresses(2), 2),
            "000000700077": 1,
        }
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=3)


def test_a_module_that_restarts_gets_its_archive_again(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        world.module.archive.clear()
        await world.say(world.module.run_mode())
        await world.until(minutes=11)
        assert set(world.module.archive) == set(addresses(3))
        await world.until(hours=1, minutes=10)
        assert not missing(world, 1)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=3)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0, 50])
def test_a_period_that_the_module_leads_brings_every_value_once(tmp_path, loss):
    async def story(world):
        world.start()
        await world.until(hours=3, minutes=50)
        assert not missing(world, 3)
        assert not world.invented()
        assert not world.station.repeated
        bus = world.bus("module-1")
        assert bus.reports.heard[0x06, 2] >= 8 * 3
        assert bus.reports.route_state == 1
        assert bus.counters.discarded < 20
        await world.stop()

    line = PlcSettings(loss_permille=loss)
    play(story, tmp_path / "store.sqlite", plc=8, module_more={"led_by": "module"}, line=line)


@pytest.mark.slow
def test_a_meter_that_is_silent_in_a_period_of_the_module_is_left_alone(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=30)
        world.network.nodes[addresses(2)[1]].powered = False
        await world.until(hours=2, minutes=30)
        states = {state.point: state for state in world.concentrator.outbox.meters()}
        assert states[MODULE_FIRST + 1].attempts >= 2
        assert not states[MODULE_FIRST].attempts
        assert {slot.point for slot in missing(world, 2)} == {MODULE_FIRST + 1}
        world.network.nodes[addresses(2)[1]].powered = True
        await world.until(hours=4, minutes=10)
        assert not missing(world, 3)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2, module_more={"led_by": "module"})


def test_a_meter_that_the_module_finds_is_told_when_it_is_not_ours(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        await world.say(SlaveReport(((addresses(2)[0], 2, 1), ("000000700099", 2, 2))))
        await world.until(minutes=11)
        assert set(world.bus("module-1").reports.unknown) == {"000000700099"}
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2)


def test_an_order_to_a_module_that_has_nothing_to_do_does_not_wait(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=40)
        module = world.bus("module-1")
        asked, heard = module.counters.requests, world.module.asked
        await world.until(minutes=50, seconds=0.3)
        assert (module.counters.requests, world.module.asked) == (asked, heard)
        began = world.clock.monotonic()
        await module.talk(read_clock(addresses(2)[0]))
        took_s = world.clock.monotonic() - began
        path = sum(1 for _ in world.network.path(addresses(2)[0]))
        assert took_s < 1.0 * path
        await world.until(hours=1, minutes=10)
        assert not missing(world, 1)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2)


def test_a_module_that_does_not_say_that_a_meter_is_silent_holds_nobody_up_for_long(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        module = world.bus("module-1")
        meter = addresses(2)[0]
        assert module._up().answer_times.of(meter).answers > 3
        world.network.nodes[meter].powered = False
        began = world.clock.monotonic()
        with pytest.raises(NoAnswer):
            await module.talk(read_clock(meter))
        assert world.clock.monotonic() - began < world.plc_settings.slave_timeout_s / 1.5
        await world.stop()

    line = PlcSettings(loss_permille=0, give_up_s=300.0)
    play(story, tmp_path / "store.sqlite", plc=2, line=line)


@pytest.mark.slow
def test_clocks_behind_a_module_are_put_right_by_one_broadcast(tmp_path):
    async def story(world):
        for place, offset_s in enumerate((-90, 60, 0)):
            address = addresses(3)[place]
            old = world.plc[place]
            clock = MeterClock(offset_s=offset_s)
            world.replaced[address] = SimulatedMeter(address, old.load, seed=old.seed, clock=clock)
        world.plc = tuple(world.replaced[address] for address in addresses(3))
        world.start()
        await world.until(hours=2)
        assert world.module.broadcasts == 1
        at = world.clock.now().timestamp()
        for meter in world.plc:
            assert abs(meter.clock.wall(int(at)) - int(at) - 28_800) <= 1
        watch = world.concentrator.counters.watch
        assert watch.clocks_adjusted == watch.clocks_told >= 2
        points = range(MODULE_FIRST, MODULE_FIRST + 3)
        assert all(world.concentrator.notes.told_at(point) for point in points)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=3)


def test_an_archive_that_changes_wakes_a_module_that_has_nothing_to_do(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=40)
        module = world.bus("module-1")
        rounds = module.counters.rounds
        module.renew()
        await world.until(minutes=40, seconds=0.9)
        assert module.counters.rounds == rounds + 1
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2)


def test_a_question_in_no_period_of_ours_is_answered_at_once(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=40)
        answered = world.clock.monotonic()
        await world.say(ReadQuestion(addresses(2)[0], 1, 1))
        await world.until(minutes=40, seconds=0.5)
        assert world.bus("module-1").reports.heard[0x14, 1] == 1
        assert world.module.session.state is State.IDLE  # it has its answer
        assert world.clock.monotonic() == answered + 0.5
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2)


@pytest.mark.slow
def test_orders_go_between_the_questions_of_a_period(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=1, seconds=1.5)  # in the middle of a period
        module = world.bus("module-1")
        rounds = module.counters.rounds
        for number in (5, 6, 7):
            began = world.clock.monotonic()
            await module.talk(read_clock(addresses(8)[number]))
            assert world.clock.monotonic() - began < 4.0
            await world.clock.sleep(0.4)
        assert module.counters.rounds == rounds
        await world.until(hours=1, minutes=30)
        assert module.reports.route_state == 1
        assert not missing(world, 1)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=8, module_more={"led_by": "module"})


def test_a_module_that_hangs_is_opened_anew(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=5)
        bus = world.bus("module-1")
        world.module.serve = lambda *_: None
        await world.until(hours=1, minutes=10)
        assert bus.counters.link_failures == 1
        assert not bus.is_down
        assert not missing(world, 1)
        await world.stop()

    play(story, tmp_path / "store.sqlite", plc=2)


def reported(unit, *, repeated=False):
    made = frame(
        Control(up=True, primary=True, mode=3),
        UpRoute(1),
        (unit.AFN, unit.FUNCTION, unit.to_data()),
    )
    return Reported(made, made.to_bytes(), repeated)


def test_a_report_that_comes_twice_counts_once():
    reports = Reports()
    reports.take(reported(ReadReport(1, 0, b"\x68")))
    reports.take(reported(ReadReport(1, 0, b"\x68"), repeated=True))
    assert len(reports.readings) == 1
    reports.take(reported(RouteReport(1)))
    reports.take(reported(RunMode("000000009999")))
    assert (reports.route_state, reports.restarted) == (1, True)


def test_a_talk_is_one_conversation():
    talker = HandOver()

    def question(name):
        answer = yield name
        if answer is None:
            raise NoAnswer(name)
        return answer

    async def talk():
        first = await talker(question("first"))
        try:
            await talker(question("second"))
        except NoAnswer as error:
            return f"{first}, no {error}"

    conversation = as_conversation(talk())
    assert conversation.send(None) == "first"
    assert conversation.send(1) == "second"
    with pytest.raises(StopIteration) as ended:
        conversation.send(None)
    assert ended.value.value == "1, no second after 1 attempt"

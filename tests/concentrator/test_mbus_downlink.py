"""Meters on an M-Bus line: moments, limits, stored values, archive."""

import struct
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.concentrator.downworld import MBUS_FIRST, play_down
from tests.concentrator.world import START

from kwhub.catalog.mbus_readings import readings_of
from kwhub.concentrator.config import MbusMeterSettings, loads
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.domain.errors import ConfigError, NoAnswer
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376.afn_04 import MBUS, MeterArchive, archive_unit
from kwhub.protocols.gdw1376.messages import Confirmed
from kwhub.protocols.mbus.frames import FrameMbus, parse
from kwhub.protocols.mbus.telegrams import read_telegram
from kwhub.runtime.settings import WrongSetting

LIES = (
    "68191968080172785634122d2c0104000000000707ffffffffffffff7f7316",  # 9.2e18 x 10 kWh
    "68151568080172785634122d2c010400000000050effff7f7ffc16",  # 3.4e38 x 0.1 MJ
)

DAY_S = 86_400
MIDNIGHT = int(START.timestamp())


def play(story, path, **more):
    return play_down(story, path, **{"meters": 3, "hourly": False, **more})


def keep_what_was_said(folder, telegrams):
    """Take the readings of telegrams into a fresh store; how many."""
    outbox = Outbox.open(str(folder / "lies.sqlite"))
    batch = Batch(MIDNIGHT)
    found = readings_of(telegrams)
    for number, reading in enumerate(found):
        slot = Slot(number, reading.register, 3_600, MIDNIGHT)
        batch.read(slot, "5", reading.value, reading.source)
    with closing(outbox):
        assert outbox.keep(batch) == len(found)
        kept = [entry.decimal for entry in outbox.waiting(999)]
        assert kept == [reading.value for reading in found]
    (folder / "lies.sqlite").unlink()
    return len(found)


@pytest.mark.parametrize("telegram", LIES)
def test_a_number_that_no_meter_can_mean_is_no_value(tmp_path, telegram):
    read = read_telegram(parse(bytes.fromhex(telegram)))
    assert [each.value for each in readings_of([read])] == [None]
    assert keep_what_was_said(tmp_path, [read]) == 1


REALS = st.floats(width=32).map(lambda value: (0x05, struct.pack("<f", value)))
EDGES = st.sampled_from([2**63 - 1, -(2**63), 10**18, 10**15, 999_999_999_999_999, 0])
WHOLE = (EDGES | st.integers(-(2**63), 2**63 - 1)).map(
    lambda value: (0x07, value.to_bytes(8, "little", signed=True))
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 0x7F), st.binary(max_size=3), REALS | WHOLE),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0x02, 0x03, 0x04, 0x07]),
)
def test_whatever_numbers_a_meter_sends_the_store_takes_them(tmp_path, records, medium):
    data = b"".join(
        bytes([dif, vif | 0x80 * bool(more)])
        + bytes([byte | 0x80 for byte in more[:-1]] + [byte & 0x7F for byte in more[-1:]])
        + value
        for vif, more, (dif, value) in records
    )
    head = bytes.fromhex("785634122d2c01") + bytes([medium]) + bytes(4)
    read = read_telegram(FrameMbus.long(0x08, 1, 0x72, head + data))
    assert keep_what_was_said(tmp_path, [read]) == len(readings_of([read]))


@pytest.mark.slow
def test_a_daily_meter_is_read_once_soon_after_midnight(tmp_path):
    async def story(world):
        world.start()
        await world.until(days=2, hours=1)
        values = {key: value for key, value in world.station.values.items() if key[0] >= MBUS_FIRST}
        assert {key[3] for key in values} == {MIDNIGHT + DAY_S * day for day in range(3)}
        assert {key[2] for key in values} == {DAY_S}
        assert all(
            world.was_counted(Slot(*key), value)
            for key, value in values.items()
            if value is not None
        )
        assert world.bus("mbus-1").counters.sessions == 3 * 5
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=5, mbus_more={"every": "daily"})


def test_no_meter_is_read_more_often_than_it_may(tmp_path):
    async def story(world):
        for slave in world.slaves:
            slave.deaf = True
        world.start()
        await world.until(minutes=30)
        assert world.bus("mbus-1").counters.sessions == 2
        (lost,) = world.concentrator.outbox.gaps(state="lost") or [None]
        assert lost is not None
        assert lost.cause == "readouts"
        await world.stop()
        # The limit survives a restart, but not the day.
        world.start()
        world.slaves[0].deaf = False
        await world.until(hours=23)
        assert world.bus("mbus-1").counters.sessions == 0
        await world.until(days=1, minutes=20)
        assert world.bus("mbus-1").counters.sessions == 1
        await world.stop()

    limit = {"every": "daily", "readouts_a_day": 2}
    play(story, tmp_path / "store.sqlite", mbus=1, mbus_more=limit, retry_s=60)


def test_a_meter_that_falls_silent_costs_what_the_gateway_takes_and_not_what_it_was_told(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=30)
        line = world.bus("mbus-1")
        known = line.answer_times.of("1")
        assert known.answers > 3
        assert line.answer_times.first_s > 8.0
        assert line.answer_times.timeout_s("1") < 0.4
        world.slaves[0].deaf = True
        began = world.clock.monotonic()
        with pytest.raises(NoAnswer):
            await line.read_now(line.meters[0])
        assert world.clock.monotonic() - began < 6.0
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=1, line_more={"latency_s": 8.0})


def test_a_silent_meter_of_the_line_waits_longer_each_time_and_comes_last(tmp_path):
    async def story(world):
        world.slaves[0].deaf = True
        world.start()
        await world.until(hours=3, minutes=1, seconds=30)
        states = {state.point: state for state in world.concentrator.outbox.meters()}
        now = int(world.clock.now().timestamp())
        assert states[MBUS_FIRST].attempts >= 4
        assert states[MBUS_FIRST].next_try - now > 7 * 60
        assert [states[MBUS_FIRST + n].attempts for n in (1, 2)] == [0, 0]
        line = world.bus("mbus-1")
        order = [meter.point for meter in line._in_turn(line._ledgers())]
        assert order == [MBUS_FIRST + 1, MBUS_FIRST + 2, MBUS_FIRST]
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=3, retry_s=60)


def test_values_that_the_meter_has_stored_become_freezes(tmp_path):
    async def story(world):
        world.slaves[0].parts = 3  # the present, and the beginnings of March and February
        world.start()
        await world.until(minutes=30)
        series = world.concentrator.outbox.series(
            MBUS_FIRST, "8-0:1.0.0", DAY_S, MIDNIGHT - 61 * DAY_S, MIDNIGHT + 1
        )
        assert [entry.at for entry in series] == [
            MIDNIGHT - 29 * DAY_S,
            MIDNIGHT - 1 * DAY_S,
            MIDNIGHT,
        ]
        zone_s = 8 * 3_600  # the simulated meter's own clock shows UTC
        kept = world.slaves[0].counter(MIDNIGHT - DAY_S + zone_s)
        assert series[1].decimal.scaleb(3) == kept
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=1, mbus_more={"every": "daily"})


def test_the_head_end_adds_and_deletes_meters_of_the_line(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        archive = world.concentrator.archive
        records = [record for record in archive.records() if record.protocol == MBUS]
        assert [record.address for record in records] == ["000102000001", "000040000001"]
        gone = MeterArchive(MBUS_FIRST, 0, 20, MBUS, "000102000001", bytes(6), 4, 5, "0" * 12, 0)
        added = MeterArchive(
            MBUS_FIRST + 7, MBUS_FIRST + 7, 20, MBUS, "000102000001", bytes(6), 4, 5, "0" * 12, 0
        )
        assert isinstance(await world.station.ask(4, archive_unit((gone, added))), Confirmed)
        await world.until(hours=1, minutes=20)
        line = world.bus("mbus-1")
        assert [meter.point for meter in line.meters] == [MBUS_FIRST + 1, MBUS_FIRST + 7]
        moment = MIDNIGHT + 3_600
        assert world.station.values[Slot(MBUS_FIRST + 7, Register("8-0:1.0.0"), 3_600, moment)]
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=2)


def test_what_the_answer_does_not_hold_is_told(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        gaps = world.concentrator.outbox.gaps()
        assert {gap.slot.register for gap in gaps} == {"9-0:1.0.0"}
        assert {gap.cause for gap in gaps} == {"absent"}
        await world.stop()

    play(story, tmp_path / "store.sqlite", mbus=1, mbus_more={"registers": "8-0:1.0.0 9-0:1.0.0"})


def test_settings_of_a_meter():
    assert MbusMeterSettings("5", 1, "heat").wanted == ("6-0:1.0.0",)
    assert MbusMeterSettings("12345678-KAM", 1).primary is None
    with pytest.raises(WrongSetting, match="1 to 250"):
        MbusMeterSettings("251", 1)
    with pytest.raises(WrongSetting, match="at least 24"):
        MbusMeterSettings("5", 1, every="hourly", readouts_a_day=4)
    with pytest.raises(WrongSetting, match="no register"):
        MbusMeterSettings("5", 1, registers="colour")


SITE = """\
[concentrator]
region = "4101"
terminal = 2082

[uplink]
address = "tcp:127.0.0.1:8001"

[[mbus]]
name = "water"
address = "serial:/dev/ttyS2?baud=2400&parity=even"
port = 20
  [[mbus.meter]]
  address = "5"
  point = 501
  [[mbus.meter]]
  address = "12345678"
  point = 502
  kind = "heat"
  every = "hourly"

[[module]]
name = "plc"
address = "serial:/dev/ttyS3?baud=9600&parity=even"
port = 31
master = "000000000001"
  [[module.meter]]
  address = "000000700000"
  point = 1001
"""


def test_a_site_without_rs_485():
    config = loads(SITE)
    assert list(config.downlinks) == ["mbus[0]", "module[0]"]
    assert config.mbus[0].meter[1].every == "hourly"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("port = 31", "port = 20", "module[0].port"),
        ("point = 1001", "point = 502", "module[0].meter[0].point"),
        ('"12345678"', '"5"', "mbus[0].meter[1].address"),
        ('"12345678"', '"1234567"', "mbus[0].meter[1].address"),
        ("serial:/dev/ttyS3", "wire:/dev/ttyS3", "module[0].address"),
        ('kind = "heat"', 'kind = "beer"', "mbus[0].meter[1].kind"),
    ],
)
def test_mistakes_below(old, new, key):
    with pytest.raises(ConfigError) as caught:
        loads(SITE.replace(old, new))
    assert caught.value.key == key

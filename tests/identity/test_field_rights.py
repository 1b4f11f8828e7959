"""What a device may ask and tell, and what becomes of it when it is lost."""

from decimal import Decimal

import pytest
from sqlalchemy import update
from tests.identity.field import METER, on_stage

from kwhub.domain.errors import LocalError, Refusal
from kwhub.exchange.device_messages import DeviceReading, Query, Upload
from kwhub.headend.config import Area, Config, Meter, Terminal
from kwhub.headend.store.archive import synchronise
from kwhub.headend.store.schema_devices import device as table

NEXT_DOOR, FOREIGN = "202611200007", "202611209999"
DAY = 86_400


def test_a_lost_device_stays_lost_whoever_locks_it_later_and_wipes_itself(place):
    async def main(stage):
        device, registry = await stage.working(), stage.headend.registry
        await device.channel.aclose()
        registry.lose("device-000001", "admin", "left in the bus")
        with pytest.raises(LocalError, match=r"was reported lost: .* allocate it again"):
            registry.lock("device-000001", "admin", "to be sure")
        assert stage.headend.state().state == "lost"
        assert not stage.headend.state().has_obeyed
        with pytest.raises(Refusal, match="reported lost"):
            await device.greet()
        assert not device.vault.exists
        assert stage.headend.state().has_obeyed

    on_stage(place, main)


def test_that_a_device_which_was_sent_away_calls_is_noted_once_and_when_it_was_heard_last(place):
    async def main(stage):
        device, headend = await stage.working(), stage.headend
        headend.registry.lock("device-000001", "admin", "a copy?")
        for _ in range(3):
            await stage.clock.sleep(60)
            with pytest.raises(Refusal, match="locked"):
                await device.greet()
        noted = [detail for _, action, _, detail in headend.audit if action == "device_refused"]
        assert noted == ["called while locked"]
        assert headend.state().seen_at == stage.clock.now()
        assert not headend.state().has_obeyed  # what is locked is not told to wipe itself
        assert headend.state().reason == "a copy?"

    on_stage(place, main)


def test_a_device_asks_about_meters_of_its_work_and_its_area_only(place):
    async def main(stage):
        near = Terminal("4101", 1, "T", (Meter(METER, 1, name="mine"), Meter(NEXT_DOOR, 2)))
        far = Terminal("4102", 2, "T2", (Meter(FOREIGN, 1, name="somebody else"),))
        areas = (Area("A1", "N", "", (near,)), Area("B9", "S", "", (far,)))
        with stage.headend.database.write() as connection:
            synchronise(connection, Config(area=areas))
        device = await stage.working()
        for meter in (METER, FOREIGN, "202611208888"):
            with pytest.raises(Refusal, match="neither in the work nor in the area"):
                await device.channel.ask(Query(meter))
        stage.give(hours=1)
        assert (await device.channel.ask(Query(METER))).rows[0].value == "mine"
        with pytest.raises(Refusal, match="neither in the work"):
            await device.channel.ask(Query(NEXT_DOOR))
        await stage.clock.sleep(3600)
        with pytest.raises(Refusal, match="neither in the work"):
            await device.channel.ask(Query(METER))
        with stage.headend.database.write() as connection:
            connection.execute(update(table).values(area="A1"))
        assert (await device.channel.ask(Query(NEXT_DOOR))).rows[1].value == "A1"
        with pytest.raises(Refusal, match="neither in the work"):
            await device.channel.ask(Query(FOREIGN))

    on_stage(place, main)


def test_readings_without_right_or_with_impossible_dates_are_refused_one_by_one(place):
    async def main(stage):
        device = await stage.working()
        early = stage.give(hours=24)
        await stage.clock.sleep(6 * DAY)
        number, now = stage.give(hours=24), int(stage.clock.now().timestamp())
        told = (
            (METER, now),
            (FOREIGN, now),
            (METER, now + 301),
            (METER, now - 301),
            (METER, now + 60),
            (METER, now - 46 * DAY),
        )
        readings = tuple(
            DeviceReading(meter, "1-0:1.8.0", Decimal(1), "kWh", at) for meter, at in told
        )
        answer = await device.channel.ask(Upload("upload-all", number, readings))
        reasons = {each.place: each.reason for each in answer.refused}
        assert reasons == {1: "work", 2: "future", 3: "early", 5: "old"}
        assert answer.count == 2
        (note,) = [each for each in stage.headend.audit if each[1] == "device_readings_refused"]
        assert note[3].startswith(f"upload upload-all: 4 of 6: meter {FOREIGN} at {now}: work, ")
        # The time of the older work has been over for weeks; another device's work, or none, gives no right.
        (late,) = (await device.channel.ask(Upload("upload-late", early, readings[:1]))).refused
        assert late.reason == "late"
        (none,) = (await device.channel.ask(Upload("upload-none", 999, readings[:1]))).refused
        assert none.reason == "work"
        # Once more, much later: the same answer.
        await stage.clock.sleep(3600)
        again = await device.channel.ask(Upload("upload-all", number, readings))
        assert (again.repeated, again.count, again.refused) == (True, 2, answer.refused)

    on_stage(place, main)

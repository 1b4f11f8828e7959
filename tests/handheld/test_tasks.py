"""Work without a screen: nothing opens without identity, meters are visited for grants, readings arrive once."""

import asyncio
import sqlite3
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select
from tests.handheld.world import made, outing
from tests.identity.field import START

from kwhub.domain.errors import LinkDown, LocalError, Refusal
from kwhub.exchange.change import Verdict
from kwhub.exchange.device_messages import Upload, WorkMeter
from kwhub.exchange.freeze import FreezePattern
from kwhub.handheld.book import Book
from kwhub.handheld.records import Batch, Place, Visit
from kwhub.handheld.visiting import Failed
from kwhub.headend.store.schema_devices import device_upload
from kwhub.links.layers import FaultRates
from kwhub.sim.clockwork import MeterClock


def uploads(stage):
    with stage.headend.database.read() as connection:
        rows = connection.execute(select(device_upload.c.body)).all()
    return [msgspec.json.decode(row.body, type=Upload) for row in rows]


def delivered(stage):
    return [each for upload in uploads(stage) for each in upload.readings]


async def walk(tasks, places, **settings):
    return [visit async for visit in tasks.collect(places, **settings)]


# Nothing opens without identity


def test_no_identity_no_work(place):
    async def main(stage):
        await stage.equipped()
        stage.device.identity.keep(closed="locked")
        with pytest.raises(Refusal, match="locked"):
            stage.tasks()

    outing(place, main)


def test_a_locked_device_reads_no_meter_and_its_work_does_not_open_again(place):
    async def main(stage):
        tasks = await stage.equipped()
        stage.headend.registry.lock("device-000001", "admin", "suspicion")
        with pytest.raises(Refusal, match="locked"):
            await tasks.delivery.synchronise()
        with pytest.raises(Refusal, match="locked"):
            await tasks.visiting.read(tasks.places()[0])
        assert not stage.field.dialled
        with pytest.raises(Refusal, match="locked"):
            stage.tasks()

    outing(place, main)


def test_an_expired_identity_shows_readings_and_delivers_them_after_renewal_but_reads_nothing(
    place,
):
    async def main(stage):
        tasks = await stage.equipped(hours=720)
        first, second, *_ = tasks.places()
        await tasks.visiting.read(first)
        await stage.clock.sleep(8 * 86_400)
        with pytest.raises(Refusal, match="expired"):
            await tasks.visiting.read(second)
        assert tasks.visit(first).values
        assert await tasks.delivery.deliver() == 1
        assert (await tasks.visiting.read(second)).read_at

    outing(place, main)


def test_rows_on_the_disk_say_nothing_and_cannot_be_moved(place):
    async def main(stage):
        tasks = await stage.equipped()
        first, second, *_ = tasks.places()
        await tasks.visiting.read(first)
        await tasks.visiting.read(second)
        await tasks.aclose()
        path = stage.device.folder / "work.sqlite"
        raw = b"".join(each.read_bytes() for each in path.parent.glob("work.sqlite*"))
        for secret in (first.meter, "customer", "1-0:1.8.0", "house"):
            assert secret.encode() not in raw
        with sqlite3.connect(path) as file:
            one, two = (
                row[0] for row in file.execute("SELECT number FROM sealed WHERE kind = 'visit'")
            )
            file.execute(
                "UPDATE sealed SET body = (SELECT body FROM sealed WHERE kind = 'visit' AND"
                " number = ?) WHERE kind = 'visit' AND number = ?",
                (one, two),
            )
        with pytest.raises(LocalError, match="was changed"):
            stage.tasks()

    outing(place, main)


def test_a_disk_that_is_full_says_so_and_keeps_what_was(place):
    async def main(stage):
        tasks = await stage.equipped()
        book = tasks._book
        book._file.execute("PRAGMA query_only=1")
        with pytest.raises(LocalError, match="cannot be kept"):
            tasks.make_group("mine", tasks.places())
        assert not tasks.choices("own")
        book._file.execute("PRAGMA query_only=0")
        tasks.make_group("mine", tasks.places())
        assert len(stage.tasks().choices("own")) == 1

    outing(place, main)


def test_a_book_with_rows_of_a_later_version_is_left_alone(place):
    async def main(stage):
        await (await stage.equipped()).aclose()
        path = stage.device.folder / "work.sqlite"
        with sqlite3.connect(path) as file:
            file.execute("INSERT INTO sealed VALUES ('elsewhere', 1, x'00')")
        with pytest.raises(LocalError, match="unknown kind, elsewhere"):
            stage.tasks()
        Book.remove(path)
        assert stage.tasks().orders() == []

    outing(place, main)


# At the meter


def test_a_meter_is_read_and_the_reading_waits_for_the_head_end(place):
    async def main(stage):
        tasks = await stage.equipped()
        where = tasks.places()[0]
        visit = await tasks.visiting.read(where)
        assert visit.failure is None
        (value,) = visit.values
        assert (value.register, value.unit) == ("1-0:1.8.0", "kWh")
        assert Decimal(value.value) >= 100
        assert tasks.delivery.waiting == 1
        assert await tasks.delivery.synchronise() == 1
        (reading,) = delivered(stage)
        assert (reading.meter, reading.value) == (where.meter, Decimal(value.value))
        assert START.timestamp() <= reading.captured_at <= stage.clock.now().timestamp()
        assert tasks.contact.delivered == 1

    outing(place, main)


def test_a_meter_that_is_not_granted_is_sent_nothing(place):
    async def main(stage):
        tasks = await stage.equipped(operations=("set-time",))
        with pytest.raises(Refusal, match="nothing allows read"):
            await tasks.visiting.read(tasks.places()[0])
        line = tasks.visiting.ways.current
        assert not line.pieces

    outing(place, main)


def test_a_failure_keeps_what_was_sent_and_heard(place):
    async def main(stage):
        tasks = await stage.equipped(meters=(WorkMeter("000000000009", terminal="t00"),), uses=1)
        visit = await tasks.visiting.read(tasks.places()[0])
        assert visit.failure.kind == "NoAnswer"
        assert [each.direction for each in visit.failure.pieces] == ["tx"] * 3
        assert bytes.fromhex("0900 0000 0000") in visit.failure.pieces[0].data
        assert tasks.delivery.waiting == 0
        again = stage.tasks()
        assert [each.failure.kind for each in again.failures()] == ["NoAnswer"]

    outing(place, main)


def test_a_line_that_cannot_be_opened_costs_no_use(place):
    async def main(stage):
        tasks = await stage.equipped(uses=1)
        where = tasks.places()[0]
        stage.field.silent = {"t00"}
        assert (await tasks.visiting.read(where)).failure.kind == "LinkDown"
        assert tasks.budget.left(where.meter, "read") == 1
        stage.field.silent = set()
        assert (await tasks.visiting.read(where)).read_at
        assert tasks.visit(where).attempts == 2

    outing(place, main)


def test_live_values_cost_one_use_and_change(place):
    async def main(stage):
        tasks = await stage.equipped(uses=2)
        where = tasks.places()[0]
        seen = [
            {each.register: each.value for each in values}
            async for values in tasks.visiting.watch(where, period_s=120)
        ]
        assert len(seen) == 5
        assert seen[0]["1-0:1.8.0"] != seen[-1]["1-0:1.8.0"]
        assert tasks.budget.left(where.meter, "read") == 1
        assert tasks.delivery.waiting == 0
        stage.field.meters["t00"].clear()
        await tasks.visiting.ways.aclose()
        with pytest.raises(Failed, match="silent"):
            await anext(tasks.visiting.watch(where))

    outing(place, main)


def test_time_is_set_from_the_head_ends_time_whatever_the_device_shows(place):
    async def main(stage):
        stage.device.clock.step_s = -7200
        tasks = await stage.equipped(operations=("read", "set-time"))
        where = tasks.places()[0]
        stage.field.meters["t00"][0] = made(1, clock=MeterClock(offset_s=90))
        before = await tasks.visiting.compare_clock(where)
        change = await tasks.visiting.set_time(where)
        assert change.verdict is Verdict.DONE
        assert abs(change.after.offset_s) < 3
        assert before.true.hour == 17

    outing(place, main)


def test_freeze_times_are_set_and_seen(place):
    async def main(stage):
        tasks = await stage.equipped(operations=("freeze",))
        change = await tasks.visiting.freeze(tasks.places()[0], FreezePattern.daily(0, 0))
        assert change.verdict is Verdict.DONE
        assert change.after.pattern == "99990000"

    outing(place, main)


def test_a_protocol_that_the_device_does_not_know_and_a_link_without_terminal_are_told(place):
    async def main(stage):
        meters = (WorkMeter("000000000009", protocol="dlms"), WorkMeter("000000000008"))
        tasks = await stage.equipped(meters=meters)
        one, two = tasks.places()
        with pytest.raises(LocalError, match="speaks dlms"):
            await tasks.visiting.read(one)
        with pytest.raises(LocalError, match="behind no terminal"):
            await tasks.visiting.read(two)
        tasks.visiting.ways.link = ""
        with pytest.raises(LocalError, match="choose one in the settings"):
            await tasks.visiting.read(two)
        with pytest.raises(LocalError, match="is not in work"):
            tasks.visiting.meter(Place(one.work, "000000000001"))
        with pytest.raises(LocalError, match="no order goes with"):
            await tasks.visiting.carry(one.work)

    outing(place, main)


# Groups and rounds


def test_groups_by_area_by_terminal_and_on_the_spot(place):
    async def main(stage):
        tasks = await stage.equipped()
        areas = tasks.choices("area")
        assert [(each.name, len(each.places)) for each in areas] == [("area 0", 6), ("area 1", 6)]
        terminals = tasks.choices("terminal")
        assert [(each.name, len(each.places)) for each in terminals] == [
            (f"t0{number}", 3) for number in range(4)
        ]
        mixed = [terminals[1].places[0], terminals[0].places[0], terminals[1].places[2]]
        number = tasks.make_group(" far end ", mixed)
        (own,) = stage.tasks().choices("own")
        assert (own.name, own.number) == ("far end", number)
        assert own.places == (mixed[0], mixed[2], mixed[1])  # one way to each terminal
        with pytest.raises(LocalError, match="needs a name"):
            tasks.make_group(" ", mixed)
        tasks.drop_group(number)
        assert not stage.tasks().choices("own")

    outing(place, main, terminals=4)


def test_a_round_goes_terminal_by_terminal_and_comes_back_to_what_failed(place):
    async def main(stage):
        tasks = await stage.equipped()
        stage.field.silent = {"t00"}
        (choice,) = tasks.choices("order")
        seen = []
        async for visit in tasks.collect(choice.places):
            seen.append(visit.place.meter[-1])
            if visit.place.meter[-1] == "6":
                stage.field.silent = set()
        assert seen == ["1", "2", "3", "4", "5", "6", "1", "2", "3"]
        found = tasks.progress(choice.places)
        assert (found.total, found.read, found.failed, found.left) == (6, 6, 0, 0)
        assert await walk(tasks, choice.places) == []
        await tasks.delivery.synchronise()
        assert len(delivered(stage)) == 6
        assert tasks.orders() == []  # done, and the head-end knows

    outing(place, main)


def test_a_round_goes_on_after_a_meter_whose_uses_are_gone_but_not_without_identity(place):
    async def main(stage):
        tasks = await stage.equipped(uses=1)
        first, *rest = tasks.places()
        tasks.budget.spend(first.meter, "read")
        visits = await walk(tasks, [first, *rest], passes=1)
        assert visits[0].failure.detail.endswith("is used up")
        assert all(each.read_at for each in visits[1:])
        stage.device.clock.step_s = -7200
        with pytest.raises(Refusal, match="set back"):
            await walk(tasks, [first])

    outing(place, main)


def test_an_order_that_a_person_closes_is_over_with_what_is_left(place):
    async def main(stage):
        tasks = await stage.equipped()
        await tasks.visiting.read(tasks.places()[0])
        (order,) = tasks.orders()
        tasks.make_group("mine", tasks.places())
        tasks.close(order.id)
        assert tasks.is_closed(order.id)
        assert await tasks.delivery.synchronise() == 1
        assert [each.finished for each in uploads(stage)] == [True]
        assert tasks.orders() == []
        assert not tasks.choices("own")
        with pytest.raises(LocalError, match="not on this device any more"):
            tasks.close(order.id)

    outing(place, main)


# Exactly once


def test_offline_readings_wait_and_merge_without_loss_or_doubling(place):
    async def main(stage):
        tasks = await stage.equipped()
        await stage.offline()
        places = tasks.places()
        await walk(tasks, places[:4])
        with pytest.raises(LinkDown):
            await tasks.delivery.synchronise()
        assert tasks.delivery.waiting == 4
        tasks = stage.tasks()  # switched off and on again
        await walk(tasks, places)
        stage.online()
        assert await tasks.delivery.synchronise() == 6
        assert sorted(each.meter for each in delivered(stage)) == sorted(
            each.meter for each in places
        )

    outing(place, main)


def test_an_upload_whose_answer_is_lost_is_sent_again_word_by_word(place):
    async def main(stage):
        tasks = await stage.equipped()
        first, second, *_ = tasks.places()
        await tasks.visiting.read(first)
        await stage.device.reconnect()
        stage.device.deaf_bytes = len(stage.device.links[-1].heard) - 50
        stage.device.deaf = True
        await stage.device.channel.aclose()
        with pytest.raises(LinkDown):
            await tasks.delivery.deliver()
        stage.device.deaf = False
        assert len(delivered(stage)) == 1  # it has arrived; the device does not know
        await tasks.visiting.read(second)
        tasks = stage.tasks()
        assert len(tasks._book.all(Batch)) == 1
        await tasks.delivery.deliver()
        assert [each.meter for each in delivered(stage)] == [first.meter, second.meter]

    outing(place, main)


def test_recalled_work_goes_and_its_readings_are_delivered_all_the_same(place):
    async def main(stage):
        tasks = await stage.equipped(hours=1)
        first, *_ = tasks.places()
        await tasks.visiting.read(first)
        await stage.clock.sleep(3600)
        other = stage.order("read", stage.field.work()[:2])
        await tasks.delivery.synchronise()
        assert [each.id for each in tasks.orders()] == [other]
        assert tasks.visit(first).read_at is None
        assert [each.meter for each in delivered(stage)] == [first.meter]

    outing(place, main)


@pytest.mark.parametrize("is_lost", [False, True])
def test_work_that_goes_while_its_meter_is_read_leaves_the_reading_and_nothing_else(place, is_lost):
    async def main(stage):
        stage.field.baud = 1_200
        stage.field.rates = FaultRates(loss=1.0) if is_lost else None
        tasks = await stage.equipped()
        first, *_ = tasks.places()
        reading = asyncio.create_task(tasks.visiting.read(first))
        await stage.clock.sleep(0.1)
        stage.headend.work.recall(stage.number, "admin")
        await tasks.delivery.fetch()
        visit = await reading
        assert (visit.read_at is None) is is_lost
        assert (tasks.failures(), tasks.visit(first)) == ([], Visit(first))
        assert await tasks.delivery.synchronise() == (0 if is_lost else 1)

    outing(place, main)


def test_questions_are_answered_by_the_head_end_in_real_time(place):
    async def main(stage):
        tasks = await stage.equipped()
        meter = tasks.places()[0].meter
        assert await tasks.delivery.query(meter) == ()
        with pytest.raises(Refusal, match="neither in the work nor in the area"):
            await tasks.delivery.query("000000000001")
        await stage.offline()
        with pytest.raises(LinkDown):
            await tasks.delivery.query(meter)

    outing(place, main)


# Customers


def test_the_customers_card_warns(place):
    async def main(stage):
        tasks = await stage.equipped(uses=1, hours=20)
        owes, low, rich, *_ = [tasks.customer(each) for each in tasks.places()]
        assert (owes.meter.customer, owes.meter.paying) == ("customer 001", "postpaid")
        assert owes.warnings == ("owes", "unread")
        assert low.warnings == ("low", "unread")
        assert rich.warnings == ("unread",)
        await tasks.visiting.read(rich.place)
        assert tasks.customer(rich.place).warnings == ("used_up",)
        await stage.clock.sleep(10 * 3600)
        assert "ends_soon" in tasks.customer(rich.place).warnings
        await stage.clock.sleep(10 * 3600)
        assert "over" in tasks.customer(rich.place).warnings

    outing(place, main)

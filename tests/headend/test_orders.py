"""Read now: from the audit row through a real terminal session and a real meter session to the answer."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import event as events
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from tests.headend.stage import connect, play
from tests.headend.world import ADDRESSES, NOON, config

from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Meter, Terminal
from kwhub.headend.orders.desk import WAITING_MAX
from kwhub.headend.orders.runner import RUNNING_MAX
from kwhub.headend.store import schema
from kwhub.headend.store.views import OrderState
from kwhub.protocols.dlt645.items import encode, find
from kwhub.protocols.dlt645.messages import Asked, Data, Refused
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.virtual import run_virtual

ENERGY, EXPORT = Register("1-0:1.8.0"), Register("1-0:2.8.0")
VOLTAGES = tuple(Register(f"1-0:{line}2.7.0") for line in (3, 5, 7))
VALUES = {0x0001_0000: Decimal("0.38"), 0x0201_0100: Decimal("229.9")}
BY = "ann"


def meter(forward):
    """A meter as real session: knows two items and refuses all others."""
    session = Session(Role.METER, addresses=set(ADDRESSES))
    session.receive(forward.payload, 0.0)
    for event in session.events():
        if isinstance(event, Asked):
            request = event.request
            value = VALUES.get(request.identifier)
            if value is None:
                session.send(Refused(request.address, 0x02), 0.0)
            else:
                payload = encode(request.identifier, [value])
                session.send(Data(request.address, request.identifier, payload), 0.0)
    return session.outgoing(0.0).lstrip(b"\xfe")


def rows_of(headend, table):
    with headend.store.database.read() as connection:
        return list(connection.execute(select(table)).all())


def order_of(tmp_path, registers, *, meters=meter, deaf=False, online=True, meter_id=2):
    """The finished order, and the concentrator that carried it."""
    found = []

    async def script(headend, tasks):
        concentrator = None
        if online:
            concentrator = connect(headend, tasks, meters=meters)
            await concentrator.login()
            concentrator.deaf = deaf
        order_id = await headend.orders.read_now(meter_id, registers, BY)
        found.append(await headend.orders.wait(order_id))
        found.append(concentrator)
        assert headend.orders.of_meter(meter_id) == [headend.orders.get(order_id)]

    play(tmp_path, script)
    return found


def test_a_value_comes_with_its_frames(tmp_path):
    assert find(0x0001_0000) is not None
    order, concentrator = order_of(tmp_path, [ENERGY])
    assert (order.state, order.detail, order.by) == (OrderState.DONE, "1 of 1 registers", BY)
    (item,) = order.items
    assert (item.value, item.unit, item.identifier) == (Decimal("0.38"), "kWh", "00010000")
    assert item.request_raw.hex(" ") == "68 38 00 00 00 00 00 68 11 04 33 33 34 33 ea 16"
    assert item.answer_raw.hex(" ").endswith("91 08 33 33 34 33 6b 33 33 33 72 16")
    (forward,) = concentrator.forwards
    assert (forward.port, forward.payload) == (2, item.request_raw)
    assert order.finished_at is not None


def test_what_was_read_on_demand_is_a_reading(tmp_path):
    async def script(headend, tasks):
        await connect(headend, tasks, meters=meter).login()
        await headend.orders.wait(await headend.orders.read_now(2, [ENERGY], BY))
        (row,) = headend.queries.latest(2)
        assert (row.value, row.interval_s, row.source) == (Decimal("0.38"), 0, "order 1")
        assert row.captured_at == headend.clock.now()

    play(tmp_path, script)


def test_a_refused_register_does_not_spoil_the_others(tmp_path):
    order, _ = order_of(tmp_path, [ENERGY, EXPORT, VOLTAGES[0]])
    assert (order.state, order.detail) == (OrderState.DONE, "2 of 3 registers")
    refused = order.items[1]
    assert refused.value is None
    assert refused.error.startswith("refused: ")
    assert refused.request_raw
    assert refused.answer_raw
    assert order.items[2].value == Decimal("229.9")


def test_a_refusal(tmp_path):
    order, _ = order_of(tmp_path, [EXPORT])
    assert order.state is OrderState.REFUSED
    assert order.detail == order.items[0].error


def test_a_silent_meter_is_asked_three_times(tmp_path):
    order, concentrator = order_of(tmp_path, [ENERGY], meters=lambda _forward: b"")
    assert (order.state, order.detail) == (OrderState.NO_ANSWER, "the meter did not answer")
    assert len(concentrator.forwards) == 3
    assert order.items[0].request_raw
    assert order.items[0].answer_raw == b""


def test_a_damaged_answer_is_kept_and_does_not_count(tmp_path):
    def damaged(forward):
        answer = bytearray(meter(forward))
        answer[-2] ^= 1
        return bytes(answer)

    order, _ = order_of(tmp_path, [ENERGY], meters=damaged)
    assert order.state is OrderState.NO_ANSWER
    assert order.items[0].answer_raw


def test_a_terminal_that_denies(tmp_path):
    order, concentrator = order_of(tmp_path, [ENERGY, EXPORT], meters=lambda _forward: None)
    assert order.state is OrderState.REFUSED
    assert "denied" in order.detail
    assert len(concentrator.forwards) == 1  # what it denied once it is not asked again


def test_a_terminal_that_does_not_answer(tmp_path):
    order, _ = order_of(tmp_path, [ENERGY], deaf=True)
    assert order.state is OrderState.NO_ANSWER
    assert order.detail == "the terminal did not answer after 3 attempts"


def test_a_frame_that_is_lost_on_the_way_is_sent_again(tmp_path):
    async def script(headend, tasks):
        concentrator = connect(headend, tasks, meters=meter)
        await concentrator.login()
        concentrator.deaf = True
        order_id = await headend.orders.read_now(2, [ENERGY], BY)
        await asyncio.sleep(10)
        concentrator.deaf = False
        order = await headend.orders.wait(order_id)
        assert (order.state, order.items[0].value) == (OrderState.DONE, Decimal("0.38"))

    play(tmp_path, script)


def test_a_terminal_that_is_offline(tmp_path):
    order, _ = order_of(tmp_path, [ENERGY], online=False)
    assert (order.state, order.detail) == (OrderState.OFFLINE, "the terminal is not connected")
    assert order.items[0].error


def test_a_terminal_that_goes_away_leaves_what_it_had_brought(tmp_path):
    async def script(headend, tasks):
        def goes_away(forward):
            if len(concentrator.forwards) == 2:
                tasks.create_task(concentrator.link.aclose())
            return meter(forward)

        concentrator = connect(headend, tasks, meters=goes_away)
        await concentrator.login()
        order = await headend.orders.wait(
            await headend.orders.read_now(2, [ENERGY, EXPORT, VOLTAGES[0]], BY)
        )
        assert order.items[0].value == Decimal("0.38")
        assert order.items[-1].error == "the terminal is not connected"

    play(tmp_path, script)


def test_the_audit_row_is_there_before_anything_is_sent(tmp_path):
    async def script(headend, tasks):
        def looks(forward):
            (row,) = rows_of(headend, schema.audit)
            assert (row.who, row.action, row.subject) == (BY, "read_now", "meter 2")
            assert "1-0:1.8.0" in row.detail
            assert headend.orders.get(1).state is OrderState.SENT
            return meter(forward)

        await connect(headend, tasks, meters=looks).login()
        order = await headend.orders.wait(await headend.orders.read_now(2, [ENERGY], BY))
        assert order.state is OrderState.DONE

    play(tmp_path, script)


def test_what_cannot_be_ordered_is_told_and_leaves_no_trace(tmp_path):
    async def script(headend, _tasks):
        for meter_id, registers in ((99, [ENERGY]), (2, [])):
            with pytest.raises(LocalError):
                await headend.orders.read_now(meter_id, registers, BY)
        with pytest.raises(KwhubError, match="no register"):
            await headend.orders.read_now(2, [Register("9-9:9.9.9")], BY)
        assert rows_of(headend, schema.audit) == []
        assert headend.orders.get(1) is None

    play(tmp_path, script)


def test_after_a_restart_what_was_sent_is_called_interrupted(tmp_path):
    settings = config(tmp_path / "headend.sqlite")

    async def main(clock):
        crashed = HeadEnd(settings, clock)
        order_id = await crashed.orders.read_now(2, [ENERGY], BY)
        with crashed.store.database.write() as connection:
            connection.execute(update(schema.orders).values(state=OrderState.SENT))
        crashed.store.close()
        again = HeadEnd(settings, clock)
        order = again.orders.get(order_id)
        assert order is not None
        assert order.state is OrderState.FAILED
        assert order.detail.startswith("interrupted")
        again.store.close()

    run_virtual(main, start=NOON)


def test_orders_of_one_terminal_take_turns(tmp_path):
    async def script(headend, tasks):
        await connect(headend, tasks, meters=meter).login()
        numbers = [await headend.orders.read_now(2, [ENERGY], BY) for _ in range(5)]
        orders = [await headend.orders.wait(number) for number in numbers]
        assert {order.state for order in orders} == {OrderState.DONE}
        assert [order.id for order in headend.orders.of_meter(2, limit=2, offset=1)] == [4, 3]
        await asyncio.sleep(0)

    play(tmp_path, script)


def test_what_goes_wrong_with_one_order_leaves_the_others_alone(tmp_path):
    async def script(headend, tasks):
        await connect(headend, tasks, meters=meter).login()
        forward = headend.front.forward

        async def broken(*_args, **_options):
            raise LocalError("64 requests are waiting already")

        headend.front.forward = broken
        failed = await headend.orders.wait(await headend.orders.read_now(2, [ENERGY], BY))
        assert failed.state is OrderState.FAILED
        assert failed.detail == failed.items[0].error == "64 requests are waiting already"
        headend.front.forward = forward
        order = await headend.orders.wait(await headend.orders.read_now(2, [ENERGY], BY))
        assert order.state is OrderState.DONE

    play(tmp_path, script)


def two_terminals(path):
    full = config(path)
    (area,) = full.area
    other = Terminal(region="4101", terminal=2083, meter=(Meter(address="000000000052", point=1),))
    area = msgspec.structs.replace(area, terminal=(*area.terminal, other))
    return msgspec.structs.replace(full, area=(area,))


@pytest.mark.slow
def test_a_slow_terminal_holds_nobody_up_and_its_queue_is_bounded(tmp_path):
    async def script(headend, tasks):
        slow = connect(headend, tasks)
        await slow.login()
        slow.deaf = True
        await connect(headend, tasks, number=2083, meters=answers_anything).login()
        assert WAITING_MAX >= RUNNING_MAX
        for _ in range(WAITING_MAX):
            await headend.orders.read_now(2, [ENERGY], BY)
        with pytest.raises(LocalError, match="waiting for this terminal"):
            await headend.orders.read_now(2, [ENERGY], BY)
        await asyncio.sleep(1)
        before = headend.clock.monotonic()
        await headend.orders.wait(await headend.orders.read_now(4, [ENERGY], BY))
        assert headend.clock.monotonic() - before < 1
        await asyncio.sleep(60)  # the first orders of the slow one are over: there is room again
        await headend.orders.read_now(2, [ENERGY], BY)

    play(tmp_path, script, settings=two_terminals(tmp_path / "headend.sqlite"))


def answers_anything(_forward):
    return b""


def test_an_order_whose_outcome_cannot_be_written_has_failed(tmp_path):
    async def script(headend, tasks):
        def fail(_connection, _cursor, statement, *_):
            if statement.startswith("UPDATE orders") and "finished_at" in statement:
                raise OperationalError(statement, None, Exception("disk full"))

        await connect(headend, tasks, meters=meter).login()
        engine = headend.store.database.engine
        events.listen(engine, "before_cursor_execute", fail)
        order = await headend.orders.wait(await headend.orders.read_now(2, [ENERGY], BY))
        assert order.state is OrderState.FAILED
        assert "disk full" in order.detail
        assert headend.orders.get(order.id) == headend.orders.of_meter(2)[0] == order

    play(tmp_path, script)

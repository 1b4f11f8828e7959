"""Conversations through a terminal: what may be asked again is, what must not be repeated is not."""

from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import LinkDown, NoAnswer
from kwhub.headend.front.relay import ATTEMPTS, Relay
from kwhub.protocols.dlt645 import (
    Authority,
    ControlRelay,
    Done,
    Frame645,
    Key,
    ReadData,
    RelayOrder,
)
from kwhub.runtime.virtual import run_virtual

METER = "000000000038"
VALUE = bytes.fromhex("38000000")
READ = ReadData(METER, 0x0001_0000)
TRIP = ControlRelay(
    METER, Authority(Key(4, "000000"), "00001234"), RelayOrder(0x1A, None).to_bytes()
)
DONE = Frame645(METER, 0x9C, b"").to_bytes()
ANSWER = Frame645(METER, 0x91, READ.data() + VALUE).to_bytes()
START = datetime(2026, 3, 1, tzinfo=UTC)


def relayed(request, *replies):
    """The final event of a request, what was carried, and the relay; the terminal replies as told."""
    coming = iter(replies)

    async def carry(_frame):
        reply = next(coming)
        if isinstance(reply, bytes):
            return reply
        raise reply

    def conversation():
        return (yield request)

    async def main(clock):
        relay = Relay(carry, clock)
        return await relay.run(conversation()), relay

    event, relay = run_virtual(main, start=START)
    return event, [exchange.request for exchange in relay.exchanges], relay


SILENT = (b"", NoAnswer())


@pytest.mark.parametrize("silence", SILENT, ids=["meter", "terminal"])
def test_a_reading_is_asked_again(silence):
    event, carried, relay = relayed(READ, silence, silence, ANSWER)
    assert event.payload == VALUE
    assert carried == [READ] * ATTEMPTS
    assert relay.trouble is None


@pytest.mark.parametrize("silence", SILENT, ids=["meter", "terminal"])
def test_an_order_to_the_switch_is_carried_once(silence):
    event, carried, relay = relayed(TRIP, silence, DONE)
    assert event.timed_out
    assert carried == [TRIP]
    if isinstance(silence, NoAnswer):
        assert isinstance(relay.trouble, NoAnswer)
        assert relay.trouble.attempts == 1


def test_an_order_that_is_answered_is_done():
    event, carried, _ = relayed(TRIP, DONE)
    assert isinstance(event, Done)
    assert carried == [TRIP]


def test_a_way_that_is_gone_is_not_tried_again():
    event, carried, relay = relayed(READ, LinkDown("gone"))
    assert event.timed_out
    assert carried == [READ]
    assert isinstance(relay.trouble, LinkDown)

"""A peer that no one here wrote: pyMeterBus (0.8.5) as a master on our simulated bus, over a real socket."""

import asyncio
from decimal import Decimal

import meterbus
import pymbusparser
import pytest
import serial  # type: ignore[import-untyped]
from tests.protocols.mbus.corpusmbus import corpus

from kwhub.links.base import Link
from kwhub.links.tcp_listen import serve
from kwhub.protocols.mbus.frames import parse
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.telegrams import read_telegram
from kwhub.runtime.clock import SystemClock
from kwhub.sim.mbus import MbusMeter, serve_mbus

CLOCK = SystemClock()
WATER = Identity.parse("12345678-KAM-01-07")

pytestmark = pytest.mark.slow  # real sockets


def read_with_theirs(port):
    """Ping, select and read with their master; the telegram that they made of it."""
    with serial.serial_for_url(f"socket://127.0.0.1:{port}", timeout=2) as line:
        meterbus.send_ping_frame(line, 5)
        pong = meterbus.load(meterbus.recv_frame(line, 1))
        meterbus.send_request_frame(line, 5)
        first = meterbus.load(meterbus.recv_frame(line, meterbus.FRAME_DATA_LENGTH))
        meterbus.send_select_frame(line, "123456782D2C0107")
        selected = meterbus.load(meterbus.recv_frame(line, 1))
    return pong, first, selected


async def test_their_master_reads_our_bus():
    meter = MbusMeter(WATER, 5)

    async def handler(link: Link) -> None:
        await serve_mbus(link, [meter], CLOCK)

    server = await serve("tcp-listen:127.0.0.1:0", handler, CLOCK)
    try:
        port = int(server.address.rpartition(":")[2])
        pong, first, selected = await asyncio.to_thread(read_with_theirs, port)
    finally:
        await server.aclose()
    assert isinstance(pong, meterbus.TelegramACK)
    assert isinstance(selected, meterbus.TelegramACK)
    value = float(first.records[0].value)
    assert value == pytest.approx(meter.counter(CLOCK.now().timestamp()) / 1000, abs=0.002)


REAL = 5  # 32-bit reals are not scaled by it
SECONDS = {"min": 60, "h": 3600, "d": 86400}  # it leaves a duration as it is sent
THEIR_FAULTS = {
    "ELV-Elvaco-CMa10": (13, 1, "stops at a plain-text unit with VIFE"),
    "abb_f95": (14, 2, "stops at BCD digits that say error"),
    "electricity-meter-1": (20, 0, "stops at an identification with hexadecimal digits"),
    "electricity-meter-2": (20, 0, "stops at an identification with hexadecimal digits"),
    "example_data_01": (6, 0, "takes the signature B627 for encryption"),
    "manual_frame2": (2, 0, "reads no counters of the fixed structure"),
    "sen_pollusonic_2": (2, 0, "reads no counters of the fixed structure"),
}
"""Telegrams of which pymbusparser (0.5.3) does not give every record: ours, theirs, why."""


def cut(vector):
    theirs = pymbusparser.parse(vector["hex"]).get("records", ())
    return read_telegram(parse(bytes.fromhex(vector["hex"]))).records, theirs


def test_their_decoder_misses_records_of_known_telegrams_only():
    missing = {}
    for vector in corpus("given.jsonl"):
        ours, theirs = cut(vector)
        if len(theirs) != len(ours):
            missing[vector["id"]] = (len(ours), len(theirs))
    assert missing == {name: (ours, theirs) for name, (ours, theirs, _) in THEIR_FAULTS.items()}


def test_their_decoder_cuts_the_same_records_under_the_same_numbers():
    """Storage, tariff and subunit, and the values."""
    compared = 0
    for vector in corpus("given.jsonl"):
        if vector["id"] in THEIR_FAULTS:
            continue
        for mine, other in zip(*cut(vector), strict=True):
            assert other["storage_number"] == mine.storage, vector["id"]
            assert (other["tariff"], other["subunit"]) == (mine.tariff, mine.subunit)
            value = other["value"]
            if (
                mine.kind == "number"
                and value.get("kind") == "decimal"
                and mine.block[0] & 15 != REAL
            ):
                seconds = SECONDS.get(other.get("unit") or "", 1) if mine.unit.unit == "s" else 1
                assert Decimal(value["value"]) * seconds == mine.value, (vector["id"], mine)
                compared += 1
    assert compared >= 400

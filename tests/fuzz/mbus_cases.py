"""M-Bus: what the damage starts from, and what must hold."""

import json
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

from tests.fuzz.corpus import FOLDERS

from kwhub.catalog.decoding import decode, explain
from kwhub.catalog.mbus_readings import readings_of
from kwhub.catalog.registers import describe
from kwhub.domain.errors import DecodeError
from kwhub.protocols.mbus.frames import LONG_OVERHEAD_BYTES, FrameMbus, parse
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.messages import Read, Send
from kwhub.protocols.mbus.receiver import Received, Receiver
from kwhub.protocols.mbus.session import Role, Session
from kwhub.protocols.mbus.telegrams import read_telegram
from kwhub.sim.mbus import MbusMeter
from kwhub.wire.events import Discarded

__all__ = ["WORDS", "frames", "parse_mbus", "receive", "repair", "session", "streams"]

AT_S = 1_767_225_600
WORDS = (
    b"\x68\x0b\x0b\x68", b"\x10\x7b\x05\x80\x16", b"\xe5", b"\x16", b"\x1f", b"\x0f", b"\x2f", b"\x7f",
    b"\x8c\x10\x04", b"\x0d\xfd\x11", b"\xfc\x03HR%t", b"\x04\x6d", b"\xff" * 12, b"\x80" * 12,
)  # fmt: skip


@cache
def frames() -> list[bytes]:
    """Answers of simulated meters, orders of a master, and the published telegrams where they are there."""
    meters = [
        MbusMeter(Identity(f"1234567{medium}", 0x2C2D, 1, medium), 5, parts=2, history=4)
        for medium in (2, 3, 4, 6, 7)
    ]
    ask = FrameMbus.short(0x7B, 5)
    made = [said.to_bytes() for meter in meters if (said := meter.answer(ask, AT_S)) is not None]
    made += [ask.to_bytes(), FrameMbus.long(0x53, 0xFD, 0x52, bytes(8)).to_bytes(), b"\xe5"]
    paths = [
        folder / "mbus" / name
        for folder in FOLDERS
        for name in ("given.jsonl", "negative_given.jsonl")
    ]
    lines: list[dict[str, Any]] = [
        json.loads(line)
        for path in paths
        if path.exists()
        for line in path.read_text("utf-8").splitlines()
    ]
    return made + [bytes.fromhex(line["hex"]) for line in lines]


@cache
def streams() -> list[bytes]:
    """Several frames in a row."""
    found = frames()
    return [b"".join(found[at : at + 1 + at % 4]) for at in range(len(found))]


def repair(raw: bytes) -> bytes:
    """Lengths, sum and stop of a long frame set right."""
    frame = bytearray(raw[: 255 + LONG_OVERHEAD_BYTES])
    if len(frame) < 3 + LONG_OVERHEAD_BYTES:
        return raw
    frame[0] = frame[3] = 0x68
    frame[1] = frame[2] = len(frame) - LONG_OVERHEAD_BYTES
    frame[4] = 0x08
    frame[-2] = sum(frame[4:-2]) & 0xFF
    frame[-1] = 0x16
    return bytes(frame)


def parse_mbus(data: bytes, _random: Random) -> str:
    """A frame with all it carries: decoded, explained, as readings."""
    try:
        frame = parse(data)
    except DecodeError as error:
        return error.kind
    assert frame.to_bytes() == data
    found = decode(data, "mbus")
    assert found.valid
    parts = explain(data, "mbus").parts
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == len(data)
    telegram = read_telegram(frame)
    for reading in readings_of([telegram]):
        assert describe(reading.register).unit == reading.unit
    return telegram.kind if telegram.error is None else telegram.error.kind


def _received(data: Sequence[bytes]) -> list[Received | Discarded]:
    receiver = Receiver()
    return [item for piece in data for item in receiver.feed(piece)] + receiver.give_up()


def receive(data: bytes, random: Random) -> str:
    """No byte is lost, and pieces make no difference."""
    cut, rest = [], data
    while rest:
        size = random.choice((1, 2, 7, 64, len(rest)))
        cut.append(rest[:size])
        rest = rest[size:]
    whole, found = _received([data]), _received(cut)
    good = [item for item in whole if isinstance(item, Received)]
    assert good == [item for item in found if isinstance(item, Received)]
    assert b"".join(item.raw for item in found) == data
    return f"{len(good)} frames"


def session(data: bytes, random: Random) -> str:
    """A request ends once, whatever comes, and the next one can be sent; a slave bears it, too."""
    slave, master = Session(Role.SLAVE), Session(Role.MASTER)
    request = random.choice((Read(5), Read(253), Send(5, 0x51, b"\x01\x7a\x08")))
    master.send(request, 0.0)
    for number, at in enumerate(range(0, len(data), 16)):
        for machine in (slave, master):
            machine.receive(data[at : at + 16], 0.01 * number)
    deadline = master.deadline()
    while deadline is not None:
        master.on_deadline(deadline)
        deadline = master.deadline()
    ends = [event for event in master.events() if event.final]
    assert len(ends) == 1
    master.send(request, 99.0)
    return type(ends[0]).__name__

"""What is fuzzed, and what must hold for every input.

Any input gives frames, values, or ``Discarded`` / ``DecodeError`` / ``ConfigError`` with a reason, and
nothing else: a target lets only that through, so any other exception is a finding. What comes out must
also make sense: no byte is lost, pieces make no difference, and good frames are written as they were read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz import corpus, mbus_cases

from kwhub.concentrator import config as concentrator_config
from kwhub.domain.errors import ConfigError, DecodeError
from kwhub.headend import config as headend_config
from kwhub.links.capture import Record, read_capture
from kwhub.protocols.dlt645 import bulk, diagnose, items, summary
from kwhub.protocols.dlt645 import explain as explain_645
from kwhub.protocols.dlt645 import frames as frames_645
from kwhub.protocols.dlt645 import receiver as receiver_645
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.load_record import LoadRecord, decode_records
from kwhub.protocols.gdw1376 import explain as explain_1376
from kwhub.protocols.gdw1376 import frames as frames_1376
from kwhub.protocols.gdw1376 import receiver as receiver_1376
from kwhub.protocols.gdw1376 import summary as summary_1376
from kwhub.runtime.settings import parse_toml
from kwhub.wire.events import Discarded
from kwhub.wire.explain import Explanation

__all__ = ["TARGETS", "Target"]

Outcome = str
"""A word for what came out; the harness counts them."""


@dataclass(frozen=True)
class Target:
    """One decoder.

    Attributes:
        run: decodes a case; raises AssertionError when what comes out makes no sense.
        repair: makes lengths and sums fit again, so that damage gets behind the first checks.
        words: pieces of its language.
    """

    run: Callable[[bytes, Random], Outcome]
    corpus: Callable[[], Sequence[bytes]]
    repair: Callable[[bytes], bytes] = bytes
    words: tuple[bytes, ...] = ()


def pieces(data: bytes, random: Random) -> list[bytes]:
    """The same bytes as a line may bring them."""
    found = []
    while data:
        size = random.choice((1, 2, 7, 64, len(data)))
        found.append(data[:size])
        data = data[size:]
    return found


def repair_645(raw: bytes) -> bytes:
    """Length, checksum and end set right, as far as there is a frame to set right."""
    head = len(raw) - len(raw.lstrip(b"\xfe"))
    frame = bytearray(raw[head : head + frames_645.FRAME_BYTES_MAX])
    if len(frame) < frames_645.OVERHEAD_BYTES:
        return raw
    frame[0] = frame[7] = frames_645.START
    frame[9] = len(frame) - frames_645.OVERHEAD_BYTES
    frame[-2] = sum(frame[:-2]) & 0xFF
    frame[-1] = frames_645.END
    return raw[:head] + frame


def repair_1376(raw: bytes) -> bytes:
    """The same for the frame of Q/GDW 1376.1."""
    frame = bytearray(raw)
    if len(frame) < 8 + 6:
        return raw
    frame[0] = frame[5] = 0x68
    frame[1:3] = frame[3:5] = ((len(frame) - 8) << 2 | 2).to_bytes(2, "little")
    frame[-2] = sum(frame[6:-2]) & 0xFF
    frame[-1] = 0x16
    return bytes(frame)


def repair_load_record(raw: bytes) -> bytes:
    """Length, sum and end of a load record set right."""
    record = bytearray(raw[:260])
    if len(record) < 10:
        return raw
    record[:3] = bytes([0xA0, 0xA0, len(record) - 5])
    record[-2] = sum(record[:-2]) & 0xFF
    record[-1] = 0xE5
    return bytes(record)


def _parse_645(data: bytes, _random: Random) -> Outcome:
    try:
        frame = frames_645.parse(data)
    except DecodeError as error:
        return error.kind
    assert frame.to_bytes() == data
    summary.summarise(frame)
    problem = diagnose.diagnose(frame)
    return "frame" if problem is None else problem.kind


def _receive_645(data: bytes, random: Random) -> Outcome:
    found = _received(receiver_645.Receiver(), pieces(data, random))
    assert found == _received(receiver_645.Receiver(), [data])
    assert b"".join(item.raw for item in found) == data
    for item in found:
        assert isinstance(item, (receiver_645.Received, Discarded))
    columns = bulk.decode_capture(data)
    frames = [item for item in found if isinstance(item, receiver_645.Received)]
    assert columns.frames == len(frames)
    return f"{len(frames)} frames"


def _received(receiver: Any, data: Sequence[bytes]) -> list[Any]:
    found = [item for piece in data for item in receiver.feed(piece)]
    found += receiver.flush()
    return found


def _receive_1376(data: bytes, random: Random) -> Outcome:
    found = _received_1376(pieces(data, random))
    whole = _received_1376([data])
    frames = [item for item in whole if isinstance(item, receiver_1376.Received)]
    assert [item for item in found if isinstance(item, receiver_1376.Received)] == frames
    for item in found + whole:
        assert isinstance(item, (receiver_1376.Received, Discarded))
        assert item.raw in data
    return f"{len(frames)} frames"


def _received_1376(data: Sequence[bytes]) -> list[Any]:
    receiver = receiver_1376.Receiver()
    found = [item for piece in data for item in receiver.feed(piece)]
    while receiver.pending:
        found += receiver.give_up()
    return found


def _explained(explanation: Explanation, data: bytes) -> Outcome:
    """Every byte stands in one part, and both languages can be printed."""
    at = 0
    for part in explanation.parts:
        assert part.start == at
        assert part.stop >= part.start
        at = part.stop
    assert at == len(data)
    assert isinstance(explanation.render("en"), str)
    assert isinstance(explanation.render("zh"), str)
    return "good" if all(part.ok for part in explanation.parts) else "not good"


def _identifier(data: bytes, edition: Edition) -> int:
    return int.from_bytes(data[: edition.identifier_bytes], "little")


def _items(data: bytes, random: Random) -> Outcome:
    known = [edition for edition in Edition if items.find(_identifier(data, edition), edition)]
    edition = random.choice(known or tuple(Edition))
    try:
        values = items.decode(_identifier(data, edition), data[edition.identifier_bytes :], edition)
    except DecodeError as error:
        return error.kind
    assert all(isinstance(value, items.Value) for value in values)
    return "values"


def _parse_1376(data: bytes, _random: Random) -> Outcome:
    try:
        frame = frames_1376.parse(data)
    except DecodeError as error:
        return error.kind
    summary_1376.summarise(frame)
    summary_1376.values(frame)
    return "frame"


def _load_records(data: bytes, random: Random) -> Outcome:
    mode = random.choice((None, None, 0x3F, random.randrange(0x100)))
    try:
        found = decode_records(data, mode)
    except DecodeError as error:
        return error.kind
    assert all(isinstance(record, LoadRecord) for record in found)
    return f"{len(found)} records"


def _capture(data: bytes, _random: Random) -> Outcome:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        try:
            records = read_capture(path)
        except ConfigError:
            return "refused"
    assert all(isinstance(record, Record) for record in records)
    return f"{len(records)} records"


def _settings(load: Callable[[str], object]) -> Callable[[bytes, Random], Outcome]:
    def run(data: bytes, _random: Random) -> Outcome:
        try:
            load(data.decode("utf-8", "replace"))
        except ConfigError as error:
            return f"line {'known' if error.line else 'unknown'}"
        return "accepted"

    return run


_TOML_WORDS = (
    b"[", b"]", b"[[bus]]\n", b"[[area]]\n", b"=", b'"', b"'''", b"\n", b"true", b"nan", b"-1", b"1e999",
    b"9" * 30, b"2026-03-01", b"{}", b"[[]]", b"\\u0000", b"\xff", b"#", b"a.b.c = 1\n", b'address = "tcp:"\n',
)  # fmt: skip
_JSON_WORDS = (
    b"{", b"}", b"null", b"NaN", b"1e999", b"[" * 50, b'"t": "x"', b'"dir": "up"', b'"hex": "0"',
    b'"at": "9999-12-31T23:59:59-12:00"', b'"at": "0001-01-01T00:00:00+14:00"', b"\n", b"\xff",
)  # fmt: skip
_645_WORDS = (b"\x68" + bytes(6) + b"\x68", b"\xfe" * 4, b"\x16", b"\x68", b"\xaa" * 6)
_1376_WORDS = (b"\x68\x32\x00\x32\x00\x68", b"\x16", b"\x68", b"\x00\x00\x01\x00", b"\xee" * 4)

TARGETS: dict[str, Target] = {
    "dlt645-parse": Target(_parse_645, corpus.frames_645, repair_645, _645_WORDS),
    "dlt645-receiver": Target(_receive_645, corpus.streams_645, repair_645, _645_WORDS),
    "dlt645-explain": Target(
        lambda data, _: _explained(explain_645.explain(data), data),
        corpus.frames_645,
        repair_645,
        _645_WORDS,
    ),
    "dlt645-items": Target(_items, corpus.payloads_645),
    "dlt645-load-record": Target(
        _load_records, corpus.load_records, repair_load_record, (b"\xa0\xa0", b"\xaa", b"\xe5")
    ),
    "gdw1376-parse": Target(_parse_1376, corpus.frames_1376, repair_1376, _1376_WORDS),
    "gdw1376-receiver": Target(_receive_1376, corpus.streams_1376, repair_1376, _1376_WORDS),
    "gdw1376-explain": Target(
        lambda data, _: _explained(explain_1376.explain(data), data),
        corpus.frames_1376,
        repair_1376,
        _1376_WORDS,
    ),
    "mbus-parse": Target(
        mbus_cases.parse_mbus, mbus_cases.frames, mbus_cases.repair, mbus_cases.WORDS
    ),
    "mbus-receiver": Target(mbus_cases.receive, mbus_cases.streams, words=mbus_cases.WORDS),
    "mbus-session": Target(mbus_cases.session, mbus_cases.streams, words=mbus_cases.WORDS),
    "capture": Target(_capture, corpus.captures, words=_JSON_WORDS),
    "settings-concentrator": Target(
        _settings(concentrator_config.loads),
        lambda: corpus.examples("concentrator.toml"),
        words=_TOML_WORDS,
    ),
    "settings-headend": Target(
        _settings(lambda text: parse_toml(text, headend_config.Config)),
        lambda: corpus.examples("headend.toml"),
        words=_TOML_WORDS,
    ),
}
"""Every decoder by name."""
